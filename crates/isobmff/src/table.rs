//! The samples of a track, in columns.

use std::iter::FusedIterator;
use std::ops::Range;

use crate::size::to_usize;

/// The samples of a track in decode order, in columns: 20 to 26 bytes a sample.
///
/// For audio whose table has one entry per PCM frame, consecutive frames of one file chunk are grouped, up to 1024
/// frames a sample: a two-hour recording stays small.
///
/// Collects from [`Sample`]s, which is how tests and planners make one without a file.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleTable {
    pub(crate) decode_times: Vec<i64>,
    /// Empty when every offset is 0.
    pub(crate) composition_offsets: Vec<i32>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) sizes: Vec<u32>,
    /// Empty when every sample uses entry 0.
    pub(crate) entries: Vec<u16>,
    pub(crate) sync: SyncTable,
    pub(crate) end: i64,
}

/// One row of a [`SampleTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// In [`Track::timescale`](crate::Track::timescale), from 0 (or from the first `tfdt`).
    pub decode_time: i64,
    /// To the next sample's decode time.
    pub duration: u32,
    /// Presentation time minus decode time; `ctts` version 0 is read as signed too, as every player does.
    pub composition_offset: i32,
    /// Position in the file.
    pub offset: u64,
    /// Length in bytes.
    pub size: u32,
    /// Whether decoding can start here.
    pub sync: bool,
    /// Index into [`Track::entries`](crate::Track::entries).
    pub entry: u16,
}

/// Which samples can be decoded without any other (`stss`, `stps`, `trun` flags).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncTable {
    /// There is no `stss`: every sample is declared a sync sample. (It may be a lie: look at the samples.)
    All,
    /// Sorted indices into the table. QuickTime's partial sync samples (`stps`) are included.
    Listed(Vec<u32>),
}

impl Sample {
    /// When the sample is shown, in the track's timescale, before edits.
    pub fn presentation_time(&self) -> i64 {
        self.decode_time.saturating_add(self.composition_offset.into())
    }
}

impl SyncTable {
    /// Whether sample `index` is a sync sample.
    pub fn contains(&self, index: u32) -> bool {
        match self {
            Self::All => true,
            Self::Listed(listed) => listed.binary_search(&index).is_ok(),
        }
    }

    /// The last sync sample at or before `index` in decode order.
    pub fn at_or_before(&self, index: u32) -> Option<u32> {
        match self {
            Self::All => Some(index),
            Self::Listed(listed) => {
                let after = listed.partition_point(|&sync| sync <= index);
                after.checked_sub(1).and_then(|last| listed.get(last)).copied()
            }
        }
    }
}

impl SampleTable {
    /// How many samples there are. Sample indices are `u32` throughout.
    pub fn len(&self) -> u32 {
        u32::try_from(self.sizes.len())
            .expect("`push` and `tables` keep the number of samples within 32 bits")
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Sample `index` in decode order, from 0.
    pub fn get(&self, index: u32) -> Option<Sample> {
        self.row(usize::try_from(index).ok()?, self.sync.contains(index))
    }

    /// Every sample in decode order.
    pub fn iter(&self) -> Samples<'_> {
        self.range(0..self.len())
    }

