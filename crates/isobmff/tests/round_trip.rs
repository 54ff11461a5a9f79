//! What the writer writes, the demuxer and the stream parser read back, however the bytes arrive.

use isobmff::{
    ByteRange, Demuxer, EditList, Error, FileType, FourCc, FragmentSample, FragmentSpec, FragmentStream,
    InitSpec, InitTrack, Limits, Matrix, Movie, Progress, Pssh, Sample, StreamEvent, StreamFragment,
    SyncTable, index_slice, write_fragment_header, write_init, write_pssh,
};
use proptest::prelude::*;

/// A fragment to write: its track, the time it starts at and its samples, whose bytes are all alike.
#[derive(Debug, Clone)]
struct Fragment {
    track_id: u32,
    base_decode_time: u64,
    samples: Vec<FragmentSample>,
}

fn init(edit: EditList) -> Vec<u8> {
    let track = |id, handler, timescale, entry| InitTrack {
        id,
        handler,
        timescale,
        language: *b"deu",
        matrix: Matrix::UNITY,
        width: 320 << 16,
        height: 180 << 16,
        entries: vec![entry],
        edit,
    };
    write_init(&InitSpec {
        file_type: FileType { major: FourCc(*b"cmfc"), minor: 0, compatible: vec![FourCc(*b"iso6")] },
        tracks: vec![
            track(1, FourCc::VIDE, 30_000, b"\0\0\0\x08vide"),
            track(2, FourCc::SOUN, 48_000, b"\0\0\0\x08soun"),
        ],
        extra: b"\0\0\0\x08pssh",
    })
}

fn media_byte(track_id: u32, index: usize) -> u8 {
    (index % 251) as u8 ^ track_id as u8
}

/// The whole file, and what each track's table is to hold.
fn file(fragments: &[Fragment]) -> (Vec<u8>, [Vec<Sample>; 2]) {
    let mut file = init(EditList::Skip { media_time: 7 });
    let mut expected = [Vec::new(), Vec::new()];
    for (number, fragment) in fragments.iter().enumerate() {
        file.extend(write_fragment_header(&FragmentSpec {
            sequence_number: number as u32 + 1,
            track_id: fragment.track_id,
            entry: 1,
            base_decode_time: fragment.base_decode_time,
            samples: &fragment.samples,
            encryption: None,
        }));
        let mut decode_time = fragment.base_decode_time as i64;
        for sample in &fragment.samples {
            expected[fragment.track_id as usize - 1].push(Sample {
                decode_time,
                duration: sample.duration,
                composition_offset: sample.composition_offset,
                offset: file.len() as u64,
                size: sample.size,
                sync: sample.sync,
                entry: 0,
            });
            decode_time += i64::from(sample.duration);
            file.extend((0..sample.size as usize).map(|index| media_byte(fragment.track_id, index)));
        }
    }
    (file, expected)
}

fn samples() -> impl Strategy<Value = Vec<FragmentSample>> {
    let sample = (0_u32..5000, 0_u32..40, any::<bool>(), -5000_i32..5000).prop_map(
        |(duration, size, sync, composition_offset)| FragmentSample {
            duration,
            size,
            sync,
            composition_offset,
        },
    );
    proptest::collection::vec(sample, 0..12)
}

/// Fragments of two tracks, each of which goes on where it stopped.
fn fragments() -> impl Strategy<Value = Vec<Fragment>> {
    proptest::collection::vec((1_u32..3, samples()), 0..8).prop_map(|parts| {
        let mut ends = [1_000_000_000_000, 5];
        let continued = parts.into_iter().map(|(track_id, samples)| {
            let end = &mut ends[track_id as usize - 1];
            let base_decode_time = *end;
            *end += samples.iter().map(|sample| u64::from(sample.duration)).sum::<u64>();
            Fragment { track_id, base_decode_time, samples }
        });
        continued.collect()
    })
}

fn tables(movie: &Movie) -> Vec<Vec<Sample>> {
    movie.tracks.iter().map(|track| track.samples.iter().collect()).collect()
}

/// Everything the stream tells when its bytes come in pieces of these lengths.
fn stream(file: &[u8], pieces: &[usize]) -> Vec<StreamEvent> {
    let mut stream = FragmentStream::new(1 << 20);
    let mut events = Vec::new();
    let mut rest = file;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(*pieces.next().unwrap_or(&rest.len())));
        stream.push(piece);
        rest = behind;
        while let Some(event) = stream.poll().expect("the stream is well-formed") {
            events.push(event);
        }
    }
    assert!(stream.is_drained());
    events
}

