//! Presentations to make manifests of: a few by hand, and all of them.

use packager::{
    AudioRendition, FrameRate, ImageRendition, Presentation, PresentationParts, TextKind, TextRendition,
    VideoRendition, VideoSegment,
};
use proptest::collection::{vec, vec as vec_of};
use proptest::prelude::*;

/// 29.97 fps with a short start, two rungs, sound, a storyboard.
pub(crate) fn ladder() -> PresentationParts {
    let frames = [0_u64, 30, 60, 120, 240, 360, 365];
    let boundaries: Vec<u64> = frames.iter().map(|n| n * 1001).collect();
    let rate = FrameRate::Constant { num: 30000, den: 1001 };
    PresentationParts {
        timescale: 30000,
        video: vec![
            video(
                "360p",
                (640, 360),
                "avc1.64001e",
                rate,
                &[70_000, 72_000, 140_000, 290_000, 310_000, 9_000],
            ),
            video(
                "720p",
                (1280, 720),
                "avc1.64001f",
                rate,
                &[200_000, 210_000, 400_000, 900_000, 950_000, 40_000],
            ),
        ],
        audio: vec![audio("audio", 48000, Some("en"), &[0, 48128, 96256, 192512, 384000, 576512, 583680])],
        images: vec![ImageRendition {
            id: "storyboard".into(),
            columns: 2,
            rows: 2,
            tile_width: 160,
            tile_height: 90,
            tile_millis: 2000,
            sheets: vec![20_000, 15_500],
        }],
        text: vec![text(1, "en", TextKind::Captions), text(4, "pt-BR", TextKind::Subtitles)],
        protection: None,
        boundaries,
    }
}

fn text(number: u32, language: &str, kind: TextKind) -> TextRendition {
    TextRendition {
        id: format!("text-{number}"),
        language: language.into(),
        label: format!("{language} & <more>"),
        kind,
        bytes: 1234 * u64::from(number),
    }
}

/// A phone held upright: variable rate, no sound.
pub(crate) fn portrait_vfr() -> PresentationParts {
    PresentationParts {
        timescale: 90000,
        boundaries: vec![0, 91_500, 180_000, 361_501, 725_017],
        video: vec![video(
            "360p",
            (360, 640),
            "avc1.64001e",
            FrameRate::Variable { max: 31 },
            &[60_000, 61_000, 122_000, 250_000],
        )],
        audio: vec![],
        images: vec![],
        text: Vec::new(),
        protection: None,
    }
}

/// One segment, shorter than a second.
pub(crate) fn blink() -> PresentationParts {
    PresentationParts {
        timescale: 15360,
        boundaries: vec![0, 512],
        video: vec![video(
            "240p",
            (426, 240),
            "avc1.640015",
            FrameRate::Constant { num: 30, den: 1 },
            &[4_000],
        )],
        audio: vec![audio("audio", 44100, None, &[0, 1024])],
        images: vec![],
        text: Vec::new(),
        protection: None,
    }
}

pub(crate) fn video(
    id: &str,
    size: (u32, u32),
    codecs: &str,
    frame_rate: FrameRate,
    bytes: &[u64],
) -> VideoRendition {
    let segments = bytes.iter().map(|&bytes| VideoSegment { bytes, iframe_bytes: bytes / 4 + 1 }).collect();
    VideoRendition {
        id: id.into(),
        codecs: codecs.into(),
        width: size.0,
        height: size.1,
        frame_rate,
        segments,
    }
}

pub(crate) fn audio(
    id: &str,
    sample_rate: u32,
    language: Option<&str>,
    boundaries: &[u64],
) -> AudioRendition {
    AudioRendition {
        id: id.into(),
        codecs: "mp4a.40.2".into(),
        sample_rate,
        channels: 2,
        language: language.map(Into::into),
        segments: boundaries.windows(2).map(|w| (w[1] - w[0]) / 3 + 100).collect(),
        boundaries: boundaries.to_vec(),
    }
}

