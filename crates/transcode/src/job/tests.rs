use super::*;
use crate::{
    chunk::plan_chunks,
    ladder::plan_ladder,
    picture::{Colour, Range as ColourRange, Tags, Turn},
    synthetic::{Clip, edit, movie},
};

/// Runs `body` with the plan of 12 s that start inside a GOP.
fn with_plan(scan: Scan, body: impl FnOnce(&VideoPlan<'_>)) {
    let mut clip = Clip::regular(400, 30, 30).with_reordered(2).track();
    clip.edits = vec![edit(12_000, Some(10 * 512))];
    let movie = movie(clip);
    let settings = EncodeSettings::default();
    let track = &movie.tracks[0];
    let timeline = Timeline::build(&movie, track, None, &settings).expect("one media edit");
    let picture = Picture {
        display: Size { width: 854, height: 480 },
        turn: Turn::default(),
        scan,
        colour: Colour::Keep { range: ColourRange::Limited, tags: Tags::bt709() },
    };
    let ladder = plan_ladder(picture.display, timeline.peak_frame_rate(), &settings);
    body(&VideoPlan {
        movie: &movie,
        track,
        timeline: &timeline,
        picture: &picture,
        ladder: &ladder,
        settings: &settings,
        reordering: Reordering::Pyramid,
    });
}

fn chunk(first_segment: u32, segments: u32, rungs: &[u32], stills: Stills) -> ChunkSpec {
    ChunkSpec { first_segment, segments, rungs: rungs.to_vec(), stills }
}

#[test]
fn outputs_are_the_rungs_then_the_stills() {
    with_plan(Scan::Progressive, |plan| {
        let chunks = plan_chunks(plan.track, plan.timeline, 2);
        let job = ChunkJob::new(plan, &chunks[0], FeedStart::Sync).expect("a chunk of the plan");
        assert_eq!(
            job.outputs,
            [
                Output::Rung { slot: 0, rung: 0 },
                Output::Rung { slot: 1, rung: 1 },
                Output::Stills { kind: StillKind::Poster, frames: vec![36] },
                Output::Stills { kind: StillKind::Storyboard, frames: vec![60, 180, 300] },
            ]
        );
        let pipes = [20, 21, 22, 23];
        let arguments = job.args(&pipes);
        assert!(pipes.iter().all(|pipe| arguments.contains(&format!("pipe:{pipe}"))));
    });
}

#[test]
fn any_rungs_of_any_segments_make_a_job() {
    with_plan(Scan::Progressive, |plan| {
        let job = ChunkJob::new(plan, &chunk(2, 1, &[1], Stills::Skip), FeedStart::Sync)
            .expect("a chunk of the plan");
        assert_eq!(job.outputs, [Output::Rung { slot: 0, rung: 1 }]);
        let frames = plan.timeline.segment_frames(2);
        assert_eq!((job.expected.first_frame, job.expected.first_segment), (frames.start, 2));
        assert_eq!(job.expected.segments, std::slice::from_ref(&frames));
        // The edit hides ten frames.
        let first = i64::from(frames.start + 10) * 512;
        // Composition offsets go down to one picture below 0.
        assert_eq!(job.expected.times[0], first + 512);
        let trim = format!("trim=start_pts={}", first + 512);
        assert!(job.args(&[3]).iter().any(|argument| argument.contains(&trim)));
    });
}

#[test]
fn a_deinterlacer_needs_doubled_times_and_more_samples() {
    let trim = |job: &ChunkJob| {
        let arguments = job.args(&[3]);
        let graph =
            arguments.iter().find(|argument| argument.starts_with("[0:v:0]")).cloned().expect("a graph");
        graph.split(',').find(|filter| filter.contains("trim")).map(str::to_owned).expect("a trim")
    };
    let spec = chunk(2, 1, &[0], Stills::Skip);
    with_plan(Scan::Progressive, |plan| {
        let job = ChunkJob::new(plan, &spec, FeedStart::Sync).expect("a chunk of the plan");
        insta::assert_snapshot!(trim(&job), @r#"
        [0:v:0]trim=start_pts=31232:end_pts=61441
        "#);
    });
    with_plan(Scan::Interlaced, |plan| {
        let job = ChunkJob::new(plan, &spec, FeedStart::Sync).expect("a chunk of the plan");
        insta::assert_snapshot!(trim(&job), @r#"
        trim=start_pts=62464:end_pts=122881
        "#);
    });
}

#[test]
fn what_the_plan_does_not_have_is_refused() {
    with_plan(Scan::Progressive, |plan| {
        let job = |spec: &ChunkSpec| ChunkJob::new(plan, spec, FeedStart::Sync).map(|_| ());
        let last = plan.timeline.segments();
        assert_eq!(job(&chunk(last, 1, &[0], Stills::Skip)), Err(JobError::Segments(last..last + 1)));
        assert_eq!(job(&chunk(0, 0, &[0], Stills::Skip)), Err(JobError::Segments(0..0)));
        assert_eq!(job(&chunk(1, u32::MAX, &[0], Stills::Skip)), Err(JobError::Segments(1..u32::MAX)));
        assert_eq!(job(&chunk(0, 1, &[2], Stills::Skip)), Err(JobError::Rungs(vec![2])));
        assert_eq!(job(&chunk(0, 1, &[], Stills::Skip)), Err(JobError::Rungs(vec![])));
    });
}
