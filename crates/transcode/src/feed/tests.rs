use isobmff::{FragmentStream, SampleEntry, StreamEvent, StreamTrack};
use proptest::prelude::*;

use super::*;
use crate::{
    settings::EncodeSettings,
    synthetic::{Clip, any_clip, edit, movie, sound},
};

/// A sample as ffmpeg's demuxer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    decode_time: i64,
    shown: i64,
    sync: bool,
    /// Of the source's table, modulo 251.
    marker: u8,
}

/// A file whose sample i consists of bytes i modulo 251.
fn file(movie: &Movie) -> Vec<u8> {
    let mut file = vec![0xff; usize::try_from(movie.media_end()).unwrap()];
    for (sample, index) in movie.tracks[0].samples.iter().zip(0_u32..) {
        let start = usize::try_from(sample.offset).unwrap();
        file[start..start + usize::try_from(sample.size).unwrap()].fill(u8::try_from(index % 251).unwrap());
    }
    file
}

/// Streams a feed and takes it apart again.
fn stream(movie: &Movie, feed: &Feed) -> (Vec<StreamTrack>, Vec<Seen>) {
    let file = file(movie);
    let mut stream = FragmentStream::new(1 << 30);
    stream.push(&feed.init);
    for fragment in &feed.fragments {
        stream.push(&fragment.header);
        for range in &fragment.ranges {
            let start = usize::try_from(range.offset).unwrap();
            stream.push(&file[start..start + usize::try_from(range.len).unwrap()]);
        }
    }
    let (mut tracks, mut seen) = (Vec::new(), Vec::new());
    while let Some(event) = stream.poll().expect("what we write can be read") {
        match event {
            StreamEvent::Init(init) => tracks = init,
            StreamEvent::Fragment(fragment) => {
                let mut at = 0;
                for sample in fragment.samples {
                    let bytes = &fragment.data[at..at + usize::try_from(sample.size).unwrap()];
                    at += bytes.len();
                    assert!(bytes.iter().all(|byte| *byte == bytes[0]), "bytes of several samples");
                    assert!(sample.composition_offset >= 0);
                    seen.push(Seen {
                        decode_time: sample.decode_time,
                        shown: sample.decode_time + i64::from(sample.composition_offset),
                        sync: sample.sync,
                        marker: bytes[0],
                    });
                }
            }
        }
    }
    assert!(stream.is_drained());
    (tracks, seen)
}

fn timeline(movie: &Movie) -> Timeline {
    Timeline::build(movie, &movie.tracks[0], None, &EncodeSettings::default()).expect("a sound clip")
}

fn feed(movie: &Movie, frames: Range<u32>, start: FeedStart) -> ChunkFeed {
    feed_with(movie, frames, start, 0, &Substitutes::new())
}

fn feed_with(
    movie: &Movie,
    frames: Range<u32>,
    start: FeedStart,
    context: u32,
    substitutes: &Substitutes,
) -> ChunkFeed {
    let timeline = timeline(movie);
    ChunkSource { movie, track: &movie.tracks[0], timeline: &timeline, context, start, substitutes }
        .feed(frames)
}

/// Which samples are fed.
fn markers(movie: &Movie, feed: &ChunkFeed) -> Vec<u8> {
    stream(movie, &feed.feed).1.iter().map(|seen| seen.marker).collect()
}

fn range(range: Range<u8>) -> Vec<u8> {
    range.collect()
}

#[test]
fn decoding_starts_at_the_sync_sample_before() {
    let movie = movie(Clip::regular(120, 30, 30).track());
    assert_eq!(markers(&movie, &feed(&movie, 30..40, FeedStart::Sync)), range(30..40));
    assert_eq!(markers(&movie, &feed(&movie, 59..70, FeedStart::Sync)), range(30..70));
}

