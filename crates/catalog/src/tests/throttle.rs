//! Slowing down those who guess.

use std::time::Duration;

use db::Db;
use testbed::Database;

use super::{AGE_ATTEMPTS, open};
use crate::throttle::{self, Rule, Verdict, attempt, forgive, give_back};

const RULE: Rule = Rule {
    free: 3,
    first: Duration::from_secs(100),
    longest: Duration::from_secs(1000),
    forgotten_after: Duration::from_secs(3600),
};

async fn is_allowed(db: &Db, keys: &[u8]) -> bool {
    let keys: Vec<_> = keys.iter().map(|key| ([*key; 32], RULE)).collect();
    attempt(db, &keys).await.unwrap() == Verdict::Allowed
}

async fn pass_time(db: &Db, seconds: u64) {
    db.write(AGE_ATTEMPTS).bind(Duration::from_secs(seconds)).execute().await.unwrap();
}

async fn whoever_keeps_failing_waits_longer_and_longer(database: Database) {
    let db = open(&database).await;
    for _ in 0..4 {
        assert!(is_allowed(&db, &[1]).await);
    }
    let Verdict::Blocked(wait) = attempt(&db, &[([1; 32], RULE)]).await.unwrap() else {
        panic!("three are free, and the fourth blocks")
    };
    assert!(wait > Duration::from_secs(50) && wait <= RULE.first, "{wait:?}");
    pass_time(&db, 101).await;
    assert!(is_allowed(&db, &[1]).await);
    pass_time(&db, 101).await;
    assert!(!is_allowed(&db, &[1]).await, "it blocks twice as long");
    assert!(is_allowed(&db, &[2]).await, "others do not wait");
    pass_time(&db, 3601).await;
    for _ in 0..4 {
        assert!(is_allowed(&db, &[1]).await, "all is forgiven");
    }
    pass_time(&db, 3601).await;
    assert_eq!(throttle::purge(&db, Duration::from_secs(3600)).await.unwrap(), 2);
}

async fn of_many_at_once_no_more_are_judged_than_one_after_another(database: Database) {
    let db = open(&database).await;
    let attempts = (0..20).map(|_| is_allowed(&db, &[1, 2]));
    let allowed = futures_util::future::join_all(attempts).await;
    assert_eq!(allowed.iter().filter(|allowed| **allowed).count(), 4);
}

async fn a_blocked_attempt_counts_nowhere_and_a_good_one_is_forgiven(database: Database) {
    let db = open(&database).await;
    for _ in 0..4 {
        is_allowed(&db, &[1]).await;
    }
    for _ in 0..10 {
        assert!(!is_allowed(&db, &[1, 2]).await);
    }
    for _ in 0..3 {
        assert!(is_allowed(&db, &[2]).await, "nothing was counted against it");
    }
    assert!(is_allowed(&db, &[2]).await);
    assert!(!is_allowed(&db, &[2]).await);
    give_back(&db, &[2; 32]).await.unwrap();
    assert!(is_allowed(&db, &[2]).await);
    assert!(!is_allowed(&db, &[2]).await, "one success is not more than one");
    forgive(&db, &[1; 32]).await.unwrap();
    for _ in 0..4 {
        assert!(is_allowed(&db, &[1]).await);
    }
}

testbed::on_both_databases!(
    whoever_keeps_failing_waits_longer_and_longer,
    of_many_at_once_no_more_are_judged_than_one_after_another,
    a_blocked_attempt_counts_nowhere_and_a_good_one_is_forgiven,
);
