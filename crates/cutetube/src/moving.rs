//! Copying everything that the store has to keep to another one, while both are in use.
//!
//! What is copied is looked up in the catalogue: uploaded files, and the objects of what is served or being made. Recorded
//! objects are never written again under their names, so a copy that is equal to its record stays right. An object of a
//! revision in the making that is not recorded may still change, and is left for a later run. What no video needs is
//! not copied.
//!
//! Nothing is remembered between two runs but what is in the new store: an object that is there, and reads as recorded, is
//! not copied again.

use std::fmt;

use catalog::{
    VideoState, pictures,
    storage::{self, Amount},
    videos::{self, Video},
};
use db::Db;
use futures_util::{
    TryStreamExt,
    stream::{self, StreamExt},
};

use crate::{
    blobs::{BlobError, BlobStore, StorageKey, Stored},
    inventory::{Inventory, InventoryError, Object},
};

/// From one store to another.
pub(crate) struct Move<'a> {
    pub(crate) db: &'a Db,
    pub(crate) from: &'a BlobStore,
    pub(crate) to: &'a BlobStore,
    pub(crate) target: Target,
}

/// Whether anybody writes to the new store yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Only this does: what differs there is an older copy.
    Idle,
    /// The program does: what differs there is newer.
    InUse,
}

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Objects that were copied, read back, and are right.
    pub(crate) copied: u64,
    /// Of those objects.
    pub(crate) bytes: u64,
    /// Objects that were there.
    pub(crate) there: u64,
    /// Objects that may still change: they are not recorded yet.
    pub(crate) later: u64,
    /// Objects that cannot be copied.
    pub(crate) lost: Vec<Lost>,
}

/// An object that cannot be copied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    key: String,
    problem: Problem,
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Missing,
    Changed,
}

