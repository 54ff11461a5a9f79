//! Captions in streams: when a revision is published, and whenever they change afterwards. No medium is made again; what is
//! written are their files, and the manifests in place of the ones before.

use catalog::{
    captions::{self, Written},
    endings,
    ids::{Revision, VideoId},
    outputs::{self, Contents, Recorded},
    videos::{self, SourceState, Video},
    work::CaptionsJob,
};
use jobs::Job;
use packager::Presentation;

use super::{
    desk::InHand,
    stages::{Gathered, JobError, PlanDocument, Stages},
};
use crate::{
    blobs::{MediaObject, StorageKey},
    pipeline::{
        Shelf, StageError,
        captions::{with_captions, write},
        ledger, publish,
        publish::Document,
    },
};

impl Stages {
    /// What is about to be published, with the captions that there are by now, and their files. Whoever publishes it finds
    /// out whether there are others by then.
    pub(super) async fn captioned(
        &self,
        presentation: Presentation,
        (video, revision): (VideoId, Revision),
        shelf: &Shelf,
        hand: &InHand,
    ) -> Result<(Presentation, Vec<Document>), JobError> {
        let db = &self.state.db;
        let edition = hand.ask(|| captions::edition(db, video)).await?;
        let files = write(&edition, shelf).await?;
        hand.ask(|| captions::record_presentation(db, video, revision, &presentation, edition.number))
            .await?;
        Ok((with_captions(presentation, &edition)?, files))
    }

    /// Shows other captions in the streams of a video that plays.
    pub(super) async fn captions(
        &self,
        job: &CaptionsJob,
        claimed: &Job,
        hand: &InHand,
    ) -> Result<(), JobError> {
        let db = &self.state.db;
        let video = hand.ask(|| videos::video(db, job.video)).await?;
        let Some(revision) = video.published_revision else {
            // Publishing it shows them.
            hand.settle(|| endings::done(db, &claimed.lease)).await?;
            return Ok(());
        };
        // Before the edition: of what is recorded by now, nothing is of a later one.
        let recorded = hand.ask(|| self.of_captions(job.video, revision)).await?;
        let edition = hand.ask(|| captions::edition(db, job.video)).await?;
        let shelf = self.shelf(job.video, revision, hand);
        let presentation = self.presentation(&video, revision, &shelf, hand).await?;
        let presentation = with_captions(presentation, &edition)?;
        let mut documents = write(&edition, &shelf).await?;
        documents.extend(publish::write_manifests(&presentation, &shelf).await?);
        self.state.hot.rewritten(documents.iter().map(|document| shelf.key(document.object.clone()))).await;
        let documents = ledger::documents(&shelf, documents);
        let is_gone = |key: &StorageKey| documents.iter().all(|kept| kept.key != key.to_string());
        let removed: Vec<StorageKey> = recorded.into_iter().filter(is_gone).collect();
        for key in &removed {
            self.state.blobs.delete(key).await.map_err(StageError::from)?;
        }
        let removed = removed.iter().map(ToString::to_string).collect();
        let written = Written { edition: edition.number, documents, removed };
        hand.settle(|| captions::show(db, &claimed.lease, job.video, revision, &written)).await?;
        Ok(())
    }

    /// What was recorded of captions that a revision showed.
    async fn of_captions(&self, video: VideoId, revision: Revision) -> catalog::Result<Vec<StorageKey>> {
        let mut tx = self.state.db.snapshot().await?;
        let recorded = outputs::recorded(&mut tx, video, revision).await?;
        tx.rollback().await?;
        let key = |recorded: Recorded| recorded.key.parse::<StorageKey>().ok();
        let is_of_captions = |key: &StorageKey| match key {
            StorageKey::Media { object, .. } => MediaObject::is_of_captions(object),
            _ => false,
        };
        Ok(recorded.into_iter().filter_map(key).filter(is_of_captions).collect())
    }

    /// What was made of a revision. It was recorded when that was published; of one that was published before anybody did
    /// so, it is found out once more from the source.
    async fn presentation(
        &self,
        video: &Video,
        revision: Revision,
        shelf: &Shelf,
        hand: &InHand,
    ) -> Result<Presentation, JobError> {
        let db = &self.state.db;
        if let Some(found) = hand.ask(|| captions::presentation(db, video.id, revision)).await? {
            return Ok(found);
        }
        if video.source_state == SourceState::Gone {
            return Err(StageError::reject(
                "The video was published by an older version of this program and its uploaded file was not kept: its \
                 manifests cannot be written again. Upload the video again to give it captions.",
            )
            .into());
        }
        let opened = self.open(video.id, revision, hand).await?;
        let contents: Contents<PlanDocument> = hand.ask(|| outputs::contents(db, video.id, revision)).await?;
        let made = Gathered::of(&opened.blueprint, &contents, shelf).await?.presentation;
        hand.ask(|| captions::record_presentation(db, video.id, revision, &made, 0)).await?;
        Ok(made)
    }
}
