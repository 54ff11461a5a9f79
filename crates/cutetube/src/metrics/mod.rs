//! What Prometheus reads: the queue as the database has it, and what this process has counted itself.
//!
//! Gauges of the queue say the same on every node, because they come from the database when they are asked for.
//! Counters and histograms are those of one process: sum them over all.

mod access;
mod process;
mod queue;
mod requests;
pub(crate) mod server;

pub(crate) use requests::{Tally, count as count_requests};

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use catalog::{licences::Denial, quality::Report};

use self::requests::Requests;
use crate::AppState;

/// What this process has counted since it started. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    run_time: Family<OfKind, Histogram>,
    retries: Family<OfKind, Counter>,
    deaths: Family<OfKind, Counter>,
    reaped: Counter,
    licences: Family<OfLicence, Counter>,
    requests: Requests,
    hot: Family<OfHot, Counter>,
    encoding_speed: Histogram,
    startup: Histogram,
    rebuffering: Histogram,
}

/// Where an object came from that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// It was in memory.
    Memory,
    /// It was read from the store, for all who ask for it soon.
    Store,
    /// It was read from the store for this one client.
    Passed,
}

/// How an attempt at a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The job is done.
    Done,
    /// It runs again later.
    Retried,
    /// It was given up.
    Dead,
    /// Nothing was decided: the job was handed back, cancelled or lost.
    LetGo,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLicence {
    system: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHot {
    source: &'static str,
}

/// Seconds of a video for each second of encoding it.
const SPEEDS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// From what takes no time to what takes an hour.
const BUCKETS: [f64; 14] =
    [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// From what nobody notices to what nobody waits for.
const SECONDS_OF_VIEWERS: [f64; 11] = [0.0, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0];

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            run_time: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            retries: Family::default(),
            deaths: Family::default(),
            reaped: Counter::default(),
            licences: Family::default(),
            startup: Histogram::new(SECONDS_OF_VIEWERS),
            rebuffering: Histogram::new(SECONDS_OF_VIEWERS),
            requests: Requests::default(),
            hot: Family::default(),
            encoding_speed: Histogram::new(SPEEDS),
        }
    }

    /// Counts an attempt of this process.
    pub(crate) fn attempted(&self, kind: &str, took: Duration, attempt: Attempt) {
        let kind = OfKind { kind: kind.to_owned() };
        if attempt == Attempt::LetGo {
            return;
        }
        self.run_time.get_or_create(&kind).observe(took.as_secs_f64());
        match attempt {
            Attempt::Retried => drop(self.retries.get_or_create(&kind).inc()),
            Attempt::Dead => drop(self.deaths.get_or_create(&kind).inc()),
            Attempt::Done | Attempt::LetGo => {}
        }
    }

    /// Counts jobs that this process took from workers which stopped answering.
    pub(crate) fn reaped(&self, jobs: u64) {
        self.reaped.inc_by(jobs);
    }

    /// Counts a licence that was asked for.
    pub(crate) fn licence(&self, system: &'static str, refusal: Option<Denial>) {
        let outcome = refusal.map_or("granted", Denial::as_str);
        self.licences.get_or_create(&OfLicence { system, outcome }).inc();
    }

    /// Counts an object of a published video that was asked for.
    pub(crate) fn served(&self, source: Source) {
        self.objects(source).inc();
    }

    fn objects(&self, source: Source) -> Counter {
        let source = match source {
            Source::Memory => "memory",
            Source::Store => "store",
            Source::Passed => "passed",
        };
        self.hot.get_or_create(&OfHot { source }).clone()
    }

    /// Notes that so much of a video was encoded, all rungs of it, in that time.
    pub(crate) fn encoded(&self, video: Duration, took: Duration) {
        if !took.is_zero() {
            self.encoding_speed.observe(video.as_secs_f64() / took.as_secs_f64());
        }
    }

    /// Counts what a player has told of a playback for the first time.
    pub(crate) fn played(&self, report: &Report) {
        if let Some(startup) = report.startup {
            self.startup.observe(startup.as_secs_f64());
        }
        self.rebuffering.observe(report.rebuffering.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        self.requests.register(registry);
        registry.register(
            "cutetube_media_objects",
            "Objects of published videos that were asked for, and where they came from",
            self.hot.clone(),
        );
        registry.register(
            "cutetube_encoding_speed",
            "Seconds of a video that were encoded in a second, chunk by chunk",
            self.encoding_speed.clone(),
        );
        registry.register_with_unit(
            "cutetube_job_run",
            "How long attempts at jobs took in this process, however they ended",
            Unit::Seconds,
            self.run_time.clone(),
        );
        registry.register(
            "cutetube_playback_startup_seconds",
            "From the wish to play to the first picture, of playbacks that this process was told of",
            self.startup.clone(),
        );
        registry.register(
            "cutetube_playback_rebuffering_seconds",
            "Waiting for media within one playback, of those that this process was told of",
            self.rebuffering.clone(),
        );
        registry.register(
            "cutetube_licences",
            "Licences that this process was asked for: `granted`, or why not",
            self.licences.clone(),
        );
        registry.register(
            "cutetube_job_retries",
            "Attempts of this process that failed and are repeated",
            self.retries.clone(),
        );
        registry.register(
            "cutetube_job_deaths",
            "Jobs that were given up after an attempt of this process",
            self.deaths.clone(),
        );
        registry.register(
            "cutetube_jobs_reaped",
            "Jobs that this process took from workers which stopped answering",
            self.reaped.clone(),
        );
    }
}

/// Everything, in the text format of OpenMetrics 1.0.
async fn exposition(state: &AppState) -> Result<String, catalog::Error> {
    let mut registry = Registry::default();
    queue::register(&state.db, &mut registry).await?;
    state.metrics.register(&mut registry);
    process::register(&mut registry);
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("writing into memory does not fail");
    Ok(text)
}
