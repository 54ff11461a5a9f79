//! What the beginning of a segment tells of its samples, media unseen.

use std::ops::Range;

use crate::boxes::{BoxHeader, BoxLen};
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::fragment::{TrackFragment, parse_fragment};
use crate::limits::{Limits, SampleBudget};
use crate::size::{to_u64, to_usize};
use crate::writer::FragmentSample;

/// The samples of a segment that holds one fragment of one track, and where their bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentIndex {
    /// Decode time of the first sample, in the track's timescale.
    pub base_decode_time: u64,
    /// 1-based index into the init segment's sample entries.
    pub entry: u32,
    /// In decode order.
    pub samples: Vec<FragmentSample>,
    /// The samples' bytes, back to back, in the segment.
    pub media: Range<u64>,
}

/// What [`FragmentIndex::parse`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indexed {
    /// So many of the segment's first bytes are needed, which is more than there were and no more than it has.
    Need(u64),
    /// All samples.
    Done(FragmentIndex),
}

impl FragmentIndex {
    /// Reads the first bytes of a segment of `segment_len` bytes, whose samples say everything of themselves: the init
    /// segment is not looked at.
    ///
    /// # Errors
    /// [`Error::NotOneFragment`] for what holds more or less; what is wrong with a `moof`; what is beyond the limits.
    pub fn parse(head: &[u8], segment_len: u64, limits: Limits) -> Result<Indexed, Error> {
        let mut position: u64 = 0;
        loop {
            let bytes = head.get(to_usize(position)..).unwrap_or_default();
            let Some(header) = BoxHeader::parse(bytes) else {
                return need(position.saturating_add(to_u64(BoxHeader::MAX_LEN)), head, segment_len);
            };
            let kind = header.kind;
            let BoxLen::Bytes(len) = header.len else { return Err(Error::NotOneFragment) };
            let end = position.checked_add(len).filter(|end| *end <= segment_len && *end > position);
            let end = end.ok_or(Error::BoxTooLong { kind, room: segment_len.saturating_sub(position) })?;
            match kind {
                FourCc::STYP | FourCc::SIDX | FourCc::FREE | FourCc::SKIP => position = end,
                FourCc::MOOF if len > limits.max_header_bytes => {
                    return Err(Error::HeaderTooLong { kind, len, limit: limits.max_header_bytes });
                }
                FourCc::MOOF => {
                    let Some(moof) = bytes.get(..to_usize(len)) else { return need(end, head, segment_len) };
                    let body = moof.get(header.header_len..).unwrap_or_default();
                    let mut fragments = parse_fragment(body, position, &[])?;
                    let Some(fragment) = fragments.pop().filter(|_| fragments.is_empty()) else {
                        return Err(Error::NotOneFragment);
                    };
                    return Self::of(&fragment, end..segment_len, limits).map(Indexed::Done);
                }
                _ => return Err(Error::NotOneFragment),
            }
        }
    }

    fn of(fragment: &TrackFragment<'_>, room: Range<u64>, limits: Limits) -> Result<Self, Error> {
        let start = fragment.decode_time.and_then(|time| u64::try_from(time).ok());
        let first = fragment.runs.first().ok_or(Error::NotOneFragment)?;
        let (mut samples, mut end) = (Vec::new(), first.offset);
        let mut budget = SampleBudget::new(limits.max_samples);
        for run in &fragment.runs {
            if run.offset != end {
                return Err(Error::NotOneFragment);
            }
            end = run.end()?;
            budget.spend(run.count)?;
            samples.extend(run.samples().map(|sample| FragmentSample {
                duration: sample.duration,
                size: sample.size,
                sync: sample.sync,
                composition_offset: sample.composition_offset,
            }));
        }
        if first.offset < room.start || end > room.end {
            return Err(Error::MediaOutsideFragment { track_id: fragment.track_id });
        }
        Ok(Self {
            base_decode_time: start.ok_or(Error::NotOneFragment)?,
            entry: fragment.entry,
            samples,
            media: first.offset..end,
        })
    }

    /// How long all samples are together, in the track's timescale.
    pub fn duration(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.duration)).sum()
    }
}

/// That many bytes, unless they are there or the segment has no more.
fn need(wanted: u64, head: &[u8], segment_len: u64) -> Result<Indexed, Error> {
    let wanted = wanted.min(segment_len);
    if wanted > to_u64(head.len()) { Ok(Indexed::Need(wanted)) } else { Err(Error::NotOneFragment) }
}
