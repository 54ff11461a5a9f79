//! Existing renditions: planned, copied together and read back.

use isobmff::{
    Edit, FileType, FourCc, FragmentStream, Matrix, Movie, Sample, SampleEntry, SampleTable, StreamEvent,
    StreamFragment, Track,
};
use packager::{
    AudioSpecificConfig, Flavour, FrameRate, MediaPiece, Package, PackageError, PackageInput, PackageRules,
    PackagedRendition, Presentation, SampleInformation,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::sample_entries::{PPS, SPS, SQUARE, avc1};

const SECOND: u32 = 15_360;
const FRAME: u32 = SECOND / 30;

/// Frames of a rung in presentation order, 30 a second, B-frames in between, key frames where told; times from
/// `FRAME` on, which is what the edit list takes back.
fn video(height: u16, frames: u32, key_frames: &[u32]) -> Track {
    let mut order: Vec<u32> = Vec::new();
    let mut starts: Vec<u32> = key_frames.to_vec();
    starts.push(frames);
    for group in starts.windows(2) {
        order.push(group[0]);
        let rest: Vec<u32> = (group[0] + 1..group[1]).collect();
        for pair in rest.chunks(2) {
            order.extend(pair.iter().rev());
        }
    }
    let samples = order.iter().enumerate().map(|(index, &frame)| Sample {
        decode_time: index as i64 * i64::from(FRAME),
        duration: FRAME,
        composition_offset: (i32::try_from(frame).unwrap() - index as i32 + 1) * FRAME as i32,
        offset: 1000 + index as u64 * 300,
        size: 200 + u32::from(height) % 100,
        sync: key_frames.contains(&frame),
        entry: 0,
    });
    Track {
        handler: FourCc::VIDE,
        timescale: SECOND,
        width: 0,
        height: 0,
        entries: vec![SampleEntry {
            format: FourCc(*b"avc1"),
            raw: avc1(height / 9 * 16, height, SPS, PPS, SQUARE),
        }],
        edits: vec![Edit { duration: 0, media_time: Some(FRAME.into()), rate: 0x1_0000 }],
        samples: samples.collect::<SampleTable>(),
        ..track()
    }
}

/// AAC frames back to back, one priming frame in front.
fn audio(frames: u32) -> Track {
    let samples = (0..frames).map(|index| Sample {
        decode_time: i64::from(index) * 1024,
        duration: 1024,
        composition_offset: 0,
        offset: 900_000 + u64::from(index) * 50,
        size: 50,
        sync: true,
        entry: 0,
    });
    Track {
        id: 2,
        handler: FourCc::SOUN,
        timescale: 48_000,
        language: *b"deu",
        entries: vec![SampleEntry {
            format: FourCc(*b"mp4a"),
            raw: AudioSpecificConfig::new(48_000, 2).unwrap().sample_entry(),
        }],
        edits: vec![Edit { duration: 0, media_time: Some(1024), rate: 0x1_0000 }],
        samples: samples.collect::<SampleTable>(),
        ..track()
    }
}

fn track() -> Track {
    Track {
        id: 1,
        handler: FourCc::VIDE,
        enabled: true,
        timescale: 1,
        language: *b"und",
        matrix: Matrix::UNITY,
        width: 0,
        height: 0,
        entries: vec![],
        edits: vec![],
        samples: SampleTable::from_iter([]),
    }
}

fn movie(tracks: Vec<Track>) -> Movie {
    Movie {
        file_type: FileType { major: FourCc(*b"isom"), minor: 0, compatible: vec![] },
        timescale: 1000,
        fragmented: false,
        file_len: 1 << 22,
        tracks,
    }
}

/// Every 30 frames a key frame.
fn every_second(frames: u32) -> Vec<u32> {
    (0..frames).step_by(30).collect()
}

fn package(movies: &[Movie]) -> Result<Package<'_>, PackageError> {
    let names = ["a.mp4", "b.mp4", "c.mp4"];
    let inputs = names.iter().zip(movies).map(|(name, movie)| PackageInput { name, movie });
    Package::new(&inputs.collect::<Vec<_>>(), PackageRules::default())
}

