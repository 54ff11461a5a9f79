//! Existing MP4 renditions → CMAF, without touching a sample: what to write, and which bytes to copy from where.

mod audio;
mod edits;
mod error;
mod video;

use std::cmp::Ordering;
use std::ops::Range;

use isobmff::{ByteRange, Movie};

use self::audio::AudioSource;
pub use self::error::PackageError;
use self::video::{VideoCandidate, VideoSource};
use crate::audio::AudioTrack;
use crate::layout::Flavour;
use crate::presentation::{Presentation, PresentationParts, VideoSegment};
use crate::protection::{EncryptionError, KeyClass, MissingKey, Protection, SampleInformation, TrackCipher};
use crate::segment::Segment;
use crate::video::{VideoSample, VideoTrack};

/// One file to package.
#[derive(Debug, Clone, Copy)]
pub struct PackageInput<'a> {
    /// What errors call it, e.g. its file name.
    pub name: &'a str,
    /// Its index.
    pub movie: &'a Movie,
}

/// How long segments may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageRules {
    /// Boundaries are at the common sync samples nearest to this many milliseconds after one another, until no more than
    /// that is left.
    pub target_millis: u32,
    /// Inputs without a common sync sample for longer than this are refused.
    pub longest_millis: u32,
}

impl Default for PackageRules {
    fn default() -> Self {
        Self { target_millis: 4_000, longest_millis: 12_000 }
    }
}

/// A plan for all inputs: each AVC track becomes a rung, the first AAC track of each language a sound track.
///
/// Boundaries are shared sync samples, so every rung can be switched to at every segment. Segments are made one at a
/// time, in any order, and hold no media: memory is that of the inputs' tables.
#[derive(Debug)]
pub struct Package<'a> {
    timescale: u32,
    boundaries: Vec<u64>,
    video: Vec<VideoSource<'a>>,
    audio: Vec<AudioSource<'a>>,
}

/// One rendition of a [`Package`].
#[derive(Debug, Clone, Copy)]
pub struct PackagedRendition<'p> {
    boundaries: &'p [u64],
    source: Source<'p>,
}

/// A segment before its header is made, which may depend on its media.
#[derive(Debug, Clone)]
pub struct PackagedSegment<'p> {
    /// What follows the header, in order; neighbouring samples are one piece.
    pub media: Vec<MediaPiece>,
    rendition: &'p str,
    number: u32,
    samples: Samples<'p>,
}

