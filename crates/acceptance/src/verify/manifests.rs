//! What the manifests tell, against the boxes and against each other, and what players make of them over HTTP.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Check, Findings, Output, difference};
use crate::boxes::{Kind, Rendition};
use crate::http::StaticServer;
use crate::manifests::{self, Measure, Told, ToldKind, ToldTrack};
use crate::truth::Truth;
use crate::{reading, tools};

/// Manifests of the two flavours: DASH and HLS of each.
const FLAVOURS: [(&str, &str); 2] =
    [("mp4/manifest.mpd", "master.m3u8"), ("mov/manifest.mpd", "mov/master.m3u8")];
/// EXTINF has six decimals and passes through an `f32`.
const ROUNDING: f64 = 2e-5;

pub(super) fn check(truth: &Truth, output: &Output, root: &Path, findings: &mut Findings) {
    for (mpd, master) in FLAVOURS {
        let dash = findings.take(Check::Manifest, mpd, manifests::dash(root, mpd));
        let hls = findings.take(Check::Manifest, master, manifests::hls(root, master));
        if let Some(dash) = &dash {
            told(dash, output, root, mpd, findings);
        }
        if let Some(hls) = &hls {
            told(hls, output, root, master, findings);
        }
        if let (Some(dash), Some(hls)) = (&dash, &hls) {
            findings.take(Check::Manifest, master, same_presentation(dash, hls));
        }
        findings.take(Check::Manifest, master, key_frames(output, root, master));
    }
    findings.take(Check::Manifest, "mov", flavours_differ_in_brands_only(output, root));
    findings.take(Check::Delivery, ".", delivery(truth, output, root));
    findings.take(Check::Picture, "poster.jpg", artwork(root));
}

fn told(told: &Told, output: &Output, root: &Path, place: &str, findings: &mut Findings) {
    let renditions: Vec<&Rendition> = output.videos.iter().chain(&output.audio).collect();
    findings.require(
        told.tracks.len() == renditions.len(),
        Check::Manifest,
        place,
        format_args!("{} tracks for {} renditions", told.tracks.len(), renditions.len()),
    );
    for rendition in renditions {
        let track = told.track(&rendition.id).context("not in the manifest");
        let result = track.and_then(|track| told_track(track, rendition, root));
        findings.take(Check::Manifest, &format!("{place} {}", rendition.id), result);
    }
    if let (Some(duration), Some(video)) = (told.duration, output.videos.first()) {
        let end = video.end() as f64 / f64::from(video.timescale);
        findings.require(
            (duration - end).abs() <= 0.001,
            Check::Manifest,
            place,
            format_args!("mediaPresentationDuration {duration}, the picture ends at {end:.6}"),
        );
    }
}

/// Segments, their times, sizes, codecs and bandwidth are those of the boxes.
fn told_track(track: &ToldTrack, rendition: &Rendition, root: &Path) -> Result<()> {
    let scale = f64::from(rendition.timescale);
    let mut starts: Vec<f64> = rendition.starts().iter().map(|&start| start as f64 / scale).collect();
    starts.push(rendition.end() as f64 / scale);
    ensure!(
        track.segments.len() == rendition.segments.len(),
        "{} segments told, {} stored",
        track.segments.len(),
        rendition.segments.len()
    );
    for (index, told) in track.segments.iter().enumerate() {
        let path = format!("{}/{}.m4s", rendition.id, index + 1);
        ensure!(told.path == Path::new(&path), "segment {} is {}", index + 1, told.path.display());
        let (start, end) = (starts[index], starts[index + 1]);
        let rounding = ROUNDING * (index + 1) as f64;
        ensure!(
            (told.start - start).abs() <= rounding && (told.duration - (end - start)).abs() <= ROUNDING,
            "segment {} told as {:.6} + {:.6} s, is {start:.6} + {:.6} s",
            index + 1,
            told.start,
            told.duration,
            end - start
        );
    }
    ensure!(root.join(&track.init).is_file(), "no {}", track.init.display());
    let needed = rate_needed(rendition, &starts, track.measure);
    ensure!(
        track.bandwidth == 0 || track.bandwidth as f64 >= needed - 1.0,
        "bandwidth {} where {needed:.0} is needed",
        track.bandwidth
    );
    match (&rendition.kind, track.kind) {
        (Kind::Video { avcc, width, height }, ToldKind::Video { width: told_width, height: told_height }) => {
            ensure!(
                (u64::from(*width), u64::from(*height)) == (told_width, told_height),
                "told as {told_width}x{told_height}, is {width}x{height}"
            );
            let [profile, compatibility, level] =
                [avcc.avc_profile_indication, avcc.profile_compatibility, avcc.avc_level_indication];
            let codecs = format!("avc1.{profile:02x}{compatibility:02x}{level:02x}");
            ensure!(
                track.codecs.eq_ignore_ascii_case(&codecs),
                "codecs {} told, {codecs} by avcC",
                track.codecs
            );
        }
        (Kind::Audio { .. }, ToldKind::Audio) => {
            ensure!(["", "mp4a.40.2"].contains(&&track.codecs[..]), "codecs {}", track.codecs);
        }
        _ => anyhow::bail!("told as another kind"),
    }
    Ok(())
}

/// The rate that the standards ask for, by the bytes that are stored.
fn rate_needed(rendition: &Rendition, starts: &[f64], measure: Measure) -> f64 {
    let bits: Vec<f64> = rendition.segments.iter().map(|segment| segment.bytes.len() as f64 * 8.0).collect();
    let mut needed = 0.0f64;
    for first in 0..bits.len() {
        for last in first..bits.len() {
            let all: f64 = bits[first..=last].iter().sum();
            let span = match measure {
                Measure::MinBuffer(buffer) => Some(buffer + starts[last] - starts[first]),
                Measure::Target(target) => Some(starts[last + 1] - starts[first])
                    .filter(|span| (0.5 * target..=1.5 * target).contains(span)),
            };
            needed = needed.max(span.map_or(0.0, |span| all / span));
        }
    }
    needed
}

