//! Progressive files: what is laid out, written down and read back, next to the segments it is made of.

use isobmff::{
    Demuxer, Edit, FragmentIndex, FragmentSample, FragmentSpec, Indexed, Limits, Movie, Progress, Sample,
    index_slice, write_fragment_header,
};
use mp4_atom::{Any, ReadFrom};
use packager::{
    AudioSpecificConfig, AudioTrack, FilePiece, Flavour, Progressive, ProgressiveError, ProgressiveTrack,
    SampleInformation,
};
use proptest::prelude::*;

use crate::segments::{Plan, any_plan, encode};

/// A rendition as it is stored.
struct Stored {
    init: Vec<u8>,
    segments: Vec<Vec<u8>>,
}

impl Stored {
    fn video(plan: &Plan, length: usize) -> Self {
        let track = plan.track();
        let segment = |(index, times): (usize, &Vec<u64>)| {
            let number = u32::try_from(index).unwrap() + 1;
            let samples = encode(times, length);
            let header =
                track.segment(number, plan.span(index), &samples, &SampleInformation::Clear).unwrap();
            filled(header.header, header.media_bytes, 17 * index + 1)
        };
        Self {
            init: track.init(Flavour::Mp4),
            segments: plan.times.iter().enumerate().map(segment).collect(),
        }
    }

    /// Segments of so many frames.
    fn audio(frames: &[usize]) -> Self {
        let config = AudioSpecificConfig::new(48_000, 2).unwrap();
        let track = AudioTrack { config, language: *b"deu", protection: None };
        let mut first = 0;
        let segment = |(index, &frames): (usize, &usize)| {
            let sizes: Vec<u32> = (0..frames).map(|frame| u32::try_from(frame % 7).unwrap() + 1).collect();
            let number = u32::try_from(index).unwrap() + 1;
            let header = track.segment(number, first, &sizes, &SampleInformation::Clear).unwrap();
            first += frames as u64;
            filled(header.header, header.media_bytes, 31 * index + 100)
        };
        Self { init: track.init(Flavour::Mp4), segments: frames.iter().enumerate().map(segment).collect() }
    }

    fn index(&self) -> (Movie, Vec<FragmentIndex>) {
        let segments = self.segments.iter().map(|segment| index(segment));
        (index_slice(&self.init, Limits::default()).unwrap(), segments.collect())
    }

    /// Every sample of the stream and its bytes.
    fn samples(&self) -> (Movie, Vec<Vec<u8>>) {
        let whole = [self.init.clone(), self.segments.concat()].concat();
        let movie = index_slice(&whole, Limits::default()).unwrap();
        let bytes = movie.tracks[0].samples.iter().map(|sample| bytes_of(&whole, sample)).collect();
        (movie, bytes)
    }
}

/// A segment whose media show where they come from.
fn filled(mut segment: Vec<u8>, media: u64, seed: usize) -> Vec<u8> {
    let media = usize::try_from(media).unwrap();
    segment.extend((0..media).map(|at| u8::try_from((at * 7 + seed * 13) % 251).unwrap()));
    segment
}

/// As much of the segment as is asked for, and no more.
fn index(segment: &[u8]) -> FragmentIndex {
    let mut head = 0;
    loop {
        match FragmentIndex::parse(&segment[..head], segment.len() as u64, Limits::default()).unwrap() {
            Indexed::Done(index) => return index,
            Indexed::Need(more) => {
                let more = usize::try_from(more).unwrap();
                assert!(more > head && more <= segment.len());
                head = more;
            }
        }
    }
}

fn bytes_of(file: &[u8], sample: Sample) -> Vec<u8> {
    file[usize::try_from(sample.offset).unwrap()..][..sample.size as usize].to_vec()
}

/// The bytes of the file from `position` on, piece by piece.
fn read(file: &Progressive, stored: &[Stored], mut position: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = file.piece_at(position) {
        match &piece {
            FilePiece::Head(head) => bytes.extend_from_slice(head),
            &FilePiece::Media { track, segment, start, end } => {
                let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(end).unwrap());
                bytes.extend_from_slice(&stored[track].segments[segment][start..end]);
            }
        }
        assert!(piece.bytes() > 0);
        position += piece.bytes();
    }
    bytes
}

fn lay_out(flavour: Flavour, stored: &[Stored]) -> Progressive {
    let indices: Vec<_> = stored.iter().map(Stored::index).collect();
    let tracks: Vec<_> = indices.iter().map(|(init, segments)| ProgressiveTrack { init, segments }).collect();
    Progressive::lay_out(flavour, &tracks).unwrap()
}

