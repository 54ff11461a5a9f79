//! Objects: what they are called ([`StorageKey`]), and how they are written and read ([`BlobStore`]).
//!
//! An object is never seen half written, and of what was published only manifests are ever
//! overwritten. Nothing here knows a database: what has to outlive this process is told to a [`Journal`].

mod assembly;
mod error;
mod journal;
mod key;
mod local_copy;
mod place;
mod s3;
mod staged;
mod store;
mod writer;

pub(crate) use assembly::{Assembly, AssemblyPiece};
pub use error::{BlobError, Refusal};
pub use journal::{Journal, JournalFuture};
pub use key::{Caching, KeyError, KeyPrefix, MediaObject, RenditionName, STORYBOARD, SealedFile, StorageKey};
pub(crate) use local_copy::LocalCopy;
pub use packager::Flavour;
pub use store::{BlobInfo, BlobStore, ExamineError, Listed};
pub(crate) use writer::Fingerprint;
pub use writer::{BlobWriter, Stored};

#[cfg(test)]
mod tests;
