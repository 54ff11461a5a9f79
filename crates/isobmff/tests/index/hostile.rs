//! Files that lie: each is refused by name or read within bounds, and none takes the process down.

use isobmff::{Error, FourCc, FragmentStream, Limits, index_slice};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::build::{boxed, full, words};
use crate::strategies::files;

const LIMITS: Limits =
    Limits { max_header_bytes: 1 << 20, max_samples: 10_000, max_tracks: 8, max_boxes: 100 };

/// A change of a file's bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    /// A number of 32 bits that is likely to hurt.
    Number(Index, u32),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// A box somewhere becomes another one.
    Rename(Index, [u8; 4]),
}

impl Mutation {
    fn apply(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bits) => *at.get_mut(file) ^= bits,
            Self::Number(at, number) => {
                let at = at.index(file.len());
                let end = file.len().min(at + 4);
                file[at..end].copy_from_slice(&number.to_be_bytes()[..end - at]);
            }
            Self::Truncate(at) => file.truncate(at.index(file.len())),
            Self::Insert(at, bytes) => {
                let at = at.index(file.len());
                file.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, len) => {
                let at = at.index(file.len());
                file.drain(at..file.len().min(at + len));
            }
            Self::Rename(at, name) => {
                let names: Vec<usize> = file
                    .windows(4)
                    .enumerate()
                    .filter(|(_, window)| window.iter().all(u8::is_ascii_alphanumeric))
                    .map(|(at, _)| at)
                    .collect();
                if let Some(at) = names.get(at.index(names.len().max(1))) {
                    file[*at..at + 4].copy_from_slice(name);
                }
            }
        }
    }
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let number = prop_oneof![
        Just(0),
        Just(1),
        Just(7),
        Just(8),
        Just(u32::MAX),
        Just(u32::MAX - 1),
        Just(1 << 31),
        Just(i32::MAX as u32),
        0_u32..2000,
        any::<u32>(),
    ];
    let name = prop_oneof![
        Just(*b"moov"),
        Just(*b"trak"),
        Just(*b"moof"),
        Just(*b"traf"),
        Just(*b"trun"),
        Just(*b"stsz"),
        Just(*b"stz2"),
        Just(*b"stts"),
        Just(*b"free"),
        Just(*b"mdat"),
        Just(*b"mvex"),
        Just(*b"ctts"),
    ];
    let mutation = prop_oneof![
        3 => (any::<Index>(), 1_u8..).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        3 => (any::<Index>(), number).prop_map(|(at, number)| Mutation::Number(at, number)),
        1 => any::<Index>().prop_map(Mutation::Truncate),
        1 => (any::<Index>(), proptest::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => (any::<Index>(), 1_usize..40).prop_map(|(at, len)| Mutation::Remove(at, len)),
        2 => (any::<Index>(), name).prop_map(|(at, name)| Mutation::Rename(at, name)),
    ];
    proptest::collection::vec(mutation, 0..6)
}

/// A fragmented file of one video track.
fn fragmented() -> Vec<u8> {
    use isobmff::{
        EditList, FileType, FragmentSample, FragmentSpec, InitSpec, InitTrack, Matrix, write_fragment_header,
        write_init,
    };
    let track = InitTrack {
        id: 1,
        handler: FourCc::VIDE,
        timescale: 25,
        language: *b"und",
        matrix: Matrix::UNITY,
        width: 0,
        height: 0,
        entries: vec![b"\0\0\0\x08test"],
        edit: EditList::Skip { media_time: 2 },
    };
    let file_type = FileType { major: FourCc(*b"iso6"), minor: 0, compatible: Vec::new() };
    let mut file = write_init(&InitSpec { file_type, tracks: vec![track], extra: &[] });
    for fragment in 0..3 {
        let sample = FragmentSample { duration: 1, size: 10, sync: true, composition_offset: 2 };
        file.extend(write_fragment_header(&FragmentSpec {
            sequence_number: fragment + 1,
            track_id: 1,
            entry: 1,
            base_decode_time: u64::from(fragment) * 4,
            samples: &[sample; 4],
            encryption: None,
        }));
        file.extend([0; 40]);
    }
    file
}

