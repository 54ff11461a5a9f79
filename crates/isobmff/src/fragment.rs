//! `moof` (§8.8.4): which samples a movie fragment holds and where they lie.

use crate::boxes::{child, children, required};
use crate::cursor::Cursor;
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::size::to_usize;

/// Defaults of a track's fragments: `trex` (§8.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackDefaults {
    track_id: u32,
    sample: SampleDefaults,
}

/// What a sample is when its run does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SampleDefaults {
    /// From 1.
    entry: u32,
    duration: u32,
    size: u32,
    flags: u32,
}

/// One `traf` (§8.8.6).
#[derive(Debug)]
pub(crate) struct TrackFragment<'a> {
    pub(crate) track_id: u32,
    /// From 1, as `tfhd` or `trex` states it.
    pub(crate) entry: u32,
    /// Of the first sample (`tfdt`); without one, samples follow on those before.
    pub(crate) decode_time: Option<i64>,
    pub(crate) runs: Vec<Run<'a>>,
}

/// One `trun` (§8.8.8).
#[derive(Debug, Clone)]
pub(crate) struct Run<'a> {
    /// Of the first sample's bytes, in the file.
    pub(crate) offset: u64,
    /// Bytes of all samples.
    pub(crate) size: u64,
    pub(crate) count: u32,
    flags: u32,
    first_flags: Option<u32>,
    defaults: SampleDefaults,
    rows: &'a [u8],
}

/// One sample of a [`Run`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunSample {
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) sync: bool,
    pub(crate) composition_offset: i32,
}

// Flags of `tfhd` (§8.8.7.1).
const BASE_DATA_OFFSET: u32 = 0x1;
const SAMPLE_DESCRIPTION_INDEX: u32 = 0x2;
const DEFAULT_DURATION: u32 = 0x8;
const DEFAULT_SIZE: u32 = 0x10;
const DEFAULT_FLAGS: u32 = 0x20;
const DEFAULT_BASE_IS_MOOF: u32 = 0x2_0000;

// Flags of `trun` (§8.8.8.1).
const DATA_OFFSET: u32 = 0x1;
const FIRST_SAMPLE_FLAGS: u32 = 0x4;
const SAMPLE_DURATION: u32 = 0x100;
const SAMPLE_SIZE: u32 = 0x200;
const SAMPLE_FLAGS: u32 = 0x400;
const SAMPLE_COMPOSITION_OFFSET: u32 = 0x800;

impl TrackDefaults {
    /// Reads the body of `mvex`.
    pub(crate) fn parse_list(mvex: &[u8]) -> Result<Vec<Self>, Error> {
        children(mvex, FourCc::TREX)?.map(Self::parse).collect()
    }

    fn parse(trex: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(FourCc::TREX, trex);
        cursor.version_flags()?;
        let track_id = cursor.u32()?;
        let (entry, duration) = (cursor.u32()?, cursor.u32()?);
        let (size, flags) = (cursor.u32()?, cursor.u32()?);
        Ok(Self { track_id, sample: SampleDefaults { entry, duration, size, flags } })
    }
}

/// Reads the body of the `moof` that starts at `moof_offset`.
pub(crate) fn parse_fragment<'a>(
    moof: &'a [u8],
    moof_offset: u64,
    defaults: &[TrackDefaults],
) -> Result<Vec<TrackFragment<'a>>, Error> {
    let mut fragments = Vec::new();
    // Where the data of a track fragment starts that names no base: behind that of the one before (§8.8.7.1).
    let mut implicit_base = moof_offset;
    for traf in children(moof, FourCc::TRAF)? {
        let fragment = parse_track_fragment(traf, moof_offset, implicit_base, defaults)?;
        if let Some(run) = fragment.runs.last() {
            implicit_base = run.end()?;
        }
        fragments.push(fragment);
    }
    Ok(fragments)
}

