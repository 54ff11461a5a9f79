//! A process as `/api/v5` shows it.

use catalog::{
    VideoState,
    processes::{Process, Reason, StageView, Waiting},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::wording::{note, seconds};
use crate::{http::StreamEvent, playback::BaseUrl};

/// `GET /api/v5/processes/{id}`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProcessResource {
    #[schema(format = "uuid")]
    id: String,
    /// `uploaded`, `processing`, `ready` or `failed`.
    #[schema(value_type = String)]
    state: VideoState,
    /// Of the whole, 0 to 100; 100 only when the video plays.
    percent: u8,
    stages: Vec<StageResource>,
    /// Seconds until it is finished, by what was measured; null while there is nothing to judge by.
    remaining_seconds: Option<u64>,
    /// Why nobody works on it; null when somebody does.
    waiting: Option<WaitingResource>,
    /// How often the step that runs or is next has failed before.
    failures: u32,
    /// One sentence for people on what is going on, if there is more to say than the percentage.
    note: Option<String>,
    /// Why it failed: a sentence.
    error: Option<String>,
    video: VideoLinks,
    /// The same as a stream of events.
    events: String,
}

/// How far a stage is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageResource {
    stage: &'static str,
    percent: u8,
    /// Whole units, recorded for good.
    done: u64,
    total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct WaitingResource {
    /// `paused`, `no-worker`, `retry`, or `turn`: a free worker is waited for.
    reason: &'static str,
    /// For `turn`: how many jobs of others go first.
    ahead: Option<u32>,
    /// For `retry`: seconds until the next attempt.
    retry_seconds: Option<u64>,
    /// Since when its next step could run, or when it may at the earliest. Milliseconds since 1970.
    since_ms: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct VideoLinks {
    #[schema(format = "uuid")]
    id: String,
    /// What the API says about it.
    status: String,
    /// The page that plays it.
    watch: String,
}

impl ProcessResource {
    pub(super) fn new(process: &Process, base: &BaseUrl) -> Self {
        let video = &process.video;
        Self {
            id: video.process.to_string(),
            state: video.state,
            percent: process.percent(),
            stages: process.stages.iter().map(StageResource::new).collect(),
            remaining_seconds: process.remaining.map(seconds),
            waiting: process.waiting.as_ref().map(WaitingResource::new),
            failures: process.failures,
            note: note(process),
            error: video.error.clone(),
            video: VideoLinks {
                id: video.id.to_string(),
                status: base.status(video.id),
                watch: base.watch(video.id),
            },
            events: base.process_events(video.process),
        }
    }

    /// The event that tells this.
    pub(super) fn event(process: &Process, base: &BaseUrl) -> StreamEvent {
        let data = serde_json::to_string(&Self::new(process, base)).unwrap_or_default();
        // URLs differ with the name of the server that was asked; a client may come back to another one.
        let told = serde_json::to_vec(&Self::new(process, &BaseUrl::RELATIVE)).unwrap_or_default();
        StreamEvent { id: event_id(process, &told), data, is_last: process.is_final() }
    }
}

/// What is told, and which turn of the video's life it was: one that fails twice for one reason has failed twice.
fn event_id(process: &Process, told: &[u8]) -> String {
    let hash = hex::encode(Sha256::digest(told));
    let (short, _) = hash.split_at(16);
    format!("{:x}-{short}", process.video.updated_at.unix_micros())
}

impl StageResource {
    pub(crate) fn new(stage: &StageView) -> Self {
        let recorded = stage.recorded;
        Self {
            stage: recorded.stage.as_str(),
            percent: stage.percent(),
            done: recorded.units_done,
            total: recorded.units_total,
        }
    }
}

impl WaitingResource {
    fn new(waiting: &Waiting) -> Self {
        let (reason, ahead, retry_seconds) = match waiting.reason {
            Reason::Paused => ("paused", None, None),
            Reason::NoWorker => ("no-worker", None, None),
            Reason::Retry(delay) => ("retry", None, Some(seconds(delay))),
            Reason::Turn(ahead) => ("turn", Some(ahead), None),
        };
        Self { reason, ahead, retry_seconds, since_ms: waiting.since.unix_millis() }
    }
}
