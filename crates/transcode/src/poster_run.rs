//! A poster that somebody chose: a picture that they sent, or a moment of a video.

use std::{fs::File, time::Duration};

use bytes::Bytes;

use crate::runner::Runner;
use crate::still_run::{MOST_BYTES, MOST_PIXELS, StillError, StillFormat, still};

/// The longer side of what comes out, in pixels, at most; nothing is made larger than it is.
pub const LONGEST_SIDE: u32 = 1280;

/// What a poster is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PosterSource {
    /// A picture.
    Picture(StillFormat),
    /// Fragmented MP4 that is ours: an init segment and one media segment, and how long after the first frame of that.
    Segment(Duration),
}

impl PosterSource {
    /// Demuxer and decoder.
    fn readers(self) -> (&'static str, &'static str) {
        match self {
            Self::Picture(format) => format.readers(),
            Self::Segment(_) => ("mov", "h264"),
        }
    }
}

/// Makes a JPEG whose longer side is [`LONGEST_SIDE`] at most, on black where it is transparent. `file` is a regular file, open
/// for reading; ffmpeg can seek in it and see nothing else.
///
/// # Errors
/// [`StillError::Unreadable`] is the file's fault.
pub async fn poster(runner: &Runner<'_>, file: &File, source: PosterSource) -> Result<Bytes, StillError> {
    still(runner, file, LONGEST, |pipe| arguments(source, pipe)).await
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
        PosterSource::Picture(_) => {
            (format!("{scale},format=gbrap,premultiply=inplace=1,format=gbrp,format=yuvj420p"), None)
        }
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

/// Of what comes out.
const LONGEST: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_decoder_sees_it() {
        insta::assert_snapshot!(arguments(PosterSource::Picture(StillFormat::WebP), 3).join("\n"));
        insta::assert_snapshot!(arguments(PosterSource::Segment(Duration::from_millis(1250)), 3).join("\n"));
    }
}
