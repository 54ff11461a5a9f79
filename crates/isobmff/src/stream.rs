//! Fragmented MP4 as it comes out of a pipe: bytes in, whole fragments out.

use bytes::Bytes;

use crate::movie::SampleEntry;
use crate::reader::Error;

/// What the stream has told so far.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// `moov` is complete.
    Init(Vec<StreamTrack>),
    /// A `moof` and all of its media are complete.
    Fragment(StreamFragment),
}

/// One track of the stream's `moov`.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamTrack {
    pub id: u32,
    pub handler: crate::FourCc,
    pub timescale: u32,
    pub entries: Vec<SampleEntry>,
}

/// The samples of one `traf`.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamFragment {
    pub track_id: u32,
    pub samples: Vec<StreamSample>,
    /// The samples' bytes back to back, in order of `samples`. Shares the buffer that was read.
    pub data: Bytes,
}

/// One sample of a [`StreamFragment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSample {
    /// Absolute, from `tfdt`; may be negative in streams that write it as a wrapped u64.
    pub decode_time: i64,
    pub composition_offset: i32,
    pub duration: u32,
    pub size: u32,
    pub sync: bool,
}

/// Incremental parser; memory is bounded by the largest fragment allowed.
#[derive(Debug)]
pub struct FragmentStream {}

impl FragmentStream {
    /// Refuses a box longer than `max_fragment_bytes`.
    pub fn new(max_fragment_bytes: u64) -> Self {
        let _ = max_fragment_bytes;
        todo!()
    }
    /// The next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }
    /// The next complete event, if the bytes for it are there.
    pub fn poll(&mut self) -> Result<Option<StreamEvent>, Error> {
        todo!()
    }
    /// Whether no partial box is left over: call at the end of the stream.
    pub fn is_drained(&self) -> bool {
        todo!()
    }
}
