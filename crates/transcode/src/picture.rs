//! What the source's pictures are: geometry, scan and colour, parsed once from the track and ffprobe's answer.

use isobmff::Track;
use serde::{Deserialize, Serialize};

use crate::probe::VideoProbe;

/// What a filter graph must know of the source's pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Shown size with square pixels, after rotation.
    pub display: Size,
}

/// Pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

/// Why pictures cannot be encoded.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum PictureError {
    /// More pixels than the settings allow.
    #[error("pictures of {width} × {height} pixels are larger than the limit of {limit} pixels")]
    TooLarge {
        /// Pixels.
        width: u64,
        /// Pixels.
        height: u64,
        /// Pixels in all.
        limit: u64,
    },
    /// ffprobe could not tell a size.
    #[error("the video has no picture size")]
    NoSize,
}

impl Picture {
    /// From the track's matrix and what the decoder said of the first pictures.
    pub fn new(track: &Track, probe: &VideoProbe, max_pixels: u64) -> Result<Self, PictureError> {
        let _ = (track, probe, max_pixels);
        todo!()
    }
}
