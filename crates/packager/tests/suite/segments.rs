//! Segments: read back as a player would, next to what the timeline says.

use bytes::Bytes;
use isobmff::{Edit, FragmentStream, Limits, StreamEvent, StreamFragment, index_slice};
use mp4_atom::{Any, ReadFrom};
use packager::{
    AudioSpecificConfig, AudioTrack, Flavour, SampleInformation, Segment, SegmentError, VideoSample,
    VideoTrack, audio_segment_bounds, reorder_delay,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::sample_entries::{PPS, SPS, SQUARE, avc1};

/// Frames before others in decode order and after them in presentation order: what a B pyramid needs.
const DEPTH: usize = 2;

/// Presentation times of each segment's frames, and each segment's end.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    starts: Vec<u64>,
    end: u64,
    pub(crate) times: Vec<Vec<u64>>,
}

impl Plan {
    pub(crate) fn span(&self, index: usize) -> std::ops::Range<u64> {
        self.starts[index]..self.starts.get(index + 1).copied().unwrap_or(self.end)
    }

    /// Segments of so many frames at 29.97 Hz.
    pub(crate) fn regular(segments: u64, frames: u64) -> Self {
        let start = |segment: u64| segment * frames * 3003;
        Self {
            starts: (0..segments).map(start).collect(),
            end: start(segments),
            times: (0..segments)
                .map(|segment| (0..frames).map(|frame| start(segment) + frame * 3003).collect())
                .collect(),
        }
    }

    pub(crate) fn track(&self) -> VideoTrack {
        VideoTrack {
            timescale: 90_000,
            width: 1280,
            height: 720,
            sample_entry: avc1(1280, 720, SPS, PPS, SQUARE),
            reorder_delay: reorder_delay(self.times.iter().map(|times| times.iter().copied()), DEPTH),
            protection: None,
        }
    }
}

/// One to six segments of one to thirty frames with gaps of any length.
pub(crate) fn any_plan() -> impl Strategy<Value = Plan> {
    let gap = prop_oneof![Just(3003_u64), 1..20_000_u64];
    vec(vec(gap, 1..30), 1..6).prop_map(|segments| {
        let mut plan = Plan { starts: vec![], end: 0, times: vec![] };
        for gaps in segments {
            plan.starts.push(plan.end);
            plan.times.push(vec![]);
            for gap in gaps {
                plan.times.last_mut().unwrap().push(plan.end);
                plan.end += gap;
            }
        }
        plan
    })
}

/// In decode order with mini-GOPs of `length` frames: the last one, the middle one, the rest.
pub(crate) fn encode(times: &[u64], length: usize) -> Vec<VideoSample> {
    let mut order: Vec<u64> = times[..1].to_vec();
    for group in times[1..].chunks(length) {
        let (last, before) = group.split_last().unwrap();
        order.push(*last);
        let middle = before.len() / 2;
        order.extend(before.get(middle));
        order.extend(before.iter().enumerate().filter(|&(index, _)| index != middle).map(|(_, time)| time));
    }
    let sample = |(index, &presentation_time): (usize, &u64)| VideoSample {
        presentation_time,
        size: u32::try_from(presentation_time % 977).unwrap() + 1,
        sync: index == 0,
    };
    order.iter().enumerate().map(sample).collect()
}

/// The bytes of an object, its media made up.
fn object(segment: &Segment) -> Vec<u8> {
    let mut object = segment.header.clone();
    object.resize(usize::try_from(segment.bytes()).unwrap(), 0x55);
    object
}

fn read(init: &[u8], objects: &[Vec<u8>]) -> Vec<StreamFragment> {
    let mut stream = FragmentStream::new(1 << 30);
    stream.push(init);
    assert!(matches!(stream.poll().unwrap(), Some(StreamEvent::Init(tracks)) if tracks.len() == 1));
    let mut fragments = Vec::new();
    for object in objects {
        stream.push(object);
        match stream.poll().unwrap() {
            Some(StreamEvent::Fragment(fragment)) => fragments.push(fragment),
            other => panic!("no fragment but {other:?}"),
        }
    }
    assert!(stream.is_drained());
    fragments
}

