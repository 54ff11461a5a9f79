//! Workers: claim jobs, keep them, run their stages, and hand the results to the catalogue.
//!
//! A process holds at most as many jobs as it has slots and claims none ahead. One slot more is kept for interactive
//! work, so that what somebody waits for never queues behind chunks. A lost job (cancelled, or taken by another worker
//! after this one was silent for too long) ends its ffmpeg at the next heartbeat.
//!
//! Events have slots of their own, in every process that may reach their receivers: also in one that only serves, and
//! has no ffmpeg.
//!
//! A worker that is killed leaves its jobs behind. Those of one beside the same data folder are taken as soon as
//! somebody looks ([`presence`]), those of any other one when their leases have run out.

mod captions;
mod desk;
mod patience;
mod presence;
mod protected;
mod registration;
mod stages;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use catalog::work::{Class, PIPELINE_QUEUE, UPKEEP_QUEUE};
use catalog::{events, invites, letters, licences, quality, sessions, throttle, tokens, views};
use db::Db;
use jobs::{Claim, Job, NewJob, Retention, WorkerId};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use transcode::sandbox::{self, SandboxMode};

use crate::{AppState, accounts::guessing, ambient, config::Role, events::Courier, sweeping};
use desk::{Desk, InHand};
use presence::Presence;
use registration::Registration;
use stages::Stages;

/// How long a job is a worker's own without a heartbeat.
const LEASE: Duration = Duration::from_secs(20);
const HEARTBEAT: Duration = Duration::from_secs(4);
/// Slots beyond the configured ones, for what somebody waits for.
const SPARE_SLOTS: usize = 1;
/// How long a claim waits when nobody says that there is something to do; delayed jobs are found by it.
const SLOW_POLL: Duration = Duration::from_secs(1);
const PURGE: Duration = Duration::from_secs(3600);
/// How often the store is swept, by whichever worker comes first; and how often each looks whether it is time.
const SWEEP: Duration = Duration::from_secs(6 * 3600);
const LOOK_AT_SWEEP: Duration = Duration::from_secs(600);
/// How long people can see that a worker has vanished.
const FORGET_SILENT: Duration = Duration::from_secs(3600);

/// Works until `stop` is cancelled. Jobs in hand are given back then, their attempt not counted.
///
/// # Errors
/// When there is nothing to work with: ffmpeg is missing, or the database cannot be listened to.
pub(crate) async fn run(state: AppState, stop: CancellationToken) -> anyhow::Result<()> {
    let stages = match state.config.role {
        Role::Web => None,
        Role::All | Role::Worker => Some(stages(&state)?),
    };
    let couriers = state.config.events.slots;
    if stages.is_none() && couriers == 0 {
        return Ok(());
    }
    let courier = Arc::new(Courier::new(state.clone())?);
    let worker = WorkerId(format!("{}-{}", std::process::id(), hex::encode(ambient::random::<6>())));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (slots, spare_slots) = match state.config.workers.slots {
        _ if stages.is_none() => (0, 0),
        0 => (cores, SPARE_SLOTS),
        slots => (slots, SPARE_SLOTS),
    };
    tracing::info!(worker.id = %worker, slots, couriers, "worker `{worker}` takes jobs");
    let desk = Arc::new(Desk::default());
    let presence = announce(&state, &worker);
    let registration = Registration::new(state.db.clone(), worker.clone(), slots, spare_slots);
    let upkeep = tokio::spawn({
        let (state, desk, registration, stop) =
            (state.clone(), desk.clone(), registration.clone(), stop.clone());
        async move {
            tokio::join!(
                keep_leases(&state, &desk),
                registration.keep(HEARTBEAT),
                look_after_others(&state, presence.as_ref(), &stop),
            );
        }
    });
    let station = Station { state: state.clone(), desk, worker, stop };
    let encoding = async {
        let Some(stages) = stages else { return Ok(()) };
        let per_owner = NonZeroU32::new(state.config.workers.jobs_per_owner);
        station.crew(stages, ENCODING, slots, per_owner).work().await
    };
    let carrying = async {
        // A person whose receivers are slow leaves slots to others.
        let per_owner = u32::try_from(couriers / 2).ok().and_then(NonZeroU32::new);
        if couriers == 0 { Ok(()) } else { station.crew(courier, CARRYING, couriers, per_owner).work().await }
    };
    let outcome = tokio::try_join!(encoding, carrying).map(|_| ());
    upkeep.abort();
    registration.end(HEARTBEAT).await;
    outcome
}

/// What works on videos.
fn stages(state: &AppState) -> anyhow::Result<Arc<Stages>> {
    let toolchain = state.toolchain.clone().context("this process cannot work on videos")?;
    watch_over_programs(toolchain.sandbox);
    Ok(Arc::new(Stages::new(state.clone(), toolchain)))
}

