//! An object in the store, as a source that is read by byte ranges.

use transcode::source::{RangeFuture, ReadRange};

use crate::blobs::{BlobError, BlobStore, StorageKey};

/// A source in the store.
#[derive(Debug, Clone)]
pub(crate) struct BlobSource {
    store: BlobStore,
    key: StorageKey,
    len: u64,
}

impl BlobSource {
    /// The object `key`, which must exist.
    pub(crate) async fn open(store: BlobStore, key: StorageKey) -> Result<Self, BlobError> {
        let len = store.head(&key).await?.len;
        Ok(Self { store, key, len })
    }
}

impl ReadRange for BlobSource {
    fn file_len(&self) -> u64 {
        self.len
    }

    fn read_range(&self, range: isobmff::ByteRange) -> RangeFuture<'_> {
        let range = range.offset..range.offset.saturating_add(range.len);
        Box::pin(async move { self.store.read(&self.key, range).await.map_err(std::io::Error::other) })
    }
}
