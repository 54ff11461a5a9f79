//! Exact bytes of init segments and fragment headers.

use crate::movie::{FileType, FourCc, Matrix};

/// An init segment: `ftyp`, `moov` with empty tables, `mvex`.
#[derive(Debug, Clone)]
pub struct InitSpec<'a> {
    pub file_type: FileType,
    pub tracks: Vec<InitTrack<'a>>,
    /// Whole boxes appended to `moov` (`pssh`).
    pub extra: &'a [u8],
}

/// One track of an init segment.
#[derive(Debug, Clone)]
pub struct InitTrack<'a> {
    pub id: u32,
    pub handler: FourCc,
    pub timescale: u32,
    pub language: [u8; 3],
    pub matrix: Matrix,
    /// 16.16.
    pub width: u32,
    pub height: u32,
    /// Whole sample entry boxes, verbatim.
    pub entries: Vec<&'a [u8]>,
    pub edit: EditList,
}

/// The only edit lists we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditList {
    None,
    /// One `elst` v1 entry {duration 0, media_time, rate 1}: presentation starts `media_time` ticks into the media.
    Skip { media_time: u64 },
}

/// One sample of a fragment to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentSample {
    pub duration: u32,
    pub size: u32,
    pub sync: bool,
    pub composition_offset: i32,
}

/// A fragment of one track.
#[derive(Debug, Clone, Copy)]
pub struct FragmentSpec<'a> {
    pub sequence_number: u32,
    pub track_id: u32,
    /// 1-based index into the init segment's sample entries.
    pub entry: u32,
    pub base_decode_time: u64,
    pub samples: &'a [FragmentSample],
    /// Whole boxes appended to `traf` (`senc`, …); their own offsets are the caller's business.
    pub extra: &'a [u8],
}

/// `ftyp` and `moov`.
pub fn write_init(spec: &InitSpec<'_>) -> Vec<u8> {
    let _ = spec;
    todo!()
}

/// `moof` and the header of the `mdat` that the samples' bytes follow.
///
/// `tfhd` default-base-is-moof, `tfdt` v1, `trun` v1 with duration, size, flags and composition offset of each sample
/// (14496-12 §8.8). `mdat` gets a 64-bit size when it needs one.
pub fn write_fragment_header(spec: &FragmentSpec<'_>) -> Vec<u8> {
    let _ = spec;
    todo!()
}
