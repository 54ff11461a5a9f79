//! What administrators see of the queue and decide about it. Nothing here knows HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{
    administration, events,
    ids::VideoId,
    processes::{self, Process},
    videos::{self, Video},
    work::{self, PIPELINE_QUEUE, UPKEEP_QUEUE, Work},
};
use db::{Db, Timestamp};
use jobs::{Depth, Ended, Filter, JobId, JobSummary, State, workers::WorkerStatus};

use crate::{
    AppState,
    accounts::Caller,
    http::log_internal,
    live::Live,
    texts::{Text, text},
};

/// The queue at one moment.
#[derive(Debug)]
pub(crate) struct Overview {
    /// The moment, by the database's clock.
    pub(crate) now: Timestamp,
    /// By name.
    pub(crate) queues: Vec<Queue>,
    pub(crate) workers: Vec<WorkerStatus>,
    /// The newest first, at most [`LISTED`].
    pub(crate) running: Vec<JobSummary>,
    /// The newest first, at most [`LISTED`].
    pub(crate) dead: Vec<JobSummary>,
    /// Those that the listed jobs are about.
    pub(crate) videos: Vec<Video>,
}

/// One queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) name: String,
    /// Since when it hands out nothing.
    pub(crate) paused_at: Option<Timestamp>,
    pub(crate) ready: u64,
    pub(crate) running: u64,
    pub(crate) dead: u64,
    /// How long the job that is due for the longest has been due.
    pub(crate) oldest_ready: Duration,
    /// By kind and state.
    pub(crate) depths: Vec<Depth>,
}

/// How fast the queue moved.
#[derive(Debug)]
pub(crate) struct Statistics {
    pub(crate) span: Span,
    /// When each bucket begins, the present one last.
    pub(crate) begins: Vec<Timestamp>,
    /// By time and kind; what is not there did not happen.
    pub(crate) ended: Vec<Ended>,
}

db::text_enum! {
    /// How far statistics look back.
    pub(crate) enum Span {
        /// Two hours by five minutes.
        Hours = "2h",
        /// A day by hours.
        Day = "24h",
        /// A week by six hours.
        Week = "7d",
    }
}

/// A job with what it is about.
#[derive(Debug)]
pub(crate) struct JobDetails {
    pub(crate) now: Timestamp,
    pub(crate) job: JobSummary,
    pub(crate) video: Option<Video>,
}

/// The work on one video, piece by piece.
#[derive(Debug)]
pub(crate) struct VideoWork {
    pub(crate) now: Timestamp,
    pub(crate) process: Process,
    /// Those of the newest processing, in the order of enqueuing.
    pub(crate) pieces: Vec<Piece>,
}

/// One job of a video.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) job: JobSummary,
    pub(crate) work: Work,
}

/// What can be done with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Retry,
    Cancel,
    Expedite,
}

/// Jobs on the dashboard; the API has all of them, page by page.
pub(crate) const LISTED: u32 = 50;

const STOPPED: &str = "An administrator stopped the processing of this video. Ask them why, or try it again.";

/// Follows the overview of this database; there is only one, so its key says nothing.
pub(crate) fn live(db: Db) -> Live<(), Overview> {
    Live::new(move |_| {
        let db = db.clone();
        async move {
            match overview(&db).await {
                Ok(overview) => Some(vec![((), overview)]),
                Err(error) => {
                    log_internal(&error);
                    None
                }
            }
        }
    })
}

pub(crate) async fn overview(db: &Db) -> Result<Overview, catalog::Error> {
    let listed = |state| Filter { state: Some(state), ..Filter::default() };
    let running = jobs::list(db, &listed(State::Running), None, LISTED).await?;
    let dead = jobs::list(db, &listed(State::Dead), None, LISTED).await?;
    let mut about: Vec<VideoId> = running.iter().chain(&dead).filter_map(video_of).collect();
    about.sort_unstable();
    about.dedup();
    Ok(Overview {
        now: db.now().await?,
        queues: queues(db).await?,
        workers: jobs::workers::list(db).await?,
        videos: videos::some(db, &about).await?,
        running,
        dead,
    })
}

/// Every queue that the program has, and whatever else jobs are in.
pub(crate) async fn queues(db: &Db) -> Result<Vec<Queue>, catalog::Error> {
    let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
    for name in [PIPELINE_QUEUE, events::QUEUE, UPKEEP_QUEUE] {
        queues.insert(name.to_owned(), Queue::default());
    }
    for depth in jobs::depths(db).await? {
        let queue = queues.entry(depth.queue.clone()).or_default();
        match depth.state {
            State::Ready => {
                queue.ready += depth.jobs;
                queue.oldest_ready = queue.oldest_ready.max(depth.oldest);
            }
            State::Running => queue.running += depth.jobs,
            State::Dead => queue.dead += depth.jobs,
            State::Done | State::Cancelled => {}
        }
        queue.depths.push(depth);
    }
    for pause in jobs::pauses(db).await? {
        queues.entry(pause.queue).or_default().paused_at = Some(pause.paused_at);
    }
    Ok(queues.into_iter().map(|(name, queue)| Queue { name, ..queue }).collect())
}

