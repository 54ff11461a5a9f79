//! Where a stage puts what it made: one revision of one video, or a folder.

use std::sync::Arc;

use bytes::Bytes;
use catalog::ids::{Revision, VideoId};
use tokio::time::Instant;

use super::{StageError, Tenure};
use crate::blobs::{BlobError, BlobStore, MediaObject, StorageKey, Stored};

/// The objects of one revision.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    store: BlobStore,
    place: Place,
    tenure: Option<Arc<Tenure>>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Revision(VideoId, Revision),
    Export,
}

impl Shelf {
    /// Of a video on the platform, to be written to during `tenure`.
    pub(crate) fn revision(
        store: BlobStore,
        video: VideoId,
        revision: Revision,
        tenure: Arc<Tenure>,
    ) -> Self {
        Self { store, place: Place::Revision(video, revision), tenure: Some(tenure) }
    }

    /// The store's root itself: a static folder.
    pub(crate) fn export(store: BlobStore) -> Self {
        Self { store, place: Place::Export, tenure: None }
    }

    /// Writes an object that consists of `parts`, one after the other.
    pub(crate) async fn put(&self, object: MediaObject, parts: Vec<Bytes>) -> Result<Stored, StageError> {
        if self.tenure.as_ref().is_some_and(|tenure| tenure.ends_by(Instant::now())) {
            return Err(StageError::Cancelled);
        }
        Ok(self.store.put(&self.key(object), parts).await?)
    }

    /// Name of an object in the store.
    pub(crate) fn key(&self, object: MediaObject) -> StorageKey {
        match self.place {
            Place::Revision(video, revision) => StorageKey::Media { video, revision, object },
            Place::Export => StorageKey::Export(object),
        }
    }

    /// Length of the object that was recorded under the name `key`.
    pub(crate) async fn len(&self, key: &str) -> Result<u64, BlobError> {
        let not_found = |_| BlobError::NotFound { key: key.to_owned() };
        let key: StorageKey = key.parse().map_err(not_found)?;
        Ok(self.store.head(&key).await?.len)
    }

    /// A whole object; for those known to be small.
    pub(crate) async fn get(&self, object: MediaObject) -> Result<Bytes, BlobError> {
        self.store.get(&self.key(object)).await
    }
}
