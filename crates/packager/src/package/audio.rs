//! One input's sound, on the grid of AAC frames.

use std::ops::Range;

use isobmff::{SampleTable, Track};

use super::edits::Placement;
use super::error::PackageError;
use super::{MediaPiece, PackageInput, Samples, push_bytes};
use crate::aac::{AAC_FRAME_SAMPLES, AudioSpecificConfig};
use crate::audio::{AudioTrack, audio_segment_bounds};
use crate::language::language_tag;
use crate::presentation::{AudioRendition, end};
use crate::sample_entry::SampleEntryError;

/// What whole frames cannot express is left as it is up to this; beyond, it would be heard.
const OFFSET_TOLERANCE_MICROS: u64 = 5_000;
const FRAME: i64 = 1024;

/// A sound track: silence, frames of the input, silence.
#[derive(Debug)]
pub(crate) struct AudioSource<'a> {
    pub(crate) id: String,
    pub(crate) track: AudioTrack,
    name: &'a str,
    input: usize,
    samples: &'a SampleTable,
    /// Frames of silence before.
    lead: u64,
    /// Samples of the table that are used.
    used: Range<u32>,
    /// Frames of each segment, once cut.
    bounds: Vec<Range<u64>>,
}

impl<'a> AudioSource<'a> {
    /// Every audio track of an input.
    pub(crate) fn all(index: usize, input: PackageInput<'a>) -> Result<Vec<Self>, PackageError> {
        let tracks = input.movie.tracks.iter().filter(|track| track.is_audio() && !track.samples.is_empty());
        tracks.map(|track| Self::new(index, input, track)).collect()
    }

    fn new(index: usize, input: PackageInput<'a>, track: &'a Track) -> Result<Self, PackageError> {
        let name = input.name;
        let config = config(track, name)?;
        check_grid(track, config, name)?;
        let placement = Placement::of(input.movie, track, name)?;
        let samples = &track.samples;
        let first_time = samples.get(0).map_or(0, |sample| sample.decode_time);
        let shift = nearest_frames(first_time.saturating_sub(placement.origin), config, name)?;
        let ends = i64::from(samples.len()).saturating_mul(FRAME).saturating_add(first_time);
        let unused = ends.saturating_sub(placement.end.max(first_time)).max(0) / FRAME;
        let used_end = samples.len().saturating_sub(u32::try_from(unused).unwrap_or(u32::MAX));
        let dropped = u32::try_from(shift.min(0).unsigned_abs()).unwrap_or(u32::MAX);
        Ok(Self {
            id: String::new(),
            track: AudioTrack { config, language: track.language, protection: None },
            name,
            input: index,
            samples,
            lead: shift.max(0).unsigned_abs(),
            used: dropped.min(used_end)..used_end,
            bounds: Vec::new(),
        })
    }

    /// `None` when nobody knows.
    pub(crate) fn language(&self) -> Option<String> {
        language_tag(self.track.language)
    }

    pub(crate) fn segment_count(&self) -> u32 {
        u32::try_from(self.bounds.len()).unwrap_or(u32::MAX)
    }

