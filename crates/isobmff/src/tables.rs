//! The tables of `stbl` (§8.5 to §8.7), from their bytes to a [`SampleTable`].

use crate::boxes::{child, required};
use crate::cursor::{Cursor, pair};
use crate::entry::{Packet, SampleEntry};
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::limits::SampleBudget;
use crate::size::to_usize;
use crate::table::{SampleTable, SyncTable};

/// The tables of one track, where they lie in the file's bytes.
pub(crate) struct Tables<'a> {
    /// Runs of (sample count, delta).
    times: &'a [[u8; 8]],
    /// Runs of (sample count, composition offset).
    composition: &'a [[u8; 8]],
    /// Sample numbers from 1; `None` without `stss`.
    sync: Option<&'a [[u8; 4]]>,
    partial_sync: &'a [[u8; 4]],
    /// Runs of (first chunk from 1, samples per chunk, sample entry from 1).
    chunk_runs: &'a [[u8; 12]],
    sizes: Sizes<'a>,
    chunks: ChunkOffsets<'a>,
}

/// `stsz` (§8.7.3.2) or `stz2` (§8.7.3.3).
#[derive(Clone, Copy)]
enum Sizes<'a> {
    Constant {
        size: u32,
        count: u32,
    },
    Each(&'a [[u8; 4]]),
    Halves(&'a [[u8; 2]]),
    Bytes(&'a [u8]),
    /// Two in a byte, the first in its upper half.
    Nibbles {
        bytes: &'a [u8],
        count: u32,
    },
}

/// `stco` or `co64` (§8.7.5).
#[derive(Clone, Copy)]
enum ChunkOffsets<'a> {
    Short(&'a [[u8; 4]]),
    Long(&'a [[u8; 8]]),
}

/// A run of samples that lie back to back.
struct Chunk {
    offset: u64,
    samples: u32,
    entry: u16,
}

impl<'a> Tables<'a> {
    pub(crate) fn parse(stbl: &'a [u8]) -> Result<Self, Error> {
        let sizes = Sizes::parse(stbl)?;
        if sizes.is_empty() {
            return Ok(Self { sizes, ..Self::EMPTY });
        }
        Ok(Self {
            times: table(required(stbl, FourCc::STBL, FourCc::STTS)?, FourCc::STTS)?,
            composition: optional_table(stbl, FourCc::CTTS)?.unwrap_or_default(),
            sync: optional_table(stbl, FourCc::STSS)?,
            partial_sync: optional_table(stbl, FourCc::STPS)?.unwrap_or_default(),
            chunk_runs: table(required(stbl, FourCc::STBL, FourCc::STSC)?, FourCc::STSC)?,
            sizes,
            chunks: ChunkOffsets::parse(stbl)?,
        })
    }

    /// The samples. `sound` says that a table which counts single frames is grouped.
    pub(crate) fn samples(
        &self,
        entries: &[SampleEntry],
        sound: bool,
        budget: &mut SampleBudget,
    ) -> Result<SampleTable, Error> {
        let packets = if sound { self.packets(entries) } else { None };
        let table = match (packets, self.sizes) {
            (Some(packets), Sizes::Constant { count, .. }) => {
                self.grouped(&packets, count, entries, budget)?
            }
            _ => self.expanded(entries, budget)?,
        };
        budget.spend(table.len())?;
        Ok(table)
    }

    const EMPTY: Self = Self {
        times: &[],
        composition: &[],
        sync: None,
        partial_sync: &[],
        chunk_runs: &[],
        sizes: Sizes::Each(&[]),
        chunks: ChunkOffsets::Short(&[]),
    };

    /// The packets of each entry, when the table counts single frames of sound.
    fn packets(&self, entries: &[SampleEntry]) -> Option<Vec<Packet>> {
        let Sizes::Constant { size, .. } = self.sizes else { return None };
        let frame_by_frame = self.times.iter().all(|run| matches!(pair(*run), (_, 1) | (0, _)));
        if !frame_by_frame || self.times.is_empty() || !self.composition.is_empty() {
            return None;
        }
        entries.iter().map(|entry| Packet::of(entry, size)).collect()
    }

    /// Groups frames into samples without ever writing down single ones: work and memory are those of the result.
    fn grouped(
        &self,
        packets: &[Packet],
        count: u32,
        entries: &[SampleEntry],
        budget: &SampleBudget,
    ) -> Result<SampleTable, Error> {
        let mut table = SampleTable::empty();
        let mut left = count;
        let mut time: u32 = 0;
        for chunk in self.chunk_iter(entries) {
            let packet = packets
                .get(usize::from(chunk.entry))
                .ok_or(Error::MissingBox { kind: FourCc::STSD, parent: FourCc::STBL })?;
            let mut offset = chunk.offset;
            let mut in_chunk = chunk.samples.min(left);
            left -= in_chunk;
            while in_chunk > 0 {
                let frames = in_chunk.min(packet.frames_per_sample());
                let size = packet.bytes_of(frames).ok_or(Error::OffsetOverflow)?;
                budget.check(table.len())?;
                table.decode_times.push(time.into());
                table.push_place(offset, size, chunk.entry);
                offset = offset.checked_add(size.into()).ok_or(Error::OffsetOverflow)?;
                // Cannot overflow: the frames of all samples together are `count`, which has 32 bits.
                time = time.saturating_add(frames);
                in_chunk -= frames;
            }
            if left == 0 {
                break;
            }
        }
        table.end = time.into();
        Ok(table)
    }

    fn expanded(&self, entries: &[SampleEntry], budget: &SampleBudget) -> Result<SampleTable, Error> {
        budget.check_all(self.sizes.len())?;
        let mut table = SampleTable::empty();
        match self.sizes {
            Sizes::Constant { size, count } => {
                let sizes = std::iter::repeat_n(size, to_usize(count));
                self.place(sizes, entries, &mut table)?;
            }
            Sizes::Each(sizes) => {
                table.reserve_places(sizes.len());
                self.place(sizes.iter().copied().map(u32::from_be_bytes), entries, &mut table)?;
            }
            Sizes::Halves(sizes) => {
                let sizes = sizes.iter().copied().map(|size| u16::from_be_bytes(size).into());
                self.place(sizes, entries, &mut table)?;
            }
            Sizes::Bytes(sizes) => self.place(sizes.iter().copied().map(u32::from), entries, &mut table)?,
            Sizes::Nibbles { bytes, count } => {
                let sizes = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(u32::from);
                self.place(sizes.take(to_usize(count)), entries, &mut table)?;
            }
        }
        self.set_times(&mut table)?;
        self.set_composition_offsets(&mut table);
        self.set_sync(&mut table);
        Ok(table)
    }

    /// Deals the sizes out to the chunks. Samples that no chunk holds are left out.
    fn place(
        &self,
        mut sizes: impl Iterator<Item = u32>,
        entries: &[SampleEntry],
        table: &mut SampleTable,
    ) -> Result<(), Error> {
        for chunk in self.chunk_iter(entries) {
            let mut offset = chunk.offset;
            for _ in 0..chunk.samples {
                let Some(size) = sizes.next() else { return Ok(()) };
                table.push_place(offset, size, chunk.entry);
                offset = offset.checked_add(size.into()).ok_or(Error::OffsetOverflow)?;
            }
        }
        Ok(())
    }

    /// Decode times (§8.6.1.2). A table that ends early goes on with its last delta, as players do.
    fn set_times(&self, table: &mut SampleTable) -> Result<(), Error> {
        let count = table.sizes.len();
        table.decode_times.reserve_exact(count);
        let mut time: i64 = 0;
        let mut delta = 0;
        let mut runs = self.times.iter().map(|run| pair(*run));
        while table.decode_times.len() < count {
            let left = count - table.decode_times.len();
            let run = match runs.next() {
                Some((run, declared)) => {
                    // Some recorders write negative deltas. Nothing can last for less than a tick.
                    delta = i64::from(if i32::try_from(declared).is_ok() { declared } else { 1 });
                    to_usize(run).min(left)
                }
                None => left,
            };
            for _ in 0..run {
                table.decode_times.push(time);
                // At most 2^32 samples of 2^31 ticks.
                time = time.saturating_add(delta);
            }
        }
        table.end = time;
        Ok(())
    }

    /// Composition offsets (§8.6.1.3), signed in version 0 too. Samples behind the table's end have none.
    fn set_composition_offsets(&self, table: &mut SampleTable) {
        let count = table.sizes.len();
        let mut runs = self.composition.iter().map(|run| pair(*run)).peekable();
        if self.composition.iter().all(|run| pair(*run).1 == 0) {
            return;
        }
        let column = &mut table.composition_offsets;
        column.reserve_exact(count);
        while let Some((run, offset)) = runs.next_if(|_| column.len() < count) {
            let run = to_usize(run).min(count - column.len());
            column.extend(std::iter::repeat_n(offset.cast_signed(), run));
        }
        column.resize(count, 0);
    }

    /// Sync samples (§8.6.2) and partial ones (QTFF). Numbers from 0, which some recorders write, are understood.
    fn set_sync(&self, table: &mut SampleTable) {
        let Some(sync) = self.sync else { return };
        let starts_at_zero = |numbers: &[[u8; 4]]| numbers.first().is_some_and(|number| *number == [0; 4]);
        let first = u32::from(!starts_at_zero(sync) && !starts_at_zero(self.partial_sync));
        let count = table.len();
        let mut listed: Vec<u32> = sync
            .iter()
            .chain(self.partial_sync)
            .filter_map(|number| u32::from_be_bytes(*number).checked_sub(first))
            .filter(|index| *index < count)
            .collect();
        if !listed.is_sorted_by(|before, after| before < after) {
            listed.sort_unstable();
            listed.dedup();
        }
        table.sync = SyncTable::Listed(listed);
    }

    /// The chunks (§8.7.4, §8.7.5). An index that names no sample entry is read as the first, as players do.
    fn chunk_iter(&self, entries: &[SampleEntry]) -> impl Iterator<Item = Chunk> + use<'a> {
        let (short, long): (&[[u8; 4]], &[[u8; 8]]) = match self.chunks {
            ChunkOffsets::Short(short) => (short, &[]),
            ChunkOffsets::Long(long) => (&[], long),
        };
        let offsets = short.iter().map(|offset| u64::from(u32::from_be_bytes(*offset)));
        let offsets = offsets.chain(long.iter().map(|offset| u64::from_be_bytes(*offset)));
        let entry_count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let mut runs = self.chunk_runs.iter().map(|run| chunk_run(*run)).peekable();
        let (mut samples, mut entry) = (0, 0);
        (1_u32..).zip(offsets).map(move |(number, offset)| {
            while let Some((_, run_samples, run_entry)) = runs.next_if(|(first, ..)| *first <= number) {
                samples = run_samples;
                let index = run_entry.checked_sub(1).filter(|index| *index < entry_count);
                entry = index.and_then(|index| u16::try_from(index).ok()).unwrap_or_default();
            }
            Chunk { offset, samples, entry }
        })
    }
}

impl<'a> Sizes<'a> {
    fn parse(stbl: &'a [u8]) -> Result<Self, Error> {
        if let Some(stsz) = child(stbl, FourCc::STSZ)? {
            let mut cursor = Cursor::new(FourCc::STSZ, stsz);
            cursor.version_flags()?;
            let (size, count) = (cursor.u32()?, cursor.u32()?);
            return if size == 0 {
                cursor.table(count).map(Self::Each)
            } else {
                Ok(Self::Constant { size, count })
            };
        }
        let missing = Error::MissingBox { kind: FourCc::STSZ, parent: FourCc::STBL };
        let mut cursor = Cursor::new(FourCc::STZ2, child(stbl, FourCc::STZ2)?.ok_or(missing)?);
        cursor.version_flags()?;
        let [_, _, _, bits] = cursor.array()?;
        let count = cursor.u32()?;
        match bits {
            4 => {
                let bytes = cursor.table::<1>(count.div_ceil(2))?.as_flattened();
                Ok(Self::Nibbles { bytes, count })
            }
            8 => Ok(Self::Bytes(cursor.table::<1>(count)?.as_flattened())),
            16 => cursor.table(count).map(Self::Halves),
            bits => Err(Error::SizeFieldWidth { bits }),
        }
    }

    fn len(&self) -> u64 {
        let entries = match self {
            Self::Constant { count, .. } | Self::Nibbles { count, .. } => return u64::from(*count),
            Self::Each(sizes) => sizes.len(),
            Self::Halves(sizes) => sizes.len(),
            Self::Bytes(sizes) => sizes.len(),
        };
        u64::try_from(entries).unwrap_or(u64::MAX)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> ChunkOffsets<'a> {
    fn parse(stbl: &'a [u8]) -> Result<Self, Error> {
        match child(stbl, FourCc::CO64)? {
            Some(co64) => table(co64, FourCc::CO64).map(Self::Long),
            None => table(required(stbl, FourCc::STBL, FourCc::STCO)?, FourCc::STCO).map(Self::Short),
        }
    }
}

/// The entries of a full box that is nothing but a counted table.
fn table<const N: usize>(body: &[u8], kind: FourCc) -> Result<&[[u8; N]], Error> {
    let mut cursor = Cursor::new(kind, body);
    cursor.version_flags()?;
    cursor.counted_table()
}

fn optional_table<const N: usize>(stbl: &[u8], kind: FourCc) -> Result<Option<&[[u8; N]]>, Error> {
    child(stbl, kind)?.map(|body| table(body, kind)).transpose()
}

fn chunk_run([a, b, c, d, e, f, g, h, i, j, k, l]: [u8; 12]) -> (u32, u32, u32) {
    let (first, samples) = pair([a, b, c, d, e, f, g, h]);
    (first, samples, u32::from_be_bytes([i, j, k, l]))
}
