//! What is published of a chunk whose source is damaged.
//!
//! A lost frame makes the one before it last longer, and it does so in every rung: one decoder serves them all. When
//! the rungs differ, the encoder failed, not the source.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{CheckedSegment, EncodedSegment};

/// What came out of the attempts at a chunk.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// Rung and segment of what is complete, and delivered already.
    complete: BTreeSet<(usize, u32)>,
    damaged: BTreeMap<(usize, u32), CheckedSegment>,
}

/// Why what is left cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsalvageable {
    /// The rungs lost different frames of this segment.
    Uneven { segment: u32 },
    /// Nothing of this segment could be decoded: it would be a hole, and players stop at holes.
    Empty { segment: u32 },
}

impl Remains {
    /// Notes a segment. Answers it when it is complete and has not come before: it is ready to be delivered.
    pub(crate) fn take(&mut self, checked: CheckedSegment) -> Option<EncodedSegment> {
        let key = (checked.segment.rung, checked.segment.segment);
        if self.complete.contains(&key) {
            return None;
        }
        if checked.missing.is_empty() {
            self.complete.insert(key);
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

    /// What is still to be delivered for `segments` of `rungs`.
    pub(crate) fn salvage(
        mut self,
        segments: impl IntoIterator<Item = u32>,
        rungs: &[usize],
    ) -> Result<Vec<EncodedSegment>, Unsalvageable> {
        let mut rest = Vec::new();
        for segment in segments {
            let states: Vec<State<'_>> = rungs.iter().map(|&rung| self.state(rung, segment)).collect();
            if states.windows(2).any(|pair| pair.first() != pair.last()) {
                return Err(Unsalvageable::Uneven { segment });
            }
            if states.contains(&State::Empty) {
                return Err(Unsalvageable::Empty { segment });
            }
            let damaged = rungs.iter().filter_map(|&rung| self.damaged.remove(&(rung, segment)));
            rest.extend(damaged.map(|checked| checked.segment));
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
    use bytes::Bytes;

    use super::*;

    fn checked(rung: usize, segment: u32, missing: &[u32]) -> CheckedSegment {
        let segment = EncodedSegment {
            rung,
            segment,
            samples: vec![],
            data: Bytes::new(),
            sample_entry: Bytes::from_static(b"avc1"),
        };
        CheckedSegment { segment, missing: missing.to_vec() }
    }

    /// Rung and segment of what is left to deliver of segments 0 and 1 in rungs 0 and 1.
    fn salvage(parts: &[(usize, u32, &[u32])]) -> Result<Vec<(usize, u32)>, Unsalvageable> {
        let mut remains = Remains::default();
        for &(rung, segment, missing) in parts {
            remains.take(checked(rung, segment, missing));
        }
        let rest = remains.salvage([0, 1], &[0, 1])?;
        Ok(rest.iter().map(|segment| (segment.rung, segment.segment)).collect())
    }

    #[test]
    fn complete_segments_come_once() {
        let mut remains = Remains::default();
        assert!(remains.take(checked(0, 1, &[5])).is_none());
        remains.forget_damaged();
        assert!(remains.take(checked(0, 1, &[])).is_some());
        assert!(remains.take(checked(0, 1, &[])).is_none());
        assert!(remains.take(checked(0, 1, &[5])).is_none());
        assert!(remains.damaged.is_empty());
    }

    #[test]
    fn damaged_segments_keep_what_they_have() {
        let rest = salvage(&[(0, 0, &[]), (1, 0, &[]), (0, 1, &[9]), (1, 1, &[9])]);
        assert_eq!(rest, Ok(vec![(0, 1), (1, 1)]));
    }

    #[test]
    fn rungs_that_differ_are_refused() {
        for other in [&[][..], &[8], &[9, 10]] {
            let rest = salvage(&[(0, 0, &[9]), (1, 0, other), (0, 1, &[]), (1, 1, &[])]);
            assert_eq!(rest, Err(Unsalvageable::Uneven { segment: 0 }), "{other:?}");
        }
        assert_eq!(salvage(&[(0, 0, &[])]), Err(Unsalvageable::Uneven { segment: 0 }));
    }

    #[test]
    fn holes_are_refused() {
        assert_eq!(salvage(&[(0, 0, &[]), (1, 0, &[])]), Err(Unsalvageable::Empty { segment: 1 }));
    }
}
