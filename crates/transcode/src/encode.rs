//! One chunk, from the source's bytes to encoded segments.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use isobmff::FragmentStream;
use tokio::sync::mpsc;

use crate::artwork::StillKind;
use crate::attempts::{Attempts, Next, feed_origin};
use crate::check::{CheckError, CheckedSegment, ChunkCheck, EncodedSegment, Missing};
use crate::chunk::ChunkSpec;
use crate::feed::{self, FeedStart, Substitutes};
use crate::job::{ChunkJob, JobError, Output as Planned, VideoPlan};
use crate::jpeg::{JpegError, JpegStream};
use crate::process::{Ended, Hold, Output, ProcessError, Stdin};
use crate::runner::{Runner, Task};
use crate::salvage::{Remains, Unsalvageable};
use crate::sandbox::Limits;
use crate::source::{ReadRange, stream_feed};
use crate::toolchain::Program;

/// What [`encode_chunk`] sends while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A segment of a rung, as soon as it is complete, in any order. Its samples are this much progress of
    /// [`planned_frames`].
    Segment(EncodedSegment),
    /// A still picture.
    Still(StillPicture),
}

/// A JPEG of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillPicture {
    /// What it is for.
    pub kind: StillKind,
    /// Index into the timeline's frames.
    pub frame: u32,
    /// The whole JPEG file.
    pub jpeg: Bytes,
}

/// How a chunk went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkReport {
    /// Where decoding started in each attempt; one in ordinary life.
    pub attempts: Vec<FeedStart>,
    /// Frames that no rung has, because the source is damaged: worth a warning to the uploader.
    pub lost: Vec<u32>,
    /// Whether pictures from elsewhere stand in segments of which nothing could be decoded.
    pub substituted: bool,
    /// End of ffmpeg's standard error in the last attempt. Text is no sign of failure.
    pub stderr: String,
}

/// Encodes `chunk` of `plan`, and sends everything that came out to `deliveries`.
///
/// It answers `Ok` only when every planned segment of every rung was delivered exactly once, with each of its frames
/// but those that the report calls lost. After an error, what was delivered is still right, and a repetition delivers
/// the same bytes again.
///
/// Memory: one segment of each rung on its way, what waits in `deliveries`, and a few MiB of the source.
/// Back-pressure: while `deliveries` is full, ffmpeg waits.
///
/// # Errors
/// [`EncodeError::is_final`] tells what a repetition cannot help.
pub async fn encode_chunk(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    plan: &VideoPlan<'_>,
    chunk: &ChunkSpec,
    deliveries: &mpsc::Sender<Delivery>,
) -> Result<ChunkReport, EncodeError> {
    let segments = chunk.first_segment..chunk.first_segment.saturating_add(chunk.segments);
    let first_frame = plan.timeline.segment_frames(chunk.first_segment).start;
    let samples_before = plan.timeline.frame(first_frame).map_or(0, |frame| frame.sample);
    let mut attempts = Attempts::new(first_frame, samples_before);
    let mut remains = Remains::default();
    let mut start = FeedStart::Sync;
    let mut substitutes = Substitutes::new();
    loop {
        let job = ChunkJob::with_substitutes(plan, chunk, start, &substitutes)?;
        let origin = feed_origin(&job.feed);
        let attempt = Attempt { runner, source, plan, deliveries, remains: Mutex::new(remains) };
        let outcome = attempt.run(job).await?;
        remains = attempt.remains.into_inner().unwrap_or_else(PoisonError::into_inner);
        let lost = &outcome.missing;
        match attempts.record(start, origin, lost) {
            Next::Done => {}
            Next::Retry(next) => {
                tracing::debug!(missing = lost.frames.len(), ?next, "frames are missing: decoding again");
                remains.forget_damaged();
                start = next;
                continue;
            }
            Next::Accept if substitutes.is_empty() && !lost.segments.is_empty() => {
                substitutes = feed::substitutes(plan.track, plan.timeline, &lost.segments);
                if let (true, Some(&segment)) = (substitutes.is_empty(), lost.segments.first()) {
                    return Err(undecodable(plan, segment));
                }
                tracing::debug!(segments = ?lost.segments, "segments are empty: another picture stands in");
                remains.forget_damaged();
                continue;
            }
            Next::Accept => {
                let rungs: Vec<usize> = chunk.rungs.iter().filter_map(|&rung| rung.try_into().ok()).collect();
                let rest = remains.salvage(segments, &rungs).map_err(|error| match error {
                    Unsalvageable::Uneven { segment } => EncodeError::Uneven { segment },
                    Unsalvageable::Empty { segment } => undecodable(plan, segment),
                })?;
                for segment in rest {
                    deliver(deliveries, Delivery::Segment(segment)).await?;
                }
            }
        }
        for still in outcome.stills {
            deliver(deliveries, Delivery::Still(still)).await?;
        }
        return Ok(ChunkReport {
            attempts: attempts.starts(),
            lost: outcome.missing.frames,
            substituted: !substitutes.is_empty(),
            stderr: outcome.ended.stderr,
        });
    }
}

