//! Putting jobs into the queue.

use std::{collections::BTreeMap, time::Duration};

use db::{Db, Json, Tx};
use serde::Serialize;
use serde_json::Value;

use crate::{CHANNEL, JobId, Result, job::micros};

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    queue: String,
    kind: String,
    payload: String,
    owner: String,
    group: Option<String>,
    priority: i64,
    max_attempts: u32,
    max_failures: u32,
    delay: Duration,
    dedup_key: Option<String>,
}

/// Whether a job was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was put into the queue.
    New(JobId),
    /// A job with its dedup key is there already, finished or not.
    Existing(JobId),
}

impl NewJob {
    /// A job of this kind: priority 0, at once, owned by nobody, with 25 attempts of which five may fail.
    pub fn new(queue: impl Into<String>, kind: impl Into<String>, payload: &Value) -> Self {
        Self {
            queue: queue.into(),
            kind: kind.into(),
            payload: payload.to_string(),
            owner: String::new(),
            group: None,
            priority: 0,
            max_attempts: 25,
            max_failures: 5,
            delay: Duration::ZERO,
            dedup_key: None,
        }
    }

    /// Whose share of the queue the job takes.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// What the job is cancelled together with.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Higher goes first.
    pub fn priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// How often it is tried, at least once, whatever ends the attempts. A worker may vanish for many reasons, and
    /// in the end the job itself is one.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// How often it may fail by itself, at least once.
    pub fn max_failures(mut self, failures: u32) -> Self {
        self.max_failures = failures.max(1);
        self
    }

    /// How long it waits before it may be claimed, by the database's clock.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// At most one job with this key is in the queue, finished jobs included until they are
    /// [`purge`](crate::purge)d.
    pub fn dedup_key(mut self, key: impl Into<String>) -> Self {
        self.dedup_key = Some(key.into());
        self
    }
}

/// Puts a job into the queue, as part of the caller's transaction.
///
/// # Errors
/// Those of the database.
pub async fn enqueue(tx: &mut Tx, job: NewJob) -> Result<Enqueued> {
    let key = job.dedup_key.clone();
    let made = enqueue_all(tx, vec![job]).await?;
    match (made.first(), key) {
        (Some(id), _) => Ok(Enqueued::New(*id)),
        (None, key) => Ok(Enqueued::Existing(tx.query(BY_KEY).bind(key).value().await?)),
    }
}

/// Puts one run of a recurring job into the queue, unless it has had one in the present span of time or an earlier
/// run has not ended; answers it when it is new. Whoever works for the queue calls this again and again, more often
/// than `every`: however many do, there is one run in each span.
///
/// ```no_run
/// # async fn sweep(db: &db::Db) -> jobs::Result<()> {
/// let hour = std::time::Duration::from_secs(3600);
/// let sweep = jobs::NewJob::new("upkeep", "sweep", &serde_json::json!({})).max_failures(1);
/// jobs::enqueue_every(db, hour, "sweep", sweep).await?;
/// # Ok(())
/// # }
/// ```
///
/// Spans begin at multiples of their length since 1970 by the database's clock. They have to be shorter than the
/// [`Retention`](crate::Retention) of finished jobs, by which a run is remembered; one that ends dead was the run of
/// its span. The runs are the group `recurring:NAME`, and their dedup keys say which span they are for.
///
/// # Errors
/// Those of the database.
pub async fn enqueue_every(db: &Db, every: Duration, name: &str, job: NewJob) -> Result<Option<JobId>> {
    let group = format!("recurring:{name}");
    let every = micros(every).max(1);
    // Nearly always there is nothing to do, which is found out without a transaction.
    if db.read(HAD_RUN).bind(&group).bind(every).value::<u64>().await? > 0 {
        return Ok(None);
    }
    let mut tx = db.begin().await?;
    let span = tx.now().await?.unix_micros().div_euclid(every);
    let job = job.dedup_key(format!("{group}:{span}")).group(group);
    let enqueued = enqueue(&mut tx, job).await?;
    tx.commit().await?;
    match enqueued {
        Enqueued::New(id) => Ok(Some(id)),
        Enqueued::Existing(_) => Ok(None),
    }
}

/// Puts many jobs into the queue, as part of the caller's transaction. Answers those that are new, in their order.
///
/// Fair shares: each job gets a stamp, and within a lane (one queue and priority) the lowest stamp goes first. The
/// stamps of one owner follow each other; an owner who comes later starts behind the head of the lane and not
/// behind its tail, so the jobs of both alternate.
///
/// # Errors
/// Those of the database.
pub async fn enqueue_all(tx: &mut Tx, jobs: Vec<NewJob>) -> Result<Vec<JobId>> {
    /// Bounds the size of one parameter.
    const AT_ONCE: usize = 1000;
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut stamps = Stamps::take(tx, &jobs).await?;
    let mut made = Vec::new();
    let mut jobs = jobs.into_iter().map(|job| NewRow::new(job, &mut stamps)).peekable();
    while jobs.peek().is_some() {
        let rows: Vec<NewRow> = jobs.by_ref().take(AT_ONCE).collect();
        made.extend(tx.query(INSERT).bind(Json(rows)).values::<JobId>().await?);
    }
    if !made.is_empty() {
        tx.notify(CHANNEL);
    }
    made.sort_unstable();
    Ok(made)
}

