//! Builds small progressive files, together with the samples their index is to hold.

use isobmff::Sample;

/// A file to build: tracks, and how their media lies.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) tracks: Vec<Track>,
    pub(crate) moov: Moov,
    pub(crate) mdat: Mdat,
}

/// Where the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moov {
    First,
    Last,
}

/// How the media states its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mdat {
    Short,
    /// With a 64-bit size.
    Long,
    /// Size 0; only for a file whose index is first.
    ToEnd,
}

/// A track and the form of its tables.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) handler: [u8; 4],
    pub(crate) timescale: u32,
    /// Whole sample entry boxes.
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) sizes: Sizes,
    pub(crate) composition: Composition,
    pub(crate) sync: Sync,
    /// `co64` instead of `stco`.
    pub(crate) long_offsets: bool,
}

/// Samples that lie back to back.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) entry: u16,
    pub(crate) samples: Vec<Row>,
}

/// What the builder is told of a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) duration: u32,
    pub(crate) composition_offset: i32,
    pub(crate) size: u32,
    pub(crate) sync: bool,
}

/// The form of the size table. The sizes must fit into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sizes {
    Each,
    Constant(u32),
    Compact { bits: u8 },
}

/// The form of the composition offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Composition {
    /// All offsets are 0.
    Absent,
    Version(u8),
}

/// The form of the sync samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// All are sync samples.
    Absent,
    Listed,
    /// Every second one is in QuickTime's `stps`.
    Partial,
}

impl File {
    /// The file's bytes, and the samples of each track.
    pub(crate) fn build(&self) -> (Vec<u8>, Vec<Vec<Sample>>) {
        let ftyp = boxed(b"ftyp", &[b"isom\0\0\x02\0isomqt  "]);
        let media: Vec<u8> = self.media_order().flat_map(|(_, chunk)| chunk.media()).collect();
        let mdat = match self.mdat {
            Mdat::Short => boxed(b"mdat", &[&media]),
            Mdat::Long => [b"\0\0\0\x01mdat", &(media.len() as u64 + 16).to_be_bytes()[..], &media].concat(),
            Mdat::ToEnd => [b"\0\0\0\0mdat", &media[..]].concat(),
        };
        let padding = boxed(b"wide", &[]);
        let before = match self.moov {
            Moov::First => ftyp.len() + self.moov(0).len() + padding.len(),
            Moov::Last => ftyp.len() + padding.len(),
        };
        let media_start = (before + mdat.len() - media.len()) as u64;
        let moov = self.moov(media_start);
        let file = match self.moov {
            Moov::First => [ftyp, moov, padding, mdat].concat(),
            Moov::Last => [ftyp, padding, mdat, moov].concat(),
        };
        let starts = self.chunk_starts(media_start);
        (file, self.tracks.iter().zip(&starts).map(|(track, starts)| track.expected(starts)).collect())
    }

    /// The chunks of all tracks by turns, as muxers interleave them.
    fn media_order(&self) -> impl Iterator<Item = (usize, &Chunk)> {
        let most = self.tracks.iter().map(|track| track.chunks.len()).max().unwrap_or_default();
        (0..most).flat_map(move |turn| {
            let chunks = self.tracks.iter().enumerate();
            chunks.filter_map(move |(index, track)| Some((index, track.chunks.get(turn)?)))
        })
    }

    fn chunk_starts(&self, media_start: u64) -> Vec<Vec<u64>> {
        let mut starts = vec![Vec::new(); self.tracks.len()];
        let mut next = media_start;
        for (track, chunk) in self.media_order() {
            starts[track].push(next);
            next += chunk.len();
        }
        starts
    }

    fn moov(&self, media_start: u64) -> Vec<u8> {
        let mut body = full(b"mvhd", 0, &[&words(&[0, 0, 1000, 0])[..], &[0; 80]].concat());
        for (index, (track, starts)) in self.tracks.iter().zip(self.chunk_starts(media_start)).enumerate() {
            body.extend(track.trak(index as u32 + 1, &starts));
        }
        boxed(b"moov", &[&body])
    }
}

