//! What people and other parts of the program decide about jobs.

use std::time::Duration;

use db::{Db, Tx};

use crate::{CHANNEL, JobId, Result, job::micros};

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

/// Raises the priority of a waiting job. A running job and one of at least this priority stay as they are.
/// Answers whether it was changed.
///
/// # Errors
/// Those of the database.
pub async fn expedite(tx: &mut Tx, dedup_key: &str, priority: i64) -> Result<bool> {
    let changed = tx.query(EXPEDITE).bind(dedup_key).bind(priority).execute().await?;
    if changed > 0 {
        tx.notify(CHANNEL);
    }
    Ok(changed > 0)
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

/// Removes jobs that ended long ago, at most `limit` of them. Answers how many were removed.
///
/// # Errors
/// Those of the database.
pub async fn purge(db: &Db, keep: Retention, limit: u32) -> Result<u64> {
    Ok(db.write(PURGE).bind(micros(keep.done)).bind(micros(keep.dead)).bind(limit).execute().await?)
}

db::statements! {
    EXPEDITE { "UPDATE jobs SET priority = $2 WHERE dedup_key = $1 AND state = 'ready' AND priority < $2" }
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
    PAUSE {
        "INSERT INTO job_pauses (queue, paused_at) VALUES ($1, " NOW ") ON CONFLICT (queue) DO NOTHING"
    }
    RESUME { "DELETE FROM job_pauses WHERE queue = $1" }
    PURGE {
        "DELETE FROM jobs WHERE id IN (
             SELECT id FROM jobs
             WHERE (state IN ('done', 'cancelled') AND finished_at < " NOW " - $1)
                OR (state = 'dead' AND finished_at < " NOW " - $2)
             ORDER BY finished_at LIMIT $3)"
    }
}
