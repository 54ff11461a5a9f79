//! The only reliable sign that ffmpeg worked: every planned frame came back exactly once, with IDRs at the boundaries.
//!
//! Exit status and stderr prove nothing: ffmpeg answers 0 for input that is cut, damaged or fed from the wrong sample.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use isobmff::{FourCc, SampleEntry, StreamEvent, StreamFragment, StreamSample, StreamTrack};

#[cfg(test)]
mod tests;

/// One segment of one rung as the encoder made it, matched to the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedSegment {
    /// Index into the ladder.
    pub rung: usize,
    /// Index of the segment, from 0.
    pub segment: u32,
    /// In decode order; the first is an IDR.
    pub samples: Vec<EncodedSample>,
    /// The samples back to back.
    pub data: Bytes,
    /// The whole `avc1` box.
    pub sample_entry: Bytes,
}

/// One sample of an [`EncodedSegment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodedSample {
    /// Index into [`crate::timeline::Timeline::frames`].
    pub frame: u32,
    /// Bytes.
    pub size: u32,
    /// Whether it is an IDR.
    pub sync: bool,
}

/// A segment that came out, and which of its frames did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSegment {
    /// What came out.
    pub segment: EncodedSegment,
    /// Frames of the segment that are not in it, increasing. Publish it only when there is none, or when no attempt
    /// is left.
    pub missing: Vec<u32>,
}

/// What did not come out of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Frames missing in at least one rung, increasing. Empty: the chunk is done.
    pub frames: Vec<u32>,
    /// Segments without any frame in at least one rung: see [`crate::feed::substitutes`].
    pub segments: Vec<u32>,
}

/// What is wrong with a stream beyond missing frames: the chunk has failed.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CheckError {
    #[error("an output has `{0}` tracks instead of one")]
    Tracks(usize),
    #[error("an output has the timescale `{found}` instead of `{planned}`")]
    Timescale { found: u32, planned: u32 },
    #[error("an output has `{0}` sample entries instead of one `avc1`")]
    SampleEntries(usize),
    #[error("an output has media before its init segment, or a second init segment")]
    Order,
    #[error("an encoded frame at `{0}` ticks is not in the plan")]
    UnknownFrame(i64),
    #[error("frame `{0}` came out twice")]
    Twice(u32),
    #[error("segment `{0}` does not start with an IDR that is shown first")]
    NotIdr(u32),
    #[error("frame `{0}` is coded together with segment `{1}`, which it is not part of")]
    Straddles(u32, u32),
    #[error("frame `{0}` is an IDR inside a segment")]
    ExtraIdr(u32),
    #[error("a fragment's samples are longer than its media")]
    Sizes,
    #[error("an output is cut off in the middle of a box")]
    CutOff,
}

/// What a chunk has to come out as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Ticks per second of the outputs.
    pub(crate) timescale: u32,
    /// Index of the first wanted frame.
    pub(crate) first_frame: u32,
    /// Presentation times in the stream of the wanted frames, increasing.
    pub(crate) times: Vec<i64>,
    /// Index of the first segment.
    pub(crate) first_segment: u32,
    /// Frames of each segment.
    pub(crate) segments: Vec<Range<u32>>,
}

/// Checks the outputs of one chunk, as their events come.
#[derive(Debug)]
pub struct ChunkCheck {
    expected: Expected,
    slots: Vec<Slot>,
}

/// One output.
#[derive(Debug)]
struct Slot {
    /// Index into the ladder.
    rung: usize,
    entry: Option<Entry>,
    /// Which of the wanted frames came.
    seen: Vec<bool>,
    open: Option<Open>,
}

/// The sample entry of an output.
#[derive(Debug, Clone)]
struct Entry {
    raw: Bytes,
    /// Bytes of the length before each NAL unit.
    nal_length: usize,
}

/// The segment that is coming out.
#[derive(Debug)]
struct Open {
    /// Counted from the chunk's first.
    segment: usize,
    samples: Vec<EncodedSample>,
    pieces: Vec<Bytes>,
}