/// Says how well ffmpeg is confined; where that is not complete, this process hides its memory from it.
fn watch_over_programs(mode: SandboxMode) {
    let status = sandbox::status();
    if mode != SandboxMode::Off && status.is_complete() {
        tracing::info!("ffmpeg is confined: {status}");
        return;
    }
    tracing::warn!(?mode, "ffmpeg is not fully confined: {status}");
    if let Err(error) = sandbox::hide_this_process() {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "other processes can read this one's memory"
        );
    }
}

/// What does the jobs of some queues.
trait Performer: Send + Sync + 'static {
    /// Runs a job to whatever end.
    fn perform(&self, job: &Job, hand: &InHand) -> impl Future<Output = ()> + Send;
}

/// A queue that a crew takes from: with the least priority it asks for, and how many slots it has there beyond its own.
type Lane = (&'static str, i64, usize);

const ENCODING: &[Lane] = &[
    (PIPELINE_QUEUE, i64::MIN, 0),
    (PIPELINE_QUEUE, Class::INTERACTIVE_PRIORITY, SPARE_SLOTS),
    (UPKEEP_QUEUE, i64::MIN, SPARE_SLOTS),
];

const CARRYING: &[Lane] = &[(events::QUEUE, i64::MIN, 0)];

/// Where the crews of a worker work.
#[derive(Clone)]
struct Station {
    state: AppState,
    desk: Arc<Desk>,
    worker: WorkerId,
    stop: CancellationToken,
}

/// Those of a worker's slots that take from the same lanes.
struct Crew<P> {
    at: Station,
    performer: Arc<P>,
    lanes: &'static [Lane],
    slots: usize,
    per_owner: Option<NonZeroU32>,
    running: JoinSet<()>,
}

impl Station {
    fn crew<P: Performer>(
        &self,
        performer: Arc<P>,
        lanes: &'static [Lane],
        slots: usize,
        per_owner: Option<NonZeroU32>,
    ) -> Crew<P> {
        Crew { at: self.clone(), performer, lanes, slots, per_owner, running: JoinSet::new() }
    }
}

impl<P: Performer> Crew<P> {
    async fn work(mut self) -> anyhow::Result<()> {
        let mut listener = self.at.state.db.listen(jobs::CHANNEL).await?;
        while !self.at.stop.is_cancelled() {
            let found = match self.claim().await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "no job could be claimed");
                    false
                }
            };
            if found && self.running.len() < self.slots {
                continue;
            }
            tokio::select! {
                () = self.at.stop.cancelled() => {}
                () = listener.wait(SLOW_POLL) => {}
                Some(ended) = self.running.join_next() => report_panic(ended),
            }
        }
        // The stages are cancelled with `stop` and give their jobs back.
        let handing_back = async {
            while let Some(ended) = self.running.join_next().await {
                report_panic(ended);
            }
        };
        let drain = Duration::from_secs(self.at.state.config.server.drain_seconds);
        if timeout(drain, handing_back).await.is_err() {
            tracing::warn!(
                "jobs that did not stop within {} s wait until their leases run out",
                drain.as_secs()
            );
        }
        Ok(())
    }

    /// Fills the free slots, and answers whether anything was found.
    async fn claim(&mut self) -> Result<bool, jobs::Error> {
        // What has ended at the same moment is replaced by one claim.
        while let Some(ended) = self.running.try_join_next() {
            report_panic(ended);
        }
        let mut found = false;
        for &(queue, min_priority, spare) in self.lanes {
            let free = (self.slots + spare).saturating_sub(self.running.len());
            let claim = Claim {
                worker: &self.at.worker,
                queue,
                kinds: &[],
                min_priority,
                limit: u32::try_from(free).unwrap_or(u32::MAX),
                lease: LEASE,
            };
            let until = Instant::now() + LEASE;
            // Upkeep is not limited: nobody asks for it.
            let limit = self.per_owner.filter(|_| queue != UPKEEP_QUEUE);
            let jobs = match limit {
                Some(most) => jobs::claim_limited(&self.at.state.db, &claim, most).await?,
                None => jobs::claim(&self.at.state.db, &claim).await?,
            };
            for job in jobs {
                found = true;
                self.start(job, until);
            }
        }
        Ok(found)
    }

    fn start(&mut self, job: Job, until: Instant) {
        let held = self.at.desk.hold(job.lease, until, self.at.stop.clone());
        let performer = self.performer.clone();
        self.running.spawn(async move {
            performer.perform(&job, &held).await;
        });
    }
}

impl Performer for Stages {
    async fn perform(&self, job: &Job, hand: &InHand) {
        Stages::perform(self, job, hand).await;
    }
}

impl Performer for Courier {
    async fn perform(&self, job: &Job, hand: &InHand) {
        Courier::perform(self, job, &hand.cancel, &hand.stop).await;
    }
}

/// A stage that panics is a defect; its job comes back when its lease runs out.
fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = &error as &dyn std::error::Error, "a stage panicked");
    }
}

/// Without a sign of life this worker's jobs wait for their leases when it is killed, and that is all.
fn announce(state: &AppState, worker: &WorkerId) -> Option<Presence> {
    match Presence::announce(&state.config.data, worker) {
        Ok(presence) => Some(presence),
        Err(error) => {
            tracing::warn!(%error, "`workers` in the data folder cannot be used");
            None
        }
    }
}

