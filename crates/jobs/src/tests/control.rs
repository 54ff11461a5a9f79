//! Shares, urgency, and what people decide.

use std::time::Duration;

use testbed::Database;

use super::{in_tx, job, open, pass, put, put_all, state, take, take_one};
use crate::{
    Error, Retention, State, cancel_group, counter, depths, enqueue_every, expedite, fail, pause, purge,
    resume, retry, revive, settle, unfinished,
};

const HOUR: Duration = Duration::from_secs(3600);

async fn owners_take_turns(database: Database) {
    let db = open(&database).await;
    put_all(&db, (0..1000).map(|_| job("k").owner("many")).collect()).await;
    // Some of the first one's are done by the time the second one comes.
    for done in take(&db, "w", 200).await {
        in_tx!(db, settle, &done.lease).unwrap();
    }
    put_all(&db, (0..50).map(|_| job("k").owner("few")).collect()).await;
    let order: Vec<String> = take(&db, "w", 1000).await.into_iter().map(|job| job.owner).collect();
    let last_of_few = order.iter().rposition(|owner| owner == "few").unwrap();
    assert!(last_of_few < 105, "the 50 jobs end at position {last_of_few}");
    // Neither is anybody kept waiting who took no part: the queue is empty, so both begin at the same place.
    put_all(&db, (0..30).map(|_| job("k").owner("few")).collect()).await;
    put_all(&db, (0..30).map(|_| job("k").owner("new")).collect()).await;
    let order: Vec<String> = take(&db, "w", 60).await.into_iter().map(|job| job.owner).collect();
    let new_in_first_half = order.iter().take(30).filter(|owner| *owner == "new").count();
    assert!((10..=20).contains(&new_in_first_half), "{order:?}");
}

async fn a_share_in_one_lane_costs_nothing_in_another(database: Database) {
    let db = open(&database).await;
    put_all(&db, (0..100).map(|_| job("bulk").owner("ann")).collect()).await;
    put(&db, job("urgent").owner("bob").priority(9)).await;
    put(&db, job("urgent").owner("ann").priority(9)).await;
    put(&db, job("urgent").owner("bob").priority(9)).await;
    let owners: Vec<_> = take(&db, "w", 2).await.into_iter().map(|job| job.owner).collect();
    assert_eq!(owners, ["bob", "ann"]);
}

async fn a_job_that_comes_back_makes_nobody_new_first(database: Database) {
    let db = open(&database).await;
    put(&db, job("scheduled").owner("ann").after(HOUR)).await;
    put_all(&db, (0..60).map(|_| job("k").owner("ann")).collect()).await;
    let mut old = take(&db, "w", 40).await;
    let failed = old.remove(0);
    for done in old {
        in_tx!(db, settle, &done.lease).unwrap();
    }
    in_tx!(db, retry, &failed.lease, "no", Duration::ZERO).unwrap();
    put_all(&db, (0..30).map(|_| job("k").owner("bob")).collect()).await;
    let next = take(&db, "w", 21).await;
    assert_eq!(next[0].lease.id, failed.lease.id);
    let of_ann = next[1..].iter().filter(|job| job.owner == "ann").count();
    assert!((9..=11).contains(&of_ann), "ann has {of_ann} of 20");
}

