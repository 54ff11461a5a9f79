//! AVC: what manifests need to know of a sample entry, and what encryption needs to know of a sample.

mod bits;
mod parameter_sets;
mod slice_header;

pub(crate) use parameter_sets::ParameterSets;
pub(crate) use slice_header::NalUnit;
pub use slice_header::SliceHeaderError;

use crate::sample_entry::{SampleEntryError, check_format, children};

/// The decoder configuration of an `avc1` sample entry: its `avcC` (ISO/IEC 14496-15 §5.3.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig<'a> {
    /// AVCProfileIndication.
    pub profile: u8,
    /// profile_compatibility.
    pub compatibility: u8,
    /// AVCLevelIndication.
    pub level: u8,
    /// Bytes of the length before each NAL unit of a sample, 1 to 4.
    pub nal_length_size: u8,
    /// Pixels, of the sample entry.
    pub width: u16,
    /// Pixels, of the sample entry.
    pub height: u16,
    /// Sequence parameter sets, without length prefix.
    pub sps: Vec<&'a [u8]>,
    /// Picture parameter sets, without length prefix.
    pub pps: Vec<&'a [u8]>,
}

impl<'a> AvcConfig<'a> {
    /// Of a whole `avc1` box.
    pub fn from_sample_entry(entry: &'a [u8]) -> Result<Self, SampleEntryError> {
        check_format(entry, "avc1")?;
        let avcc = children(entry)?.find(|child| child.kind.0 == *b"avcC");
        let mut bytes = Reader(avcc.ok_or(SampleEntryError::Missing("avcC"))?.body);
        let [_version, profile, compatibility, level, length_size, sps_count] = bytes.array()?;
        let sps = bytes.parameter_sets(sps_count & 0x1f)?;
        let [pps_count] = bytes.array()?;
        let pps = bytes.parameter_sets(pps_count)?;
        let mut size = Reader(entry.get(32..).ok_or(SampleEntryError::Damaged)?);
        let (width, height) = (u16::from_be_bytes(size.array()?), u16::from_be_bytes(size.array()?));
        let nal_length_size = (length_size & 3) + 1;
        Ok(Self { profile, compatibility, level, nal_length_size, width, height, sps, pps })
    }

    /// Whether the sample entry states that its pixels are square (`pasp`, 14496-12 §12.1.4), or states nothing.
    pub fn has_square_pixels(entry: &[u8]) -> Result<bool, SampleEntryError> {
        let Some(pasp) = children(entry)?.find(|child| child.kind.0 == *b"pasp") else { return Ok(true) };
        let (horizontal, vertical) = pasp.body.split_at_checked(4).ok_or(SampleEntryError::Damaged)?;
        Ok(horizontal == vertical)
    }

    /// RFC 6381 §3.3: `avc1.PPCCLL`.
    pub fn codecs(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.profile, self.compatibility, self.level)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SampleEntryError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(SampleEntryError::Damaged)?;
        self.0 = rest;
        Ok(*head)
    }

    fn parameter_sets(&mut self, count: u8) -> Result<Vec<&'a [u8]>, SampleEntryError> {
        let mut sets = Vec::new();
        for _ in 0..count {
            let length = u16::from_be_bytes(self.array()?);
            let (set, rest) = self.0.split_at_checked(length.into()).ok_or(SampleEntryError::Damaged)?;
            self.0 = rest;
            sets.push(set);
        }
        Ok(sets)
    }
}
