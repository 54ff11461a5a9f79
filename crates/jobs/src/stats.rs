//! What the queue holds, for people and for metrics.

use db::{Db, Timestamp, Tx};

use crate::{JobId, Result, State};

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
        /// When the oldest of them was enqueued.
        pub oldest: Timestamp,
    }
}

db::row! {
    /// A job as people see it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct JobSummary {
        /// The job.
        pub id: JobId,
        /// What is to be done.
        pub kind: String,
        /// Where it is in its life.
        pub state: State,
        /// How often it was claimed and not handed back.
        pub attempt: u32,
        /// How many attempts there are in all.
        pub max_attempts: u32,
        /// Units done in the current attempt.
        pub units_done: u64,
        /// Units of the current attempt in all; 0 is not known yet.
        pub units_total: u64,
        /// Why the last attempt failed.
        pub error: Option<String>,
        /// Who holds it, or held it last.
        pub worker: Option<String>,
    }
}

/// The jobs that wait, run or are dead, by queue, kind and state.
///
/// # Errors
/// Those of the database.
pub async fn depths(db: &Db) -> Result<Vec<Depth>> {
    Ok(db.read(DEPTHS).all().await?)
}

/// The jobs of a group, in the order of enqueuing.
///
/// # Errors
/// Those of the database.
pub async fn group(db: &Db, group: &str) -> Result<Vec<JobSummary>> {
    Ok(db.read(GROUP).bind(group).all().await?)
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

/// How many jobs have not ended.
///
/// # Errors
/// Those of the database.
pub async fn unfinished(db: &Db) -> Result<u64> {
    Ok(db.read(UNFINISHED).value().await?)
}

db::statements! {
    DEPTHS {
        "SELECT queue, kind, state, count(*) AS jobs, min(created_at) AS oldest FROM jobs
         WHERE state IN ('ready', 'running', 'dead') GROUP BY queue, kind, state ORDER BY queue, kind, state"
    }
    GROUP {
        "SELECT id, kind, state, attempt, max_attempts, units_done, units_total, error, worker FROM jobs
         WHERE job_group = $1 ORDER BY id"
    }
    IN_HAND { "SELECT count(*) FROM jobs WHERE job_group = $1 AND lease_until > " NOW }
    GROUP_OF { "SELECT job_group FROM jobs WHERE id = $1" }
    UNFINISHED { "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running')" }
}