impl ChunkCheck {
    pub(crate) fn new(expected: Expected, rungs: &[usize]) -> Self {
        let frames = expected.times.len();
        let slot = |&rung: &usize| Slot { rung, entry: None, seen: vec![false; frames], open: None };
        Self { slots: rungs.iter().map(slot).collect(), expected }
    }

    /// The next event of the output for the `slot`-th rung of the chunk. Answers the segments it completes: those that
    /// have all their frames at once, others when a later one begins.
    pub fn push(&mut self, slot: usize, event: StreamEvent) -> Result<Vec<CheckedSegment>, CheckError> {
        let slot = self.slots.get_mut(slot).ok_or(CheckError::Order)?;
        match event {
            StreamEvent::Init(tracks) => slot.init(&tracks, &self.expected).map(|()| Vec::new()),
            StreamEvent::Fragment(fragment) => slot.fragment(fragment, &self.expected),
        }
    }

    /// All outputs have ended: the segments still held, and what is missing.
    pub fn finish(mut self) -> (Vec<CheckedSegment>, Missing) {
        let expected = &self.expected;
        let held: Vec<CheckedSegment> =
            self.slots.iter_mut().filter_map(|slot| slot.close(expected)).collect();
        let missing = |frame: &u32| self.slots.iter().any(|slot| !slot.has(*frame, expected));
        let frames = expected.segments.iter().cloned().flatten().filter(missing).collect();
        let lost = |frames: &Range<u32>| {
            self.slots.iter().any(|slot| !frames.clone().any(|frame| slot.has(frame, expected)))
        };
        let numbered = expected.segments.iter().zip(expected.first_segment..);
        let segments = numbered.filter(|(frames, _)| lost(frames)).map(|(_, segment)| segment).collect();
        (held, Missing { frames, segments })
    }
}

impl Slot {
    fn init(&mut self, tracks: &[StreamTrack], expected: &Expected) -> Result<(), CheckError> {
        let [track] = tracks else { return Err(CheckError::Tracks(tracks.len())) };
        if self.entry.is_some() {
            return Err(CheckError::Order);
        }
        if track.timescale != expected.timescale {
            return Err(CheckError::Timescale { found: track.timescale, planned: expected.timescale });
        }
        let [entry] = track.entries.as_slice() else {
            return Err(CheckError::SampleEntries(track.entries.len()));
        };
        self.entry = Some(Entry::new(entry).ok_or(CheckError::SampleEntries(1))?);
        Ok(())
    }

    fn fragment(
        &mut self,
        fragment: StreamFragment,
        expected: &Expected,
    ) -> Result<Vec<CheckedSegment>, CheckError> {
        let entry = self.entry.clone().ok_or(CheckError::Order)?;
        let samples = self.recognise(&fragment.samples, expected)?;
        let Some(first) = samples.first() else { return Ok(Vec::new()) };
        let (segment, frames) = expected.segment_of(first.frame).ok_or(CheckError::Order)?;
        let number = expected.number(segment);
        if let Some(stray) = samples.iter().find(|sample| !frames.contains(&sample.frame)) {
            return Err(CheckError::Straddles(stray.frame, number));
        }
        let shown_first = samples.iter().all(|sample| sample.frame >= first.frame);
        if !first.sync || !shown_first || !entry.starts_with_idr(&fragment.data) {
            return Err(CheckError::NotIdr(number));
        }
        if let Some(extra) = samples.iter().skip(1).find(|sample| sample.sync) {
            return Err(CheckError::ExtraIdr(extra.frame));
        }
        let size: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
        if u64::try_from(fragment.data.len()) != Ok(size) {
            return Err(CheckError::Sizes);
        }
        let mut done = Vec::new();
        if self.open.as_ref().is_some_and(|open| open.segment != segment) {
            done.extend(self.close(expected));
        }
        // Where frames were lost, two forced IDRs can fall together and the second comes a frame later.
        if self.open.is_some() && !self.lost_before(first.frame, expected) {
            return Err(CheckError::ExtraIdr(first.frame));
        }
        let open = self.open.get_or_insert(Open { segment, samples: Vec::new(), pieces: Vec::new() });
        open.samples.extend(samples);
        open.pieces.push(fragment.data);
        if frames.clone().all(|frame| self.has(frame, expected)) {
            done.extend(self.close(expected));
        }
        Ok(done)
    }

