//! Which worker processes there are, as they say of themselves: for people who watch over them.
//!
//! Nothing in the queue depends on it. A job belongs to whoever holds its lease, registered or not.

use std::time::Duration;

use db::{Db, Timestamp, Tx};

use crate::{CHANNEL, Result, WorkerId, job::micros};

/// What a worker process says of itself.
#[derive(Debug, Clone)]
pub struct Announcement<'a> {
    /// Which run of which process.
    pub worker: &'a WorkerId,
    /// The machine it runs on, as people call it.
    pub host: &'a str,
    /// The version of the program.
    pub version: &'a str,
    /// How many jobs it runs at once.
    pub slots: u32,
    /// How many more it runs when somebody waits for them.
    pub spare_slots: u32,
}

db::row! {
    /// A worker process that was heard of not long ago.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct WorkerStatus {
        /// The text of its [`WorkerId`].
        pub worker: String,
        /// The machine it runs on.
        pub host: String,
        /// The version of the program.
        pub version: String,
        /// How many jobs it runs at once.
        pub slots: u32,
        /// How many more it runs when somebody waits for them.
        pub spare_slots: u32,
        /// When it announced itself first.
        pub started_at: Timestamp,
        /// When it announced itself last.
        pub seen_at: Timestamp,
        /// How long ago that was.
        pub silent: Duration,
        /// How many jobs it holds.
        pub held: u64,
        /// How long it has been holding the oldest of them; zero when it holds none.
        pub oldest_held: Duration,
        /// When the first of its leases runs out, unless a heartbeat extends it.
        pub first_lease_ends: Option<Timestamp>,
    }
}

/// Registers a worker, or says that it is still there. To be called as often as its heartbeat, also when it holds
/// nothing.
///
/// # Errors
/// Those of the database.
pub async fn announce(db: &Db, announcement: &Announcement<'_>) -> Result<()> {
    db.write(ANNOUNCE)
        .bind(announcement.worker)
        .bind(announcement.host)
        .bind(announcement.version)
        .bind(announcement.slots)
        .bind(announcement.spare_slots)
        .execute()
        .await?;
    Ok(())
}

/// Removes a worker that has ended. What it still holds is left to its leases.
///
/// # Errors
/// Those of the database.
pub async fn leave(db: &Db, worker: &WorkerId) -> Result<()> {
    db.write(LEAVE).bind(worker).execute().await?;
    Ok(())
}

/// Forgets the workers that were silent for so long; one that speaks again is registered again. Answers how many
/// were forgotten.
///
/// # Errors
/// Those of the database.
pub async fn forget_silent(db: &Db, silent: Duration) -> Result<u64> {
    Ok(db.write(FORGET).bind(micros(silent)).execute().await?)
}

/// All registered workers with what they hold, by host and age.
///
/// # Errors
/// Those of the database.
pub async fn list(db: &Db) -> Result<Vec<WorkerStatus>> {
    Ok(db.read(LIST).all().await?)
}

/// Takes every job from whoever held it, and forgets all workers: for a database that was put elsewhere, where none of
/// them works. The attempts do not count.
///
/// # Errors
/// Those of the database.
pub async fn forget_all(tx: &mut Tx) -> Result<()> {
    for statement in [TAKE_BACK, LET_GO_OF, FORGET_ALL] {
        tx.query(statement).execute().await?;
    }
    tx.notify(CHANNEL);
    Ok(())
}

db::statements! {
    TAKE_BACK {
        "UPDATE jobs SET state = 'ready', lease_until = NULL, worker = NULL, attempt = attempt - 1, fence = fence + 1,
             run_at = " NOW "
         WHERE state = 'running'"
    }
    /// Of the cancelled ones: nobody has to hear of it.
    LET_GO_OF { "UPDATE jobs SET lease_until = NULL, worker = NULL WHERE state = 'cancelled' AND lease_until IS NOT NULL" }
    FORGET_ALL { "DELETE FROM job_workers" }
    ANNOUNCE {
        "INSERT INTO job_workers (worker, host, version, slots, spare_slots, started_at, seen_at)
         VALUES ($1, $2, $3, $4, $5, " NOW ", " NOW ")
         ON CONFLICT (worker) DO UPDATE SET host = excluded.host, version = excluded.version,
             slots = excluded.slots, spare_slots = excluded.spare_slots, seen_at = excluded.seen_at"
    }
    LEAVE { "DELETE FROM job_workers WHERE worker = $1" }
    FORGET { "DELETE FROM job_workers WHERE seen_at < " NOW " - $1" }
    LIST {
        "WITH held AS (
             SELECT worker, count(*) AS jobs, min(started_at) AS since, min(lease_until) AS first_lease_ends
             FROM jobs" [sqlite " INDEXED BY jobs_running" postgres ""] " WHERE state = 'running' GROUP BY worker)
         SELECT job_workers.worker, host, version, slots, spare_slots, started_at, seen_at,
             CASE WHEN seen_at < " NOW " THEN " NOW " - seen_at ELSE 0 END AS silent,
             COALESCE(held.jobs, 0) AS held,
             CASE WHEN held.since < " NOW " THEN " NOW " - held.since ELSE 0 END AS oldest_held, held.first_lease_ends
         FROM job_workers LEFT JOIN held ON held.worker = job_workers.worker
         ORDER BY host, started_at, job_workers.worker"
    }
}
