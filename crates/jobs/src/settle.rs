//! How a job leaves the hands of its worker.
//!
//! All of these are part of the caller's transaction, so that what a job has made and the end of the job are
//! recorded together or not at all.

use std::time::Duration;

use db::{Db, Tx};

use crate::{
    CHANNEL, DeadJob, Error, Lease, Result, WorkerId,
    job::{micros, stored_error},
};

/// What became of a job that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// It runs again later.
    Later,
    /// That was its last attempt.
    Dead(DeadJob),
}

/// What [`reap`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reaped {
    /// How many jobs were given back to the queue.
    pub returned: u64,
    /// The jobs whose last attempt it was.
    pub dead: Vec<DeadJob>,
}

/// The job is done.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more: then the transaction must not be committed.
pub async fn settle(tx: &mut Tx, lease: &Lease) -> Result<()> {
    held(tx.query(SETTLE).bind(lease.id).bind(lease.fence).execute().await?, lease)
}

/// The attempt failed and may be repeated after `delay` (see [`Backoff`](crate::Backoff)). When it was the last
/// one, or the last that may fail, the job is dead.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more.
pub async fn retry(tx: &mut Tx, lease: &Lease, error: &str, delay: Duration) -> Result<Retried> {
    let dead: Option<DeadJob> =
        tx.query(BURY_LAST).bind(lease.id).bind(lease.fence).bind(stored_error(error)).first().await?;
    if let Some(dead) = dead {
        return Ok(Retried::Dead(dead));
    }
    let returned = tx
        .query(RETURN)
        .bind(lease.id)
        .bind(lease.fence)
        .bind(stored_error(error))
        .bind(micros(delay))
        .execute()
        .await?;
    held(returned, lease)?;
    tx.notify(CHANNEL);
    Ok(Retried::Later)
}

/// The attempt failed because of something outside of the job that will pass: a store or a machine. It may be repeated
/// after `delay`, as after a worker that vanished: its attempt counts, and no failure does.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more.
pub async fn postpone(tx: &mut Tx, lease: &Lease, error: &str, delay: Duration) -> Result<Retried> {
    let dead: Option<DeadJob> =
        tx.query(BURY_SPENT).bind(lease.id).bind(lease.fence).bind(stored_error(error)).first().await?;
    if let Some(dead) = dead {
        return Ok(Retried::Dead(dead));
    }
    let returned = tx
        .query(POSTPONE)
        .bind(lease.id)
        .bind(lease.fence)
        .bind(stored_error(error))
        .bind(micros(delay))
        .execute()
        .await?;
    held(returned, lease)?;
    tx.notify(CHANNEL);
    Ok(Retried::Later)
}

/// The job cannot succeed, however often it is tried.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more.
pub async fn fail(tx: &mut Tx, lease: &Lease, error: &str) -> Result<DeadJob> {
    let dead = tx.query(BURY).bind(lease.id).bind(lease.fence).bind(stored_error(error)).first().await?;
    dead.ok_or(Error::LeaseLost(lease.id))
}

/// Hands a job back unfinished, because this worker is stopping: it can be claimed at once, and the attempt does
/// not count.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more.
pub async fn release(tx: &mut Tx, lease: &Lease) -> Result<()> {
    held(tx.query(RELEASE).bind(lease.id).bind(lease.fence).execute().await?, lease)?;
    tx.notify(CHANNEL);
    Ok(())
}

/// Lets the leases of a worker that is known to be gone run out now instead of later: the next [`reap`] finds them.
/// Answers how many there were.
///
/// Being wrong about it does no harm beyond work that is done twice: the leases are fenced.
///
/// # Errors
/// Those of the database.
pub async fn expire(db: &Db, worker: &WorkerId) -> Result<u64> {
    Ok(db.write(EXPIRE).bind(worker).execute().await?)
}

/// Tells that the worker of a cancelled job has stopped working on it; for other jobs it changes nothing. See
/// [`in_hand`](crate::in_hand).
///
/// # Errors
/// Those of the database.
pub async fn let_go(db: &Db, lease: &Lease) -> Result<()> {
    db.write(LET_GO).bind(lease.id).bind(lease.fence).execute().await?;
    Ok(())
}

