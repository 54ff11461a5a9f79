//! What people say about videos, and what they like.

pub(crate) mod actions;
pub(crate) mod api;
