//! Removing from the store what nobody needs: what killed processes and failed attempts have left.
//!
//! Safe beside everything that is going on, for three reasons. What is listed is looked up in the catalogue *afterwards*,
//! and a revision is recorded there before the first of its objects is written, so whatever a job may be writing is
//! found to be needed; numbers of revisions and ids of videos are never used twice, so what is not needed stays so. An
//! upload is recorded only after its file is complete: therefore nothing younger than a safe age is touched, by the
//! clock of the store itself. And a multipart upload gives a sign of life with its parts. A piece of an upload that comes
//! in pieces is recorded soon after it is written, and is named by nobody any more once it is not needed; so is a picture of a person.

use std::time::{Duration, SystemTime};

use catalog::{
    ids::VideoId,
    pictures, posters, resumable,
    storage::{self, Needed},
    videos::SourceState,
};
use db::Db;

use crate::{
    blobs::{BlobError, BlobStore, KeyPrefix, Listed, StorageKey},
    config::Storage,
};

/// Kind of the job that sweeps.
pub(crate) const KIND: &str = "sweep";

/// How old something has to be to be removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ages {
    /// Since it was written, by the clock of the store.
    pub(crate) unneeded: Duration,
    /// Uploaded files, since their videos were published; `None` to keep them.
    pub(crate) sources: Option<Duration>,
}

/// What was, or would be, removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Swept {
    /// Objects that no video needs.
    pub(crate) objects: u64,
    /// Of those objects and files.
    pub(crate) bytes: u64,
    /// Files of objects that never appeared.
    pub(crate) staged: u64,
    /// Uploads that nobody went on with: multipart uploads to the store, and those that clients send in pieces.
    pub(crate) uploads: u64,
    /// Folders with names that this program does not give; they are left alone.
    pub(crate) foreign: u64,
    /// Videos whose uploaded files were kept for as long as they are to be.
    pub(crate) sources: u64,
}

/// What to do with what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Remove,
    OnlyTell,
}

/// Why the store was not swept to its end. What was removed so far is removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error(transparent)]
    Store(#[from] BlobError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

impl Ages {
    /// As an operator wants it.
    pub(crate) fn of(storage: &Storage) -> Self {
        Self {
            unneeded: Duration::from_secs(storage.sweep_age_seconds),
            sources: (storage.source_days > 0).then(|| Self::days(storage.source_days)),
        }
    }

    /// So many days.
    pub(crate) fn days(days: u64) -> Duration {
        Duration::from_secs(days.saturating_mul(24 * 3600))
    }
}

/// Removes what is not needed, and what is not needed any more.
pub(crate) async fn sweep(db: &Db, blobs: &BlobStore, ages: Ages, mode: Mode) -> Result<Swept, SweepError> {
    let now = blobs.clock().await?;
    let before = now.checked_sub(ages.unneeded).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut sweep = Sweep { db, blobs, before, mode, swept: Swept::default() };
    if let Some(age) = ages.sources {
        sweep.old_sources(age).await?;
    }
    sweep.sources().await?;
    sweep.media().await?;
    sweep.expired().await?;
    sweep.pieces().await?;
    sweep.pictures().await?;
    sweep.remove(&KeyPrefix::Probes).await?;
    sweep.staged().await?;
    sweep.uploads(ages.unneeded).await?;
    Ok(sweep.swept)
}

struct Sweep<'a> {
    db: &'a Db,
    blobs: &'a BlobStore,
    before: SystemTime,
    mode: Mode,
    swept: Swept,
}

