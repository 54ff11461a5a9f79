//! `moov` (§8.2.1) and its tracks.

use crate::boxes::{child, children, required};
use crate::cursor::Cursor;
use crate::entry::SampleEntry;
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::fragment::TrackDefaults;
use crate::limits::{Limits, SampleBudget};
use crate::movie::{Edit, FileType, Matrix, Track};
use crate::table::SampleTable;
use crate::tables::Tables;

/// What `moov` says.
#[derive(Debug)]
pub(crate) struct MovieHeader {
    pub(crate) timescale: u32,
    pub(crate) tracks: Vec<Track>,
    /// `trex` of `mvex`; `None` when fragments are not announced.
    pub(crate) defaults: Option<Vec<TrackDefaults>>,
}

impl MovieHeader {
    /// Reads the body of `moov`.
    pub(crate) fn parse(moov: &[u8], limits: &Limits, budget: &mut SampleBudget) -> Result<Self, Error> {
        if child(moov, FourCc::CMOV)?.is_some() {
            return Err(Error::CompressedMovie);
        }
        let timescale = timescale(required(moov, FourCc::MOOV, FourCc::MVHD)?, FourCc::MVHD)?.0;
        let mut tracks = Vec::new();
        for trak in children(moov, FourCc::TRAK)? {
            if tracks.len() >= limits.max_tracks {
                return Err(Error::TooManyTracks { limit: limits.max_tracks });
            }
            tracks.push(parse_track(trak, budget)?);
        }
        if tracks.is_empty() {
            return Err(Error::NoTracks);
        }
        let defaults = child(moov, FourCc::MVEX)?.map(TrackDefaults::parse_list).transpose()?;
        Ok(Self { timescale, tracks, defaults })
    }
}

/// Reads the body of `ftyp` (§4.3).
pub(crate) fn parse_file_type(ftyp: &[u8]) -> Result<FileType, Error> {
    let mut cursor = Cursor::new(FourCc::FTYP, ftyp);
    let (major, minor) = (cursor.fourcc()?, cursor.u32()?);
    let (brands, _) = cursor.rest().as_chunks();
    Ok(FileType { major, minor, compatible: brands.iter().copied().map(FourCc).collect() })
}

/// `trak` (§8.3.1).
fn parse_track(trak: &[u8], budget: &mut SampleBudget) -> Result<Track, Error> {
    let TrackHeader { id, enabled, matrix, width, height } =
        parse_track_header(required(trak, FourCc::TRAK, FourCc::TKHD)?)?;
    let mdia = required(trak, FourCc::TRAK, FourCc::MDIA)?;
    let (timescale, language) = timescale(required(mdia, FourCc::MDIA, FourCc::MDHD)?, FourCc::MDHD)?;
    let mut cursor = Cursor::new(FourCc::HDLR, required(mdia, FourCc::MDIA, FourCc::HDLR)?);
    cursor.skip(8)?;
    let handler = cursor.fourcc()?;
    let edits = match child(trak, FourCc::EDTS)? {
        Some(edts) => child(edts, FourCc::ELST)?.map(parse_edits).transpose()?.unwrap_or_default(),
        None => Vec::new(),
    };
    let media = match parse_media(mdia, handler, budget) {
        // Subtitles, timecodes and telemetry come in forms nobody agrees on; they must not cost the picture.
        Err(error) if ![FourCc::VIDE, FourCc::SOUN].contains(&handler) && !error.is_limit() => None,
        media => Some(media?),
    };
    let (entries, samples) = media.unwrap_or_else(|| (Vec::new(), SampleTable::empty()));
    Ok(Track { id, handler, enabled, timescale, language, matrix, width, height, entries, edits, samples })
}

/// `minf` (§8.4.4): the sample entries and the samples.
fn parse_media(
    mdia: &[u8],
    handler: FourCc,
    budget: &mut SampleBudget,
) -> Result<(Vec<SampleEntry>, SampleTable), Error> {
    let minf = required(mdia, FourCc::MDIA, FourCc::MINF)?;
    let stbl = required(minf, FourCc::MINF, FourCc::STBL)?;
    let entries = SampleEntry::parse_list(required(stbl, FourCc::STBL, FourCc::STSD)?)?;
    let samples = Tables::parse(stbl)?.samples(&entries, handler == FourCc::SOUN, budget)?;
    Ok((entries, samples))
}

struct TrackHeader {
    id: u32,
    enabled: bool,
    matrix: Matrix,
    width: u32,
    height: u32,
}

/// `tkhd` (§8.3.2).
fn parse_track_header(tkhd: &[u8]) -> Result<TrackHeader, Error> {
    let mut cursor = Cursor::new(FourCc::TKHD, tkhd);
    let (version, flags) = cursor.version_flags()?;
    let times_len = if version == 1 { 16 } else { 8 };
    cursor.skip(times_len)?;
    let id = cursor.u32()?;
    // Reserved and duration, reserved, layer, alternate group, volume, reserved.
    cursor.skip(4 + times_len / 2 + 8 + 8)?;
    let mut matrix = [0; 9];
    for element in &mut matrix {
        *element = cursor.i32()?;
    }
    let (width, height) = (cursor.u32()?, cursor.u32()?);
    Ok(TrackHeader { id, enabled: flags & 1 != 0, matrix: Matrix(matrix), width, height })
}

/// Timescale of `mvhd` (§8.2.2) or `mdhd` (§8.4.2), which begin alike, and the language that follows in `mdhd`.
fn timescale(body: &[u8], kind: FourCc) -> Result<(u32, [u8; 3]), Error> {
    let mut cursor = Cursor::new(kind, body);
    let (version, _) = cursor.version_flags()?;
    let time_len = if version == 1 { 8 } else { 4 };
    cursor.skip(2 * time_len)?;
    let timescale = cursor.u32()?;
    if timescale == 0 {
        return Err(Error::ZeroTimescale { kind });
    }
    cursor.skip(time_len)?;
    Ok((timescale, language(cursor.u16()?)))
}

/// Three letters of five bits; smaller numbers are Macintosh language codes (QTFF, "Language Code Values").
fn language(packed: u16) -> [u8; 3] {
    let letters = [packed >> 10, packed >> 5, packed].map(|letter| letter & 31);
    if packed == 0x7fff || letters.iter().any(|letter| !(1..=26).contains(letter)) {
        return *b"und";
    }
    letters.map(|letter| b'`' + u8::try_from(letter).expect("masked to five bits above"))
}

/// `elst` (§8.6.6).
fn parse_edits(elst: &[u8]) -> Result<Vec<Edit>, Error> {
    let mut cursor = Cursor::new(FourCc::ELST, elst);
    let (version, _) = cursor.version_flags()?;
    let count = cursor.u32()?;
    let entry_len = if version == 1 { 20 } else { 12 };
    let room = cursor.rest().len();
    if usize::try_from(count).ok().and_then(|count| count.checked_mul(entry_len)).is_none_or(|len| len > room)
    {
        return Err(Error::TableTooLong { kind: FourCc::ELST, count, room });
    }
    let mut edits = Vec::new();
    for _ in 0..count {
        let (duration, media_time) = match version {
            1 => (cursor.u64()?, cursor.i64()?),
            _ => (cursor.u32()?.into(), cursor.i32()?.into()),
        };
        let media_time = (media_time != -1).then_some(media_time);
        edits.push(Edit { duration, media_time, rate: cursor.i32()? });
    }
    Ok(edits)
}
