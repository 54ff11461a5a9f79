//! Frames, their times, and how segments fit together.

use std::io::Write;
use std::ops::Range;

use anyhow::{Context, Result, ensure};

use super::{Check, Findings, Output, difference};
use crate::boxes::{self, Rendition, Segment};
use crate::clips::{Integrity, Picture};
use crate::reading::{self, Likeness, Tolerance};
use crate::truth::Truth;

/// How far apart two pictures of the same frame may be, in luma steps per tile, after scaling and encoding.
const LIKENESS_LIMIT: f64 = 9.0;

pub(super) fn check(truth: &Truth, output: &Output, findings: &mut Findings) {
    for video in &output.videos {
        continuity(video, findings);
        independence(video, findings);
        frames(truth, video, findings);
        end(truth, output, video, findings);
    }
    if let Some(audio) = &output.audio {
        continuity(audio, findings);
    }
    let (first, others) = output.videos.split_at(1);
    for (video, first) in others.iter().zip(first.iter().cycle()) {
        let same = video.starts() == first.starts() && video.timescale == first.timescale;
        findings.require(
            same,
            Check::Alignment,
            &video.id,
            format_args!(
                "segments start at {:?}, those of {} at {:?}",
                video.starts(),
                first.id,
                first.starts()
            ),
        );
    }
}

fn continuity(rendition: &Rendition, findings: &mut Findings) {
    let mut add = |number: usize, detail: String| {
        findings.add(Check::Continuity, &rendition.id, format_args!("segment {number}: {detail}"));
    };
    let mut expected = 0;
    for (index, segment) in rendition.segments.iter().enumerate() {
        let number = index + 1;
        if segment.base != expected {
            add(number, format!("tfdt {} where the one before ends at {expected}", segment.base));
        }
        if segment.start() != segment.base {
            add(number, format!("shown from {} but decoded from {}", segment.start(), segment.base));
        }
        if segment.sequence_number as usize != number {
            add(number, format!("sequence number {}", segment.sequence_number));
        }
        if segment.samples.iter().any(|sample| sample.duration <= 0) {
            add(number, "a sample without duration".to_owned());
        }
        let next = rendition.segments.get(number).map_or(i64::MAX, Segment::start);
        if segment.samples.iter().any(|sample| sample.time >= next) {
            add(number, "a sample is shown after the next segment has started".to_owned());
        }
        expected = segment.samples.last().map_or(0, |sample| sample.decode_time + sample.duration);
    }
}

fn independence(video: &Rendition, findings: &mut Findings) {
    const IDR: u8 = 5;
    for (index, segment) in video.segments.iter().enumerate() {
        let Some(first) = segment.samples.first() else { continue };
        let mut add = |detail: String| {
            findings.add(Check::Independence, &video.id, format_args!("segment {}: {detail}", index + 1));
        };
        if !first.sync {
            add("the first sample is not marked sync".to_owned());
        }
        if first.time != segment.start() {
            add("the first sample is not the first shown".to_owned());
        }
        match boxes::nal_types(segment.media(first)) {
            Ok(types) if types.contains(&IDR) => {}
            Ok(types) => add(format!("starts with NAL units {types:?}, no IDR")),
            Err(error) => add(format!("{error:#}")),
        }
    }
}

fn frames(truth: &Truth, video: &Rendition, findings: &mut Findings) {
    let scale = f64::from(video.timescale);
    let tolerance = truth.tolerance() + 1e-9;
    let own: Vec<f64> = video.times().into_iter().map(|time| time as f64 / scale).collect();
    let indices = match truth.clip.integrity {
        Integrity::Whole => {
            if let Some(difference) = difference(&own, &truth.seconds(), tolerance) {
                let check =
                    if own.len() == truth.times.len() { Check::FrameTimes } else { Check::FrameCount };
                findings.add(check, &video.id, difference);
            }
            (0..truth.times.len()).collect()
        }
        Integrity::Damaged { first, end } => {
            let survivors = survivors(&own, &truth.seconds(), tolerance, &(first..end));
            findings.take(Check::FrameTimes, &video.id, survivors).unwrap_or_default()
        }
    };
    if let Some((shown, likenesses)) = findings.take(Check::Structure, &video.id, decoded(truth, video)) {
        if let Some(difference) = difference(&shown, &own, 1.5 / scale) {
            findings.add(Check::FrameTimes, &video.id, format_args!("ffprobe: {difference}"));
        }
        order(truth, &indices, &likenesses, &video.id, findings);
    }
}

