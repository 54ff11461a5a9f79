//! Receiving a file, straight into the blob store: as a multipart form, refused as soon as anything is wrong, or in pieces,
//! of which none is lost.

pub(crate) mod actions;
pub(crate) mod api;
mod client;
mod form;
mod once;
mod sink;
mod sniff;
mod tus;
mod v5;

pub(crate) use form::Rejection;
pub(crate) use tus::finish_left_over;
