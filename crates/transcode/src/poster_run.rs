//! A poster that somebody chose: a picture that they sent, or a moment of a video.
//!
//! Whatever a file claims, one demuxer and one decoder see it, which its first bytes have named, and nothing of it is taken
//! over but its pixels: what comes out is a new JPEG.

use std::{fs::File, time::Duration};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::process::Stdin;
use crate::runner::{RunError, Runner, Task};
use crate::sandbox::Limits;
use crate::toolchain::Program;

/// The longer side of what comes out, in pixels, at most; nothing is made larger than it is.
pub const LONGEST_SIDE: u32 = 1280;

/// What a poster is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PosterSource {
    /// JPEG (ITU-T T.81).
    Jpeg,
    /// PNG (ISO/IEC 15948).
    Png,
    /// WebP, standing still (RFC 9649).
    WebP,
    /// Fragmented MP4 that is ours: an init segment and one media segment, and how long after the first frame of that.
    Segment(Duration),
}

/// Why there is no poster.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
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

impl PosterSource {
    /// The kind of picture that a file with these first bytes is.
    pub fn of_picture(file: &[u8]) -> Option<Self> {
        match file {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }

    /// Demuxer and decoder.
    fn readers(self) -> (&'static str, &'static str) {
        match self {
            Self::Jpeg => ("jpeg_pipe", "mjpeg"),
            Self::Png => ("png_pipe", "png"),
            Self::WebP => ("webp_pipe", "webp"),
            Self::Segment(_) => ("mov", "h264"),
        }
    }
}

/// Makes a JPEG whose longer side is [`LONGEST_SIDE`] at most, on black where it is transparent. `file` is a regular file, open
/// for reading; ffmpeg can seek in it and see nothing else.
///
/// # Errors
/// [`PosterError::Unreadable`] is the file's fault.
pub async fn poster(runner: &Runner<'_>, file: &File, source: PosterSource) -> Result<Bytes, PosterError> {
    let open = |source| RunError::from(runner.pipe_error(Program::Ffmpeg, source));
    let outputs = runner.open_pipes(1).map_err(RunError::from)?;
    let pipe = outputs.numbers().first().copied().unwrap_or_default();
    let task = Task {
        program: Program::Ffmpeg,
        arguments: arguments(source, pipe),
        limits: Limits { cpu_seconds: LONGEST_CPU_SECONDS, ..Limits::for_pictures(MOST_PIXELS, 1) },
        stdin: Stdin::File(file.try_clone().map_err(open)?),
        outputs,
    };
    let (written, mut bytes) = mpsc::channel::<Bytes>(1);
    let collect = async {
        let mut picture = Vec::new();
        while let Some(bytes) = bytes.recv().await {
            picture.extend_from_slice(&bytes);
            if picture.len() > LONGEST {
                return Err(PosterError::TooLong(LONGEST));
            }
        }
        Ok(picture)
    };
    let run = async { Ok(runner.run(task, None, written).await?) };
    let (ended, picture) = tokio::try_join!(run, collect)?;
    match ended.status.code() {
        Some(0) if PosterSource::of_picture(&picture) == Some(PosterSource::Jpeg) => Ok(picture.into()),
        // Also when its limits have killed it: an honest picture does not reach them.
        _ => Err(PosterError::Unreadable),
    }
}

/// From the seekable read-only file on stdin to one JPEG on the descriptor `pipe`.
fn arguments(source: PosterSource, pipe: i32) -> Vec<String> {
    let (demuxer, decoder) = source.readers();
    let (most_pixels, most_bytes) = (MOST_PIXELS.to_string(), MOST_BYTES.to_string());
    let scale = format!(
        "scale=w='min({LONGEST_SIDE},iw)':h='min({LONGEST_SIDE},ih)':force_original_aspect_ratio=decrease:\
         force_divisible_by=2:flags=lanczos,setsar=1"
    );
    let (filters, skipped) = match source {
        PosterSource::Segment(after) => (format!("{scale},format=yuvj420p"), Some(after)),
        // Where something is transparent, what lies below its pixels is not to be seen.
        _ => (format!("{scale},format=gbrap,premultiply=inplace=1,format=gbrp,format=yuvj420p"), None),
    };
    let pipe = format!("pipe:{pipe}");
    let input = ["-hide_banner", "-nostdin", "-loglevel", "error", "-max_alloc", &most_bytes];
    let reading = ["-max_pixels", &most_pixels, "-protocol_whitelist", "file", "-threads", "1"];
    let kind = ["-f", demuxer, "-c:v", decoder, "-i", "/proc/self/fd/0", "-map", "0:v:0"];
    // Behind the input: what comes before is decoded and dropped, so that it is this frame and no other.
    let seconds = skipped.map(|after| format!("{:.6}", after.as_secs_f64()));
    let skip = seconds.iter().flat_map(|seconds| ["-ss", seconds.as_str()]);
    let output = ["-map_metadata", "-1", "-vf", &filters, "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3"];
    let end = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-f", "mjpeg", &pipe];
    let words = input.into_iter().chain(reading).chain(kind).chain(skip).chain(output).chain(end);
    words.map(str::to_owned).collect()
}

/// A camera's picture has a quarter of that.
const MOST_PIXELS: u64 = 100_000_000;

/// Of one allocation: the pixels of the largest picture, with eight bytes each.
const MOST_BYTES: u64 = MOST_PIXELS * 8;

const LONGEST_CPU_SECONDS: u64 = 20;

/// Of what comes out.
const LONGEST: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_say_what_it_is() {
        let check = |bytes: &[u8]| PosterSource::of_picture(bytes);
        assert_eq!(check(b"\xff\xd8\xff\xe0"), Some(PosterSource::Jpeg));
        assert_eq!(check(b"\x89PNG\r\n\x1a\n"), Some(PosterSource::Png));
        assert_eq!(check(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Some(PosterSource::WebP));
        for other in
            [&b""[..], b"\xff\xd8", b"GIF89a", b"<svg xmlns=", b"RIFF\x01\x02\x03\x04WAVE", b"#EXTM3U"]
        {
            assert_eq!(check(other), None);
        }
    }

    #[test]
    fn one_decoder_sees_it() {
        insta::assert_snapshot!(arguments(PosterSource::WebP, 3).join("\n"));
        insta::assert_snapshot!(arguments(PosterSource::Segment(Duration::from_millis(1250)), 3).join("\n"));
    }
}
