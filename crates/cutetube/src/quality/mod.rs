//! How well videos play, as players tell it, and what administrators see of it.

pub(crate) mod actions;
pub(crate) mod api;
