use isobmff::Sample;
use proptest::prelude::*;

use super::*;
use crate::{
    settings::EncodeSettings,
    synthetic::{Clip, any_clip, movie},
};

fn plan(track: Track) -> (Timeline, Vec<ChunkSpec>) {
    let movie = movie(track);
    let timeline =
        Timeline::build(&movie, &movie.tracks[0], None, &EncodeSettings::default()).expect("a sound clip");
    let chunks = plan_chunks(&movie.tracks[0], &timeline, 4);
    (timeline, chunks)
}

/// Segments in each chunk.
fn lengths(clip: &Clip) -> Vec<u32> {
    plan(clip.track()).1.iter().map(|chunk| chunk.segments).collect()
}

#[test]
fn chunks_have_two_to_four_segments() {
    // Segments of 1, 1, 2 and then 4 s.
    assert_eq!(lengths(&Clip::regular(60 * 30, 30, 1)), [4, 2, 2, 2, 2, 2, 3]);
    assert_eq!(lengths(&Clip::regular(30, 30, 1)), [1]);
    assert_eq!(lengths(&Clip::regular(14 * 30, 30, 1)), [4, 2]);
}

#[test]
fn chunks_end_before_sync_samples() {
    // Segments on every second sync sample: 4, 4.33, 4, 4.33 s.
    let (_, chunks) = plan(Clip::regular(90 * 30, 30, 250).track());
    assert!(chunks.iter().skip(1).all(|chunk| chunk.first_segment % 2 == 0 || chunk.first_segment < 4));
}

#[test]
fn rare_sync_samples_make_long_chunks() {
    assert_eq!(lengths(&Clip::regular(600 * 30, 30, 100_000)), [4, 2, 4, 8, 16, 32, 86]);
}

#[test]
fn each_names_every_rung() {
    let (_, chunks) = plan(Clip::regular(300, 30, 30).track());
    assert!(chunks.iter().all(|chunk| chunk.rungs == [0, 1, 2, 3] && chunk.stills == Stills::Make));
}

#[test]
fn a_chunk_has_one_sample_entry() {
    let mut clip = Clip::regular(900, 30, 1).track();
    let entry = |index: u32| u16::from((400..430).contains(&index));
    clip.samples = clip
        .samples
        .iter()
        .zip(0..)
        .map(|(sample, index)| Sample { entry: entry(index), ..sample })
        .collect();
    clip.entries.push(clip.entries[0].clone());
    let (timeline, chunks) = plan(clip);
    let starts: Vec<u32> =
        chunks.iter().map(|chunk| timeline.segment_frames(chunk.first_segment).start).collect();
    assert!(starts.contains(&400) && starts.contains(&430), "{starts:?}");
}

#[test]
fn equal_chunks_are_equal() {
    let movie = movie(Clip::regular(900, 30, 1).track());
    let track = &movie.tracks[0];
    let timeline = Timeline::build(&movie, track, None, &EncodeSettings::default()).expect("a sound clip");
    let chunks = plan_equal_chunks(track, &timeline, 1, NonZeroU32::new(4).expect("4 is not 0"));
    assert_eq!(chunks.iter().map(|chunk| chunk.segments).collect::<Vec<_>>(), [4, 4, 2]);
}

proptest! {
    #[test]
    fn chunks_cover_the_timeline_with_linear_work(clip in any_clip()) {
        let track = clip.track();
        let (timeline, chunks) = plan(track.clone());
        let mut next = 0;
        let mut decoded = 0;
        for chunk in &chunks {
            prop_assert_eq!(chunk.first_segment, next);
            prop_assert!(chunk.segments > 0);
            next += chunk.segments;
            let frames = timeline.segment_frames(chunk.first_segment).start..timeline.segment_frames(next).start;
            let samples = || frames.clone().map(|frame| timeline.frame(frame).unwrap().sample);
            let first = samples().map(|sample| needed_sync(&track, sample)).min().unwrap();
            decoded += samples().max().unwrap() + 1 - first;
        }
        prop_assert_eq!(next, timeline.segments());
        // At each end of a chunk there are a few pictures of reordering.
        prop_assert!(decoded <= 2 * timeline.frame_count() + 8 * u32::try_from(chunks.len()).unwrap());
    }
}
