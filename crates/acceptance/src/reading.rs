//! What ffprobe and ffmpeg see and hear in a file or behind a URL.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::tools;

/// A decoded frame, reduced to what identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    /// The burned-in number, `None` when a bit is neither black nor white.
    pub number: Option<u16>,
    /// Mean luma of 16 × 7 tiles below the number.
    pub tiles: Vec<u8>,
}

/// Times of frames or packets of one stream, in ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// Of every tick below.
    pub timescale: Timescale,
    /// In the order they came.
    pub ticks: Vec<i64>,
    /// Of each of `ticks`; 0 where unknown.
    pub durations: Vec<i64>,
}

/// Ticks per second as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timescale {
    /// 15360 in 15360/1.
    pub numerator: i64,
    /// 1 in 15360/1.
    pub denominator: i64,
}

/// Whether a decoder may complain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// A word on stderr is an error.
    Strict,
    /// Take what can be had.
    Errors,
}

/// Sample rate of everything that [`pulses`] decodes.
const RATE: usize = 48_000;

impl Likeness {
    /// Mean luma of the picture below the number.
    pub fn brightness(&self) -> f64 {
        self.tiles.iter().map(|&tile| f64::from(tile)).sum::<f64>() / self.tiles.len() as f64
    }

    /// Mean difference of tiles: 0 for the same picture.
    pub fn distance(&self, other: &Self) -> f64 {
        let pairs = self.tiles.iter().zip(&other.tiles);
        pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / self.tiles.len() as f64
    }
}

impl Times {
    /// A time in seconds.
    pub fn seconds(&self, ticks: i64) -> f64 {
        self.timescale.seconds(ticks)
    }

    /// In seconds, sorted.
    pub fn sorted(&self) -> Vec<f64> {
        let mut ticks = self.ticks.clone();
        ticks.sort_unstable();
        ticks.into_iter().map(|tick| self.seconds(tick)).collect()
    }
}

impl Timescale {
    /// A time in seconds.
    pub fn seconds(self, ticks: i64) -> f64 {
        ticks as f64 * self.denominator as f64 / self.numerator as f64
    }
}

