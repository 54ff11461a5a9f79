//! What a source really holds, according to a plain decode with its edit list applied.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::clips::{Clip, Integrity, Picture, Sound};
use crate::reading::{self, Likeness, Times, Timescale, Tolerance};
use crate::tools;

/// The judge's own measurements of a source.
#[derive(Debug)]
pub struct Truth {
    /// The source's entry in the table.
    pub clip: Clip,
    /// The source itself.
    pub path: PathBuf,
    /// Of `times` and `end`.
    pub timescale: Timescale,
    /// Presentation times in ticks, ascending. A first frame that starts late reaches back to 0.
    pub times: Vec<i64>,
    /// Where the last frame ends, in ticks.
    pub end: i64,
    /// Of each of `times`.
    pub likenesses: Vec<Likeness>,
    /// As displayed: after the matrix and with square pixels. Not rounded.
    pub display: (f64, f64),
    /// Centres of pulses in seconds; empty where the clip has none.
    pub pulses: Vec<f64>,
    /// Where the sound ends, in seconds.
    pub sound_end: Option<f64>,
}

impl Truth {
    /// Decodes the source twice: frames and times.
    pub fn of(clip: &Clip, path: &Path) -> Result<Self> {
        let input = path.to_str().context("a path in UTF-8")?;
        let (frames, likenesses) = match clip.integrity {
            Integrity::Whole => whole(clip, input)?,
            Integrity::Damaged { .. } => damaged(input)?,
        };
        let start = start(clip, input)?;
        let shift = (start / frames.timescale.seconds(1)).round() as i64;
        let mut times: Vec<i64> = frames.ticks.into_iter().map(|tick| tick - shift).collect();
        let end = times.last().context("no frames")? + frames.durations.last().copied().unwrap_or(0);
        if let Some(first) = times.first_mut() {
            *first = 0;
        }
        let pulses = match clip.sound {
            Sound::Pulses | Sound::FlashAndBeep => reading::pulses(input)?,
            Sound::None | Sound::Unmarked => vec![],
        };
        let heard = matches!(clip.sound, Sound::Pulses | Sound::FlashAndBeep);
        ensure!(!heard || pulses.len() >= 3, "pulses in `{}`: {pulses:?}", clip.name);
        let sound_end = match clip.sound {
            Sound::None => None,
            _ => reading::packet_times(input, "a:0", Tolerance::Errors)?.map(|sound| {
                let ends = sound.ticks.iter().zip(&sound.durations).map(|(tick, duration)| tick + duration);
                sound.seconds(ends.max().unwrap_or(0)) - start
            }),
        };
        Ok(Self {
            clip: clip.clone(),
            path: path.to_owned(),
            timescale: frames.timescale,
            times,
            end,
            likenesses,
            display: display_size(input, clip.picture)?,
            pulses,
            sound_end,
        })
    }

    /// Filter that turns a displayed picture so that the number is on top.
    pub fn orient(&self) -> Option<&'static str> {
        match self.clip.picture {
            Picture::Turned(90) => Some("transpose=cclock"),
            Picture::Turned(180) => Some("hflip,vflip"),
            Picture::Turned(_) => Some("transpose=clock"),
            Picture::Numbered | Picture::Unmarked => None,
        }
    }

    /// How far a time may be off, in seconds: one tick. Containers that keep no presentation times leave them to the
    /// guess of each reader, and these differ by the depth of reordering.
    pub fn tolerance(&self) -> f64 {
        const GUESS: f64 = 0.1;
        if is_isobmff(&self.clip) { self.timescale.seconds(1) } else { GUESS }
    }

    /// Presentation times in seconds.
    pub fn seconds(&self) -> Vec<f64> {
        self.times.iter().map(|&time| self.timescale.seconds(time)).collect()
    }
}

/// Every frame decodes; its number is upright in the coded picture.
fn whole(clip: &Clip, input: &str) -> Result<(Times, Vec<Likeness>)> {
    let arguments = ["-noautorotate", "-i", input];
    let likenesses = reading::likenesses(&arguments, "0:v:0", None, Tolerance::Strict)?;
    let frames = reading::frame_times(input)?;
    ensure!(
        frames.ticks.len() == likenesses.len(),
        "ffprobe sees {} frames in `{}`, ffmpeg {}",
        frames.ticks.len(),
        clip.name,
        likenesses.len()
    );
    ensure!(frames.ticks.is_sorted(), "frames of `{}` go back in time", clip.name);
    if clip.picture != Picture::Unmarked {
        let rising = likenesses.windows(2).all(|pair| pair[0].number < pair[1].number);
        ensure!(likenesses[0].number.is_some() && rising, "numbers in `{}` cannot be read", clip.name);
    }
    Ok((frames, likenesses))
}

/// Which frames a decoder gives back is its own affair; each sample still has its time, and its number by order.
fn damaged(input: &str) -> Result<(Times, Vec<Likeness>)> {
    let mut packets = reading::packet_times(input, "v:0", Tolerance::Errors)?.context("no video")?;
    packets.ticks.sort_unstable();
    let likeness = |number| Likeness { number: Some(number), tiles: vec![] };
    let likenesses = (0..).map(likeness).take(packets.ticks.len()).collect();
    Ok((packets, likenesses))
}

fn is_isobmff(clip: &Clip) -> bool {
    ["mp4", "mov"].contains(&clip.extension)
}

/// Where the presentation starts, in seconds: at 0 in MP4 and QuickTime, anywhere in other containers.
fn start(clip: &Clip, input: &str) -> Result<f64> {
    if is_isobmff(clip) {
        return Ok(0.0);
    }
    let (report, _) = tools::ffprobe(&["-show_entries", "format=start_time", input], Path::new("."))?;
    Ok(report["format"]["start_time"].as_str().context("no start time")?.parse()?)
}

fn display_size(input: &str, picture: Picture) -> Result<(f64, f64)> {
    let stream = reading::video_stream(input)?;
    let side = |name: &str| stream[name].as_f64().with_context(|| format!("no {name}"));
    let (width, height) = (side("width")?, side("height")?);
    let ratio = stream["sample_aspect_ratio"].as_str().and_then(|text| {
        let (wide, high) = text.split_once(':')?;
        Some(wide.parse::<f64>().ok()? / high.parse::<f64>().ok()?)
    });
    let width = width * ratio.filter(|ratio| ratio.is_finite() && *ratio > 0.0).unwrap_or(1.0);
    Ok(if matches!(picture, Picture::Turned(90 | 270)) { (height, width) } else { (width, height) })
}