/// Frames of `chunk` over all of its rungs: what progress is measured in.
pub fn planned_frames(plan: &VideoPlan<'_>, chunk: &ChunkSpec) -> u64 {
    let start = |segment| plan.timeline.segment_frames(segment).start;
    let end = start(chunk.first_segment.saturating_add(chunk.segments));
    let frames = end.saturating_sub(start(chunk.first_segment));
    u64::from(frames).saturating_mul(u64::try_from(chunk.rungs.len()).unwrap_or(u64::MAX))
}

/// Why a chunk was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The chunk is not part of the plan.
    #[error(transparent)]
    Plan(#[from] JobError),
    /// The source could not be read.
    #[error("the source could not be read")]
    Source(#[source] std::io::Error),
    /// ffmpeg did not run to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// ffmpeg wrote something that is no fragmented MP4.
    #[error("ffmpeg's output is no fragmented MP4")]
    Stream(#[from] isobmff::Error),
    /// ffmpeg wrote something that was not planned.
    #[error("ffmpeg's output is not what was planned")]
    Check(#[from] CheckError),
    /// ffmpeg wrote a still picture that is none.
    #[error("ffmpeg's still pictures cannot be read")]
    Still(#[from] JpegError),
    /// The rungs lost different frames although all come from one decoder.
    #[error("the renditions lost different frames of segment `{segment}`")]
    Uneven {
        /// Index of the segment, from 0.
        segment: u32,
    },
    /// The source is damaged beyond what can be bridged.
    #[error("no picture between {from_seconds:.1} s and {to_seconds:.1} s could be decoded")]
    Undecodable {
        /// On the timeline.
        from_seconds: f64,
        /// On the timeline.
        to_seconds: f64,
    },
    /// Nobody receives the deliveries any more.
    #[error("nobody takes the encoded segments")]
    Abandoned,
}

impl EncodeError {
    /// Whether the source is to blame, so that a repetition gives the same.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Undecodable { .. } | Self::Plan(_))
    }
}

/// The largest segment or still picture that is held in memory.
const MAX_FRAGMENT_BYTES: u64 = 128 << 20;
const MAX_STILL_BYTES: usize = 16 << 20;

/// One process.
struct Attempt<'a> {
    runner: &'a Runner<'a>,
    source: &'a dyn ReadRange,
    plan: &'a VideoPlan<'a>,
    deliveries: &'a mpsc::Sender<Delivery>,
    remains: Mutex<Remains>,
}

/// What one process left.
struct Outcome {
    missing: Missing,
    stills: Vec<StillPicture>,
    ended: Ended,
}

impl Attempt<'_> {
    async fn run(&self, job: ChunkJob) -> Result<Outcome, EncodeError> {
        let outputs = self.runner.open_pipes(job.outputs.len())?;
        let task = Task {
            program: Program::Ffmpeg,
            arguments: job.args(&outputs.numbers()),
            limits: self.limits(&job),
            stdin: Stdin::Feed,
            outputs,
        };
        let check = Mutex::new(job.check());
        let mut child = self.runner.start(task).await?;
        let hold = child.hold();
        let input = child.take_input();
        let outputs = child.take_outputs();
        let feed = async {
            match input {
                Some(input) => {
                    stream_feed(self.source, job.feed, input, &hold).await.map_err(EncodeError::Source)
                }
                None => Ok(()),
            }
        };
        let reads = job.outputs.iter().zip(outputs).map(|(planned, output)| -> BoxFuture<'_, _> {
            match planned {
                Planned::Rung { slot, .. } => {
                    self.read_rung(*slot, output, &check, &hold).map(|read| read.map(|()| Vec::new())).boxed()
                }
                Planned::Stills { .. } => self.read_stills(output).boxed(),
            }
        });
        let wait = async { Ok(child.wait(self.runner.patience, self.runner.cancel).await?) };
        // All of them at once, and all of them end with the first error: the child dies with its `wait`.
        let (ended, (), jpegs) = tokio::try_join!(wait, feed, try_join_all(reads))?;

        let check = check.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (segments, missing) = check.finish();
        for segment in segments {
            self.take(segment, &hold).await?;
        }
        if !missing.frames.is_empty() && !lost_by_the_decoder(&ended) {
            return Err(ended.into_failure().into());
        }
        let stills = job
            .outputs
            .iter()
            .zip(jpegs)
            .flat_map(|(planned, jpegs)| name_stills(planned, jpegs, &missing))
            .collect();
        Ok(Outcome { missing, stills, ended })
    }

    async fn read_rung(
        &self,
        slot: usize,
        mut output: Output,
        check: &Mutex<ChunkCheck>,
        hold: &Hold,
    ) -> Result<(), EncodeError> {
        let mut stream = FragmentStream::new(MAX_FRAGMENT_BYTES);
        while let Some(bytes) = output.read().await.map_err(|error| self.pipe_error(error))? {
            stream.push(bytes);
            while let Some(event) = stream.poll()? {
                let segments = check.lock().unwrap_or_else(PoisonError::into_inner).push(slot, event)?;
                for segment in segments {
                    self.take(segment, hold).await?;
                }
            }
        }
        Ok(())
    }

    async fn read_stills(&self, mut output: Output) -> Result<Vec<Bytes>, EncodeError> {
        let mut stream = JpegStream::new(MAX_STILL_BYTES);
        let mut jpegs = Vec::new();
        while let Some(bytes) = output.read().await.map_err(|error| self.pipe_error(error))? {
            stream.push(bytes);
            while let Some(jpeg) = stream.poll()? {
                jpegs.push(jpeg);
            }
        }
        Ok(jpegs)
    }

    /// Delivers a segment when it is complete; the rest waits for the end of the attempts.
    async fn take(&self, segment: CheckedSegment, hold: &Hold) -> Result<(), EncodeError> {
        let complete = self.remains.lock().unwrap_or_else(PoisonError::into_inner).take(segment);
        match complete {
            Some(segment) => hold.during(deliver(self.deliveries, Delivery::Segment(segment))).await,
            None => Ok(()),
        }
    }

    fn limits(&self, job: &ChunkJob) -> Limits {
        let display = self.plan.picture.display;
        let pixels = u64::from(display.width).saturating_mul(u64::from(display.height));
        let codecs = u32::try_from(job.outputs.len()).unwrap_or(u32::MAX).saturating_add(1);
        let threads = u32::from(self.plan.settings.threads_for(1)).saturating_mul(codecs);
        // The measured figures are for a ladder of four: one decoder and four encoders.
        Limits::for_pictures(pixels, threads.div_ceil(LADDER_CODECS))
    }

    fn pipe_error(&self, source: std::io::Error) -> ProcessError {
        self.runner.pipe_error(Program::Ffmpeg, source)
    }
}

