//! Which objects of a video there have to be in the store: what the catalogue has recorded, and what else is in the folders
//! that it needs.

use std::collections::BTreeMap;

use catalog::{
    VideoState, outputs,
    pictures::Picture,
    posters,
    videos::{SourceState, Video},
};
use db::Tx;

use crate::blobs::{BlobError, BlobStore, KeyPrefix, StorageKey, Stored};

/// The objects of a video.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Those that do not change any more under their names.
    pub(crate) lasting: Vec<Object>,
    /// How many there are that may: they belong to a revision in the making, and are not recorded yet.
    pub(crate) growing: u64,
}

/// An object, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: StorageKey,
    /// In bytes.
    pub(crate) len: u64,
    /// Where it was recorded.
    pub(crate) sha256: Option<[u8; 32]>,
}

/// Why it is not known what there has to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    #[error(transparent)]
    Store(#[from] BlobError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

impl Inventory {
    /// Of a video as `tx` sees it, whose objects are in `store`.
    pub(crate) async fn of(tx: &mut Tx, store: &BlobStore, video: &Video) -> Result<Self, InventoryError> {
        let mut found = BTreeMap::new();
        source(store, video, &mut found).await?;
        let growing = media(tx, store, video, &mut found).await?;
        let poster = posters::recorded(tx, video.id).await?;
        found.extend(poster.into_iter().map(|object| (object.key, (object.bytes, Some(object.sha256)))));
        let object = |(name, (len, sha256)): (String, Known)| {
            // Names that are not this program's are nobody's objects.
            Some(Object { key: name.parse().ok()?, len, sha256 })
        };
        Ok(Self { lasting: found.into_iter().filter_map(object).collect(), growing })
    }
}

impl Object {
    /// What somebody shows of themselves. A name that is not this program's is nobody's object.
    pub(crate) fn of_picture(picture: &Picture) -> Option<Self> {
        Some(Self { key: picture.object_key.parse().ok()?, len: picture.bytes, sha256: Some(picture.sha256) })
    }

    /// What was recorded of it.
    pub(crate) fn recorded(&self) -> Option<Stored> {
        self.sha256.map(|sha256| Stored { len: self.len, sha256 })
    }
}

/// Length and SHA-256.
type Known = (u64, Option<[u8; 32]>);

/// The uploaded file, and what was made of it to be read.
async fn source(
    store: &BlobStore,
    video: &Video,
    found: &mut BTreeMap<String, Known>,
) -> Result<(), InventoryError> {
    match video.source_state {
        SourceState::Gone => return Ok(()),
        SourceState::Clear => {
            found.insert(video.source.key.clone(), (video.source.bytes, video.source.sha256));
        }
        SourceState::Sealed => {}
    }
    for listed in store.objects(&KeyPrefix::Source(video.id)).await? {
        let is_sealed = matches!(listed.name.parse(), Ok(StorageKey::Sealed { .. }));
        // Until everything is encrypted, what is encrypted may be written again.
        if is_sealed == (video.source_state == SourceState::Sealed) {
            found.entry(listed.name).or_insert((listed.info.len, None));
        }
    }
    Ok(())
}

/// What is served, and what is recorded of what is being made. Answers how much there is that may still change.
async fn media(
    tx: &mut Tx,
    store: &BlobStore,
    video: &Video,
    found: &mut BTreeMap<String, Known>,
) -> Result<u64, InventoryError> {
    let is_made = video.remaking || video.state == VideoState::Processing;
    let in_the_making = video.revision.filter(|one| is_made && Some(*one) != video.published_revision);
    let mut growing = 0;
    for revision in video.published_revision.into_iter().chain(in_the_making) {
        let recorded = outputs::recorded(tx, video.id, revision).await?;
        found.extend(recorded.into_iter().map(|object| (object.key, (object.bytes, Some(object.sha256)))));
        for listed in store.objects(&KeyPrefix::Revision(video.id, revision)).await? {
            if Some(revision) == video.published_revision {
                found.entry(listed.name).or_insert((listed.info.len, None));
            } else if !found.contains_key(&listed.name) {
                growing += 1;
            }
        }
    }
    Ok(growing)
}
