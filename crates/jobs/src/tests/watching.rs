//! What people see of the queue.

use std::time::Duration;

use testbed::Database;

use super::{LEASE, in_tx, job, open, pass, put, put_all, take, take_one, worker};
use crate::{
    Filter, JobId, State, cancel, depths, ended, expedite_job, fail, find, list, pause, pauses, retry,
    revive_kind, settle,
    workers::{self, Announcement},
};

const MINUTE: Duration = Duration::from_secs(60);

async fn workers_are_known_while_they_speak(database: Database) {
    let db = open(&database).await;
    let (idle, busy) = (worker("idle"), worker("w"));
    let of = |worker| Announcement { worker, host: "blue", version: "1.2.3", slots: 4, spare_slots: 1 };
    workers::announce(&db, &of(&idle)).await.unwrap();
    workers::announce(&db, &of(&busy)).await.unwrap();
    workers::announce(&db, &Announcement { slots: 2, ..of(&busy) }).await.unwrap();
    put_all(&db, vec![job("k"), job("k"), job("k")]).await;
    take(&db, "w", 2).await;
    pass(&db, Duration::from_secs(3)).await;
    let shown: Vec<_> = workers::list(&db).await.unwrap();
    let [idle_status, busy_status] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((idle_status.worker.as_str(), idle_status.held), ("idle", 0));
    assert_eq!((idle_status.oldest_held, idle_status.first_lease_ends), (Duration::ZERO, None));
    assert_eq!((busy_status.slots, busy_status.spare_slots, busy_status.held), (2, 1, 2));
    assert!(busy_status.oldest_held >= Duration::from_secs(3) && busy_status.oldest_held < MINUTE);
    assert!(busy_status.first_lease_ends.is_some());
    assert!(busy_status.seen_at >= busy_status.started_at && busy_status.silent < MINUTE);

    workers::leave(&db, &busy).await.unwrap();
    assert_eq!(workers::forget_silent(&db, MINUTE).await.unwrap(), 0);
    assert_eq!(workers::list(&db).await.unwrap().len(), 1);
    db.write(super::SILENCE).bind(MINUTE * 2).execute().await.unwrap();
    assert_eq!(workers::forget_silent(&db, MINUTE).await.unwrap(), 1);
    assert!(workers::list(&db).await.unwrap().is_empty());
}

