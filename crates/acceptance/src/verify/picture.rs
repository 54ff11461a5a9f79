//! Parameter sets, shape and colour of a rung.

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Check, Findings};
use crate::boxes::{self, Kind, Rendition};
use crate::reading::{self, Tolerance};
use crate::truth::Truth;

pub(super) fn check(truth: &Truth, video: &Rendition, findings: &mut Findings) {
    parameter_sets(video, findings);
    shape(truth, video, findings);
    if let Some(stream) = findings.take(Check::Structure, &video.id, probe(video)) {
        tags(truth, video, &stream, findings);
    }
    if truth.clip.is_hdr() {
        findings.take(Check::Picture, &video.id, plausible_brightness(video));
    }
}

/// One SPS and one PPS, in the init segment only: then every chunk has them.
fn parameter_sets(video: &Rendition, findings: &mut Findings) {
    const SPS: u8 = 7;
    const PPS: u8 = 8;
    let Kind::Video { avcc, .. } = &video.kind else { return };
    let sets = (avcc.sequence_parameter_sets.len(), avcc.picture_parameter_sets.len());
    findings.require(sets == (1, 1), Check::ParameterSets, &video.id, format_args!("{sets:?} sets in avcC"));
    if let Some(sps) = avcc.sequence_parameter_sets.first() {
        let head = [avcc.avc_profile_indication, avcc.profile_compatibility, avcc.avc_level_indication];
        findings.require(
            sps.get(1..4) == Some(&head[..]),
            Check::ParameterSets,
            &video.id,
            format_args!("avcC says {head:?}, its SPS {:?}", sps.get(1..4)),
        );
    }
    for (index, segment) in video.segments.iter().enumerate() {
        for sample in &segment.samples {
            match boxes::nal_types(segment.media(sample)) {
                Ok(types) if !types.iter().any(|kind| [SPS, PPS].contains(kind)) => {}
                Ok(types) => {
                    let detail = format!("segment {} has NAL units {types:?}", index + 1);
                    return findings.add(Check::ParameterSets, &video.id, detail);
                }
                Err(error) => return findings.add(Check::Structure, &video.id, format_args!("{error:#}")),
            }
        }
    }
}

/// The size is the rung's, even, with the source's display aspect, and no larger than the source.
fn shape(truth: &Truth, video: &Rendition, findings: &mut Findings) {
    let Kind::Video { width, height, .. } = video.kind else { return };
    let (display_width, display_height) = truth.display;
    let mut require = |holds: bool, what: &str| {
        let size = format!("{width}x{height} of {display_width:.1}x{display_height:.1}: {what}");
        findings.require(holds, Check::Ladder, &video.id, size);
    };
    require(width % 2 == 0 && height % 2 == 0, "odd");
    require(video.id == format!("{}p", width.min(height)), "not the rung's shorter side");
    let (width, height) = (f64::from(width), f64::from(height));
    require(width <= display_width + 1.0 && height <= display_height + 1.0, "upscaled");
    // Rounding to even sides moves each of them by one sample at most.
    let ideal = if display_width >= display_height {
        (height * display_width / display_height - width).abs() / (display_width / display_height).max(1.0)
    } else {
        (width * display_height / display_width - height).abs() / (display_height / display_width).max(1.0)
    };
    require(ideal <= 1.01, "another aspect");
}

fn tags(truth: &Truth, video: &Rendition, stream: &Value, findings: &mut Findings) {
    let text = |name: &str| stream[name].as_str().unwrap_or("unknown");
    let mut require = |name: &str, allowed: &[&str]| {
        let value = text(name);
        let detail = format!("{name} is {value}, expected one of {allowed:?}");
        findings.require(allowed.contains(&value), Check::Picture, &video.id, detail);
    };
    require("sample_aspect_ratio", &["1:1"]);
    require("pix_fmt", &["yuv420p"]);
    require("profile", &["High"]);
    require("field_order", &["progressive", "unknown"]);
    require("color_range", &["tv", "unknown"]);
    if truth.clip.is_hdr() {
        for name in ["color_primaries", "color_transfer", "color_space"] {
            require(name, &["bt709"]);
        }
    }
}

/// A picture that lost its tone mapping is far too dark or too bright.
fn plausible_brightness(video: &Rendition) -> Result<()> {
    let file = written(video)?;
    let path = file.path().to_str().context("a path in UTF-8")?;
    let frames = reading::likenesses(&["-i", path], "0:v:0", None, Tolerance::Strict)?;
    let mean = frames.iter().map(reading::Likeness::brightness).sum::<f64>() / frames.len() as f64;
    // `testsrc2` has a mean luma of about 125, and the operator that maps its tones darkens it.
    anyhow::ensure!((60.0..150.0).contains(&mean), "mean luma {mean:.0}");
    Ok(())
}

fn probe(video: &Rendition) -> Result<Value> {
    let file = written(video)?;
    reading::video_stream(file.path().to_str().context("a path in UTF-8")?)
}

fn written(video: &Rendition) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().suffix(".mp4").tempfile()?;
    file.write_all(&video.concatenated()?)?;
    Ok(file)
}
