//! The index of a file, through byte ranges: sample tables and fragment headers, never the media.

use crate::movie::Movie;

/// What a file may cost before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest `moov` or `moof` that is read.
    pub max_header_bytes: u64,
    /// Samples over all tracks, after grouping of PCM frames.
    pub max_samples: u64,
    pub max_tracks: usize,
    /// Boxes at the top level (fragments included).
    pub max_boxes: u64,
}

/// Bytes of the file that the [`Demuxer`] wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub offset: u64,
    pub len: u64,
}

/// What [`Demuxer::advance`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Read this range and hand it to [`Demuxer::supply`].
    Need(ByteRange),
    Done,
}

/// Why a file has no index. Each variant names a situation an uploader can be told about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not an ISO base media file")]
    NotIsobmff,
}

/// Builds a [`Movie`] from the byte ranges it asks for. Does no I/O.
#[derive(Debug)]
pub struct Demuxer {}

impl Demuxer {
    /// For a file of `file_len` bytes.
    pub fn new(file_len: u64, limits: Limits) -> Self {
        let _ = (file_len, limits);
        todo!()
    }
    /// What to read next, or that the index is complete.
    pub fn advance(&mut self) -> Result<Progress, Error> {
        todo!()
    }
    /// The bytes of the range last asked for, complete.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let _ = bytes;
        todo!()
    }
    /// The index; only after [`Progress::Done`].
    pub fn finish(self) -> Result<Movie, Error> {
        todo!()
    }
}

/// [`Demuxer`] over a file that is in memory.
pub fn index_slice(file: &[u8], limits: Limits) -> Result<Movie, Error> {
    let _ = (file, limits);
    todo!()
}