async fn lists_are_filtered_and_come_in_pages(database: Database) {
    let db = open(&database).await;
    let mut ids = put_all(&db, (0..5).map(|_| job("a").owner("ann").group("g")).collect()).await;
    ids.extend(put_all(&db, (0..3).map(|_| job("b")).collect()).await);
    let running = take_one(&db, "w").await.unwrap().lease.id;
    in_tx!(db, cancel, ids[7]).unwrap();
    let listed = async |filter: Filter<'_>, before, limit| -> Vec<JobId> {
        list(&db, &filter, before, limit).await.unwrap().into_iter().map(|job| job.id).collect()
    };
    let newest_first: Vec<_> = ids.iter().rev().copied().collect();
    let all = Filter::default();
    assert_eq!(listed(all, None, 100).await, newest_first);
    assert_eq!(listed(all, None, 3).await, newest_first[..3]);
    assert_eq!(listed(all, Some(newest_first[2]), 3).await, newest_first[3..6]);
    assert_eq!(listed(Filter { state: Some(State::Running), ..all }, None, 9).await, [running]);
    assert_eq!(listed(Filter { state: Some(State::Ready), kind: Some("b"), ..all }, None, 9).await.len(), 2);
    assert_eq!(listed(Filter { owner: Some(""), ..all }, None, 9).await, newest_first[..3]);
    assert_eq!(listed(Filter { owner: Some("ann"), queue: Some("q"), ..all }, None, 9).await.len(), 5);
    assert_eq!(listed(Filter { queue: Some("other"), ..all }, None, 9).await, []);
    assert_eq!(listed(Filter { group: Some("g"), ..all }, None, 2).await, newest_first[3..5]);
    let waiting = Filter { group: Some("g"), state: Some(State::Ready), kind: Some("a"), ..all };
    assert_eq!(listed(waiting, None, 9).await.len(), 4);
    assert_eq!(listed(Filter { group: Some("g"), kind: Some("b"), ..all }, None, 9).await, []);

    let (found, payload) = find(&db, running).await.unwrap().unwrap();
    assert_eq!((found.kind.as_str(), payload.as_str()), ("a", r#"{"kind":"a"}"#));
    assert_eq!((found.worker.as_deref(), found.lease_until.is_some()), (Some("w"), true));
    assert_eq!(find(&db, JobId(i64::MAX)).await.unwrap(), None);
}

async fn depths_tell_how_long_somebody_waits(database: Database) {
    let db = open(&database).await;
    put_all(&db, vec![job("due"), job("due"), job("later").after(MINUTE * 60), job("run").priority(9)]).await;
    take_one(&db, "w").await.unwrap();
    pass(&db, MINUTE).await;
    let depths = depths(&db).await.unwrap();
    let shown: Vec<_> = depths.iter().map(|depth| (depth.kind.as_str(), depth.state, depth.jobs)).collect();
    assert_eq!(shown, [("due", State::Ready, 2), ("later", State::Ready, 1), ("run", State::Running, 1)]);
    assert!(depths[0].oldest >= MINUTE && depths[0].oldest < MINUTE * 2);
    assert_eq!(depths[1].oldest, Duration::ZERO);
    assert!(depths[2].oldest >= MINUTE);
    in_tx!(db, pause, "q").unwrap();
    assert_eq!(pauses(&db).await.unwrap()[0].queue, "q");
}

async fn what_ended_is_counted_by_time_and_kind(database: Database) {
    let db = open(&database).await;
    put_all(&db, (0..20).map(|_| job("a")).collect()).await;
    put(&db, job("b").priority(-1)).await;
    // The n-th of them runs for n seconds, so that ranks are known.
    let jobs = take(&db, "w", 20).await;
    for done in &jobs {
        pass(&db, Duration::from_secs(1)).await;
        in_tx!(db, settle, &done.lease).unwrap();
    }
    let first = take_one(&db, "w").await.unwrap();
    in_tx!(db, retry, &first.lease, "no", Duration::ZERO).unwrap();
    let second = take_one(&db, "w").await.unwrap();
    in_tx!(db, fail, &second.lease, "no").unwrap();
    // One span of time that everything falls into, unless it ends just now.
    let hours = ended(&db, MINUTE * 60, 2).await.unwrap();
    let of = |kind: &str, count: fn(&crate::Ended) -> u64| -> u64 {
        hours.iter().filter(|ended| ended.kind == kind).map(count).sum()
    };
    assert_eq!((of("a", |ended| ended.done), of("a", |ended| ended.dead)), (20, 0));
    assert_eq!((of("b", |ended| ended.done), of("b", |ended| ended.dead)), (0, 1));
    assert_eq!((of("a", |ended| ended.retries), of("b", |ended| ended.retries)), (0, 1));
    if let [a, _] = &hours[..] {
        let seconds = |time: Duration| time.as_secs();
        assert_eq!((seconds(a.run_p50), seconds(a.run_p95)), (10, 19));
        assert!(a.wait_p95 < MINUTE);
        assert_eq!(a.begins.unix_millis() % 3_600_000, 0);
    }
    assert!(ended(&db, Duration::from_secs(1), 0).await.unwrap().is_empty());
}

async fn people_expedite_and_revive_by_number(database: Database) {
    let db = open(&database).await;
    let ids = put_all(&db, (0..3).map(|_| job("k").owner("ann").max_failures(1)).collect()).await;
    put_all(&db, (0..9).map(|_| job("urgent").owner("bob").priority(9)).collect()).await;
    assert!(in_tx!(db, expedite_job, ids[2], 9).unwrap());
    assert!(!in_tx!(db, expedite_job, ids[2], 9).unwrap());
    // In its new lane it takes turns with those who were there before it.
    let taken = take(&db, "w", 3).await;
    assert!(taken.iter().any(|job| job.lease.id == ids[2]), "{taken:?}");
    take(&db, "w", 7).await;
    for held in take(&db, "w", 2).await {
        in_tx!(db, fail, &held.lease, "no").unwrap();
    }
    assert_eq!(in_tx!(db, revive_kind, "other", 9).unwrap(), 0);
    assert_eq!(in_tx!(db, revive_kind, "k", 1).unwrap(), 1);
    assert_eq!(in_tx!(db, revive_kind, "k", 9).unwrap(), 1);
    assert_eq!(take(&db, "w", 9).await.len(), 2);
    pass(&db, LEASE).await;
}

testbed::on_both_databases!(
    workers_are_known_while_they_speak,
    lists_are_filtered_and_come_in_pages,
    depths_tell_how_long_somebody_waits,
    what_ended_is_counted_by_time_and_kind,
    people_expedite_and_revive_by_number,
);
