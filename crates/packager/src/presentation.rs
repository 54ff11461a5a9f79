//! [`Presentation`]: what was made, as plain data. Manifests are functions of it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::layout::is_rendition_id;
use crate::protection::{KeyClass, KeySignalling, MissingKey, Signalling, is_safe_url};

/// What a presentation consists of, and that it fits together.
///
/// Only [`Presentation::new`] makes one (deserialising goes through it too), so manifests cannot fail: every rendition
/// has a size for each segment, no timeline has a gap or an overlap, ids and languages are safe in URLs, XML and
/// playlists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PresentationParts", into = "PresentationParts")]
pub struct Presentation(PresentationParts);

/// The parts of a [`Presentation`], unchecked.
///
/// Segments are spans between neighbouring boundaries: a timeline is contiguous by construction, and all video
/// renditions share one. Segments may be of any length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresentationParts {
    /// Ticks per second of [`Self::boundaries`].
    pub timescale: u32,
    /// Start of each video segment and, last, the end of the video; the first is 0. The end is the presentation's
    /// duration.
    pub boundaries: Vec<u64>,
    /// From the one to start with.
    pub video: Vec<VideoRendition>,
    /// The default first; empty for a silent video. Each is an alternative of its own (a language), not a bit rate.
    pub audio: Vec<AudioRendition>,
    /// Storyboards.
    #[serde(default)]
    pub images: Vec<ImageRendition>,
    /// Captions, each in one WebVTT file.
    #[serde(default)]
    pub text: Vec<TextRendition>,
    /// How video and sound are encrypted; `None` when they are not.
    #[serde(default)]
    pub protection: Option<Signalling>,
}

/// One rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoRendition {
    /// Its folder's name too, see [`is_rendition_id`].
    pub id: String,
    /// RFC 6381, e.g. `avc1.64001f`.
    pub codecs: String,
    /// In square pixels.
    pub width: u32,
    /// In square pixels.
    pub height: u32,
    /// Constant or not.
    pub frame_rate: FrameRate,
    /// One for each span of [`PresentationParts::boundaries`].
    pub segments: Vec<VideoSegment>,
}

/// Sizes of one video segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoSegment {
    /// The whole object.
    pub bytes: u64,
    /// From its start to the end of its first sample, an IDR: what an I-frame playlist offers.
    pub iframe_bytes: u64,
}

/// Frames per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameRate {
    /// Exactly `num / den`.
    Constant {
        /// E.g. 30000.
        num: u32,
        /// E.g. 1001.
        den: u32,
    },
    /// Not constant: at most this many frames in any second.
    Variable {
        /// Frames.
        max: u32,
    },
}

/// One sound track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioRendition {
    /// Its folder's name too, see [`is_rendition_id`].
    pub id: String,
    /// RFC 6381, e.g. `mp4a.40.2`.
    pub codecs: String,
    /// Ticks per second of [`Self::boundaries`].
    pub sample_rate: u32,
    /// Loudspeakers, 1 to 8.
    pub channels: u8,
    /// BCP 47; `None` when nobody knows.
    pub language: Option<String>,
    /// Start of each segment and, last, the end, in samples; the first is 0.
    pub boundaries: Vec<u64>,
    /// Bytes of each whole segment, one for each span of `boundaries`.
    pub segments: Vec<u64>,
}

/// A storyboard: JPEG sheets of equal tiles, a picture every [`Self::tile_millis`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRendition {
    /// Its folder's name too, see [`is_rendition_id`].
    pub id: String,
    /// Tiles beside each other.
    pub columns: u32,
    /// Tiles above each other.
    pub rows: u32,
    /// Pixels of one tile.
    pub tile_width: u32,
    /// Pixels of one tile.
    pub tile_height: u32,
    /// Milliseconds that one tile stands for.
    pub tile_millis: u32,
    /// Bytes of each sheet: as many as the presentation's duration needs.
    pub sheets: Vec<u64>,
}

/// Captions of one language, from beginning to end in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRendition {
    /// Names its file, see [`is_rendition_id`].
    pub id: String,
    /// BCP 47.
    pub language: String,
    /// What people choose it by, unlike that of any other.
    pub label: String,
    /// For whom it is.
    pub kind: TextKind,
    /// Of the file.
    pub bytes: u64,
}

/// For whom text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// Who hears, and does not understand: what is said.
    Subtitles,
    /// Who does not hear: what is said, and what else is to be heard.
    Captions,
}

