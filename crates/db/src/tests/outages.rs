//! A server that dies, freezes, falls silent, and gives its address to its standby.

use std::time::Duration;

use testbed::{Database, Forwarder, PgServer};
use tokio::{io::AsyncReadExt as _, net::TcpListener, time::timeout};

use super::{ADD_NUMBER, ADD_WITH_ID, COUNT, FILL, KEEP_SMALL, SET_NUMBER, THINGS, open};
use crate::{Db, Error, Settings};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn add(db: &Db, number: i64) -> crate::Result<()> {
    let mut tx = db.begin().await?;
    tx.query(ADD_NUMBER).bind(number).execute().await?;
    tx.notify("things");
    tx.commit().await
}

/// Adds a row as soon as somebody takes it.
async fn insist(db: &Db, number: i64) {
    let adding = async {
        while let Err(error) = add(db, number).await {
            assert!(error.is_transient() && crate::is_transient(&error), "{error:?}");
        }
    };
    timeout(PATIENCE, adding).await.expect("somebody takes it in the end");
}

/// Waits until the listener hears of a row that `db` adds.
async fn hear(listener: &mut crate::Listener, db: &Db) {
    const NEVER: Duration = Duration::from_secs(600);
    let hearing = async {
        // Wake-ups that say that the connection was lost and is back come first.
        while timeout(Duration::from_secs(1), listener.wait(NEVER)).await.is_ok() {}
        tokio::join!(listener.wait(NEVER), async { add(db, 0).await.unwrap() });
    };
    timeout(PATIENCE, hearing).await.expect("the listener hears again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_found_again() {
    let server = PgServer::start();
    let db = open(&Database::behind(server.address())).await;
    let mut listener = db.listen("things").await.unwrap();
    add(&db, 1).await.unwrap();
    let mut interrupted = db.begin().await.unwrap();
    interrupted.query(ADD_NUMBER).bind(2_i64).execute().await.unwrap();
    server.kill();
    assert!(matches!(interrupted.commit().await, Err(Error::Unreachable(_))));
    assert!(matches!(db.begin().await.err(), Some(Error::Unreachable(_))));
    server.restart();
    insist(&db, 3).await;
    hear(&mut listener, &db).await;
    assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 3, "what was committed, and nothing else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_takes_over_behind_the_same_address() {
    let primary = PgServer::start();
    let address = Forwarder::start(primary.address()).await;
    let database = Database::behind(address.address());
    let db = open(&database).await;
    let mut listener = db.listen("things").await.unwrap();
    let standby = primary.start_standby();
    for number in 0..50 {
        add(&db, number).await.unwrap();
    }
    primary.kill();
    address.point_at(standby.address());
    let refused = db.begin().await.err().expect("a standby takes no writes");
    assert!(matches!(refused, Error::Unreachable(_)), "{refused:?}");
    let refused = Db::connect(&Settings::new(database.url().parse().unwrap())).await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable(_)), "{refused:?}");
    standby.promote();
    insist(&db, 50).await;
    hear(&mut listener, &db).await;
    assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 52, "nothing that was committed is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_falls_silent_is_given_up() {
    let database = Database::postgres();
    let server = database.address();
    let address = Forwarder::start(server).await;
    let url = database.url().replace(&server.to_string(), &address.address().to_string());
    let db =
        Db::connect(&Settings { connections: 2.try_into().unwrap(), ..Settings::new(url.parse().unwrap()) })
            .await
            .unwrap();
    db.migrate(&[THINGS]).await.unwrap();
    add(&db, 1).await.unwrap();
    address.stall();
    let given_up = timeout(PATIENCE, add(&db, 2)).await.expect("nobody waits for ever");
    assert!(matches!(given_up, Err(Error::Unreachable(_))), "{given_up:?}");
    address.point_at(server);
    insist(&db, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_that_wait_for_each_other_may_begin_again() {
    let database = Database::postgres();
    let db = open(&database).await;
    for id in [1_i64, 2] {
        db.write(ADD_WITH_ID).bind(id).execute().await.unwrap();
    }
    let (mut one, mut two) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    one.query(SET_NUMBER).bind(1_i64).execute().await.unwrap();
    two.query(SET_NUMBER).bind(2_i64).execute().await.unwrap();
    let outcomes =
        tokio::join!(async { one.query(SET_NUMBER).bind(2_i64).execute().await.map(|_| one) }, async {
            let locked = two.query(SET_NUMBER).bind(1_i64).execute().await;
            // The loser's locks go with its transaction, and the winner goes on.
            if locked.is_err() {
                two.rollback().await.unwrap();
            } else {
                drop(two);
            }
            locked
        },);
    let failures: Vec<Error> = [outcomes.0.map(drop).err(), outcomes.1.err()].into_iter().flatten().collect();
    assert!(matches!(failures[..], [Error::Busy(_)]), "{failures:?}");
    assert!(failures[0].is_transient());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_from_a_mistake() {
    let database = Database::sqlite();
    let db = open(&database).await;
    // A file that may not grow is to SQLite what a full disk is.
    db.write(KEEP_SMALL).first_value::<i64>().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let full = tx.query(FILL).bind(vec![0; 200_000]).execute().await.unwrap_err();
    assert!(matches!(full, Error::Full(_)) && full.is_transient(), "{full:?}");
    drop(tx);
    // The limit was the connection's, and that has been replaced.
    let mut tx = db.begin().await.unwrap();
    tx.query(FILL).bind(vec![0; 200_000]).execute().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 1);
}

#[tokio::test]
async fn who_is_cut_off_in_the_middle_of_a_greeting_may_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://postgres@{}/none", listener.local_addr().unwrap());
    let greeting = async {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        client.read_exact(&mut request).await.unwrap();
    };
    let settings = Settings::new(url.parse().unwrap());
    let (cut_off, ()) = tokio::join!(Db::connect(&settings), greeting);
    let cut_off = cut_off.unwrap_err();
    assert!(matches!(cut_off, Error::Unreachable(_)) && crate::is_transient(&cut_off), "{cut_off:?}");
}

#[tokio::test]
async fn who_is_not_let_in_need_not_ask_again() {
    let server = Database::postgres().address();
    for url in [format!("postgres://nobody@{server}/postgres"), format!("postgres://postgres@{server}/none")]
    {
        let refused = Db::connect(&Settings::new(url.parse().unwrap())).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)) && !refused.is_transient(), "{url}: {refused:?}");
    }
}
