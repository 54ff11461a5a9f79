//! Arbitrary files that are in order.

use proptest::prelude::*;

use crate::build::{Chunk, Composition, File, Mdat, Moov, Row, Sizes, Sync, Track, boxed};

/// A file of up to three tracks.
pub(crate) fn files() -> impl Strategy<Value = File> {
    let place = prop_oneof![
        Just((Moov::First, Mdat::Short)),
        Just((Moov::First, Mdat::Long)),
        Just((Moov::First, Mdat::ToEnd)),
        Just((Moov::Last, Mdat::Short)),
        Just((Moov::Last, Mdat::Long)),
    ];
    (proptest::collection::vec(tracks(), 1..4), place).prop_map(|(tracks, (moov, mdat))| File {
        tracks,
        moov,
        mdat,
    })
}

fn tracks() -> impl Strategy<Value = Track> {
    let sizes = prop_oneof![
        Just(Sizes::Each),
        (2_u32..50).prop_map(Sizes::Constant),
        prop_oneof![Just(4), Just(8), Just(16)].prop_map(|bits| Sizes::Compact { bits }),
    ];
    let composition =
        prop_oneof![Just(Composition::Absent), Just(Composition::Version(0)), Just(Composition::Version(1)),];
    let sync = prop_oneof![Just(Sync::Absent), Just(Sync::Listed), Just(Sync::Partial)];
    let handler = prop_oneof![Just(*b"vide"), Just(*b"soun"), Just(*b"text")];
    let chunks = proptest::collection::vec((0_u16..2, proptest::collection::vec(rows(), 0..6)), 0..8);
    (handler, 1_u32..100_000, chunks, sizes, composition, sync, any::<bool>()).prop_map(
        |(handler, timescale, chunks, sizes, composition, sync, long_offsets)| {
            let fit = |row: Row| Row {
                size: match sizes {
                    Sizes::Each | Sizes::Compact { bits: 16 } => row.size,
                    Sizes::Constant(size) => size,
                    Sizes::Compact { bits } => row.size % (1 << bits),
                },
                ..row
            };
            let chunks = chunks
                .into_iter()
                .map(|(entry, samples)| Chunk { entry, samples: samples.into_iter().map(fit).collect() });
            let entries = vec![boxed(b"one ", &[&[0; 28]]), boxed(b"two ", &[&[0; 78]])];
            let chunks = chunks.collect();
            Track { handler, timescale, entries, chunks, sizes, composition, sync, long_offsets }
        },
    )
}

/// Durations of more than one tick: tables of single frames have their own tests.
fn rows() -> impl Strategy<Value = Row> {
    (2_u32..5, -3_i32..3, 0_u32..3000, any::<bool>()).prop_map(
        |(duration, composition_offset, size, sync)| Row { duration, composition_offset, size, sync },
    )
}