/// Why parts are no presentation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresentationError {
    /// Nothing to look at.
    #[error("there is no video rendition")]
    NoVideo,
    /// See [`is_rendition_id`].
    #[error("`{0}` cannot be the id of a rendition")]
    UnsafeId(String),
    /// Ids name folders.
    #[error("the id `{0}` is used twice")]
    RepeatedId(String),
    /// Letters, digits, `.`, `-` and `+`, separated by commas.
    #[error("`{codecs}` of `{id}` is no codecs parameter")]
    UnsafeCodecs {
        /// The rendition.
        id: String,
        /// What it carries.
        codecs: String,
    },
    /// BCP 47: letters, digits and `-`.
    #[error("`{language}` of `{id}` is no language tag")]
    UnsafeLanguage {
        /// The rendition.
        id: String,
        /// What it carries.
        language: String,
    },
    /// Unlike a name: empty, longer than 100 characters, or with quotes or control characters.
    #[error("`{label}` of `{id}` is no label")]
    UnsafeLabel {
        /// The rendition.
        id: String,
        /// What it carries.
        label: String,
    },
    /// People choose by labels, and HLS wants them to differ.
    #[error("the label `{0}` is used twice")]
    RepeatedLabel(String),
    /// A zero where a rate, a size in pixels or a count is needed.
    #[error("`{id}`: `{field}` is zero or out of range")]
    OutOfRange {
        /// The rendition, or `timeline`.
        id: String,
        /// Which field.
        field: &'static str,
    },
    /// Boundaries that do not start at 0 or do not grow: an overlap or a gap.
    #[error("`{id}`: boundary {index} is not where a contiguous timeline continues")]
    BrokenTimeline {
        /// The rendition, or `timeline`.
        id: String,
        /// Of the offending boundary, from 0.
        index: usize,
    },
    /// Each span needs its segment.
    #[error("`{id}` has {found} segments where its timeline has {expected}")]
    SegmentCount {
        /// The rendition.
        id: String,
        /// Segments.
        found: usize,
        /// Spans.
        expected: usize,
    },
    /// An empty object, or an I-frame that is longer than its segment.
    #[error("`{id}`: segment {number} has an impossible size")]
    SegmentSize {
        /// The rendition.
        id: String,
        /// From 1.
        number: usize,
    },
    /// A rendition whose key is not told.
    #[error("`{id}` is encrypted")]
    MissingKey {
        /// The rendition.
        id: String,
        /// The class of its key.
        source: MissingKey,
    },
    /// Not visible ASCII without quotes, or longer than 2000 bytes.
    #[error("`{0}` is no address of licences")]
    UnsafeUrl(String),
    /// Players stall or never end where sound outlasts the picture.
    #[error("`{id}` ends after the video")]
    AudioOutlastsVideo {
        /// The rendition.
        id: String,
    },
}

impl Presentation {
    /// Checks the parts against each other.
    pub fn new(parts: PresentationParts) -> Result<Self, PresentationError> {
        check_timeline("timeline", parts.timescale, &parts.boundaries)?;
        if parts.video.is_empty() {
            return Err(PresentationError::NoVideo);
        }
        check_ids(&parts)?;
        for rendition in &parts.video {
            check_video(rendition, parts.boundaries.len().saturating_sub(1))?;
        }
        for rendition in &parts.audio {
            check_audio(rendition, &parts)?;
        }
        for rendition in &parts.images {
            check_images(rendition, &parts)?;
        }
        check_text(&parts.text)?;
        if let Some(signalling) = &parts.protection {
            check_protection(signalling, &parts)?;
        }
        Ok(Self(parts))
    }

    /// What it consists of.
    pub fn parts(&self) -> &PresentationParts {
        &self.0
    }

    /// Its parts, to change and check again.
    pub fn into_parts(self) -> PresentationParts {
        self.0
    }

    /// End of the video, in [`PresentationParts::timescale`].
    pub fn duration(&self) -> u64 {
        end(&self.0.boundaries)
    }
}

impl PresentationParts {
    /// What is told of the key of a class, when the presentation is protected.
    pub(crate) fn key(&self, class: KeyClass) -> Option<(&Signalling, &KeySignalling)> {
        let signalling = self.protection.as_ref()?;
        Some((signalling, signalling.keys.get(&class)?))
    }
}

impl VideoRendition {
    /// Which key it is encrypted with, where it is.
    pub fn key_class(&self) -> KeyClass {
        KeyClass::of_picture(self.width, self.height)
    }
}

impl TryFrom<PresentationParts> for Presentation {
    type Error = PresentationError;

    fn try_from(parts: PresentationParts) -> Result<Self, PresentationError> {
        Self::new(parts)
    }
}

impl From<Presentation> for PresentationParts {
    fn from(presentation: Presentation) -> Self {
        presentation.0
    }
}

