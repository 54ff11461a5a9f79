//! Objects: what they are called ([`StorageKey`]), and how they are written and read ([`BlobStore`]).
//!
//! An object is never overwritten and never seen half written. Nothing here knows a database.

mod key;
mod store;
mod writer;

pub use key::{Caching, KeyError, KeyPrefix, MediaObject, RenditionName, STORYBOARD, StorageKey};
pub use packager::Flavour;
pub use store::{BlobError, BlobInfo, BlobStore};
pub use writer::{BlobWriter, Stored};
