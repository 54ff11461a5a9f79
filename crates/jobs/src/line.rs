//! Where the jobs of a group stand: what is in hand, what waits and for what, and how long it may take.

use std::time::Duration;

use db::{Db, Json, Timestamp};

use crate::{JobId, Result, job::micros};

/// Where the jobs of one group stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The group.
    pub group: String,
    /// Its jobs that a worker holds, in the order of enqueuing.
    pub in_hand: Vec<InHand>,
    /// Its jobs that wait, if any do.
    pub waiting: Option<Waiting>,
    /// How long one of its jobs takes that is done; unknown before the first.
    pub pace: Option<Duration>,
}

/// What the standings of several groups have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// One for each group that was asked for, in no order.
    pub standings: Vec<Standing>,
    /// How long a job takes, whoever's it is, by the latest that are done; unknown when none was lately.
    pub pace: Option<Duration>,
    /// How many jobs run at present, by queue.
    pub busy: Vec<Busy>,
    /// How many jobs the workers that are there run at once; 0 when there is no worker.
    pub slots: u32,
}

db::row! {
    /// A job that a worker holds.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct InHand {
        /// The job.
        pub id: JobId,
        /// What it is cancelled together with.
        pub job_group: String,
        /// What is to be done.
        pub kind: String,
        /// With what: JSON, as it was enqueued.
        pub payload: String,
        /// Units done in this attempt.
        pub units_done: u64,
        /// Units of this attempt in all; 0 is not known yet.
        pub units_total: u64,
        /// How many attempts have failed before this one.
        pub failures: u32,
        /// How long the attempt has been running.
        pub running_for: Duration,
    }
}

db::row! {
    /// The jobs of a group that wait, and the one of them that is next.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Waiting {
        /// The group.
        pub job_group: String,
        /// How many wait.
        pub jobs: u32,
        /// How many of them are of the kind that was asked for.
        pub of_kind: u32,
        /// The queue of the next one.
        pub queue: String,
        /// What is to be done next.
        pub kind: String,
        /// How many attempts at the next one have failed.
        pub failures: u32,
        /// Since when the next one could run, or when it may at the earliest.
        pub since: Timestamp,
        /// How long it still has to wait, whoever is free; zero when it may run.
        pub delay: Duration,
        /// Whether its queue hands out nothing at present.
        pub is_paused: bool,
        /// How many jobs of others go before the next one; [`AHEAD_LIMIT`] stands for at least that many.
        pub ahead: u32,
        /// How many jobs of others go before the last one; [`AHEAD_LIMIT`] stands for at least that many.
        pub ahead_of_last: u32,
    }
}

db::row! {
    /// How many jobs of a queue run.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Busy {
        /// The queue.
        pub queue: String,
        /// How many.
        pub jobs: u32,
    }
}

/// Counting those who go before ends here: what a person is told does not change beyond it.
pub const AHEAD_LIMIT: u32 = 1000;

/// A worker that is silent for this long is taken to be gone: four heartbeats.
const GONE: Duration = Duration::from_secs(20);

/// Where these groups stand. Paces are of jobs of `kind`, the one that takes most of the time.
///
/// # Errors
/// Those of the database.
pub async fn lines(db: &Db, groups: &[String], kind: &str) -> Result<Lines> {
    let mut in_hand: Vec<InHand> = db.read(IN_HAND).bind(Json(groups)).all().await?;
    let mut waiting: Vec<Waiting> =
        db.read(WAITING).bind(Json(groups)).bind(AHEAD_LIMIT).bind(kind).all().await?;
    let paces: Vec<GroupPace> = db.read(GROUP_PACES).bind(Json(groups)).bind(kind).all().await?;
    let standing = |group: &String| Standing {
        group: group.clone(),
        in_hand: in_hand.extract_if(.., |job| job.job_group == *group).collect(),
        waiting: waiting.extract_if(.., |waiting| waiting.job_group == *group).next(),
        pace: paces.iter().find(|pace| pace.job_group == *group).map(|pace| pace.run_time),
    };
    Ok(Lines {
        standings: groups.iter().map(standing).collect(),
        pace: db.read(RECENT_PACE).bind(kind).value().await?,
        busy: db.read(BUSY).all().await?,
        slots: db.read(SLOTS).bind(micros(GONE)).value().await?,
    })
}

