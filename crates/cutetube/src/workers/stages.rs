//! Jobs as stages: what a job names is looked up, its stage runs, and its result or its end is recorded in one
//! transaction with the job.

use std::collections::VecDeque;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::Stage;
use catalog::endings::{self, Ending};
use catalog::ids::{RenditionId, Revision, VideoId};
use catalog::leaving::{self, LeaveJob};
use catalog::outputs::{self, Contents, NewChunk, NewPlan, NewRendition, Output, RenditionKind};
use catalog::quotas;
use catalog::videos::{self, Video};
use catalog::work::{self, AudioJob, Class, DeleteJob, EncodeJob, InspectJob, PublishJob, Work};
use jobs::{Backoff, Job};
use packager::Presentation;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transcode::chunk::{ChunkSpec, Stills};
use transcode::encode::planned_frames;
use transcode::process::Patience;
use transcode::runner::Runner;
use transcode::sandbox::Priority;
use transcode::source::index;
use transcode::toolchain::Toolchain;

use super::desk::InHand;
use crate::blobs::{KeyPrefix, SealedFile, StorageKey};
use crate::keys::KeyError;
use crate::metrics::Attempt;
use crate::pipeline::blob_source::BlobSource;
use crate::pipeline::blueprint::{Blueprint, StoredBlueprint};
use crate::pipeline::inspect::INDEX_LIMITS;
use crate::pipeline::prepare::prepare;
use crate::pipeline::publish::{Document, MadeVideo, Sheets};
use crate::pipeline::sound::MadeSound;
use crate::pipeline::verify::{self, Findings};
use crate::pipeline::{Shelf, StageError, encode, ledger, publish, sound};
use crate::sweeping::{self, Ages, Mode, SweepError};
use crate::{AppState, ambient};

/// What every job of this process works with.
pub(super) struct Stages {
    pub(super) state: AppState,
    toolchain: Arc<Toolchain>,
    patience: Patience,
    recent: Mutex<VecDeque<Arc<Opened>>>,
}

/// A plan with its source at hand. Chunks of one video follow each other, so the index is not read for each.
pub(super) struct Opened {
    video: VideoId,
    revision: Revision,
    source: BlobSource,
    pub(super) blueprint: Blueprint,
}

/// Everything that was made of a revision.
pub(super) struct Gathered {
    video: Vec<MadeVideo>,
    sound: Option<MadeSound>,
    /// Sheets of the storyboard that are copies of others.
    copies: Vec<Document>,
    /// Without captions.
    pub(super) presentation: Presentation,
}

/// What is kept of a plan in the catalogue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PlanDocument {
    /// The plan is for the rewritten source.
    rewritten: bool,
    blueprint: StoredBlueprint,
}

/// Why a job did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

/// What the uploader reads when a key server refuses us.
const NO_KEYS: &str = "The video cannot be protected: the key server of this platform refuses to give keys. Tell the \
                       administrator, and try again when it is mended.";

/// How long a job waits for a store that is away: attempts are many, and the outage should end before they do.
const OUTAGE_BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };

/// How often a deletion looks whether all workers have let go of its video.
const LET_GO_POLL: Duration = Duration::from_millis(250);

/// Plans kept at hand.
const RECENT: usize = 4;

impl PlanDocument {
    /// What the plan is for.
    fn file(&self) -> SealedFile {
        if self.rewritten { SealedFile::Rewritten } else { SealedFile::Source }
    }
}

impl Stages {
    pub(super) fn new(state: AppState, toolchain: Arc<Toolchain>) -> Self {
        let stall = Duration::from_secs(state.config.workers.stall_seconds.max(1));
        let patience = Patience { stall, ..Patience::default() };
        Self { state, toolchain, patience, recent: Mutex::default() }
    }

