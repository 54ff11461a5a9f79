//! AAC-LC configuration: AudioSpecificConfig ⇄ `mp4a` sample entry.

use isobmff::{FourCc, SampleEntry};

use crate::sample_entry::{SampleEntryError, check_format};

/// PCM samples per channel that one AAC-LC frame decodes to.
pub const AAC_FRAME_SAMPLES: u32 = 1024;

/// AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) of an AAC-LC stream with 1024-sample frames: the only AAC that is
/// packaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    sample_rate: u32,
    /// channelConfiguration (table 1.19), 1 to 7.
    channel_configuration: u8,
}

/// samplingFrequencyIndex (table 1.18).
const SAMPLE_RATES: [u32; 13] =
    [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
const OBJECT_TYPE_LC: u64 = 2;

/// Raw frames (`raw_data_block`, 14496-3 §4.4.2.1) without any spectral data, for channel configurations 1 to 6.
const SILENT_FRAMES: [&[u8]; 6] = [
    b"\x00\xc8\x00\x80\x23\x80",
    b"\x21\x00\x49\x90\x02\x19\x00\x23\x80",
    b"\x00\xc8\x00\x80\x20\x84\x01\x26\x40\x08\x64\x00\x8e",
    b"\x00\xc8\x00\x80\x20\x84\x01\x26\x40\x08\x64\x00\x80\x2c\x80\x08\x02\x38",
    b"\x00\xc8\x00\x80\x20\x84\x01\x26\x40\x08\x64\x00\x82\x30\x04\x99\x00\x21\x90\x02\x38",
    b"\x00\xc8\x00\x80\x20\x84\x01\x26\x40\x08\x64\x00\x82\x30\x04\x99\x00\x21\x90\x02\x00\xb2\x00\x20\x08\xe0",
];

impl AudioSpecificConfig {
    /// `channel_configuration` is table 1.19's, 1 to 7.
    pub fn new(sample_rate: u32, channel_configuration: u8) -> Result<Self, SampleEntryError> {
        if !(1..1 << 24).contains(&sample_rate) || !(1..=7).contains(&channel_configuration) {
            return Err(SampleEntryError::UnsupportedAac);
        }
        Ok(Self { sample_rate, channel_configuration })
    }

    /// From a frequency index and a channel configuration, as an ADTS header has them.
    pub(crate) fn from_indices(rate_index: u8, channels: u8) -> Result<Self, SampleEntryError> {
        let rate = SAMPLE_RATES.get(usize::from(rate_index)).ok_or(SampleEntryError::UnsupportedAac)?;
        Self::new(*rate, channels)
    }

    /// Of the bytes in a DecoderSpecificInfo. What follows the core configuration (signalled SBR) is not looked at:
    /// the core's frames stay on their 1024-sample grid with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SampleEntryError> {
        let mut bits = Bits { bytes, position: 0 };
        if bits.take(5)? != OBJECT_TYPE_LC {
            return Err(SampleEntryError::UnsupportedAac);
        }
        let sample_rate = match usize::try_from(bits.take(4)?) {
            Ok(15) => u32::try_from(bits.take(24)?).map_err(|_| SampleEntryError::Damaged)?,
            Ok(index) => *SAMPLE_RATES.get(index).ok_or(SampleEntryError::UnsupportedAac)?,
            Err(_) => return Err(SampleEntryError::Damaged),
        };
        let channels = u8::try_from(bits.take(4)?).map_err(|_| SampleEntryError::Damaged)?;
        if bits.take(1)? == 1 {
            return Err(SampleEntryError::UnsupportedAac);
        }
        Self::new(sample_rate, channels)
    }

    /// Of an `mp4a` sample entry: MP4's, or QuickTime's sound description version 0, 1 or 2.
    pub fn from_sample_entry(entry: &SampleEntry) -> Result<Self, SampleEntryError> {
        check_format(&entry.raw, "mp4a")?;
        let esds = entry.child(FourCc(*b"esds")).ok_or(SampleEntryError::Missing("esds"))?;
        let config = esds.get(4..).and_then(decoder_specific_info).ok_or(SampleEntryError::Damaged)?;
        Self::from_bytes(config)
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Loudspeakers.
    pub fn channels(&self) -> u8 {
        if self.channel_configuration == 7 { 8 } else { self.channel_configuration }
    }

    /// RFC 6381 §3.3.
    pub fn codecs(&self) -> String {
        format!("mp4a.40.{OBJECT_TYPE_LC}")
    }

    /// The shortest form: two bytes, five for a rate that has no index.
    pub fn to_bytes(&self) -> Vec<u8> {
        let rate = u64::from(self.sample_rate);
        let index = SAMPLE_RATES.iter().zip(0_u64..).find(|(rate, _)| **rate == self.sample_rate);
        // Object type 5 bits, rate 4 or 28, channels 4, then frameLengthFlag, dependsOnCoreCoder, extensionFlag: 0.
        let (bits, length) = match index {
            Some((_, index)) => ((OBJECT_TYPE_LC << 4) | index, 2),
            None => ((((OBJECT_TYPE_LC << 4) | 15) << 24) | rate, 5),
        };
        let bits = ((bits << 4) | u64::from(self.channel_configuration)) << 3;
        let bytes = bits.to_be_bytes();
        bytes.get(bytes.len() - length..).map(<[u8]>::to_vec).unwrap_or_default()
    }

    /// An `mp4a` sample entry with its `esds` (14496-14 §6.7). Bit rates are left at 0: not known before the media.
    pub fn sample_entry(&self) -> Vec<u8> {
        let config = self.to_bytes();
        let decoder_specific = descriptor(5, &[&config]);
        // objectTypeIndication 0x40 (14496-3), streamType 5 (audio), buffer size, maximum and average bit rate.
        let decoder_config = descriptor(4, &[&[0x40, 0x15], &[0; 11], &decoder_specific]);
        let sync_layer = descriptor(6, &[&[2]]);
        let es = descriptor(3, &[&[0; 3], &decoder_config, &sync_layer]);
        let esds = boxed(b"esds", &[&[0; 4], &es]);
        let rate = u16::try_from(self.sample_rate).unwrap_or(0).to_be_bytes();
        let channels = u16::from(self.channels()).to_be_bytes();
        boxed(
            b"mp4a",
            &[&[0, 0, 0, 0, 0, 0, 0, 1], &[0; 8], &channels, &[0, 16], &[0; 4], &rate, &[0; 2], &esds],
        )
    }

    /// A raw frame of silence, at any sample rate; none is known for 7.1.
    pub fn silent_frame(&self) -> Option<&'static [u8]> {
        let index = usize::from(self.channel_configuration).checked_sub(1)?;
        SILENT_FRAMES.get(index).copied()
    }
}

