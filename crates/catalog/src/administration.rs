//! What administrators decide about jobs, whatever the jobs are for.
//!
//! A job that processes a video is one of many that count on each other, so what happens to it happens to the video:
//! no decision leaves a video behind that waits for a job which will never run.

use db::{Db, Tx};
use jobs::{JobId, JobSummary, State};

use crate::{
    Error, Result, endings,
    events::deliveries,
    ids::VideoId,
    videos,
    work::{self, Class, Work},
};

/// Has a dead job done after all. One that processes a video takes the whole video with it, from its source.
///
/// # Errors
/// [`Error::NoJob`]; [`Error::JobState`] when it is not dead; [`Error::Refused`] when its video has not failed, or is
/// processed again already.
pub async fn retry(db: &Db, id: JobId) -> Result<()> {
    let (job, work) = find(db, id).await?;
    if job.state != State::Dead {
        return Err(Error::JobState { job: id, state: job.state });
    }
    if let Some(video) = work.as_ref().and_then(processed) {
        videos::retry(db, video).await?;
        return Ok(());
    }
    let mut tx = db.begin().await?;
    changed(&mut tx, id, Change::Revive).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a job that waits or runs. The video that it processes fails with `sentence`, which its uploader reads. A
/// deletion cannot be cancelled: the video is gone for everybody already. A delivery is skipped.
///
/// # Errors
/// [`Error::NoJob`]; [`Error::JobState`] when it has ended, or is a deletion; [`Error::Refused`] when its video is not
/// being processed.
pub async fn cancel(db: &Db, id: JobId, sentence: &str) -> Result<()> {
    let (job, payload) = jobs::find(db, id).await?.ok_or(Error::NoJob(id))?;
    let work = Work::parse(&job.kind, &payload).ok();
    let is_open = matches!(job.state, State::Ready | State::Running);
    if !is_open || matches!(work, Some(Work::Delete(_))) {
        return Err(Error::JobState { job: id, state: job.state });
    }
    if let Some(video) = work.as_ref().and_then(processed) {
        return endings::stop(db, video, sentence).await;
    }
    let mut tx = db.begin().await?;
    changed(&mut tx, id, Change::Cancel).await?;
    deliveries::cancelled(&mut tx, &job.kind, &payload).await?;
    tx.commit().await?;
    Ok(())
}

/// Lets a job that waits go first.
///
/// # Errors
/// [`Error::NoJob`]; [`Error::JobState`] when it does not wait, or goes first already.
pub async fn expedite(db: &Db, id: JobId) -> Result<()> {
    find(db, id).await?;
    let mut tx = db.begin().await?;
    changed(&mut tx, id, Change::Expedite).await?;
    tx.commit().await?;
    Ok(())
}

/// The video that a job is about, if it is about one.
pub fn video_of(job: &JobSummary, payload: &str) -> Option<VideoId> {
    let of_group = || job.job_group.as_deref().and_then(work::video_of_group);
    Work::parse(&job.kind, payload).ok().map(|work| work.video()).or_else(of_group)
}

#[derive(Clone, Copy)]
enum Change {
    Revive,
    Cancel,
    Expedite,
}

/// Changes the job, unless it is in another state by now.
async fn changed(tx: &mut Tx, id: JobId, change: Change) -> Result<()> {
    let was_changed = match change {
        Change::Revive => jobs::revive(tx, id).await?,
        Change::Cancel => jobs::cancel(tx, id).await?,
        Change::Expedite => jobs::expedite_job(tx, id, Class::Interactive.priority()).await?,
    };
    if was_changed {
        return Ok(());
    }
    let state = jobs::state(tx, id).await?.ok_or(Error::NoJob(id))?;
    Err(Error::JobState { job: id, state })
}

/// The job, and what it asks for when this program knows.
async fn find(db: &Db, id: JobId) -> Result<(JobSummary, Option<Work>)> {
    let (job, payload) = jobs::find(db, id).await?.ok_or(Error::NoJob(id))?;
    let work = Work::parse(&job.kind, &payload).ok();
    Ok((job, work))
}

/// The video that is processed by it.
fn processed(work: &Work) -> Option<VideoId> {
    work.stage().map(|_| work.video())
}