    /// Runs a job to whatever end.
    pub(super) async fn perform(&self, job: &Job, hand: &InHand) {
        let began = Instant::now();
        let outcome = match Work::of(job) {
            _ if job.kind == sweeping::KIND => self.sweep(job, hand).await,
            _ if job.kind == leaving::KIND => self.leave(job, hand).await,
            Ok(work) => self.work(&work, job, hand).await,
            Err(error) => Err(error.into()),
        };
        let ended = match outcome {
            Ok(()) => Ok(Attempt::Done),
            Err(error) => self.end(job, error, hand).await,
        };
        match ended {
            Ok(attempt) => {
                let took = began.elapsed();
                self.state.metrics.attempted(&job.kind, took, attempt);
                self.state.traces.attempted(job, took, attempt);
            }
            // A database that cannot be reached leaves the job to its lease.
            Err(error) => {
                tracing::error!(job.id = %job.lease.id, error = &error as &dyn std::error::Error, "job `{}` could not be ended", job.lease.id);
            }
        }
    }

    async fn work(&self, work: &Work, job: &Job, hand: &InHand) -> Result<(), JobError> {
        match work {
            Work::Inspect(inspect) => self.inspect(inspect, job, hand).await,
            Work::Encode(encode) => self.encode(encode, job, hand).await,
            Work::Audio(audio) => self.audio(audio, job, hand).await,
            Work::Publish(publish) => self.publish(publish, job, hand).await,
            Work::Captions(captions) => self.captions(captions, job, hand).await,
            Work::Delete(delete) => self.delete(delete, job, hand).await,
        }
    }

    /// Tells the queue how the job ended.
    async fn end(&self, job: &Job, error: JobError, hand: &InHand) -> catalog::Result<Attempt> {
        let (db, lease) = (&self.state.db, &job.lease);
        let let_go = || async { Ok(jobs::let_go(db, lease).await.map(|()| Attempt::LetGo)?) };
        let is_stopping = hand.stop.is_cancelled() || hand.cancel.is_cancelled();
        let outcome = match error {
            JobError::Stage(StageError::Reject(rejection)) => {
                tracing::info!(job.id = %lease.id, "job `{}` refuses its video: {rejection}", lease.id);
                let sentence = rejection.to_string();
                hand.settle(|| endings::reject(db, lease, &sentence)).await.map(|()| Attempt::Dead)
            }
            JobError::Keys(error) if error.is_final() => {
                tracing::error!(job.id = %lease.id, error = &error as &dyn std::error::Error, "there are no keys for job `{}`", lease.id);
                hand.settle(|| endings::reject(db, lease, NO_KEYS)).await.map(|()| Attempt::Dead)
            }
            JobError::Catalog(error) if error.lease_lost() => Err(error),
            // Back at once, if it is still this worker's: what is cancelled or somebody else's by now is let go below.
            error if error.is_stop() || (error.is_outage() && is_stopping) => {
                hand.settle(|| endings::release(db, lease)).await.map(|()| Attempt::LetGo)
            }
            error => self.try_again(job, &error, hand).await,
        };
        match outcome {
            Err(error) if error.lease_lost() => hand.settle(let_go).await,
            outcome => outcome,
        }
    }

    async fn try_again(&self, job: &Job, error: &JobError, hand: &InHand) -> catalog::Result<Attempt> {
        let (db, lease) = (&self.state.db, &job.lease);
        let jitter = ambient::jitter();
        let text = chain(error);
        tracing::warn!(job.id = %lease.id, job.kind, attempt = job.attempt, "job `{}` failed: {text}", lease.id);
        let is_elsewhere = match error {
            JobError::Stage(stage) => stage.is_outage(),
            JobError::Keys(error) => error.is_elsewhere(),
            JobError::Catalog(_) => false,
        };
        let ending = if is_elsewhere {
            let delay = OUTAGE_BACKOFF.delay(job.attempt, jitter);
            hand.settle(|| endings::postpone(db, lease, &text, delay)).await?
        } else {
            let text = with_last_words(text, error);
            let delay = Backoff::default().delay(job.failures + 1, jitter);
            hand.settle(|| endings::retry(db, lease, &text, delay)).await?
        };
        Ok(match ending {
            Ending::Later => Attempt::Retried,
            Ending::Failed => Attempt::Dead,
        })
    }

