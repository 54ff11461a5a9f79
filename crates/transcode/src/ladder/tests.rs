use proptest::prelude::*;

use super::*;

/// One line for each rung: name, size, level, cap in kbit/s, references.
fn check(width: u32, height: u32, frames_per_second: u32) -> String {
    let rungs = plan_ladder(Size { width, height }, frames_per_second, &EncodeSettings::default());
    let line = |rung: &Rung| {
        let Rung { id, width, height, max_rate, level, max_references, .. } = rung;
        format!("{id} {width}x{height} level {level} {} kbit/s {max_references} refs", max_rate / 1000)
    };
    rungs.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn landscape() {
    insta::assert_snapshot!(check(1920, 1080, 30), @r#"
    360p 640x360 level 30 800 kbit/s 8 refs
    480p 854x480 level 31 1200 kbit/s 11 refs
    720p 1280x720 level 31 2400 kbit/s 5 refs
    1080p 1920x1080 level 40 4800 kbit/s 4 refs
    "#);
}

#[test]
fn portrait() {
    insta::assert_snapshot!(check(1080, 1920, 30), @r#"
    360p 360x640 level 30 800 kbit/s 8 refs
    480p 480x854 level 31 1200 kbit/s 11 refs
    720p 720x1280 level 31 2400 kbit/s 5 refs
    1080p 1080x1920 level 40 4800 kbit/s 4 refs
    "#);
}

#[test]
fn ultra_high_definition_at_60_frames() {
    insta::assert_snapshot!(check(3840, 2160, 60), @r#"
    360p 640x360 level 31 800 kbit/s 16 refs
    480p 854x480 level 31 1200 kbit/s 11 refs
    720p 1280x720 level 32 2400 kbit/s 5 refs
    1080p 1920x1080 level 42 4800 kbit/s 4 refs
    "#);
}

#[test]
fn sizes_between_steps_are_not_enlarged() {
    insta::assert_snapshot!([check(853, 480, 25), check(1024, 576, 25), check(1728, 720, 24)].join("\n\n"), @r#"
    360p 640x360 level 30 800 kbit/s 8 refs
    480p 852x480 level 30 1200 kbit/s 5 refs

    360p 640x360 level 30 800 kbit/s 8 refs
    480p 854x480 level 30 1200 kbit/s 5 refs

    360p 864x360 level 30 800 kbit/s 6 refs
    480p 1152x480 level 31 1200 kbit/s 8 refs
    720p 1728x720 level 32 2400 kbit/s 4 refs
    "#);
}

#[test]
fn a_small_source_keeps_its_size() {
    insta::assert_snapshot!([check(241, 135, 30), check(160, 90, 15), check(17, 1, 30), check(240, 134, 120)].join("\n"), @r#"
    134p 240x134 level 12 297 kbit/s 16 refs
    90p 160x90 level 11 200 kbit/s 15 refs
    2p 16x16 level 10 4 kbit/s 16 refs
    134p 240x134 level 21 297 kbit/s 16 refs
    "#);
}

#[test]
fn extreme_shapes_are_bounded() {
    insta::assert_snapshot!([
        check(36_000, 1000, 30),
        check(8056, 942, 30),
        check(100, 30_000, 30),
        check(8000, 4500, 240),
    ].join("\n\n"), @r#"
    360p 3840x106 level 40 800 kbit/s 16 refs

    360p 3078x360 level 32 800 kbit/s 4 refs
    480p 3840x450 level 40 1200 kbit/s 4 refs

    100p 16x3840 level 40 222 kbit/s 16 refs

    360p 640x360 level 40 800 kbit/s 16 refs
    480p 854x480 level 42 1200 kbit/s 16 refs
    720p 1280x720 level 51 2400 kbit/s 16 refs
    1080p 1920x1080 level 52 4800 kbit/s 16 refs
    "#);
}

#[test]
fn a_ladder_of_nothing_still_has_a_rung() {
    let settings = EncodeSettings { rungs: vec![], ..EncodeSettings::default() };
    let rungs = plan_ladder(Size { width: 640, height: 360 }, 30, &settings);
    assert_eq!(rungs.iter().map(|rung| rung.id.as_str()).collect::<Vec<_>>(), ["360p"]);
}

proptest! {
    #[test]
    fn rungs_are_even_ordered_and_not_enlarged(width in 16_u32..9000, height in 16_u32..9000, rate in 1_u32..250) {
        let rungs = plan_ladder(Size { width, height }, rate, &EncodeSettings::default());
        prop_assert!(!rungs.is_empty());
        prop_assert!(rungs.is_sorted_by(|lower, higher| lower.height <= higher.height && lower.id != higher.id));
        for rung in rungs {
            prop_assert!(rung.width.is_multiple_of(2) && rung.height.is_multiple_of(2));
            prop_assert!(rung.width <= width.max(16) && rung.height <= height.max(16));
            let limits = LEVELS.iter().find(|limits| limits.number == rung.level).unwrap();
            let size = Macroblocks::of(rung.width, rung.height);
            prop_assert!(rung.level == 62 || limits.has_room(size, rate));
            let aspect = f64::from(width) / f64::from(height);
            if (0.25..4.0).contains(&aspect) {
                let kept = f64::from(rung.width) / f64::from(rung.height);
                let step = 2.0 / f64::from(rung.height.min(rung.width));
                prop_assert!((kept / aspect - 1.0).abs() <= step, "{width}x{height} became {rung:?}");
            }
        }
    }
}