impl FrameRate {
    /// Of frames that are shown at `times` (sorted, in `timescale`), the last one until `end`. `None` without frames
    /// or for times that are not sorted.
    pub fn measure(times: &[u64], end: u64, timescale: u32) -> Option<Self> {
        let next = times.iter().skip(1).chain(std::iter::once(&end));
        let mut gaps = times.iter().zip(next).map(|(&time, &next)| next.checked_sub(time));
        let first = gaps.next()??;
        let mut constant = first > 0;
        for gap in gaps {
            constant &= gap? == first;
        }
        match u32::try_from(first) {
            Ok(gap) if constant => {
                let divisor = gcd(timescale, gap).max(1);
                Some(Self::Constant { num: timescale / divisor, den: gap / divisor })
            }
            _ => Some(Self::Variable { max: most_in_a_second(times, timescale) }),
        }
    }
}

/// Most elements of `times` in any window of one second, its end excluded.
fn most_in_a_second(times: &[u64], timescale: u32) -> u32 {
    let second = u64::from(timescale);
    let mut window = times.iter();
    let mut most = 0;
    let mut inside = 0_u32;
    for &time in times {
        inside = inside.saturating_add(1);
        while window.as_slice().first().is_some_and(|&oldest| time.saturating_sub(oldest) >= second) {
            window.next();
            inside = inside.saturating_sub(1);
        }
        most = most.max(inside);
    }
    most
}

pub(crate) fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Where a timeline ends.
pub(crate) fn end(boundaries: &[u64]) -> u64 {
    boundaries.last().copied().unwrap_or(0)
}

/// Neighbouring boundaries: start and end of each segment.
pub(crate) fn spans(boundaries: &[u64]) -> impl Iterator<Item = (u64, u64)> + Clone + '_ {
    boundaries.iter().copied().zip(boundaries.iter().copied().skip(1))
}

/// Longest timeline, in seconds (four years): keeps every product of the manifests inside its integer.
const MAX_SECONDS: u64 = 1 << 27;
/// Most bytes of one rendition (16 TiB), for the same reason.
const MAX_BYTES: u64 = 1 << 44;

fn check_timeline(id: &str, timescale: u32, boundaries: &[u64]) -> Result<(), PresentationError> {
    let broken = |index| PresentationError::BrokenTimeline { id: id.to_owned(), index };
    if timescale == 0 {
        return Err(out_of_range(id, "timescale"));
    }
    if boundaries.first() != Some(&0) || boundaries.len() < 2 {
        return Err(broken(0));
    }
    if let Some(index) = spans(boundaries).position(|(start, end)| start >= end) {
        return Err(broken(index.saturating_add(1)));
    }
    if end(boundaries) / u64::from(timescale) >= MAX_SECONDS {
        return Err(out_of_range(id, "duration"));
    }
    Ok(())
}

fn check_ids(parts: &PresentationParts) -> Result<(), PresentationError> {
    let video = parts.video.iter().map(|v| &v.id);
    let media = video.chain(parts.audio.iter().map(|a| &a.id));
    let ids = media.chain(parts.images.iter().map(|i| &i.id)).chain(parts.text.iter().map(|t| &t.id));
    let mut seen = HashSet::new();
    for id in ids {
        if !is_rendition_id(id) {
            return Err(PresentationError::UnsafeId(id.clone()));
        }
        if !seen.insert(id) {
            return Err(PresentationError::RepeatedId(id.clone()));
        }
    }
    Ok(())
}

fn check_video(rendition: &VideoRendition, spans: usize) -> Result<(), PresentationError> {
    let id = rendition.id.as_str();
    check_codecs(id, &rendition.codecs)?;
    let rate_is_zero = match rendition.frame_rate {
        FrameRate::Constant { num, den } => num == 0 || den == 0,
        FrameRate::Variable { max } => max == 0,
    };
    check_not_zero(id, &[("width", rendition.width), ("height", rendition.height)])?;
    if rate_is_zero {
        return Err(out_of_range(id, "frame_rate"));
    }
    check_count(id, rendition.segments.len(), spans)?;
    let impossible = |s: &VideoSegment| s.iframe_bytes == 0 || s.iframe_bytes > s.bytes;
    if let Some(index) = rendition.segments.iter().position(impossible) {
        return Err(segment_size(id, index));
    }
    check_sizes(id, rendition.segments.iter().map(|s| s.bytes))
}

fn check_audio(rendition: &AudioRendition, parts: &PresentationParts) -> Result<(), PresentationError> {
    let id = rendition.id.as_str();
    check_codecs(id, &rendition.codecs)?;
    check_timeline(id, rendition.sample_rate, &rendition.boundaries)?;
    if !(1..=8).contains(&rendition.channels) {
        return Err(out_of_range(id, "channels"));
    }
    if let Some(language) = rendition.language.as_ref().filter(|language| !is_language(language)) {
        return Err(PresentationError::UnsafeLanguage { id: id.to_owned(), language: language.clone() });
    }
    let audio_end = u128::from(end(&rendition.boundaries)) * u128::from(parts.timescale);
    if audio_end > u128::from(end(&parts.boundaries)) * u128::from(rendition.sample_rate) {
        return Err(PresentationError::AudioOutlastsVideo { id: id.to_owned() });
    }
    check_count(id, rendition.segments.len(), rendition.boundaries.len().saturating_sub(1))?;
    check_sizes(id, rendition.segments.iter().copied())
}

