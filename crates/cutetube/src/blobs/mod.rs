//! Objects: what they are called ([`StorageKey`]), and how they are written and read ([`BlobStore`]).
//!
//! An object is never overwritten and never seen half written. Nothing here knows a database.

mod index;
mod key;
mod store;
mod writer;

pub use index::{IndexError, index_file};
pub use key::{Caching, KeyError, KeyPrefix, MediaObject, RenditionName, STORYBOARD, StorageKey};
pub use packager::Flavour;
pub use store::{BlobError, BlobInfo, BlobStore};
pub use writer::{BlobWriter, Stored};