/// Why the move did not come to its end. What was copied is copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error(transparent)]
    Store(#[from] BlobError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// Objects that are copied at once. Each holds two parts of an upload in memory.
const COPIED_AT_ONCE: usize = 4;

/// Videos that are looked up at once.
const PAGE: u32 = 64;

enum Outcome {
    Copied(u64),
    There(u64),
    Lost(Problem),
}

impl Move<'_> {
    /// About how much there is.
    pub(crate) async fn amount(&self) -> Result<Amount, MoveError> {
        Ok(storage::amount(self.db).await?)
    }

    /// Copies everything. `advance` hears of bytes that are there now.
    pub(crate) async fn all(&self, advance: &mut (dyn FnMut(u64) + Send)) -> Result<Moved, MoveError> {
        let mut moved = Moved::default();
        let mut after = None;
        loop {
            let mut tx = self.db.snapshot().await?;
            let page = storage::holders(&mut tx, after, PAGE).await?;
            tx.rollback().await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for video in page {
                self.video(video, &mut moved, advance).await?;
            }
        }
        self.pictures(&mut moved, advance).await?;
        Ok(moved)
    }

    /// Copies the pictures of people. One that is not there any more was replaced meanwhile, or is lost; which of them, the
    /// catalogue says.
    async fn pictures(
        &self,
        moved: &mut Moved,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), MoveError> {
        let mut after = None;
        loop {
            let mut tx = self.db.snapshot().await?;
            let page = pictures::page(&mut tx, after, PAGE).await?;
            tx.rollback().await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.user_id);
            for object in page.iter().filter_map(Object::of_picture) {
                match self.copy(&object).await? {
                    Outcome::Copied(len) => {
                        moved.copied += 1;
                        moved.bytes = moved.bytes.saturating_add(len);
                        advance(len);
                    }
                    Outcome::There(len) => {
                        moved.there += 1;
                        advance(len);
                    }
                    Outcome::Lost(problem) => {
                        let key = object.key.to_string();
                        if !pictures::shown(self.db, std::slice::from_ref(&key)).await?.is_empty() {
                            moved.lost.push(Lost { key, problem });
                        }
                    }
                }
            }
        }
    }

    /// Copies the objects of a video. One that changes meanwhile, or goes, may seem to lack something: it is looked at
    /// again.
    async fn video(
        &self,
        mut video: Video,
        moved: &mut Moved,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), MoveError> {
        loop {
            let lost = self.once(&video, moved, advance).await?;
            let now = match lost.is_empty() {
                true => return Ok(()),
                false => videos::video(self.db, video.id).await,
            };
            match now {
                Ok(now) if now.state == VideoState::Deleting => return Ok(()),
                Err(catalog::Error::NoVideo(_)) => return Ok(()),
                Ok(now) if has_same_objects(&now, &video) => {
                    moved.lost.extend(lost);
                    return Ok(());
                }
                Ok(now) => video = now,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn once(
        &self,
        video: &Video,
        moved: &mut Moved,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Vec<Lost>, MoveError> {
        let mut tx = self.db.snapshot().await?;
        let Inventory { lasting, growing } = Inventory::of(&mut tx, self.from, video).await?;
        tx.rollback().await?;
        moved.later = moved.later.saturating_add(growing);
        let mut lost = Vec::new();
        let mut copies = stream::iter(lasting)
            .map(|object| async move {
                let outcome = self.copy(&object).await?;
                Ok::<_, MoveError>((object.key, outcome))
            })
            .buffer_unordered(COPIED_AT_ONCE);
        while let Some((key, outcome)) = copies.try_next().await? {
            match outcome {
                Outcome::Copied(len) => {
                    moved.copied += 1;
                    moved.bytes = moved.bytes.saturating_add(len);
                    advance(len);
                }
                Outcome::There(len) => {
                    moved.there += 1;
                    advance(len);
                }
                Outcome::Lost(problem) => lost.push(Lost { key: key.to_string(), problem }),
            }
        }
        Ok(lost)
    }

    async fn copy(&self, object: &Object) -> Result<Outcome, MoveError> {
        let (key, recorded) = (&object.key, object.recorded());
        if let Some(len) = self.is_there(key, recorded).await? {
            return Ok(Outcome::There(len));
        }
        let bytes = match self.from.stream_whole(key).await {
            Ok(bytes) => bytes,
            Err(BlobError::NotFound { .. }) => return Ok(Outcome::Lost(Problem::Missing)),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = std::pin::pin!(bytes);
        let mut writer = self.to.writer(key, u64::MAX).await?;
        while let Some(piece) = bytes.try_next().await? {
            writer.write(piece).await?;
        }
        if recorded.is_some_and(|recorded| recorded != writer.so_far()) {
            writer.abort().await?;
            return Ok(Outcome::Lost(Problem::Changed));
        }
        let written = writer.finish().await?;
        match self.to.fingerprint(key).await? == written {
            true => Ok(Outcome::Copied(written.len)),
            false => Err(BlobError::Changed { key: key.to_string() }.into()),
        }
    }

    /// The length of the object in the new store, if it is the right one.
    async fn is_there(&self, key: &StorageKey, recorded: Option<Stored>) -> Result<Option<u64>, MoveError> {
        let found = match self.to.head(key).await {
            Ok(found) => found,
            Err(BlobError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let wanted = match (recorded, self.target) {
            (Some(recorded), _) => recorded,
            // Nothing but the program writes there under this name, or has copied it and read it back.
            (None, Target::InUse) => return Ok(Some(found.len)),
            (None, Target::Idle) => match self.from.fingerprint(key).await {
                Ok(original) => original,
                Err(BlobError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            },
        };
        let is_right = found.len == wanted.len && self.to.fingerprint(key).await? == wanted;
        Ok(is_right.then_some(found.len))
    }
}

/// Whether there is nothing new to be looked at.
fn has_same_objects(one: &Video, other: &Video) -> bool {
    let what = |video: &Video| (video.state, video.revision, video.published_revision, video.source_state);
    what(one) == what(other)
}

impl Moved {
    /// Whether everything was right.
    pub(crate) fn is_complete(&self) -> bool {
        self.lost.is_empty()
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem {
            Problem::Missing => write!(f, "`{}` is missing", self.key),
            Problem::Changed => write!(f, "`{}` is not what was recorded", self.key),
        }
    }
}