/// Any presentation: 1 to 60 segments of any length, 1 to 4 rungs, 0 to 2 sound tracks, perhaps a storyboard, 0 to 2 captions.
pub(crate) fn any_presentation() -> impl Strategy<Value = Presentation> {
    let timescale = prop_oneof![Just(30000_u32), Just(90000), Just(12800), 600..200_000_u32];
    let durations = prop_oneof![
        vec_of(1_u64..20_000_000, 1..20),
        (1_u64..600_000, 1..60_usize).prop_map(|(duration, count)| vec![duration; count]),
    ];
    (timescale, durations).prop_flat_map(|(timescale, durations)| {
        let mut boundaries = vec![0_u64];
        for duration in &durations {
            boundaries.push(boundaries[boundaries.len() - 1] + duration);
        }
        let video = vec((any_rate(), any_size(), vec(any_segment(), durations.len())), 1..=4);
        let end = boundaries[boundaries.len() - 1];
        let audio = vec(any_audio(end, timescale), 0..=2);
        let images = proptest::option::of((1..6_u32, 1..6_u32, 500..10_000_u32, 1..99_999_u64));
        (video, audio, images, 0..=2_u32).prop_map(move |(video, audio, images, captions)| {
            let video =
                video.into_iter().enumerate().map(|(index, (frame_rate, size, segments))| VideoRendition {
                    id: format!("{}p-{index}", size.1),
                    codecs: "avc1.64001f".into(),
                    width: size.0,
                    height: size.1,
                    frame_rate,
                    segments,
                });
            let audio = audio.into_iter().flatten().enumerate();
            let audio = audio.map(|(index, audio)| AudioRendition { id: format!("audio-{index}"), ..audio });
            let images = images.map(|(columns, rows, tile_millis, bytes)| {
                let sheet = u128::from(columns * rows * tile_millis) * u128::from(timescale);
                let sheets = (u128::from(end) * 1000).div_ceil(sheet);
                ImageRendition {
                    id: "storyboard".into(),
                    columns,
                    rows,
                    tile_width: 160,
                    tile_height: 90,
                    tile_millis,
                    sheets: (0..sheets).map(|_| bytes).collect(),
                }
            });
            Presentation::new(PresentationParts {
                timescale,
                boundaries: boundaries.clone(),
                video: video.collect(),
                audio: audio.collect(),
                images: images.into_iter().collect(),
                text: (1..=captions)
                    .map(|n| text(n, ["en", "de"][n as usize % 2], TextKind::Captions))
                    .collect(),
                protection: None,
            })
            .unwrap()
        })
    })
}

fn any_segment() -> impl Strategy<Value = VideoSegment> {
    (1_u64..5_000_000, 0.0..1.0_f64).prop_map(|(bytes, part)| {
        let iframe_bytes = ((bytes as f64 * part) as u64).clamp(1, bytes);
        VideoSegment { bytes, iframe_bytes }
    })
}

fn any_size() -> impl Strategy<Value = (u32, u32)> {
    (1..4096_u32, 1..4096_u32).prop_map(|(width, height)| (width * 2, height * 2))
}

fn any_rate() -> impl Strategy<Value = FrameRate> {
    prop_oneof![
        (1..120_000_u32, 1..=1001_u32).prop_map(|(num, den)| FrameRate::Constant { num, den }),
        (1..240_u32).prop_map(|max| FrameRate::Variable { max }),
    ]
}

/// `None` where not even one frame fits.
fn any_audio(end: u64, timescale: u32) -> impl Strategy<Value = Option<AudioRendition>> {
    let language = prop_oneof![Just(None), Just(Some("en".to_owned())), Just(Some("pt-BR".to_owned()))];
    let rate = prop_oneof![Just(48000_u32), Just(44100), Just(8000)];
    (rate, language, 1..=8_u8, vec((1_u64..400, 1_u64..90_000), 1..40)).prop_map(
        move |(sample_rate, language, channels, segments)| {
            let most = u128::from(end) * u128::from(sample_rate) / u128::from(timescale);
            let mut audio = audio("audio", sample_rate, language.as_deref(), &[0]);
            audio.channels = channels;
            for (frames, bytes) in segments {
                let next = audio.boundaries[audio.boundaries.len() - 1] + frames * 1024;
                if u128::from(next) > most {
                    break;
                }
                audio.boundaries.push(next);
                audio.segments.push(bytes);
            }
            (!audio.segments.is_empty()).then_some(audio)
        },
    )
}
