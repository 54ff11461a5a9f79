//! Receiving a file: multipart straight into the blob store, refused as soon as anything is wrong.

pub(crate) mod actions;
pub(crate) mod api;
mod client;
mod form;
mod once;
mod sink;
mod sniff;
mod v5;

pub(crate) use form::Rejection;
