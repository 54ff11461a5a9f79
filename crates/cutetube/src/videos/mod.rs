//! Videos as clients see them.

pub(crate) mod actions;
pub(crate) mod api;
mod entity_tag;
mod listing;
pub(crate) mod lookup;
mod original;
pub(crate) mod poster;
mod poster_api;
mod shown;
mod v3;
mod v5;

pub(crate) use entity_tag::IfMatch;
pub(crate) use shown::Shown;
pub(crate) use v5::VideoResource;
