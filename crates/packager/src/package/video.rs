//! One input's picture as a rung.

use std::ops::Range;

use isobmff::{SampleTable, Track};

use super::edits::Placement;
use super::error::PackageError;
use super::{MediaPiece, PackageInput, Samples, push_bytes};
use crate::avc::AvcConfig;
use crate::presentation::{FrameRate, VideoRendition, VideoSegment};
use crate::protection::KeyClass;
use crate::video::{VideoSample, VideoTrack};

/// How much earlier than the longest rung another one may end, in milliseconds.
const END_TOLERANCE_MILLIS: u64 = 500;

/// A video track, before boundaries are chosen.
#[derive(Debug)]
pub(crate) struct VideoCandidate<'a> {
    input: usize,
    name: &'a str,
    samples: &'a SampleTable,
    /// Decode indices of what is shown.
    shown: Range<u32>,
    origin: i64,
    end: u64,
    /// Sync samples that nothing is shown or decoded across: when each is shown, and its decode index.
    clean: Vec<(u64, u32)>,
    track: VideoTrack,
    codecs: String,
    frame_rate: FrameRate,
}

/// A rung, cut into segments.
#[derive(Debug)]
pub(crate) struct VideoSource<'a> {
    pub(crate) id: String,
    pub(crate) track: VideoTrack,
    input: usize,
    samples: &'a SampleTable,
    origin: i64,
    codecs: String,
    frame_rate: FrameRate,
    /// Decode index of each segment's first sample and, last, of the end.
    cuts: Vec<u32>,
}

impl<'a> VideoCandidate<'a> {
    /// Every video track of an input.
    pub(crate) fn all(index: usize, input: PackageInput<'a>) -> Result<Vec<Self>, PackageError> {
        let tracks = input.movie.tracks.iter().filter(|track| track.is_video());
        tracks.map(|track| Self::new(index, input, track)).collect()
    }

    fn new(index: usize, input: PackageInput<'a>, track: &'a Track) -> Result<Self, PackageError> {
        let name = input.name;
        let placement = Placement::of(input.movie, track, name)?;
        let shown = shown_samples(&track.samples, placement, name)?;
        let entry = single_entry(track, shown.clone(), "video", name)?;
        let damaged = |source| PackageError::SampleEntry { input: name.to_owned(), source };
        let config = AvcConfig::from_sample_entry(entry).map_err(damaged)?;
        let upright = track.matrix.orientation().is_some_and(|o| o.quarter_turns == 0 && !o.mirrored);
        if !upright || !AvcConfig::has_square_pixels(entry).map_err(damaged)? {
            return Err(PackageError::NotUpright { input: name.to_owned() });
        }
        let nothing = || PackageError::Nothing { input: name.to_owned(), track: "video" };
        let times: Vec<u64> = track
            .samples
            .range(shown.clone())
            .map(|s| on_timeline(s.presentation_time(), placement.origin))
            .collect();
        let clean = clean_starts(&track.samples, shown.clone(), &times);
        let last = track
            .samples
            .range(shown.clone())
            .max_by_key(isobmff::Sample::presentation_time)
            .ok_or_else(nothing)?;
        let end = on_timeline(last.presentation_time(), placement.origin)
            .saturating_add(last.duration.max(1).into());
        let mut sorted = times;
        sorted.sort_unstable();
        let frame_rate = FrameRate::measure(&sorted, end, track.timescale).ok_or_else(nothing)?;
        Ok(Self {
            input: index,
            name,
            samples: &track.samples,
            shown,
            origin: placement.origin,
            end,
            clean,
            track: VideoTrack {
                timescale: track.timescale,
                width: config.width,
                height: config.height,
                sample_entry: entry.to_vec(),
                reorder_delay: 0,
                protection: None,
            },
            codecs: config.codecs(),
            frame_rate,
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.name
    }

    pub(crate) fn timescale(&self) -> u32 {
        self.track.timescale
    }

    /// When its last frame ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// When a segment can start, in order.
    pub(crate) fn clean_starts(&self) -> Vec<u64> {
        self.clean.iter().map(|&(time, _)| time).collect()
    }

    /// Cuts at `boundaries`, each of which but the first is one of [`Self::clean_starts`]. `end` is that of the longest
    /// rung.
    pub(crate) fn cut(self, boundaries: &[u64], end: u64) -> Result<VideoSource<'a>, PackageError> {
        let early = u128::from(end.saturating_sub(self.end)) * 1000 / u128::from(self.track.timescale);
        let millis = u64::try_from(early).unwrap_or(u64::MAX);
        if millis > END_TOLERANCE_MILLIS {
            return Err(PackageError::EndsEarly { input: self.name.to_owned(), millis });
        }
        let mut cuts = vec![self.shown.start];
        for boundary in boundaries.iter().skip(1) {
            let found = self.clean.binary_search_by_key(boundary, |&(time, _)| time);
            let clean = found.ok().and_then(|at| self.clean.get(at));
            cuts.push(clean.expect("boundaries are chosen from the starts that all candidates have").1);
        }
        cuts.push(self.shown.end);
        let mut source = VideoSource {
            id: String::new(),
            track: self.track,
            input: self.input,
            samples: self.samples,
            origin: self.origin,
            codecs: self.codecs,
            frame_rate: self.frame_rate,
            cuts,
        };
        source.track.reorder_delay = source.measure_reorder_delay();
        Ok(source)
    }
}

impl VideoSource<'_> {
    /// Its part of the presentation.
    pub(crate) fn rendition(&self, segments: Vec<VideoSegment>) -> VideoRendition {
        VideoRendition {
            id: self.id.clone(),
            codecs: self.codecs.clone(),
            width: self.track.width.into(),
            height: self.track.height.into(),
            frame_rate: self.frame_rate,
            segments,
        }
    }