    fn runner<'a>(&'a self, priority: Priority, cancel: &'a CancellationToken) -> Runner<'a> {
        Runner { toolchain: &self.toolchain, priority, patience: self.patience, cancel }
    }

    async fn inspect(&self, job: &InspectJob, claimed: &Job, hand: &InHand) -> Result<(), JobError> {
        let store = &self.state.blobs;
        let video = hand.ask(|| videos::video(&self.state.db, job.video)).await?;
        let keys = self.make_keys(&video, hand).await?;
        let source = self.source(&video, SealedFile::Source, keys.as_ref()).await?;
        let runner = self.runner(Priority::Interactive, &hand.cancel);
        let open = async || Ok(source.file().await?);
        let rewritten = StorageKey::RewrittenSource { video: video.id };
        let prepared = prepare(&runner, &source, open, &self.state.config.ladder, store, &rewritten).await?;
        let plan = new_plan(&prepared.blueprint, prepared.rewritten.is_some());
        self.claim_time(&video, plan.measured_duration, hand).await?;
        hand.settle(|| outputs::record_plan(&self.state.db, &claimed.lease, video.id, &plan)).await?;
        Ok(())
    }

    /// Rejects a video that is longer than what its owner has left.
    async fn claim_time(&self, video: &Video, duration: Duration, hand: &InHand) -> Result<(), JobError> {
        let everybody = self.state.config.accounts.quota.limits();
        let claim = || quotas::claim_time(&self.state.db, video.id, duration, everybody);
        match hand.ask(claim).await {
            Err(catalog::Error::Exceeded(exceeded)) => Err(StageError::reject(exceeded.to_string()).into()),
            claimed => Ok(claimed?),
        }
    }

    async fn encode(&self, job: &EncodeJob, claimed: &Job, hand: &InHand) -> Result<(), JobError> {
        let opened = self.open(job.video, job.revision, hand).await?;
        let blueprint = &opened.blueprint;
        let chunk = chunk_of(job, blueprint)?;
        hand.units.plan(planned_frames(&blueprint.video_plan(), &chunk));
        let priority = match job.class {
            Class::Interactive => Priority::Interactive,
            Class::Normal | Class::Background => Priority::Background,
        };
        let runner = self.runner(priority, &hand.cancel);
        let shelf = self.shelf(job.video, job.revision, hand);
        let advance = |frames| hand.units.advance(frames);
        let began = Instant::now();
        let made =
            encode::make(&runner, &opened.source, blueprint, &chunk, &shelf, ambient::iv_run(), &advance)
                .await?;
        self.state.metrics.encoded(blueprint.length_of(&chunk), began.elapsed());
        let output = ledger::chunk_output(blueprint, &shelf, &made)?;
        self.record(Stage::Encode, job.video, job.revision, &output, claimed, hand).await
    }

    async fn audio(&self, job: &AudioJob, claimed: &Job, hand: &InHand) -> Result<(), JobError> {
        let opened = self.open(job.video, job.revision, hand).await?;
        let runner = self.runner(Priority::Background, &hand.cancel);
        let shelf = self.shelf(job.video, job.revision, hand);
        let made = sound::make(&runner, &opened.source, &opened.blueprint, &shelf, ambient::iv_run()).await?;
        let output = made.map(|made| ledger::sound_output(&shelf, &made)).unwrap_or_default();
        self.record(Stage::Audio, job.video, job.revision, &output, claimed, hand).await
    }

    async fn record(
        &self,
        stage: Stage,
        video: VideoId,
        revision: Revision,
        output: &Output,
        claimed: &Job,
        hand: &InHand,
    ) -> Result<(), JobError> {
        let (db, lease) = (&self.state.db, &claimed.lease);
        Ok(hand.settle(|| outputs::record(db, lease, stage, video, revision, output)).await?)
    }