#[derive(Debug, Clone)]
enum Samples<'p> {
    Video { track: &'p VideoTrack, span: Range<u64>, samples: Vec<VideoSample> },
    Audio { track: &'p AudioTrack, first_frame: u64, sizes: Vec<u32> },
}

/// Some of a segment's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaPiece {
    /// Bytes of an input.
    Source {
        /// Index of the input.
        input: usize,
        /// Where in it.
        range: ByteRange,
    },
    /// Bytes that no input has: a frame of silence.
    Silence(&'static [u8]),
}

impl<'a> Package<'a> {
    /// Plans all inputs, or says why they are not one presentation.
    pub fn new(inputs: &[PackageInput<'a>], rules: PackageRules) -> Result<Self, PackageError> {
        let mut candidates = Vec::new();
        let mut audio: Vec<AudioSource<'a>> = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            let missing = input.movie.missing_bytes();
            if missing > 0 {
                return Err(PackageError::Truncated { input: input.name.to_owned(), missing });
            }
            candidates.extend(VideoCandidate::all(index, *input)?);
            for source in AudioSource::all(index, *input)? {
                if audio.iter().all(|taken| taken.language() != source.language()) {
                    audio.push(source);
                }
            }
        }
        let Some(first) = candidates.first() else { return Err(PackageError::NoVideo) };
        let timescale = first.timescale();
        let boundaries = choose_boundaries(&candidates, timescale, rules)?;
        let video_end = candidates.iter().map(VideoCandidate::end).max().unwrap_or_default();
        let end = audio.iter().map(|source| source.needs_video_until(video_end, timescale));
        let end = end.fold(video_end, u64::max);
        let mut video = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            video.push(candidate.cut(&boundaries, video_end)?);
        }
        name_rungs(&mut video);
        let mut package = Self { timescale, boundaries, video, audio };
        package.boundaries.push(end);
        for (index, source) in package.audio.iter_mut().enumerate() {
            source.cut(index, &package.boundaries, timescale)?;
        }
        package.audio.retain(|source| source.segment_count() > 0);
        Ok(package)
    }

    /// Every rendition, video first.
    pub fn renditions(&self) -> impl Iterator<Item = PackagedRendition<'_>> {
        let sources = self.video.iter().map(Source::Video).chain(self.audio.iter().map(Source::Audio));
        sources.map(|source| PackagedRendition { boundaries: &self.boundaries, source })
    }

    /// Encrypts every rendition: from now on init segments say so, and the media of segments has to go through
    /// [`PackagedRendition::cipher`].
    pub fn protect(&mut self, protection: &Protection) -> Result<(), MissingKey> {
        for source in &mut self.video {
            source.track.protection = Some(protection.track(source.key_class())?);
        }
        for source in &mut self.audio {
            source.track.protection = Some(protection.track(KeyClass::Audio)?);
        }
        Ok(())
    }

    /// What manifests are made of, as long as nothing is encrypted: that makes headers longer.
    pub fn presentation(&self) -> Result<Presentation, PackageError> {
        let mut video = Vec::with_capacity(self.video.len());
        let mut audio = Vec::with_capacity(self.audio.len());
        for rendition in self.renditions() {
            let mut segments = Vec::new();
            for number in 1..=rendition.segment_count() {
                let segment = rendition.segment(number)?.with(&SampleInformation::Clear)?;
                segments.push(VideoSegment { bytes: segment.bytes(), iframe_bytes: segment.iframe_bytes() });
            }
            match rendition.source {
                Source::Video(source) => video.push(source.rendition(segments)),
                Source::Audio(source) => {
                    audio.push(source.rendition(segments.iter().map(|segment| segment.bytes).collect()));
                }
            }
        }
        let parts = PresentationParts {
            timescale: self.timescale,
            boundaries: self.boundaries.clone(),
            video,
            audio,
            images: Vec::new(),
            text: Vec::new(),
            protection: None,
        };
        Ok(Presentation::new(parts)?)
    }
}

#[derive(Debug, Clone, Copy)]
enum Source<'p> {
    Video(&'p VideoSource<'p>),
    Audio(&'p AudioSource<'p>),
}

impl PackagedRendition<'_> {
    /// Its folder's name.
    pub fn id(&self) -> &str {
        match self.source {
            Source::Video(source) => &source.id,
            Source::Audio(source) => &source.id,
        }
    }

    /// Segments are numbered from 1 to this.
    pub fn segment_count(&self) -> u32 {
        match self.source {
            Source::Video(_) => u32::try_from(self.boundaries.len().saturating_sub(1)).unwrap_or(u32::MAX),
            Source::Audio(source) => source.segment_count(),
        }
    }

    /// Its init segment.
    pub fn init(&self, flavour: Flavour) -> Vec<u8> {
        match self.source {
            Source::Video(source) => source.track.init(flavour),
            Source::Audio(source) => source.track.init(flavour),
        }
    }

    /// Encrypts its samples, segment by segment in order.
    pub fn cipher(&self, protection: &Protection) -> Result<TrackCipher, PackageError> {
        let cipher = match self.source {
            Source::Video(source) => protection.video_cipher(source.key_class(), &source.track.sample_entry),
            Source::Audio(_) => protection.audio_cipher().map_err(EncryptionError::from),
        };
        cipher.map_err(|source| PackageError::Encryption { rendition: self.id().to_owned(), source })
    }

    /// Segment `number`, from 1.
    pub fn segment(&self, number: u32) -> Result<PackagedSegment<'_>, PackageError> {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let missing = || PackageError::NoSegment { rendition: self.id().to_owned(), number };
        let index = index.ok_or_else(missing)?;
        let made = match self.source {
            Source::Video(source) => {
                let start = *self.boundaries.get(index).ok_or_else(missing)?;
                let end = *self.boundaries.get(index.saturating_add(1)).ok_or_else(missing)?;
                source.segment(index, start..end)
            }
            Source::Audio(source) => source.segment(index),
        };
        let (samples, media) = made.ok_or_else(missing)?;
        Ok(PackagedSegment { media, rendition: self.id(), number, samples })
    }
}

