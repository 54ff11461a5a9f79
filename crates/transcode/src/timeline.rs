//! The timeline: which frame is shown when, and where segments start. Computed once from the sample tables.

use isobmff::{Movie, Track};
use serde::{Deserialize, Serialize};

use crate::settings::EncodeSettings;

/// A video's frames and segments in presentation order, in ticks of the source track's timescale, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Ticks per second.
    pub timescale: u32,
    /// In order of presentation, strictly increasing times; never empty; the first is at 0.
    pub frames: Vec<Frame>,
    /// When the last frame ends, later than its time.
    pub end: u64,
    /// Indices into `frames` where segments start, strictly increasing, the first is 0. The last segment ends with
    /// the frames.
    pub boundaries: Vec<u32>,
    /// Presentation time in the source's media (decode time plus composition offset) of time 0 here. Negative when
    /// an empty edit delays the track.
    pub media_origin: i64,
}

/// One frame of a [`Timeline`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When it is first shown. A first frame that starts late reaches back to 0.
    pub time: u64,
    /// Index in decode order into the source's sample table.
    pub sample: u32,
}

/// What is stored of a [`Timeline`]; the frames come from the source again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTimeline {
    /// Ticks per second.
    pub timescale: u32,
    /// When the last segment ends.
    pub end: u64,
    /// When each segment starts.
    pub boundaries: Vec<u64>,
}

/// A point in time as ticks of some timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// Ticks.
    pub ticks: u64,
    /// Ticks per second.
    pub timescale: u32,
}

/// Why a track has no timeline.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum TimelineError {
    /// No sample is shown.
    #[error("the video track shows no frame")]
    Empty,
    /// Several pieces, speeds or pauses: normalise the file first.
    #[error("the edit list has {0} media edits that do not follow each other at normal speed")]
    ComplexEdits(usize),
    /// The track's clock is finer than an encoder can follow: normalise the file first.
    #[error("the timescale is `{0}`")]
    Timescale(u32),
    /// Longer than the settings allow.
    #[error("the video lasts `{seconds}` seconds, the limit is `{limit}`")]
    TooLong {
        /// How long it lasts.
        seconds: u64,
        /// How long it may last.
        limit: u32,
    },
}

impl Timeline {
    /// The timeline of a video track; `audio_end` is where the audio ends (see [`crate::audio::natural_end`]).
    pub fn build(
        movie: &Movie,
        track: &Track,
        audio_end: Option<Instant>,
        settings: &EncodeSettings,
    ) -> Result<Self, TimelineError> {
        let _ = (movie, track, audio_end, settings);
        todo!()
    }
}
