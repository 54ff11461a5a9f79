//! The index of two hours costs little memory, and hostile counts cost next to none.

#[expect(dead_code, reason = "not every form of table is needed here")]
#[path = "index/build.rs"]
mod build;
mod two_hours;

use isobmff::{Error, Limits, index_slice};
use peak_alloc::PeakAlloc;

use crate::build::{Chunk, Composition, File, Mdat, Moov, Row, Sizes, Sync, Track, boxed, words};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// One test alone in its process: what another one allocates would count too.
#[test]
fn memory_stays_in_bounds() {
    let film = two_hours::file();
    let (movie, peak) = peak_of(|| index_slice(&film, Limits::default()).expect("the file is in order"));
    let samples: Vec<u32> = movie.tracks.iter().map(|track| track.samples.len()).collect();
    assert_eq!(samples, [432_000, 337_500]);
    assert!(peak < 64 * MIB, "two hours took {} MiB", peak / MIB);
    drop(movie);

    // Four billion frames of sound are a day: grouped, they are four million samples and fit; not so as pictures.
    for handler in [*b"vide", *b"soun"] {
        let file = four_billion_samples(handler);
        let limits = Limits { max_samples: 100_000, ..Limits::default() };
        let (result, peak) = peak_of(|| index_slice(&file, limits));
        assert_eq!(result, Err(Error::TooManySamples { limit: 100_000 }));
        assert!(peak < 8 * MIB, "four billion samples took {} MiB", peak / MIB);
    }
}

/// What `work` makes, and the most bytes it held on the way.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let made = work();
    (made, ALLOCATOR.peak_usage() - before)
}

/// A file whose tables declare as many samples as they can.
fn four_billion_samples(handler: [u8; 4]) -> Vec<u8> {
    let sample = Row { duration: 1, composition_offset: 0, size: 1, sync: true };
    let track = Track {
        handler,
        timescale: 48_000,
        entries: vec![boxed(b"ulaw", &[&[0; 28]])],
        chunks: vec![Chunk { entry: 0, samples: vec![sample] }],
        sizes: Sizes::Constant(1),
        composition: Composition::Absent,
        sync: Sync::Absent,
        long_offsets: false,
    };
    let (mut file, _) = File { tracks: vec![track], moov: Moov::First, mdat: Mdat::Short }.build();
    for (table, count) in [(b"stts", 8), (b"stsc", 12), (b"stsz", 8)] {
        let name = file.windows(4).position(|name| name == table).expect("the builder writes it");
        file[name + 4 + count..][..4].copy_from_slice(&words(&[u32::MAX]));
    }
    file
}