db::statements! {
    /// New jobs from a JSON array; those whose key exists are left out.
    INSERT {
        "INSERT INTO jobs (queue, kind, payload, owner, job_group, priority, stamp, state, run_at, attempt,
                           max_attempts, failures, max_failures, fence, dedup_key, units_done, units_total,
                           created_at)
         SELECT new.queue, new.kind, new.payload, new.owner, new.job_group, new.priority, new.stamp, 'ready', "
                NOW " + new.delay, 0, new.max_attempts, 0, new.max_failures, 0, new.dedup_key, 0, 0, " NOW
       " FROM " [
            sqlite
                "(SELECT value ->> 'queue' AS queue, value ->> 'kind' AS kind, value ->> 'payload' AS payload,
                         value ->> 'owner' AS owner, value ->> 'job_group' AS job_group,
                         value ->> 'priority' AS priority, value ->> 'stamp' AS stamp, value ->> 'delay' AS delay,
                         value ->> 'max_attempts' AS max_attempts, value ->> 'max_failures' AS max_failures,
                         value ->> 'dedup_key' AS dedup_key
                  FROM json_each($1)) AS new WHERE true"
            postgres
                "jsonb_to_recordset(CAST($1 AS JSONB)) AS new (queue TEXT, kind TEXT, payload TEXT, owner TEXT,
                         job_group TEXT, priority BIGINT, stamp BIGINT, delay BIGINT, max_attempts BIGINT,
                         max_failures BIGINT, dedup_key TEXT) ORDER BY new.priority DESC, new.stamp"
        ]
        " ON CONFLICT (dedup_key) DO NOTHING RETURNING id"
    }
    /// The job that has this key.
    BY_KEY { "SELECT id FROM jobs WHERE dedup_key = $1" }
    /// The runs of a recurring job that have not ended, or were enqueued in the present span of time.
    HAD_RUN {
        "SELECT count(*) FROM jobs
         WHERE job_group = $1 AND (state IN ('ready', 'running') OR created_at >= " NOW " / $2 * $2)"
    }
    /// The head of a lane: the lowest stamp that waits for its first turn, or when none does the last one given. A
    /// job that comes back, or may not run yet, has a stamp of long ago, by which newcomers would be first for long.
    /// Asked for in the order of an index: for `min` and `max` PostgreSQL reads the whole lane while it has no
    /// statistics.
    HEAD {
        "SELECT COALESCE(
             (SELECT stamp FROM jobs" [sqlite " INDEXED BY jobs_ready" postgres ""] "
              WHERE state = 'ready' AND queue = $1 AND priority = $2 AND run_at <= " NOW " AND started_at IS NULL
              ORDER BY stamp LIMIT 1),
             (SELECT last_stamp FROM job_shares WHERE queue = $1 AND priority = $2
              ORDER BY last_stamp DESC LIMIT 1),
             0)"
    }
    /// Takes $5 stamps for an owner, after their own last one and after the head of the lane ($4).
    TAKE_STAMPS {
        "INSERT INTO job_shares (queue, priority, owner, last_stamp)
         VALUES ($1, $2, $3, CAST($4 AS BIGINT) + CAST($5 AS BIGINT))
         ON CONFLICT (queue, priority, owner) DO UPDATE SET last_stamp = CAST($5 AS BIGINT) +
             CASE WHEN job_shares.last_stamp > CAST($4 AS BIGINT) THEN job_shares.last_stamp
                  ELSE CAST($4 AS BIGINT) END
         RETURNING last_stamp"
    }
}

/// Whose turn in which lane: queue, priority, owner. Ordered, so that two transactions which take several shares
/// take them in the same order and never wait for each other in a circle.
pub(crate) type Share = (String, i64, String);

/// The next stamp of each share.
struct Stamps(BTreeMap<Share, i64>);

/// Takes `count` stamps in a row for a share, and answers the first.
pub(crate) async fn take_stamps(tx: &mut Tx, share: &Share, count: i64) -> Result<i64> {
    let (queue, priority, owner) = share;
    let head: i64 = tx.query(HEAD).bind(queue).bind(*priority).value().await?;
    let taken = tx.query(TAKE_STAMPS).bind(queue).bind(*priority).bind(owner).bind(head).bind(count);
    let last: i64 = taken.value().await?;
    Ok(last - count + 1)
}

impl Stamps {
    async fn take(tx: &mut Tx, jobs: &[NewJob]) -> Result<Self> {
        let mut wanted: BTreeMap<Share, i64> = BTreeMap::new();
        for job in jobs {
            *wanted.entry(job.share()).or_default() += 1;
        }
        let mut next = BTreeMap::new();
        for (share, count) in wanted {
            let first = take_stamps(tx, &share, count).await?;
            next.insert(share, first);
        }
        Ok(Self(next))
    }

    fn next(&mut self, share: Share) -> i64 {
        let next = self.0.entry(share).or_default();
        let stamp = *next;
        *next += 1;
        stamp
    }
}

impl NewJob {
    fn share(&self) -> Share {
        (self.queue.clone(), self.priority, self.owner.clone())
    }
}

/// One row of [`INSERT`]'s array.
#[derive(Serialize)]
struct NewRow {
    queue: String,
    kind: String,
    payload: String,
    owner: String,
    job_group: Option<String>,
    priority: i64,
    stamp: i64,
    delay: i64,
    max_attempts: u32,
    max_failures: u32,
    dedup_key: Option<String>,
}

impl NewRow {
    fn new(job: NewJob, stamps: &mut Stamps) -> Self {
        Self {
            stamp: stamps.next(job.share()),
            delay: micros(job.delay),
            queue: job.queue,
            kind: job.kind,
            payload: job.payload,
            owner: job.owner,
            job_group: job.group,
            priority: job.priority,
            max_attempts: job.max_attempts,
            max_failures: job.max_failures,
            dedup_key: job.dedup_key,
        }
    }
}
