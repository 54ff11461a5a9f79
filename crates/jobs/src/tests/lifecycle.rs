//! From enqueuing to an end.

use std::{collections::HashSet, time::Duration};

use testbed::Database;

use super::{LEASE, in_tx, job, open, pass, put, put_all, state, take, take_one, worker};
use crate::{
    Backoff, CHANNEL, Claim, Enqueued, Error, Held, Progress, Retried, State, bury_exhausted, claim, counter,
    done, enqueue, enqueue_all, exhausted, expire, fail, group, heartbeat, in_hand, let_go, postpone, reap,
    release, retry, settle, unfinished,
};

const HOUR: Duration = Duration::from_secs(3600);

async fn a_job_is_as_real_as_its_transaction(database: Database) {
    let db = open(&database).await;
    let mut tx = db.begin().await.unwrap();
    enqueue(&mut tx, job("lost")).await.unwrap();
    enqueue_all(&mut tx, vec![job("lost"), job("lost")]).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(unfinished(&db).await.unwrap(), 0);
    let id = put(&db, job("kept").owner("ann").group("g").max_attempts(3).priority(7)).await;
    let claimed = take_one(&db, "w").await.unwrap();
    assert_eq!(claimed.lease.id, id);
    assert_eq!((claimed.kind.as_str(), claimed.payload.as_str()), ("kept", r#"{"kind":"kept"}"#));
    assert_eq!((claimed.owner.as_str(), claimed.group.as_deref()), ("ann", Some("g")));
    assert_eq!((claimed.attempt, claimed.max_attempts, claimed.priority), (1, 3, 7));
    assert!(take_one(&db, "w").await.is_none());
    in_tx!(db, settle, &claimed.lease).unwrap();
    assert_eq!(state(&db, id).await, State::Done);
    assert!(matches!(in_tx!(db, settle, &claimed.lease), Err(Error::LeaseLost(lost)) if lost == id));
}

async fn a_job_that_has_made_nothing_ends_by_itself(database: Database) {
    let db = open(&database).await;
    let id = put(&db, job("empty")).await;
    let first = take_one(&db, "w").await.unwrap();
    in_tx!(db, release, &first.lease).unwrap();
    let second = take_one(&db, "v").await.unwrap();
    assert!(matches!(done(&db, &first.lease).await, Err(Error::LeaseLost(lost)) if lost == id));
    assert_eq!(state(&db, id).await, State::Running);
    done(&db, &second.lease).await.unwrap();
    assert_eq!(state(&db, id).await, State::Done);
    assert!(matches!(done(&db, &second.lease).await, Err(Error::LeaseLost(_))));
}

async fn a_claim_takes_what_it_asks_for_and_no_more(database: Database) {
    let db = open(&database).await;
    let low = put(&db, job("a")).await;
    let high = put(&db, job("b").priority(10)).await;
    let other_kind = put(&db, job("c").priority(20)).await;
    put(&db, crate::NewJob::new("elsewhere", "a", &serde_json::Value::Null)).await;
    let worker = worker("w");
    let ask = |kinds, min_priority, limit| Claim {
        worker: &worker,
        queue: "q",
        kinds,
        min_priority,
        limit,
        lease: LEASE,
    };
    assert!(claim(&db, &ask(&[], i64::MIN, 0)).await.unwrap().is_empty());
    assert!(claim(&db, &ask(&["z"], i64::MIN, 9)).await.unwrap().is_empty());
    let interactive = claim(&db, &ask(&["a", "b"], 5, 9)).await.unwrap();
    assert_eq!(interactive.iter().map(|job| job.lease.id).collect::<Vec<_>>(), [high]);
    let rest = claim(&db, &ask(&[], i64::MIN, 9)).await.unwrap();
    assert_eq!(rest.iter().map(|job| job.lease.id).collect::<Vec<_>>(), [other_kind, low]);
}

async fn a_job_waits_for_its_time(database: Database) {
    let db = open(&database).await;
    put(&db, job("later").after(HOUR).priority(9)).await;
    let now = put(&db, job("now")).await;
    assert_eq!(take_one(&db, "w").await.unwrap().lease.id, now);
    assert!(take_one(&db, "w").await.is_none());
    pass(&db, HOUR).await;
    assert_eq!(take_one(&db, "w").await.unwrap().kind, "later");
}

async fn a_failing_job_backs_off_and_dies(database: Database) {
    let db = open(&database).await;
    let id = put(&db, job("k").max_attempts(2).group("g")).await;
    let first = take_one(&db, "w").await.unwrap();
    assert_eq!(in_tx!(db, retry, &first.lease, "no\0luck", HOUR).unwrap(), Retried::Later);
    assert!(take_one(&db, "w").await.is_none());
    assert_eq!(group(&db, "g").await.unwrap()[0].error.as_deref(), Some("no\u{fffd}luck"));
    pass(&db, HOUR).await;
    let second = take_one(&db, "w").await.unwrap();
    assert_eq!(second.attempt, 2);
    let Retried::Dead(dead) = in_tx!(db, retry, &second.lease, "again", HOUR).unwrap() else {
        panic!("two attempts were all")
    };
    assert_eq!((dead.id, dead.attempts, dead.error.as_str()), (id, 2, "again"));
    assert_eq!(dead.group.as_deref(), Some("g"));
    pass(&db, HOUR).await;
    assert!(take_one(&db, "w").await.is_none());
    assert!(matches!(in_tx!(db, retry, &second.lease, "late", HOUR), Err(Error::LeaseLost(_))));
}

async fn vanished_workers_are_forgiven_longer_than_failures(database: Database) {
    let db = open(&database).await;
    let id = put(&db, job("k").max_attempts(9).max_failures(2)).await;
    for _ in 0..3 {
        take_one(&db, "victim").await.unwrap();
        pass(&db, LEASE).await;
        assert_eq!(in_tx!(db, reap, 100).unwrap(), 1);
    }
    let first = take_one(&db, "w").await.unwrap();
    assert_eq!((first.attempt, first.failures), (4, 0));
    assert_eq!(in_tx!(db, retry, &first.lease, "no", Duration::ZERO).unwrap(), Retried::Later);
    let second = take_one(&db, "w").await.unwrap();
    assert_eq!((second.attempt, second.failures), (5, 1));
    assert!(matches!(in_tx!(db, retry, &second.lease, "no", Duration::ZERO).unwrap(), Retried::Dead(_)));
    assert_eq!(state(&db, id).await, State::Dead);
}

async fn what_is_put_off_counts_as_an_attempt_and_not_as_a_failure(database: Database) {
    let db = open(&database).await;
    let id = put(&db, job("k").max_attempts(4).max_failures(2)).await;
    for attempt in 1..=3 {
        let held = take_one(&db, "w").await.unwrap();
        assert_eq!((held.attempt, held.failures), (attempt, 0));
        assert_eq!(in_tx!(db, postpone, &held.lease, "no store", HOUR).unwrap(), Retried::Later);
        assert!(take_one(&db, "w").await.is_none());
        pass(&db, HOUR).await;
    }
    let last = take_one(&db, "w").await.unwrap();
    let Retried::Dead(dead) = in_tx!(db, postpone, &last.lease, "no store", HOUR).unwrap() else {
        panic!("four attempts were all")
    };
    assert_eq!((dead.id, dead.attempts, dead.error.as_str()), (id, 4, "no store"));
    assert!(matches!(in_tx!(db, postpone, &last.lease, "late", HOUR), Err(Error::LeaseLost(_))));
}

async fn the_jobs_of_a_worker_known_to_be_gone_come_back_at_once(database: Database) {
    let db = open(&database).await;
    put_all(&db, vec![job("k"), job("k"), job("k")]).await;
    assert_eq!(take(&db, "gone", 2).await.len(), 2);
    let held = take_one(&db, "here").await.unwrap();
    assert_eq!(expire(&db, &worker("gone")).await.unwrap(), 2);
    assert_eq!(in_tx!(db, reap, 100).unwrap(), 2);
    assert_eq!(expire(&db, &worker("gone")).await.unwrap(), 0);
    in_tx!(db, settle, &held.lease).unwrap();
}

async fn a_cancelled_job_is_in_hand_until_its_worker_lets_go(database: Database) {
    let db = open(&database).await;
    put_all(&db, vec![job("k").group("g"), job("k").group("g"), job("k").group("g")]).await;
    let jobs = take(&db, "w", 2).await;
    in_tx!(db, crate::cancel_group, "g").unwrap();
    assert_eq!(in_hand(&db, "g").await.unwrap(), 2);
    let held = Held { lease: jobs[1].lease, progress: Progress::default() };
    assert!(heartbeat(&db, &[held], LEASE * 2).await.unwrap().extended.is_empty());
    let_go(&db, &jobs[0].lease).await.unwrap();
    assert_eq!(in_hand(&db, "g").await.unwrap(), 1);
    pass(&db, LEASE).await;
    assert_eq!(in_hand(&db, "g").await.unwrap(), 0, "a worker that vanished lets go as well");
    assert_eq!(in_tx!(db, reap, 100).unwrap(), 0);
}

async fn a_hopeless_job_dies_at_once(database: Database) {
    let db = open(&database).await;
    let id = put(&db, job("k").max_attempts(9)).await;
    let held = take_one(&db, "w").await.unwrap();
    let long = format!("{}é the end", "x".repeat(20_000));
    let dead = in_tx!(db, fail, &held.lease, &long).unwrap();
    assert!(dead.error.ends_with("xé the end") && dead.error.len() <= 8 * 1024);
    assert_eq!(state(&db, id).await, State::Dead);
    assert!(matches!(in_tx!(db, fail, &held.lease, "late"), Err(Error::LeaseLost(_))));
}

async fn a_job_that_kills_its_worker_runs_as_often_as_it_may(database: Database) {
    let db = open(&database).await;
    let id = put(&db, job("poison").max_attempts(3)).await;
    for attempt in 1..=3 {
        let held = take_one(&db, "victim").await.unwrap();
        assert_eq!(held.attempt, attempt);
        assert_eq!(in_tx!(db, reap, 100).unwrap(), 0, "the lease has not run out");
        assert_eq!(in_tx!(db, bury_exhausted, id).unwrap(), None);
        pass(&db, LEASE).await;
        let last = attempt == 3;
        assert_eq!(in_tx!(db, reap, 100).unwrap(), u64::from(!last));
        assert_eq!(exhausted(&db, 100).await.unwrap(), if last { vec![id] } else { vec![] });
    }
    let dead = in_tx!(db, bury_exhausted, id).unwrap().unwrap();
    assert_eq!((dead.attempts, dead.error.as_str()), (3, "the worker stopped answering in every attempt"));
    assert_eq!(in_tx!(db, bury_exhausted, id).unwrap(), None, "it is dead already");
    assert!(take_one(&db, "w").await.is_none());
    assert_eq!(state(&db, id).await, State::Dead);
}

async fn a_late_result_is_refused(database: Database) {
    let db = open(&database).await;
    put(&db, job("k")).await;
    let frozen = take_one(&db, "w").await.unwrap();
    pass(&db, LEASE).await;
    in_tx!(db, reap, 100).unwrap();
    let winner = take_one(&db, "w").await.unwrap();
    assert_eq!(winner.attempt, 2);
    assert!(matches!(in_tx!(db, settle, &frozen.lease), Err(Error::LeaseLost(_))));
    assert!(matches!(in_tx!(db, release, &frozen.lease), Err(Error::LeaseLost(_))));
    let held = |job: &crate::Job| Held { lease: job.lease, progress: Progress::default() };
    let kept = heartbeat(&db, &[held(&frozen)], LEASE).await.unwrap();
    assert_eq!((kept.extended.len(), kept.lost.len()), (0, 1));
    in_tx!(db, settle, &winner.lease).unwrap();
}

async fn a_worker_that_stops_hands_back(database: Database) {
    let db = open(&database).await;
    put(&db, job("k").max_attempts(1)).await;
    let first = take_one(&db, "w").await.unwrap();
    in_tx!(db, release, &first.lease).unwrap();
    let second = take_one(&db, "w").await.unwrap();
    assert_eq!(second.attempt, 1, "the attempt did not count");
    assert!(
        matches!(in_tx!(db, settle, &first.lease), Err(Error::LeaseLost(_))),
        "though worker and attempt agree"
    );
    in_tx!(db, settle, &second.lease).unwrap();
}

async fn a_heartbeat_keeps_what_is_held_and_tells_what_is_not(database: Database) {
    let db = open(&database).await;
    put_all(&db, vec![job("kept").group("g"), job("cancelled"), job("unheard")]).await;
    let jobs = take(&db, "w", 3).await;
    let [kept, cancelled, unheard] = &jobs[..] else { panic!("three jobs") };
    assert!(in_tx!(db, crate::cancel, cancelled.lease.id).unwrap());
    pass(&db, LEASE - Duration::from_secs(1)).await;
    let progress = Progress { done: 3, total: 12 };
    let held = [kept, cancelled].map(|job| Held { lease: job.lease, progress });
    let found = heartbeat(&db, &held, LEASE).await.unwrap();
    assert_eq!(found.extended, HashSet::from([kept.lease.id]));
    assert_eq!(found.lost, HashSet::from([cancelled.lease.id]));
    pass(&db, Duration::from_secs(2)).await;
    assert_eq!(in_tx!(db, reap, 100).unwrap(), 1);
    assert_eq!(state(&db, unheard.lease.id).await, State::Ready, "nobody said that it is held");
    let summary = &group(&db, "g").await.unwrap()[0];
    assert_eq!((summary.units_done, summary.units_total, summary.state), (3, 12, State::Running));
    assert_eq!(summary.worker.as_deref(), Some("w"));
}

async fn the_last_of_many_is_exactly_one(database: Database) {
    let db = open(&database).await;
    let mut tx = db.begin().await.unwrap();
    counter::start(&mut tx, "c", "g", 24).await.unwrap();
    enqueue_all(&mut tx, (0..24).map(|_| job("part").group("g")).collect()).await.unwrap();
    tx.commit().await.unwrap();
    let mut settling = tokio::task::JoinSet::new();
    for part in take(&db, "w", 24).await {
        let db = db.clone();
        settling.spawn(async move {
            let mut tx = db.begin().await.unwrap();
            settle(&mut tx, &part.lease).await.unwrap();
            let remaining = counter::count_down(&mut tx, "c").await.unwrap();
            if remaining == Some(0) {
                enqueue(&mut tx, job("next").dedup_key("next")).await.unwrap();
            }
            tx.commit().await.unwrap();
            remaining.unwrap()
        });
    }
    let mut seen = settling.join_all().await;
    seen.sort_unstable();
    assert_eq!(seen, (0..24).collect::<Vec<_>>());
    assert_eq!(take(&db, "w", 9).await.len(), 1);
    assert_eq!(in_tx!(db, counter::count_down, "c").unwrap(), None);
}

async fn a_key_is_in_the_queue_once(database: Database) {
    let db = open(&database).await;
    let id = put(&db, job("a").dedup_key("k1")).await;
    assert_eq!(in_tx!(db, enqueue, job("b").dedup_key("k1")).unwrap(), Enqueued::Existing(id));
    let new = put_all(
        &db,
        vec![job("c").dedup_key("k1"), job("d").dedup_key("k2"), job("e").dedup_key("k2"), job("f")],
    )
    .await;
    assert_eq!(new.len(), 2);
    let done = take_one(&db, "w").await.unwrap();
    in_tx!(db, settle, &done.lease).unwrap();
    assert_eq!(in_tx!(db, enqueue, job("g").dedup_key("k1")).unwrap(), Enqueued::Existing(id));
}

async fn no_two_workers_have_the_same_job(database: Database) {
    let db = open(&database).await;
    put_all(&db, (0..200).map(|_| job("k")).collect()).await;
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let db = db.clone();
        workers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let jobs = take(&db, &format!("w{number}"), 3).await;
                if jobs.is_empty() {
                    return mine;
                }
                assert!(jobs.len() <= 3);
                mine.extend(jobs.into_iter().map(|job| job.lease.id));
            }
        });
    }
    let mut all: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    // On PostgreSQL claimers step over rows that others are just taking; what they left is still ready.
    all.extend(take(&db, "last", 200).await.into_iter().map(|job| job.lease.id));
    assert_eq!(all.len(), 200);
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 200);
}

