//! How often videos are watched.

pub(crate) mod actions;
pub(crate) mod api;
mod viewer;

pub(crate) use viewer::ViewerHasher;
