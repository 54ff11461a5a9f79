//! How processing ends other than well, and how videos go.

use std::time::Duration;

use db::{Db, Tx};
use jobs::{DeadJob, JobId, Lease, Retried};

use crate::{
    Error, Result, VideoEvent,
    events::{self, EventKind},
    ids::{UserId, VideoId},
    leaving, remaking, videos,
    work::{self, DeleteJob, Work},
};

/// What became of a job that could not do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It runs again later.
    Later,
    /// It was the last attempt, and what it was for has failed with it.
    Failed,
}

/// What was taken from workers that stopped answering.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reaped {
    /// How many jobs others may take up.
    pub returned: u64,
    /// How many jobs are dead.
    pub dead: u64,
}

/// The job cannot succeed: its video fails with `sentence`, which its uploader reads, and every other job of the
/// video is cancelled.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn reject(db: &Db, lease: &Lease, sentence: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    lock_video_of(&mut tx, lease.id).await?;
    let dead = jobs::fail(&mut tx, lease, sentence).await?;
    bury(&mut tx, &dead, sentence).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends the processing of a video: it fails with `sentence`, which its uploader reads, and its jobs are cancelled.
///
/// # Errors
/// [`Error::NoVideo`]; [`Error::Refused`] when it is not being processed.
pub async fn stop(db: &Db, video: VideoId, sentence: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    fail(&mut tx, video, sentence).await?;
    tx.commit().await?;
    Ok(())
}

/// The attempt failed, for a reason that may pass. `error` is for operators; when it was the last attempt, the video
/// fails with a sentence of its own.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn retry(db: &Db, lease: &Lease, error: &str, delay: Duration) -> Result<Ending> {
    let mut tx = db.begin().await?;
    lock_video_of(&mut tx, lease.id).await?;
    let retried = jobs::retry(&mut tx, lease, error, delay).await?;
    end_or_bury(tx, retried).await
}

/// The attempt failed because of something that has nothing to do with the video: a store that is away, a machine
/// without resources. It is repeated far more often than what fails by itself.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn postpone(db: &Db, lease: &Lease, error: &str, delay: Duration) -> Result<Ending> {
    let mut tx = db.begin().await?;
    lock_video_of(&mut tx, lease.id).await?;
    let retried = jobs::postpone(&mut tx, lease, error, delay).await?;
    end_or_bury(tx, retried).await
}

/// The job is done, and nothing else is to be recorded about it.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn done(db: &Db, lease: &Lease) -> Result<()> {
    Ok(jobs::done(db, lease).await?)
}