/// The payload of tag 5 inside tag 4 inside tag 3 (14496-1 §7.2.6.5).
fn decoder_specific_info(descriptors: &[u8]) -> Option<&[u8]> {
    let es = find_descriptor(descriptors, 3)?;
    let flags = *es.get(2)?;
    let mut rest = es.get(3..)?;
    if flags & 0x80 != 0 {
        rest = rest.get(2..)?;
    }
    if flags & 0x40 != 0 {
        let (length, after) = rest.split_first()?;
        rest = after.get(usize::from(*length)..)?;
    }
    if flags & 0x20 != 0 {
        rest = rest.get(2..)?;
    }
    find_descriptor(find_descriptor(rest, 4)?.get(13..)?, 5)
}

fn find_descriptor(mut bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (tag, rest) = bytes.split_first()?;
        let mut length = 0_usize;
        let mut rest = rest;
        for _ in 0..4 {
            let (byte, after) = rest.split_first()?;
            rest = after;
            length = (length << 7) | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (payload, next) = rest.split_at_checked(length)?;
        if *tag == wanted {
            return Some(payload);
        }
        bytes = next;
    }
}

/// An expandable class with a one-byte length: everything written here is shorter than 128 bytes (14496-1 §8.3.3).
fn descriptor(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    let length = u8::try_from(payload.len()).expect("the descriptors of one AAC stream are short");
    [&[tag, length], payload.as_slice()].concat()
}

fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    let size = u32::try_from(payload.len() + 8).expect("a sample entry is short");
    [size.to_be_bytes().as_slice(), name, &payload].concat()
}

struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Result<u64, SampleEntryError> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.position / 8).ok_or(SampleEntryError::Damaged)?;
            value = (value << 1) | u64::from((byte >> (7 - self.position % 8)) & 1);
            self.position += 1;
        }
        Ok(value)
    }
}
