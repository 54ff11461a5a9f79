//! Arguments of ffmpeg and ffprobe, as values.

use crate::settings::EncodeSettings;

/// ffprobe over [`crate::feed::head`] on stdin; JSON on stdout.
pub fn probe_args(settings: &EncodeSettings) -> Vec<String> {
    let _ = settings;
    todo!()
}

/// How a file that our demuxer declines becomes one that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalise {
    /// The coded samples as they are.
    Remux,
    /// Encoded anew, nearly lossless, where MP4 cannot carry the codec.
    Reencode,
}

/// ffmpeg from the seekable read-only file on stdin to fragmented MP4 on the descriptor `pipe`.
pub fn normalise_args(how: Normalise, pipe: i32, settings: &EncodeSettings) -> Vec<String> {
    let _ = (how, pipe, settings);
    todo!()
}
