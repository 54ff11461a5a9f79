//! The packager's own work, beside which copying the media is everything: `cargo bench -p packager`.

use std::collections::BTreeMap;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use packager::{
    AudioRendition, AudioSpecificConfig, AudioTrack, ContentKey, Flavour, FrameRate, IvRun, Key, KeyClass,
    KeyId, Licences, Presentation, PresentationParts, Protection, SampleInformation, Scheme, VideoRendition,
    VideoSample, VideoSegment, VideoTrack, hls, mpd,
};

fn main() {
    divan::main();
}

/// Four seconds at 30 frames a second with one B-frame between references, 6 Mbit/s.
const FRAMES: u64 = 120;
const FRAME_BYTES: u32 = 25_000;

#[divan::bench]
fn video_segment(bencher: Bencher<'_, '_>) {
    let track = VideoTrack {
        timescale: 15_360,
        width: 1920,
        height: 1080,
        sample_entry: vec![],
        reorder_delay: 512,
        protection: None,
    };
    // Decode order 0 2 1 4 3 … 118 117 119.
    let pairs = (1..FRAMES - 1).step_by(2).flat_map(|index| [index + 1, index]);
    let order: Vec<u64> = std::iter::once(0).chain(pairs).chain(std::iter::once(FRAMES - 1)).collect();
    let samples: Vec<VideoSample> = order
        .iter()
        .map(|&frame| VideoSample { presentation_time: frame * 512, size: FRAME_BYTES, sync: frame == 0 })
        .collect();
    bencher.counter(BytesCount::new(FRAMES * u64::from(FRAME_BYTES))).bench(|| {
        track
            .segment(1, 0..FRAMES * 512, black_box(&samples), &SampleInformation::Clear)
            .expect("the samples make a segment")
    });
}

#[divan::bench]
fn audio_segment(bencher: Bencher<'_, '_>) {
    let config = AudioSpecificConfig::new(48_000, 2).expect("48 kHz stereo is AAC-LC");
    let track = AudioTrack { config, language: *b"und", protection: None };
    let sizes = [341_u32; 188];
    bencher.counter(ItemsCount::new(sizes.len())).bench(|| {
        track.segment(1, 0, black_box(&sizes), &SampleInformation::Clear).expect("the frames make a segment")
    });
}

#[divan::bench]
fn mpd_of_two_hours(bencher: Bencher<'_, '_>) {
    let presentation = two_hours();
    bencher.bench(|| mpd(black_box(&presentation), Flavour::Mp4));
}

#[divan::bench]
fn playlists_of_two_hours(bencher: Bencher<'_, '_>) {
    let presentation = two_hours();
    bencher.bench(|| {
        let presentation = black_box(&presentation);
        let master = hls::master(presentation, Flavour::Mp4).len();
        let media = |id: &str| hls::media(presentation, id, Flavour::Mp4).map_or(0, |text| text.len());
        master + media("360p") + media("audio")
    });
}

/// Four rungs and sound, segments of four seconds whose sizes vary.
fn two_hours() -> Presentation {
    let segments = 1800_u64;
    let rung = |(id, width, height): (&str, u32, u32)| VideoRendition {
        id: id.to_owned(),
        codecs: "avc1.640028".to_owned(),
        width,
        height,
        frame_rate: FrameRate::Constant { num: 30, den: 1 },
        segments: (0..segments)
            .map(|n| VideoSegment { bytes: 400_000 + n * 7919 % 90_000, iframe_bytes: 40_000 })
            .collect(),
    };
    let rungs = [("360p", 640, 360), ("480p", 854, 480), ("720p", 1280, 720), ("1080p", 1920, 1080)];
    let audio = AudioRendition {
        id: "audio".to_owned(),
        codecs: "mp4a.40.2".to_owned(),
        sample_rate: 48_000,
        channels: 2,
        language: None,
        boundaries: (0..=segments).map(|n| n * 192_000 / 1024 * 1024).collect(),
        segments: vec![64_000; 1800],
    };
    let parts = PresentationParts {
        timescale: 15_360,
        boundaries: (0..=segments).map(|n| n * 61_440).collect(),
        video: rungs.into_iter().map(rung).collect(),
        audio: vec![audio],
        images: vec![],
        text: Vec::new(),
        protection: None,
    };
    Presentation::new(parts).expect("the parts fit together")
}

/// A frame of one slice of this many bytes, as the cipher gets it: a length, a header, data.
fn frames() -> Vec<u8> {
    let length = FRAME_BYTES - 4;
    let frame = [
        &length.to_be_bytes()[..],
        b"\x65\x88\x84\x0f",
        &vec![0x5a; usize::try_from(length - 4).expect("a frame is short")],
    ];
    frame.concat().repeat(usize::try_from(FRAMES).expect("a segment has few frames"))
}

#[divan::bench(args = [Scheme::Cenc, Scheme::Cbcs])]
fn encrypt_video_segment(bencher: Bencher<'_, '_>, scheme: Scheme) {
    let key = ContentKey { id: KeyId([1; 16]), key: Key::new([2; 16]), constant_iv: [3; 16] };
    let protection = Protection::new(scheme, BTreeMap::from([(KeyClass::Hd, key)]), Licences::default());
    let entry = avc1(b"\x67\x42\x00\x1e\xf8\x28\x0b\xfe", b"\x68\xce\x38\x80");
    let mut cipher = protection.video_cipher(KeyClass::Hd, &entry).expect("the parameter sets are sound");
    let mut ivs = IvRun::starting_at(4);
    let mut media = frames();
    let clear = media.clone();
    bencher.counter(BytesCount::new(media.len())).bench_local(|| {
        // What was encrypted is no stream of NAL units: the copy is a part of what is measured.
        media.copy_from_slice(&clear);
        let sizes =
            std::iter::repeat_n(FRAME_BYTES, usize::try_from(FRAMES).expect("a segment has few frames"));
        cipher.encrypt(black_box(&mut media), sizes, &mut ivs).expect("the frames are sound")
    });
}

/// A sample entry with these parameter sets.
fn avc1(sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let length = |set: &[u8]| [0, u8::try_from(set.len()).expect("the sets are short")];
    let avcc = [&[1, 0x42, 0, 0x1e, 0xff, 0xe1][..], &length(sps), sps, &[1], &length(pps), pps].concat();
    boxed(b"avc1", &[&[0; 78][..], &boxed(b"avcC", &avcc)].concat())
}

fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).expect("boxes are short");
    [&length.to_be_bytes(), &name[..], body].concat()
}
