//! What ffprobe says of the first samples, parsed from its JSON.

use serde::{Deserialize, Serialize};

/// ffprobe's answer to [`crate::args::probe_args`] on [`crate::feed::head`] of one track.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Probe {
    /// The first video stream.
    pub video: Option<VideoProbe>,
    /// The first audio stream.
    pub audio: Option<AudioProbe>,
}

/// A video stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VideoProbe {
    /// ffmpeg's name, e.g. `h264`.
    pub codec: String,
}

/// An audio stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AudioProbe {
    /// ffmpeg's name, e.g. `aac`.
    pub codec: String,
}

/// Why ffprobe's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Not the JSON that [`crate::args::probe_args`] asks for.
    #[error("ffprobe's answer is not understood")]
    Json(#[from] serde_json::Error),
    /// No decoder knows the codec, or the first samples are no media.
    #[error("no stream that ffmpeg can decode")]
    NoStream,
}

impl Probe {
    /// Parses ffprobe's standard output.
    pub fn parse(json: &[u8]) -> Result<Self, ProbeError> {
        let _ = json;
        todo!()
    }
}
