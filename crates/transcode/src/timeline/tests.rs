use isobmff::Sample;
use proptest::prelude::*;

use super::*;
use crate::synthetic::{Clip, any_clip, edit, movie, sound, track};

fn build(track: Track) -> Result<Timeline, TimelineError> {
    let movie = movie(track);
    Timeline::build(&movie, &movie.tracks[0], None, &EncodeSettings::default())
}

fn timeline(clip: &Clip) -> Timeline {
    build(clip.track()).expect("a sound clip")
}

/// Where segments start, in seconds.
fn starts(timeline: &Timeline) -> Vec<f64> {
    let seconds = |ticks: u64| {
        (f64::from(u32::try_from(ticks).unwrap()) / f64::from(timeline.timescale) * 100.0).round() / 100.0
    };
    timeline.stored().boundaries.into_iter().map(seconds).collect()
}

#[test]
fn the_first_segments_are_short() {
    assert_eq!(starts(&timeline(&Clip::regular(600, 30, 1))), [0.0, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0]);
}

#[test]
fn segments_start_on_idrs_that_are_close() {
    assert_eq!(starts(&timeline(&Clip::regular(600, 30, 60))), [0.0, 2.0, 4.0, 6.0, 10.0, 14.0, 18.0]);
    assert_eq!(starts(&timeline(&Clip::regular(600, 30, 150))), [0.0, 5.0, 10.0, 15.0]);
}

#[test]
fn rare_idrs_do_not_make_segments_long() {
    assert_eq!(starts(&timeline(&Clip::regular(600, 30, 250))), [0.0, 1.0, 2.0, 4.0, 8.33, 12.33, 16.67]);
    assert_eq!(starts(&timeline(&Clip::regular(600, 30, 10_000))), [0.0, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0]);
}

#[test]
fn idrs_that_are_reordered_over_do_not_count() {
    let open = Clip { open: true, ..Clip::regular(600, 30, 46).with_reordered(3) };
    assert_eq!(starts(&timeline(&open)), [0.0, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0]);
}

