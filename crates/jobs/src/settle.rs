//! How a job leaves the hands of its worker.
//!
//! What ends a job is part of the caller's transaction, so that what the job has made and its end are recorded together
//! or not at all. Only [`done`] is a transaction of its own: for a job that has made nothing to be recorded.

use std::time::Duration;

use db::{Db, Statement, Tx};

use crate::{
    CHANNEL, DeadJob, Error, JobId, Lease, Result, WorkerId,
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

/// The job is done.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more: then the transaction must not be committed.
pub async fn settle(tx: &mut Tx, lease: &Lease) -> Result<()> {
    held(tx.query(SETTLE).bind(lease.id).bind(lease.fence).execute().await?, lease)
}

/// The job is done, and nothing else is to be recorded about it: [`settle`] in a single statement, which is one round trip
/// to a server instead of three.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more.
pub async fn done(db: &Db, lease: &Lease) -> Result<()> {
    held(db.write(SETTLE).bind(lease.id).bind(lease.fence).execute().await?, lease)
}

/// The attempt failed and may be repeated after `delay` (see [`Backoff`](crate::Backoff)). When it was the last
/// one, or the last that may fail, the job is dead.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more.
pub async fn retry(tx: &mut Tx, lease: &Lease, error: &str, delay: Duration) -> Result<Retried> {
    later_or_dead(tx, lease, (BURY_LAST, RETURN), error, delay).await
}

/// The attempt failed because of something outside of the job that will pass: a store or a machine. It may be repeated
/// after `delay`, as after a worker that vanished: its attempt counts, and no failure does.
///
/// # Errors
/// [`Error::LeaseLost`] when it is not this worker's any more.
pub async fn postpone(tx: &mut Tx, lease: &Lease, error: &str, delay: Duration) -> Result<Retried> {
    later_or_dead(tx, lease, (BURY_SPENT, POSTPONE), error, delay).await
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
/// Answers how many there were. One that a transaction has in its hands at this moment is left as it is.
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

/// Takes the jobs whose lease ran out from their workers and gives them back to the queue, at most `limit` of them.
/// Answers how many that were. Those whose attempts are used up are left to [`bury_exhausted`].
///
/// # Errors
/// Those of the database.
pub async fn reap(tx: &mut Tx, limit: u32) -> Result<u64> {
    let returned = tx.query(REAP).bind(limit).execute().await?;
    if returned > 0 {
        tx.notify(CHANNEL);
    }
    Ok(returned)
}

/// The jobs whose lease ran out in their last attempt, at most `limit` of them.
///
/// # Errors
/// Those of the database.
pub async fn exhausted(db: &Db, limit: u32) -> Result<Vec<JobId>> {
    Ok(db.read(EXHAUSTED).bind(limit).values().await?)
}

/// Ends an [`exhausted`] job; `None` when somebody else has done it, or its worker was heard of after all.
///
/// One at a time, because what a dead job takes with it has to be locked before the job: see
/// [`group_of`](crate::group_of).
///
/// # Errors
/// Those of the database.
pub async fn bury_exhausted(tx: &mut Tx, id: JobId) -> Result<Option<DeadJob>> {
    Ok(tx.query(BURY_EXHAUSTED).bind(id).first().await?)
}

/// Ends the job with the first statement when that finds that it may not run again, else gives it back with the second.
async fn later_or_dead(
    tx: &mut Tx,
    lease: &Lease,
    (bury, give_back): (Statement, Statement),
    error: &str,
    delay: Duration,
) -> Result<Retried> {
    let error = stored_error(error);
    let dead: Option<DeadJob> = tx.query(bury).bind(lease.id).bind(lease.fence).bind(&error).first().await?;
    if let Some(dead) = dead {
        return Ok(Retried::Dead(dead));
    }
    let back = tx.query(give_back).bind(lease.id).bind(lease.fence).bind(&error).bind(micros(delay));
    held(back.execute().await?, lease)?;
    tx.notify(CHANNEL);
    Ok(Retried::Later)
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
             SELECT id FROM jobs WHERE state = 'running' AND worker = $1" SKIP_LOCKED
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
    EXHAUSTED {
        "SELECT id FROM jobs WHERE state = 'running' AND lease_until < " NOW " AND attempt >= max_attempts
         ORDER BY lease_until LIMIT $1"
    }
    BURY_EXHAUSTED {
        "UPDATE jobs SET state = 'dead', lease_until = NULL, finished_at = " NOW ",
             error = 'the worker stopped answering in every attempt'
         WHERE id = $1 AND state = 'running' AND lease_until < " NOW " AND attempt >= max_attempts
         RETURNING id, kind, payload, job_group, attempt, error"
    }
}
