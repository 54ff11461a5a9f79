//! A queue of jobs inside the catalogue's database: work that cannot be lost, on one machine or many.
//!
//! What it deliberately does not do: it knows no video, it runs nothing and holds no thread (the worker's loop
//! belongs to the program), it keeps no clock and rolls no dice: times are the database's, jitter is an argument.
//!
//! # The life of a job
//!
//! ```text
//!            enqueue            claim              settle
//!   (nothing) ────▶ ready ──────────────▶ running ────────▶ done
//!                     ▲   retry, release,  │   │   fail; retry or reap
//!                     └──── reap ──────────┘   └─────────▶ dead      (attempts used up)
//!                     └──────────── cancel ──────────────▶ cancelled
//! ```
//!
//! - [`enqueue()`] is part of the caller's transaction: no job without its row, no row without its job.
//! - [`claim()`] counts the attempt, so a job that kills its worker dies after its attempts. There are far fewer that
//!   may fail: a worker vanishes for many reasons, but what a job does by itself it does again. A claim takes only
//!   as many jobs as the caller has free slots; nothing is fetched ahead.
//! - [`heartbeat`] extends the leases of the jobs a worker holds, and answers which of them are still its own: one
//!   that is lost was cancelled or taken away, and its work has to stop.
//! - Whatever ends a job is fenced by its [`Lease`]: a worker that lost it cannot overwrite the winner.
//! - [`reap`] gives the jobs of vanished workers to others, and [`bury_exhausted`] ends those that have had all their
//!   attempts. Any worker may call them, at any time.
//! - A [`fan-in`](counter) is a counter that reaches zero in exactly one transaction.
//!
//! Within a queue the higher priority goes first, and within one priority the owners take turns, however many
//! jobs each has (see [`enqueue_all`]); [`claim_limited`] also bounds how many of an owner's run at once. Priority
//! never interrupts a running job; a worker that must answer fast keeps a slot that claims with
//! [`Claim::min_priority`]. What recurs is enqueued by [`enqueue_every`], and [`purge`] forgets what ended long ago.
//!
//! On PostgreSQL a transaction that ends a job may hold other locks too. So that nobody waits in a circle, whatever
//! changes several jobs at once waits for none of them, and whoever ends a job and with it others ([`cancel_group`])
//! first locks what their group stands for ([`group_of`]).

mod backoff;
mod claim;
mod control;
pub mod counter;
mod enqueue;
mod estimate;
mod job;
mod line;
mod listing;
mod settle;
mod stats;
pub mod workers;

pub use backoff::Backoff;
pub use claim::{Claim, Held, Kept, claim, claim_limited, heartbeat};
pub use control::{
    Retention, cancel, cancel_group, expedite, expedite_job, pause, purge, resume, revive, revive_kind,
};
pub use enqueue::{Enqueued, NewJob, enqueue, enqueue_all, enqueue_every};
pub use estimate::{Outlook, Run};
pub use job::{DeadJob, Error, Job, JobId, Lease, Progress, Result, State, WorkerId};
pub use line::{AHEAD_LIMIT, Busy, InHand, Lines, Standing, Waiting, lines};
pub use listing::{Filter, JobSummary, find, group, list, payloads};
pub use settle::{
    Retried, bury_exhausted, done, exhausted, expire, fail, let_go, postpone, reap, release, retry, settle,
};
pub use stats::{
    Depth, Ended, Pause, depths, ended, group_of, in_hand, open_jobs, pauses, state, unfinished,
};

/// The channel on which [`db::Db::listen`] hears that there may be something to claim.
pub const CHANNEL: &str = "jobs";

/// The tables of the queue.
pub const QUEUE_MIGRATION: db::Migration =
    db::Migration { name: "jobs/0001_queue", sql: include_str!("../migrations/0001_queue.sql") };

/// The table of workers, and indexes for those who watch. To be run after [`QUEUE_MIGRATION`].
pub const WORKERS_MIGRATION: db::Migration =
    db::Migration { name: "jobs/0002_workers", sql: include_str!("../migrations/0002_workers.sql") };

#[cfg(test)]
mod tests;