#[test]
fn the_end_is_no_sliver() {
    let lengths = [15, 31, 60, 75, 105, 150, 250, 310, 370]
        .map(|frames| starts(&timeline(&Clip::regular(frames, 30, 1))));
    insta::assert_snapshot!(lengths.map(|starts| format!("{starts:?}")).join("\n"), @r#"
    [0.0]
    [0.0]
    [0.0, 1.0]
    [0.0, 1.0, 2.0]
    [0.0, 1.0, 2.0]
    [0.0, 1.0, 2.0, 4.0]
    [0.0, 1.0, 2.0, 4.0]
    [0.0, 1.0, 2.0, 4.0, 8.0]
    [0.0, 1.0, 2.0, 4.0, 8.0]
    "#);
}

#[test]
fn a_long_picture_makes_one_long_segment() {
    let mut times: Vec<i64> = (0..60).map(|frame| frame * 100).collect();
    times.extend((0..60).map(|frame| 60_000 + frame * 100));
    let clip = Clip { timescale: 1000, times, last: 100, gop: 1000, reordered: 0, open: false, gap: 0 };
    assert_eq!(starts(&timeline(&clip)), [0.0, 1.0, 2.0, 4.0, 60.0, 64.0]);
}

#[test]
fn an_edit_hides_frames_and_moves_time() {
    let mut clip = Clip::regular(90, 30, 30).with_reordered(2).track();
    clip.edits = vec![edit(700, None), edit(1000, Some(1024 + 256))];
    let timeline = build(clip).expect("one media edit");
    // Hidden are frames 0 to 2; the third tick behind the edit's start is 256 ticks later than 0.7 s.
    let first: Vec<u64> = timeline.frames.iter().take(3).map(|frame| frame.time).collect();
    assert_eq!(first, [0, 10_752 + 256 + 512, 10_752 + 256 + 1024]);
    assert_eq!(timeline.frames.len(), 30);
    assert_eq!(timeline.end, 26_112);
    assert_eq!(timeline.media_origin, 1280 - 10_752);
}

#[test]
fn pieces_that_follow_each_other_are_one() {
    let mut clip = Clip::regular(90, 30, 30).track();
    clip.edits = vec![edit(1000, Some(0)), edit(2000, Some(15_360))];
    assert_eq!(build(clip.clone()).map(|timeline| timeline.frames.len()), Ok(90));
    clip.edits = vec![edit(1000, Some(0)), edit(1000, Some(30_720))];
    assert_eq!(build(clip.clone()), Err(TimelineError::ComplexEdits(2)));
    clip.edits = vec![isobmff::Edit { rate: 0x2_0000, ..edit(1000, Some(0)) }];
    assert_eq!(build(clip.clone()), Err(TimelineError::ComplexEdits(1)));
    clip.edits = vec![edit(1000, Some(0)), edit(500, None)];
    assert_eq!(build(clip).map(|timeline| timeline.end), Ok(15_360));
}

#[test]
fn an_edit_between_two_frames_shows_the_one_that_lasts() {
    let mut clip = Clip::regular(30, 30, 30).track();
    clip.edits = vec![edit(10, Some(513))];
    let timeline = build(clip).expect("one frame");
    assert_eq!((timeline.frames.len(), timeline.frames[0].sample), (1, 1));
}

#[test]
fn nothing_shown_and_odd_clocks_are_errors() {
    let mut clip = Clip::regular(30, 30, 30).track();
    clip.edits = vec![edit(1000, Some(0))];
    clip.samples = [].into_iter().collect();
    assert_eq!(build(clip), Err(TimelineError::Empty));
    let mut clip = Clip::regular(30, 30, 30).track();
    clip.timescale = 3_000_000_000;
    assert_eq!(build(clip), Err(TimelineError::Timescale(3_000_000_000)));
    let mut clip = Clip::regular(30, 30, 30).track();
    clip.edits = vec![edit(u64::MAX / 2, None), edit(1000, Some(0))];
    assert!(matches!(build(clip), Err(TimelineError::TooLong { limit: 86_400, .. })));
}

#[test]
fn samples_that_claim_one_time_follow_each_other() {
    let row = |decode_time: i64, composition_offset: i32| Sample {
        decode_time,
        duration: 10,
        composition_offset,
        offset: 0,
        size: 1,
        sync: decode_time == 0,
        entry: 0,
    };
    let rows = [row(0, 0), row(10, 0), row(20, -10), row(30, -20), row(40, 0)];
    let timeline = build(track(*b"vide", 1000, rows.into_iter().collect())).expect("five frames");
    let frames: Vec<(u64, u32)> = timeline.frames.iter().map(|frame| (frame.time, frame.sample)).collect();
    assert_eq!(frames, [(0, 0), (10, 1), (11, 2), (12, 3), (40, 4)]);
}

#[test]
fn a_recording_out_of_a_broadcast_starts_at_0() {
    let mut clip = Clip::regular(90, 30, 30);
    for time in &mut clip.times {
        *time += 1 << 33;
    }
    let mut movie = movie(clip.track());
    movie.fragmented = true;
    let timeline =
        Timeline::build(&movie, &movie.tracks[0], None, &EncodeSettings::default()).expect("shifted");
    assert_eq!((timeline.frames[1].time, timeline.end), (512, 46_080));
}

#[test]
fn the_last_frame_lasts_as_long_as_the_sound() {
    let movie = movie(Clip::regular(90, 30, 30).track());
    let until = |ticks| {
        let audio = Some(Instant { ticks, timescale: 48_000 });
        Timeline::build(&movie, &movie.tracks[0], audio, &EncodeSettings::default())
            .map(|timeline| timeline.end)
    };
    assert_eq!(until(3 * 48_000 + 1000), Ok(46_080));
    assert_eq!(until(2 * 48_000), Ok(46_080));
    assert_eq!(until(4 * 48_000 + 1), Ok(4 * 15_360 + 1));
}

#[test]
fn another_sample_entry_starts_another_segment() {
    let mut clip = Clip::regular(300, 30, 30).track();
    clip.samples = clip
        .samples
        .iter()
        .zip(0..)
        .map(|(sample, index)| Sample { entry: u16::from(index >= 107), ..sample })
        .collect();
    clip.entries.push(clip.entries[0].clone());
    assert_eq!(starts(&build(clip).expect("two entries")), [0.0, 1.0, 2.0, 3.57, 8.0]);
}

#[test]
fn frames_per_second_are_counted_where_they_are_densest() {
    assert_eq!(timeline(&Clip::regular(300, 30, 30)).peak_frame_rate(), 30);
    assert_eq!(timeline(&Clip::regular(15, 30, 30)).peak_frame_rate(), 30);
    assert_eq!(timeline(&Clip::regular(1, 30, 30)).peak_frame_rate(), 30);
    let times = (0..100).map(|frame| frame * 100).chain((0..240).map(|frame| 10_000 + frame * 4)).collect();
    let clip = Clip { timescale: 1000, times, last: 100, gop: 10, reordered: 0, open: false, gap: 0 };
    assert_eq!(timeline(&clip).peak_frame_rate(), 125);
}

#[test]
fn a_stored_timeline_knows_its_source() {
    let timeline = timeline(&Clip::regular(300, 30, 30));
    let stored = timeline.stored();
    assert_eq!(stored.check(&timeline), Ok(()));
    assert_eq!(stored.check(&self::timeline(&Clip::regular(299, 30, 30))), Err(TimelineError::Changed));
}

#[test]
fn sound_has_no_frames_to_show() {
    // A sound track is never asked for; it still is no panic.
    assert!(build(sound(48_000, 10, 1024, 100)).is_ok());
}

proptest! {
    #[test]
    fn segments_cover_everything_and_none_is_long(clip in any_clip()) {
        let timeline = timeline(&clip);
        prop_assert_eq!(timeline.frames.len(), clip.times.len());
        for (frame, time) in timeline.frames.iter().zip(&clip.times) {
            prop_assert_eq!(i64::try_from(frame.time).unwrap(), *time);
        }
        prop_assert_eq!(timeline.boundaries[0], 0);
        prop_assert!(timeline.boundaries.is_sorted_by(|before, after| before < after));
        let second = u64::from(clip.timescale);
        let ends = timeline.frames.iter().skip(1).map(|frame| frame.time).chain([timeline.end]);
        let longest_frame = timeline.frames.iter().zip(ends).map(|(frame, end)| end - frame.time).max().unwrap();
        for segment in 0..timeline.segments() {
            let span = timeline.segment_span(segment);
            prop_assert!(span.end - span.start <= (6 * second).max(longest_frame + 3 * second), "{span:?}");
        }
        let idrs = boundary::closed_idrs(&clip.track(), &timeline.frames);
        let idr_times: Vec<u64> = idrs.iter().map(|&frame| timeline.frames[frame].time).collect();
        let mut ends = idr_times.iter().skip(1).copied().chain([timeline.end]);
        if idr_times.iter().all(|time| ends.next().unwrap() - time <= 5 * second) {
            prop_assert!(timeline.boundaries.iter().all(|&frame| idrs.contains(&usize::try_from(frame).unwrap())));
        }
    }

    #[test]
    fn every_frame_is_in_one_segment(clip in any_clip()) {
        let timeline = timeline(&clip);
        let frames: Vec<u32> = (0..timeline.segments()).flat_map(|segment| timeline.segment_frames(segment)).collect();
        prop_assert_eq!(frames, (0..timeline.frame_count()).collect::<Vec<_>>());
        prop_assert!(timeline.segment_frames(timeline.segments()).is_empty());
    }
}
