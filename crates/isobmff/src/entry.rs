//! Sample entries: kept verbatim, with what the box structure alone tells about them.

use crate::boxes::{Boxes, boxes};
use crate::cursor::Cursor;
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::size::to_usize;

/// One entry of `stsd`: the whole box, header included, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEntry {
    /// The box's name: which codec, or that the samples are encrypted.
    pub format: FourCc,
    /// The box's bytes.
    pub raw: Vec<u8>,
}

/// The fixed fields of a VisualSampleEntry (§12.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisualEntry {
    /// Coded width in pixels.
    pub width: u16,
    /// Coded height in pixels.
    pub height: u16,
}

/// The fixed fields of an AudioSampleEntry (§12.2.3) or a QuickTime sound description (QTFF).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioEntry {
    /// 0; 1 and 2 are QuickTime's extensions (or 1 of ISO with its `srat` box).
    pub version: u16,
    /// As declared; codecs that carry their own number may contradict it.
    pub channels: u32,
    /// Bits per sample of one channel, as declared; 16 for most compressed formats whatever they hold.
    pub sample_size: u32,
    /// Hertz, as declared; 0 when the entry states none. ISO entries hold at most 65535 here, more needs `srat`.
    pub sample_rate: f64,
    /// The fixed packets of QuickTime versions 1 and 2.
    pub packet: Option<Packet>,
}

/// Audio that comes in packets of fixed size: PCM, where a packet is one frame, and some old codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Frames (one sample of every channel) in a packet, never 0.
    pub frames: u32,
    /// Bytes of a packet, all channels together, never 0.
    pub bytes: u32,
}

/// Header, reserved bytes and data reference index of every entry.
const COMMON_LEN: usize = 16;
/// Up to where children start.
const VISUAL_LEN: usize = 86;
const AUDIO_LEN: usize = 36;
const AUDIO_V1_LEN: usize = AUDIO_LEN + 16;

impl SampleEntry {
    /// Whether the samples are encrypted: the format is that of a protected entry (§8.12) or of QuickTime's DRM.
    pub fn is_encrypted(&self) -> bool {
        matches!(&self.format.0, b"encv" | b"enca" | b"enct" | b"encs" | b"drmi" | b"drms")
    }

    /// The fields of a video track's entry; `None` when it is too short or has no size.
    pub fn visual(&self) -> Option<VisualEntry> {
        let mut cursor = self.fields().ok()?;
        cursor.skip(16).ok()?;
        let entry = VisualEntry { width: cursor.u16().ok()?, height: cursor.u16().ok()? };
        (self.raw.len() >= VISUAL_LEN && entry.width > 0 && entry.height > 0).then_some(entry)
    }

    /// The fields of an audio track's entry; `None` when it is too short.
    pub fn audio(&self) -> Option<AudioEntry> {
        self.parse_audio().ok()
    }

    /// The body of a child box, looked for in the entry and then in QuickTime's `wave`.
    pub fn child(&self, kind: FourCc) -> Option<&[u8]> {
        let find = |kind: FourCc| self.children().find(|child| child.kind == kind).map(|child| child.body);
        find(kind)
            .or_else(|| boxes(find(FourCc::WAVE)?).find(|child| child.kind == kind).map(|child| child.body))
    }

