//! The only reliable sign that ffmpeg worked: every planned frame came back exactly once, with IDRs at the boundaries.

use bytes::Bytes;
use isobmff::StreamEvent;

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
    /// Frames of the segment that are not in it. Publish it only when there is none or no attempt is left.
    pub missing: Vec<u32>,
}

/// What is wrong with a stream beyond missing frames: the chunk has failed.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum CheckError {
    /// A picture at a time where the plan has none.
    #[error("an encoded frame at `{0}` is not in the plan")]
    UnknownFrame(i64),
}

/// Checks the outputs of one chunk, as their events come.
#[derive(Debug)]
pub struct ChunkCheck {}

impl ChunkCheck {
    /// The next event of the output for the `slot`-th rung of the chunk. Answers the segments it completes.
    pub fn push(&mut self, slot: usize, event: StreamEvent) -> Result<Vec<CheckedSegment>, CheckError> {
        let _ = (slot, event);
        todo!()
    }

    /// All outputs have ended: what was still held, and what is missing.
    pub fn finish(self) -> Result<(Vec<CheckedSegment>, Missing), CheckError> {
        todo!()
    }
}

/// What did not come out of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Frames missing in at least one rung, increasing. Empty: the chunk is done.
    pub frames: Vec<u32>,
    /// Segments without any frame in at least one rung.
    pub segments: Vec<u32>,
}
