//! People and invitations, as administrators see them and decide about them.

pub(crate) mod actions;
pub(crate) mod api;
