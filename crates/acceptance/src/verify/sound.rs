//! Sound: where it starts and ends, and that it stays in step with the picture.

use std::io::Write;

use anyhow::{Context, Result};

use super::{Check, Findings, Output};
use crate::boxes::{Kind, Rendition};
use crate::clips::Sound;
use crate::reading::Likeness;
use crate::reading::{self, Tolerance};
use crate::truth::Truth;

/// The promise: sound and picture stay within 20 ms.
const IN_STEP: f64 = 0.020;

pub(super) fn check(truth: &Truth, output: &Output, findings: &mut Findings) {
    let Some(audio) = &output.audio else { return };
    let Some(video) = output.videos.first() else { return };
    form(audio, findings);
    span(audio, video, findings);
    let Some(heard) = findings.take(Check::Sound, "audio", heard(audio)) else { return };
    match truth.clip.sound {
        Sound::None | Sound::Unmarked => {}
        Sound::Pulses => {
            same_pulses(&heard, &truth.pulses, findings);
        }
        Sound::FlashAndBeep => {
            same_pulses(&heard, &truth.pulses, findings);
            for video in &output.videos {
                if let Some(seen) = findings.take(Check::Sound, &video.id, flashes(video)) {
                    in_step(&heard, &seen, &video.id, findings);
                }
            }
        }
    }
}

fn form(audio: &Rendition, findings: &mut Findings) {
    let Kind::Audio { sample_rate, channels } = audio.kind else { return };
    let fine = [44_100, 48_000].contains(&sample_rate) && (1..=2).contains(&channels);
    findings.require(
        fine && audio.timescale == u32::from(sample_rate),
        Check::Sound,
        "audio",
        format_args!("{sample_rate} Hz, {channels} channels, timescale {}", audio.timescale),
    );
    findings.require(audio.media_start == 0, Check::Sound, "audio", "an edit list");
    let odd = audio.samples().find(|sample| sample.duration != 1024 || sample.time != sample.decode_time);
    findings.require(odd.is_none(), Check::Sound, "audio", format_args!("{odd:?}"));
}

/// Sound starts at 0, is cut next to the picture's boundaries, and ends with the picture or within a frame before.
fn span(audio: &Rendition, video: &Rendition, findings: &mut Findings) {
    let (rate, scale) = (f64::from(audio.timescale), f64::from(video.timescale));
    let (end, picture_end) = (audio.end() as f64 / rate, video.end() as f64 / scale);
    findings.require(
        end <= picture_end + 1.0 / rate && end > picture_end - 1024.0 / rate - 1.0 / scale,
        Check::Sound,
        "audio",
        format_args!("sound ends at {end:.6} s, the picture at {picture_end:.6} s"),
    );
    let (cuts, boundaries) = (audio.starts(), video.starts());
    findings.require(
        cuts.len() == boundaries.len(),
        Check::Alignment,
        "audio",
        format_args!("{} segments of sound, {} of picture", cuts.len(), boundaries.len()),
    );
    for (cut, boundary) in cuts.iter().zip(&boundaries) {
        let (cut, boundary) = (*cut as f64 / rate, *boundary as f64 / scale);
        findings.require(
            (cut - boundary).abs() <= 513.0 / rate,
            Check::Alignment,
            "audio",
            format_args!("sound is cut at {cut:.6} s, the picture at {boundary:.6} s"),
        );
    }
}

fn same_pulses(heard: &[f64], truth: &[f64], findings: &mut Findings) {
    // The source's own last pulse may be cut off by the end of the picture.
    let matched = heard.len() == truth.len()
        && heard.iter().zip(truth).all(|(own, source)| (own - source).abs() <= IN_STEP / 2.0);
    findings.require(
        matched,
        Check::Sound,
        "audio",
        format_args!("pulses at {heard:.4?}, in the source at {truth:.4?}"),
    );
}

/// Every flash has its beep and every beep its flash: at the start, at the end and between.
fn in_step(heard: &[f64], seen: &[f64], place: &str, findings: &mut Findings) {
    let matched = heard.len() == seen.len()
        && !seen.is_empty()
        && heard.iter().zip(seen).all(|(beep, flash)| (beep - flash).abs() <= IN_STEP);
    findings.require(
        matched,
        Check::Sound,
        place,
        format_args!("beeps at {heard:.4?}, flashes at {seen:.4?}"),
    );
}

fn heard(audio: &Rendition) -> Result<Vec<f64>> {
    let file = written(audio)?;
    let path = file.path().to_str().context("a path in UTF-8")?;
    let packets = reading::stream_times(path, "a:0")?;
    let start = packets.ticks.first();
    anyhow::ensure!(start == Some(&0), "ffprobe sees the sound start at {start:?}");
    // Silence is sound without pulses.
    Ok(reading::pulses(path).unwrap_or_default())
}

/// Start of each frame that is brighter than the one before by far.
fn flashes(video: &Rendition) -> Result<Vec<f64>> {
    let file = written(video)?;
    let path = file.path().to_str().context("a path in UTF-8")?;
    let frames = reading::likenesses(&["-i", path], "0:v:0", None, Tolerance::Strict)?;
    let times: Vec<f64> =
        video.times().into_iter().map(|time| time as f64 / f64::from(video.timescale)).collect();
    anyhow::ensure!(times.len() == frames.len(), "{} frames for {} times", frames.len(), times.len());
    let bright: Vec<bool> = frames.iter().map(|frame| Likeness::brightness(frame) > 200.0).collect();
    Ok((0..bright.len())
        .filter(|&at| bright[at] && (at == 0 || !bright[at - 1]))
        .map(|at| times[at])
        .collect())
}

fn written(rendition: &Rendition) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().suffix(".mp4").tempfile()?;
    file.write_all(&rendition.concatenated()?)?;
    Ok(file)
}
