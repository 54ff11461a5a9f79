//! What was recorded and is not there any more is made again.

use db::{Db, Tx};
use jobs::Lease;

use super::{ImageKind, recording::lock_and_settle};
use crate::{
    Error, Result, VideoEvent,
    ids::{RenditionId, Revision, UserId, VideoId},
    work::{self, AudioJob, EncodeJob, Work},
};

/// A job whose objects are to be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redo {
    /// Encoding a chunk, or the sound.
    pub work: Work,
    /// The images that it makes too.
    pub images: Vec<(ImageKind, u32)>,
}

/// How often objects of one revision are made again. A store that loses more than this will lose the next ones too.
pub const MOST_REPAIRS: u32 = 3;

/// Takes back what jobs have recorded, enqueues them again, and ends the job that found out; the last of them enqueues
/// publishing once more. Everything that such a job has made is taken back, because it will write all of it anew.
///
/// # Errors
/// [`Error::lease_lost`]; [`Error::BeyondRepair`] after [`MOST_REPAIRS`]; [`Error::Refused`] when the video is not
/// processing.
pub async fn withdraw(
    db: &Db,
    lease: &Lease,
    video: VideoId,
    revision: Revision,
    redo: &[Redo],
) -> Result<()> {
    let mut tx = db.begin().await?;
    // Allowed in exactly the state in which it could be published.
    lock_and_settle(&mut tx, video, lease).await?.after(VideoEvent::Published)?;
    let repairs: u32 = tx.query(COUNT_REPAIR).bind(video).bind(revision).value().await?;
    if repairs > MOST_REPAIRS {
        return Err(Error::BeyondRepair { repairs: MOST_REPAIRS });
    }
    for redo in redo {
        take_back(&mut tx, redo).await?;
        for (kind, index) in &redo.images {
            tx.query(FORGET_IMAGE).bind(video).bind(revision).bind(*kind).bind(*index).execute().await?;
        }
    }
    let waits = u64::try_from(redo.len()).unwrap_or(u64::MAX);
    jobs::counter::start(&mut tx, &work::publish_counter(video, revision), &work::group(video), waits)
        .await?;
    let owner: UserId = tx.query(OWNER).bind(video).value().await?;
    let again = redo.iter().map(|redo| redo.work.clone().into_job_again(owner, repairs));
    jobs::enqueue_all(&mut tx, again.collect()).await?;
    tx.commit().await?;
    Ok(())
}

/// How often objects of a revision were made again.
pub(super) async fn repairs(tx: &mut Tx, video: VideoId, revision: Revision) -> Result<u32> {
    Ok(tx.query(REPAIRS).bind(video).bind(revision).value().await?)
}

async fn take_back(tx: &mut Tx, redo: &Redo) -> Result<()> {
    match &redo.work {
        Work::Encode(EncodeJob { video, revision, segments, rungs, .. }) => {
            // The chunk that begins the video has made the init segments.
            let first = if segments.start == 0 { 0 } else { segments.start.saturating_add(1) };
            for rung in rungs {
                forget(tx, *video, *revision, rung, first, segments.end).await?;
            }
            Ok(())
        }
        Work::Audio(AudioJob { video, revision, rendition }) => {
            forget(tx, *video, *revision, rendition, 0, u32::MAX).await
        }
        Work::Inspect(_) | Work::Publish(_) | Work::Captions(_) | Work::Delete(_) => Ok(()),
    }
}

/// Forgets the objects with these indices, the last one included.
async fn forget(
    tx: &mut Tx,
    video: VideoId,
    revision: Revision,
    rendition: &RenditionId,
    first: u32,
    last: u32,
) -> Result<()> {
    let query = tx.query(FORGET_OBJECTS).bind(video).bind(revision).bind(rendition);
    query.bind(first).bind(last).execute().await?;
    Ok(())
}

db::statements! {
    COUNT_REPAIR {
        "UPDATE plans SET repairs = repairs + 1 WHERE video_id = $1 AND revision = $2 RETURNING repairs"
    }
    REPAIRS { "SELECT repairs FROM plans WHERE video_id = $1 AND revision = $2" }
    FORGET_OBJECTS {
        "DELETE FROM objects
         WHERE video_id = $1 AND revision = $2 AND rendition = $3 AND idx BETWEEN $4 AND $5"
    }
    FORGET_IMAGE {
        "DELETE FROM images WHERE video_id = $1 AND revision = $2 AND kind = $3 AND idx = $4"
    }
    OWNER { "SELECT owner_id FROM videos WHERE id = $1" }
}