proptest! {
    #[test]
    fn demuxer_reads_what_was_written(fragments in fragments()) {
        let (file, expected) = file(&fragments);
        let movie = index_slice(&file, Limits::default()).unwrap();
        prop_assert_eq!(tables(&movie), expected);
        prop_assert_eq!(movie.fragmented, !fragments.is_empty());
        prop_assert_eq!(movie.missing_bytes(), 0);
    }

    #[test]
    fn stream_reads_what_was_written(
        fragments in fragments(),
        pieces in proptest::collection::vec(1_usize..300, 1..20),
    ) {
        let (file, _) = file(&fragments);
        let events = stream(&file, &pieces);
        let Some((StreamEvent::Init(tracks), events)) = events.split_first() else {
            panic!("no init event")
        };
        prop_assert_eq!(tracks.iter().map(|track| track.timescale).collect::<Vec<_>>(), [30_000, 48_000]);
        prop_assert_eq!(events.len(), fragments.len());
        for (event, fragment) in events.iter().zip(&fragments) {
            let StreamEvent::Fragment(StreamFragment { track_id, samples, data }) = event else {
                panic!("a second init event")
            };
            prop_assert_eq!(*track_id, fragment.track_id);
            let mut decode_time = fragment.base_decode_time as i64;
            let mut bytes = Vec::new();
            for (read, written) in samples.iter().zip(&fragment.samples) {
                prop_assert_eq!(read.decode_time, decode_time);
                let read =
                    (read.duration, read.size, read.sync, read.composition_offset);
                prop_assert_eq!(
                    read,
                    (written.duration, written.size, written.sync, written.composition_offset)
                );
                decode_time += i64::from(written.duration);
                bytes.extend((0..written.size as usize).map(|index| media_byte(*track_id, index)));
            }
            prop_assert_eq!(samples.len(), fragment.samples.len());
            prop_assert_eq!(&data[..], &bytes[..]);
        }
    }
}

#[test]
fn init_says_what_it_was_told() {
    let movie = index_slice(&init(EditList::Skip { media_time: 1024 }), Limits::default()).unwrap();
    assert_eq!(movie.file_type.major.to_string(), "cmfc");
    assert_eq!(movie.timescale, 30_000);
    let [video, audio] = movie.tracks.as_slice() else { panic!("two tracks") };
    assert!(video.is_video() && video.enabled && audio.is_audio());
    assert_eq!((video.width, video.height, video.matrix), (320 << 16, 180 << 16, Matrix::UNITY));
    assert_eq!(&video.language, b"deu");
    assert_eq!(video.entries[0].raw, b"\0\0\0\x08vide");
    assert_eq!(video.edits[0].media_time, Some(1024));
    assert_eq!(video.samples.sync(), &SyncTable::All);
    let movie = index_slice(&init(EditList::None), Limits::default()).unwrap();
    assert!(movie.tracks[0].edits.is_empty());
}

#[test]
fn media_beyond_4_gib_gets_a_64_bit_size() {
    let sample = FragmentSample { duration: 1, size: u32::MAX, sync: true, composition_offset: 0 };
    let header = write_fragment_header(&FragmentSpec {
        sequence_number: 1,
        track_id: 1,
        entry: 1,
        base_decode_time: 0,
        samples: &[sample; 2],
        encryption: None,
    });
    let mdat = &header[header.len() - 16..];
    assert_eq!(mdat, b"\0\0\0\x01mdat\0\0\0\x02\0\0\0\x0e");
    let mut file = init(EditList::None);
    file.extend(&header);
    let file_len = file.len() as u64 + 2 * u64::from(u32::MAX);
    let mut demuxer = Demuxer::new(file_len, Limits::default());
    while let Progress::Need(ByteRange { offset, len }) = demuxer.advance().unwrap() {
        let held = file.get(offset as usize..).unwrap_or_default();
        let mut bytes = held[..held.len().min(len as usize)].to_vec();
        bytes.resize(len as usize, 0);
        demuxer.supply(&bytes).unwrap();
    }
    let movie = demuxer.finish().unwrap();
    assert_eq!(movie.tracks[0].samples.get(0).unwrap().offset, file.len() as u64);
    assert_eq!(movie.tracks[0].samples.get(1).unwrap().offset, file.len() as u64 + u64::from(u32::MAX));
    assert_eq!(movie.missing_bytes(), 0);
}