/// Packages and reads back: every frame at its time, no gap or overlap, offsets not negative, one edit list for all.
fn check_video(plan: &Plan, track: &VideoTrack, segments: &[Vec<VideoSample>]) {
    let init = track.init(Flavour::Mp4);
    let mut objects = Vec::new();
    for (index, samples) in segments.iter().enumerate() {
        let number = u32::try_from(index + 1).unwrap();
        let segment = track.segment(number, plan.span(index), samples, &SampleInformation::Clear).unwrap();
        assert_eq!(segment.iframe_bytes(), segment.header.len() as u64 + u64::from(samples[0].size));
        objects.push(object(&segment));
    }
    let edit =
        Edit { duration: 0, media_time: Some(i64::try_from(track.reorder_delay).unwrap()), rate: 0x1_0000 };
    let whole = [init.clone(), objects.concat()].concat();
    let movie = index_slice(&whole, Limits::default()).unwrap();
    assert_eq!(movie.tracks[0].edits, if track.reorder_delay > 0 { vec![edit] } else { vec![] });
    assert_eq!(movie.tracks[0].entries[0].raw, track.sample_entry);
    for (index, fragment) in read(&init, &objects).iter().enumerate() {
        let span = plan.span(index);
        let mut decode_time = span.start;
        for (found, sample) in fragment.samples.iter().zip(&segments[index]) {
            let first = found.sync && sample.presentation_time == segments[index][0].presentation_time;
            let expected = if first { span.start } else { sample.presentation_time };
            assert_eq!(u64::try_from(found.decode_time).unwrap(), decode_time);
            assert!(found.composition_offset >= 0);
            let shown = found.decode_time + i64::from(found.composition_offset);
            assert_eq!(shown - edit.media_time.unwrap(), i64::try_from(expected).unwrap());
            assert_eq!((found.size, found.sync), (sample.size, sample.sync));
            assert!(found.duration > 0);
            decode_time += u64::from(found.duration);
        }
        assert_eq!(fragment.samples.len(), segments[index].len());
        assert_eq!(decode_time, span.end);
    }
}

proptest! {
    #[test]
    fn video_keeps_every_time(plan in any_plan(), length in 1_usize..=4) {
        let segments: Vec<_> = plan.times.iter().map(|times| encode(times, length)).collect();
        check_video(&plan, &plan.track(), &segments);
    }

    #[test]
    fn lost_frames_move_no_boundary(plan in any_plan(), length in 1_usize..=4, lost in vec(any::<bool>(), 200)) {
        let mut lost = lost.into_iter();
        let segments = plan.times.iter().map(|times| {
            let mut left: Vec<u64> = times.iter().copied().filter(|_| !lost.next().unwrap_or(false)).collect();
            if left.is_empty() {
                left.push(times[times.len() - 1]);
            }
            encode(&left, length)
        });
        check_video(&plan, &plan.track(), &segments.collect::<Vec<_>>());
    }

    #[test]
    fn mp4_atom_reads_the_same(plan in any_plan(), length in 1_usize..=4) {
        let track = plan.track();
        check_init_against_oracle(&track);
        let samples = encode(&plan.times[0], length);
        let segment = track.segment(1, plan.span(0), &samples, &SampleInformation::Clear).unwrap();
        check_segment_against_oracle(&segment, &samples, &read(&track.init(Flavour::Mp4), &[object(&segment)])[0]);
    }

    #[test]
    fn audio_is_cut_nearest_to_the_video(
        gaps in vec(1_u64..2_000_000, 1..30),
        timescale in 600_u32..200_000,
        rate in prop_oneof![Just(48_000_u32), Just(44_100), Just(8_000)],
    ) {
        let mut boundaries = vec![0];
        for gap in gaps {
            boundaries.push(boundaries[boundaries.len() - 1] + gap);
        }
        let end = boundaries[boundaries.len() - 1];
        let frames = end * u64::from(rate) / u64::from(timescale) / 1024;
        check_audio(&boundaries, timescale, rate, frames);
    }
}

fn check_init_against_oracle(track: &VideoTrack) {
    let init = track.init(Flavour::Mp4);
    let mut rest = init.as_slice();
    let Some(Any::Ftyp(ftyp)) = Option::<Any>::read_from(&mut rest).unwrap() else { panic!("no ftyp") };
    assert_eq!(ftyp.major_brand, mp4_atom::FourCC::new(b"cmfc"));
    let Some(Any::Moov(moov)) = Option::<Any>::read_from(&mut rest).unwrap() else { panic!("no moov") };
    assert!(rest.is_empty());
    let [trak] = moov.trak.as_slice() else { panic!("not one track") };
    assert_eq!(trak.mdia.mdhd.timescale, track.timescale);
    assert_eq!(trak.tkhd.width.integer(), track.width);
    assert!(matches!(&trak.mdia.minf.stbl.stsd.codecs[..], [mp4_atom::Codec::Avc1(_)]));
    let elst = trak.edts.as_ref().and_then(|edts| edts.elst.as_ref());
    assert_eq!(elst.map_or(0, |elst| elst.entries[0].media_time.unwrap()), track.reorder_delay);
    assert_eq!(moov.mvex.unwrap().trex[0].track_id, trak.tkhd.track_id);
}

fn check_segment_against_oracle(segment: &Segment, samples: &[VideoSample], ours: &StreamFragment) {
    let object = Bytes::from(object(segment));
    let mut rest = &object[..];
    let Some(Any::Moof(moof)) = Option::<Any>::read_from(&mut rest).unwrap() else { panic!("no moof") };
    let Some(Any::Mdat(mdat)) = Option::<Any>::read_from(&mut rest).unwrap() else { panic!("no mdat") };
    assert_eq!(mdat.data.len() as u64, segment.media_bytes);
    assert!(rest.is_empty());
    let [traf] = moof.traf.as_slice() else { panic!("not one track") };
    assert!(traf.tfhd.default_base_is_moof);
    assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, 0);
    let [trun] = traf.trun.as_slice() else { panic!("not one run") };
    assert_eq!(trun.data_offset, Some(i32::try_from(segment.header.len()).unwrap()));
    assert_eq!(trun.samples.len(), samples.len());
    for (oracle, ours) in trun.samples.iter().zip(&ours.samples) {
        assert_eq!(oracle.duration, Some(ours.duration));
        assert_eq!(oracle.size, Some(ours.size));
        assert_eq!(oracle.cts, Some(ours.composition_offset.into()));
        assert_eq!(oracle.flags, Some(if ours.sync { 0x0200_0000 } else { 0x0101_0000 }));
    }
}

