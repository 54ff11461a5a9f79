//! The sound: passed through or encoded once, whole, to frames of 1024 samples from 0.

use isobmff::{Movie, Track};
use serde::{Deserialize, Serialize};

use crate::{
    feed::Feed,
    probe::AudioProbe,
    settings::EncodeSettings,
    timeline::{Instant, Timeline},
};

/// Samples in one AAC-LC frame.
pub const FRAME_SAMPLES: u32 = 1024;

/// One frame of silence in AAC-LC stereo, any sample rate.
pub const SILENT_STEREO_FRAME: [u8; 9] = [0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];

/// What happens to the sound. Frame n of the rendition lasts from n · 1024 to (n + 1) · 1024 in its sample rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudioPlan {
    /// The source has no sound that can be decoded.
    None,
    /// The source's own AAC frames.
    PassThrough(PassThrough),
    /// One ffmpeg process over the whole track.
    Encode(AudioEncode),
}

/// Copies frames of the source; silence is [`SILENT_STEREO_FRAME`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassThrough {
    /// Sample rate and timescale.
    pub sample_rate: u32,
    /// Frames of silence before.
    pub lead: u64,
    /// Index of the first sample of the source's table that is copied.
    pub first: u32,
    /// How many are copied.
    pub count: u32,
    /// Frames of silence after.
    pub tail: u64,
}

/// Encodes to AAC-LC stereo, 48 kHz. ADTS comes out; frame 0 holds only priming and is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioEncode {
    /// Frames of the rendition, after the priming frame is dropped: exactly so many must come.
    pub frames: u64,
}

impl AudioPlan {
    /// What to do with `track`, so that it ends with the video or less than one frame before.
    pub fn new(
        movie: &Movie,
        track: &Track,
        probe: &AudioProbe,
        timeline: &Timeline,
        settings: &EncodeSettings,
    ) -> Self {
        let _ = (movie, track, probe, timeline, settings);
        todo!()
    }
}

impl AudioEncode {
    /// The whole track for stdin.
    pub fn feed(&self, movie: &Movie, track: &Track) -> Feed {
        let _ = (movie, track);
        todo!()
    }

    /// ffmpeg's arguments; ADTS goes to the descriptor `pipe`.
    pub fn args(&self, pipe: i32, settings: &EncodeSettings) -> Vec<String> {
        let _ = (pipe, settings);
        todo!()
    }
}

/// Where the sound of a track ends on the timeline.
pub fn natural_end(movie: &Movie, track: &Track) -> Option<Instant> {
    let _ = (movie, track);
    todo!()
}