async fn a_recurring_job_runs_once_in_each_span(database: Database) {
    // So long that none ends during the test. A span of another length stands for the next one: it has another number.
    let (this, next, last) = (HOUR * 1000, HOUR * 900, HOUR * 800);
    let db = open(&database).await;
    let again = async |span| enqueue_every(&db, span, "sweep", job("sweep")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let db = db.clone();
        tasks.spawn(async move { enqueue_every(&db, this, "sweep", job("sweep")).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().flatten().count(), 1);
    assert!(enqueue_every(&db, this, "other", job("other")).await.unwrap().is_some());
    pass(&db, this).await;
    assert_eq!(again(next).await, None, "the last run has not ended");
    for run in take(&db, "w", 9).await {
        in_tx!(db, settle, &run.lease).unwrap();
    }
    assert!(again(next).await.is_some());
    assert_eq!(again(next).await, None);
    let run = take_one(&db, "w").await.unwrap();
    in_tx!(db, fail, &run.lease, "no").unwrap();
    assert_eq!(again(next).await, None, "it was the run of this span");
    pass(&db, next).await;
    assert!(again(last).await.is_some());
}

async fn a_job_somebody_waits_for_goes_first(database: Database) {
    let db = open(&database).await;
    put_all(&db, (0..5).map(|n| job("k").dedup_key(format!("k{n}"))).collect()).await;
    assert!(in_tx!(db, expedite, "k3", 100).unwrap());
    assert!(!in_tx!(db, expedite, "k3", 50).unwrap(), "it is more urgent already");
    assert!(!in_tx!(db, expedite, "unknown", 50).unwrap());
    let first = take_one(&db, "w").await.unwrap();
    assert_eq!(first.priority, 100);
    assert!(!in_tx!(db, expedite, "k3", 200).unwrap(), "it runs");
}

async fn a_group_ends_together(database: Database) {
    let db = open(&database).await;
    let ids = put_all(&db, (0..4).map(|_| job("k").group("g")).collect()).await;
    let bystander = put(&db, job("k").group("other").priority(-1)).await;
    in_tx!(db, counter::start, "c", "g", 4).unwrap();
    let [done, running] = &take(&db, "w", 2).await[..] else { panic!("two jobs") };
    in_tx!(db, settle, &done.lease).unwrap();
    assert_eq!(in_tx!(db, cancel_group, "g").unwrap(), 3);
    assert!(matches!(in_tx!(db, settle, &running.lease), Err(Error::LeaseLost(_))));
    assert_eq!(in_tx!(db, counter::count_down, "c").unwrap(), None);
    assert_eq!(state(&db, ids[0]).await, State::Done);
    assert_eq!(state(&db, ids[3]).await, State::Cancelled);
    assert_eq!(take_one(&db, "w").await.unwrap().lease.id, bystander);
    assert_eq!(unfinished(&db).await.unwrap(), 1);
}

async fn a_paused_queue_hands_out_nothing(database: Database) {
    let db = open(&database).await;
    put(&db, job("k")).await;
    in_tx!(db, pause, "q").unwrap();
    in_tx!(db, pause, "q").unwrap();
    assert!(take_one(&db, "w").await.is_none());
    in_tx!(db, resume, "q").unwrap();
    assert!(take_one(&db, "w").await.is_some());
}

async fn the_dead_can_be_revived(database: Database) {
    let db = open(&database).await;
    let id = put(&db, job("k").max_attempts(1)).await;
    assert!(!in_tx!(db, revive, id).unwrap(), "it is not dead");
    let held = take_one(&db, "w").await.unwrap();
    in_tx!(db, fail, &held.lease, "no").unwrap();
    assert!(in_tx!(db, revive, id).unwrap());
    let again = take_one(&db, "w").await.unwrap();
    assert_eq!((again.lease.id, again.attempt), (id, 1));
    assert!(matches!(in_tx!(db, settle, &held.lease), Err(Error::LeaseLost(_))));
}

async fn what_ended_long_ago_is_removed(database: Database) {
    let db = open(&database).await;
    put_all(&db, (0..4).map(|n| job("k").dedup_key(format!("k{n}"))).collect()).await;
    let jobs = take(&db, "w", 3).await;
    in_tx!(db, settle, &jobs[0].lease).unwrap();
    in_tx!(db, settle, &jobs[1].lease).unwrap();
    in_tx!(db, fail, &jobs[2].lease, "no").unwrap();
    let keep = Retention { done: HOUR, dead: HOUR * 24 };
    assert_eq!(purge(&db, keep, 100).await.unwrap(), 0);
    pass(&db, HOUR).await;
    assert_eq!(purge(&db, keep, 1).await.unwrap(), 1);
    assert_eq!(purge(&db, keep, 100).await.unwrap(), 1);
    let left: Vec<_> =
        depths(&db).await.unwrap().into_iter().map(|depth| (depth.state, depth.jobs)).collect();
    assert_eq!(left, [(State::Dead, 1), (State::Ready, 1)]);
    put(&db, job("k").dedup_key("k0")).await;
    assert_eq!(unfinished(&db).await.unwrap(), 2, "the key is free again");
    pass(&db, HOUR * 24).await;
    assert_eq!(purge(&db, keep, 100).await.unwrap(), 1);
}

testbed::on_both_databases!(
    owners_take_turns,
    a_share_in_one_lane_costs_nothing_in_another,
    a_job_that_comes_back_makes_nobody_new_first,
    a_recurring_job_runs_once_in_each_span,
    a_job_somebody_waits_for_goes_first,
    a_group_ends_together,
    a_paused_queue_hands_out_nothing,
    the_dead_can_be_revived,
    what_ended_long_ago_is_removed,
);
