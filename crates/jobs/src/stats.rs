//! What the queue holds and how fast it moves, for people and for metrics.

use std::time::Duration;

use db::{Db, Timestamp, Tx};

use crate::{JobId, Result, State, job::micros};

db::row! {
    /// How many jobs of a kind are in a state that needs somebody: ready, running or dead.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Depth {
        /// The queue.
        pub queue: String,
        /// The kind.
        pub kind: String,
        /// The state.
        pub state: State,
        /// How many.
        pub jobs: u64,
        /// How long the oldest of them has been so: ready since it was due (zero when none is due yet), running
        /// since it was claimed, dead since it died.
        pub oldest: Duration,
    }
}

db::row! {
    /// What ended well or badly within one span of time.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Ended {
        /// When the span begins.
        pub begins: Timestamp,
        /// The kind of the jobs.
        pub kind: String,
        /// How many are done.
        pub done: u64,
        /// How many are dead.
        pub dead: u64,
        /// How many attempts all of them needed beyond their first.
        pub retries: u64,
        /// How long they waited from being due to their last start: half of them less than this.
        pub wait_p50: Duration,
        /// The same for 95 of 100.
        pub wait_p95: Duration,
        /// How long their last attempt took: half of them less than this.
        pub run_p50: Duration,
        /// The same for 95 of 100.
        pub run_p95: Duration,
    }
}

db::row! {
    /// A queue that hands out nothing.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Pause {
        /// The queue.
        pub queue: String,
        /// Since when.
        pub paused_at: Timestamp,
    }
}

/// The jobs that wait, run or are dead, by queue, kind and state.
///
/// # Errors
/// Those of the database.
pub async fn depths(db: &Db) -> Result<Vec<Depth>> {
    Ok(db.read(DEPTHS).all().await?)
}

/// What ended in the last `buckets` spans of time of this length, the present one included, by span and kind. Spans
/// begin at multiples of their length since 1970, so that two questions agree about them; one in which nothing of a
/// kind ended is not listed. It costs what reading these jobs costs.
///
/// # Errors
/// Those of the database.
pub async fn ended(db: &Db, bucket: Duration, buckets: u32) -> Result<Vec<Ended>> {
    Ok(db.read(ENDED).bind(micros(bucket).max(1)).bind(buckets).all().await?)
}

/// The queues that hand out nothing at present.
///
/// # Errors
/// Those of the database.
pub async fn pauses(db: &Db) -> Result<Vec<Pause>> {
    Ok(db.read(PAUSES).all().await?)
}

/// How many jobs of a group somebody may be working on. A cancelled job counts until its worker [lets it
/// go](crate::let_go), or can only have vanished: its lease is not extended any more.
///
/// # Errors
/// Those of the database.
pub async fn in_hand(db: &Db, group: &str) -> Result<u64> {
    Ok(db.read(IN_HAND).bind(group).value().await?)
}

/// The group of a job, read inside a transaction; `None` when it has none, or is gone.
///
/// For callers that must lock what the group stands for before they end the job.
///
/// # Errors
/// Those of the database.
pub async fn group_of(tx: &mut Tx, id: JobId) -> Result<Option<String>> {
    Ok(tx.query(GROUP_OF).bind(id).first_value::<Option<String>>().await?.flatten())
}

/// Where a job is in its life, read inside a transaction; `None` when there is no such job.
///
/// # Errors
/// Those of the database.
pub async fn state(tx: &mut Tx, id: JobId) -> Result<Option<State>> {
    Ok(tx.query(STATE).bind(id).first_value().await?)
}

/// How many jobs an owner has in a queue that wait or run, as far as `most`: counting ends there for each of both.
///
/// # Errors
/// Those of the database.
pub async fn open_jobs(tx: &mut Tx, queue: &str, owner: &str, most: u32) -> Result<u32> {
    Ok(tx.query(OPEN_JOBS).bind(queue).bind(owner).bind(most).value().await?)
}

/// How many jobs have not ended.
///
/// # Errors
/// Those of the database.
pub async fn unfinished(db: &Db) -> Result<u64> {
    Ok(db.read(UNFINISHED).value().await?)
}