impl PackagedSegment<'_> {
    /// Bytes of each sample.
    pub fn sizes(&self) -> Vec<u32> {
        match &self.samples {
            Samples::Video { samples, .. } => samples.iter().map(|sample| sample.size).collect(),
            Samples::Audio { sizes, .. } => sizes.clone(),
        }
    }

    /// Its header, given what encrypting its media has told.
    pub fn with(&self, information: &SampleInformation) -> Result<Segment, PackageError> {
        let number = self.number;
        let made = match &self.samples {
            Samples::Video { track, span, samples } => {
                track.segment(number, span.clone(), samples, information)
            }
            Samples::Audio { track, first_frame, sizes } => {
                track.segment(number, *first_frame, sizes, information)
            }
        };
        made.map_err(|source| PackageError::Segment { rendition: self.rendition.to_owned(), source })
    }
}

/// Adds the bytes of one sample: to the piece before, when they lie right behind it.
fn push_bytes(media: &mut Vec<MediaPiece>, input: usize, offset: u64, size: u32) {
    let len = u64::from(size);
    if let Some(MediaPiece::Source { range, .. }) = media.last_mut()
        && range.offset.checked_add(range.len) == Some(offset)
    {
        range.len += len;
        return;
    }
    media.push(MediaPiece::Source { input, range: ByteRange { offset, len } });
}

/// Starts of the segments: 0, then clean sync samples that all inputs have.
fn choose_boundaries(
    candidates: &[VideoCandidate<'_>],
    timescale: u32,
    rules: PackageRules,
) -> Result<Vec<u64>, PackageError> {
    let [first, others @ ..] = candidates else { return Err(PackageError::NoVideo) };
    let mut common = first.clean_starts();
    for other in others {
        if other.timescale() != timescale {
            return Err(PackageError::TimescalesDiffer {
                first: first.name().to_owned(),
                timescale,
                other: other.name().to_owned(),
                other_timescale: other.timescale(),
            });
        }
        common = intersection(&common, &other.clean_starts());
    }
    let ticks = |millis: u32| u64::from(millis) * u64::from(timescale) / 1000;
    let end = candidates.iter().map(VideoCandidate::end).max().unwrap_or_default();
    let mut boundaries = vec![0];
    let mut start = 0;
    let mut left = common.as_slice();
    loop {
        left = left.get(left.partition_point(|&time| time <= start)..).unwrap_or_default();
        let target = ticks(rules.target_millis);
        let rest_is_short = end.saturating_sub(start) <= target;
        let next = if rest_is_short { None } else { nearest(left, start.saturating_add(target)) };
        let span_end = next.unwrap_or(end);
        if span_end.saturating_sub(start) > ticks(rules.longest_millis) {
            return Err(PackageError::NotAligned {
                inputs: candidates.iter().map(|c| c.name().to_owned()).collect(),
                from_seconds: start / u64::from(timescale),
                to_seconds: span_end / u64::from(timescale),
                longest_millis: rules.longest_millis,
            });
        }
        let Some(next) = next else { return Ok(boundaries) };
        boundaries.push(next);
        start = next;
    }
}

/// The element of a sorted list nearest to `target`, the earlier of two.
fn nearest(sorted: &[u64], target: u64) -> Option<u64> {
    let (before, after) = sorted.split_at_checked(sorted.partition_point(|&time| time <= target))?;
    match (before.last(), after.first()) {
        (Some(&before), Some(&after)) if after - target < target - before => Some(after),
        (Some(&before), _) => Some(before),
        (None, after) => after.copied(),
    }
}

fn intersection(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    let mut both = Vec::new();
    while let (Some(&x), Some(&y)) = (a.peek(), b.peek()) {
        match x.cmp(&y) {
            Ordering::Less => drop(a.next()),
            Ordering::Greater => drop(b.next()),
            Ordering::Equal => {
                both.push(x);
                a.next();
                b.next();
            }
        }
    }
    both
}

/// Names after the shorter side; equal ones are numbered.
fn name_rungs(video: &mut [VideoSource<'_>]) {
    let mut names: Vec<String> = Vec::with_capacity(video.len());
    for source in video {
        let name = format!("{}p", source.track.width.min(source.track.height));
        let free = (2..).map(|n| format!("{name}-{n}")).find(|numbered| !names.contains(numbered));
        source.id = if names.contains(&name) { free.unwrap_or_default() } else { name };
        names.push(source.id.clone());
    }
}