/// All bytes of a rendition, as a client fetches them. Each byte of an input tells its place.
fn fetch(rendition: &PackagedRendition<'_>) -> Vec<StreamFragment> {
    let mut stream = FragmentStream::new(1 << 30);
    stream.push(&rendition.init(Flavour::Mp4));
    for number in 1..=rendition.segment_count() {
        let made = rendition.segment(number).unwrap();
        let segment = made.with(&SampleInformation::Clear).unwrap();
        stream.push(&segment.header);
        let mut media = 0;
        for piece in &made.media {
            let bytes: Vec<u8> = match piece {
                MediaPiece::Source { range, .. } => {
                    (range.offset..range.offset + range.len).map(|at| (at % 251) as u8).collect()
                }
                MediaPiece::Silence(frame) => frame.to_vec(),
            };
            media += bytes.len() as u64;
            stream.push(&bytes);
        }
        assert_eq!(media, segment.media_bytes);
    }
    assert!(rendition.segment(rendition.segment_count() + 1).is_err() && rendition.segment(0).is_err());
    let mut fragments = Vec::new();
    while let Some(event) = stream.poll().unwrap() {
        if let StreamEvent::Fragment(fragment) = event {
            fragments.push(fragment);
        }
    }
    assert!(stream.is_drained());
    fragments
}

/// Packages, and checks every object against the presentation and against the tables.
fn check(movies: &[Movie]) -> Presentation {
    let package = package(movies).unwrap();
    let presentation = package.presentation().unwrap();
    let parts = presentation.parts();
    for rendition in package.renditions() {
        let fragments = fetch(&rendition);
        let video = parts.video.iter().any(|video| video.id == rendition.id());
        let audio = parts.audio.iter().find(|audio| audio.id == rendition.id());
        let boundaries = audio.map_or(&parts.boundaries, |audio| &audio.boundaries);
        assert_eq!(fragments.len() + 1, boundaries.len());
        for (fragment, span) in fragments.iter().zip(boundaries.windows(2)) {
            let first = fragment.samples[0];
            assert_eq!(u64::try_from(first.decode_time).unwrap(), span[0]);
            assert!(first.sync);
            let lasts: u64 = fragment.samples.iter().map(|sample| u64::from(sample.duration)).sum();
            assert_eq!(span[0] + lasts, span[1]);
        }
        if video {
            let frames: usize = fragments.iter().map(|fragment| fragment.samples.len()).sum();
            assert_eq!(frames, movies[0].tracks[0].samples.len() as usize);
        }
    }
    presentation
}

#[test]
fn a_ladder_with_sound() {
    let frames = 30 * 13 + 7;
    let movies = [
        movie(vec![video(720, frames, &every_second(frames)), audio(622)]),
        movie(vec![video(360, frames, &every_second(frames)), audio(622)]),
    ];
    let presentation = check(&movies);
    let parts = presentation.parts();
    let seconds = |n: u32| u64::from(n * SECOND);
    assert_eq!(parts.boundaries, [0, seconds(4), seconds(8), seconds(12), u64::from(frames * FRAME)]);
    let ids: Vec<&str> = parts.video.iter().map(|video| video.id.as_str()).collect();
    assert_eq!(ids, ["720p", "360p"]);
    assert_eq!(parts.video[0].frame_rate, FrameRate::Constant { num: 30, den: 1 });
    let [audio] = parts.audio.as_slice() else { panic!("one sound track for both inputs") };
    assert_eq!((audio.id.as_str(), audio.language.as_deref()), ("audio", Some("de")));
    // The priming frame is left out, the rest ends less than a frame before the video.
    assert_eq!(audio.boundaries.last(), Some(&(620 * 1024)));
}

#[test]
fn equal_rungs_get_names_of_their_own() {
    let movies = [movie(vec![video(720, 60, &[0])]), movie(vec![video(720, 60, &[0])])];
    let presentation = check(&movies);
    assert_eq!(presentation.parts().video[1].id, "720p-2");
}

#[test]
fn short_sound_is_padded_and_long_sound_holds_the_picture() {
    let frames = 30 * 6;
    let short = check(&[movie(vec![video(720, frames, &every_second(frames)), audio(100)])]);
    assert_eq!(short.parts().audio[0].boundaries.last(), Some(&(6 * 48_000 / 1024 * 1024)));
    let long = check(&[movie(vec![video(720, frames, &every_second(frames)), audio(401)])]);
    assert_eq!(long.parts().audio[0].boundaries.last(), Some(&(400 * 1024)));
    assert_eq!(long.duration(), (400 * 1024 * u64::from(SECOND)).div_ceil(48_000));
}