db::statements! {
    IN_HAND {
        "SELECT id, job_group, kind, payload, units_done, units_total, failures,
             CASE WHEN started_at < " NOW " THEN " NOW " - started_at ELSE 0 END AS running_for
         FROM jobs WHERE state = 'running' AND job_group IN " [texts "$1"] " ORDER BY id"
    }
    /// What may run now is next before what has to wait for its time.
    WAITING {
        "WITH ready AS MATERIALIZED (
             SELECT id, job_group, queue, kind, priority, stamp, run_at, created_at, failures,
                 row_number() OVER (PARTITION BY job_group
                     ORDER BY CASE WHEN run_at <= " NOW " THEN 0 ELSE 1 END, priority DESC, stamp, id) AS place,
                 count(*) OVER (PARTITION BY job_group) AS jobs,
                 sum(CASE WHEN kind = $3 THEN 1 ELSE 0 END) OVER (PARTITION BY job_group) AS of_kind
             FROM jobs WHERE state = 'ready' AND job_group IN " [texts "$1"] ")
         SELECT head.job_group, head.jobs, head.of_kind, head.queue, head.kind, head.failures,
             CASE WHEN head.run_at > head.created_at THEN head.run_at ELSE head.created_at END AS since,
             CASE WHEN head.run_at > " NOW " THEN head.run_at - " NOW " ELSE 0 END AS delay,
             EXISTS (SELECT 1 FROM job_pauses WHERE job_pauses.queue = head.queue) AS is_paused,
             (SELECT count(*) FROM (
                 SELECT 1 FROM jobs AS other
                 WHERE other.state = 'ready' AND other.queue = head.queue AND other.run_at <= " NOW "
                     AND other.job_group IS DISTINCT FROM head.job_group
                     AND (other.priority > head.priority OR (other.priority = head.priority
                          AND (other.stamp, other.id) < (head.stamp, head.id)))
                 LIMIT $2) AS earlier) AS ahead,
             (SELECT count(*) FROM (
                 SELECT 1 FROM jobs AS other
                 WHERE other.state = 'ready' AND other.queue = tail.queue AND other.run_at <= " NOW "
                     AND other.job_group IS DISTINCT FROM tail.job_group
                     AND (other.priority > tail.priority OR (other.priority = tail.priority
                          AND (other.stamp, other.id) < (tail.stamp, tail.id)))
                 LIMIT $2) AS earlier) AS ahead_of_last
         FROM ready AS head JOIN ready AS tail ON tail.job_group = head.job_group AND tail.place = tail.jobs
         WHERE head.place = 1"
    }
    GROUP_PACES {
        "SELECT job_group, CAST(avg(finished_at - started_at) AS BIGINT) AS run_time FROM jobs
         WHERE state = 'done' AND finished_at > started_at AND kind = $2 AND job_group IN " [texts "$1"] "
         GROUP BY job_group"
    }
    /// Of the last hour, and of few jobs: what ran long ago may have run on other machines.
    RECENT_PACE {
        "SELECT CAST(avg(run_time) AS BIGINT) FROM (
             SELECT finished_at - started_at AS run_time FROM jobs
             WHERE state = 'done' AND kind = $1 AND finished_at > started_at AND finished_at > " NOW " - 3600000000
             ORDER BY finished_at DESC LIMIT 100) AS recent"
    }
    SLOTS { "SELECT CAST(COALESCE(sum(slots), 0) AS BIGINT) FROM job_workers WHERE seen_at > " NOW " - $1" }
    BUSY { "SELECT queue, count(*) AS jobs FROM jobs WHERE state = 'running' GROUP BY queue" }
}

db::row! {
    struct GroupPace { job_group: String, run_time: Duration }
}