    /// Until when the last video frame has to last, so that the sound does not outlast it. A last frame that overlaps the
    /// video's end is left out instead.
    pub(crate) fn needs_video_until(&self, video_end: u64, timescale: u32) -> u64 {
        if self.frames() <= self.whole_frames(video_end, timescale).saturating_add(1) {
            return video_end;
        }
        let samples = u128::from(self.frames()) * u128::from(AAC_FRAME_SAMPLES);
        let ticks = (samples * u128::from(timescale)).div_ceil(self.track.config.sample_rate().into());
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Makes it as long as the video, less than one frame short, and cuts it near the video's boundaries.
    pub(crate) fn cut(
        &mut self,
        index: usize,
        boundaries: &[u64],
        timescale: u32,
    ) -> Result<(), PackageError> {
        let frames = self.whole_frames(end(boundaries), timescale);
        let config = self.track.config;
        let padded = self.lead > 0 || self.frames() < frames;
        if padded && config.silent_frame().is_none() {
            let channels = config.channels();
            return Err(PackageError::NoSilence { input: self.name.to_owned(), channels });
        }
        self.id = match (index, self.language()) {
            (0, _) => "audio".to_owned(),
            (_, Some(language)) => format!("audio-{language}"),
            (_, None) => "audio-und".to_owned(),
        };
        self.bounds = audio_segment_bounds(boundaries, timescale, config.sample_rate(), frames);
        Ok(())
    }

    /// Its part of the presentation.
    pub(crate) fn rendition(&self, segments: Vec<u64>) -> AudioRendition {
        let config = self.track.config;
        let ends = self.bounds.iter().map(|bounds| bounds.end * u64::from(AAC_FRAME_SAMPLES));
        AudioRendition {
            id: self.id.clone(),
            codecs: config.codecs(),
            sample_rate: config.sample_rate(),
            channels: config.channels(),
            language: self.language(),
            boundaries: std::iter::once(0).chain(ends).collect(),
            segments,
        }
    }

    /// The segment with this index from 0; `None` when there is none.
    pub(crate) fn segment(&self, index: usize) -> Option<(Samples<'_>, Vec<MediaPiece>)> {
        let bounds = self.bounds.get(index)?.clone();
        let silence = self.track.config.silent_frame().unwrap_or_default();
        let silent_size = u32::try_from(silence.len()).ok()?;
        let used = self.in_table(bounds.start)..self.in_table(bounds.end);
        let lead = self.lead.min(bounds.end).saturating_sub(bounds.start);
        let mut sizes = Vec::new();
        let mut media = Vec::new();
        for _ in 0..lead {
            sizes.push(silent_size);
            media.push(MediaPiece::Silence(silence));
        }
        for sample in self.samples.range(used) {
            sizes.push(sample.size);
            push_bytes(&mut media, self.input, sample.offset, sample.size);
        }
        let wanted = usize::try_from(bounds.end - bounds.start).ok()?;
        while sizes.len() < wanted {
            sizes.push(silent_size);
            media.push(MediaPiece::Silence(silence));
        }
        Some((Samples::Audio { track: &self.track, first_frame: bounds.start, sizes }, media))
    }

    /// The place in the table of a frame of the timeline, inside of what is used.
    fn in_table(&self, frame: u64) -> u32 {
        let used = u32::try_from(frame.saturating_sub(self.lead)).unwrap_or(u32::MAX);
        self.used.start.saturating_add(used).min(self.used.end)
    }

    /// Frames up to the end of what the input has.
    fn frames(&self) -> u64 {
        self.lead.saturating_add(u64::from(self.used.end - self.used.start))
    }

    /// Frames that fit before a time.
    fn whole_frames(&self, ticks: u64, timescale: u32) -> u64 {
        let samples = u128::from(ticks) * u128::from(self.track.config.sample_rate());
        let frames = samples / (u128::from(timescale) * u128::from(AAC_FRAME_SAMPLES));
        u64::try_from(frames).unwrap_or(u64::MAX)
    }
}

fn config(track: &Track, input: &str) -> Result<AudioSpecificConfig, PackageError> {
    let first = track.samples.get(0).map_or(0, |sample| sample.entry);
    if let Some((_, sample)) = track.samples.iter().zip(0..).find(|(sample, _)| sample.entry != first) {
        return Err(PackageError::SeveralEntries { input: input.to_owned(), track: "audio", sample });
    }
    let entry = track.entries.get(usize::from(first)).ok_or(SampleEntryError::Damaged);
    entry
        .and_then(AudioSpecificConfig::from_sample_entry)
        .map_err(|source| PackageError::SampleEntry { input: input.to_owned(), source })
}

/// Checks that frames follow each other every 1024 samples on a clock that counts samples. The last one may be declared
/// shorter.
fn check_grid(track: &Track, config: AudioSpecificConfig, input: &str) -> Result<(), PackageError> {
    let off_grid = |frame| PackageError::AudioGrid { input: input.to_owned(), frame };
    if track.timescale != config.sample_rate() {
        return Err(off_grid(0));
    }
    let last = track.samples.len().saturating_sub(1);
    let gap = track.samples.range(0..last).zip(0..).find(|(sample, _)| sample.duration != AAC_FRAME_SAMPLES);
    gap.map_or(Ok(()), |(_, frame)| Err(off_grid(frame)))
}

/// The whole frames nearest to an offset in samples.
fn nearest_frames(samples: i64, config: AudioSpecificConfig, input: &str) -> Result<i64, PackageError> {
    let frames = samples.saturating_add(FRAME / 2).div_euclid(FRAME);
    let rest = samples.saturating_sub(frames.saturating_mul(FRAME)).unsigned_abs();
    let micros = rest.saturating_mul(1_000_000) / u64::from(config.sample_rate());
    if micros > OFFSET_TOLERANCE_MICROS {
        return Err(PackageError::AudioOffset { input: input.to_owned(), micros });
    }
    Ok(frames)
}