    async fn publish(&self, job: &PublishJob, claimed: &Job, hand: &InHand) -> Result<(), JobError> {
        let opened = self.open(job.video, job.revision, hand).await?;
        let contents: Contents<PlanDocument> =
            hand.ask(|| outputs::contents(&self.state.db, job.video, job.revision)).await?;
        let shelf = self.shelf(job.video, job.revision, hand);
        let began = Instant::now();
        let whose = (job.video, job.revision);
        let findings = verify::verify(&opened.blueprint, &shelf, whose, &contents).await?;
        tracing::debug!(
            video.id = %job.video, bytes = findings.intact_bytes, duration_ms = began.elapsed().as_millis(),
            "the objects of video `{}` were read back", job.video
        );
        if !findings.redo.is_empty() {
            return self.repair(job, &findings, claimed, hand).await;
        }
        let Gathered { video, sound, copies: mut documents, presentation } =
            Gathered::of(&opened.blueprint, &contents, &shelf).await?;
        documents
            .extend(publish::restore_init_segments(&opened.blueprint, &video, sound.as_ref(), &shelf).await?);
        let (presentation, captions) = self.captioned(presentation, whose, &shelf, hand).await?;
        documents.extend(captions);
        documents.extend(publish::write(&presentation, &shelf).await?);
        let documents = ledger::documents(&shelf, documents);
        hand.ask(|| outputs::record_documents(&self.state.db, job.video, job.revision, &documents)).await?;
        self.tidy(job, hand).await?;
        let video = hand.ask(|| videos::video(&self.state.db, job.video)).await?;
        self.seal_source(&video, contents.plan.file(), hand).await?;
        self.show(&video, job.revision, claimed, hand).await?;
        tracing::info!(video.id = %job.video, "video `{}` is ready", job.video);
        Ok(())
    }

    /// What the store has lost is made again before anybody sees the video.
    async fn repair(
        &self,
        job: &PublishJob,
        findings: &Findings,
        claimed: &Job,
        hand: &InHand,
    ) -> Result<(), JobError> {
        let (db, lease) = (&self.state.db, &claimed.lease);
        let (damaged, jobs) = (findings.damaged.len(), findings.redo.len());
        tracing::error!(
            video.id = %job.video, damaged, jobs, first = findings.damaged.first(),
            "the store has lost or changed {damaged} objects of video `{}`: {jobs} jobs are repeated", job.video
        );
        let withdrawn =
            hand.settle(|| outputs::withdraw(db, lease, job.video, job.revision, &findings.redo)).await;
        match withdrawn {
            Err(catalog::Error::BeyondRepair { .. }) => Err(StageError::reject(
                "The video could not be stored: the server's storage loses what is written to it. Tell the \
                 administrator, and try again when it is mended.",
            )
            .into()),
            outcome => Ok(outcome?),
        }
    }

    async fn sweep(&self, claimed: &Job, hand: &InHand) -> Result<(), JobError> {
        let ages = Ages::of(&self.state.config.storage);
        let swept = tokio::select! {
            () = hand.cancel.cancelled() => return Err(StageError::Cancelled.into()),
            swept = sweeping::sweep(&self.state.db, &self.state.blobs, ages, Mode::Remove) => swept,
        };
        swept
            .map_err(|error| match error {
                SweepError::Store(error) => JobError::from(StageError::from(error)),
                SweepError::Catalog(error) => error.into(),
            })?
            .log();
        hand.settle(|| endings::done(&self.state.db, &claimed.lease)).await?;
        Ok(())
    }

    /// Takes an account away whose owner, or an administrator, wants it to go.
    async fn leave(&self, claimed: &Job, hand: &InHand) -> Result<(), JobError> {
        let db = &self.state.db;
        let asked: LeaveJob = serde_json::from_str(&claimed.payload)
            .map_err(|error| StageError::retry("the job is not understood", error))?;
        hand.settle(|| leaving::carry_out(db, &claimed.lease, asked.user)).await?;
        Ok(())
    }

