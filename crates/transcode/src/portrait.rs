//! A picture that somebody sent of themselves, made into a small square one.

use std::fs::File;

use bytes::Bytes;

use crate::runner::Runner;
use crate::still_run::{MOST_BYTES, MOST_PIXELS, StillError, StillFormat, still};

/// Width and height of what comes out.
pub const SIDE: u32 = 256;

/// Makes a JPEG of [`SIDE`] × [`SIDE`] of the middle of a picture, on white where that is transparent, turned as its camera
/// was held. `file` is a regular file, open for reading; ffmpeg can seek in it and see nothing else.
///
/// # Errors
/// [`StillError::Unreadable`] is the file's fault.
pub async fn portrait(runner: &Runner<'_>, file: &File, format: StillFormat) -> Result<Bytes, StillError> {
    still(runner, file, LONGEST, |pipe| arguments(format, pipe)).await
}

/// From the seekable read-only file on stdin to one JPEG on the descriptor `pipe`.
fn arguments(format: StillFormat, pipe: i32) -> Vec<String> {
    let (demuxer, decoder) = format.readers();
    let most_pixels = MOST_PIXELS.to_string();
    let most_bytes = MOST_BYTES.to_string();
    let graph = format!(
        "[0:v:0]crop='min(iw,ih)':'min(iw,ih)',scale={SIDE}:{SIDE}:flags=lanczos,setsar=1,format=rgba[picture];\
         color=white:s={SIDE}x{SIDE}:r=1[ground];[ground][picture]overlay=format=rgb,format=yuvj420p[square]"
    );
    let output = format!("pipe:{pipe}");
    let words = [
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-max_alloc",
        &most_bytes,
        "-max_pixels",
        &most_pixels,
        "-protocol_whitelist",
        "file",
        "-threads",
        "1",
        "-f",
        demuxer,
        "-c:v",
        decoder,
        "-i",
        "/proc/self/fd/0",
        "-filter_complex",
        &graph,
        "-map",
        "[square]",
        "-map_metadata",
        "-1",
        "-frames:v",
        "1",
        "-c:v",
        "mjpeg",
        "-q:v",
        "3",
        "-fflags",
        "+bitexact",
        "-flags:v",
        "+bitexact",
        "-f",
        "mjpeg",
        &output,
    ];
    words.map(str::to_owned).to_vec()
}

/// Of what comes out: more than its pixels have.
const LONGEST: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_decoder_sees_it() {
        insta::assert_snapshot!(arguments(StillFormat::WebP, 3).join("\n"));
    }
}
