//! One chunk as a value: what ffmpeg is fed and told, and how its outputs are checked.

use std::ops::Range;

use isobmff::{Movie, Track};

use crate::{
    args::{Branch, ChunkArgs, ChunkGraph},
    artwork::{Artwork, StillKind},
    check::{ChunkCheck, Expected},
    chunk::{ChunkSpec, Stills},
    feed::{ChunkSource, Feed, FeedStart, Substitutes},
    ladder::Rung,
    picture::{Picture, Scan, Size},
    reordering::Reordering,
    settings::EncodeSettings,
    timeline::Timeline,
};

#[cfg(test)]
mod tests;

/// Everything that is known of a video before it is encoded.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the types say it")]
pub struct VideoPlan<'a> {
    pub movie: &'a Movie,
    /// The video track of `movie`.
    pub track: &'a Track,
    pub timeline: &'a Timeline,
    pub picture: &'a Picture,
    pub ladder: &'a [Rung],
    pub settings: &'a EncodeSettings,
    /// The same for all chunks, as the sample entry tells it.
    pub reordering: Reordering,
}

/// One ffmpeg process to run.
#[derive(Debug, Clone)]
pub struct ChunkJob {
    /// For stdin.
    pub feed: Feed,
    /// One pipe each, in this order.
    pub outputs: Vec<Output>,
    args: ChunkArgs,
    expected: Expected,
}

/// What comes out of one pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Fragmented MP4 for [`ChunkCheck::push`] with this `slot`.
    Rung {
        /// Index into [`ChunkSpec::rungs`].
        slot: usize,
        /// Index into the ladder.
        rung: usize,
    },
    /// JPEGs back to back, one for each of these frames, in this order; a frame that the decoder lost has none.
    Stills {
        /// Poster or storyboard.
        kind: StillKind,
        /// Indices into the timeline's frames.
        frames: Vec<u32>,
    },
}

/// A chunk that the plan does not have.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum JobError {
    /// No segment, or segments beyond the last.
    #[error("segments `{0:?}` are not in the timeline")]
    Segments(Range<u32>),
    /// No rung, or one beyond the ladder.
    #[error("rungs `{0:?}` are not in the ladder")]
    Rungs(Vec<u32>),
}

/// Frames that the deinterlacer looks at on each side.
const DEINTERLACE_CONTEXT: u32 = 2;

impl ChunkJob {
    /// The process for `chunk`, decoding from `start`.
    pub fn new(plan: &VideoPlan<'_>, chunk: &ChunkSpec, start: FeedStart) -> Result<Self, JobError> {
        Self::with_substitutes(plan, chunk, start, &Substitutes::new())
    }

    /// The same, with stand-ins for samples that cannot be decoded (see [`crate::feed::substitutes`]).
    pub fn with_substitutes(
        plan: &VideoPlan<'_>,
        chunk: &ChunkSpec,
        start: FeedStart,
        substitutes: &Substitutes,
    ) -> Result<Self, JobError> {
        let VideoPlan { movie, track, timeline, picture, ladder, settings, reordering } = *plan;
        let segments = chunk.first_segment..chunk.first_segment.saturating_add(chunk.segments);
        if segments.is_empty() || segments.end > timeline.segments() {
            return Err(JobError::Segments(segments));
        }
        let rungs = rungs(ladder, &chunk.rungs).ok_or_else(|| JobError::Rungs(chunk.rungs.clone()))?;
        let frames =
            timeline.segment_frames(segments.start).start..timeline.segment_frames(segments.end).start;
        let context = match picture.scan {
            Scan::Progressive => 0,
            Scan::Interlaced => DEINTERLACE_CONTEXT,
        };
        let source = ChunkSource { movie, track, timeline, context, start, substitutes };
        let fed = source.feed(frames.clone());
        let stills = stills(timeline, picture, chunk.stills, &frames);
        let rung_outputs = (0..).zip(&rungs).map(|(slot, (rung, _))| Output::Rung { slot, rung: *rung });
        let still_outputs =
            stills.iter().map(|(kind, _, frames)| Output::Stills { kind: *kind, frames: frames.clone() });
        let outputs: Vec<Output> = rung_outputs.chain(still_outputs).collect();
        let boundaries: Vec<usize> = segments
            .clone()
            .filter_map(|segment| usize::try_from(timeline.segment_frames(segment).start - frames.start).ok())
            .collect();
        let graph = ChunkGraph {
            picture,
            settings,
            reordering,
            timescale: timeline.timescale,
            times: &fed.times,
            boundaries: &boundaries,
        };
        let stream_time = |frame: &u32| fed.times.get(usize::try_from(frame - frames.start).ok()?).copied();
        let still_branches = stills.iter().map(|(_, size, frames)| Branch::Stills {
            size: *size,
            times: frames.iter().filter_map(stream_time).collect(),
        });
        let branches: Vec<Branch<'_>> =
            rungs.iter().map(|(_, rung)| Branch::Rung(rung)).chain(still_branches).collect();
        Ok(Self {
            args: graph.args(&branches),
            outputs,
            expected: Expected {
                timescale: timeline.timescale,
                first_frame: frames.start,
                times: fed.times,
                first_segment: segments.start,
                segments: segments.map(|segment| timeline.segment_frames(segment)).collect(),
            },
            feed: fed.feed,
        })
    }

    /// ffmpeg's arguments when the outputs are these descriptors, in the order of [`ChunkJob::outputs`].
    pub fn args(&self, pipes: &[i32]) -> Vec<String> {
        self.args.with_pipes(pipes)
    }

    /// The check of its outputs.
    pub fn check(&self) -> ChunkCheck {
        let rungs: Vec<usize> = self
            .outputs
            .iter()
            .filter_map(|output| match output {
                Output::Rung { rung, .. } => Some(*rung),
                Output::Stills { .. } => None,
            })
            .collect();
        ChunkCheck::new(self.expected.clone(), &rungs)
    }
}

/// The rungs that a chunk names; `None` unless there is one and the ladder has all.
fn rungs<'a>(ladder: &'a [Rung], named: &[u32]) -> Option<Vec<(usize, &'a Rung)>> {
    let rung = |&index: &u32| {
        let index = usize::try_from(index).ok()?;
        Some((index, ladder.get(index)?))
    };
    named.iter().map(rung).collect::<Option<Vec<_>>>().filter(|rungs| !rungs.is_empty())
}

/// The kinds of still pictures that have any among `frames`: their size and their frames.
fn stills(
    timeline: &Timeline,
    picture: &Picture,
    stills: Stills,
    frames: &Range<u32>,
) -> Vec<(StillKind, Size, Vec<u32>)> {
    if stills == Stills::Skip {
        return Vec::new();
    }
    let artwork = Artwork::plan(timeline, picture.display);
    let of_kind = |kind| (kind, artwork.size(kind), artwork.within(kind, frames));
    let kinds = [StillKind::Poster, StillKind::Storyboard].into_iter().map(of_kind);
    kinds.filter(|(_, _, frames)| !frames.is_empty()).collect()
}