    /// Removes what attempts that were given up or killed have left: no viewer has seen any of it, and nobody is
    /// working on it any more.
    async fn tidy(&self, job: &PublishJob, hand: &InHand) -> Result<(), JobError> {
        let store = &self.state.blobs;
        let published = hand.ask(|| videos::video(&self.state.db, job.video)).await?.published_revision;
        let revisions = std::iter::successors(Some(Revision::FIRST), |revision| Some(revision.next()));
        let earlier = revisions.take_while(|revision| *revision != job.revision);
        for given_up in earlier.filter(|revision| Some(*revision) != published) {
            let prefix = KeyPrefix::Revision(job.video, given_up);
            store.delete_prefix(&prefix).await.map_err(StageError::from)?;
        }
        for prefix in [KeyPrefix::Revision(job.video, job.revision), KeyPrefix::Source(job.video)] {
            store.discard_unfinished(&prefix).await.map_err(StageError::from)?;
        }
        Ok(())
    }

    async fn delete(&self, job: &DeleteJob, claimed: &Job, hand: &InHand) -> Result<(), JobError> {
        self.until_let_go(job.video, hand).await?;
        for prefix in [KeyPrefix::Video(job.video), KeyPrefix::Source(job.video)] {
            tokio::select! {
                // Whoever takes this up again finds what is left.
                () = hand.cancel.cancelled() => return Err(StageError::Cancelled.into()),
                removed = self.state.blobs.delete_prefix(&prefix) => removed.map_err(StageError::from)?,
            };
        }
        hand.settle(|| endings::finish_delete(&self.state.db, &claimed.lease, job.video)).await?;
        Ok(())
    }

    /// Waits until no worker can be writing objects of a video whose jobs are cancelled: until each has heard of it at
    /// its next heartbeat, or is silent for so long that its work has stopped.
    async fn until_let_go(&self, video: VideoId, hand: &InHand) -> Result<(), JobError> {
        let group = work::group(video);
        let in_hand = || async { Ok(jobs::in_hand(&self.state.db, &group).await?) };
        while hand.ask(in_hand).await? > 0 {
            tokio::select! {
                () = hand.cancel.cancelled() => return Err(StageError::Cancelled.into()),
                () = tokio::time::sleep(LET_GO_POLL) => {}
            }
        }
        Ok(())
    }

    /// The plan of a revision and its source.
    pub(super) async fn open(
        &self,
        video: VideoId,
        revision: Revision,
        hand: &InHand,
    ) -> Result<Arc<Opened>, JobError> {
        let is_it = |opened: &&Arc<Opened>| opened.video == video && opened.revision == revision;
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = recent().iter().find(is_it) {
            return Ok(opened.clone());
        }
        let db = &self.state.db;
        let document: PlanDocument = hand.ask(|| outputs::plan(db, video, revision)).await?;
        let row = hand.ask(|| videos::video(db, video)).await?;
        let keys = self.keys(&row, hand).await?;
        let source = self.source(&row, document.file(), keys.as_ref()).await?;
        let movie = index(&source, INDEX_LIMITS).await.map_err(source_changed)?;
        let blueprint = Blueprint::again(movie, document.blueprint).map_err(source_changed)?;
        let blueprint = self.protected(blueprint, &row, keys.as_ref())?;
        let opened = Arc::new(Opened { video, revision, source, blueprint });
        let mut recent = recent();
        recent.push_front(opened.clone());
        recent.truncate(RECENT);
        Ok(opened)
    }

    pub(super) fn shelf(&self, video: VideoId, revision: Revision, hand: &InHand) -> Shelf {
        Shelf::revision(self.state.blobs.clone(), video, revision, hand.tenure.clone())
    }
}

impl Gathered {
    /// What is recorded of a revision of this plan. A storyboard with gaps is completed.
    pub(super) async fn of(
        blueprint: &Blueprint,
        contents: &Contents<PlanDocument>,
        shelf: &Shelf,
    ) -> Result<Self, StageError> {
        let made_sheets = ledger::made_sheets(&contents.images);
        let Sheets { bytes, copies } = publish::complete_storyboard(blueprint, shelf, &made_sheets).await?;
        let video = ledger::made_video(blueprint, &contents.renditions);
        let sound = ledger::made_sound(blueprint, &contents.renditions)?;
        let presentation = publish::presentation(blueprint, &video, sound.as_ref(), &bytes)?;
        Ok(Self { video, sound, copies, presentation })
    }
}

