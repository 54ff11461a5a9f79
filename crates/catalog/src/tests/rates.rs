//! Token buckets that all nodes share.

use std::{num::NonZeroU32, time::Duration};

use testbed::Database;

use super::open;
use crate::rates::{self, Bucket, Taken};

db::statements! {
    /// Moves every bucket into the past, which is what waiting does.
    PASS_TIME { "UPDATE rate_buckets SET full_at = full_at - $1" }
    COUNT { "SELECT count(*) FROM rate_buckets" }
}

const MINUTE: Duration = Duration::from_secs(60);

fn two_a_minute() -> Bucket {
    Bucket::new(NonZeroU32::new(2).unwrap(), MINUTE).unwrap()
}

async fn tokens_run_out_and_come_back(database: Database) {
    let db = open(&database).await;
    let take = |name| rates::take(&db, name, two_a_minute());
    assert_eq!(take("a").await.unwrap(), Taken::Granted { left: 1, next: MINUTE });
    let Taken::Granted { left: 0, next } = take("a").await.unwrap() else { panic!("there was one left") };
    assert!(next <= MINUTE);
    let Taken::Refused { wait } = take("a").await.unwrap() else { panic!("there was none left") };
    assert!(wait <= MINUTE && wait > Duration::from_secs(30), "{wait:?}");
    assert_eq!(take("b").await.unwrap(), Taken::Granted { left: 1, next: MINUTE }, "others have their own");

    db.write(PASS_TIME).bind(MINUTE).execute().await.unwrap();
    assert!(matches!(take("a").await.unwrap(), Taken::Granted { left: 0, .. }));
    assert!(matches!(take("a").await.unwrap(), Taken::Refused { .. }));
    db.write(PASS_TIME).bind(10 * MINUTE).execute().await.unwrap();
    assert_eq!(take("a").await.unwrap(), Taken::Granted { left: 1, next: MINUTE });
}

async fn many_at_once_get_no_more_than_there_is(database: Database) {
    let db = open(&database).await;
    let takes = (0..20).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { rates::take(&db, "crowd", two_a_minute()).await.unwrap() })
    });
    let takes: Vec<_> = takes.collect();
    let mut granted = 0;
    for take in takes {
        granted += u32::from(matches!(take.await.unwrap(), Taken::Granted { .. }));
    }
    assert_eq!(granted, 2);
}

async fn the_table_stays_small(database: Database) {
    let db = open(&database).await;
    for number in 0..10 {
        for _ in 0..=number % 2 {
            rates::take(&db, &format!("client {number}"), two_a_minute()).await.unwrap();
        }
    }
    assert_eq!(rates::prune(&db, 5).await.unwrap(), 5);
    let emptier = rates::take(&db, "client 1", two_a_minute()).await.unwrap();
    assert!(matches!(emptier, Taken::Refused { .. }), "who took most is remembered longest");
    db.write(PASS_TIME).bind(10 * MINUTE).execute().await.unwrap();
    rates::prune(&db, 5).await.unwrap();
    assert_eq!(db.read(COUNT).value::<u64>().await.unwrap(), 0);
}

testbed::on_both_databases!(
    tokens_run_out_and_come_back,
    many_at_once_get_no_more_than_there_is,
    the_table_stays_small
);
