//! The queue as `/api/v5/admin` shows it.

use std::time::Duration;

use db::Timestamp;
use jobs::{Depth, Ended, JobSummary, State, workers::WorkerStatus};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::actions::{JobDetails, Overview, Piece, Queue, Statistics, VideoWork, video_of};
use crate::{http::StreamEvent, processes::StageResource};
use catalog::work::Work;

/// `GET /api/v5/admin/overview`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueView {
    queues: Vec<QueueResource>,
    workers: Vec<WorkerResource>,
    /// The newest jobs that run.
    running: Vec<JobResource>,
    /// The newest jobs that were given up.
    dead: Vec<JobResource>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueResource {
    name: String,
    /// Milliseconds since 1970; null when it is not paused.
    paused_at_ms: Option<i64>,
    ready: u64,
    running: u64,
    dead: u64,
    /// For how long the job that is due for the longest has been due.
    oldest_ready_seconds: f64,
    depths: Vec<DepthResource>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DepthResource {
    kind: String,
    /// `ready`, `running` or `dead`.
    #[schema(value_type = String)]
    state: State,
    jobs: u64,
    /// For how long the oldest of them has been so.
    oldest_seconds: f64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkerResource {
    id: String,
    host: String,
    version: String,
    slots: u32,
    /// Further slots, for jobs that somebody waits for.
    spare_slots: u32,
    held: u64,
    /// For how long it has been holding the oldest of them.
    oldest_held_seconds: f64,
    /// How long ago it was heard of.
    silent_seconds: f64,
    /// Milliseconds since 1970.
    started_at_ms: i64,
    /// When the first of its leases ends unless it is heard of again. Milliseconds since 1970.
    lease_until_ms: Option<i64>,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobResource {
    id: i64,
    queue: String,
    kind: String,
    /// Whose share of the queue it takes; empty for the system's own.
    owner: String,
    priority: i64,
    /// `ready`, `running`, `done`, `dead` or `cancelled`.
    #[schema(value_type = String)]
    state: State,
    attempt: u32,
    max_attempts: u32,
    failures: u32,
    max_failures: u32,
    units_done: u64,
    /// 0 is not known yet.
    units_total: u64,
    /// Why the last attempt failed, and the last that its program said.
    error: Option<String>,
    worker: Option<String>,
    #[schema(format = "uuid")]
    video: Option<String>,
    created_at_ms: i64,
    run_at_ms: i64,
    started_at_ms: Option<i64>,
    lease_until_ms: Option<i64>,
    finished_at_ms: Option<i64>,
}

/// `GET /api/v5/admin/jobs`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobPage {
    /// Newest first.
    pub(super) jobs: Vec<JobResource>,
    /// What to give as `before` for the next page; null when there is none.
    pub(super) next: Option<i64>,
}

/// `GET /api/v5/admin/statistics`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatisticsResource {
    bucket_seconds: u64,
    /// When each bucket begins, in milliseconds since 1970; the present one is last.
    begins_ms: Vec<i64>,
    /// What ended, by bucket and kind. What is not there did not happen.
    ended: Vec<EndedResource>,
}

#[derive(Debug, Serialize, ToSchema)]
struct EndedResource {
    begins_ms: i64,
    kind: String,
    done: u64,
    dead: u64,
    retries: u64,
    wait_p50_seconds: f64,
    wait_p95_seconds: f64,
    run_p50_seconds: f64,
    run_p95_seconds: f64,
}

/// `GET /api/v5/admin/videos/{id}`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VideoWorkResource {
    #[schema(format = "uuid")]
    id: String,
    title: String,
    state: &'static str,
    percent: u8,
    stages: Vec<StageResource>,
    /// The jobs of the newest processing.
    pieces: Vec<PieceResource>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PieceResource {
    job: JobResource,
    /// Of an encode job: its first segment, from 0.
    first_segment: Option<u32>,
    /// Of an encode job: how many segments it makes.
    segments: Option<u32>,
    /// The renditions that it makes.
    renditions: Vec<String>,
}

impl QueueView {
    pub(super) fn new(overview: &Overview) -> Self {
        Self {
            queues: overview.queues.iter().map(QueueResource::new).collect(),
            workers: overview.workers.iter().map(WorkerResource::new).collect(),
            running: overview.running.iter().map(JobResource::of).collect(),
            dead: overview.dead.iter().map(JobResource::of).collect(),
        }
    }

    /// The event that tells this.
    pub(super) fn event(overview: &Overview) -> StreamEvent {
        let data = serde_json::to_string(&Self::new(overview)).unwrap_or_default();
        // Ages and leases grow by themselves: that is no event.
        let queue =
            |queue: &Queue| (queue.name.clone(), queue.paused_at, queue.ready, queue.running, queue.dead);
        let worker = |worker: &WorkerStatus| (worker.worker.clone(), worker.slots, worker.held);
        let job = |job: &JobSummary| (job.id, job.state, job.units_done, job.attempt);
        let told = (
            overview.queues.iter().map(queue).collect::<Vec<_>>(),
            overview.workers.iter().map(worker).collect::<Vec<_>>(),
            overview.running.iter().chain(&overview.dead).map(job).collect::<Vec<_>>(),
        );
        let hash = hex::encode(Sha256::digest(format!("{told:?}")));
        let (short, _) = hash.split_at(16);
        StreamEvent { id: short.to_owned(), data, is_last: false }
    }
}

impl QueueResource {
    pub(super) fn new(queue: &Queue) -> Self {
        Self {
            name: queue.name.clone(),
            paused_at_ms: queue.paused_at.map(Timestamp::unix_millis),
            ready: queue.ready,
            running: queue.running,
            dead: queue.dead,
            oldest_ready_seconds: queue.oldest_ready.as_secs_f64(),
            depths: queue.depths.iter().map(DepthResource::new).collect(),
        }
    }
}

impl DepthResource {
    fn new(depth: &Depth) -> Self {
        Self {
            kind: depth.kind.clone(),
            state: depth.state,
            jobs: depth.jobs,
            oldest_seconds: depth.oldest.as_secs_f64(),
        }
    }
}

impl WorkerResource {
    pub(super) fn new(worker: &WorkerStatus) -> Self {
        Self {
            id: worker.worker.clone(),
            host: worker.host.clone(),
            version: worker.version.clone(),
            slots: worker.slots,
            spare_slots: worker.spare_slots,
            held: worker.held,
            oldest_held_seconds: worker.oldest_held.as_secs_f64(),
            silent_seconds: worker.silent.as_secs_f64(),
            started_at_ms: worker.started_at.unix_millis(),
            lease_until_ms: worker.first_lease_ends.map(Timestamp::unix_millis),
        }
    }
}

impl JobResource {
    pub(super) fn of(job: &JobSummary) -> Self {
        Self {
            id: job.id.0,
            queue: job.queue.clone(),
            kind: job.kind.clone(),
            owner: job.owner.clone(),
            priority: job.priority,
            state: job.state,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            failures: job.failures,
            max_failures: job.max_failures,
            units_done: job.units_done,
            units_total: job.units_total,
            error: job.error.clone(),
            worker: job.worker.clone(),
            video: video_of(job).map(|video| video.to_string()),
            created_at_ms: job.created_at.unix_millis(),
            run_at_ms: job.run_at.unix_millis(),
            started_at_ms: job.started_at.map(Timestamp::unix_millis),
            lease_until_ms: job.lease_until.map(Timestamp::unix_millis),
            finished_at_ms: job.finished_at.map(Timestamp::unix_millis),
        }
    }

    pub(super) fn new(details: &JobDetails) -> Self {
        let video = details.video.as_ref().map(|video| video.id.to_string());
        Self { video, ..Self::of(&details.job) }
    }
}

impl StatisticsResource {
    pub(super) fn new(statistics: &Statistics) -> Self {
        let (bucket, _) = statistics.span.buckets();
        Self {
            bucket_seconds: bucket.as_secs(),
            begins_ms: statistics.begins.iter().map(|begins| begins.unix_millis()).collect(),
            ended: statistics.ended.iter().map(EndedResource::new).collect(),
        }
    }
}

impl EndedResource {
    fn new(ended: &Ended) -> Self {
        let seconds = |time: Duration| time.as_secs_f64();
        Self {
            begins_ms: ended.begins.unix_millis(),
            kind: ended.kind.clone(),
            done: ended.done,
            dead: ended.dead,
            retries: ended.retries,
            wait_p50_seconds: seconds(ended.wait_p50),
            wait_p95_seconds: seconds(ended.wait_p95),
            run_p50_seconds: seconds(ended.run_p50),
            run_p95_seconds: seconds(ended.run_p95),
        }
    }
}

impl VideoWorkResource {
    pub(super) fn new(work: &VideoWork) -> Self {
        let video = &work.process.video;
        Self {
            id: video.id.to_string(),
            title: video.title.to_string(),
            state: video.state.as_str(),
            percent: work.process.percent(),
            stages: work.process.stages.iter().map(StageResource::new).collect(),
            pieces: work.pieces.iter().map(PieceResource::new).collect(),
        }
    }
}

impl PieceResource {
    fn new(piece: &Piece) -> Self {
        let (segments, renditions) = match &piece.work {
            Work::Encode(job) => {
                (Some(job.segments.clone()), job.rungs.iter().map(ToString::to_string).collect())
            }
            Work::Audio(job) => (None, vec![job.rendition.to_string()]),
            _ => (None, Vec::new()),
        };
        Self {
            job: JobResource::of(&piece.job),
            first_segment: segments.as_ref().map(|segments| segments.start),
            segments: segments.map(|segments| segments.end.saturating_sub(segments.start)),
            renditions,
        }
    }
}
