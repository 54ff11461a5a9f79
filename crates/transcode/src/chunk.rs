//! Chunks: runs of segments that one process encodes.

use std::num::NonZeroU32;

use isobmff::Track;
use serde::{Deserialize, Serialize};

use crate::{feed::needed_sync, timeline::Timeline};

#[cfg(test)]
mod tests;

/// A run of segments for a set of rungs: what a job names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSpec {
    /// First segment, from 0.
    pub first_segment: u32,
    /// How many segments, at least 1.
    pub segments: u32,
    /// Indices into the ladder, increasing, at least one.
    pub rungs: Vec<u32>,
    /// Whether the poster and storyboard frames of these segments come out too.
    pub stills: Stills,
}

/// Whether a chunk makes still pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stills {
    /// Another job makes them.
    Skip,
    /// On pipes of their own, from the same decode.
    Make,
}

/// A chunk has at least this many segments, unless its sample entry ends: one alone costs up to 25 % more.
const FEWEST_SEGMENTS: u32 = 2;
/// A chunk has at most this many segments, unless too much would be decoded in vain.
const MOST_SEGMENTS: u32 = 4;
/// Seconds that a chunk lasts at least where [`MOST_SEGMENTS`] allow it.
const SHORTEST: u64 = 6;

/// Cuts the timeline into chunks of consecutive segments; each names all of `rungs` rungs and makes its stills.
///
/// A chunk never crosses a change of sample entry. Of the lengths allowed, the one is taken after which the next chunk
/// has the least to decode in vain. A chunk that has to decode more frames in vain than it keeps gets longer, so that
/// over all chunks no more than twice the frames are decoded, however rare sync samples are.
pub fn plan_chunks(track: &Track, timeline: &Timeline, rungs: u32) -> Vec<ChunkSpec> {
    let segments = Segments::new(track, timeline);
    cut(timeline, rungs, |first| segments.chunk_length(first))
}

/// Cuts the timeline into chunks of `length` segments, fewer only where the sample entry changes or the video ends.
pub fn plan_equal_chunks(
    track: &Track,
    timeline: &Timeline,
    rungs: u32,
    length: NonZeroU32,
) -> Vec<ChunkSpec> {
    let segments = Segments::new(track, timeline);
    cut(timeline, rungs, |first| segments.run_length(first).min(length.get()))
}

fn cut(timeline: &Timeline, rungs: u32, length: impl Fn(u32) -> u32) -> Vec<ChunkSpec> {
    let mut chunks = Vec::new();
    let mut first = 0;
    while first < timeline.segments() {
        let count = length(first);
        chunks.push(ChunkSpec {
            first_segment: first,
            segments: count,
            rungs: (0..rungs).collect(),
            stills: Stills::Make,
        });
        first += count;
    }
    chunks
}

/// What the planner knows of each segment.
struct Segments<'a> {
    timeline: &'a Timeline,
    /// Samples to decode before the first frame of each segment.
    pre_roll: Vec<u64>,
    /// Sample entry of each segment.
    entries: Vec<u16>,
}

impl<'a> Segments<'a> {
    fn new(track: &Track, timeline: &'a Timeline) -> Self {
        let mut pre_roll = Vec::new();
        let mut entries = Vec::new();
        // Later frames rarely need an earlier sync sample; where they do, it counts for all segments before.
        let mut earliest_sync = u32::MAX;
        let mut earliest_sample = u32::MAX;
        for segment in (0..timeline.segments()).rev() {
            for frame in timeline.segment_frames(segment).filter_map(|frame| timeline.frame(frame)) {
                earliest_sync = earliest_sync.min(needed_sync(track, frame.sample));
                earliest_sample = earliest_sample.min(frame.sample);
            }
            pre_roll.push(u64::from(earliest_sample.saturating_sub(earliest_sync)));
            let first = timeline.frame(timeline.segment_frames(segment).start);
            let sample = first.and_then(|frame| track.samples.get(frame.sample));
            entries.push(sample.map_or(0, |sample| sample.entry));
        }
        pre_roll.reverse();
        entries.reverse();
        Self { timeline, pre_roll, entries }
    }

    /// How many segments the chunk that starts with segment `first` has.
    fn chunk_length(&self, first: u32) -> u32 {
        let run = self.run_length(first);
        let shortest = self.shortest(first, run);
        if run <= shortest + 1 && run <= MOST_SEGMENTS + 1 {
            return run;
        }
        let next_pre_roll = |length: &u32| match run - length {
            // A single segment left over would be a chunk of its own.
            1 => u64::MAX,
            _ => self.pre_roll(first + length),
        };
        let length = (shortest..=MOST_SEGMENTS.min(run)).min_by_key(next_pre_roll).unwrap_or(shortest);
        // What is left has to be worth its own pre-roll.
        if length < run && self.is_worth(first + length, run - length) { length } else { run }
    }

    /// The fewest segments that make a chunk worth its process and its pre-roll.
    fn shortest(&self, first: u32, run: u32) -> u32 {
        let start = self.timeline.segment_span(first).start;
        let is_long = |length: u32| {
            let end = self.timeline.segment_span(first + length - 1).end;
            (end - start) / u64::from(self.timeline.timescale) >= SHORTEST || length >= MOST_SEGMENTS
        };
        (FEWEST_SEGMENTS..run).find(|&length| is_long(length) && self.is_worth(first, length)).unwrap_or(run)
    }

    /// Whether a chunk keeps at least as many frames as it decodes in vain.
    fn is_worth(&self, first: u32, segments: u32) -> bool {
        let frames =
            self.timeline.segment_frames(first).start..self.timeline.segment_frames(first + segments).start;
        u64::from(frames.end - frames.start) >= self.pre_roll(first)
    }

    /// How many segments from `first` on use the same sample entry.
    fn run_length(&self, first: u32) -> u32 {
        let from = usize::try_from(first).unwrap_or(usize::MAX);
        let rest = self.entries.get(from..).unwrap_or_default();
        let run = rest.iter().take_while(|&entry| Some(entry) == rest.first()).count();
        u32::try_from(run).unwrap_or(u32::MAX).max(1)
    }

    fn pre_roll(&self, segment: u32) -> u64 {
        usize::try_from(segment)
            .ok()
            .and_then(|segment| self.pre_roll.get(segment))
            .copied()
            .unwrap_or_default()
    }
}
