//! Which renditions a source gets: sizes, rate caps and H.264 levels.

use serde::{Deserialize, Serialize};

use crate::{picture::Size, settings::EncodeSettings};

/// One rendition of the video. Its index in the ladder is what chunks and segments name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Name and folder of the rendition: `360p`, after the shorter side.
    pub id: String,
    /// Even.
    pub width: u32,
    /// Even.
    pub height: u32,
    /// Bit/s.
    pub max_rate: u32,
    /// VBV buffer in bits.
    pub buf_size: u32,
    /// H.264 level times ten: 31 is level 3.1.
    pub level: u8,
}

/// The rungs of a source, lowest first; never empty.
pub fn plan_ladder(display: Size, frames_per_second: u32, settings: &EncodeSettings) -> Vec<Rung> {
    let _ = (display, frames_per_second, settings);
    todo!()
}
