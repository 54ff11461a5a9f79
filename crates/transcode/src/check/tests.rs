use super::*;

/// Frames 10 to 18, 100 ticks each from 5000 on, in segments 3 (10 to 13), 4 (14, 15) and 5 (16 to 18).
fn check() -> ChunkCheck {
    let expected = Expected {
        timescale: 1000,
        first_frame: 10,
        times: (0..9).map(|frame| 5000 + 100 * frame).collect(),
        first_segment: 3,
        segments: vec![10..14, 14..16, 16..19],
    };
    let mut check = ChunkCheck::new(expected, &[2, 0]);
    for slot in 0..2 {
        assert_eq!(check.push(slot, init()), Ok(vec![]));
    }
    check
}

fn entry() -> SampleEntry {
    let mut raw = vec![0; 86];
    raw.extend(b"\0\0\0\x0favcC\x01\x64\x00\x1f\xff\xe0\x00");
    raw[..8].copy_from_slice(b"\0\0\0\x65avc1");
    SampleEntry { format: FourCc(*b"avc1"), raw }
}

fn track() -> StreamTrack {
    StreamTrack { id: 1, handler: FourCc(*b"vide"), timescale: 1000, entries: vec![entry()] }
}

fn init() -> StreamEvent {
    StreamEvent::Init(vec![track()])
}

/// A fragment of these frames in decode order: an SEI and one slice each, the first is an IDR.
fn fragment(frames: &[i64]) -> StreamFragment {
    let mut data = Vec::new();
    let samples = frames.iter().enumerate().map(|(index, frame)| {
        let slice = if index == 0 { 0x65 } else { 0x41 };
        data.extend([0, 0, 0, 2, 6, 5, 0, 0, 0, 3, slice, 0, 0]);
        let decode_time = 4000 + i64::try_from(index).unwrap() * 100;
        StreamSample {
            decode_time,
            composition_offset: i32::try_from(5000 + 100 * (frame - 10) - decode_time).unwrap(),
            duration: 100,
            size: 13,
            sync: index == 0,
        }
    });
    StreamFragment { track_id: 1, samples: samples.collect(), data: data.into() }
}

/// What pushing fragments of these frames answers at each one: (segment, its frames, missing frames).
type Done = Vec<(u32, Vec<u32>, Vec<u32>)>;

fn push(check: &mut ChunkCheck, slot: usize, frames: &[i64]) -> Result<Done, CheckError> {
    check.push(slot, StreamEvent::Fragment(fragment(frames))).map(|segments| summary(&segments))
}

fn summary(segments: &[CheckedSegment]) -> Done {
    let frames = |segment: &EncodedSegment| segment.samples.iter().map(|sample| sample.frame).collect();
    segments
        .iter()
        .map(|checked| (checked.segment.segment, frames(&checked.segment), checked.missing.clone()))
        .collect()
}

#[test]
fn complete_segments_come_out_at_once() {
    let mut check = check();
    for slot in 0..2 {
        assert_eq!(push(&mut check, slot, &[10, 13, 11, 12]), Ok(vec![(3, vec![10, 13, 11, 12], vec![])]));
        assert_eq!(push(&mut check, slot, &[14, 15]), Ok(vec![(4, vec![14, 15], vec![])]));
        assert_eq!(push(&mut check, slot, &[16, 17, 18]), Ok(vec![(5, vec![16, 17, 18], vec![])]));
    }
    assert_eq!(check.finish(), (vec![], Missing::default()));
}

#[test]
fn a_segment_is_what_the_encoder_wrote() {
    let mut check = check();
    let done = check.push(0, StreamEvent::Fragment(fragment(&[14, 15]))).expect("two frames in place");
    let segment = &done[0].segment;
    assert_eq!(
        (segment.rung, segment.data.len(), segment.sample_entry.as_ref()),
        (2, 26, entry().raw.as_slice())
    );
    let samples: Vec<(u32, bool)> = segment.samples.iter().map(|sample| (sample.size, sample.sync)).collect();
    assert_eq!(samples, [(13, true), (13, false)]);
}