/// Reads the file back: every sample of every track is there, with its bytes and its times.
fn check(flavour: Flavour, stored: &[Stored]) -> Vec<u8> {
    let file = lay_out(flavour, stored);
    let whole = read(&file, stored, 0);
    assert_eq!(whole.len() as u64, file.file_len());
    assert!(whole.starts_with(file.head()));
    let movie = index_slice(&whole, Limits::default()).unwrap();
    assert!(!movie.fragmented);
    assert_eq!(movie.file_type.is_quicktime(), flavour == Flavour::Mov);
    assert_eq!(movie.media_end(), file.file_len());
    assert_eq!(movie.tracks.len(), stored.len());
    for (track, stored) in movie.tracks.iter().zip(stored) {
        let (stream, bytes) = stored.samples();
        let expected = &stream.tracks[0];
        assert_eq!((track.handler, track.timescale), (expected.handler, expected.timescale));
        assert_eq!((track.width, track.height), (expected.width, expected.height));
        assert_eq!((track.language, &track.entries), (expected.language, &expected.entries));
        assert_eq!(track.samples.len(), expected.samples.len());
        for ((found, sample), bytes) in track.samples.iter().zip(&expected.samples).zip(&bytes) {
            assert_eq!(Sample { offset: sample.offset, ..found }, sample);
            assert_eq!(&bytes_of(&whole, found), bytes);
        }
        let skipped = |edits: &[Edit]| edits.first().and_then(|edit| edit.media_time).unwrap_or_default();
        assert_eq!(skipped(&track.edits), skipped(&expected.edits));
        if let Some(edit) = track.edits.first() {
            // To the last tick of the picture, whose ticks are the movie's.
            assert_eq!(movie.timescale, track.timescale);
            assert_eq!(i64::try_from(edit.duration).unwrap(), track.samples.end());
        }
    }
    whole
}

fn check_against_oracle(whole: &[u8], tracks: usize) {
    let mut rest = whole;
    let Some(Any::Ftyp(_)) = Option::<Any>::read_from(&mut rest).unwrap() else { panic!("no ftyp") };
    let Some(Any::Moov(moov)) = Option::<Any>::read_from(&mut rest).unwrap() else { panic!("no moov") };
    let Some(Any::Mdat(mdat)) = Option::<Any>::read_from(&mut rest).unwrap() else { panic!("no mdat") };
    assert!(rest.is_empty());
    assert_eq!(moov.trak.len(), tracks);
    assert!(moov.mvex.is_none());
    let mut media = 0;
    for trak in &moov.trak {
        let stbl = &trak.mdia.minf.stbl;
        let sizes: u64 = match &stbl.stsz.samples {
            mp4_atom::StszSamples::Identical { count, size } => u64::from(*count) * u64::from(*size),
            mp4_atom::StszSamples::Different { sizes } => sizes.iter().map(|size| u64::from(*size)).sum(),
        };
        media += sizes;
        let ticks: u64 = stbl
            .stts
            .entries
            .iter()
            .map(|entry| u64::from(entry.sample_count) * u64::from(entry.sample_delta))
            .sum();
        assert_eq!(trak.mdia.mdhd.duration, ticks);
        assert!(moov.mvhd.duration >= trak.tkhd.duration);
    }
    assert_eq!(media, mdat.data.len() as u64);
}

fn flavour() -> impl Strategy<Value = Flavour> {
    prop_oneof![Just(Flavour::Mp4), Just(Flavour::Mov)]
}

proptest! {
    #[test]
    fn every_sample_is_what_it_is_in_the_stream(
        plan in any_plan(),
        length in 1_usize..=4,
        frames in proptest::collection::vec(1_usize..40, 1..6),
        flavour in flavour(),
    ) {
        let stored = [Stored::video(&plan, length), Stored::audio(&frames)];
        let whole = check(flavour, &stored);
        check_against_oracle(&whole, 2);
        let [video, _] = stored;
        check_against_oracle(&check(flavour, &[video]), 1);
    }

    #[test]
    fn from_any_byte_on_the_file_is_the_same(
        plan in any_plan(),
        frames in proptest::collection::vec(1_usize..40, 1..6),
        starts in proptest::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let stored = [Stored::video(&plan, 2), Stored::audio(&frames)];
        let file = lay_out(Flavour::Mp4, &stored);
        let whole = read(&file, &stored, 0);
        for start in starts {
            let start = start.index(whole.len() + 1);
            prop_assert_eq!(&read(&file, &stored, start as u64), &whole[start..]);
        }
        prop_assert_eq!(file.piece_at(u64::MAX), None);
    }

    #[test]
    fn no_bytes_make_the_index_panic(bytes: Vec<u8>, cut in any::<prop::sample::Index>(), flip: u8, len: u64) {
        let _ = FragmentIndex::parse(&bytes, len, Limits::default());
        let mut segment = Stored::audio(&[3]).segments.remove(0);
        let at = cut.index(segment.len());
        segment[at] ^= flip;
        if let Ok(Indexed::Done(index)) = FragmentIndex::parse(&segment, segment.len() as u64, Limits::default()) {
            prop_assert!(index.media.end <= segment.len() as u64);
        }
    }
}