fn same_presentation(dash: &Told, hls: &Told) -> Result<()> {
    ensure!(
        dash.tracks.len() == hls.tracks.len(),
        "{} tracks, DASH has {}",
        hls.tracks.len(),
        dash.tracks.len()
    );
    for one in &dash.tracks {
        let other = hls.track(&one.id).with_context(|| format!("{} is in DASH only", one.id))?;
        ensure!(one.kind == other.kind && one.init == other.init, "{} differs from DASH", one.id);
        ensure!(
            other.codecs.is_empty() || one.codecs == other.codecs,
            "{}: codecs {}, in DASH {}",
            one.id,
            other.codecs,
            one.codecs
        );
        let paths = |track: &ToldTrack| track.segments.iter().map(|s| s.path.clone()).collect::<Vec<_>>();
        ensure!(paths(one) == paths(other), "{}: other segments than DASH", one.id);
    }
    Ok(())
}

/// Each entry spans from `moof` to the end of the segment's first sample.
fn key_frames(output: &Output, root: &Path, master: &str) -> Result<()> {
    let told = manifests::key_frames(root, master)?;
    ensure!(told.len() == output.videos.len(), "{} I-frame playlists", told.len());
    for video in &output.videos {
        let found = told.iter().find(|(id, _)| *id == video.id);
        let (_, frames) = found.with_context(|| format!("no I-frame playlist for {}", video.id))?;
        ensure!(frames.len() == video.segments.len(), "{}: {} I-frames", video.id, frames.len());
        for (index, (frame, segment)) in frames.iter().zip(&video.segments).enumerate() {
            let path = format!("{}/{}.m4s", video.id, index + 1);
            ensure!(frame.path == Path::new(&path), "I-frame {} is in {}", index + 1, frame.path.display());
            let end = segment.samples.first().map_or(0, |sample| sample.range.end);
            let range = (segment.moof_start as u64, (end - segment.moof_start) as u64);
            ensure!(
                (frame.offset, frame.length) == range,
                "I-frame {} at {}+{}, expected {range:?}",
                index + 1,
                frame.offset,
                frame.length
            );
        }
    }
    Ok(())
}

/// After `ftyp`, both init segments are the same bytes.
fn flavours_differ_in_brands_only(output: &Output, root: &Path) -> Result<()> {
    for rendition in output.videos.iter().chain(&output.audio) {
        let mp4 = fs::read(root.join(&rendition.id).join("init.mp4"))?;
        let mov = fs::read(root.join("mov").join(&rendition.id).join("init.mp4"))?;
        ensure!(mov.get(4..12) == Some(b"ftypqt  "), "mov/{}/init.mp4 is not QuickTime", rendition.id);
        ensure!(after_first_box(&mp4)? == after_first_box(&mov)?, "mov/{}: another moov", rendition.id);
    }
    Ok(())
}

fn after_first_box(file: &[u8]) -> Result<&[u8]> {
    let size = file.first_chunk::<4>().context("an empty init segment")?;
    file.get(u32::from_be_bytes(*size) as usize..).context("a cut init segment")
}

/// ffprobe and ffmpeg as players: the same times on every rung, and not a word on stderr.
fn delivery(truth: &Truth, output: &Output, root: &Path) -> Result<()> {
    let server = StaticServer::start(root)?;
    let reference = output.videos.first().context("no video")?;
    let scale = f64::from(reference.timescale);
    let want: Vec<f64> = reference.times().into_iter().map(|time| time as f64 / scale).collect();
    for manifest in FLAVOURS.into_iter().flat_map(|(mpd, master)| [mpd, master]) {
        let url = server.url(manifest);
        // One at a time, as a player does: ffmpeg's DASH demuxer stops when the first of several ends.
        for (index, video) in output.videos.iter().enumerate() {
            let stream = reading::stream_times(&url, &format!("v:{index}")).context(manifest)?;
            if let Some(difference) = difference(&stream.sorted(), &want, truth.tolerance() + 1e-6) {
                anyhow::bail!("{manifest} {}: {difference}", video.id);
            }
        }
        if let Some(audio) = &output.audio {
            let sound = reading::stream_times(&url, "a:0").context(manifest)?;
            let own = audio.times().into_iter().map(|time| time as f64 / f64::from(audio.timescale));
            if let Some(difference) = difference(&sound.sorted(), &own.collect::<Vec<_>>(), 1e-4) {
                anyhow::bail!("{manifest} audio: {difference}");
            }
        }
    }
    for manifest in [FLAVOURS[0].0, FLAVOURS[0].1] {
        let url = server.url(manifest);
        let sink = ["-fps_mode", "passthrough", "-enc_time_base:v", "1/90000", "-f", "null", "-"];
        let args = [&["-i", &url, "-map", "0:v", "-map", "0:a?"], &sink[..]].concat();
        tools::ffmpeg_quiet(&args, Path::new(".")).with_context(|| format!("playing {manifest}"))?;
    }
    Ok(())
}

fn artwork(root: &Path) -> Result<()> {
    let poster = root.join("poster.jpg");
    let stream = reading::video_stream(poster.to_str().context("a path in UTF-8")?)?;
    ensure!(stream["codec_name"] == "mjpeg", "poster.jpg is {}", stream["codec_name"]);
    let storyboard = fs::read_to_string(root.join("storyboard.vtt")).context("storyboard.vtt")?;
    ensure!(storyboard.starts_with("WEBVTT"), "storyboard.vtt is not WebVTT");
    Ok(())
}
