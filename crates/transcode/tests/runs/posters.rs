//! Posters: pictures that people send, which may be anything, and moments of our own segments.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use libtest_mimic::Trial;
use tokio_util::sync::CancellationToken;
use transcode::poster_run::{PosterSource, poster};
use transcode::runner::Runner;
use transcode::sandbox::{Priority, SandboxMode};
use transcode::still_run::{StillError, StillFormat};

use crate::clips::Clips;
use crate::support::{PATIENCE, ffmpeg, toolchain, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("posters::a_picture_keeps_its_shape", a_picture_keeps_its_shape),
        trial("posters::hostile_pictures_get_nothing", hostile_pictures_get_nothing),
        trial("posters::a_moment_is_the_frame_that_is_seen_then", a_moment_is_the_frame_that_is_seen_then),
    ]
}

async fn make(path: &Path, source: PosterSource) -> Result<Bytes, StillError> {
    let (toolchain, cancel) = (toolchain(SandboxMode::Require), CancellationToken::new());
    let priority = Priority::Background;
    let runner = Runner { toolchain: &toolchain, priority, patience: PATIENCE, cancel: &cancel };
    poster(&runner, &File::open(path).expect("the file"), source).await
}

async fn a_picture_keeps_its_shape() {
    let clips = Clips::new();
    for (name, source, size, words, expected) in [
        ("a.jpg", StillFormat::Jpeg, "2560x1000", "-pix_fmt yuvj444p", (1280, 500)),
        ("a.png", StillFormat::Png, "300x900", "-pix_fmt rgba", (300, 900)),
        ("b.png", StillFormat::Png, "64x64", "-pix_fmt gray16be", (64, 64)),
        ("a.webp", StillFormat::WebP, "1000x2000", "", (640, 1280)),
    ] {
        let path = clips.path(name);
        let input = format!("testsrc2=size={size}");
        let mut arguments = vec!["-f", "lavfi", "-i", &input, "-frames:v", "1"];
        arguments.extend(["-metadata", "comment=where it was taken"]);
        arguments.extend(words.split_whitespace());
        ffmpeg(&arguments, &path);
        assert_eq!(StillFormat::of(&fs::read(&path).expect("the picture")), Some(source));
        let made = make(&path, PosterSource::Picture(source)).await.expect(name);
        assert!(!made.windows(5).any(|bytes| bytes == b"where"), "nothing is told of where it was taken");
        assert_eq!(size_of(&made), Some(expected), "{name}");
    }
}

/// Pictures that are none, that are cut off, that claim to be something else, or that would fill the memory.
async fn hostile_pictures_get_nothing() {
    let clips = Clips::new();
    let bomb = clips.path("bomb.png");
    // 16000 × 16000 in a few hundred kilobytes.
    ffmpeg(&["-f", "lavfi", "-i", "color=black:s=16000x16000,format=gray", "-frames:v", "1"], &bomb);
    let whole = clips.path("whole.png");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1"], &whole);
    let whole = fs::read(&whole).expect("the picture");
    let cases: [(&str, Vec<u8>, StillFormat); 4] = [
        ("bomb", fs::read(&bomb).expect("the bomb"), StillFormat::Png),
        ("text", b"\x89PNG\r\n\x1a\nand nothing that belongs into one".to_vec(), StillFormat::Png),
        ("another", whole, StillFormat::WebP),
        ("empty", Vec::new(), StillFormat::Jpeg),
    ];
    for (name, file, source) in cases {
        let path = clips.path(name);
        fs::write(&path, file).expect("written");
        let error = make(&path, PosterSource::Picture(source)).await.expect_err(name);
        assert!(matches!(error, StillError::Unreadable), "{name}: {error:?}");
    }
}

/// The clip is black in its first second, and white afterwards; its segment does not begin at zero.
async fn a_moment_is_the_frame_that_is_seen_then() {
    let clips = Clips::new();
    let path = clips.path("segment.mp4");
    let input = "color=black:s=320x180:r=25:d=1[a];color=white:s=320x180:r=25:d=1[b];[a][b]concat";
    ffmpeg(
        &[
            "-f",
            "lavfi",
            "-i",
            input,
            "-c:v",
            "libx264",
            "-bf",
            "2",
            "-pix_fmt",
            "yuv420p",
            "-output_ts_offset",
            "8",
            "-movflags",
            "frag_keyframe+empty_moov+default_base_moof",
        ],
        &path,
    );
    for (millis, is_dark) in [(0, true), (900, true), (1100, false), (1900, false)] {
        let made = make(&path, PosterSource::Segment(Duration::from_millis(millis))).await.expect("a frame");
        let (picture, grey) = (clips.path("frame.jpg"), clips.path("frame.gray"));
        fs::write(&picture, made).expect("written");
        let picture = picture.display().to_string();
        ffmpeg(&["-i", &picture, "-vf", "scale=1:1", "-f", "rawvideo", "-pix_fmt", "gray"], &grey);
        let level = *fs::read(&grey).expect("a point").first().expect("a point");
        assert_eq!(level < 128, is_dark, "at {millis} ms it is {level}");
        fs::remove_file(&grey).expect("removed");
    }
    let beyond = make(&path, PosterSource::Segment(Duration::from_secs(60))).await;
    assert!(matches!(beyond, Err(StillError::Unreadable)), "{beyond:?}");
}

/// Width and height in the frame header of a baseline JPEG (ITU-T T.81 B.2.2).
fn size_of(jpeg: &[u8]) -> Option<(u32, u32)> {
    let header = jpeg.windows(9).find(|bytes| bytes.starts_with(&[0xff, 0xc0]))?;
    let number = |at: usize| Some(u32::from(u16::from_be_bytes([*header.get(at)?, *header.get(at + 1)?])));
    Some((number(7)?, number(5)?))
}
