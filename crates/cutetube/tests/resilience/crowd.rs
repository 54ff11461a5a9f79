//! Several processes share the work.

use std::collections::BTreeSet;

use jobs::{JobSummary, State};
use rustix::process::Signal;
use testbed::Database;

use crate::platform::{Platform, Role, count, until};

/// One process that serves and two that work, on one database and one store.
async fn workers_share_a_video(database: Database) {
    let mut platform = Platform::with(database, &[("CUTETUBE_WORKERS__SLOTS", "1".to_owned())]).await;
    let web = platform.start_as(Role::Web).await;
    let workers = [platform.start_as(Role::Worker).await, platform.start_as(Role::Worker).await];
    let video = platform.upload(&web).await;
    let mut names: BTreeSet<String> = BTreeSet::new();
    platform
        .until(&video, |jobs| {
            names =
                jobs.iter().filter(|job| job.kind == "encode").filter_map(|job| job.worker.clone()).collect();
            count(jobs, "publish", State::Done) > 0
        })
        .await;
    assert_eq!(names.len(), 2, "both have encoded chunks of it");
    platform.check_ready(&web, &video).await;
    for process in workers {
        process.stop().await;
    }
    web.stop().await;
}

/// The jobs of a killed worker go to the one that is left, long before their leases run out.
async fn a_killed_worker_is_replaced_by_another(database: Database) {
    let mut platform = Platform::new(database).await;
    let web = platform.start_as(Role::Web).await;
    let first = platform.start_as(Role::Worker).await;
    let video = platform.upload(&web).await;
    platform.until(&video, |jobs| count(jobs, "encode", State::Running) > 0).await;
    let second = platform.start_as(Role::Worker).await;
    first.kill().await;
    platform.check_ready(&web, &video).await;
    second.stop().await;
    web.stop().await;
}

/// A worker that is frozen until others have taken over its jobs wakes up and changes nothing. Only on PostgreSQL: who
/// freezes in the middle of a transaction keeps SQLite's one lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_worker_overwrites_nothing() {
    let mut platform = Platform::new(Database::postgres()).await;
    let web = platform.start_as(Role::Web).await;
    let frozen = platform.start_as(Role::Worker).await;
    let video = platform.upload(&web).await;
    let encodes = |jobs: &[JobSummary]| count(jobs, "encode", State::Running) > 0;
    platform.until(&video, |jobs| encodes(jobs) && !frozen.children().is_empty()).await;
    frozen.signal(Signal::STOP);
    let other = platform.start_as(Role::Worker).await;
    platform.until(&video, |jobs| count(jobs, "publish", State::Done) > 0).await;
    frozen.signal(Signal::CONT);
    until(|| frozen.children().is_empty()).await;
    platform.check_ready(&web, &video).await;
    for process in [frozen, other, web] {
        process.stop().await;
    }
}

testbed::on_both_databases!(workers_share_a_video, a_killed_worker_is_replaced_by_another);
