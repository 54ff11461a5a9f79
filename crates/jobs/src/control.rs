//! What people and other parts of the program decide about jobs.

use std::time::Duration;

use db::{Db, Tx};

use crate::{CHANNEL, JobId, Result, enqueue::take_stamps, job::micros};

/// How long finished jobs are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// For jobs that are done or cancelled.
    pub done: Duration,
    /// For dead jobs, which somebody may want to look at.
    pub dead: Duration,
}

impl Default for Retention {
    /// A week for jobs that ended well, a quarter of a year for the dead.
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { done: day * 7, dead: day * 90 }
    }
}

db::row! {
    struct Waiting {
        queue: String,
        owner: String,
    }
}

/// Raises the priority of the waiting job with this dedup key, as [`expedite_job`] does.
///
/// # Errors
/// Those of the database.
pub async fn expedite(tx: &mut Tx, dedup_key: &str, priority: i64) -> Result<bool> {
    match tx.query(BY_KEY).bind(dedup_key).first_value().await? {
        Some(id) => expedite_job(tx, id, priority).await,
        None => Ok(false),
    }
}

/// Raises the priority of a waiting job, which takes its turn there as if it were enqueued now. A running job and
/// one of at least this priority stay as they are. Answers whether it was changed.
///
/// # Errors
/// Those of the database.
pub async fn expedite_job(tx: &mut Tx, id: JobId, priority: i64) -> Result<bool> {
    let Some(Waiting { queue, owner }) = tx.query(LOCK_WAITING).bind(id).bind(priority).first().await? else {
        return Ok(false);
    };
    // Stamps of one lane say nothing in another: there the old one would be the first or the last.
    let stamp = take_stamps(tx, &(queue, priority, owner), 1).await?;
    tx.query(EXPEDITE).bind(id).bind(priority).bind(stamp).execute().await?;
    tx.notify(CHANNEL);
    Ok(true)
}

/// Cancels one job that has not ended. Answers whether there was one to cancel. Its worker hears of it at its next
/// heartbeat.
///
/// # Errors
/// Those of the database.
pub async fn cancel(tx: &mut Tx, id: JobId) -> Result<bool> {
    Ok(tx.query(CANCEL).bind(id).execute().await? > 0)
}

/// Cancels every job of a group that has not ended, and its counters. Answers how many jobs that were.
///
/// # Errors
/// Those of the database.
pub async fn cancel_group(tx: &mut Tx, group: &str) -> Result<u64> {
    tx.query(CANCEL_COUNTERS).bind(group).execute().await?;
    Ok(tx.query(CANCEL_GROUP).bind(group).execute().await?)
}

/// Gives a dead job all its attempts again. Answers whether it was dead.
///
/// # Errors
/// Those of the database.
pub async fn revive(tx: &mut Tx, id: JobId) -> Result<bool> {
    let revived = tx.query(REVIVE).bind(id).execute().await?;
    if revived > 0 {
        tx.notify(CHANNEL);
    }
    Ok(revived > 0)
}

/// Gives all dead jobs of a kind all their attempts again, the oldest first and at most `limit` of them. Answers how
/// many that were.
///
/// # Errors
/// Those of the database.
pub async fn revive_kind(tx: &mut Tx, kind: &str, limit: u32) -> Result<u64> {
    let revived = tx.query(REVIVE_KIND).bind(kind).bind(limit).execute().await?;
    if revived > 0 {
        tx.notify(CHANNEL);
    }
    Ok(revived)
}

/// Stops handing out the jobs of a queue. Those that run go on.
///
/// # Errors
/// Those of the database.
pub async fn pause(tx: &mut Tx, queue: &str) -> Result<()> {
    tx.query(PAUSE).bind(queue).execute().await?;
    Ok(())
}

/// Hands out the jobs of a queue again.
///
/// # Errors
/// Those of the database.
pub async fn resume(tx: &mut Tx, queue: &str) -> Result<()> {
    tx.query(RESUME).bind(queue).execute().await?;
    tx.notify(CHANNEL);
    Ok(())
}

/// Removes jobs that ended long ago, at most `limit` of them. Answers how many were removed: as many as the limit
/// means that there may be more.
///
/// # Errors
/// Those of the database.
pub async fn purge(db: &Db, keep: Retention, limit: u32) -> Result<u64> {
    let shorter = keep.done.min(keep.dead);
    let purge = db.write(PURGE).bind(micros(keep.done)).bind(micros(keep.dead)).bind(micros(shorter));
    Ok(purge.bind(limit).execute().await?)
}

db::statements! {
    BY_KEY { "SELECT id FROM jobs WHERE dedup_key = $1" }
    LOCK_WAITING {
        "SELECT queue, owner FROM jobs WHERE id = $1 AND state = 'ready' AND priority < $2" FOR_UPDATE
    }
    EXPEDITE { "UPDATE jobs SET priority = $2, stamp = $3 WHERE id = $1" }
    CANCEL {
        "UPDATE jobs SET state = 'cancelled', finished_at = " NOW "
         WHERE id = $1 AND state IN ('ready', 'running')"
    }
    CANCEL_GROUP {
        "WITH unfinished AS MATERIALIZED (
             SELECT id FROM jobs WHERE job_group = $1 AND state IN ('ready', 'running') ORDER BY id" FOR_UPDATE
        ")
         UPDATE jobs SET state = 'cancelled', finished_at = " NOW "
         WHERE id IN (SELECT id FROM unfinished)"
    }
    CANCEL_COUNTERS { "DELETE FROM job_counters WHERE job_group = $1" }
    REVIVE {
        "UPDATE jobs SET state = 'ready', attempt = 0, failures = 0, worker = NULL, run_at = " NOW ", finished_at = NULL
         WHERE id = $1 AND state = 'dead'"
    }
    REVIVE_KIND {
        "WITH dead AS MATERIALIZED (
             SELECT id FROM jobs WHERE state = 'dead' AND kind = $1 ORDER BY id LIMIT $2" FOR_UPDATE
        ")
         UPDATE jobs SET state = 'ready', attempt = 0, failures = 0, worker = NULL, run_at = " NOW ", finished_at = NULL
         WHERE id IN (SELECT id FROM dead)"
    }
    PAUSE {
        "INSERT INTO job_pauses (queue, paused_at) VALUES ($1, " NOW ") ON CONFLICT (queue) DO NOTHING"
    }
    RESUME { "DELETE FROM job_pauses WHERE queue = $1" }
    /// Several workers may do this at once: each takes what the others leave.
    PURGE {
        "WITH old AS MATERIALIZED (
             SELECT id FROM jobs" [sqlite " INDEXED BY jobs_finished" postgres ""] "
             WHERE state IN ('done', 'dead', 'cancelled') AND finished_at < " NOW " - $3
                 AND finished_at < " NOW " - CASE WHEN state = 'dead' THEN CAST($2 AS BIGINT) ELSE $1 END
             ORDER BY finished_at LIMIT $4" SKIP_LOCKED
        ")
         DELETE FROM jobs WHERE id IN (SELECT id FROM old)"
    }
}