fn parse_track_fragment<'a>(
    traf: &'a [u8],
    moof_offset: u64,
    implicit_base: u64,
    defaults: &[TrackDefaults],
) -> Result<TrackFragment<'a>, Error> {
    let mut tfhd = Cursor::new(FourCc::TFHD, required(traf, FourCc::TRAF, FourCc::TFHD)?);
    let (_, flags) = tfhd.version_flags()?;
    let track_id = tfhd.u32()?;
    let trex = defaults.iter().find(|defaults| defaults.track_id == track_id);
    let mut sample =
        trex.map_or(SampleDefaults { entry: 1, duration: 0, size: 0, flags: 0 }, |trex| trex.sample);
    let base = if flags & BASE_DATA_OFFSET != 0 {
        tfhd.u64()?
    } else if flags & DEFAULT_BASE_IS_MOOF != 0 {
        moof_offset
    } else {
        implicit_base
    };
    for (flag, field) in [
        (SAMPLE_DESCRIPTION_INDEX, &mut sample.entry),
        (DEFAULT_DURATION, &mut sample.duration),
        (DEFAULT_SIZE, &mut sample.size),
        (DEFAULT_FLAGS, &mut sample.flags),
    ] {
        if flags & flag != 0 {
            *field = tfhd.u32()?;
        }
    }
    let decode_time = child(traf, FourCc::TFDT)?.map(parse_decode_time).transpose()?;
    let mut runs: Vec<Run<'a>> = Vec::new();
    for trun in children(traf, FourCc::TRUN)? {
        let follows = runs.last().map_or(Ok(base), Run::end)?;
        runs.push(Run::parse(trun, base, follows, sample)?);
    }
    Ok(TrackFragment { track_id, entry: sample.entry, decode_time, runs })
}

/// `tfdt` (§8.8.12). Version 1 is read as signed: some muxers write a time before 0.
fn parse_decode_time(tfdt: &[u8]) -> Result<i64, Error> {
    let mut cursor = Cursor::new(FourCc::TFDT, tfdt);
    match cursor.version_flags()? {
        (0, _) => cursor.u32().map(i64::from),
        _ => cursor.i64(),
    }
}

impl<'a> Run<'a> {
    /// `base` is what a stated offset counts from, `follows` where the data starts without one.
    fn parse(trun: &'a [u8], base: u64, follows: u64, defaults: SampleDefaults) -> Result<Self, Error> {
        let mut cursor = Cursor::new(FourCc::TRUN, trun);
        let (_, flags) = cursor.version_flags()?;
        let count = cursor.u32()?;
        let offset = if flags & DATA_OFFSET != 0 {
            base.checked_add_signed(cursor.i32()?.into()).ok_or(Error::OffsetOverflow)?
        } else {
            follows
        };
        let first_flags = if flags & FIRST_SAMPLE_FLAGS != 0 { Some(cursor.u32()?) } else { None };
        let mut run = Self { offset, size: 0, count, flags, first_flags, defaults, rows: cursor.rest() };
        let len = run.row_len().checked_mul(to_usize(count));
        let rows = len.and_then(|len| run.rows.get(..len));
        run.rows = rows.ok_or(Error::TableTooLong { kind: FourCc::TRUN, count, room: run.rows.len() })?;
        run.size = if flags & SAMPLE_SIZE != 0 {
            run.samples().map(|sample| u64::from(sample.size)).sum()
        } else {
            u64::from(count) * u64::from(defaults.size)
        };
        run.end()?;
        Ok(run)
    }

    /// The position behind the last sample's bytes.
    pub(crate) fn end(&self) -> Result<u64, Error> {
        self.offset.checked_add(self.size).ok_or(Error::OffsetOverflow)
    }

    /// The samples. There may be many more of them than bytes in the box: their number is the caller's to limit.
    pub(crate) fn samples(&self) -> impl Iterator<Item = RunSample> + use<'_, 'a> {
        let mut rows = self.rows;
        let mut field = move |flag: u32| {
            if self.flags & flag == 0 {
                return None;
            }
            let (value, rest) = rows.split_first_chunk()?;
            rows = rest;
            Some(u32::from_be_bytes(*value))
        };
        (0..self.count).map(move |index| {
            let duration = field(SAMPLE_DURATION).unwrap_or(self.defaults.duration);
            let size = field(SAMPLE_SIZE).unwrap_or(self.defaults.size);
            let first_flags = self.first_flags.filter(|_| index == 0);
            let flags = field(SAMPLE_FLAGS).or(first_flags).unwrap_or(self.defaults.flags);
            let composition_offset = field(SAMPLE_COMPOSITION_OFFSET).unwrap_or_default().cast_signed();
            RunSample { duration, size, sync: is_sync(flags), composition_offset }
        })
    }

    fn row_len(&self) -> usize {
        let fields = [SAMPLE_DURATION, SAMPLE_SIZE, SAMPLE_FLAGS, SAMPLE_COMPOSITION_OFFSET];
        4 * fields.iter().filter(|flag| self.flags & **flag != 0).count()
    }
}

/// Sample flags (§8.8.3.1): sample_is_non_sync_sample is clear, and sample_depends_on does not contradict it, which it
/// does in files whose muxer knows only the latter.
fn is_sync(flags: u32) -> bool {
    const NON_SYNC: u32 = 0x1_0000;
    const DEPENDS_ON_OTHERS: u32 = 0x100_0000;
    flags & (NON_SYNC | DEPENDS_ON_OTHERS) == 0
}