/// Hands a job back because this worker is stopping. The attempt does not count.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn release(db: &Db, lease: &Lease) -> Result<()> {
    let mut tx = db.begin().await?;
    jobs::release(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// Takes jobs from workers that stopped answering; a video whose job has used up its attempts fails. Any worker may
/// call this at any time.
///
/// # Errors
/// Those of the database.
pub async fn reap(db: &Db) -> Result<Reaped> {
    /// Bounds one transaction; what is left is found by the next call.
    const AT_ONCE: u32 = 100;
    let mut tx = db.begin().await?;
    let returned = jobs::reap(&mut tx, AT_ONCE).await?;
    tx.commit().await?;
    let mut dead = 0;
    for id in jobs::exhausted(db, AT_ONCE).await? {
        let mut tx = db.begin().await?;
        lock_video_of(&mut tx, id).await?;
        if let Some(job) = jobs::bury_exhausted(&mut tx, id).await? {
            bury(&mut tx, &job, &given_up(&job)).await?;
            dead += 1;
        }
        tx.commit().await?;
    }
    Ok(Reaped { returned, dead })
}

/// Takes a video away from everybody at once: its jobs are cancelled, and one that removes its objects is enqueued.
///
/// # Errors
/// [`Error::NoVideo`]; [`Error::Refused`] when it is being deleted already.
pub async fn request_delete(db: &Db, video: VideoId) -> Result<()> {
    let mut tx = db.begin().await?;
    let state = videos::lock(&mut tx, video).await?.after(VideoEvent::DeleteRequested)?;
    let owner: UserId = tx.query(SET_DELETING).bind(video).bind(state).value().await?;
    jobs::cancel_group(&mut tx, &work::group(video)).await?;
    jobs::enqueue(&mut tx, Work::Delete(DeleteJob { video }).into_job(owner)).await?;
    events::log(&mut tx, EventKind::Deleted, video).await?;
    tx.commit().await?;
    Ok(())
}

/// Forgets a video whose objects are removed, and ends the job that removed them. An account that leaves goes with its
/// last video.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn finish_delete(db: &Db, lease: &Lease, video: VideoId) -> Result<()> {
    let mut tx = db.begin().await?;
    jobs::settle(&mut tx, lease).await?;
    if let Some(owner) = tx.query(DELETE).bind(video).first_value().await? {
        leaving::forget_if_bare(&mut tx, owner).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn end_or_bury(mut tx: Tx, retried: Retried) -> Result<Ending> {
    let ending = match retried {
        Retried::Later => Ending::Later,
        Retried::Dead(dead) => {
            bury(&mut tx, &dead, &given_up(&dead)).await?;
            Ending::Failed
        }
    };
    tx.commit().await?;
    Ok(ending)
}

/// The video first and its jobs afterwards, as [`videos::lock`] wants it.
async fn lock_video_of(tx: &mut Tx, job: JobId) -> Result<()> {
    let group = jobs::group_of(tx, job).await?;
    match group.as_deref().and_then(work::video_of_group) {
        Some(video) => match videos::lock(tx, video).await {
            Ok(_) | Err(Error::NoVideo(_)) => Ok(()),
            Err(error) => Err(error),
        },
        None => Ok(()),
    }
}

/// What a dead job takes with it, and the event that tells of it. A job of another version of the program, or one for a
/// video that is failed or deleted already, takes nothing; it stays among the dead for somebody to look at.
async fn bury(tx: &mut Tx, dead: &DeadJob, sentence: &str) -> Result<()> {
    events::deliveries::bury(tx, dead).await?;
    let Ok(work) = Work::parse(&dead.kind, &dead.payload) else { return Ok(()) };
    if work.stage().is_none() {
        return Ok(());
    }
    match fail(tx, work.video(), sentence).await {
        Err(Error::NoVideo(_) | Error::Refused(_)) => Ok(()),
        outcome => outcome,
    }
}

/// The video fails with `sentence`, and its other jobs are cancelled. One that was to be made again goes on playing.
async fn fail(tx: &mut Tx, video: VideoId, sentence: &str) -> Result<()> {
    let locked = videos::lock(tx, video).await?;
    if locked.remaking {
        remaking::give_up(tx, video).await?;
        jobs::cancel_group(tx, &work::group(video)).await?;
        return Ok(());
    }
    let state = locked.after(VideoEvent::Failed)?;
    tx.query(SET_FAILED).bind(video).bind(state).bind(sentence.replace('\0', "\u{fffd}")).execute().await?;
    jobs::cancel_group(tx, &work::group(video)).await?;
    events::log(tx, EventKind::Failed, video).await
}

fn given_up(dead: &DeadJob) -> String {
    let step = match dead.kind.as_str() {
        "inspect" => "reading the file",
        "encode" => "encoding the picture",
        "audio" => "encoding the sound",
        _ => "publishing it",
    };
    format!(
        "The video could not be processed: {step} failed {} times. Try again later; if it keeps failing, tell the \
         administrator.",
        dead.attempts
    )
}

db::statements! {
    SET_FAILED { "UPDATE videos SET state = $2, error = $3, updated_at = " NOW " WHERE id = $1" }
    SET_DELETING {
        "UPDATE videos SET state = $2, error = NULL, remaking = FALSE, updated_at = " NOW " WHERE id = $1
         RETURNING owner_id"
    }
    DELETE { "DELETE FROM videos WHERE id = $1 RETURNING owner_id" }
}