/// The source does not give its plan again. The uploader cannot help it, but another attempt may.
fn source_changed(error: impl std::error::Error + Send + Sync + 'static) -> JobError {
    StageError::retry("the source does not fit its plan", error).into()
}

fn new_plan(blueprint: &Blueprint, rewritten: bool) -> NewPlan<PlanDocument> {
    let timeline = &blueprint.timeline;
    let rungs = blueprint.stored.ladder.iter().enumerate().map(|(index, rung)| NewRendition {
        id: ledger::rendition_id(blueprint, index),
        kind: RenditionKind::Video,
        size: Some((rung.width, rung.height)),
        bitrate: rung.max_rate.into(),
        timescale: timeline.timescale,
        segments: timeline.segments(),
    });
    let sound = sound::layout(blueprint).map(|layout| NewRendition {
        id: ledger::sound_id(),
        kind: RenditionKind::Audio,
        size: None,
        bitrate: blueprint.stored.settings.audio_bitrate.into(),
        timescale: layout.sample_rate,
        segments: u32::try_from(layout.bounds.len()).unwrap_or(u32::MAX),
    });
    let chunk = |chunk: &ChunkSpec| NewChunk {
        segments: chunk.first_segment..chunk.first_segment + chunk.segments,
        rungs: ledger::rung_indices(chunk).map(|rung| ledger::rendition_id(blueprint, rung)).collect(),
        class: Class::Normal,
    };
    NewPlan {
        measured_duration: Duration::from_micros(micros(timeline.end, timeline.timescale)),
        warnings: Vec::new(),
        renditions: rungs.chain(sound).collect(),
        chunks: blueprint.stored.chunks.iter().map(chunk).collect(),
        document: PlanDocument { rewritten, blueprint: blueprint.stored.clone() },
    }
}

fn micros(ticks: u64, timescale: u32) -> u64 {
    let micros = u128::from(ticks) * 1_000_000 / u128::from(timescale.max(1));
    u64::try_from(micros).unwrap_or(u64::MAX)
}

/// The chunk that a job names. The one with the smallest rung makes the still pictures, so that they are made once.
fn chunk_of(job: &EncodeJob, blueprint: &Blueprint) -> Result<ChunkSpec, StageError> {
    let index = |name: &RenditionId| {
        let position = blueprint.stored.ladder.iter().position(|rung| rung.id == name.as_str());
        position.and_then(|position| u32::try_from(position).ok())
    };
    let rungs: Option<Vec<u32>> = job.rungs.iter().map(index).collect();
    let mut rungs =
        rungs.ok_or_else(|| StageError::retry("the job is for another plan", "unknown rendition"))?;
    rungs.sort_unstable();
    let stills = if rungs.first() == Some(&0) { Stills::Make } else { Stills::Skip };
    let segments = job.segments.end.saturating_sub(job.segments.start);
    Ok(ChunkSpec { first_segment: job.segments.start, segments, rungs, stills })
}

impl JobError {
    /// Whether the work was interrupted.
    fn is_stop(&self) -> bool {
        matches!(self, Self::Stage(StageError::Cancelled))
    }

    /// Whether something else was away: nothing is known about the work itself.
    fn is_outage(&self) -> bool {
        match self {
            Self::Stage(stage) => stage.is_outage(),
            Self::Keys(error) => error.is_elsewhere(),
            Self::Catalog(error) => error.is_transient(),
        }
    }
}

/// What happened, and below it the last that the program said.
fn with_last_words(mut text: String, error: &JobError) -> String {
    const LINES: usize = 20;
    let JobError::Stage(error) = error else { return text };
    let said = error.stderr().unwrap_or_default();
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
        text.push('\n');
        text.push_str(line);
    }
    text
}

/// An error with its causes, for operators.
fn chain(error: &JobError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