const LADDER_CODECS: u32 = 5;

/// ffmpeg ends normally after decoding errors, with 69 when most samples failed, and gives up in these words when it
/// never saw a picture. A process that was killed, ran out of memory or gave up for another reason says nothing about
/// the source.
fn lost_by_the_decoder(ended: &Ended) -> bool {
    let gave_up = || ended.stderr.contains("Cannot determine format of input");
    ended.exceeded().is_none() && (matches!(ended.status.code(), Some(0 | 69)) || gave_up())
}

fn undecodable(plan: &VideoPlan<'_>, segment: u32) -> EncodeError {
    let span = plan.timeline.segment_span(segment);
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "for a sentence with one decimal")]
    let seconds = |ticks: u64| ticks as f64 / f64::from(plan.timeline.timescale);
    EncodeError::Undecodable { from_seconds: seconds(span.start), to_seconds: seconds(span.end) }
}

/// Pictures come in the order of their frames; a frame that the decoder lost has none.
fn name_stills(planned: &Planned, jpegs: Vec<Bytes>, missing: &Missing) -> Vec<StillPicture> {
    let Planned::Stills { kind, frames } = planned else { return Vec::new() };
    let frames = frames.iter().filter(|frame| missing.frames.binary_search(frame).is_err());
    frames.zip(jpegs).map(|(&frame, jpeg)| StillPicture { kind: *kind, frame, jpeg }).collect()
}

async fn deliver(deliveries: &mpsc::Sender<Delivery>, delivery: Delivery) -> Result<(), EncodeError> {
    deliveries.send(delivery).await.map_err(|_| EncodeError::Abandoned)
}
