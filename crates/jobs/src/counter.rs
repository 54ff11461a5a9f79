//! Fan-in: how many jobs a next stage still waits for.
//!
//! A counter is a row that the settle transactions of the jobs decrement. Exactly one of them takes it to zero, and
//! that one enqueues what comes next. Asking instead whether unfinished jobs exist would lose the last step: two
//! last jobs, each in its own transaction, both see the other unfinished.

use db::Tx;

use crate::Result;

/// Starts a counter at `count`. It goes with its group when that is [cancelled](crate::cancel_group).
///
/// # Errors
/// Those of the database; [`db::Error::Unique`] of `job_counters_pkey` when the counter exists.
pub async fn start(tx: &mut Tx, counter: &str, group: &str, count: u64) -> Result<()> {
    tx.query(START).bind(counter).bind(group).bind(count).execute().await?;
    Ok(())
}

/// Counts one down and answers how many remain; `None` when there is no such counter, because its group was
/// cancelled or it reached zero before. At zero the counter is gone.
///
/// Called in the transaction that settles the job it counts. On PostgreSQL the row stays locked until that ends,
/// so of two last jobs one waits for the other.
///
/// # Errors
/// Those of the database.
pub async fn count_down(tx: &mut Tx, counter: &str) -> Result<Option<u64>> {
    let remaining: Option<u64> = tx.query(COUNT_DOWN).bind(counter).first_value().await?;
    if remaining == Some(0) {
        tx.query(REMOVE).bind(counter).execute().await?;
    }
    Ok(remaining)
}

db::statements! {
    START { "INSERT INTO job_counters (counter, job_group, remaining) VALUES ($1, $2, $3)" }
    COUNT_DOWN { "UPDATE job_counters SET remaining = remaining - 1 WHERE counter = $1 RETURNING remaining" }
    REMOVE { "DELETE FROM job_counters WHERE counter = $1" }
}