fn check_images(rendition: &ImageRendition, parts: &PresentationParts) -> Result<(), PresentationError> {
    let id = rendition.id.as_str();
    check_not_zero(
        id,
        &[
            ("columns", rendition.columns),
            ("rows", rendition.rows),
            ("tile_width", rendition.tile_width),
            ("tile_height", rendition.tile_height),
            ("tile_millis", rendition.tile_millis),
        ],
    )?;
    let tiles = rendition.columns.checked_mul(rendition.rows);
    let millis = tiles.and_then(|tiles| tiles.checked_mul(rendition.tile_millis));
    let millis = u128::from(millis.ok_or_else(|| out_of_range(id, "tile_millis"))?);
    let duration = u128::from(end(&parts.boundaries)) * 1000;
    let needed = duration.div_ceil(millis * u128::from(parts.timescale));
    check_count(id, rendition.sheets.len(), usize::try_from(needed).unwrap_or(usize::MAX))?;
    check_sizes(id, rendition.sheets.iter().copied())
}

fn check_text(renditions: &[TextRendition]) -> Result<(), PresentationError> {
    let mut labels = HashSet::new();
    for TextRendition { id, language, label, bytes, .. } in renditions {
        if !is_language(language) {
            return Err(PresentationError::UnsafeLanguage { id: id.clone(), language: language.clone() });
        }
        if !is_label(label) {
            return Err(PresentationError::UnsafeLabel { id: id.clone(), label: label.clone() });
        }
        if !labels.insert(label) {
            return Err(PresentationError::RepeatedLabel(label.clone()));
        }
        check_sizes(id, std::iter::once(*bytes))?;
    }
    Ok(())
}

fn check_protection(signalling: &Signalling, parts: &PresentationParts) -> Result<(), PresentationError> {
    let video = parts.video.iter().map(|video| (&video.id, video.key_class()));
    let audio = parts.audio.iter().map(|audio| (&audio.id, KeyClass::Audio));
    for (id, class) in video.chain(audio) {
        if !signalling.keys.contains_key(&class) {
            return Err(PresentationError::MissingKey { id: id.clone(), source: MissingKey { class } });
        }
    }
    match signalling.urls().find(|url| !is_safe_url(url)) {
        Some(url) => Err(PresentationError::UnsafeUrl(url.clone())),
        None => Ok(()),
    }
}

fn check_codecs(id: &str, codecs: &str) -> Result<(), PresentationError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_' | ',');
    if codecs.is_empty() || !codecs.chars().all(plain) {
        return Err(PresentationError::UnsafeCodecs { id: id.to_owned(), codecs: codecs.to_owned() });
    }
    Ok(())
}

fn check_not_zero(id: &str, fields: &[(&'static str, u32)]) -> Result<(), PresentationError> {
    match fields.iter().find(|(_, value)| *value == 0) {
        Some((field, _)) => Err(out_of_range(id, field)),
        None => Ok(()),
    }
}

fn check_count(id: &str, found: usize, expected: usize) -> Result<(), PresentationError> {
    if found == expected {
        return Ok(());
    }
    Err(PresentationError::SegmentCount { id: id.to_owned(), found, expected })
}

fn check_sizes(id: &str, sizes: impl Iterator<Item = u64>) -> Result<(), PresentationError> {
    let mut total = 0_u64;
    for (index, bytes) in sizes.enumerate() {
        total = total.saturating_add(bytes);
        if bytes == 0 || total > MAX_BYTES {
            return Err(segment_size(id, index));
        }
    }
    Ok(())
}

/// Whether text can be a label: it is quoted in playlists, which know no escapes.
pub fn is_label(label: &str) -> bool {
    let safe = |c: char| {
        !c.is_control() && c != '"' && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
    };
    (1..=100).contains(&label.chars().count()) && label.trim() == label && label.chars().all(safe)
}

/// Whether text has the form of a language tag (BCP 47).
pub fn is_language(tag: &str) -> bool {
    let subtag = |s: &str| (1..=8).contains(&s.len()) && s.chars().all(|c| c.is_ascii_alphanumeric());
    tag.len() <= 64 && tag.starts_with(|c: char| c.is_ascii_alphabetic()) && tag.split('-').all(subtag)
}

fn out_of_range(id: &str, field: &'static str) -> PresentationError {
    PresentationError::OutOfRange { id: id.to_owned(), field }
}

fn segment_size(id: &str, index: usize) -> PresentationError {
    PresentationError::SegmentSize { id: id.to_owned(), number: index.saturating_add(1) }
}