/// Reads the bytes in both ways; whatever they are, the result stays within the limits.
fn survive(bytes: &[u8]) {
    if let Ok(movie) = index_slice(bytes, LIMITS) {
        let samples: u64 = movie.tracks.iter().map(|track| u64::from(track.samples.len())).sum();
        assert!(samples <= LIMITS.max_samples);
        for track in &movie.tracks {
            assert_eq!(track.samples.iter().count(), track.samples.len() as usize);
            let _ = (track.samples.media_end(), track.samples.presentation_times().max());
            for entry in &track.entries {
                let _ = (entry.audio(), entry.visual(), entry.child(FourCc::ESDS), entry.children().count());
            }
        }
    }
    let mut stream = FragmentStream::new(1 << 16);
    for piece in bytes.chunks(100) {
        stream.push(piece);
        while let Ok(Some(_)) = stream.poll() {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_progressive_files(file in files(), mutations in mutations()) {
        let (mut bytes, _) = file.build();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        survive(&bytes);
    }

    #[test]
    fn damaged_fragmented_files(mutations in mutations()) {
        let mut bytes = fragmented();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        survive(&bytes);
    }

    #[test]
    fn noise(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survive(&bytes);
        survive(&[&b"\0\0\0\x08ftyp"[..], &boxed(b"moov", &[&bytes])].concat());
    }
}

/// A progressive file whose only track has these tables instead of sound ones.
fn with_tables(handler: &[u8; 4], tables: &[Vec<u8>]) -> Vec<u8> {
    let stsd = full(b"stsd", 0, &[words(&[1]), boxed(b"test", &[&[0; 28]])].concat());
    let stbl = boxed(b"stbl", &[&stsd, &tables.concat()]);
    let mdhd = full(b"mdhd", 0, &words(&[0, 0, 25, 0, 0]));
    let hdlr = full(b"hdlr", 0, &[&[0; 4], &handler[..], &[0; 13]].concat());
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
    with_trak(&boxed(b"trak", &[&full(b"tkhd", 0, &[0; 80]), &mdia]))
}

fn with_trak(trak: &[u8]) -> Vec<u8> {
    let mvhd = full(b"mvhd", 0, &[&words(&[0, 0, 1000, 0])[..], &[0; 80]].concat());
    [boxed(b"ftyp", &[b"isom\0\0\0\0"]), boxed(b"moov", &[&mvhd, trak])].concat()
}

/// Tables of a track that is in order but for the one given.
fn with_table(changed: Vec<u8>) -> Vec<u8> {
    let sound = [
        full(b"stts", 0, &words(&[1, 10, 1])),
        full(b"stsc", 0, &words(&[1, 1, 10, 1])),
        full(b"stsz", 0, &words(&[4, 10])),
        full(b"stco", 0, &words(&[1, 0])),
    ];
    let kind = changed[4..8].to_vec();
    let mut tables: Vec<Vec<u8>> = sound.into_iter().filter(|table| table[4..8] != kind).collect();
    tables.push(changed);
    with_tables(b"vide", &tables)
}

fn check(bytes: &[u8], expected: &Error) {
    assert_eq!(index_slice(bytes, LIMITS).as_ref(), Err(expected));
}

#[test]
fn what_is_no_movie_is_named() {
    check(b"", &Error::Empty);
    check(b"abc", &Error::NotIsobmff);
    check(b"Lorem ipsum dolor sit amet, consectetur adipiscing elit", &Error::NotIsobmff);
    check(b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01", &Error::NotIsobmff);
    let unfinished = [boxed(b"ftyp", &[b"isom\0\0\0\0"]), b"\0\0\0\0mdat123".to_vec()].concat();
    check(&unfinished, &Error::NoMovie { file_len: 27 });
    let sound = with_table(full(b"stss", 0, &words(&[0])));
    let len = sound.len() as u64;
    for cut in [1, 100, len - 24] {
        let cut = len - cut;
        let error = Error::TruncatedMovie { needed: len, file_len: cut };
        check(&sound[..cut as usize], &error);
    }
    check(&with_trak(&boxed(b"cmov", &[])), &Error::CompressedMovie);
    check(&with_trak(&[]), &Error::NoTracks);
}

#[test]
fn four_billion_samples_in_tiny_tables_are_refused() {
    let too_many = Error::TooManySamples { limit: LIMITS.max_samples };
    check(&with_table(full(b"stsz", 0, &words(&[1, u32::MAX]))), &too_many);
    // As sound of single frames they are grouped, and still too many.
    let frames = |size| {
        with_tables(
            b"soun",
            &[
                full(b"stts", 0, &words(&[1, u32::MAX, 1])),
                full(b"stsc", 0, &words(&[1, 1, u32::MAX, 1])),
                full(b"stsz", 0, &words(&[size, u32::MAX])),
                full(b"stco", 0, &words(&[1, 0])),
            ],
        )
    };
    check(&frames(1), &too_many);
    check(&frames(4), &too_many);
    // Tables that declare more than the sizes have are cut to these.
    for table in [
        full(b"stts", 0, &words(&[1, u32::MAX, u32::MAX])),
        full(b"stts", 0, &words(&[2, u32::MAX, i32::MAX as u32, u32::MAX, 1])),
        full(b"ctts", 0, &words(&[1, u32::MAX, u32::MAX])),
        full(b"stsc", 0, &words(&[1, 1, u32::MAX, u32::MAX])),
        full(b"stss", 0, &words(&[3, 0, 11, u32::MAX])),
    ] {
        let movie = index_slice(&with_table(table), LIMITS).unwrap();
        assert_eq!(movie.tracks[0].samples.len(), 10);
    }
}

#[test]
fn counts_beyond_their_box_are_refused() {
    let check_count = |kind: &[u8; 4], before: &[u32], room: usize| {
        let body = [words(before), words(&[u32::MAX]), vec![0; room]].concat();
        let error = Error::TableTooLong { kind: FourCc(*kind), count: u32::MAX, room };
        check(&with_table(full(kind, 0, &body)), &error);
    };
    for kind in [b"stts", b"ctts", b"stss", b"stps", b"stsc", b"stco", b"co64"] {
        check_count(kind, &[], 24);
    }
    check_count(b"stsz", &[0], 40);
}

#[test]
fn lying_lengths_are_refused() {
    let mut file = with_table(full(b"stss", 0, &words(&[0])));
    let stbl = file.windows(4).position(|name| name == b"stsc").unwrap() - 4;
    file[stbl] = 0x7f;
    assert!(matches!(index_slice(&file, LIMITS), Err(Error::BoxTooLong { kind: FourCc::STSC, .. })));
    file[stbl..stbl + 4].copy_from_slice(&[0, 0, 0, 7]);
    assert!(matches!(index_slice(&file, LIMITS), Err(Error::BoxTooLong { kind: FourCc::STSC, .. })));
    let huge = [&b"\0\0\0\x08free\0\0\0\x01moov"[..], &u64::MAX.to_be_bytes()].concat();
    check(&huge, &Error::TruncatedMovie { needed: u64::MAX, file_len: 24 });
    let long = boxed(b"moov", &[&vec![0; 1 << 20]]);
    check(&long, &Error::HeaderTooLong { kind: FourCc::MOOV, len: (1 << 20) + 8, limit: 1 << 20 });
}

#[test]
fn other_excesses_are_refused() {
    check(&boxed(b"free", &[]).repeat(101), &Error::TooManyBoxes { limit: 100 });
    let trak = with_table(full(b"stss", 0, &words(&[0])));
    let trak = &trak[16 + 8 + 108..];
    check(&with_trak(&trak.repeat(9)), &Error::TooManyTracks { limit: 8 });
    check(&with_table(full(b"co64", 0, &[&words(&[1])[..], &[0xff; 8]].concat())), &Error::OffsetOverflow);
    let mut file = with_table(full(b"stss", 0, &words(&[0])));
    let mdhd = file.windows(4).position(|name| name == b"mdhd").unwrap();
    file[mdhd + 16..mdhd + 20].fill(0);
    check(&file, &Error::ZeroTimescale { kind: FourCc::MDHD });
}

#[test]
fn a_track_of_something_else_does_not_cost_the_picture() {
    let text = with_tables(b"text", &[full(b"stsz", 0, &words(&[0, u32::MAX]))]);
    let movie = index_slice(&text, LIMITS).unwrap();
    assert!(movie.tracks[0].samples.is_empty());
}

/// A stream whose fragment has this `trun`.
fn stream_with_run(trun: &[u8]) -> Result<(), Error> {
    let mut bytes = fragmented();
    let moof = bytes.windows(4).position(|name| name == b"moof").expect("it is fragmented") - 4;
    bytes.truncate(moof);
    let traf = boxed(b"traf", &[&full(b"tfhd", 0, &words(&[1])), trun]);
    bytes.extend(boxed(b"moof", &[&traf]));
    bytes.extend(boxed(b"mdat", &[&[0; 10]]));
    let mut stream = FragmentStream::new(1 << 20);
    stream.push(&bytes);
    while stream.poll()?.is_some() {}
    Ok(())
}

#[test]
fn runs_that_cost_no_bytes_are_limited() {
    let too_many = stream_with_run(&full(b"trun", 0, &words(&[u32::MAX])));
    assert!(matches!(too_many, Err(Error::TooManySamples { .. })));
    let sized = [0, 0, 2, 0];
    let beyond = boxed(b"trun", &[&[0][..], &sized[1..], &words(&[1, 1 << 19])]);
    assert_eq!(stream_with_run(&beyond), Err(Error::MediaOutsideFragment { track_id: 1 }));
}
