//! A film of two hours: 60 pictures a second with B-frames, and AAC at 48 kHz. Its media is a few bytes a sample.

use crate::build::{Chunk, Composition, File, Mdat, Moov, Row, Sizes, Sync, Track, boxed};

const PICTURES: usize = 2 * 3600 * 60;
const PACKETS: usize = 2 * 3600 * 48_000 / 1024;

pub(crate) fn file() -> Vec<u8> {
    let pictures = (0..PICTURES).map(|picture| Row {
        duration: 1001,
        composition_offset: [2002, 4004, 1001, 1001][picture % 4],
        size: 1 + (picture % 3) as u32,
        sync: picture % 120 == 0,
    });
    let packets = (0..PACKETS).map(|packet| Row {
        duration: 1024,
        composition_offset: 0,
        size: 1 + (packet % 5) as u32,
        sync: true,
    });
    let picture = Track {
        handler: *b"vide",
        timescale: 60_000,
        entries: vec![boxed(b"avc1", &[&[0; 78]])],
        chunks: chunks(pictures, 30),
        sizes: Sizes::Each,
        composition: Composition::Version(0),
        sync: Sync::Listed,
        long_offsets: true,
    };
    let sound = Track {
        handler: *b"soun",
        timescale: 48_000,
        entries: vec![boxed(b"mp4a", &[&[0; 28]])],
        chunks: chunks(packets, 23),
        composition: Composition::Absent,
        sync: Sync::Absent,
        ..picture.clone()
    };
    let (file, _) = File { tracks: vec![picture, sound], moov: Moov::First, mdat: Mdat::Short }.build();
    file
}

fn chunks(rows: impl Iterator<Item = Row>, len: usize) -> Vec<Chunk> {
    let rows: Vec<Row> = rows.collect();
    rows.chunks(len).map(|samples| Chunk { entry: 0, samples: samples.to_vec() }).collect()
}
