//! How much of videos is watched, as players tell it, and what their owners see of it.

pub(crate) mod actions;
pub(crate) mod api;