/// Decodes a video stream (`map` as in `-map`) and looks at each frame. `orient` is a filter that brings the number
/// to the top of the picture.
pub fn likenesses(
    input: &[&str],
    map: &str,
    orient: Option<&str>,
    tolerance: Tolerance,
) -> Result<Vec<Likeness>> {
    const COLUMNS: usize = 16;
    const ROWS: usize = 8;
    let orient = orient.map_or(String::new(), |filter| format!("{filter},"));
    // Full range, so that black and white are the same for every source.
    let filters = format!("{orient}scale=out_range=full,format=gray,scale={COLUMNS}:{ROWS}:flags=area");
    let mut args = input.to_vec();
    args.extend(["-map", map, "-vf", &filters, "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]);
    let bytes = match tolerance {
        Tolerance::Strict => tools::ffmpeg_quiet(&args, Path::new("."))?,
        Tolerance::Errors => tools::ffmpeg(&args, Path::new("."))?.stdout,
    };
    Ok(bytes.chunks_exact(COLUMNS * ROWS).map(|frame| likeness(frame, COLUMNS)).collect())
}

fn likeness(frame: &[u8], columns: usize) -> Likeness {
    let (bits, tiles) = frame.split_at(columns);
    let clear = bits.iter().all(|&bit| !(96..=160).contains(&bit));
    let value = bits.iter().fold(0u16, |value, &bit| value << 1 | u16::from(bit > 128));
    Likeness { number: clear.then_some(value), tiles: tiles.to_vec() }
}

/// Presentation times and durations of decoded frames of the first video stream, as ffprobe reports them.
pub fn frame_times(input: &str) -> Result<Times> {
    let entries = "frame=pts,best_effort_timestamp,duration,pkt_duration:stream=time_base";
    let (report, _) = tools::ffprobe(
        &["-select_streams", "v:0", "-show_frames", "-show_entries", entries, input],
        Path::new("."),
    )?;
    let timescale = timescale(&report["streams"][0])?;
    let frames = report["frames"].as_array().context("no frames")?;
    let ticks = frames
        .iter()
        .map(|frame| number(&frame["pts"]).or_else(|| number(&frame["best_effort_timestamp"])))
        .collect::<Option<Vec<i64>>>()
        .context("a frame without a time")?;
    let duration = |frame: &Value| number(&frame["duration"]).or_else(|| number(&frame["pkt_duration"]));
    let durations = frames.iter().map(|frame| duration(frame).unwrap_or(0)).collect();
    Ok(Times { timescale, ticks, durations })
}

/// Presentation times of the packets of one stream (`v:0`, `a:0`, `v:1`, …) behind a path or URL. The others are
/// not even opened. ffprobe must not complain.
pub fn stream_times(input: &str, stream: &str) -> Result<Times> {
    packet_times(input, stream, Tolerance::Strict)?.with_context(|| format!("no stream {stream} in {input}"))
}

/// The same, `None` where there is no such stream.
pub fn packet_times(input: &str, stream: &str, tolerance: Tolerance) -> Result<Option<Times>> {
    let entries = "packet=pts,duration:stream=time_base";
    let arguments = ["-select_streams", stream, "-show_packets", "-show_entries", entries, input];
    let (report, errors) = tools::ffprobe(&arguments, Path::new("."))?;
    let quiet = errors.trim().is_empty() || tolerance == Tolerance::Errors;
    ensure!(quiet, "ffprobe complained about {input}: {}", errors.trim());
    let Some(stream) = report["streams"].get(0) else { return Ok(None) };
    let packets = report["packets"].as_array().context("no packets")?;
    let (mut ticks, mut durations) = (Vec::new(), Vec::new());
    for packet in packets {
        match number(&packet["pts"]) {
            Some(tick) => ticks.push(tick),
            None if tolerance == Tolerance::Errors => continue,
            None => bail!("a packet without a time in {input}"),
        }
        durations.push(number(&packet["duration"]).unwrap_or(0));
    }
    Ok(Some(Times { timescale: timescale(stream)?, ticks, durations }))
}

/// When pulses are heard in the first audio stream, in seconds: centres of energy. Sound that starts late is
/// placed where its time stamps say.
pub fn pulses(input: &str) -> Result<Vec<f64>> {
    let args = [
        "-i",
        input,
        "-map",
        "0:a:0",
        "-af",
        "aresample=48000:async=1:min_hard_comp=0.02:first_pts=0",
        "-ac",
        "1",
        "-f",
        "s16le",
        "pipe:1",
    ];
    let bytes = tools::ffmpeg(&args, Path::new("."))?.stdout;
    let wave: Vec<f64> =
        bytes.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]]))).collect();
    let loudest = wave.iter().fold(0.0f64, |loudest, value| loudest.max(value.abs()));
    ensure!(loudest > 300.0, "silence in {input}");
    let (reach, mut centres, mut at) = (RATE * 40 / 1000, Vec::new(), 0);
    while let Some(found) = wave[at..].iter().position(|value| value.abs() > loudest * 0.4) {
        let window = (at + found).saturating_sub(reach)..(at + found + reach).min(wave.len());
        let energy: f64 = wave[window.clone()].iter().map(|value| value * value).sum();
        let moment: f64 = window.clone().map(|index| index as f64 * wave[index] * wave[index]).sum();
        centres.push(moment / energy / RATE as f64);
        at = window.end;
    }
    Ok(centres)
}

/// The first video stream's entry of `ffprobe -show_streams`.
pub fn video_stream(input: &str) -> Result<Value> {
    let (report, _) = tools::ffprobe(&["-select_streams", "v:0", "-show_streams", input], Path::new("."))?;
    Ok(report["streams"][0].clone())
}

fn timescale(stream: &Value) -> Result<Timescale> {
    let text = stream["time_base"].as_str().context("no time base")?;
    let (denominator, numerator) = text.split_once('/').context("a time base is a fraction")?;
    Ok(Timescale { numerator: numerator.parse()?, denominator: denominator.parse()? })
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
