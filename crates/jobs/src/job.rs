//! What a job is.

use std::{fmt, time::Duration};

use db::{ColumnError, FromColumn, Timestamp, ToColumn};

/// A job that this worker has claimed.
#[derive(Debug, Clone)]
pub struct Job {
    /// What proves that the job is still held.
    pub lease: Lease,
    /// The queue it came from.
    pub queue: String,
    /// What is to be done.
    pub kind: String,
    /// With what: JSON, as it was enqueued.
    pub payload: String,
    /// Whose share of the queue it takes; empty for the system's own.
    pub owner: String,
    /// What is cancelled together with it.
    pub group: Option<String>,
    /// Higher goes first.
    pub priority: i64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many attempts there are in all.
    pub max_attempts: u32,
    /// How many attempts have failed so far.
    pub failures: u32,
    /// How many attempts may fail.
    pub max_failures: u32,
    /// When it was enqueued.
    pub created_at: Timestamp,
    pub(crate) stamp: i64,
}

/// The right to end a job: valid until another worker claims it, or it is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job.
    pub id: JobId,
    pub(crate) fence: i64,
}

/// A job that will not run again unless somebody [`revive`](crate::revive)s it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// The job.
    pub id: JobId,
    /// What was to be done.
    pub kind: String,
    /// With what: JSON, as it was enqueued.
    pub payload: String,
    /// What is cancelled together with it.
    pub group: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
}

/// The number of a job, given by the database in the order of enqueuing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

/// One run of one worker process. A process that starts again is another worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkerId(pub String);

/// How far a job is, in units of its own. A total of 0 is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
}

db::text_enum! {
    /// Where a job is in its life.
    pub enum State {
        /// Waits for a worker.
        Ready = "ready",
        /// Held by a worker.
        Running = "running",
        /// Done.
        Done = "done",
        /// Given up.
        Dead = "dead",
        /// Not wanted any more.
        Cancelled = "cancelled",
    }
}

/// The result of an operation on the queue.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on the queue failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job was cancelled, or its lease ran out and another worker has it. What was done must be thrown away.
    #[error("the lease of job `{0}` is lost")]
    LeaseLost(JobId),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl ToColumn for JobId {
    type Stored = i64;

    fn to_stored(&self) -> Result<i64, ColumnError> {
        Ok(self.0)
    }
}

impl FromColumn for JobId {
    type Stored = i64;

    fn from_stored(stored: i64) -> Result<Self, ColumnError> {
        Ok(Self(stored))
    }
}

impl ToColumn for WorkerId {
    type Stored = String;

    fn to_stored(&self) -> Result<String, ColumnError> {
        self.0.to_stored()
    }
}

impl db::FromRow for Job {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            lease: Lease { id: row.get("id")?, fence: row.get("fence")? },
            queue: row.get("queue")?,
            kind: row.get("kind")?,
            payload: row.get("payload")?,
            owner: row.get("owner")?,
            group: row.get("job_group")?,
            priority: row.get("priority")?,
            attempt: row.get("attempt")?,
            max_attempts: row.get("max_attempts")?,
            failures: row.get("failures")?,
            max_failures: row.get("max_failures")?,
            created_at: row.get("created_at")?,
            stamp: row.get("stamp")?,
        })
    }
}

impl db::FromRow for DeadJob {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            kind: row.get("kind")?,
            payload: row.get("payload")?,
            group: row.get("job_group")?,
            attempts: row.get("attempt")?,
            error: row.get::<Option<String>>("error")?.unwrap_or_default(),
        })
    }
}

/// An error text as the queue keeps it: without NUL, which PostgreSQL cannot store, and of bounded length. The end
/// is what says most in the output of a program, so the beginning is cut.
pub(crate) fn stored_error(text: &str) -> String {
    const LONGEST: usize = 8 * 1024;
    let start = (text.len().saturating_sub(LONGEST)..=text.len()).find(|at| text.is_char_boundary(*at));
    text[start.unwrap_or(text.len())..].replace('\0', "\u{fffd}")
}

/// A delay in the database's microseconds; one that does not fit is as good as for ever.
pub(crate) fn micros(delay: Duration) -> i64 {
    // Half of the range, so that adding it to a clock cannot overflow.
    i64::try_from(delay.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 2)
}