/// One read a fragment, and none of the media.
#[test]
fn the_index_of_fragments_takes_few_reads() {
    let sample = FragmentSample { duration: 1, size: 50_000, sync: true, composition_offset: 0 };
    let fragment =
        |number: u64| Fragment { track_id: 1, base_decode_time: number * 4, samples: vec![sample; 4] };
    let (file, expected) = file(&(0..10).map(fragment).collect::<Vec<_>>());
    let mut demuxer = Demuxer::new(file.len() as u64, Limits::default());
    let (mut reads, mut bytes_read) = (0, 0);
    while let Progress::Need(ByteRange { offset, len }) = demuxer.advance().unwrap() {
        reads += 1;
        bytes_read += len;
        demuxer.supply(&file[offset as usize..][..len as usize]).unwrap();
    }
    assert_eq!(tables(&demuxer.finish().unwrap()), expected);
    assert_eq!((reads, bytes_read), (10, 65_536 + 9 * 4096));
}

/// ffmpeg writes the time of AAC's priming as a number below 0.
#[test]
fn decode_times_may_be_negative() {
    let sample = FragmentSample { duration: 1024, size: 3, sync: true, composition_offset: 0 };
    let base_decode_time = (-1024_i64).cast_unsigned();
    let (file, expected) = file(&[Fragment { track_id: 2, base_decode_time, samples: vec![sample; 2] }]);
    assert_eq!(expected[1][0].decode_time, -1024);
    assert_eq!(tables(&index_slice(&file, Limits::default()).unwrap()), expected);
    let events = stream(&file, &[7]);
    let StreamEvent::Fragment(fragment) = &events[1] else { panic!("no fragment") };
    assert_eq!(fragment.samples.iter().map(|sample| sample.decode_time).collect::<Vec<_>>(), [-1024, 0]);
}

/// What a stream that is not in order is refused for.
#[test]
fn streams_out_of_order_are_refused() {
    let check = |bytes: &[u8], expected: Error| {
        let mut stream = FragmentStream::new(1 << 20);
        stream.push(bytes);
        let error = loop {
            match stream.poll() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("accepted"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, expected);
        assert_eq!(stream.poll(), Err(expected), "errors are final");
    };
    let sample = FragmentSample { duration: 1, size: 3, sync: true, composition_offset: 0 };
    let fragment = |track_id| {
        let spec = FragmentSpec {
            sequence_number: 1,
            track_id,
            entry: 1,
            base_decode_time: 0,
            samples: &[sample],
            encryption: None,
        };
        write_fragment_header(&spec)
    };
    let moof = |track_id| {
        let mut header = fragment(track_id);
        header.truncate(header.len() - 8);
        header
    };
    let init = init(EditList::None);
    check(&[&init[..], &moof(9)].concat(), Error::UnknownTrack { track_id: 9 });
    check(&[&init[..], &moof(1), &moof(1)].concat(), Error::FragmentWithoutMedia { kind: FourCc::MOOF });
    let empty = b"\0\0\0\x08mdat";
    check(&[&init[..], &moof(1), empty].concat(), Error::MediaOutsideFragment { track_id: 1 });
    check(&[&init[..], &moof(1), b"\0\0\0\0mdat"].concat(), Error::UnboundedBox { kind: FourCc::MDAT });
    check(b"\0\0\0\x07free", Error::BoxTooLong { kind: FourCc::FREE, room: 8 });
    let limit = 1 << 20;
    check(b"\x7f\0\0\0moof", Error::HeaderTooLong { kind: FourCc::MOOF, len: 0x7f00_0000, limit });
}

proptest! {
    #[test]
    fn a_protection_header_is_read_as_it_was_written(
        system: [u8; 16],
        key_ids in proptest::collection::vec(any::<[u8; 16]>(), 0..4),
        data in proptest::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
        more in 1_u8..,
    ) {
        let written = write_pssh(system, &key_ids, &data);
        prop_assert_eq!(Pssh::parse(&written), Some(Pssh { system, key_ids: &key_ids, data: &data }));
        prop_assert_eq!(Pssh::parse(&written[..cut.index(written.len())]), None);
        let mut longer = written.clone();
        longer.push(more);
        prop_assert_eq!(Pssh::parse(&longer), None);
        // The last byte of the box's length: the body is no longer what its counts say.
        longer[3] = longer[3].wrapping_add(1);
        prop_assert_eq!(Pssh::parse(&longer), None);
    }

    #[test]
    fn no_bytes_make_a_protection_header_panic(bytes: Vec<u8>, version in 0_u8..3) {
        let length = u32::try_from(bytes.len() + 12).unwrap().to_be_bytes();
        let _ = Pssh::parse(&[&length[..], b"pssh", &[version, 0, 0, 0], &bytes].concat());
    }
}
