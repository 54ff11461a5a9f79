//! Many at once: limits that hold, and verbs that never wait for each other in a circle.

use std::{collections::BTreeMap, num::NonZeroU32};

use db::Db;
use testbed::Database;
use tokio::task::JoinSet;

use super::{LEASE, in_tx, job, open, put_all, take, worker};
use crate::{
    Claim, Held, Job, Progress, cancel_group, claim_limited, expire, fail, heartbeat, pause, reap, release,
    settle,
};

/// Claims under a limit until there is nothing more to have.
async fn take_limited(db: &Db, name: &str, limit: u32, most: u32) -> Vec<Job> {
    let (worker, most) = (worker(name), NonZeroU32::new(most).unwrap());
    let any = Claim { worker: &worker, queue: "q", kinds: &[], min_priority: i64::MIN, limit, lease: LEASE };
    let mut mine = Vec::new();
    loop {
        let jobs = claim_limited(db, &any, most).await.unwrap();
        if jobs.is_empty() {
            return mine;
        }
        mine.extend(jobs);
    }
}

fn by_owner(jobs: &[Job]) -> BTreeMap<&str, usize> {
    jobs.iter().fold(BTreeMap::new(), |mut owners, job| {
        *owners.entry(job.owner.as_str()).or_default() += 1;
        owners
    })
}

async fn no_owner_has_more_than_the_limit_running(database: Database) {
    let db = open(&database).await;
    put_all(&db, (0..30).map(|_| job("k").owner("ann")).collect()).await;
    put_all(&db, (0..3).map(|_| job("k").owner("bob").priority(-1)).collect()).await;
    put_all(&db, (0..4).map(|_| job("k")).collect()).await;
    put_all(&db, vec![crate::NewJob::new("elsewhere", "k", &serde_json::Value::Null).owner("ann")]).await;
    let taken = take_limited(&db, "w", 4, 2).await;
    assert_eq!(by_owner(&taken), BTreeMap::from([("", 4), ("ann", 2), ("bob", 2)]));
    let of_ann = taken.iter().find(|job| job.owner == "ann").unwrap();
    in_tx!(db, settle, &of_ann.lease).unwrap();
    let more = take_limited(&db, "other", 4, 2).await;
    assert_eq!(by_owner(&more), BTreeMap::from([("ann", 1)]));
    in_tx!(db, release, &more[0].lease).unwrap();
    in_tx!(db, pause, "q").unwrap();
    assert!(take_limited(&db, "w", 4, 9).await.is_empty());
}

async fn a_limited_claim_takes_the_most_urgent_of_each(database: Database) {
    let db = open(&database).await;
    put_all(&db, (0..5).map(|_| job("k").owner("ann")).collect()).await;
    put_all(&db, vec![job("k").owner("ann").priority(5), job("later").owner("zoe").after(LEASE)]).await;
    put_all(&db, vec![job("k").owner("bob").priority(3), job("other").owner("eve").priority(9)]).await;
    let (worker, most) = (worker("w"), NonZeroU32::new(9).unwrap());
    let claim = Claim {
        worker: &worker,
        queue: "q",
        kinds: &["k", "later"],
        min_priority: i64::MIN,
        limit: 2,
        lease: LEASE,
    };
    let taken = claim_limited(&db, &claim, most).await.unwrap();
    assert_eq!(taken.iter().map(|job| job.priority).collect::<Vec<_>>(), [5, 3]);
    let urgent = claim_limited(&db, &Claim { min_priority: 1, ..claim.clone() }, most).await.unwrap();
    assert!(urgent.is_empty());
    assert_eq!(claim_limited(&db, &claim, most).await.unwrap().len(), 1);
    assert!(claim_limited(&db, &Claim { limit: 0, ..claim }, most).await.unwrap().is_empty());
}

async fn a_crowd_of_workers_keeps_the_limit(database: Database) {
    let db = open(&database).await;
    for owner in ["ann", "bob", "eve"] {
        put_all(&db, (0..40).map(|_| job("k").owner(owner)).collect()).await;
    }
    let mut workers = JoinSet::new();
    for number in 0..12 {
        let db = db.clone();
        workers.spawn(async move { take_limited(&db, &format!("w{number}"), 4, 5).await });
    }
    let taken: Vec<Job> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(by_owner(&taken), BTreeMap::from([("ann", 5), ("bob", 5), ("eve", 5)]));
}

/// A transaction that ends one job and then cancels its group holds a row and wants the others; whatever else changes
/// several rows must not hold one of those and wait for the first.
async fn nobody_waits_in_a_circle(database: Database) {
    let db = open(&database).await;
    for round in 0..12 {
        let group = format!("g{round}");
        put_all(&db, (0..30).map(|_| job("k").group(&group)).collect()).await;
        let mut jobs = take(&db, "w", 30).await;
        jobs.sort_unstable_by_key(|job| job.lease.id);
        let held = |job: &Job| Held { lease: job.lease, progress: Progress::default() };
        let held: Vec<Held> = jobs.iter().map(held).collect();
        let last = jobs.pop().unwrap();
        let mut all = JoinSet::new();
        for _ in 0..4 {
            let (db, held) = (db.clone(), held.clone());
            all.spawn(async move {
                while !heartbeat(&db, &held, LEASE).await.unwrap().extended.is_empty() {
                    expire(&db, &worker("nobody")).await.unwrap();
                    in_tx!(db, reap, 100).unwrap();
                }
            });
        }
        let failing = async {
            let mut tx = db.begin().await.unwrap();
            fail(&mut tx, &last.lease, "no").await.unwrap();
            assert_eq!(cancel_group(&mut tx, &group).await.unwrap(), 29);
            tx.commit().await.unwrap();
        };
        failing.await;
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
    }
}

testbed::on_both_databases!(
    no_owner_has_more_than_the_limit_running,
    a_limited_claim_takes_the_most_urgent_of_each,
    a_crowd_of_workers_keeps_the_limit,
    nobody_waits_in_a_circle,
);