/// Sound and picture of a time lie beside each other, so that a player reads on instead of to and fro.
#[test]
fn sound_and_picture_take_turns() {
    let plan = Plan::regular(4, 30);
    let stored = [Stored::video(&plan, 3), Stored::audio(&[47, 47, 47, 47])];
    let file = lay_out(Flavour::Mp4, &stored);
    let mut position = file.head().len() as u64;
    let mut order = Vec::new();
    while let Some(piece) = file.piece_at(position) {
        let FilePiece::Media { track, segment, .. } = piece else { panic!("the head is over") };
        order.push((track, segment));
        position += piece.bytes();
    }
    assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]);
}

/// Segments of 2 GiB and a bit, of which nothing is written down.
#[test]
fn beyond_4_gib_positions_have_64_bits() {
    let plan = Plan::regular(1, 2);
    let (init, _) = Stored::video(&plan, 1).index();
    let sample = FragmentSample { duration: 3003, size: 1 << 30, sync: true, composition_offset: 0 };
    let segment = |number: u64| {
        let samples = vec![sample; 2];
        let spec = FragmentSpec {
            sequence_number: 1,
            track_id: 1,
            entry: 1,
            base_decode_time: number * 6006,
            samples: &samples,
            encryption: None,
        };
        let header = write_fragment_header(&spec);
        let len = header.len() as u64 + (2 << 30);
        match FragmentIndex::parse(&header, len, Limits::default()).unwrap() {
            Indexed::Done(index) => index,
            Indexed::Need(more) => panic!("{more} bytes are needed"),
        }
    };
    for (segments, wide) in [(2, false), (3, true)] {
        let segments: Vec<_> = (0..segments).map(segment).collect();
        let track = ProgressiveTrack { init: &init, segments: &segments };
        let file = Progressive::lay_out(Flavour::Mp4, &[track]).unwrap();
        let has = |name: &[u8; 4]| file.head().windows(4).any(|found| found == name);
        assert_eq!((has(b"co64"), has(b"stco")), (wide, !wide));
        let mut demuxer = Demuxer::new(file.file_len(), Limits::default());
        while let Progress::Need(range) = demuxer.advance().unwrap() {
            let from = usize::try_from(range.offset).unwrap();
            let mut bytes = file.head()[from.min(file.head().len())..].to_vec();
            bytes.resize(usize::try_from(range.len).unwrap(), 0);
            demuxer.supply(&bytes).unwrap();
        }
        let movie = demuxer.finish().unwrap();
        let mut expected = file.head().len() as u64;
        for sample in &movie.tracks[0].samples {
            assert_eq!(sample.offset, expected);
            expected += u64::from(sample.size);
        }
        assert_eq!(expected, file.file_len());
    }
}

#[test]
fn what_makes_no_file_is_refused() {
    let stored = Stored::audio(&[3, 4]);
    let (init, segments) = stored.index();
    let refused = |init: &Movie, segments: &[FragmentIndex]| {
        Progressive::lay_out(Flavour::Mp4, &[ProgressiveTrack { init, segments }]).unwrap_err()
    };
    assert_eq!(Progressive::lay_out(Flavour::Mp4, &[]), Err(ProgressiveError::NoTracks));
    let gap = ProgressiveError::Gap { track: 0, segment: 0, found: 3072, expected: 0 };
    assert_eq!(refused(&init, &segments[1..]), gap);
    let other = FragmentIndex { entry: 2, ..segments[0].clone() };
    assert_eq!(refused(&init, &[other]), ProgressiveError::Samples { track: 0, segment: 0 });
    let mut edited = init.clone();
    edited.tracks[0].edits = vec![Edit { duration: 5, media_time: Some(0), rate: 0x1_0000 }];
    assert_eq!(refused(&edited, &segments), ProgressiveError::Edits { track: 0 });
    let mut none = init.clone();
    none.tracks.clear();
    assert_eq!(refused(&none, &segments), ProgressiveError::NotOneTrack { track: 0 });
    let mut encrypted = init;
    encrypted.tracks[0].entries[0].format = isobmff::FourCc(*b"enca");
    assert_eq!(refused(&encrypted, &segments), ProgressiveError::Encrypted { track: 0 });
}