    /// Which key it is encrypted with.
    pub(crate) fn key_class(&self) -> KeyClass {
        KeyClass::of_picture(self.track.width.into(), self.track.height.into())
    }

    /// The segment with this index from 0; `None` when there is none.
    pub(crate) fn segment(&self, index: usize, span: Range<u64>) -> Option<(Samples<'_>, Vec<MediaPiece>)> {
        let range = *self.cuts.get(index)?..*self.cuts.get(index.checked_add(1)?)?;
        let mut media = Vec::new();
        let mut samples = Vec::with_capacity(range.len());
        for sample in self.samples.range(range) {
            let presentation_time = on_timeline(sample.presentation_time(), self.origin);
            samples.push(VideoSample { presentation_time, size: sample.size, sync: sample.sync });
            push_bytes(&mut media, self.input, sample.offset, sample.size);
        }
        Some((Samples::Video { track: &self.track, span, samples }, media))
    }

    /// The longest that any sample's turn in its segment is after its presentation.
    fn measure_reorder_delay(&self) -> u64 {
        let mut longest = 0;
        for (&start, &end) in self.cuts.iter().zip(self.cuts.iter().skip(1)) {
            let shown: Vec<u64> = self
                .samples
                .range(start..end)
                .map(|s| on_timeline(s.presentation_time(), self.origin))
                .collect();
            let mut turns = shown.clone();
            turns.sort_unstable();
            let late = turns.iter().zip(&shown).map(|(turn, shown)| turn.saturating_sub(*shown));
            longest = late.fold(longest, u64::max);
        }
        longest
    }
}

/// The one sample entry that these samples use.
pub(crate) fn single_entry<'a>(
    track: &'a Track,
    samples: Range<u32>,
    kind: &'static str,
    input: &str,
) -> Result<&'a [u8], PackageError> {
    let nothing = || PackageError::Nothing { input: input.to_owned(), track: kind };
    let first = track.samples.get(samples.start).ok_or_else(nothing)?.entry;
    if let Some((_, sample)) =
        track.samples.range(samples.clone()).zip(samples).find(|(s, _)| s.entry != first)
    {
        return Err(PackageError::SeveralEntries { input: input.to_owned(), track: kind, sample });
    }
    let entry = track.entries.get(usize::from(first)).ok_or_else(nothing)?;
    Ok(&entry.raw)
}

/// The decode indices of what the edit list shows, which must be decodable by themselves.
fn shown_samples(
    samples: &SampleTable,
    placement: Placement,
    input: &str,
) -> Result<Range<u32>, PackageError> {
    let shows = |time: i64| placement.shows(time);
    let shown = samples.presentation_times().zip(0_u32..).filter(|&(time, _)| shows(time));
    let (first, last, count) = shown.fold((u32::MAX, 0, 0_u32), |(first, last, count), (_, index)| {
        (first.min(index), last.max(index), count.saturating_add(1))
    });
    if count == 0 {
        return Err(PackageError::Nothing { input: input.to_owned(), track: "video" });
    }
    let range = first..last.saturating_add(1);
    let starts_sync = samples.get(first).is_some_and(|sample| sample.sync);
    if range.end - range.start != count || !starts_sync {
        return Err(PackageError::EditInsideGroup { input: input.to_owned() });
    }
    Ok(range)
}

/// Sync samples after the first one such that all that is decoded before is shown before, and all that is decoded
/// after is shown after. `times` are those of `range`.
fn clean_starts(samples: &SampleTable, range: Range<u32>, times: &[u64]) -> Vec<(u64, u32)> {
    let mut earliest_after: Vec<u64> = times.to_vec();
    let mut earliest = u64::MAX;
    for time in earliest_after.iter_mut().rev() {
        earliest = earliest.min(*time);
        *time = earliest;
    }
    let mut latest_before = None;
    let mut clean = Vec::new();
    let rows = samples.range(range.clone()).zip(range).zip(times.iter().zip(&earliest_after));
    for ((sample, index), (&time, &earliest)) in rows {
        if sample.sync && earliest == time && latest_before.is_some_and(|latest| latest < time) {
            clean.push((time, index));
        }
        latest_before = latest_before.max(Some(time));
    }
    clean
}

/// A time in the media on the timeline. Nothing that is shown is before 0.
fn on_timeline(media_time: i64, origin: i64) -> u64 {
    u64::try_from(media_time.saturating_sub(origin)).unwrap_or(0)
}