#[test]
fn damaged_segments_come_out_when_the_next_begins_and_at_the_end() {
    let mut check = check();
    assert_eq!(push(&mut check, 0, &[11, 12]), Ok(vec![]));
    assert_eq!(
        push(&mut check, 0, &[16, 17, 18]),
        Ok(vec![(3, vec![11, 12], vec![10, 13]), (5, vec![16, 17, 18], vec![])])
    );
    assert_eq!(push(&mut check, 1, &[10, 11, 12, 13]).map(|done| done.len()), Ok(1));
    assert_eq!(push(&mut check, 1, &[14]), Ok(vec![]));
    let (held, missing) = check.finish();
    assert_eq!(summary(&held), [(4, vec![14], vec![15])]);
    assert_eq!(missing.frames, [10, 13, 14, 15, 16, 17, 18]);
    assert_eq!(missing.segments, [4, 5]);
}

#[test]
fn an_extra_idr_is_borne_only_behind_lost_frames() {
    let mut check = check();
    // Segment 3 is lost: its forced IDR falls on frame 14, that of segment 4 on frame 15.
    assert_eq!(push(&mut check, 0, &[14]), Ok(vec![]));
    assert_eq!(push(&mut check, 0, &[15]), Ok(vec![(4, vec![14, 15], vec![])]));
    assert_eq!(push(&mut check, 1, &[10, 11]), Ok(vec![]));
    assert_eq!(push(&mut check, 1, &[12, 13]), Err(CheckError::ExtraIdr(12)));
}

#[test]
fn faults_are_named() {
    let fault = |frames: &[i64]| push(&mut check(), 0, frames).map(|_| ());
    assert_eq!(fault(&[19]), Err(CheckError::UnknownFrame(5900)));
    assert_eq!(fault(&[9]), Err(CheckError::UnknownFrame(4900)));
    assert_eq!(fault(&[10, 11, 11]), Err(CheckError::Twice(11)));
    assert_eq!(fault(&[10, 11, 12, 13, 14]), Err(CheckError::Straddles(14, 3)));
    assert_eq!(fault(&[11, 10]), Err(CheckError::NotIdr(3)));
    let changed = |change: fn(&mut StreamFragment)| {
        let mut fragment = fragment(&[14, 15]);
        change(&mut fragment);
        check().push(0, StreamEvent::Fragment(fragment)).map(|_| ())
    };
    assert_eq!(changed(|fragment| fragment.samples[0].sync = false), Err(CheckError::NotIdr(4)));
    assert_eq!(changed(|fragment| fragment.samples[1].sync = true), Err(CheckError::ExtraIdr(15)));
    assert_eq!(changed(|fragment| fragment.samples[1].size = 12), Err(CheckError::Sizes));
    assert_eq!(
        changed(|fragment| fragment.samples[0].composition_offset += 1),
        Err(CheckError::UnknownFrame(5401))
    );
    assert_eq!(changed(|fragment| fragment.data = fragment.data.slice(..20)), Err(CheckError::Sizes));
    // A recovery point is no IDR, whatever the sync flag says.
    let not_idr = |fragment: &mut StreamFragment| {
        let mut data = fragment.data.to_vec();
        data[10] = 0x41;
        fragment.data = data.into();
    };
    assert_eq!(changed(not_idr), Err(CheckError::NotIdr(4)));
}

#[test]
fn an_output_starts_with_one_init_of_one_avc_track() {
    let fresh = |event| {
        let expected = Expected {
            timescale: 1000,
            first_frame: 0,
            times: vec![0],
            first_segment: 0,
            segments: std::iter::once(0..1).collect(),
        };
        ChunkCheck::new(expected, &[0]).push(0, event).map(|_| ())
    };
    assert_eq!(fresh(StreamEvent::Fragment(fragment(&[10]))), Err(CheckError::Order));
    assert_eq!(fresh(StreamEvent::Init(vec![])), Err(CheckError::Tracks(0)));
    let other = StreamTrack { timescale: 90_000, ..track() };
    assert_eq!(
        fresh(StreamEvent::Init(vec![other])),
        Err(CheckError::Timescale { found: 90_000, planned: 1000 })
    );
    let two = StreamTrack { entries: vec![entry(), entry()], ..track() };
    assert_eq!(fresh(StreamEvent::Init(vec![two])), Err(CheckError::SampleEntries(2)));
    let hevc = SampleEntry { format: FourCc(*b"hvc1"), ..entry() };
    let hevc = StreamTrack { entries: vec![hevc], ..track() };
    assert_eq!(fresh(StreamEvent::Init(vec![hevc])), Err(CheckError::SampleEntries(1)));
    assert_eq!(check().push(0, init()).map(|_| ()), Err(CheckError::Order));
    assert_eq!(check().push(7, init()).map(|_| ()), Err(CheckError::Order));
}
