//! Exact bytes of everything that precedes the media of a progressive file.

use crate::movie::FileType;
use crate::size::to_u64;
use crate::writer::{
    BoxWriter, Durations, FragmentSample, InitTrack, write_file_type, write_movie_header, write_track,
};

/// A progressive file: `ftyp`, `moov` with all tables, and one `mdat`.
#[derive(Debug, Clone)]
pub struct MovieSpec<'a> {
    /// Major brand, its version and the compatible brands.
    pub file_type: FileType,
    /// At least one; the movie's timescale is that of the first.
    pub tracks: Vec<MovieTrack<'a>>,
    /// Bytes of `mdat` behind its header.
    pub media_len: u64,
}

/// One track of a progressive file. Its samples use its first sample entry.
#[derive(Debug, Clone)]
pub struct MovieTrack<'a> {
    /// What an init segment says of it, too.
    pub track: InitTrack<'a>,
    /// In decode order.
    pub chunks: Vec<MovieChunk<'a>>,
}

/// Samples that lie back to back.
#[derive(Debug, Clone, Copy)]
pub struct MovieChunk<'a> {
    /// Where its bytes start behind the header of `mdat`.
    pub position: u64,
    /// In decode order.
    pub samples: &'a [FragmentSample],
}

/// `ftyp`, `moov` and the header of the `mdat` that the media follow.
///
/// Positions of chunks get 64 bits (`co64`), and so does the size of `mdat`, only when they need them: not every player
/// reads these.
///
/// # Panics
/// When `moov` itself would exceed 2 GiB, which takes 100 million samples.
pub fn write_movie(spec: &MovieSpec<'_>) -> Vec<u8> {
    let short = write_with(spec, Positions::Bits32, 0);
    let furthest = spec.tracks.iter().flat_map(|track| &track.chunks).map(|chunk| chunk.position).max();
    let last = furthest.unwrap_or_default().saturating_add(to_u64(short.len()));
    let (positions, len) = match u32::try_from(last) {
        Ok(_) => (Positions::Bits32, short.len()),
        Err(_) => (Positions::Bits64, write_with(spec, Positions::Bits64, 0).len()),
    };
    write_with(spec, positions, to_u64(len))
}

/// How wide the positions of chunks are.
#[derive(Debug, Clone, Copy)]
enum Positions {
    Bits32,
    Bits64,
}

/// `media_start` is where the body of `mdat` is in the file, which no length in here depends on.
fn write_with(spec: &MovieSpec<'_>, positions: Positions, media_start: u64) -> Vec<u8> {
    let mut out = BoxWriter::with_capacity(4096);
    write_file_type(&mut out, &spec.file_type);
    let timescale = spec.tracks.first().map_or(1, |track| track.track.timescale);
    let durations: Vec<Durations> = spec.tracks.iter().map(|track| track.durations(timescale)).collect();
    let duration = durations.iter().map(|durations| durations.movie).max().unwrap_or_default();
    // §8.2.1
    out.nest(b"moov", |out| {
        write_movie_header(out, timescale, duration, spec.tracks.iter().map(|track| &track.track));
        for (track, durations) in spec.tracks.iter().zip(durations) {
            write_track(out, &track.track, durations, |out| track.write_tables(out, positions, media_start));
        }
    });
    out.media_header(spec.media_len);
    out.bytes
}

impl MovieTrack<'_> {
    fn samples(&self) -> impl Iterator<Item = &FragmentSample> {
        self.chunks.iter().flat_map(|chunk| chunk.samples)
    }

    /// In ticks of the movie it is rounded up: what is shown is never cut off.
    fn durations(&self, movie_timescale: u32) -> Durations {
        let media: u64 = self.samples().map(|sample| u64::from(sample.duration)).sum();
        let scaled = u128::from(media) * u128::from(movie_timescale);
        let movie = scaled.div_ceil(u128::from(self.track.timescale.max(1)));
        Durations { movie: u64::try_from(movie).unwrap_or(u64::MAX), media }
    }

    /// §8.6.1.2, §8.6.1.3, §8.6.2, §8.7.4, §8.7.3, §8.7.5
    fn write_tables(&self, out: &mut BoxWriter, positions: Positions, media_start: u64) {
        out.nest_full(b"stts", 0, 0, |out| out.runs(runs(self.samples().map(|sample| sample.duration))));
        if self.samples().any(|sample| sample.composition_offset != 0) {
            let signed = self.samples().any(|sample| sample.composition_offset < 0);
            let offsets = self.samples().map(|sample| sample.composition_offset.cast_unsigned());
            out.nest_full(b"ctts", u8::from(signed), 0, |out| out.runs(runs(offsets)));
        }
        if self.samples().any(|sample| !sample.sync) {
            let numbers = (1_u32..).zip(self.samples());
            let sync: Vec<u32> =
                numbers.filter(|(_, sample)| sample.sync).map(|(number, _)| number).collect();
            out.nest_full(b"stss", 0, 0, |out| {
                out.length(sync.len());
                out.u32s(&sync);
            });
        }
        let chunks = || self.chunks.iter().filter(|chunk| !chunk.samples.is_empty());
        out.nest_full(b"stsc", 0, 0, |out| {
            let runs = runs(chunks().map(|chunk| chunk.samples.len()));
            out.length(runs.len());
            let mut first: u32 = 1;
            for (count, samples) in runs {
                out.u32(first);
                out.length(samples);
                out.u32(1);
                first = first.saturating_add(count);
            }
        });
        // Samples of one size need no table.
        out.nest_full(b"stsz", 0, 0, |out| {
            let sizes: Vec<u32> = self.samples().map(|sample| sample.size).collect();
            match sizes.first() {
                Some(&size) if size > 0 && sizes.iter().all(|other| *other == size) => {
                    out.u32(size);
                    out.length(sizes.len());
                }
                _ => {
                    out.u32(0);
                    out.length(sizes.len());
                    out.u32s(&sizes);
                }
            }
        });
        let places = chunks().map(|chunk| chunk.position.saturating_add(media_start));
        match positions {
            Positions::Bits32 => out.nest_full(b"stco", 0, 0, |out| {
                out.length(chunks().count());
                // Those of the first draft do not matter: only its length does.
                places.for_each(|place| out.u32(u32::try_from(place).unwrap_or(u32::MAX)));
            }),
            Positions::Bits64 => out.nest_full(b"co64", 0, 0, |out| {
                out.length(chunks().count());
                places.for_each(|place| out.u64(place));
            }),
        }
    }
}

impl BoxWriter {
    /// A table of how often each value comes.
    fn runs(&mut self, runs: Vec<(u32, u32)>) {
        self.length(runs.len());
        for (count, value) in runs {
            self.u32s(&[count, value]);
        }
    }
}

/// How often each value comes before another one does.
fn runs<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<(u32, T)> {
    let mut runs: Vec<(u32, T)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count = count.saturating_add(1),
            _ => runs.push((1, value)),
        }
    }
    runs
}