#[test]
fn late_sound_starts_with_silence() {
    let mut late = audio(200);
    late.edits.insert(0, Edit { duration: 1003, media_time: None, rate: 0x1_0000 });
    let movies = [movie(vec![video(720, 180, &every_second(180)), late])];
    check(&movies);
    let package = package(&movies).unwrap();
    let sound = package.renditions().nth(1).unwrap();
    let samples: Vec<u32> =
        fetch(&sound).iter().flat_map(|fragment| &fragment.samples).map(|sample| sample.size).collect();
    // 1.003 s are 47.02 frames. The priming frame, nearly silent itself, is the last of them: the next one decodes whole.
    assert_eq!(samples.iter().position(|&size| size == 50), Some(46));
}

#[test]
fn late_video_lasts_from_the_start() {
    let mut late = video(720, 60, &[0, 30]);
    late.edits.insert(0, Edit { duration: 33, media_time: None, rate: 0x1_0000 });
    let presentation = check(&[movie(vec![late])]);
    assert_eq!(presentation.duration(), u64::from(60 * FRAME + 507), "33 ms are 506.88 ticks");
}

fn check_refused(movies: &[Movie], message: &str) {
    let error = package(movies).and_then(|package| package.presentation()).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn what_is_not_one_presentation_is_refused() {
    let good = || video(720, 600, &every_second(600));
    check_refused(&[movie(vec![audio(10)])], "no input has a video track");
    check_refused(
        &[movie(vec![good()]), movie(vec![video(360, 600, &[0, 45, 101, 599])])],
        "`a.mp4`, `b.mp4` have no common key frame between second 0 and 20, the limit is `12000` ms: encode them with \
         the same key frames",
    );
    let other_clock = Track { timescale: 30_000, ..good() };
    check_refused(
        &[movie(vec![good()]), movie(vec![other_clock])],
        "`a.mp4` counts `15360` ticks a second and `b.mp4` `30000`: encode them with one timescale",
    );
    check_refused(
        &[movie(vec![good()]), movie(vec![video(360, 570, &every_second(570))])],
        "`b.mp4` ends `1000` ms before the other inputs",
    );
    let turned = Track { matrix: Matrix([0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000]), ..good() };
    check_refused(
        &[movie(vec![turned])],
        "the picture of `a.mp4` is turned or has pixels that are not square: encode it again",
    );
    let cut = Track {
        edits: vec![Edit { duration: 0, media_time: Some(i64::from(10 * FRAME)), rate: 0x1_0000 }],
        ..good()
    };
    check_refused(
        &[movie(vec![cut])],
        "the edit list of `a.mp4` starts or ends inside a group of pictures: encode it again",
    );
    let twice = Edit { duration: 500, media_time: Some(0), rate: 0x1_0000 };
    check_refused(
        &[movie(vec![Track { edits: vec![twice, twice], ..good() }])],
        "`a.mp4` has an edit list with several pieces: encode it again",
    );
    let off =
        Track { edits: vec![Edit { duration: 0, media_time: Some(512), rate: 0x1_0000 }], ..audio(600) };
    check_refused(
        &[movie(vec![good(), off])],
        "the sound of `a.mp4` would be `10666` µs out of step with the picture: encode it again",
    );
    let short_file = Movie { file_len: 1000, ..movie(vec![good()]) };
    check_refused(&[short_file], "`a.mp4` lacks its last `179920` bytes");
}

proptest! {
    #[test]
    fn any_shared_key_frames_will_do(gaps in vec(1_u32..300, 1..12), tail in 1_u32..200, sound in 0_u32..3000) {
        let mut key_frames = vec![0];
        for gap in gaps {
            key_frames.push(key_frames[key_frames.len() - 1] + gap);
        }
        let frames = key_frames[key_frames.len() - 1] + tail;
        let mut movies =
            vec![movie(vec![video(720, frames, &key_frames)]), movie(vec![video(360, frames, &key_frames)])];
        if sound > 0 {
            movies[1].tracks.push(audio(sound));
        }
        check(&movies);
    }
}
