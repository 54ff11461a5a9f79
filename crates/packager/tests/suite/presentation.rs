//! Parts that fit together, and each way in which they do not.

use packager::{FrameRate, Presentation, PresentationParts};

use crate::cases;

fn check_refused(change: impl FnOnce(&mut PresentationParts), message: &str) {
    let mut parts = cases::ladder();
    change(&mut parts);
    assert_eq!(Presentation::new(parts).unwrap_err().to_string(), message);
}

#[test]
fn what_does_not_fit_is_refused() {
    check_refused(|p| p.video.clear(), "there is no video rendition");
    check_refused(|p| p.timescale = 0, "`timeline`: `timescale` is zero or out of range");
    check_refused(
        |p| p.boundaries[0] = 1,
        "`timeline`: boundary 0 is not where a contiguous timeline continues",
    );
    check_refused(
        |p| p.boundaries[2] = 30030,
        "`timeline`: boundary 2 is not where a contiguous timeline continues",
    );
    check_refused(|p| p.boundaries[6] = u64::MAX, "`timeline`: `duration` is zero or out of range");
    check_refused(
        |p| p.audio[0].boundaries[1] = 0,
        "`audio`: boundary 1 is not where a contiguous timeline continues",
    );
    check_refused(|p| p.video[1].segments.truncate(5), "`720p` has 5 segments where its timeline has 6");
    check_refused(|p| p.video[0].segments[3].bytes = 0, "`360p`: segment 4 has an impossible size");
    check_refused(
        |p| p.video[0].segments[3].iframe_bytes = 1 << 30,
        "`360p`: segment 4 has an impossible size",
    );
    check_refused(|p| p.audio[0].segments[0] = 1 << 50, "`audio`: segment 1 has an impossible size");
    check_refused(|p| p.audio[0].channels = 0, "`audio`: `channels` is zero or out of range");
    check_refused(|p| p.audio[0].boundaries[6] = 600_000, "`audio` ends after the video");
    check_refused(|p| p.images[0].sheets.push(9), "`storyboard` has 3 segments where its timeline has 2");
    check_refused(
        |p| p.video[0].frame_rate = FrameRate::Constant { num: 30, den: 0 },
        "`360p`: `frame_rate` is zero or out of range",
    );
}

#[test]
fn hostile_text_is_refused() {
    for id in
        ["", "../x", "a/b", ".", "-x", "a b", "a\"b", "<a>", "a&b", "ä", "master", "mov", "360p-iframes"]
    {
        check_refused(|p| p.video[0].id = id.into(), &format!("`{id}` cannot be the id of a rendition"));
    }
    check_refused(|p| p.video[0].id = "audio".into(), "the id `audio` is used twice");
    for language in ["", "en\"", "e n", "en-", "<x>", "en\nX", "1"] {
        check_refused(
            |p| p.audio[0].language = Some(language.into()),
            &format!("`{language}` of `audio` is no language tag"),
        );
    }
    for label in ["", " x", "a\"b", "a\nb", &"x".repeat(101)] {
        check_refused(|p| p.text[0].label = label.into(), &format!("`{label}` of `text-1` is no label"));
    }
    check_refused(|p| p.text[0].language = "e n".into(), "`e n` of `text-1` is no language tag");
    check_refused(|p| p.text[0].label = p.text[1].label.clone(), "the label `pt-BR & <more>` is used twice");
    check_refused(|p| p.text[0].id = "a.vtt".into(), "`a.vtt` cannot be the id of a rendition");
    for codecs in ["", "avc1\",X=\"", "<a>", "avc1\n"] {
        check_refused(
            |p| p.video[0].codecs = codecs.into(),
            &format!("`{codecs}` of `360p` is no codecs parameter"),
        );
    }
}

#[test]
fn frame_rates_are_exact_or_bounded() {
    let times: Vec<u64> = (0..90).map(|n| n * 1001).collect();
    let measured = FrameRate::measure(&times, 90 * 1001, 30000);
    assert_eq!(measured, Some(FrameRate::Constant { num: 30000, den: 1001 }));
    assert_eq!(FrameRate::measure(&[0], 512, 15360), Some(FrameRate::Constant { num: 30, den: 1 }));
    let burst = [0, 100, 200, 300, 2000, 3000];
    assert_eq!(FrameRate::measure(&burst, 4000, 1000), Some(FrameRate::Variable { max: 4 }));
    assert_eq!(FrameRate::measure(&[], 4000, 1000), None);
    assert_eq!(FrameRate::measure(&[5, 3], 4000, 1000), None);
}
