//! What administrators decide about jobs.

use db::Db;
use jobs::{Filter, JobId, JobSummary, State};
use testbed::Database;

use super::{inspect, open, process, take, take_one, upload, work_off};
use crate::{
    Error, VideoState,
    administration::{cancel, expedite, retry},
    endings, events,
    videos::video,
    work::{PIPELINE_QUEUE, UPKEEP_QUEUE},
};

/// Those that work on videos.
async fn all(db: &Db, state: State) -> Vec<JobSummary> {
    let mut all =
        jobs::list(db, &Filter { state: Some(state), ..Filter::default() }, None, 100).await.unwrap();
    all.retain(|job| job.queue != events::QUEUE);
    all
}

async fn ready(db: &Db) -> JobId {
    all(db, State::Ready).await.last().expect("a job is ready").id
}

async fn a_dead_job_of_a_video_takes_the_video_with_it(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    let chunk = take_one(&db).await;
    assert!(matches!(retry(&db, chunk.lease.id).await, Err(Error::JobState { state: State::Running, .. })));
    endings::reject(&db, &chunk.lease, "It is broken.").await.unwrap();
    retry(&db, chunk.lease.id).await.unwrap();
    assert_eq!(video(&db, id).await.unwrap().state, VideoState::Uploaded);
    assert!(matches!(retry(&db, chunk.lease.id).await, Err(Error::Refused(_))), "once is enough");
    work_off(&db).await;
    assert_eq!(process(&db, id).await.video.state, VideoState::Ready);
}

async fn other_dead_jobs_live_again_by_themselves(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    endings::request_delete(&db, id).await.unwrap();
    let deletion = take(&db, UPKEEP_QUEUE, 1).await.pop().unwrap();
    endings::reject(&db, &deletion.lease, "no luck").await.unwrap();
    retry(&db, deletion.lease.id).await.unwrap();
    work_off(&db).await;
    assert!(matches!(video(&db, id).await, Err(Error::NoVideo(_))));
    assert!(matches!(retry(&db, JobId(123_456)).await, Err(Error::NoJob(JobId(123_456)))));
}

async fn to_cancel_a_job_is_to_stop_its_video(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    let running = take_one(&db).await;
    cancel(&db, ready(&db).await, "Stopped by an administrator.").await.unwrap();
    let stopped = video(&db, id).await.unwrap();
    assert_eq!(
        (stopped.state, stopped.error.as_deref()),
        (VideoState::Failed, Some("Stopped by an administrator."))
    );
    assert_eq!(all(&db, State::Cancelled).await.len(), 4, "nothing goes on for a video that has failed");
    assert!(matches!(cancel(&db, running.lease.id, "Again.").await, Err(Error::JobState { .. })));

    endings::request_delete(&db, id).await.unwrap();
    let refused = cancel(&db, ready(&db).await, "Stopped.").await;
    assert!(matches!(refused, Err(Error::JobState { state: State::Ready, .. })), "{refused:?}");
}

async fn an_expedited_job_is_next(database: Database) {
    let db = open(&database).await;
    upload(&db, 1).await;
    inspect(&db).await;
    let last = all(&db, State::Ready).await.first().unwrap().id;
    expedite(&db, last).await.unwrap();
    assert!(matches!(expedite(&db, last).await, Err(Error::JobState { .. })), "it goes first already");
    assert_eq!(take(&db, PIPELINE_QUEUE, 1).await[0].lease.id, last);
}

testbed::on_both_databases!(
    a_dead_job_of_a_video_takes_the_video_with_it,
    other_dead_jobs_live_again_by_themselves,
    to_cancel_a_job_is_to_stop_its_video,
    an_expedited_job_is_next,
);