fn check_audio(boundaries: &[u64], timescale: u32, rate: u32, frames: u64) {
    let bounds = audio_segment_bounds(boundaries, timescale, rate, frames);
    let mut covered = 0;
    for range in &bounds {
        assert_eq!(range.start, covered);
        assert!(range.end > range.start);
        covered = range.end;
    }
    assert_eq!(covered, frames);
    for range in bounds.iter().skip(1) {
        let at = range.start as f64 * 1024.0 / f64::from(rate);
        let seconds = |boundary: &u64| *boundary as f64 / f64::from(timescale);
        let off = boundaries.iter().map(|boundary| (seconds(boundary) - at).abs()).fold(f64::MAX, f64::min);
        assert!(off <= 512.0 / f64::from(rate) + 1e-9);
    }
    let track = AudioTrack {
        config: AudioSpecificConfig::new(rate, 2).unwrap(),
        language: *b"deu",
        protection: None,
    };
    let sizes: Vec<u32> = (0..frames).map(|frame| u32::try_from(frame % 300).unwrap() + 1).collect();
    let objects: Vec<Vec<u8>> = (1..)
        .zip(&bounds)
        .map(|(number, range)| {
            let sizes = &sizes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
            object(&track.segment(number, range.start, sizes, &SampleInformation::Clear).unwrap())
        })
        .collect();
    let init = track.init(Flavour::Mov);
    assert_eq!(&init[4..12], b"ftypqt  ");
    let fragments = read(&init, &objects);
    let samples = fragments.iter().flat_map(|fragment| &fragment.samples);
    for (index, sample) in samples.enumerate() {
        assert_eq!(sample.decode_time, i64::try_from(index).unwrap() * 1024);
        assert_eq!((sample.duration, sample.composition_offset, sample.sync), (1024, 0, true));
        assert_eq!(sample.size, sizes[index]);
    }
}

#[test]
fn flavours_differ_in_ftyp_alone() {
    let plan = Plan { starts: vec![0], end: 1500, times: vec![vec![0]] };
    let after_ftyp = |init: Vec<u8>| {
        let length = usize::try_from(u32::from_be_bytes(init[..4].try_into().unwrap())).unwrap();
        init[length..].to_vec()
    };
    let track = plan.track();
    assert_eq!(after_ftyp(track.init(Flavour::Mp4)), after_ftyp(track.init(Flavour::Mov)));
    assert_ne!(track.init(Flavour::Mp4), track.init(Flavour::Mov));
}

#[test]
fn the_delay_is_the_longest_run_of_gaps_within_a_segment() {
    let segments = [vec![0, 10, 15, 40], vec![1000, 1001]];
    let delay = |depth| reorder_delay(segments.iter().map(|times| times.iter().copied()), depth);
    assert_eq!([delay(0), delay(1), delay(2), delay(3), delay(9)], [0, 25, 30, 40, 40]);
}

fn check_refused(span: std::ops::Range<u64>, samples: &[(u64, bool)], expected: SegmentError) {
    let plan = Plan { starts: vec![0], end: 100, times: vec![vec![0, 25, 50, 75]] };
    let samples: Vec<VideoSample> = samples
        .iter()
        .map(|&(presentation_time, sync)| VideoSample { presentation_time, size: 1, sync })
        .collect();
    let track = VideoTrack { reorder_delay: 1, ..plan.track() };
    assert_eq!(track.segment(7, span, &samples, &SampleInformation::Clear), Err(expected));
}

#[test]
fn what_is_no_segment_is_refused() {
    check_refused(0..100, &[], SegmentError::Empty { segment: 7 });
    check_refused(0..100, &[(0, false)], SegmentError::NoSync { segment: 7 });
    check_refused(0..100, &[(25, true), (0, false)], SegmentError::LeadingSample { segment: 7, sample: 1 });
    check_refused(
        0..100,
        &[(0, true), (100, false)],
        SegmentError::OutsideSpan { segment: 7, sample: 1, time: 100 },
    );
    check_refused(50..100, &[(49, true)], SegmentError::OutsideSpan { segment: 7, sample: 0, time: 49 });
    check_refused(
        0..100,
        &[(0, true), (9, false), (9, false)],
        SegmentError::RepeatedTime { segment: 7, time: 9 },
    );
    check_refused(
        0..9_000_000_000,
        &[(0, true), (8_000_000_000, false)],
        SegmentError::TooLong { segment: 7, sample: 0 },
    );
    check_refused(
        0..100,
        &[(0, true), (3, false), (2, false), (1, false)],
        SegmentError::ReorderDelay { segment: 7, needed: 2, delay: 1 },
    );
}
