//! The packager's own work, beside which copying the media is everything: `cargo bench -p packager`.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use packager::{
    AudioRendition, AudioSpecificConfig, AudioTrack, Flavour, FrameRate, Presentation, PresentationParts,
    SampleInformation, VideoRendition, VideoSample, VideoSegment, VideoTrack, hls, mpd,
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
        protection: None,
    };
    Presentation::new(parts).expect("the parts fit together")
}