/// Which frames of the truth have times in `own`. Each time in `own` must be one of them, and only those in
/// `damaged` may be missing.
fn survivors(own: &[f64], truth: &[f64], tolerance: f64, damaged: &Range<usize>) -> Result<Vec<usize>> {
    let indices = own
        .iter()
        .map(|time| {
            let found = truth.iter().position(|other| (time - other).abs() <= tolerance);
            found.with_context(|| format!("a frame at {time:.6} s, where the source has none"))
        })
        .collect::<Result<Vec<_>>>()?;
    let lost = (0..truth.len()).find(|index| !damaged.contains(index) && !indices.contains(index));
    ensure!(lost.is_none(), "frame {lost:?} is lost without being damaged");
    Ok(indices)
}

/// What ffprobe and ffmpeg make of init and segments, one after the other in a file.
fn decoded(truth: &Truth, video: &Rendition) -> Result<(Vec<f64>, Vec<Likeness>)> {
    let mut file = tempfile::Builder::new().suffix(".mp4").tempfile()?;
    file.write_all(&video.concatenated()?)?;
    let path = file.path().to_str().context("a path in UTF-8")?;
    let frames = reading::frame_times(path)?;
    let packets = reading::stream_times(path, "v:0")?;
    ensure!(
        frames.sorted() == packets.sorted(),
        "ffprobe reports {} frames and {} packets, or other times for them",
        frames.ticks.len(),
        packets.ticks.len()
    );
    let likenesses = reading::likenesses(&["-i", path], "0:v:0", truth.orient(), Tolerance::Strict)?;
    Ok((frames.sorted(), likenesses))
}

fn order(truth: &Truth, indices: &[usize], got: &[Likeness], place: &str, findings: &mut Findings) {
    if got.len() != indices.len() {
        let detail = format!("{} frames decoded, expected {}", got.len(), indices.len());
        findings.add(Check::FrameCount, place, detail);
        return;
    }
    for (position, (own, &index)) in got.iter().zip(indices).enumerate() {
        let want = &truth.likenesses[index];
        let wrong = match (truth.clip.picture, truth.clip.integrity) {
            // What a decoder draws over damage is its own affair.
            (_, Integrity::Damaged { first, end }) if (first..end).contains(&index) => false,
            (Picture::Unmarked, _) => own.distance(want) > LIKENESS_LIMIT,
            _ => want.number.is_none() || own.number != want.number,
        };
        if wrong {
            let detail = format!(
                "frame {position} shows {:?}, expected {:?} (distance {:.1})",
                own.number,
                want.number,
                own.distance(want),
            );
            findings.add(Check::FrameOrder, place, detail);
            return;
        }
    }
}

/// Video ends where the source's does, or where longer sound does.
fn end(truth: &Truth, output: &Output, video: &Rendition, findings: &mut Findings) {
    const AAC_FRAME: f64 = 1024.0 / 44_100.0;
    let own = video.end() as f64 / f64::from(video.timescale);
    let gaps: Vec<i64> = truth.times.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    let (shortest, longest) = (gaps.iter().min().copied(), gaps.iter().max().copied());
    // How long the last frame of a variable-rate file is shown, readers disagree about.
    let constant = longest.unwrap_or(0) - shortest.unwrap_or(0) <= 2;
    let slack =
        if constant { truth.tolerance() } else { truth.timescale.seconds(longest.unwrap_or(0)) } + 1e-9;
    let picture_end = truth.timescale.seconds(truth.end);
    let sound_end = truth.sound_end.filter(|_| output.audio.is_some()).unwrap_or(0.0);
    let earliest = picture_end.max(sound_end - 2.0 * AAC_FRAME) - slack;
    let latest = picture_end.max(sound_end + AAC_FRAME) + slack;
    findings.require(
        (earliest..=latest).contains(&own),
        Check::End,
        &video.id,
        format_args!("ends at {own:.6} s; source: picture {picture_end:.6} s, sound {sound_end:.6} s"),
    );
}