pub(crate) async fn statistics(db: &Db, span: Span) -> Result<Statistics, catalog::Error> {
    let (bucket, buckets) = span.buckets();
    let ended = jobs::ended(db, bucket, buckets).await?;
    let width = i64::try_from(bucket.as_micros()).unwrap_or(i64::MAX);
    let present = db.now().await?.unix_micros().div_euclid(width) * width;
    let begin = |back: u32| Timestamp::from_unix_micros(present - i64::from(back) * width);
    Ok(Statistics { span, begins: (0..buckets).rev().map(begin).collect(), ended })
}

/// `None` when there is no such job, or no more.
pub(crate) async fn job(db: &Db, id: JobId) -> Result<Option<JobDetails>, catalog::Error> {
    let Some((job, payload)) = jobs::find(db, id).await? else { return Ok(None) };
    let video = match administration::video_of(&job, &payload) {
        Some(video) => videos::some(db, &[video]).await?.pop(),
        None => None,
    };
    Ok(Some(JobDetails { now: db.now().await?, job, video }))
}

/// `None` when there is no such video. Of a video that was tried again, only the newest processing is shown.
pub(crate) async fn video_work(db: &Db, video: VideoId) -> Result<Option<VideoWork>, catalog::Error> {
    let Some(process) = processes::read(db, &[video]).await?.pop() else { return Ok(None) };
    let group = work::group(video);
    let payloads: BTreeMap<JobId, String> = jobs::payloads(db, &group).await?.into_iter().collect();
    let pieces = jobs::group(db, &group).await?.into_iter().filter_map(|job| {
        let work = Work::parse(&job.kind, payloads.get(&job.id)?).ok()?;
        Some(Piece { job, work })
    });
    let mut pieces: Vec<Piece> = pieces.collect();
    if let Some(begins) = pieces.iter().rposition(|piece| matches!(piece.work, Work::Inspect(_))) {
        pieces.drain(..begins);
    }
    Ok(Some(VideoWork { now: db.now().await?, process, pieces }))
}

/// Decides about a job.
pub(crate) async fn decide(
    state: &AppState,
    caller: &Caller,
    verb: Verb,
    id: JobId,
) -> Result<(), catalog::Error> {
    match verb {
        Verb::Retry => administration::retry(&state.db, id).await?,
        Verb::Cancel => administration::cancel(&state.db, id, STOPPED).await?,
        Verb::Expedite => administration::expedite(&state.db, id).await?,
    }
    tracing::info!(job.id = %id, user.id = %caller.user.id, ?verb, "an administrator decided about job `{id}`");
    Ok(())
}

/// Stops handing out the jobs of a queue.
pub(crate) async fn pause(state: &AppState, caller: &Caller, queue: &str) -> Result<(), catalog::Error> {
    let mut tx = state.db.begin().await?;
    jobs::pause(&mut tx, queue).await?;
    tx.commit().await?;
    tracing::warn!(queue, user.id = %caller.user.id, "queue `{queue}` is paused");
    Ok(())
}

/// Hands them out again.
pub(crate) async fn resume(state: &AppState, caller: &Caller, queue: &str) -> Result<(), catalog::Error> {
    let mut tx = state.db.begin().await?;
    jobs::resume(&mut tx, queue).await?;
    tx.commit().await?;
    tracing::info!(queue, user.id = %caller.user.id, "queue `{queue}` goes on");
    Ok(())
}

/// By its group: lists have no payload.
pub(crate) fn video_of(job: &JobSummary) -> Option<VideoId> {
    administration::video_of(job, "")
}

impl Span {
    /// How long a bucket is, and how many there are.
    pub(crate) fn buckets(self) -> (Duration, u32) {
        match self {
            Self::Hours => (Duration::from_secs(300), 24),
            Self::Day => (Duration::from_secs(3600), 24),
            Self::Week => (Duration::from_secs(6 * 3600), 28),
        }
    }
}

impl Piece {
    /// What it makes, in words.
    pub(crate) fn what(&self) -> Text {
        match &self.work {
            Work::Encode(job) => {
                let rungs: Vec<&str> = job.rungs.iter().map(catalog::ids::RenditionId::as_str).collect();
                let last = job.segments.end.saturating_sub(1);
                text("admin-piece-segments")
                    .with("first", job.segments.start)
                    .with("last", last)
                    .with("renditions", rungs.join(", "))
            }
            Work::Audio(job) => text("admin-piece-all").with("rendition", &job.rendition),
            Work::Inspect(_) => text("admin-piece-plan"),
            Work::Publish(_) => text("admin-piece-manifests"),
            Work::Captions(_) => text("admin-piece-captions"),
            Work::Delete(_) => text("admin-piece-end"),
        }
    }
}

impl Overview {
    pub(crate) fn video(&self, job: &JobSummary) -> Option<&Video> {
        let id = video_of(job)?;
        self.videos.iter().find(|video| video.id == id)
    }
}