impl Track {
    fn rows(&self) -> impl Iterator<Item = Row> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.samples.iter().copied())
    }

    fn expected(&self, starts: &[u64]) -> Vec<Sample> {
        let mut decode_time = 0;
        let mut samples = Vec::new();
        for (chunk, start) in self.chunks.iter().zip(starts) {
            let mut offset = *start;
            for row in &chunk.samples {
                samples.push(Sample {
                    decode_time,
                    duration: row.duration,
                    composition_offset: match self.composition {
                        Composition::Absent => 0,
                        Composition::Version(_) => row.composition_offset,
                    },
                    offset,
                    size: row.size,
                    sync: self.sync == Sync::Absent || row.sync,
                    entry: chunk.entry,
                });
                decode_time += i64::from(row.duration);
                offset += u64::from(row.size);
            }
        }
        samples
    }

    fn trak(&self, id: u32, starts: &[u64]) -> Vec<u8> {
        let tkhd = full(b"tkhd", 0, &[&words(&[0, 0, id, 0, 0])[..], &[0; 60]].concat());
        let mdhd = full(b"mdhd", 0, &words(&[0, 0, self.timescale, 0, 0x55c4_0000]));
        let hdlr = full(b"hdlr", 0, &[&[0; 4], &self.handler[..], &[0; 13]].concat());
        let dref = [&words(&[1])[..], &boxed(b"url ", &[&[0, 0, 0, 1]])].concat();
        let dinf = boxed(b"dinf", &[&full(b"dref", 0, &dref)]);
        let minf = boxed(b"minf", &[&dinf, &self.stbl(starts)]);
        boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &hdlr, &minf])])
    }

    fn stbl(&self, starts: &[u64]) -> Vec<u8> {
        let entries = [&words(&[self.entries.len() as u32])[..], &self.entries.concat()].concat();
        let offsets = if self.long_offsets {
            table(b"co64", 0, starts.iter().map(|start| start.to_be_bytes().to_vec()))
        } else {
            table(b"stco", 0, starts.iter().map(|start| (*start as u32).to_be_bytes().to_vec()))
        };
        let times = runs(self.rows().map(|row| row.duration))
            .into_iter()
            .map(|(count, delta)| words(&[count, delta]));
        let tables = [
            full(b"stsd", 0, &entries),
            table(b"stts", 0, times),
            self.composition_table(),
            self.sync_tables(),
            self.chunk_table(),
            self.size_table(),
            offsets,
        ];
        boxed(b"stbl", &[&tables.concat()])
    }

    fn composition_table(&self) -> Vec<u8> {
        let Composition::Version(version) = self.composition else { return Vec::new() };
        let offsets = runs(self.rows().map(|row| row.composition_offset));
        table(b"ctts", version, offsets.into_iter().map(|(count, offset)| words(&[count, offset as u32])))
    }

    fn sync_tables(&self) -> Vec<u8> {
        let numbers: Vec<u32> =
            (1..).zip(self.rows()).filter(|(_, row)| row.sync).map(|(number, _)| number).collect();
        let listed =
            |kind, numbers: Vec<u32>| table(kind, 0, numbers.into_iter().map(|number| words(&[number])));
        match self.sync {
            Sync::Absent => Vec::new(),
            Sync::Listed => listed(b"stss", numbers),
            Sync::Partial => {
                let (partial, whole) = numbers.into_iter().partition(|number| number % 2 == 0);
                [listed(b"stss", whole), listed(b"stps", partial)].concat()
            }
        }
    }

    fn chunk_table(&self) -> Vec<u8> {
        let mut last = None;
        let mut rows = Vec::new();
        for (number, chunk) in (1..).zip(&self.chunks) {
            let run = (chunk.samples.len() as u32, u32::from(chunk.entry) + 1);
            if last.replace(run) != Some(run) {
                rows.push(words(&[number, run.0, run.1]));
            }
        }
        table(b"stsc", 0, rows.into_iter())
    }

    fn size_table(&self) -> Vec<u8> {
        let count = self.rows().count() as u32;
        let sizes = self.rows().map(|row| row.size);
        match self.sizes {
            Sizes::Each => {
                full(b"stsz", 0, &[words(&[0, count]), sizes.flat_map(u32::to_be_bytes).collect()].concat())
            }
            Sizes::Constant(size) => full(b"stsz", 0, &words(&[size, count])),
            Sizes::Compact { bits } => {
                let sizes: Vec<u32> = sizes.collect();
                let packed: Vec<u8> = match bits {
                    4 => sizes.chunks(2).map(|two| (two[0] << 4 | two.get(1).unwrap_or(&0)) as u8).collect(),
                    8 => sizes.iter().map(|size| *size as u8).collect(),
                    _ => sizes.iter().flat_map(|size| (*size as u16).to_be_bytes()).collect(),
                };
                full(b"stz2", 0, &[words(&[bits.into(), count]), packed].concat())
            }
        }
    }
}

impl Chunk {
    fn len(&self) -> u64 {
        self.samples.iter().map(|row| u64::from(row.size)).sum()
    }

    fn media(&self) -> Vec<u8> {
        vec![0xaa; self.len() as usize]
    }
}

/// A box around parts of its body.
pub(crate) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&words(&[body.len() as u32 + 8])[..], kind, &body].concat()
}

/// A full box without flags.
pub(crate) fn full(kind: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, 0], body])
}

/// Numbers as the format writes them.
pub(crate) fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn table(kind: &[u8; 4], version: u8, rows: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let rows: Vec<Vec<u8>> = rows.collect();
    full(kind, version, &[words(&[rows.len() as u32]), rows.concat()].concat())
}

fn runs<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<(u32, T)> {
    let mut runs: Vec<(u32, T)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    runs
}
