//! Videos as clients see them.

pub(crate) mod actions;
pub(crate) mod api;
mod original;
mod v3;
mod v5;
