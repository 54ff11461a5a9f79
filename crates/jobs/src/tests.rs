//! One suite for both databases.

mod control;
mod crowd;
mod lifecycle;
mod line;
mod model;
mod processes;
mod watching;

use std::time::Duration;

use db::{Db, Settings};
use serde_json::json;
use testbed::Database;

use crate::{Claim, Enqueued, Job, JobId, NewJob, State, WorkerId, claim, enqueue, enqueue_all};

const LEASE: Duration = Duration::from_secs(20);

db::statements! {
    /// Moves every moment into the past, which is what waiting does.
    PASS_TIME {
        "UPDATE jobs SET created_at = created_at - $1, run_at = run_at - $1, started_at = started_at - $1,
             lease_until = lease_until - $1, finished_at = finished_at - $1"
    }
    /// Nobody has been heard of since.
    SILENCE { "UPDATE job_workers SET seen_at = seen_at - $1" }
    STARTED_EARLIER { "UPDATE jobs SET started_at = started_at - $2 WHERE id = $1" }
    STATE { "SELECT state FROM jobs WHERE id = $1" }
    STAMPS { "SELECT stamp FROM jobs ORDER BY id" }
    FORGET_JOBS { "DELETE FROM jobs" }
    FORGET_SHARES { "DELETE FROM job_shares" }
    FORGET_COUNTERS { "DELETE FROM job_counters" }
    FORGET_PAUSES { "DELETE FROM job_pauses" }
}

/// An empty queue.
const FORGET: &[db::Statement] = &[FORGET_JOBS, FORGET_SHARES, FORGET_COUNTERS, FORGET_PAUSES];

async fn connect(url: &str) -> Db {
    Db::connect(&Settings::new(url.parse().unwrap())).await.unwrap()
}

async fn open(database: &Database) -> Db {
    let db = connect(database.url()).await;
    db.migrate(&[crate::QUEUE_MIGRATION, crate::WORKERS_MIGRATION]).await.unwrap();
    db
}

/// Lets `time` pass, and a moment more: SQLite's clock may say the same millisecond twice.
async fn pass(db: &Db, time: Duration) {
    db.write(PASS_TIME).bind(time + Duration::from_millis(10)).execute().await.unwrap();
}

async fn state(db: &Db, id: JobId) -> State {
    db.read(STATE).bind(id).value().await.unwrap()
}

fn job(kind: &str) -> NewJob {
    NewJob::new("q", kind, &json!({ "kind": kind }))
}

async fn put(db: &Db, job: NewJob) -> JobId {
    let mut tx = db.begin().await.unwrap();
    let enqueued = enqueue(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
    match enqueued {
        Enqueued::New(id) | Enqueued::Existing(id) => id,
    }
}

async fn put_all(db: &Db, jobs: Vec<NewJob>) -> Vec<JobId> {
    let mut tx = db.begin().await.unwrap();
    let ids = enqueue_all(&mut tx, jobs).await.unwrap();
    tx.commit().await.unwrap();
    ids
}

fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

/// Claims for a worker that takes whatever comes.
async fn take(db: &Db, name: &str, limit: u32) -> Vec<Job> {
    let worker = worker(name);
    let any = Claim { worker: &worker, queue: "q", kinds: &[], min_priority: i64::MIN, limit, lease: LEASE };
    claim(db, &any).await.unwrap()
}

async fn take_one(db: &Db, name: &str) -> Option<Job> {
    take(db, name, 1).await.pop()
}

/// Runs `verb` with a transaction, and commits it when that succeeds.
macro_rules! in_tx {
    ($db:expr, $verb:path $(, $argument:expr)*) => {{
        let mut tx = $db.begin().await.unwrap();
        let result = $verb(&mut tx $(, $argument)*).await;
        if result.is_ok() {
            tx.commit().await.unwrap();
        }
        result
    }};
}
use in_tx;

async fn every_statement_can_be_prepared(database: Database) {
    let db = open(&database).await;
    let modules = [
        enqueue::STATEMENTS,
        claim::STATEMENTS,
        crate::settle::STATEMENTS,
        crate::counter::STATEMENTS,
        crate::control::STATEMENTS,
        crate::listing::STATEMENTS,
        crate::stats::STATEMENTS,
        crate::workers::STATEMENTS,
        crate::line::STATEMENTS,
        STATEMENTS,
    ];
    for (name, statement) in modules.into_iter().flatten() {
        db.prepare(*statement).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

testbed::on_both_databases!(every_statement_can_be_prepared);
