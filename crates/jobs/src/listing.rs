//! Jobs as people look at them: lists with filters, and one job with everything that is known of it.

use std::cmp::Reverse;

use db::{Db, Timestamp};

use crate::{JobId, Result, State};

/// Which jobs to list. What is `None` does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Where they are in their lives.
    pub state: Option<State>,
    /// The queue they are in.
    pub queue: Option<&'a str>,
    /// What is to be done.
    pub kind: Option<&'a str>,
    /// Whose share of the queue they take; empty for the system's own.
    pub owner: Option<&'a str>,
    /// What they are cancelled with.
    pub group: Option<&'a str>,
}

db::row! {
    /// A job as people see it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct JobSummary {
        /// The job.
        pub id: JobId,
        /// The queue it is in.
        pub queue: String,
        /// What is to be done.
        pub kind: String,
        /// Whose share of the queue it takes; empty for the system's own.
        pub owner: String,
        /// What is cancelled together with it.
        pub job_group: Option<String>,
        /// Higher goes first.
        pub priority: i64,
        /// Where it is in its life.
        pub state: State,
        /// How often it was claimed and not handed back.
        pub attempt: u32,
        /// How many attempts there are in all.
        pub max_attempts: u32,
        /// How many attempts have failed by themselves.
        pub failures: u32,
        /// How many may.
        pub max_failures: u32,
        /// Units done in the current attempt.
        pub units_done: u64,
        /// Units of the current attempt in all; 0 is not known yet.
        pub units_total: u64,
        /// Why the last attempt failed: all that is kept of it.
        pub error: Option<String>,
        /// Who holds it, or held it last.
        pub worker: Option<String>,
        /// When it was enqueued.
        pub created_at: Timestamp,
        /// When it was or is due.
        pub run_at: Timestamp,
        /// When it was claimed last.
        pub started_at: Option<Timestamp>,
        /// When its worker must have been heard of again.
        pub lease_until: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
    }
}

/// The newest jobs that pass `filter`, newest first, at most `limit`. The next page is `before` the last of them.
///
/// # Errors
/// Those of the database.
pub async fn list(
    db: &Db,
    filter: &Filter<'_>,
    before: Option<JobId>,
    limit: u32,
) -> Result<Vec<JobSummary>> {
    let before = before.unwrap_or(JobId(i64::MAX));
    if let Some(group) = filter.group {
        let query = db.read(LIST_GROUP).bind(group).bind(filter.state);
        return Ok(filtered(query, filter, before, limit).all().await?);
    }
    // The index is one list for each state.
    let states = filter.state.as_ref().map_or(State::ALL, std::slice::from_ref);
    let mut jobs: Vec<JobSummary> = Vec::new();
    for state in states {
        jobs.append(&mut filtered(db.read(LIST).bind(*state), filter, before, limit).all().await?);
    }
    jobs.sort_unstable_by_key(|job| Reverse(job.id));
    jobs.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(jobs)
}

fn filtered<'q>(query: db::Query<'q>, filter: &Filter<'_>, before: JobId, limit: u32) -> db::Query<'q> {
    query.bind(before).bind(filter.queue).bind(filter.kind).bind(filter.owner).bind(limit)
}

/// One job and its payload, which is JSON; `None` when there is no such job, or no more.
///
/// # Errors
/// Those of the database.
pub async fn find(db: &Db, id: JobId) -> Result<Option<(JobSummary, String)>> {
    let Some(job) = db.read(FIND).bind(id).first().await? else { return Ok(None) };
    let payload: Option<String> = db.read(PAYLOAD).bind(id).first_value().await?;
    Ok(payload.map(|payload| (job, payload)))
}

/// The jobs of a group, in the order of enqueuing.
///
/// # Errors
/// Those of the database.
pub async fn group(db: &Db, group: &str) -> Result<Vec<JobSummary>> {
    Ok(db.read(GROUP).bind(group).all().await?)
}

/// The payloads of a group's jobs, in the order of enqueuing.
///
/// # Errors
/// Those of the database.
pub async fn payloads(db: &Db, group: &str) -> Result<Vec<(JobId, String)>> {
    let rows: Vec<PayloadRow> = db.read(PAYLOADS).bind(group).all().await?;
    Ok(rows.into_iter().map(|row| (row.id, row.payload)).collect())
}

db::row! {
    struct PayloadRow { id: JobId, payload: String }
}

db::statements! {
    /// The ids come from the index alone, so that a rare kind among many jobs is found without reading them.
    LIST {
        "SELECT id, queue, kind, owner, job_group, priority, state, attempt, max_attempts, failures, max_failures,
             units_done, units_total, error, worker, created_at, run_at, started_at, lease_until, finished_at
         FROM jobs WHERE id IN (
             SELECT id FROM jobs WHERE state = $1 AND id < $2
                 AND (CAST($3 AS TEXT) IS NULL OR queue = $3) AND (CAST($4 AS TEXT) IS NULL OR kind = $4)
                 AND (CAST($5 AS TEXT) IS NULL OR owner = $5)
             ORDER BY id DESC LIMIT $6)
         ORDER BY id DESC"
    }
    LIST_GROUP {
        "SELECT id, queue, kind, owner, job_group, priority, state, attempt, max_attempts, failures, max_failures,
             units_done, units_total, error, worker, created_at, run_at, started_at, lease_until, finished_at
         FROM jobs WHERE job_group = $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) AND id < $3
             AND (CAST($4 AS TEXT) IS NULL OR queue = $4) AND (CAST($5 AS TEXT) IS NULL OR kind = $5)
             AND (CAST($6 AS TEXT) IS NULL OR owner = $6)
         ORDER BY id DESC LIMIT $7"
    }
    FIND {
        "SELECT id, queue, kind, owner, job_group, priority, state, attempt, max_attempts, failures, max_failures,
             units_done, units_total, error, worker, created_at, run_at, started_at, lease_until, finished_at
         FROM jobs WHERE id = $1"
    }
    PAYLOAD { "SELECT payload FROM jobs WHERE id = $1" }
    PAYLOADS { "SELECT id, payload FROM jobs WHERE job_group = $1 ORDER BY id" }
    GROUP {
        "SELECT id, queue, kind, owner, job_group, priority, state, attempt, max_attempts, failures, max_failures,
             units_done, units_total, error, worker, created_at, run_at, started_at, lease_until, finished_at
         FROM jobs WHERE job_group = $1 ORDER BY id"
    }
}
