//! Clips whose frames carry their numbers, and reading the numbers back.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{ffmpeg, ffmpeg_output};

/// A folder of clips that goes away with the test.
pub(crate) struct Clips {
    folder: TempDir,
}

impl Clips {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A clip of test pictures of 320 × 180 with numbers, made at `rate` for `seconds`, then put through `filters` and
    /// encoded by `encoder`.
    pub(crate) fn make(&self, name: &str, source: Source, encoder: &str) -> PathBuf {
        let path = self.path(name);
        let Source { size, rate, seconds, filters } = source;
        let input = format!("testsrc2=size={size}:rate={rate}:duration={seconds}");
        let filters = format!("{filters}{}", number_bars());
        let mut arguments = vec!["-f", "lavfi", "-i", &input, "-vf", &filters];
        arguments.extend(encoder.split_whitespace());
        ffmpeg(&arguments, &path);
        path
    }

    /// The coded samples of `from` in another file, with `arguments` before and after the input.
    pub(crate) fn remux(&self, name: &str, before: &str, from: &Path, after: &str) -> PathBuf {
        let path = self.path(name);
        let mut arguments: Vec<&str> = before.split_whitespace().collect();
        arguments.extend(["-i", from.to_str().expect("a plain path"), "-c", "copy"]);
        arguments.extend(after.split_whitespace());
        ffmpeg(&arguments, &path);
        path
    }
}

/// Pictures to encode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) size: &'static str,
    pub(crate) rate: &'static str,
    pub(crate) seconds: f32,
    /// Each ends with a comma. They come before the numbers are drawn.
    pub(crate) filters: &'static str,
}

impl Default for Source {
    fn default() -> Self {
        Self { size: "320x180", rate: "30", seconds: 6.0, filters: "" }
    }
}

/// Bars over the top eighth of the picture, white for 1: the number of the frame in [`BITS`] bits.
fn number_bars() -> String {
    let black = "drawbox=x=0:y=0:w=iw:h=ih/8:color=black:t=fill".to_owned();
    let bars = (0..BITS).map(|bit| {
        format!(
            "drawbox=x=iw/{BITS}*{}:y=0:w=iw/{BITS}:h=ih/8:color=white:t=fill:enable='mod(floor(n/{}),2)'",
            BITS - 1 - bit,
            1 << bit
        )
    });
    [black].into_iter().chain(bars).collect::<Vec<_>>().join(",")
}

const BITS: usize = 10;

/// The numbers that ffmpeg finds in the frames of a file, in the order in which they are shown. `upright` turns the
/// picture back so that the bars are on top.
pub(crate) fn numbers(path: &Path, upright: &str) -> Vec<u32> {
    let filters = format!("{upright}crop=iw:trunc(ih/8/2)*2:0:0,scale={BITS}:1:flags=area,format=gray");
    let path = path.to_str().expect("a plain path");
    let pixels = ffmpeg_output(&[
        "-i",
        path,
        "-map",
        "0:v:0",
        "-vf",
        &filters,
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
    ]);
    pixels
        .chunks_exact(BITS)
        .map(|bars| bars.iter().fold(0, |number, &bar| number << 1 | u32::from(bar > 127)))
        .collect()
}
