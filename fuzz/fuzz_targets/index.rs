//! `cargo +nightly fuzz run index`: no file makes the demuxer panic, or exceed its limits.

#![no_main]

use isobmff::{FourCc, Limits, index_slice};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits =
    Limits { max_header_bytes: 1 << 20, max_samples: 100_000, max_tracks: 16, max_boxes: 1000 };

fuzz_target!(|file: &[u8]| {
    let Ok(movie) = index_slice(file, LIMITS) else { return };
    let samples: u64 = movie.tracks.iter().map(|track| u64::from(track.samples.len())).sum();
    assert!(samples <= LIMITS.max_samples);
    let _ = movie.missing_bytes();
    for track in &movie.tracks {
        let _ = track.matrix.orientation();
        for (index, sample) in (0..).zip(&track.samples) {
            assert_eq!(track.samples.get(index), Some(sample));
        }
        for entry in &track.entries {
            let _ = (entry.visual(), entry.audio(), entry.child(FourCc::ESDS), entry.children().count());
        }
    }
});