impl Sweep<'_> {
    /// Uploaded files that were kept for long enough. One that this process does not come to remove is removed by the next
    /// sweep: nobody needs it from the moment that it was let go of.
    async fn old_sources(&mut self, age: Duration) -> Result<(), SweepError> {
        /// Bounds one transaction.
        const AT_ONCE: u32 = 100;
        if self.mode == Mode::OnlyTell {
            self.swept.sources = storage::old_sources(self.db, age).await?;
            return Ok(());
        }
        loop {
            let videos = storage::let_go_of_sources(self.db, age, AT_ONCE).await?;
            if videos.is_empty() {
                return Ok(());
            }
            self.swept.sources += count(videos.len());
            for video in videos {
                let folder = KeyPrefix::Source(video);
                let objects = self.blobs.objects(&folder).await?;
                self.remove_these(&folder, &objects).await?;
            }
        }
    }

    async fn sources(&mut self) -> Result<(), SweepError> {
        for folder in self.folders(&KeyPrefix::Sources).await? {
            let KeyPrefix::Source(video) = folder else { continue };
            match storage::needed(self.db, video).await? {
                Needed::UpToItsDeletion | Needed::Revisions(_, SourceState::Clear) => {}
                Needed::Nothing | Needed::Revisions(_, SourceState::Gone) => self.remove(&folder).await?,
                // Whoever sealed the file did not come to removing what it was made from.
                Needed::Revisions(_, SourceState::Sealed) => self.remove_clear(&folder).await?,
            }
        }
        Ok(())
    }

    async fn media(&mut self) -> Result<(), SweepError> {
        for folder in self.folders(&KeyPrefix::AllMedia).await? {
            let KeyPrefix::Video(video) = folder else { continue };
            let revisions = self.folders(&folder).await?;
            match storage::needed(self.db, video).await? {
                Needed::UpToItsDeletion => {}
                Needed::Nothing => self.remove(&folder).await?,
                Needed::Revisions(needed, _) => {
                    for folder in &revisions {
                        match folder {
                            KeyPrefix::Revision(_, one) if needed.contains(one) => {}
                            KeyPrefix::Posters(_) => self.remove_unshown(video, folder).await?,
                            unneeded => self.remove(unneeded).await?,
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Posters that an owner chose once, or that did not come to be shown.
    async fn remove_unshown(&mut self, video: VideoId, folder: &KeyPrefix) -> Result<(), SweepError> {
        let mut objects = self.blobs.objects(folder).await?;
        let shown = posters::of(self.db, video).await?.map(|poster| poster.object_key);
        objects.retain(|object| Some(&object.name) != shown.as_ref());
        self.remove_old(folder, objects).await
    }

    /// Uploads in pieces that were not gone on with for as long as they are kept. Objects of one that this process does
    /// not come to remove are needed by nobody any more.
    async fn expired(&mut self) -> Result<(), SweepError> {
        if self.mode == Mode::OnlyTell {
            self.swept.uploads += resumable::expired(self.db).await?;
            return Ok(());
        }
        while let Some(pieces) = resumable::expire(self.db).await? {
            self.swept.uploads += 1;
            for piece in pieces {
                if let Ok(key) = piece.object_key.parse() {
                    self.blobs.delete(&key).await?;
                    self.swept.bytes += piece.bytes;
                }
            }
        }
        Ok(())
    }

    /// Pictures that nobody shows any more, and those that were written and never shown.
    async fn pictures(&mut self) -> Result<(), SweepError> {
        for folder in self.folders(&KeyPrefix::Pictures).await? {
            let mut objects = self.blobs.objects(&folder).await?;
            let names: Vec<String> = objects.iter().map(|object| object.name.clone()).collect();
            let shown = pictures::shown(self.db, &names).await?;
            objects.retain(|object| !shown.contains(&object.name));
            self.remove_old(&folder, objects).await?;
        }
        Ok(())
    }

    /// Pieces that no upload is made of.
    async fn pieces(&mut self) -> Result<(), SweepError> {
        /// Bounds one question to the database.
        const AT_ONCE: usize = 1000;
        for folder in self.folders(&KeyPrefix::Uploads).await? {
            let objects = self.blobs.objects(&folder).await?;
            for some in objects.chunks(AT_ONCE) {
                let names: Vec<String> = some.iter().map(|object| object.name.clone()).collect();
                let needed = resumable::needed(self.db, &names).await?;
                let unneeded = some.iter().filter(|object| !needed.contains(&object.name)).cloned();
                self.remove_old(&folder, unneeded.collect()).await?;
            }
        }
        Ok(())
    }

    /// The folders below a prefix that this program has made.
    async fn folders(&mut self, prefix: &KeyPrefix) -> Result<Vec<KeyPrefix>, SweepError> {
        let names = self.blobs.folders(prefix).await?;
        let known: Vec<_> = names.iter().filter_map(|name| prefix.child(name)).collect();
        self.swept.foreign += count(names.len() - known.len());
        Ok(known)
    }

    async fn remove(&mut self, prefix: &KeyPrefix) -> Result<(), SweepError> {
        let objects = self.blobs.objects(prefix).await?;
        self.remove_old(prefix, objects).await
    }

    /// Removes what is in the folder of an uploaded file and is not sealed.
    async fn remove_clear(&mut self, prefix: &KeyPrefix) -> Result<(), SweepError> {
        let mut objects = self.blobs.objects(prefix).await?;
        objects.retain(|object| !matches!(object.name.parse(), Ok(StorageKey::Sealed { .. })));
        self.remove_old(prefix, objects).await
    }

    async fn remove_old(&mut self, prefix: &KeyPrefix, mut old: Vec<Listed>) -> Result<(), SweepError> {
        old.retain(|object| object.info.written <= self.before);
        self.remove_these(prefix, &old).await
    }

    async fn remove_these(&mut self, prefix: &KeyPrefix, old: &[Listed]) -> Result<(), SweepError> {
        if self.mode == Mode::Remove {
            self.blobs.delete_listed(prefix, old).await?;
        }
        self.swept.objects += count(old.len());
        self.swept.bytes += old.iter().map(|object| object.info.len).sum::<u64>();
        Ok(())
    }

    async fn staged(&mut self) -> Result<(), SweepError> {
        for file in self.blobs.staged(None).await? {
            if file.written > self.before {
                continue;
            }
            self.swept.staged += 1;
            self.swept.bytes += file.len;
            if self.mode == Mode::Remove {
                self.blobs.discard_staged(file).await?;
            }
        }
        Ok(())
    }

    async fn uploads(&mut self, age: Duration) -> Result<(), SweepError> {
        for stale in storage::stale_uploads(self.db, age).await? {
            self.swept.uploads += 1;
            if self.mode == Mode::Remove {
                self.blobs.abort_upload(&stale.object_key, &stale.upload).await?;
                storage::upload_ended(self.db, &stale.upload).await?;
            }
        }
        Ok(())
    }
}

impl Swept {
    /// For the log of a server.
    pub(crate) fn log(&self) {
        let Self { objects, bytes, staged, uploads, foreign, sources } = *self;
        tracing::info!(
            objects,
            freed_bytes = bytes,
            staged,
            uploads,
            foreign,
            sources,
            "swept: {objects} objects, {staged} unfinished files and {uploads} unfinished uploads, {bytes} bytes freed"
        );
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