/// Until the process ends: heartbeats go on while stages give their jobs back.
async fn keep_leases(state: &AppState, desk: &Desk) {
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        desk.heartbeat(&state.db, LEASE, HEARTBEAT).await;
    }
}

/// Takes over the jobs of vanished workers, forgets old ones.
async fn look_after_others(state: &AppState, presence: Option<&Presence>, stop: &CancellationToken) {
    let mut look = interval(HEARTBEAT);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut purge = interval(PURGE);
    let mut database = Database::Answers;
    // Not while everything else starts too.
    let mut sweep = interval_at(Instant::now() + LOOK_AT_SWEEP, LOOK_AT_SWEEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => return std::future::pending().await,
            _ = look.tick() => {
                if let Some(presence) = presence {
                    take_over(state, presence).await;
                }
                // Who could not be heard of while the database was away has one beat to be heard of again.
                database = match database {
                    Database::Answers => reap(state).await,
                    Database::WasAway => state.db.ping().await.into(),
                };
            }
            _ = sweep.tick() => {
                let job = NewJob::new(UPKEEP_QUEUE, sweeping::KIND, &Value::Null)
                    .priority(Class::Background.priority())
                    .max_failures(3);
                if let Err(error) = jobs::enqueue_every(&state.db, SWEEP, sweeping::KIND, job).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "no sweep was enqueued");
                }
            }
            _ = purge.tick() => {
                if let Err(error) = forget_jobs(&state.db).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "old jobs were not forgotten");
                }
                let keep = Duration::from_secs(state.config.events.keep_days.saturating_mul(24 * 3600));
                if let Err(error) = events::purge(&state.db, keep, 10_000).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "old events were not forgotten");
                }
                if let Err(error) = forget_sign_ins(&state.db).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "old sign-ins were not forgotten");
                }
                if let Err(error) = views::forget_viewers(&state.db).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "viewers were not forgotten");
                }
                let keep = Duration::from_secs(state.config.drm.log_days.saturating_mul(24 * 3600));
                if let Err(error) = licences::prune(&state.db, keep).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "old licences were not forgotten");
                }
                let keep = Duration::from_secs(u64::from(state.config.delivery.quality_days) * 24 * 3600);
                if let Err(error) = quality::prune(&state.db, keep).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "old playbacks were not forgotten");
                }
                if let Err(error) = jobs::workers::forget_silent(&state.db, FORGET_SILENT).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "silent workers were not forgotten");
                }
            }
        }
    }
}

/// In steps, so that others get their turn at the database.
async fn forget_jobs(db: &Db) -> jobs::Result<()> {
    const STEP: u32 = 1000;
    while jobs::purge(db, Retention::default(), STEP).await? == u64::from(STEP) {}
    Ok(())
}

/// What nobody can use any more: sign-ins, tokens, invitations, links in letters, counted attempts.
async fn forget_sign_ins(db: &Db) -> catalog::Result<()> {
    sessions::purge(db).await?;
    tokens::purge(db).await?;
    invites::purge(db).await?;
    letters::purge(db).await?;
    throttle::purge(db, guessing::FORGOTTEN_AFTER).await?;
    Ok(())
}

/// Ends the leases of the workers that are known to be gone.
async fn take_over(state: &AppState, presence: &Presence) {
    let vanished = match presence.vanished() {
        Ok(vanished) => vanished,
        Err(error) => {
            tracing::warn!(%error, "`workers` in the data folder cannot be used");
            return;
        }
    };
    for vanished in vanished {
        let worker = vanished.worker.clone();
        let outcome = match jobs::expire(&state.db, &worker).await {
            Ok(held) => {
                tracing::info!(worker.id = %worker, jobs = held, "worker `{worker}` has vanished");
                vanished.forget().map_err(anyhow::Error::from)
            }
            Err(error) => Err(error.into()),
        };
        if let Err(error) = outcome {
            tracing::warn!(worker.id = %worker, error = format!("{error:#}"), "worker `{worker}` was not forgotten");
        }
    }
}

/// What the last look at the database met.
#[derive(Debug, Clone, Copy)]
enum Database {
    Answers,
    WasAway,
}

impl<E> From<Result<(), E>> for Database {
    fn from(asked: Result<(), E>) -> Self {
        if asked.is_ok() { Self::Answers } else { Self::WasAway }
    }
}

async fn reap(state: &AppState) -> Database {
    let reaped = catalog::endings::reap(&state.db).await;
    match &reaped {
        Ok(reaped) if reaped.returned + reaped.dead > 0 => {
            state.metrics.reaped(reaped.returned + reaped.dead);
            tracing::warn!(
                returned = reaped.returned,
                dead = reaped.dead,
                "jobs of vanished workers were taken"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(error = error as &dyn std::error::Error, "no job could be taken over"),
    }
    reaped.map(drop).into()
}
