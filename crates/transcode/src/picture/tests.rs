use isobmff::{FourCc, Matrix, SampleEntry};

use super::*;
use crate::synthetic::Clip;

const LIMIT: u64 = 36_000_000;

fn probe(width: u32, height: u32) -> VideoProbe {
    VideoProbe {
        codec: "h264".to_owned(),
        pixel_format: Some("yuv420p".to_owned()),
        width,
        height,
        ..VideoProbe::default()
    }
}

fn picture(probe: &VideoProbe) -> Picture {
    Picture::new(&Clip::regular(1, 30, 1).track(), probe, LIMIT).expect("a usual size")
}

fn turned(matrix: [i32; 4]) -> Picture {
    let mut track = Clip::regular(1, 30, 1).track();
    let [a, b, c, d] = matrix.map(|value| value << 16);
    track.matrix = Matrix([a, b, 0, c, d, 0, 0, 0, 0x4000_0000]);
    Picture::new(&track, &VideoProbe { sample_aspect: Some((4, 3)), ..probe(1440, 1080) }, LIMIT)
        .expect("a usual size")
}

#[test]
fn pixels_become_square_before_the_picture_is_turned() {
    let size = |picture: &Picture| (picture.display.width, picture.display.height);
    assert_eq!(size(&picture(&VideoProbe { sample_aspect: Some((64, 45)), ..probe(720, 576) })), (1024, 576));
    assert_eq!(size(&picture(&VideoProbe { sample_aspect: Some((8, 9)), ..probe(720, 480) })), (640, 480));
    let turns = [[1, 0, 0, 1], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0], [-1, 0, 0, 1]].map(turned);
    let turns = turns.map(|picture| (size(&picture), picture.turn.quarter_turns, picture.turn.mirrored));
    assert_eq!(
        turns,
        [
            ((1920, 1080), 0, false),
            ((1080, 1920), 1, false),
            ((1920, 1080), 2, false),
            ((1080, 1920), 3, false),
            ((1920, 1080), 0, true),
        ]
    );
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let track = Clip::regular(1, 30, 1).track();
    assert_eq!(Picture::new(&track, &probe(0, 0), LIMIT), Err(PictureError::NoSize));
    let huge = PictureError::TooLarge { width: 60_000, height: 60_000, limit: LIMIT };
    assert_eq!(Picture::new(&track, &probe(60_000, 60_000), LIMIT), Err(huge.clone()));
    let mut declared = track.clone();
    // A VisualSampleEntry's width and height are at 32 and 34.
    let mut raw = vec![0; 86];
    raw[..8].copy_from_slice(b"\0\0\0\x56avc1");
    raw[32..36].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    declared.entries = vec![SampleEntry { format: FourCc(*b"avc1"), raw }];
    assert_eq!(screen(&declared, LIMIT), Err(huge));
    declared.entries[0].format = FourCc(*b"encv");
    assert_eq!(screen(&declared, LIMIT), Err(PictureError::Encrypted));
}

/// Range, primaries, transfer, matrix and format of a source, and what becomes of it.
fn colour(height: u32, tags: [&str; 4], format: &str) -> String {
    let tag = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let [range, primaries, transfer, matrix] = tags.map(tag);
    let probe =
        VideoProbe { range, primaries, transfer, matrix, pixel_format: tag(format), ..probe(640, height) };
    match picture(&probe).colour {
        Colour::Rgb => "rgb".to_owned(),
        Colour::Keep { range, tags } => {
            format!("keep {range:?} {} {} {}", tags.primaries, tags.transfer, tags.matrix)
        }
        Colour::Convert { range, tags } => {
            format!("convert {range:?} {} {} {}", tags.primaries, tags.transfer, tags.matrix)
        }
        Colour::ToneMap { range, tags } => {
            format!("tone-map {range:?} {} {} {}", tags.primaries, tags.transfer, tags.matrix)
        }
    }
}

#[test]
fn colours_of_each_kind() {
    let kinds = [
        colour(1080, ["", "", "", ""], "yuv420p"),
        colour(480, ["", "", "", ""], "yuv420p"),
        colour(1080, ["pc", "bt709", "bt709", "bt709"], "yuv420p"),
        colour(480, ["", "", "", ""], "yuvj422p"),
        colour(1080, ["tv", "", "", "bt470bg"], "yuv420p"),
        colour(1080, ["tv", "unheard-of':", "", "bt709"], "yuv422p10le"),
        colour(1080, ["tv", "bt2020", "smpte2084", "bt2020nc"], "yuv420p10le"),
        colour(1080, ["", "", "arib-std-b67", ""], "yuv420p10le"),
        colour(1080, ["tv", "bt2020", "bt2020-10", "bt2020nc"], "yuv420p10le"),
        colour(1080, ["tv", "bt2020", "smpte2084", "bt2020c"], "yuv420p10le"),
        colour(1080, ["tv", "smpte432", "bt709", "bt709"], "yuv420p"),
        colour(1080, ["", "", "", "gbr"], "gbrp"),
        colour(1080, ["", "", "", ""], "gray"),
    ];
    insta::assert_snapshot!(kinds.join("\n"), @r#"
    keep Unknown bt709 bt709 bt709
    keep Unknown smpte170m smpte170m smpte170m
    keep Full bt709 bt709 bt709
    keep Full smpte170m smpte170m smpte170m
    keep Limited smpte170m smpte170m bt470bg
    keep Limited bt709 bt709 bt709
    tone-map Limited bt2020 smpte2084 bt2020nc
    tone-map Unknown bt2020 arib-std-b67 bt2020nc
    convert Limited bt2020 bt2020-10 bt2020nc
    tone-map Limited bt2020 smpte2084 bt2020nc
    convert Limited smpte432 bt709 bt709
    rgb
    keep Unknown bt709 bt709 bt709
    "#);
}