async fn an_enqueue_wakes_who_waits(database: Database) {
    let db = open(&database).await;
    let mut listener = db.listen(CHANNEL).await.unwrap();
    let waiting = async { listener.wait(HOUR).await };
    let woken = async { tokio::join!(waiting, put(&db, job("k"))) };
    tokio::time::timeout(Duration::from_secs(30), woken).await.expect("the enqueue wakes the listener");
}

testbed::on_both_databases!(
    a_job_is_as_real_as_its_transaction,
    a_job_that_has_made_nothing_ends_by_itself,
    a_claim_takes_what_it_asks_for_and_no_more,
    a_job_waits_for_its_time,
    a_failing_job_backs_off_and_dies,
    vanished_workers_are_forgiven_longer_than_failures,
    what_is_put_off_counts_as_an_attempt_and_not_as_a_failure,
    the_jobs_of_a_worker_known_to_be_gone_come_back_at_once,
    a_cancelled_job_is_in_hand_until_its_worker_lets_go,
    a_hopeless_job_dies_at_once,
    a_job_that_kills_its_worker_runs_as_often_as_it_may,
    a_late_result_is_refused,
    a_worker_that_stops_hands_back,
    a_heartbeat_keeps_what_is_held_and_tells_what_is_not,
    the_last_of_many_is_exactly_one,
    a_key_is_in_the_queue_once,
    no_two_workers_have_the_same_job,
    an_enqueue_wakes_who_waits,
);

#[test]
fn waits_double_up_to_their_cap() {
    let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(10) };
    let waits: Vec<_> = (1..=6).map(|attempt| backoff.delay(attempt, 0.0).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    assert_eq!(backoff.delay(1, 1.0), Duration::from_millis(1250));
    assert_eq!(backoff.delay(u32::MAX, 1.0), backoff.cap);
    assert_eq!(backoff.delay(0, f64::NAN.max(0.0)), backoff.base);
}