#[test]
fn pictures_before_an_open_sync_sample_need_the_one_before() {
    let clip = Clip { open: true, ..Clip::regular(120, 30, 30).with_reordered(3) };
    let movie = movie(clip.track());
    let (_, seen) = stream(&movie, &feed(&movie, 28..40, FeedStart::Sync).feed);
    assert!(seen[0].sync && seen[0].marker == 0, "frames 28 and 29 are decoded behind the sync sample 30");
    let (_, seen) = stream(&movie, &feed(&movie, 30..40, FeedStart::Sync).feed);
    assert!(seen[0].sync && seen[0].marker > 0);
}

#[test]
fn attempts_go_further_back() {
    let movie = movie(Clip::regular(150, 30, 30).track());
    let first = |start| markers(&movie, &feed(&movie, 100..110, start))[0];
    assert_eq!(FeedStart::ATTEMPTS.map(first), [90, 60, 30, 0]);
    assert_eq!(markers(&movie, &feed(&movie, 10..20, FeedStart::Back(2)))[0], 0);
}

#[test]
fn tables_without_sync_samples_go_back_by_usual_distances() {
    let mut clip = Clip::regular(900, 30, 1).track();
    clip.samples = clip.samples.iter().map(|sample| Sample { sync: true, ..sample }).collect();
    let movie = movie(clip);
    let count = |start| feed(&movie, 800..810, start).feed.fragments.len();
    assert_eq!(FeedStart::ATTEMPTS.map(count), [1, 9, 16, 26]);
}

#[test]
fn the_deinterlacer_sees_its_neighbours() {
    let movie = movie(Clip::regular(120, 30, 1).track());
    let feed = feed_with(&movie, 50..60, FeedStart::Sync, 2, &Substitutes::new());
    assert_eq!(markers(&movie, &feed), range(48..62));
    assert_eq!((feed.times.len(), feed.times[0]), (10, 50 * 512));
    assert_eq!(
        markers(&movie, &feed_with(&movie, 0..120, FeedStart::Sync, 2, &Substitutes::new())),
        range(0..120)
    );
}

#[test]
fn only_samples_of_one_entry_are_fed() {
    let mut clip = Clip::regular(120, 30, 10).track();
    let entry = |index: u32| u16::from((60..90).contains(&index));
    clip.samples = clip
        .samples
        .iter()
        .zip(0..)
        .map(|(sample, index)| Sample { entry: entry(index), ..sample })
        .collect();
    clip.entries.push(SampleEntry {
        format: isobmff::FourCc(*b"hvc1"),
        raw: b"\0\0\0\x10hvc1\0\0\0\0\0\0\0\x01".to_vec(),
    });
    let movie = movie(clip);
    let second = feed(&movie, 65..90, FeedStart::Sync);
    assert_eq!(markers(&movie, &second), range(60..90));
    assert_eq!(stream(&movie, &second.feed).0[0].entries, movie.tracks[0].entries[1..]);
    assert_eq!(markers(&movie, &feed(&movie, 65..90, FeedStart::EntryStart))[0], 60);
    let third = markers(&movie, &feed(&movie, 90..100, FeedStart::EntryStart));
    assert_eq!(third, [range(0..60), range(90..100)].concat());
}

#[test]
fn stand_ins_replace_bytes_and_nothing_else() {
    let movie = movie(Clip::regular(150, 30, 30).track());
    let timeline = timeline(&movie);
    let lost = [1];
    let substitutes = substitutes(&movie.tracks[0], &timeline, &lost);
    assert_eq!(timeline.boundaries, [0, 30, 60, 120]);
    assert_eq!(substitutes, Substitutes::from([(30, 0)]));
    let plain = stream(&movie, &feed(&movie, 30..60, FeedStart::Sync).feed).1;
    let fed = stream(&movie, &feed_with(&movie, 30..60, FeedStart::Sync, 0, &substitutes).feed).1;
    assert_eq!((fed[0].marker, fed[0].sync), (0, true));
    assert_eq!(
        fed.iter().map(|seen| seen.shown).collect::<Vec<_>>(),
        plain.iter().map(|seen| seen.shown).collect::<Vec<_>>()
    );
    let lost = [0, 1];
    assert_eq!(
        super::substitutes(&movie.tracks[0], &timeline, &lost),
        Substitutes::from([(0, 60), (30, 60)])
    );
    let lost = [0, 1, 2, 3];
    assert_eq!(super::substitutes(&movie.tracks[0], &timeline, &lost), Substitutes::new());
}

