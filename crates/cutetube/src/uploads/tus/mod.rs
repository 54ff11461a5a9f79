//! Resumable uploads: tus 1.0.0 at `/api/v5/uploads`.
//!
//! How far an upload is stands in the database and its bytes in the store, so that a client goes on at any node, whatever
//! has become of the one before. There is no state in memory but that of the request.

mod api;
mod headers;
mod joining;
mod metadata;
mod problems;
mod receiving;
mod resource;
mod turn;

pub(super) use api::routes;
pub(crate) use joining::finish_left_over;
