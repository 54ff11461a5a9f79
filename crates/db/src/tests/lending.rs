//! What becomes of connections whose borrowers go away, and of those who wait for one.

use std::{
    future::{Future, poll_fn},
    num::NonZeroU16,
    pin::pin,
    task::Poll,
    time::Duration,
};

use testbed::Database;
use tokio::time::{Instant, timeout};

use super::{ADD_NUMBER, COUNT, CUT_EVERYBODY_OFF, SLEEP, connect, open};
use crate::{Db, Error, Settings};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than there are points at which a short transaction waits.
const POINTS: usize = 30;

/// Only one connection, so that everybody meets what was left on it.
async fn narrow(database: &Database) -> Db {
    let settings =
        Settings { connections: NonZeroU16::MIN, ..Settings::new(database.url().parse().unwrap()) };
    Db::connect(&settings).await.unwrap()
}

/// Goes on with something until it has waited that often, and drops it.
async fn give_up<T>(after: usize, asked: impl Future<Output = T>) -> Option<T> {
    let (mut asked, mut waited) = (pin!(asked), 0);
    poll_fn(|context| match asked.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if waited == after => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

async fn write_one(db: &Db) {
    db.write(ADD_NUMBER).bind(1_i64).execute().await.unwrap();
}

async fn a_beginning_that_is_given_up_begins_nothing(database: Database) {
    let other = open(&database).await;
    let db = narrow(&database).await;
    for point in 0..POINTS {
        drop(give_up(point, db.begin()).await);
        write_one(&db).await;
        let seen: usize = other.read(COUNT).value::<u64>().await.unwrap().try_into().unwrap();
        assert_eq!(seen, point + 1, "given up after {point}: what is written is there for all");
    }
}

async fn a_transaction_that_is_given_up_is_rolled_back_first(database: Database) {
    let other = open(&database).await;
    let db = narrow(&database).await;
    for point in 0..POINTS {
        let transaction = async {
            let mut tx = db.begin().await.unwrap();
            for _ in 0..3 {
                tx.query(ADD_NUMBER).bind(2_i64).execute().await.unwrap();
            }
            loop {
                tokio::task::yield_now().await;
            }
        };
        let ended: Option<()> = give_up(point, transaction).await;
        assert!(ended.is_none(), "it goes on for ever");
        write_one(&db).await;
        for each in [&db, &other] {
            let seen: usize = each.read(COUNT).value::<u64>().await.unwrap().try_into().unwrap();
            assert_eq!(seen, point + 1, "given up after {point}");
        }
    }
}

async fn an_answer_that_is_given_up_is_nobody_elses(database: Database) {
    open(&database).await;
    let db = narrow(&database).await;
    for point in 0..POINTS {
        drop(give_up(point, db.read(COUNT).value::<i64>()).await);
        drop(give_up(point, db.write(ADD_NUMBER).bind(-1_i64).execute()).await);
        let moment = db.now().await.unwrap();
        assert!(moment.unix_millis() > 1_577_836_800_000, "{moment:?} is the count");
        assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 0);
    }
}

async fn an_error_is_no_end_of_its_connection(database: Database) {
    open(&database).await;
    let db = narrow(&database).await;
    for _ in 0..20 {
        let refused = db.write(ADD_NUMBER).bind(-1_i64).execute().await.unwrap_err();
        assert!(matches!(refused, Error::Check { .. }), "{refused:?}");
        let mut tx = db.begin().await.unwrap();
        let refused = tx.query(ADD_NUMBER).bind(-1_i64).execute().await.unwrap_err();
        assert!(matches!(refused, Error::Check { .. }), "{refused:?}");
        drop(tx);
        db.ping().await.unwrap();
    }
    assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 0);
}

async fn everybody_gets_a_turn(database: Database) {
    open(&database).await;
    let db = narrow(&database).await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let db = db.clone();
        all.spawn(async move {
            let mut tx = db.begin().await.unwrap();
            tx.query(ADD_NUMBER).bind(1_i64).execute().await.unwrap();
            tx.commit().await.unwrap();
            db.ping().await.unwrap();
        });
    }
    timeout(PATIENCE, all.join_all()).await.expect("no connection is lost");
    assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 100);
}

async fn closing_waits_for_what_is_lent(database: Database) {
    let db = open(&database).await;
    let mut tx = db.begin().await.unwrap();
    tx.query(ADD_NUMBER).bind(1_i64).execute().await.unwrap();
    let mut closing = pin!(db.close());
    assert!(give_up(0, closing.as_mut()).await.is_none(), "a transaction is open");
    let (committed, ()) = tokio::join!(tx.commit(), closing);
    committed.unwrap();
    assert!(matches!(db.ping().await, Err(Error::Unreachable(_))));
    assert_eq!(connect(&database).await.read(COUNT).value::<i64>().await.unwrap(), 1);
}

testbed::on_both_databases!(
    a_beginning_that_is_given_up_begins_nothing,
    a_transaction_that_is_given_up_is_rolled_back_first,
    an_answer_that_is_given_up_is_nobody_elses,
    an_error_is_no_end_of_its_connection,
    everybody_gets_a_turn,
    closing_waits_for_what_is_lent,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_every_connection_lent_is_told_so() {
    let database = Database::postgres();
    let db = narrow(&database).await;
    let tx = db.begin().await.unwrap();
    let refused = timeout(PATIENCE, db.begin()).await.expect("nobody waits for ever").err();
    assert!(matches!(refused, Some(Error::Unreachable(_))), "{refused:?}");
    drop(tx);
    db.begin().await.unwrap().rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_is_still_busy_with_is_not_waited_for() {
    let database = Database::postgres();
    let db = narrow(&database).await;
    timeout(Duration::from_millis(100), db.read(SLEEP).execute()).await.expect_err("it takes long");
    let since = Instant::now();
    db.ping().await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(20), "a new connection has taken its place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_lost_while_it_rested_is_nobodys_error() {
    let database = Database::postgres();
    let (db, other) = (open(&database).await, connect(&database).await);
    db.ping().await.unwrap();
    let since = Instant::now();
    assert!(other.read(CUT_EVERYBODY_OFF).value::<i64>().await.unwrap() >= 1);
    while since.elapsed() < Duration::from_millis(1100) {
        other.ping().await.unwrap();
    }
    db.begin().await.unwrap().commit().await.unwrap();
}
