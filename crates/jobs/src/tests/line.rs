use std::time::Duration;

use db::Db;
use testbed::Database;

use super::{job, open, pass, put, put_all, take, take_one};
use crate::{Held, Progress, Standing, heartbeat, lines, pause, retry, settle};

async fn standing(db: &Db, group: &str) -> Standing {
    let mut lines = lines(db, &[group.to_owned(), "nobody".to_owned()], "work").await.unwrap();
    assert_eq!(lines.standings.len(), 2);
    lines.standings.remove(0)
}

async fn what_runs_and_what_waits_is_told_by_group(database: Database) {
    let db = open(&database).await;
    let of = |owner: &str, count: usize| {
        (0..count).map(|_| job("work").owner(owner).group(format!("group of {owner}"))).collect()
    };
    put_all(&db, of("ann", 3)).await;
    put_all(&db, of("bob", 3)).await;
    let ann = standing(&db, "group of ann").await;
    assert!(ann.in_hand.is_empty() && ann.pace.is_none());
    let waiting = ann.waiting.unwrap();
    // They take turns, from behind Ann's first: Ann, Ann, Bob, Ann, Bob, Bob.
    assert_eq!((waiting.jobs, waiting.ahead, waiting.ahead_of_last), (3, 0, 1));
    assert_eq!((waiting.queue.as_str(), waiting.kind.as_str()), ("q", "work"));
    let bobs = standing(&db, "group of bob").await.waiting.unwrap();
    assert_eq!((bobs.jobs, bobs.ahead, bobs.ahead_of_last), (3, 2, 3));

    let first = take_one(&db, "w").await.unwrap();
    let held = Held { lease: first.lease, progress: Progress { done: 3, total: 4 } };
    heartbeat(&db, &[held], Duration::from_secs(20)).await.unwrap();
    let ann = standing(&db, "group of ann").await;
    let in_hand = &ann.in_hand[0];
    assert_eq!((ann.in_hand.len(), in_hand.units_done, in_hand.units_total), (1, 3, 4));
    assert_eq!(ann.waiting.unwrap().jobs, 2);
    let lines = lines(&db, &[], "work").await.unwrap();
    assert_eq!((lines.standings.len(), lines.busy.len(), lines.busy[0].jobs), (0, 1, 1));
}

async fn a_job_that_failed_says_how_long_it_waits_and_a_pause_is_seen(database: Database) {
    let db = open(&database).await;
    put(&db, job("work").group("g")).await;
    let taken = take_one(&db, "w").await.unwrap();
    let mut tx = db.begin().await.unwrap();
    retry(&mut tx, &taken.lease, "no luck", Duration::from_secs(60)).await.unwrap();
    pause(&mut tx, "q").await.unwrap();
    tx.commit().await.unwrap();
    let waiting = standing(&db, "g").await.waiting.unwrap();
    assert_eq!((waiting.failures, waiting.is_paused), (1, true));
    assert!(waiting.delay > Duration::from_secs(50), "{waiting:?}");
    pass(&db, Duration::from_secs(60)).await;
    assert_eq!(standing(&db, "g").await.waiting.unwrap().delay, Duration::ZERO);
}

async fn the_pace_is_that_of_the_kind(database: Database) {
    let db = open(&database).await;
    put_all(&db, vec![job("work").group("g"), job("other").group("g"), job("work").group("h")]).await;
    for (taken, seconds) in take(&db, "w", 3).await.iter().zip([4, 100, 8]) {
        db.write(super::STARTED_EARLIER)
            .bind(taken.lease.id)
            .bind(Duration::from_secs(seconds))
            .execute()
            .await
            .unwrap();
        let mut tx = db.begin().await.unwrap();
        settle(&mut tx, &taken.lease).await.unwrap();
        tx.commit().await.unwrap();
    }
    let lines = lines(&db, &["g".to_owned()], "work").await.unwrap();
    assert_eq!(lines.standings[0].pace.unwrap().as_secs(), 4);
    assert_eq!(lines.pace.unwrap().as_secs(), 6);
}

testbed::on_both_databases!(
    what_runs_and_what_waits_is_told_by_group,
    a_job_that_failed_says_how_long_it_waits_and_a_pause_is_seen,
    the_pace_is_that_of_the_kind,
);
