//! Taking jobs, and keeping them.

use std::{collections::HashSet, time::Duration};

use db::{Db, Json};
use serde::Serialize;

use crate::{Job, JobId, Lease, Progress, Result, WorkerId, job::micros};

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// Who asks.
    pub worker: &'a WorkerId,
    /// The queue to take from.
    pub queue: &'a str,
    /// The kinds this worker can do; empty for all.
    pub kinds: &'a [&'a str],
    /// Only jobs of at least this priority: what a slot for interactive work asks for.
    pub min_priority: i64,
    /// How many slots are free.
    pub limit: u32,
    /// How long the jobs are this worker's before the next heartbeat must have come.
    pub lease: Duration,
}

/// A job that a worker holds, and how far it is.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// The lease of the job.
    pub lease: Lease,
    /// What the worker has done of it.
    pub progress: Progress,
}

/// Takes up to [`Claim::limit`] jobs, the most urgent first. Their attempts are counted now.
///
/// On PostgreSQL it steps over rows that other workers are taking at this moment; it may answer fewer jobs than
/// are ready, and the next claim finds them.
///
/// # Errors
/// Those of the database.
pub async fn claim(db: &Db, claim: &Claim<'_>) -> Result<Vec<Job>> {
    if claim.limit == 0 {
        return Ok(Vec::new());
    }
    let mut jobs: Vec<Job> = db
        .write(CLAIM)
        .bind(claim.queue)
        .bind(claim.min_priority)
        .bind(Json(claim.kinds))
        .bind(claim.limit)
        .bind(claim.worker)
        .bind(micros(claim.lease))
        .all()
        .await?;
    jobs.sort_unstable_by_key(|job| (std::cmp::Reverse(job.priority), job.stamp, job.lease.id));
    Ok(jobs)
}

/// Extends the leases of the jobs a worker holds, records their progress, and answers those that it still holds.
/// Work on the others has to stop: they were cancelled, or another worker has them.
///
/// Only the jobs named are extended. One that was claimed by a worker which never heard of it (the answer was
/// lost with the connection) runs out and is [`reap`](crate::reap)ed.
///
/// # Errors
/// Those of the database.
pub async fn heartbeat(db: &Db, held: &[Held], lease: Duration) -> Result<HashSet<JobId>> {
    if held.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<HeldRow> = held.iter().map(HeldRow::from).collect();
    let mine: Vec<JobId> = db.write(HEARTBEAT).bind(Json(rows)).bind(micros(lease)).values().await?;
    Ok(mine.into_iter().collect())
}

db::statements! {
    /// The rows are chosen in a materialised CTE: a plan that ran the subquery twice would take more than the limit.
    CLAIM {
        "WITH next AS MATERIALIZED (
             SELECT id FROM jobs
             WHERE state = 'ready' AND queue = $1 AND priority >= $2 AND run_at <= " NOW "
                 AND (kind IN " [texts "$3"] " OR $3 = '[]')
                 AND NOT EXISTS (SELECT 1 FROM job_pauses WHERE job_pauses.queue = $1)
             ORDER BY priority DESC, stamp, id LIMIT $4" SKIP_LOCKED
        ")
         UPDATE jobs SET state = 'running', worker = $5, lease_until = " NOW " + $6, attempt = attempt + 1,
             fence = fence + 1, started_at = " NOW ", units_done = 0, units_total = 0
         WHERE id IN (SELECT id FROM next)
         RETURNING id, fence, queue, kind, payload, owner, job_group, priority, attempt, max_attempts, failures,
             max_failures, created_at, stamp"
    }
    /// Rows are locked in the order of their ids, as every statement does that changes several jobs: so two of them
    /// never wait for each other in a circle.
    HEARTBEAT {
        "WITH mine AS MATERIALIZED (
             SELECT jobs.id, held.done, held.total FROM " [
            sqlite
                "(SELECT value ->> 'id' AS id, value ->> 'fence' AS fence, value ->> 'done' AS done,
                         value ->> 'total' AS total FROM json_each($1)) AS held"
            postgres
                "jsonb_to_recordset(CAST($1 AS JSONB)) AS held (id BIGINT, fence BIGINT, done BIGINT, total BIGINT)"
        ]
        " JOIN jobs ON jobs.id = held.id AND jobs.fence = held.fence AND jobs.state = 'running'
             ORDER BY jobs.id" FOR_UPDATE
        ")
         UPDATE jobs SET lease_until = " NOW " + $2, units_done = mine.done, units_total = mine.total
         FROM mine WHERE jobs.id = mine.id
         RETURNING jobs.id"
    }
}

/// One row of [`HEARTBEAT`]'s array.
#[derive(Serialize)]
struct HeldRow {
    id: i64,
    fence: i64,
    done: i64,
    total: i64,
}

impl From<&Held> for HeldRow {
    fn from(held: &Held) -> Self {
        let units = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
        Self {
            id: held.lease.id.0,
            fence: held.lease.fence,
            done: units(held.progress.done),
            total: units(held.progress.total),
        }
    }
}