    /// The child boxes of a visual or audio entry.
    pub fn children(&self) -> Boxes<'_> {
        boxes(self.raw.get(self.children_start()..).unwrap_or_default())
    }

    pub(crate) fn parse_list(stsd: &[u8]) -> Result<Vec<Self>, Error> {
        let mut cursor = Cursor::new(FourCc::STSD, stsd);
        cursor.version_flags()?;
        let count = cursor.u32()?;
        let wanted = to_usize(count);
        let entries: Vec<Self> = boxes(cursor.rest())
            .take(wanted.min(usize::from(u16::MAX)))
            .map(|entry| Self { format: entry.kind, raw: entry.raw.to_vec() })
            .collect();
        if entries.len() < wanted {
            return Err(Error::TableTooLong { kind: FourCc::STSD, count, room: cursor.rest().len() });
        }
        Ok(entries)
    }

    /// The entry from behind the fields that all entries share.
    fn fields(&self) -> Result<Cursor<'_>, Error> {
        let mut cursor = Cursor::new(self.format, &self.raw);
        cursor.skip(COMMON_LEN)?;
        Ok(cursor)
    }

    fn parse_audio(&self) -> Result<AudioEntry, Error> {
        let mut cursor = self.fields()?;
        let version = cursor.u16()?;
        cursor.skip(6)?;
        let channels = cursor.u16()?.into();
        let sample_size = cursor.u16()?.into();
        cursor.skip(4)?;
        let sample_rate = f64::from(cursor.u32()?) / 65536.0;
        let entry = AudioEntry { version, channels, sample_size, sample_rate, packet: None };
        match version {
            1 if box_starts_at(&self.raw, AUDIO_LEN) => Ok(self.with_iso_rate(entry)),
            1 => {
                let frames = cursor.u32()?;
                cursor.skip(4)?;
                let bytes = cursor.u32()?;
                Ok(AudioEntry { packet: Packet::new(frames, bytes), ..entry })
            }
            2 => sound_description_v2(cursor),
            _ => Ok(entry),
        }
    }

    /// AudioSampleEntryV1 (§12.2.3) may hold a rate beyond 16 bits in a box.
    fn with_iso_rate(&self, entry: AudioEntry) -> AudioEntry {
        let rate = boxes(self.raw.get(AUDIO_LEN..).unwrap_or_default())
            .find(|child| child.kind == FourCc::SRAT)
            .and_then(|srat| {
                let mut cursor = Cursor::new(FourCc::SRAT, srat.body);
                cursor.version_flags().and_then(|_| cursor.u32()).ok()
            });
        AudioEntry { sample_rate: rate.map_or(entry.sample_rate, f64::from), ..entry }
    }

    /// Where a box starts tells where the fixed fields end, for nothing in the entry does. Fixed fields cannot look
    /// like a box: their bytes would have to be a length that fits and then four letters.
    fn children_start(&self) -> usize {
        let places = [Some(AUDIO_LEN), Some(AUDIO_V1_LEN), self.sound_v2_len(), Some(VISUAL_LEN)];
        let start = places.into_iter().flatten().find(|at| box_starts_at(&self.raw, *at));
        start.unwrap_or(self.raw.len())
    }

    /// "sizeOfStructOnly" of a QuickTime sound description version 2: where its children start.
    fn sound_v2_len(&self) -> Option<usize> {
        let mut cursor = self.fields().ok()?;
        (cursor.u16().ok()? == 2).then_some(())?;
        cursor.skip(AUDIO_LEN - COMMON_LEN - 2).ok()?;
        usize::try_from(cursor.u32().ok()?).ok()
    }
}

impl Packet {
    pub(crate) fn new(frames: u32, bytes: u32) -> Option<Self> {
        (frames > 0 && bytes > 0).then_some(Self { frames, bytes })
    }
}

/// QTFF, "Sound Sample Description (Version 2)", from "sizeOfStructOnly" on.
fn sound_description_v2(mut cursor: Cursor<'_>) -> Result<AudioEntry, Error> {
    cursor.skip(4)?;
    let sample_rate = f64::from_be_bytes(cursor.array()?);
    let channels = cursor.u32()?;
    cursor.skip(4)?;
    let sample_size = cursor.u32()?;
    cursor.skip(4)?;
    let bytes = cursor.u32()?;
    let frames = cursor.u32()?;
    Ok(AudioEntry {
        version: 2,
        channels,
        sample_size,
        sample_rate: if sample_rate.is_finite() && sample_rate > 0.0 { sample_rate } else { 0.0 },
        packet: Packet::new(frames, bytes),
    })
}

/// Whether a box with a name in ASCII starts at `at` and fits.
fn box_starts_at(entry: &[u8], at: usize) -> bool {
    let found = entry.get(at..).and_then(|rest| boxes(rest).next());
    found.is_some_and(|found| found.kind.0.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic()))
}