    /// The samples of a range of decode indices; what lies beyond the table is left out.
    pub fn range(&self, range: Range<u32>) -> Samples<'_> {
        let end = range.end.min(self.len());
        let listed: &[u32] = match &self.sync {
            SyncTable::All => &[],
            SyncTable::Listed(listed) => listed,
        };
        let before = listed.partition_point(|&sync| sync < range.start);
        Samples {
            table: self,
            next: range.start.min(end),
            end,
            sync: listed.get(before..).unwrap_or_default(),
        }
    }

    /// Which samples decoding can start at.
    pub fn sync(&self) -> &SyncTable {
        &self.sync
    }

    /// The decode time after the last sample, in the track's timescale.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// When each sample is shown, in decode order, before edits.
    pub fn presentation_times(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
        let mut offsets = self.composition_offsets.iter();
        self.decode_times
            .iter()
            .map(move |time| time.saturating_add(offsets.next().copied().unwrap_or_default().into()))
    }

    /// The smallest composition offset, 0 for an empty table. Negative in files with `ctts` or `trun` version 1.
    pub fn min_composition_offset(&self) -> i32 {
        self.composition_offsets.iter().copied().min().unwrap_or_default()
    }

    /// The bytes of all samples together.
    pub fn total_size(&self) -> u64 {
        self.sizes.iter().map(|&size| u64::from(size)).sum()
    }

    /// The position after the last byte that any sample needs.
    pub fn media_end(&self) -> u64 {
        let ends = self.offsets.iter().zip(&self.sizes);
        ends.map(|(offset, &size)| offset.saturating_add(size.into())).max().unwrap_or_default()
    }

    /// The first sample in decode order that is not wholly inside a file of `file_len` bytes.
    pub fn first_beyond(&self, file_len: u64) -> Option<u32> {
        let mut ends = self.offsets.iter().zip(&self.sizes);
        let index = ends.position(|(offset, &size)| offset.saturating_add(size.into()) > file_len)?;
        u32::try_from(index).ok()
    }

    pub(crate) fn empty() -> Self {
        Self {
            decode_times: Vec::new(),
            composition_offsets: Vec::new(),
            offsets: Vec::new(),
            sizes: Vec::new(),
            entries: Vec::new(),
            sync: SyncTable::All,
            end: 0,
        }
    }

    /// Appends a sample; [`SampleTable::end`] becomes its end. The caller keeps the count within 32 bits.
    pub(crate) fn push(&mut self, sample: Sample) {
        let index = self.len();
        let before = self.sizes.len();
        if sample.composition_offset != 0 || !self.composition_offsets.is_empty() {
            self.composition_offsets.resize(before, 0);
            self.composition_offsets.push(sample.composition_offset);
        }
        match &mut self.sync {
            SyncTable::All if sample.sync => {}
            SyncTable::All => self.sync = SyncTable::Listed((0..index).collect()),
            SyncTable::Listed(listed) if sample.sync => listed.push(index),
            SyncTable::Listed(_) => {}
        }
        self.decode_times.push(sample.decode_time);
        self.push_place(sample.offset, sample.size, sample.entry);
        self.end = sample.decode_time.saturating_add(sample.duration.into());
    }

    /// Appends where a sample lies. Its times follow in their own columns; `tables` fills them.
    pub(crate) fn push_place(&mut self, offset: u64, size: u32, entry: u16) {
        if entry != 0 || !self.entries.is_empty() {
            self.entries.resize(self.sizes.len(), 0);
            self.entries.push(entry);
        }
        self.offsets.push(offset);
        self.sizes.push(size);
    }

    pub(crate) fn reserve_places(&mut self, count: usize) {
        self.offsets.reserve_exact(count);
        self.sizes.reserve_exact(count);
    }

    fn row(&self, index: usize, sync: bool) -> Option<Sample> {
        let decode_time = *self.decode_times.get(index)?;
        let next = self.decode_times.get(index + 1).copied().unwrap_or(self.end);
        let duration = next.saturating_sub(decode_time).clamp(0, u32::MAX.into());
        Some(Sample {
            decode_time,
            duration: u32::try_from(duration).expect("clamped to 32 bits above"),
            composition_offset: self.composition_offsets.get(index).copied().unwrap_or_default(),
            offset: *self.offsets.get(index)?,
            size: *self.sizes.get(index)?,
            sync,
            entry: self.entries.get(index).copied().unwrap_or_default(),
        })
    }
}

impl FromIterator<Sample> for SampleTable {
    fn from_iter<I: IntoIterator<Item = Sample>>(samples: I) -> Self {
        let mut table = Self::empty();
        for sample in samples {
            table.push(sample);
        }
        table
    }
}

impl<'a> IntoIterator for &'a SampleTable {
    type Item = Sample;
    type IntoIter = Samples<'a>;

    fn into_iter(self) -> Samples<'a> {
        self.iter()
    }
}

/// Iterator over the rows of a [`SampleTable`].
#[derive(Debug, Clone)]
pub struct Samples<'a> {
    table: &'a SampleTable,
    next: u32,
    end: u32,
    /// The listed sync samples from `next` on.
    sync: &'a [u32],
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.next >= self.end {
            return None;
        }
        let sync = match (&self.table.sync, self.sync.split_first()) {
            (SyncTable::All, _) => true,
            (SyncTable::Listed(_), Some((&first, rest))) if first == self.next => {
                self.sync = rest;
                true
            }
            (SyncTable::Listed(_), _) => false,
        };
        let sample = self.table.row(usize::try_from(self.next).ok()?, sync);
        self.next += 1;
        sample
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = to_usize(self.end - self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Samples<'_> {}
impl FusedIterator for Samples<'_> {}
