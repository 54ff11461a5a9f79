//! Compares an output folder with the truth about its source. Every deviation is a [`Finding`].

mod manifests;
mod picture;
mod sound;
mod timing;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::boxes::{Kind, Rendition};
use crate::clips::Sound;
use crate::truth::Truth;

/// What kind of deviation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Which renditions exist, and their sizes.
    Ladder,
    /// A file that cannot be read, or two readers disagree about it.
    Structure,
    /// Number of frames.
    FrameCount,
    /// Which frames, in which order.
    FrameOrder,
    /// Presentation times, by boxes or by ffprobe.
    FrameTimes,
    /// Where the presentation ends.
    End,
    /// Decode times run through; segments meet without gap or overlap.
    Continuity,
    /// Segments start with an IDR, which is shown first.
    Independence,
    /// Segments start at the same time on all rungs.
    Alignment,
    /// SPS and PPS, and the codecs string made of them.
    ParameterSets,
    /// Shape, scan and colour.
    Picture,
    /// Pulses, start and end of the sound.
    Sound,
    /// DASH or HLS tell something else than the boxes, or than each other.
    Manifest,
    /// A player complains, or sees something else over HTTP.
    Delivery,
}

/// One deviation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule it breaks.
    pub check: Check,
    /// Folder or manifest.
    pub place: String,
    /// What was found, and what was expected.
    pub detail: String,
}

/// How much to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The renditions themselves.
    Media,
    /// Also manifests, over HTTP too.
    Everything,
}

/// An output folder, read.
#[derive(Debug)]
pub struct Output {
    /// Lowest rung first.
    pub videos: Vec<Rendition>,
    /// The folder `audio`.
    pub audio: Option<Rendition>,
}

/// Findings as they are collected.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

/// Verifies the folder `root`, made from the source that `truth` describes.
pub fn verify(truth: &Truth, root: &Path, depth: Depth) -> Vec<Finding> {
    let mut findings = Findings::default();
    let Some(output) = read(truth, root, &mut findings) else { return findings.0 };
    timing::check(truth, &output, &mut findings);
    for video in &output.videos {
        picture::check(truth, video, &mut findings);
    }
    sound::check(truth, &output, &mut findings);
    if depth == Depth::Everything {
        manifests::check(truth, &output, root, &mut findings);
    }
    findings.0
}

impl Findings {
    /// Adds a finding.
    pub fn add(&mut self, check: Check, place: &str, detail: impl fmt::Display) {
        self.0.push(Finding { check, place: place.to_owned(), detail: detail.to_string() });
    }

    /// Adds a finding unless `holds`.
    pub fn require(&mut self, holds: bool, check: Check, place: &str, detail: impl fmt::Display) {
        if !holds {
            self.add(check, place, detail);
        }
    }

    /// Takes the value, or keeps the error as a finding.
    pub fn take<T>(&mut self, check: Check, place: &str, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(check, place, format_args!("{error:#}"))).ok()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}: {}", self.check, self.place, self.detail)
    }
}

/// The first place where two ascending lists of seconds differ by more than `tolerance`.
pub(crate) fn difference(got: &[f64], want: &[f64], tolerance: f64) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} frames, expected {}", got.len(), want.len()));
    }
    let off = got.iter().zip(want).position(|(got, want)| (got - want).abs() > tolerance)?;
    Some(format!("frame {off} at {:.6} s, expected {:.6} s (± {tolerance:.6})", got[off], want[off]))
}

fn read(truth: &Truth, root: &Path, findings: &mut Findings) -> Option<Output> {
    let mut found: Vec<String> = std::fs::read_dir(root)
        .map(|entries| {
            let folders = entries.flatten().filter(|entry| entry.path().join("init.mp4").is_file());
            folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    found.sort_by_key(|name| (name.len(), name.clone()));
    let mut expected = expected_rungs(truth.display);
    if truth.clip.sound != Sound::None {
        expected.push("audio".to_owned());
    }
    let mut sorted = expected.clone();
    sorted.sort_by_key(|name| (name.len(), name.clone()));
    findings.require(found == sorted, Check::Ladder, ".", format_args!("{found:?}, expected {sorted:?}"));
    let (mut videos, mut audio) = (Vec::new(), None);
    for id in &found {
        let rendition = findings.take(Check::Structure, id, Rendition::read(root, id))?;
        findings.take(Check::Structure, id, agree_with_isobmff(&rendition));
        match rendition.kind {
            Kind::Video { .. } => videos.push(rendition),
            Kind::Audio { .. } => audio = Some(rendition),
        }
    }
    findings.require(!videos.is_empty(), Check::Ladder, ".", "no video");
    (!videos.is_empty()).then_some(Output { videos, audio })
}

/// Rungs on the shorter side, never upscaled; a source below the lowest gets one of its own even size.
fn expected_rungs(display: (f64, f64)) -> Vec<String> {
    let shorter = display.0.min(display.1).round() as u32;
    let rungs = [360, 480, 720, 1080].into_iter().filter(|&rung| rung <= shorter);
    let mut names: Vec<String> = rungs.map(|rung| format!("{rung}p")).collect();
    if names.is_empty() {
        names.push(format!("{}p", shorter & !1));
    }
    names
}

/// `isobmff` must read the same samples out of the concatenated rendition as `mp4-atom` did.
fn agree_with_isobmff(rendition: &Rendition) -> Result<()> {
    let limits = isobmff::Limits {
        max_header_bytes: 1 << 24,
        max_samples: 1 << 20,
        max_tracks: 4,
        max_boxes: 1 << 16,
    };
    let movie = isobmff::index_slice(&rendition.concatenated()?, limits)?;
    let [track] = &movie.tracks[..] else { anyhow::bail!("isobmff sees {} tracks", movie.tracks.len()) };
    let own: Vec<_> = track
        .samples
        .iter()
        .map(|sample| {
            let time = sample.decode_time + i64::from(sample.composition_offset) - rendition.media_start;
            (sample.decode_time, time, sample.size as usize, sample.sync)
        })
        .collect();
    let other: Vec<_> = rendition
        .samples()
        .map(|sample| (sample.decode_time, sample.time, sample.range.len(), sample.sync))
        .collect();
    anyhow::ensure!(own == other, "isobmff and mp4-atom read different samples");
    anyhow::ensure!(track.timescale == rendition.timescale, "isobmff reads timescale {}", track.timescale);
    Ok(())
}
