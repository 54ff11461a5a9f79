//! Tables of progressive files, in every form the format has.

use isobmff::{
    ByteRange, Demuxer, Error, FourCc, Limits, Movie, Orientation, Progress, Sample, SampleTable, SyncTable,
    index_slice,
};
use proptest::prelude::*;

use crate::build::{Chunk, Composition, File, Mdat, Moov, Row, Sizes, Sync, Track, boxed, full, words};
use crate::strategies::files;

fn samples(movie: &Movie) -> Vec<Vec<Sample>> {
    movie.tracks.iter().map(|track| track.samples.iter().collect()).collect()
}

proptest! {
    #[test]
    fn the_index_is_what_was_built(file in files()) {
        let (bytes, expected) = file.build();
        let movie = index_slice(&bytes, Limits::default()).unwrap();
        prop_assert_eq!(samples(&movie), expected);
        prop_assert_eq!(movie.missing_bytes(), 0);
        prop_assert!(!movie.fragmented);
    }

    #[test]
    fn a_row_is_the_same_however_it_is_reached(file in files(), start in 0_u32..20, len in 0_u32..20) {
        let (bytes, _) = file.build();
        for track in index_slice(&bytes, Limits::default()).unwrap().tracks {
            let table = track.samples;
            let rows: Vec<Sample> = table.iter().collect();
            prop_assert_eq!(u32::try_from(rows.len()).unwrap(), table.len());
            let ranged: Vec<Sample> = table.range(start..start + len).collect();
            let expected = rows.iter().skip(start as usize).take(len as usize).copied();
            prop_assert_eq!(ranged, expected.collect::<Vec<_>>());
            for (index, row) in (0..).zip(&rows) {
                prop_assert_eq!(table.get(index), Some(*row));
                let before = (0..=index).rev().find(|earlier| rows[*earlier as usize].sync);
                prop_assert_eq!(table.sync().at_or_before(index), before);
            }
            prop_assert_eq!(table.get(table.len()), None);
            let shown: Vec<i64> = table.presentation_times().collect();
            prop_assert_eq!(shown, rows.iter().map(Sample::presentation_time).collect::<Vec<_>>());
            if rows.iter().any(|row| !row.sync) || table.sync() == &SyncTable::All {
                prop_assert_eq!(rows.into_iter().collect::<SampleTable>().iter().collect::<Vec<_>>(),
                    table.iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_cut_file_says_how_much_is_missing(file in files(), kept in 0_usize..100) {
        let file = File { moov: Moov::First, mdat: Mdat::Short, ..file };
        let (bytes, expected) = file.build();
        let media: u64 = expected.iter().flatten().map(|sample| u64::from(sample.size)).sum();
        let cut = (media as usize) * kept / 100;
        let movie = index_slice(&bytes[..bytes.len() - cut], Limits::default()).unwrap();
        prop_assert_eq!(samples(&movie), expected);
        prop_assert_eq!(movie.missing_bytes(), cut as u64);
        for track in &movie.tracks {
            let whole = |sample: Sample| sample.offset + u64::from(sample.size) <= movie.file_len;
            let beyond = track.samples.first_beyond(movie.file_len);
            let expected = track.samples.iter().position(|sample| !whole(sample));
            prop_assert_eq!(beyond, expected.map(|index| index as u32));
        }
    }
}

/// A video track of these samples, one to a chunk.
fn video(samples: &[Row]) -> Track {
    Track {
        handler: *b"vide",
        timescale: 30_000,
        entries: vec![boxed(b"avc1", &[&[0; 78]])],
        chunks: samples.iter().map(|row| Chunk { entry: 0, samples: vec![*row] }).collect(),
        sizes: Sizes::Each,
        composition: Composition::Absent,
        sync: Sync::Absent,
        long_offsets: false,
    }
}

fn plain(tracks: Vec<Track>) -> File {
    File { tracks, moov: Moov::First, mdat: Mdat::Short }
}

const ROW: Row = Row { duration: 1001, composition_offset: 0, size: 5, sync: true };

/// A two-channel track of single frames: its chunks, and the size each frame's table states.
fn sound(entry: Vec<u8>, chunks: &[usize], size: u32) -> Track {
    let frame = Row { duration: 1, composition_offset: 0, size, sync: true };
    Track {
        handler: *b"soun",
        timescale: 48_000,
        entries: vec![entry],
        chunks: chunks.iter().map(|frames| Chunk { entry: 0, samples: vec![frame; *frames] }).collect(),
        sizes: Sizes::Constant(size),
        composition: Composition::Absent,
        sync: Sync::Absent,
        long_offsets: false,
    }
}

/// A QuickTime sound description of two channels of 16 bits.
fn sound_description(format: &[u8; 4], version: u16, extension: &[u8]) -> Vec<u8> {
    let fixed = [0, 0, 0, 0, 0, 0, 0, 1, 0, version as u8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 16, 0, 0, 0, 0];
    boxed(format, &[&fixed, &words(&[48_000 << 16]), extension])
}

/// What single frames are grouped to: (decode time, duration, size) of each sample.
fn check_grouped(track: Track, expected: &[(i64, u32, u32)]) {
    let (bytes, _) = plain(vec![track]).build();
    let movie = index_slice(&bytes, Limits { max_samples: 100, ..Limits::default() }).expect("few groups");
    let groups =
        movie.tracks[0].samples.iter().map(|sample| (sample.decode_time, sample.duration, sample.size));
    assert_eq!(groups.collect::<Vec<_>>(), expected);
}

#[test]
fn frames_of_sound_are_grouped() {
    let sowt = || sound_description(b"sowt", 0, &[]);
    check_grouped(sound(sowt(), &[1024], 4), &[(0, 1024, 4096)]);
    check_grouped(sound(sowt(), &[1500, 3], 4), &[(0, 1024, 4096), (1024, 476, 1904), (1500, 3, 12)]);
    // Size 1 says nothing: the description does.
    check_grouped(sound(sowt(), &[10], 1), &[(0, 10, 40)]);
    check_grouped(sound(sound_description(b"ulaw", 0, &[]), &[10], 1), &[(0, 10, 20)]);
    check_grouped(sound(sound_description(b"ima4", 0, &[]), &[1088], 1), &[(0, 1024, 1088), (1024, 64, 68)]);
    // Version 1: frames per packet, bytes per packet and channel, bytes per packet, bytes per sample.
    let mac3 = sound_description(b"MAC3", 1, &words(&[6, 2, 4, 2]));
    check_grouped(sound(mac3, &[1026], 1), &[(0, 1020, 680), (1020, 6, 4)]);
    let in24 = sound_description(b"in24", 1, &words(&[1, 3, 6, 2]));
    check_grouped(sound(in24, &[100], 1), &[(0, 100, 600)]);
    // A packet of GSM is long enough to stay alone.
    check_grouped(sound(sound_description(b"agsm", 0, &[]), &[320], 1), &[(0, 160, 33), (160, 160, 33)]);
}

#[test]
fn packets_that_only_look_like_frames_stay_alone() {
    let packets = sound(sound_description(b"ac-3", 0, &[]), &[3], 1792);
    check_grouped(packets, &[(0, 1, 1792), (1, 1, 1792), (2, 1, 1792)]);
}

#[test]
fn tables_that_end_early_are_completed() {
    let (mut bytes, _) = plain(vec![video(&[ROW; 3])]).build();
    let stts = bytes.windows(4).position(|name| name == b"stts").unwrap();
    bytes[stts + 15] = 2;
    let movie = index_slice(&bytes, Limits::default()).unwrap();
    let times: Vec<i64> = movie.tracks[0].samples.iter().map(|sample| sample.decode_time).collect();
    assert_eq!(times, [0, 1001, 2002]);
    assert_eq!(movie.tracks[0].samples.end(), 3003);
}

/// Round trips cost time where the file is far away: in object storage.
#[test]
fn the_index_takes_few_reads_and_none_of_the_media() {
    let check = |moov, reads: &[(u64, u64)]| {
        let row = Row { size: 100_000, ..ROW };
        let (bytes, _) = File { moov, ..plain(vec![video(&[row; 20])]) }.build();
        let mut demuxer = Demuxer::new(bytes.len() as u64, Limits::default());
        let mut ranges = Vec::new();
        while let Progress::Need(ByteRange { offset, len }) = demuxer.advance().unwrap() {
            ranges.push((offset, len));
            demuxer.supply(&bytes[offset as usize..][..len as usize]).unwrap();
        }
        assert_eq!(ranges, reads);
        assert_eq!(demuxer.finish().unwrap().tracks[0].samples.len(), 20);
    };
    check(Moov::First, &[(0, 65_536)]);
    check(Moov::Last, &[(0, 65_536), (2_000_040, 691)]);
}

#[test]
fn only_the_bytes_asked_for_are_taken() {
    let (bytes, _) = plain(vec![video(&[ROW])]).build();
    let mut demuxer = Demuxer::new(bytes.len() as u64, Limits::default());
    assert_eq!(demuxer.supply(&[]), Err(Error::WrongSupply { wanted: 0, got: 0 }));
    let wanted = bytes.len() as u64;
    assert_eq!(demuxer.advance(), Ok(Progress::Need(ByteRange { offset: 0, len: wanted })));
    assert_eq!(demuxer.supply(&[1]), Err(Error::WrongSupply { wanted, got: 1 }));
    assert_eq!(demuxer.finish(), Err(Error::Unfinished));
}

#[test]
fn sound_descriptions_tell_their_fields_and_children() {
    let check = |version, extension: &[u8], sample_rate: f64, packet: Option<(u32, u32)>| {
        let children = [boxed(b"wave", &[&boxed(b"esds", &[b"deep"]), &[0; 4]]), boxed(b"chan", &[b"flat"])];
        let entry = sound_description(b"test", version, &[extension, &children.concat()].concat());
        let (bytes, _) = plain(vec![sound(entry, &[], 1)]).build();
        let movie = index_slice(&bytes, Limits::default()).unwrap();
        let entry = &movie.tracks[0].entries[0];
        let audio = entry.audio().unwrap();
        assert_eq!((audio.version, audio.channels, audio.sample_size), (version, 2, 16));
        assert_eq!(
            (audio.sample_rate, audio.packet.map(|packet| (packet.frames, packet.bytes))),
            (sample_rate, packet)
        );
        assert_eq!(entry.child(FourCc(*b"chan")), Some(&b"flat"[..]));
        assert_eq!(entry.child(FourCc::ESDS), Some(&b"deep"[..]));
        assert_eq!(entry.child(FourCc::AVCC), None);
    };
    check(0, &[], 48_000.0, None);
    check(1, &words(&[64, 34, 68, 2]), 48_000.0, Some((64, 68)));
    let rate = 96_000_f64.to_be_bytes();
    check(
        2,
        &[&words(&[72])[..], &rate, &words(&[2, 0x7f00_0000, 16, 12, 4, 1])].concat(),
        96_000.0,
        Some((1, 4)),
    );
    // Version 1 of ISO has no fields of its own but a box for high rates.
    check(1, &full(b"srat", 0, &words(&[192_000])), 192_000.0, None);
}

#[test]
fn visual_entries_tell_their_size_and_children() {
    let mut fixed = [0; 78];
    fixed[24..28].copy_from_slice(&[2, 128, 1, 104]);
    let entry = boxed(b"avc1", &[&fixed, &boxed(b"avcC", &[b"config"])]);
    let (bytes, _) = plain(vec![Track { entries: vec![entry.clone()], ..video(&[ROW]) }]).build();
    let movie = index_slice(&bytes, Limits::default()).unwrap();
    let found = &movie.tracks[0].entries[0];
    assert_eq!((found.format, &found.raw), (FourCc::AVC1, &entry));
    let visual = found.visual().unwrap();
    assert_eq!((visual.width, visual.height), (640, 360));
    assert_eq!(found.child(FourCc::AVCC), Some(&b"config"[..]));
    assert!(!found.is_encrypted());
}

#[test]
fn matrices_turn_and_mirror() {
    let one = 0x1_0000;
    let check = |[a, b, c, d]: [i32; 4], expected: Option<(u8, bool)>| {
        let matrix = isobmff::Matrix([a, b, 0, c, d, 0, 0, 0, 0x4000_0000]);
        let orientation = expected.map(|(quarter_turns, mirrored)| Orientation { quarter_turns, mirrored });
        assert_eq!(matrix.orientation(), orientation);
    };
    check([one, 0, 0, one], Some((0, false)));
    check([0, one, -one, 0], Some((1, false)));
    check([-one, 0, 0, -one], Some((2, false)));
    check([0, -one, one, 0], Some((3, false)));
    check([-one, 0, 0, one], Some((0, true)));
    check([one, 0, 0, -one], Some((2, true)));
    check([0, 0, 0, 0], Some((0, false)));
    check([one, one, -one, one], None);
}
