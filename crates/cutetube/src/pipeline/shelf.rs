//! Where a stage puts what it made: one revision of one video, or a folder.

use std::sync::Arc;

use bytes::Bytes;
use catalog::ids::{Revision, VideoId};

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
        self.require_tenure()?;
        Ok(self.store.put(&self.key(object), parts).await?)
    }

    /// Name of an object in the store.
    pub(crate) fn key(&self, object: MediaObject) -> StorageKey {
        match self.place {
            Place::Revision(video, revision) => StorageKey::Media { video, revision, object },
            Place::Export => StorageKey::Export(object),
        }
    }

    /// Whether the object that was recorded under the name `key` is the one that was recorded.
    pub(crate) async fn holds(&self, key: &str, recorded: Stored) -> Result<bool, StageError> {
        self.require_tenure()?;
        let not_found = |_| BlobError::NotFound { key: key.to_owned() };
        let key: StorageKey = key.parse().map_err(not_found)?;
        match self.store.fingerprint(&key).await {
            Ok(found) => Ok(found == recorded),
            Err(BlobError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sees to it that an object consists of `bytes`, which follow from what is recorded.
    pub(crate) async fn restore(&self, object: MediaObject, bytes: Bytes) -> Result<Stored, StageError> {
        let key = self.key(object.clone()).to_string();
        let wanted = Stored::of([&bytes]);
        if !self.holds(&key, wanted).await? {
            self.put(object, vec![bytes]).await?;
        }
        Ok(wanted)
    }

    /// A whole object; for those known to be small.
    pub(crate) async fn get(&self, object: MediaObject) -> Result<Bytes, StageError> {
        self.require_tenure()?;
        Ok(self.store.get(&self.key(object)).await?)
    }

    /// Between two objects, work that is not ours any more stops.
    fn require_tenure(&self) -> Result<(), StageError> {
        match &self.tenure {
            Some(tenure) if tenure.is_over() => Err(StageError::Cancelled),
            _ => Ok(()),
        }
    }
}