/// Takes the jobs whose lease ran out from their workers: back to the queue, or dead when their attempts are used
/// up. At most `limit` of each.
///
/// # Errors
/// Those of the database.
pub async fn reap(tx: &mut Tx, limit: u32) -> Result<Reaped> {
    let dead = tx.query(REAP_DEAD).bind(limit).all().await?;
    let returned = tx.query(REAP).bind(limit).execute().await?;
    if returned > 0 {
        tx.notify(CHANNEL);
    }
    Ok(Reaped { returned, dead })
}

fn held(changed: u64, lease: &Lease) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::LeaseLost(lease.id)) }
}

db::statements! {
    SETTLE {
        "UPDATE jobs SET state = 'done', lease_until = NULL, error = NULL, finished_at = " NOW "
         WHERE id = $1 AND fence = $2 AND state = 'running'"
    }
    RETURN {
        "UPDATE jobs SET state = 'ready', lease_until = NULL, worker = NULL, error = $3, run_at = " NOW " + $4,
             failures = failures + 1
         WHERE id = $1 AND fence = $2 AND state = 'running'"
    }
    POSTPONE {
        "UPDATE jobs SET state = 'ready', lease_until = NULL, worker = NULL, error = $3, run_at = " NOW " + $4
         WHERE id = $1 AND fence = $2 AND state = 'running'"
    }
    BURY_SPENT {
        "UPDATE jobs SET state = 'dead', lease_until = NULL, error = $3, finished_at = " NOW "
         WHERE id = $1 AND fence = $2 AND state = 'running' AND attempt >= max_attempts
         RETURNING id, kind, payload, job_group, attempt, error"
    }
    RELEASE {
        "UPDATE jobs SET state = 'ready', lease_until = NULL, worker = NULL, attempt = attempt - 1, run_at = " NOW "
         WHERE id = $1 AND fence = $2 AND state = 'running'"
    }
    BURY {
        "UPDATE jobs SET state = 'dead', lease_until = NULL, error = $3, finished_at = " NOW "
         WHERE id = $1 AND fence = $2 AND state = 'running'
         RETURNING id, kind, payload, job_group, attempt, error"
    }
    BURY_LAST {
        "UPDATE jobs SET state = 'dead', lease_until = NULL, error = $3, finished_at = " NOW ",
             failures = failures + 1
         WHERE id = $1 AND fence = $2 AND state = 'running'
             AND (attempt >= max_attempts OR failures + 1 >= max_failures)
         RETURNING id, kind, payload, job_group, attempt, error"
    }
    EXPIRE {
        "WITH held AS MATERIALIZED (
             SELECT id FROM jobs WHERE state = 'running' AND worker = $1 ORDER BY id" FOR_UPDATE
        ")
         UPDATE jobs SET lease_until = 0 WHERE id IN (SELECT id FROM held)"
    }
    LET_GO {
        "UPDATE jobs SET lease_until = NULL WHERE id = $1 AND fence = $2 AND state = 'cancelled'"
    }
    REAP {
        "WITH expired AS MATERIALIZED (
             SELECT id FROM jobs WHERE state = 'running' AND lease_until < " NOW " AND attempt < max_attempts
             ORDER BY lease_until LIMIT $1" SKIP_LOCKED
        ")
         UPDATE jobs SET state = 'ready', lease_until = NULL, worker = NULL, run_at = " NOW ",
             error = 'the worker stopped answering'
         WHERE id IN (SELECT id FROM expired)"
    }
    REAP_DEAD {
        "WITH expired AS MATERIALIZED (
             SELECT id FROM jobs WHERE state = 'running' AND lease_until < " NOW " AND attempt >= max_attempts
             ORDER BY lease_until LIMIT $1" SKIP_LOCKED
        ")
         UPDATE jobs SET state = 'dead', lease_until = NULL, finished_at = " NOW ",
             error = 'the worker stopped answering in every attempt'
         WHERE id IN (SELECT id FROM expired)
         RETURNING id, kind, payload, job_group, attempt, error"
    }
}
