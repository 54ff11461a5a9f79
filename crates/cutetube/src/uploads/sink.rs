//! Where the bytes of a file go.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::blobs::{BlobError, BlobWriter, Stored};

/// Takes the bytes of a file as they come.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an upload has one of it")]
pub(super) enum Sink {
    /// Into the blob store.
    Store(BlobWriter),
    /// Nowhere: only what they are is of interest.
    Nothing { hash: Sha256, len: u64, limit: u64 },
}

impl Sink {
    /// Takes at most `limit` bytes.
    pub(super) fn nothing(limit: u64) -> Self {
        Self::Nothing { hash: Sha256::default(), len: 0, limit }
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        match self {
            Self::Store(writer) => writer.write(bytes).await,
            Self::Nothing { hash, len, limit } => {
                *len = len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if *len > *limit {
                    return Err(BlobError::TooLong { key: "nothing".to_owned(), limit: *limit });
                }
                hash.update(&bytes);
                Ok(())
            }
        }
    }

    pub(super) async fn finish(self) -> Result<Stored, BlobError> {
        match self {
            Self::Store(writer) => writer.finish().await,
            Self::Nothing { hash, len, .. } => Ok(Stored { len, sha256: hash.finalize().into() }),
        }
    }
}
