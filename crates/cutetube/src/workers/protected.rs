//! What the stages of a protected video need beside its plan: its keys, and a source that may be encrypted.

use catalog::{
    ids::Revision,
    keys, outputs,
    videos::{self, Protection, SourceState, Video},
};
use jobs::Job;

use super::desk::InHand;
use super::stages::{JobError, Stages};
use crate::blobs::{KeyPrefix, SealedFile, StorageKey};
use crate::config::SourcesOfProtected;
use crate::keys::VideoKeys;
use crate::pipeline::StageError;
use crate::pipeline::blob_source::BlobSource;
use crate::pipeline::blueprint::Blueprint;

impl Stages {
    /// The keys of a protected video; those that it has not are made.
    pub(super) async fn make_keys(
        &self,
        video: &Video,
        hand: &InHand,
    ) -> Result<Option<VideoKeys>, JobError> {
        if video.protection == Protection::None {
            return Ok(None);
        }
        let db = &self.state.db;
        let had = hand.ask(async || keys::of_video(db, video.id).await).await?;
        let made = tokio::select! {
            () = hand.cancel.cancelled() => return Err(StageError::Cancelled.into()),
            made = self.state.keys.make(video, &had) => made?,
        };
        let kept = match made.is_empty() {
            true => had,
            false => hand.ask(async || keys::record(db, video.id, &made).await).await?,
        };
        Ok(Some(self.state.keys.read(&kept)?))
    }

    /// The keys of a protected video.
    pub(super) async fn keys(&self, video: &Video, hand: &InHand) -> Result<Option<VideoKeys>, JobError> {
        if video.protection == Protection::None {
            return Ok(None);
        }
        let rows = hand.ask(async || keys::of_video(&self.state.db, video.id).await).await?;
        Ok(Some(self.state.keys.read(&rows)?))
    }

    /// The file that a plan is for.
    pub(super) async fn source(
        &self,
        video: &Video,
        file: SealedFile,
        keys: Option<&VideoKeys>,
    ) -> Result<BlobSource, JobError> {
        let store = self.state.blobs.clone();
        let opened = match (video.source_state, keys.and_then(|keys| keys.source(file))) {
            (SourceState::Sealed, Some(cipher)) => {
                let key = StorageKey::Sealed { video: video.id, file };
                BlobSource::open_sealed(store, key, cipher).await
            }
            _ => BlobSource::open(store, clear_key(video, file)).await,
        };
        Ok(opened.map_err(StageError::from)?)
    }

    /// The plan of a protected video, with what encrypts it.
    pub(super) fn protected(
        &self,
        blueprint: Blueprint,
        video: &Video,
        keys: Option<&VideoKeys>,
    ) -> Result<Blueprint, JobError> {
        match keys.and_then(|keys| keys.protection(&self.state.config, video)) {
            None => Ok(blueprint),
            Some(protection) => blueprint
                .protected_by(protection)
                .map_err(|error| StageError::retry("the video lacks a key", error).into()),
        }
    }

    /// Leaves nothing in the clear of a protected video, unless that is wanted. `planned` is the file that was worked from.
    ///
    /// The encrypted file is complete and known before the one that it was made from goes: whoever takes this up again, at
    /// whatever point, finds one of them.
    pub(super) async fn seal_source(
        &self,
        video: &Video,
        planned: SealedFile,
        hand: &InHand,
    ) -> Result<(), JobError> {
        if video.protection == Protection::None || self.state.config.drm.sources == SourcesOfProtected::Keep {
            return Ok(());
        }
        let store = &self.state.blobs;
        let keys = self.keys(video, hand).await?;
        if video.source_state == SourceState::Clear {
            let both = [SealedFile::Source, SealedFile::Rewritten];
            for file in both.into_iter().filter(|file| *file == SealedFile::Source || *file == planned) {
                let cipher = keys.as_ref().and_then(|keys| keys.source(file));
                let cipher =
                    cipher.ok_or_else(|| StageError::retry("the video lacks a key", "of its source"))?;
                let source = BlobSource::open(store.clone(), clear_key(video, file)).await;
                let to = StorageKey::Sealed { video: video.id, file };
                tokio::select! {
                    () = hand.cancel.cancelled() => return Err(StageError::Cancelled.into()),
                    sealed = async { source?.seal(&to, &cipher).await } => sealed.map_err(StageError::from)?,
                };
            }
            hand.ask(async || videos::seal_source(&self.state.db, video.id).await).await?;
        }
        for file in [SealedFile::Source, SealedFile::Rewritten] {
            store.delete(&clear_key(video, file)).await.map_err(StageError::from)?;
        }
        Ok(())
    }

    /// Shows the video to people, and ends the job. What is not kept of a protected video goes afterwards; if this process
    /// does not come to that, a sweep does.
    pub(super) async fn show(
        &self,
        video: &Video,
        revision: Revision,
        claimed: &Job,
        hand: &InHand,
    ) -> Result<(), JobError> {
        let (db, lease) = (&self.state.db, &claimed.lease);
        let &Video { id: video, protection, .. } = video;
        let is_kept = self.state.config.drm.sources != SourcesOfProtected::Delete;
        if protection == Protection::None || is_kept {
            hand.settle(async || outputs::publish(db, lease, video, revision).await).await?;
            return Ok(());
        }
        hand.settle(async || outputs::publish_without_source(db, lease, video, revision).await).await?;
        if let Err(error) = self.state.blobs.delete_prefix(&KeyPrefix::Source(video)).await {
            let cause = &error as &dyn std::error::Error;
            tracing::warn!(video.id = %video, error = cause, "the uploaded file of video `{video}` is left to a sweep");
        }
        Ok(())
    }
}

/// What a file of a video is called that is not encrypted.
fn clear_key(video: &Video, file: SealedFile) -> StorageKey {
    match file {
        SealedFile::Source => StorageKey::Source { video: video.id, extension: video.source.extension },
        SealedFile::Rewritten => StorageKey::RewrittenSource { video: video.id },
    }
}
