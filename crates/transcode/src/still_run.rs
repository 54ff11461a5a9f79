//! One picture out of a file that somebody sent, or of one that is ours.
//!
//! Whatever a file claims, one demuxer and one decoder see it, which its first bytes have named, and nothing of it is taken
//! over but its pixels: what comes out is a new JPEG. What it looks like, [`portrait`](crate::portrait) and
//! [`poster_run`](crate::poster_run) say.

use std::fs::File;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::process::Stdin;
use crate::runner::{RunError, Runner, Task};
use crate::sandbox::Limits;
use crate::toolchain::Program;

/// What a picture may come as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StillFormat {
    /// JPEG (ITU-T T.81).
    Jpeg,
    /// PNG (ISO/IEC 15948).
    Png,
    /// WebP, standing still (RFC 9649).
    WebP,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// ffmpeg did not run to its end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// ffmpeg ran, and finds no picture.
    #[error("ffmpeg finds no picture in it")]
    Unreadable,
    /// What ffmpeg wrote is longer than any honest picture of this size.
    #[error("the picture is longer than the limit of `{0}` bytes")]
    TooLong(usize),
}

impl StillFormat {
    /// By the first bytes of a file.
    pub fn of(file: &[u8]) -> Option<Self> {
        match file {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }

    /// Demuxer and decoder.
    pub(crate) fn readers(self) -> (&'static str, &'static str) {
        match self {
            Self::Jpeg => ("jpeg_pipe", "mjpeg"),
            Self::Png => ("png_pipe", "png"),
            Self::WebP => ("webp_pipe", "webp"),
        }
    }
}

/// Makes a JPEG of `longest` bytes at most. `file` is a regular file, open for reading; ffmpeg can seek in it and see nothing
/// else. `arguments` are for the descriptor that the picture is written to.
///
/// # Errors
/// [`StillError::Unreadable`] is the file's fault.
pub(crate) async fn still(
    runner: &Runner<'_>,
    file: &File,
    longest: usize,
    arguments: impl FnOnce(i32) -> Vec<String>,
) -> Result<Bytes, StillError> {
    let open = |source| RunError::from(runner.pipe_error(Program::Ffmpeg, source));
    let outputs = runner.open_pipes(1).map_err(RunError::from)?;
    let pipe = outputs.numbers().first().copied().unwrap_or_default();
    let task = Task {
        program: Program::Ffmpeg,
        arguments: arguments(pipe),
        limits: Limits { cpu_seconds: LONGEST_CPU_SECONDS, ..Limits::for_pictures(MOST_PIXELS, 1) },
        stdin: Stdin::File(file.try_clone().map_err(open)?),
        outputs,
    };
    let (written, mut bytes) = mpsc::channel::<Bytes>(1);
    let collect = async {
        let mut picture = Vec::new();
        while let Some(bytes) = bytes.recv().await {
            picture.extend_from_slice(&bytes);
            if picture.len() > longest {
                return Err(StillError::TooLong(longest));
            }
        }
        Ok(picture)
    };
    let run = async { Ok(runner.run(task, None, written).await?) };
    let (ended, picture) = tokio::try_join!(run, collect)?;
    match ended.status.code() {
        Some(0) if StillFormat::of(&picture) == Some(StillFormat::Jpeg) => Ok(picture.into()),
        // Also when its limits have killed it: an honest picture does not reach them.
        _ => Err(StillError::Unreadable),
    }
}

/// A camera's picture has a quarter of that.
pub(crate) const MOST_PIXELS: u64 = 100_000_000;

/// Of one allocation: the pixels of the largest picture, with eight bytes each.
pub(crate) const MOST_BYTES: u64 = MOST_PIXELS * 8;

const LONGEST_CPU_SECONDS: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_say_what_it_is() {
        let check = |bytes: &[u8]| StillFormat::of(bytes);
        assert_eq!(check(b"\xff\xd8\xff\xe0"), Some(StillFormat::Jpeg));
        assert_eq!(check(b"\x89PNG\r\n\x1a\n"), Some(StillFormat::Png));
        assert_eq!(check(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Some(StillFormat::WebP));
        for other in
            [&b""[..], b"\xff\xd8", b"GIF89a", b"<svg xmlns=", b"RIFF\x01\x02\x03\x04WAVE", b"#EXTM3U"]
        {
            assert_eq!(check(other), None);
        }
    }
}
