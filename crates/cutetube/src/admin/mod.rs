//! Watching over the queue, and what administrators decide about it.

pub(crate) mod actions;
pub(crate) mod api;
mod configuration;
mod resources;
pub(crate) mod usage;
