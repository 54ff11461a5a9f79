//! How processing is followed.

use std::time::Duration;

use db::Db;
use jobs::{
    Held, Progress, WorkerId,
    workers::{Announcement, announce},
};
use testbed::Database;

use super::{LEASE, complete, inspect, open, process, take, take_one, upload, work_off};
use crate::{
    VideoState, endings,
    ids::VideoId,
    processes::{Reason, of, read},
    work::PIPELINE_QUEUE,
};

async fn what_runs_counts_before_it_is_recorded(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    let before = process(&db, id).await.percent();
    let chunk = take_one(&db).await;
    assert_eq!(process(&db, id).await.percent(), before);
    // Two segments of two rungs, of ten: half of them is a fifth of the stage.
    let held = Held { lease: chunk.lease, progress: Progress { done: 100, total: 200 } };
    jobs::heartbeat(&db, &[held], LEASE).await.unwrap();
    let running = process(&db, id).await;
    assert_eq!(running.stages[1].percent(), 20);
    assert_eq!(running.stages[1].recorded.units_done, 0, "nothing is recorded yet");
    assert!(running.percent() > before && running.waiting.is_none());
    complete(&db, &chunk, 1).await.unwrap();
    assert_eq!(process(&db, id).await.stages[1].percent(), 40);
    work_off(&db).await;
    let ready = process(&db, id).await;
    assert_eq!((ready.percent(), ready.is_final(), ready.remaining), (100, true, None));
}

async fn whoever_waits_is_told_for_what(database: Database) {
    let db = open(&database).await;
    let first = upload(&db, 1).await.id;
    let second = upload(&db, 2).await.id;
    let reason = |process: crate::processes::Process| process.waiting.map(|waiting| waiting.reason);
    assert_eq!(reason(process(&db, first).await), Some(Reason::NoWorker));
    announce_a_worker(&db).await;
    assert_eq!(reason(process(&db, first).await), Some(Reason::Turn(0)));
    assert_eq!(reason(process(&db, second).await), Some(Reason::Turn(1)));

    let mut tx = db.begin().await.unwrap();
    jobs::pause(&mut tx, PIPELINE_QUEUE).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(reason(process(&db, second).await), Some(Reason::Paused));
    let mut tx = db.begin().await.unwrap();
    jobs::resume(&mut tx, PIPELINE_QUEUE).await.unwrap();
    tx.commit().await.unwrap();

    let inspection = take_one(&db).await;
    assert_eq!(reason(process(&db, first).await), None, "somebody works on it");
    endings::retry(&db, &inspection.lease, "no luck", Duration::from_secs(60)).await.unwrap();
    let failed = process(&db, first).await;
    assert_eq!(failed.failures, 1);
    assert!(matches!(reason(failed), Some(Reason::Retry(delay)) if delay > Duration::from_secs(50)));
}

async fn an_estimate_has_a_ground(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    assert_eq!(process(&db, id).await.remaining, None, "nothing was measured");
    let jobs = take(&db, PIPELINE_QUEUE, 2).await;
    db.write(super::STARTED_EARLIER).bind(Duration::from_secs(10)).execute().await.unwrap();
    complete(&db, &jobs[0], 1).await.unwrap();
    let left = process(&db, id).await.remaining.expect("a chunk is done");
    // One waits, and one has run for as long as it should take.
    assert!((10..=11).contains(&left.as_secs()), "{left:?}");
}

async fn what_is_not_there_is_left_out(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    let unknown = VideoId::new(7, &[7; 10]);
    let found = read(&db, &[unknown, id]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].video.id, id);
    assert!(of(&db, Vec::new()).await.unwrap().is_empty());
    let inspection = take_one(&db).await;
    endings::reject(&db, &inspection.lease, "It is no video.").await.unwrap();
    let failed = process(&db, id).await;
    assert_eq!((failed.video.state, failed.waiting, failed.percent()), (VideoState::Failed, None, 0));
}

async fn announce_a_worker(db: &Db) {
    let worker = WorkerId("w".to_owned());
    let host = Announcement { worker: &worker, host: "here", version: "1", slots: 2, spare_slots: 1 };
    announce(db, &host).await.unwrap();
}

testbed::on_both_databases!(
    what_runs_counts_before_it_is_recorded,
    whoever_waits_is_told_for_what,
    an_estimate_has_a_ground,
    what_is_not_there_is_left_out,
);