// SQLite takes an index with few entries for one with many, and finds a partial one only by its exact condition: where
// it matters the index is named.
db::statements! {
    /// Of ready jobs there may be many: they are counted inside an index that has nothing else. No span of time is
    /// negative, here and below, though a clock may be set back, or be that of another server after a fail-over.
    DEPTHS {
        "SELECT queue, kind, state, jobs, CASE WHEN since < " NOW " THEN " NOW " - since ELSE 0 END AS oldest FROM (
             SELECT queue, kind, 'ready' AS state, count(*) AS jobs, min(run_at) AS since
             FROM jobs" [sqlite " INDEXED BY jobs_ready" postgres ""] " WHERE state = 'ready' GROUP BY queue, kind
             UNION ALL
             SELECT queue, kind, 'running' AS state, count(*) AS jobs, min(started_at) AS since
             FROM jobs" [sqlite " INDEXED BY jobs_running" postgres ""] " WHERE state = 'running' GROUP BY queue, kind
             UNION ALL
             SELECT queue, kind, 'dead' AS state, count(*) AS jobs, min(finished_at) AS since
             FROM jobs WHERE state = 'dead' GROUP BY queue, kind) AS depths
         ORDER BY queue, kind, state"
    }
    /// The percentiles are nearest ranks: times that a job really had.
    ENDED {
        "WITH ended AS (
             SELECT kind, finished_at / $1 AS bucket, CASE WHEN state = 'dead' THEN 1 ELSE 0 END AS dead,
                 attempt - 1 AS retries,
                 CASE WHEN started_at > run_at THEN started_at - run_at ELSE 0 END AS wait,
                 CASE WHEN finished_at > started_at THEN finished_at - started_at ELSE 0 END AS run
             FROM jobs" [sqlite " INDEXED BY jobs_finished" postgres ""] "
             WHERE state IN ('done', 'dead', 'cancelled') AND state <> 'cancelled' AND finished_at >= (" NOW " / $1 - CAST($2 AS BIGINT) + 1) * $1),
         ranked AS (
             SELECT kind, bucket, dead, retries, wait, run, count(*) OVER (PARTITION BY bucket, kind) AS jobs,
                 row_number() OVER (PARTITION BY bucket, kind ORDER BY wait) AS wait_rank,
                 row_number() OVER (PARTITION BY bucket, kind ORDER BY run) AS run_rank
             FROM ended)
         SELECT bucket * $1 AS begins, kind, count(*) - sum(dead) AS done, sum(dead) AS dead,
             CAST(sum(retries) AS BIGINT) AS retries,
             min(CASE WHEN wait_rank = (jobs + 1) / 2 THEN wait END) AS wait_p50,
             min(CASE WHEN wait_rank = (jobs * 95 + 99) / 100 THEN wait END) AS wait_p95,
             min(CASE WHEN run_rank = (jobs + 1) / 2 THEN run END) AS run_p50,
             min(CASE WHEN run_rank = (jobs * 95 + 99) / 100 THEN run END) AS run_p95
         FROM ranked GROUP BY bucket, kind ORDER BY bucket, kind"
    }
    PAUSES { "SELECT queue, paused_at FROM job_pauses ORDER BY queue" }
    IN_HAND { "SELECT count(*) FROM jobs WHERE job_group = $1 AND lease_until > " NOW }
    GROUP_OF { "SELECT job_group FROM jobs WHERE id = $1" }
    STATE { "SELECT state FROM jobs WHERE id = $1" }
    OPEN_JOBS {
        "SELECT (SELECT count(*) FROM (
                     SELECT id FROM jobs" [sqlite " INDEXED BY jobs_ready_owner" postgres ""] "
                     WHERE state = 'ready' AND queue = $1 AND owner = $2 LIMIT $3) AS waiting)
              + (SELECT count(*) FROM (
                     SELECT id FROM jobs" [sqlite " INDEXED BY jobs_running_owner" postgres ""] "
                     WHERE state = 'running' AND queue = $1 AND owner = $2 LIMIT $3) AS running)"
    }
    UNFINISHED { "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running')" }
}
