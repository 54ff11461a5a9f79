//! What is published of a chunk whose source is damaged.
//!
//! A lost frame makes the one before it last longer. A segment that lost all of its frames would leave a hole, and
//! players stop at holes: it gets a copy of an IDR of the same rung, which can be decoded alone and uses the same
//! parameter sets, so that a neighbouring picture stands still for its length.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::check::{CheckedSegment, EncodedSample, EncodedSegment};

/// An IDR of a rung, with what it needs to be decoded.
#[derive(Debug, Clone)]
pub(crate) struct StillPicture {
    /// The sample.
    data: Bytes,
    sample_entry: Bytes,
}

impl StillPicture {
    /// The first sample of a segment.
    pub(crate) fn of(segment: &EncodedSegment) -> Option<Self> {
        let first = segment.samples.first().filter(|sample| sample.sync)?;
        let data = segment.data.get(..usize::try_from(first.size).ok()?)?;
        // A copy: a slice would keep the whole segment in memory.
        Some(Self { data: Bytes::copy_from_slice(data), sample_entry: segment.sample_entry.clone() })
    }

    /// A segment that shows this picture from `frame`, its first, to its end.
    fn segment(&self, rung: usize, segment: u32, frame: u32) -> Option<EncodedSegment> {
        let size = u32::try_from(self.data.len()).ok()?;
        Some(EncodedSegment {
            rung,
            segment,
            samples: vec![EncodedSample { frame, size, sync: true }],
            data: self.data.clone(),
            sample_entry: self.sample_entry.clone(),
        })
    }
}

/// Why what is left cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsalvageable {
    /// The rungs lost different frames of this segment: the encoder failed, not the source.
    Uneven { segment: u32 },
    /// Nothing of the whole chunk could be decoded.
    Nothing,
}

/// What is there of a chunk: (rung, segment) → frames missing, for each segment that is not empty.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// Complete, and delivered already.
    complete: Vec<(usize, u32)>,
    damaged: BTreeMap<(usize, u32), CheckedSegment>,
    pictures: BTreeMap<usize, StillPicture>,
}

impl Remains {
    /// Notes a segment. Answers it when it is complete and has not come before: it is ready to be delivered.
    pub(crate) fn take(&mut self, checked: CheckedSegment) -> Option<EncodedSegment> {
        let key = (checked.segment.rung, checked.segment.segment);
        if self.complete.contains(&key) {
            return None;
        }
        if let Some(picture) = StillPicture::of(&checked.segment) {
            // Of several, the last is nearest to a hole behind it.
            self.pictures.insert(key.0, picture);
        }
        if checked.missing.is_empty() {
            self.damaged.remove(&key);
            self.complete.push(key);
            Some(checked.segment)
        } else {
            self.damaged.insert(key, checked);
            None
        }
    }

    /// Forgets what an attempt left damaged: the next one makes all of it again.
    pub(crate) fn forget_damaged(&mut self) {
        self.damaged.clear();
    }

    /// What is still to be delivered for `segments` (number and first frame) of `rungs`.
    pub(crate) fn salvage(
        self,
        segments: &[(u32, u32)],
        rungs: &[usize],
    ) -> Result<Vec<EncodedSegment>, Unsalvageable> {
        if self.pictures.is_empty() {
            return Err(Unsalvageable::Nothing);
        }
        let mut rest = Vec::new();
        for &(segment, first_frame) in segments {
            let states: Vec<State<'_>> = rungs.iter().map(|&rung| self.state(rung, segment)).collect();
            if states.windows(2).any(|pair| pair.first() != pair.last()) {
                return Err(Unsalvageable::Uneven { segment });
            }
            for &rung in rungs {
                match self.state(rung, segment) {
                    State::Complete => {}
                    State::Damaged(_) => {
                        rest.extend(
                            self.damaged.get(&(rung, segment)).map(|checked| checked.segment.clone()),
                        );
                    }
                    State::Empty => {
                        let still = self
                            .pictures
                            .get(&rung)
                            .and_then(|picture| picture.segment(rung, segment, first_frame));
                        rest.push(still.ok_or(Unsalvageable::Uneven { segment })?);
                    }
                }
            }
        }
        Ok(rest)
    }

    fn state(&self, rung: usize, segment: u32) -> State<'_> {
        if self.complete.contains(&(rung, segment)) {
            return State::Complete;
        }
        match self.damaged.get(&(rung, segment)) {
            Some(checked) => State::Damaged(&checked.missing),
            None => State::Empty,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State<'a> {
    Complete,
    Damaged(&'a [u32]),
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(rung: usize, segment: u32, frames: &[u32], missing: &[u32]) -> CheckedSegment {
        let data: Vec<u8> = frames.iter().flat_map(|frame| [u8::try_from(*frame).unwrap(); 2]).collect();
        let samples = frames
            .iter()
            .enumerate()
            .map(|(index, &frame)| EncodedSample { frame, size: 2, sync: index == 0 })
            .collect();
        CheckedSegment {
            segment: EncodedSegment {
                rung,
                segment,
                samples,
                data: data.into(),
                sample_entry: Bytes::from_static(b"avc1"),
            },
            missing: missing.to_vec(),
        }
    }

    const SEGMENTS: [(u32, u32); 3] = [(0, 0), (1, 3), (2, 6)];

    /// rung, segment, frames, bytes
    type Left = (usize, u32, Vec<u32>, Bytes);

    /// What is left to deliver.
    fn salvage(parts: Vec<CheckedSegment>) -> Result<Vec<Left>, Unsalvageable> {
        let mut remains = Remains::default();
        for part in parts {
            remains.take(part);
        }
        let frames = |segment: &EncodedSegment| segment.samples.iter().map(|sample| sample.frame).collect();
        let rest = remains.salvage(&SEGMENTS, &[0, 1])?;
        Ok(rest.into_iter().map(|s| (s.rung, s.segment, frames(&s), s.data)).collect())
    }

    #[test]
    fn complete_segments_come_once() {
        let mut remains = Remains::default();
        assert!(remains.take(checked(0, 1, &[3, 4], &[5])).is_none());
        assert!(remains.take(checked(0, 1, &[3, 4, 5], &[])).is_some());
        assert!(remains.take(checked(0, 1, &[3, 4, 5], &[])).is_none());
        assert!(remains.take(checked(0, 1, &[3, 4], &[5])).is_none());
        assert!(remains.damaged.is_empty());
    }

    #[test]
    fn damaged_segments_keep_what_they_have_and_empty_ones_stand_still() {
        let parts = [0, 1]
            .into_iter()
            .flat_map(|rung| [checked(rung, 0, &[0, 1, 2], &[]), checked(rung, 1, &[4, 5], &[3])]);
        let rest = salvage(parts.collect()).expect("even");
        let still = |rung| (rung, 2, vec![6], Bytes::from_static(&[4, 4]));
        let damaged = |rung| (rung, 1, vec![4, 5], Bytes::from_static(&[4, 4, 5, 5]));
        assert_eq!(rest, [damaged(0), damaged(1), still(0), still(1)]);
    }

    #[test]
    fn rungs_that_differ_are_refused() {
        let parts = vec![checked(0, 0, &[0, 1, 2], &[]), checked(1, 0, &[0, 1], &[2])];
        assert_eq!(salvage(parts), Err(Unsalvageable::Uneven { segment: 0 }));
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(salvage(vec![]), Err(Unsalvageable::Nothing));
    }
}