    /// Finds the frame of each sample by its time and marks it as seen.
    fn recognise(
        &mut self,
        samples: &[StreamSample],
        expected: &Expected,
    ) -> Result<Vec<EncodedSample>, CheckError> {
        let mut recognised = Vec::new();
        for sample in samples {
            let time = sample.decode_time.saturating_add(sample.composition_offset.into());
            let index = expected.times.binary_search(&time).map_err(|_| CheckError::UnknownFrame(time))?;
            let frame = expected.frame(index);
            match self.seen.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(CheckError::Twice(frame)),
            }
            recognised.push(EncodedSample { frame, size: sample.size, sync: sample.sync });
        }
        Ok(recognised)
    }

    /// Ends the open segment.
    fn close(&mut self, expected: &Expected) -> Option<CheckedSegment> {
        let open = self.open.take()?;
        let frames = expected.segments.get(open.segment)?.clone();
        let data = match open.pieces.as_slice() {
            [whole] => whole.clone(),
            pieces => pieces
                .iter()
                .fold(BytesMut::new(), |mut data, piece| {
                    data.extend_from_slice(piece);
                    data
                })
                .freeze(),
        };
        Some(CheckedSegment {
            segment: EncodedSegment {
                rung: self.rung,
                segment: expected.number(open.segment),
                samples: open.samples,
                data,
                sample_entry: self.entry.as_ref()?.raw.clone(),
            },
            missing: frames.filter(|&frame| !self.has(frame, expected)).collect(),
        })
    }

    /// Whether a frame before `frame` is missing.
    fn lost_before(&self, frame: u32, expected: &Expected) -> bool {
        (expected.first_frame..frame).any(|before| !self.has(before, expected))
    }

    fn has(&self, frame: u32, expected: &Expected) -> bool {
        let index = frame.checked_sub(expected.first_frame).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.seen.get(index)).copied().unwrap_or_default()
    }
}

impl Expected {
    fn frame(&self, index: usize) -> u32 {
        self.first_frame.saturating_add(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn segment_of(&self, frame: u32) -> Option<(usize, Range<u32>)> {
        let index = self.segments.partition_point(|frames| frames.end <= frame);
        self.segments.get(index).map(|frames| (index, frames.clone()))
    }

    fn number(&self, segment: usize) -> u32 {
        self.first_segment.saturating_add(u32::try_from(segment).unwrap_or(u32::MAX))
    }
}

/// nal_unit_type of H.264 (Table 7-1).
const NAL_IDR: u8 = 5;
const NAL_TYPE_MASK: u8 = 0x1f;

impl Entry {
    fn new(entry: &SampleEntry) -> Option<Self> {
        if entry.format != FourCc(*b"avc1") {
            return None;
        }
        // AVCDecoderConfigurationRecord (14496-15 §5.3.3.1.2): lengthSizeMinusOne.
        let length_size = entry.child(FourCc(*b"avcC"))?.get(4)? & 3;
        Some(Self { raw: Bytes::copy_from_slice(&entry.raw), nal_length: usize::from(length_size) + 1 })
    }

    /// Whether the first coded slice in `sample` is one of an IDR picture.
    fn starts_with_idr(&self, mut sample: &[u8]) -> bool {
        while let Some((length, rest)) = sample.split_at_checked(self.nal_length) {
            let length = length.iter().fold(0_usize, |length, &byte| (length << 8) | usize::from(byte));
            match rest.first().map(|byte| byte & NAL_TYPE_MASK) {
                Some(kind @ 1..=NAL_IDR) => return kind == NAL_IDR,
                _ => sample = rest.get(length..).unwrap_or_default(),
            }
        }
        false
    }
}
