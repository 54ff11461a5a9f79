//! Taking jobs, and keeping them.

use std::{collections::HashSet, num::NonZeroU32, time::Duration};

use db::{Db, Json, Query};
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

/// What a heartbeat has found out about the jobs that it named. One that is in neither set is being changed by a
/// transaction at this moment: its lease is as it was, and the next heartbeat knows more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// These are the worker's own, from now for a whole lease.
    pub extended: HashSet<JobId>,
    /// These were cancelled, or another worker has them. Work on them has to stop.
    pub lost: HashSet<JobId>,
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
    Ok(in_order(claim.bind(db.write(CLAIM)).all().await?))
}

/// Takes jobs as [`claim`] does, but none of an owner who has `most` running in this queue, on all workers together;
/// the system's own are not limited. Nobody is kept waiting by an owner who may have no more, however many jobs that
/// one has waiting.
///
/// It takes at most one job of each owner: a worker with more free slots asks again. Claims of this kind take turns,
/// so the limit is exact among them; a plain [`claim`] does not look at it, nor are running jobs stopped when it is
/// lowered. It costs two looks into an index for each owner who has jobs waiting.
///
/// # Errors
/// Those of the database.
pub async fn claim_limited(db: &Db, claim: &Claim<'_>, most: NonZeroU32) -> Result<Vec<Job>> {
    if claim.limit == 0 {
        return Ok(Vec::new());
    }
    let mut tx = db.begin().await?;
    tx.query(TAKE_TURN).bind(claim.queue).execute().await?;
    let jobs = claim.bind(tx.query(CLAIM_LIMITED)).bind(most.get()).all().await?;
    tx.commit().await?;
    Ok(in_order(jobs))
}

fn in_order(mut jobs: Vec<Job>) -> Vec<Job> {
    jobs.sort_unstable_by_key(|job| (std::cmp::Reverse(job.priority), job.stamp, job.lease.id));
    jobs
}

impl Claim<'_> {
    fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        query
            .bind(self.queue)
            .bind(self.min_priority)
            .bind(Json(self.kinds))
            .bind(self.limit)
            .bind(self.worker)
            .bind(micros(self.lease))
    }
}

/// Extends the leases of the jobs a worker holds, records their progress, and answers which of them it still holds.
/// It never waits for a transaction that has one of them in its hands, so none can keep it from the others.
///
/// Only the jobs named are extended. One that was claimed by a worker which never heard of it (the answer was
/// lost with the connection) runs out and is [`reap`](crate::reap)ed.
///
/// # Errors
/// Those of the database.
pub async fn heartbeat(db: &Db, held: &[Held], lease: Duration) -> Result<Kept> {
    if held.is_empty() {
        return Ok(Kept::default());
    }
    let rows = Json(held.iter().map(HeldRow::from).collect::<Vec<_>>());
    let extended: Vec<JobId> = db.write(HEARTBEAT).bind(&rows).bind(micros(lease)).values().await?;
    let extended: HashSet<JobId> = extended.into_iter().collect();
    let mut lost: HashSet<JobId> =
        held.iter().map(|held| held.lease.id).filter(|id| !extended.contains(id)).collect();
    if !lost.is_empty() {
        // Asked in a statement of its own, which sees what was committed since.
        for id in db.read(STILL_HELD).bind(&rows).values::<JobId>().await? {
            lost.remove(&id);
        }
    }
    Ok(Kept { extended, lost })
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
    /// Claims with a limit count what runs, so one waits until the other's jobs can be seen. A process that freezes
    /// during its turn loses it, and its claim with it, after two seconds.
    TAKE_TURN {
        [sqlite "SELECT $1"
         postgres "SELECT CAST(pg_advisory_xact_lock(hashtextextended($1, 7420190002)) AS TEXT),
                          set_config('idle_in_transaction_session_timeout', '2s', true)"]
    }
    /// The owners who wait are found by stepping through an index from each to the next, and then the first job of
    /// each: what one owner has waiting behind it costs nothing.
    CLAIM_LIMITED {
        "WITH RECURSIVE owners (owner) AS (
             SELECT (SELECT owner FROM jobs" [sqlite " INDEXED BY jobs_ready_owner" postgres ""] "
                     WHERE state = 'ready' AND queue = $1 ORDER BY owner LIMIT 1)
             UNION ALL
             SELECT (SELECT jobs.owner FROM jobs" [sqlite " INDEXED BY jobs_ready_owner" postgres ""] "
                     WHERE state = 'ready' AND queue = $1 AND jobs.owner > owners.owner
                     ORDER BY jobs.owner LIMIT 1)
             FROM owners WHERE owners.owner IS NOT NULL),
         busy AS MATERIALIZED (
             SELECT owner FROM jobs" [sqlite " INDEXED BY jobs_running_owner" postgres ""] "
             WHERE state = 'running' AND queue = $1 AND owner <> '' GROUP BY owner HAVING count(*) >= $7),
         heads AS MATERIALIZED (
             SELECT (SELECT id FROM jobs" [sqlite " INDEXED BY jobs_ready_owner" postgres ""] "
                     WHERE state = 'ready' AND queue = $1 AND jobs.owner = owners.owner AND priority >= $2
                         AND run_at <= " NOW " AND (kind IN " [texts "$3"] " OR $3 = '[]')
                     ORDER BY priority DESC, stamp, id LIMIT 1) AS id
             FROM owners WHERE owner IS NOT NULL AND owner NOT IN (SELECT owner FROM busy)),
         next AS MATERIALIZED (
             SELECT id FROM jobs
             WHERE id IN (SELECT id FROM heads) AND state = 'ready'
                 AND NOT EXISTS (SELECT 1 FROM job_pauses WHERE job_pauses.queue = $1)
             ORDER BY priority DESC, stamp, id LIMIT $4" SKIP_LOCKED
        ")
         UPDATE jobs SET state = 'running', worker = $5, lease_until = " NOW " + $6, attempt = attempt + 1,
             fence = fence + 1, started_at = " NOW ", units_done = 0, units_total = 0
         WHERE id IN (SELECT id FROM next)
         RETURNING id, fence, queue, kind, payload, owner, job_group, priority, attempt, max_attempts, failures,
             max_failures, created_at, stamp"
    }
    /// Whoever locks several jobs and waits for them may be waited for by one that has locked another of them: so this
    /// waits for none.
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
             " [sqlite "" postgres "FOR UPDATE OF jobs SKIP LOCKED"]
        ")
         UPDATE jobs SET lease_until = " NOW " + $2, units_done = mine.done, units_total = mine.total
         FROM mine WHERE jobs.id = mine.id
         RETURNING jobs.id"
    }
    STILL_HELD {
        "SELECT jobs.id FROM " [
            sqlite "(SELECT value ->> 'id' AS id, value ->> 'fence' AS fence FROM json_each($1)) AS held"
            postgres "jsonb_to_recordset(CAST($1 AS JSONB)) AS held (id BIGINT, fence BIGINT)"
        ]
        " JOIN jobs ON jobs.id = held.id AND jobs.fence = held.fence AND jobs.state = 'running'"
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
