//! Several processes on one database, some of which are killed.

use std::collections::BTreeSet;

use db::Db;
use testbed::{Database, Peer};

use super::{LEASE, connect, in_tx, job, open, pass, put_all, take};
use crate::{counter, enqueue, reap, settle, unfinished};

const PARTS: u64 = 60;

db::statements! {
    MAKE_RESULTS { "CREATE TABLE results (job BIGINT NOT NULL PRIMARY KEY)" }
    RECORD { "INSERT INTO results (job) VALUES ($1)" }
    RESULTS { "SELECT job FROM results" }
}

/// What a worker process does: takes jobs and settles them, each with its result, until there are none.
async fn work(db: &Db, name: &str) {
    loop {
        let jobs = take(db, name, 2).await;
        if jobs.is_empty() {
            return;
        }
        for part in jobs {
            let mut tx = db.begin().await.unwrap();
            settle(&mut tx, &part.lease).await.unwrap();
            tx.query(RECORD).bind(part.lease.id).execute().await.unwrap();
            if counter::count_down(&mut tx, "parts").await.unwrap() == Some(0) {
                enqueue(&mut tx, job("last").dedup_key("last")).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
    }
}

/// Not a test of its own: what a peer runs.
#[tokio::test]
async fn peer() {
    let Some(url) = testbed::peer_argument() else { return };
    work(&connect(&url).await, &format!("process {}", std::process::id())).await;
}

async fn processes_share_the_work_and_survive_each_other(database: Database) {
    let db = open(&database).await;
    db.write(MAKE_RESULTS).execute().await.unwrap();
    in_tx!(db, counter::start, "parts", "g", PARTS).unwrap();
    put_all(&db, (0..PARTS).map(|_| job("part")).collect()).await;
    let mut listener = db.listen(crate::CHANNEL).await.unwrap();
    let mut peers: Vec<Peer> = (0..4).map(|_| start(&database)).collect();
    // One is killed while it works, wherever it is then; another one takes its place.
    listener.wait(LEASE).await;
    peers.remove(0).kill();
    peers.push(start(&database));
    for peer in peers {
        tokio::task::spawn_blocking(|| peer.join()).await.unwrap();
    }
    // What the killed one held is found by whoever looks after its lease has run out.
    pass(&db, LEASE).await;
    in_tx!(db, reap, 100).unwrap();
    work(&db, "survivor").await;
    let results: BTreeSet<i64> = db.read(RESULTS).values().await.unwrap().into_iter().collect();
    assert_eq!(u64::try_from(results.len()).unwrap(), PARTS + 1, "every part once, and the last step once");
    assert_eq!(unfinished(&db).await.unwrap(), 0);
}

fn start(database: &Database) -> Peer {
    Peer::start("tests::processes::peer", database.url())
}

testbed::on_both_databases!(processes_share_the_work_and_survive_each_other);
