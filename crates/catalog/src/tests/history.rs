//! Whatever happens to workers, a video ends ready and complete, or failed; nothing is left over.

use std::time::Duration;

use db::Db;
use jobs::{Held, Job, Progress};
use proptest::{prelude::*, test_runner::TestRunner};
use testbed::Database;

use super::{LEASE, PASS_TIME, complete, open, take, unfinished, upload};
use crate::{
    VideoState,
    endings::{reap, reject, release, retry},
    outputs::contents,
    videos::video,
    work::{PIPELINE_QUEUE, UPKEEP_QUEUE},
};

/// What a worker does with the jobs it has claimed.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It does its work.
    Works,
    /// It vanishes, and its lease runs out.
    Vanishes,
    /// It is frozen past its lease, and records its result when others have moved on.
    Freezes,
    /// It fails in a way that may pass.
    Stumbles,
    /// It is told to stop.
    Stops,
    /// It finds that the source is hopeless.
    Rejects,
}

/// Answers jobs whose workers still believe that they hold them.
async fn meet(db: &Db, fate: Fate, jobs: Vec<Job>) -> Vec<Job> {
    for job in &jobs {
        match fate {
            Fate::Works => complete(db, job, 1).await.unwrap(),
            Fate::Stumbles => drop(retry(db, &job.lease, "no luck", Duration::ZERO).await),
            Fate::Stops => release(db, &job.lease).await.unwrap(),
            // The first rejection cancels the other jobs of the video.
            Fate::Rejects => drop(reject(db, &job.lease, "The file is damaged.").await),
            Fate::Vanishes | Fate::Freezes => {}
        }
    }
    if matches!(fate, Fate::Vanishes | Fate::Freezes) {
        db.write(PASS_TIME).bind(LEASE * 2).execute().await.unwrap();
        reap(db).await.unwrap();
    }
    if matches!(fate, Fate::Freezes) { jobs } else { Vec::new() }
}

async fn live(db: &Db, number: u64, fates: &[(Fate, u32)]) {
    let id = upload(db, number).await.id;
    let mut frozen: Vec<Job> = Vec::new();
    for (fate, limit) in fates.iter().chain(std::iter::repeat(&(Fate::Works, 3))) {
        let jobs = take(db, PIPELINE_QUEUE, *limit).await;
        if jobs.is_empty() {
            break;
        }
        frozen.extend(meet(db, *fate, jobs).await);
        // Those that were frozen come back, one by one, with results of their own.
        if let Some(late) = frozen.pop() {
            assert!(complete(db, &late, 2).await.unwrap_err().lease_lost());
        }
    }
    assert_eq!(unfinished(db).await, 0);
    let ended = video(db, id).await.unwrap();
    match ended.state {
        VideoState::Ready => {
            let made =
                contents::<serde_json::Value>(db, id, ended.published_revision.unwrap()).await.unwrap();
            for rendition in &made.renditions {
                assert_eq!(rendition.objects.len(), 6);
                assert!(
                    rendition.objects.iter().all(|object| object.sha256 == [1; 32]),
                    "a late result was taken"
                );
            }
        }
        VideoState::Failed => assert!(ended.error.is_some()),
        state => panic!("the video is left {state}"),
    }
}

async fn no_video_is_ever_stuck(database: Database) {
    let db = open(&database).await;
    let runtime = tokio::runtime::Handle::current();
    let fate = prop_oneof![
        6 => Just(Fate::Works),
        2 => Just(Fate::Vanishes),
        2 => Just(Fate::Freezes),
        2 => Just(Fate::Stumbles),
        1 => Just(Fate::Stops),
        1 => Just(Fate::Rejects),
    ];
    let fates = prop::collection::vec((fate, 1..5_u32), 0..20);
    let cases = tokio::task::spawn_blocking(move || {
        let mut runner =
            TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() });
        let number = std::cell::Cell::new(0);
        runner.run(&fates, |fates| {
            number.set(number.get() + 1);
            runtime.block_on(live(&db, number.get(), &fates));
            Ok(())
        })
    });
    cases.await.unwrap().unwrap();
}

/// One worker: takes jobs, keeps them alive and does them until there are none. An error other than a lost lease is a
/// verb that got into the way of another one.
async fn worker(db: Db) {
    loop {
        let jobs = take(&db, PIPELINE_QUEUE, 2).await;
        if jobs.is_empty() && unfinished(&db).await == 0 {
            return;
        }
        let held: Vec<_> =
            jobs.iter().map(|job| Held { lease: job.lease, progress: Progress::default() }).collect();
        jobs::heartbeat(&db, &held, LEASE).await.unwrap();
        for job in jobs.iter().rev() {
            match complete(&db, job, 1).await {
                Ok(()) => {}
                Err(error) => assert!(error.lease_lost(), "{error:?}"),
            }
        }
        reap(&db).await.unwrap();
        for job in take(&db, UPKEEP_QUEUE, 2).await {
            complete(&db, &job, 1).await.unwrap();
        }
    }
}

async fn verbs_at_once_never_lock_each_other_out(database: Database) {
    let db = open(&database).await;
    let mut videos = Vec::new();
    for number in 1..=8 {
        videos.push(upload(&db, number).await.id);
    }
    let mut workers: tokio::task::JoinSet<()> = (0..4).map(|_| worker(db.clone())).collect();
    for doomed in videos.iter().step_by(2) {
        crate::endings::request_delete(&db, *doomed).await.unwrap();
        tokio::task::yield_now().await;
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
    for (position, id) in videos.iter().enumerate() {
        let ended = video(&db, *id).await.map(|video| video.state).ok();
        assert_eq!(ended, (position % 2 == 1).then_some(VideoState::Ready));
    }
}

testbed::on_both_databases!(no_video_is_ever_stuck, verbs_at_once_never_lock_each_other_out);