#[test]
fn negative_offsets_and_times_are_shifted_away() {
    let mut clip = Clip::regular(60, 30, 30).with_reordered(2).track();
    clip.samples = clip
        .samples
        .iter()
        .map(|sample| Sample { decode_time: sample.decode_time - 3000, ..sample })
        .collect();
    let movie = movie(clip);
    let (_, seen) = stream(&movie, &feed(&movie, 0..60, FeedStart::Sync).feed);
    assert_eq!(seen[0].decode_time, 0);
    assert!(seen.iter().all(|seen| seen.shown >= seen.decode_time));
}

#[test]
fn a_first_frame_that_reaches_back_keeps_its_time_in_the_stream() {
    let mut clip = Clip::regular(90, 30, 30).track();
    clip.edits = vec![edit(1000, None), edit(0, Some(10_240))];
    let movie = movie(clip);
    assert_eq!(feed(&movie, 0..3, FeedStart::Sync).times, [10_240, 10_752, 11_264]);
}

#[test]
fn the_head_is_short() {
    let mut clip = Clip::regular(900, 30, 1).track();
    let movie = movie(clip.clone());
    assert_eq!(stream(&movie, &head(&movie, &movie.tracks[0])).1.len(), 48);
    clip.samples = clip.samples.iter().map(|sample| Sample { size: 9 << 20, ..sample }).collect();
    let movie = self::movie(clip);
    let bytes = |fragment: &FeedFragment| fragment.ranges.iter().map(|range| range.len).sum::<u64>();
    assert_eq!(head(&movie, &movie.tracks[0]).fragments.iter().map(bytes).sum::<u64>(), 9 << 20);
}

#[test]
fn sound_is_fed_whole() {
    let movie = movie(sound(48_000, 1000, 1024, 3));
    let (tracks, seen) = stream(&movie, &whole(&movie, &movie.tracks[0]));
    assert_eq!((tracks[0].timescale, seen.len()), (48_000, 1000));
    assert!(seen.iter().zip(0..).all(|(seen, index)| seen.shown == index * 1024));
}

proptest! {
    #[test]
    fn a_feed_holds_what_its_frames_need(clip in any_clip(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let movie = movie(clip.track());
        let track = &movie.tracks[0];
        let timeline = timeline(&movie);
        let (from, to) = (from.index(clip.times.len()), to.index(clip.times.len()));
        let frames = u32::try_from(from.min(to)).unwrap()..u32::try_from(from.max(to)).unwrap() + 1;
        let feed = feed(&movie, frames.clone(), FeedStart::Sync);
        let (_, seen) = stream(&movie, &feed.feed);
        // Every wanted frame is there once, and nothing else between the first and the last.
        let window = feed.times[0]..=feed.times[feed.times.len() - 1];
        let mut shown: Vec<i64> = seen.iter().map(|seen| seen.shown).filter(|time| window.contains(time)).collect();
        shown.sort_unstable();
        prop_assert_eq!(&shown, &feed.times);
        let lasting = |times: &[i64]| times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
        let wanted: Vec<i64> = frames.clone().map(|frame| i64::try_from(timeline.time(frame)).unwrap()).collect();
        prop_assert_eq!(lasting(&shown), lasting(&wanted));
        // Samples are consecutive, from a sync sample that is early enough for each wanted frame.
        prop_assert!(seen[0].sync);
        prop_assert!(seen.windows(2).all(|pair| (u16::from(pair[0].marker) + 1) % 251 == u16::from(pair[1].marker)));
        let needed = frames.map(|frame| needed_sync(track, timeline.frame(frame).unwrap().sample)).min().unwrap();
        prop_assert_eq!(u32::from(seen[0].marker), needed % 251);
    }
}
