//! Video: CMAF init segment and segments (ISO/IEC 23000-19 §7).

use std::collections::VecDeque;
use std::ops::Range;

use isobmff::{
    EditList, FourCc, FragmentSample, FragmentSpec, InitSpec, InitTrack, Matrix, write_fragment_header,
    write_init,
};

use crate::layout::Flavour;
use crate::protection::{SampleInformation, TrackProtection};
use crate::segment::{Segment, SegmentError};
use crate::track::{TRACK_ID, entry_of, file_type};

/// What all segments of a rung have in common. Times are ticks of [`Self::timescale`] on the timeline, from 0.
///
/// Decode times are the presentation times in order, so that they run from a segment's start to its end without a gap;
/// composition offsets are made positive by [`Self::reorder_delay`], and the init segment's edit list takes it back.
/// Browsers, ffmpeg and everything built on it then agree on every presentation time.
#[derive(Debug, Clone)]
pub struct VideoTrack {
    /// Ticks per second.
    pub timescale: u32,
    /// Of the picture, in square pixels.
    pub width: u16,
    /// Of the picture, in square pixels.
    pub height: u16,
    /// The whole sample entry, kept verbatim.
    pub sample_entry: Vec<u8>,
    /// What is added to every composition offset; see [`reorder_delay`].
    pub reorder_delay: u64,
    /// How the samples are encrypted, where they are.
    pub protection: Option<TrackProtection>,
}

/// One encoded frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoSample {
    /// On the timeline.
    pub presentation_time: u64,
    /// Bytes.
    pub size: u32,
    /// Whether it is an IDR.
    pub sync: bool,
}

impl VideoTrack {
    /// `ftyp` and `moov`. Depends on no sample, so it can exist before the media.
    pub fn init(&self, flavour: Flavour) -> Vec<u8> {
        let edit = match self.reorder_delay {
            0 => EditList::None,
            media_time => EditList::Skip { media_time },
        };
        let entry = entry_of(&self.sample_entry, FourCc::ENCV, self.protection.as_ref());
        write_init(&InitSpec {
            file_type: file_type(flavour, b"avc1"),
            tracks: vec![InitTrack {
                id: TRACK_ID,
                handler: FourCc::VIDE,
                timescale: self.timescale,
                language: *b"und",
                matrix: Matrix::UNITY,
                width: u32::from(self.width) << 16,
                height: u32::from(self.height) << 16,
                entries: vec![&entry],
                edit,
            }],
            extra: self.protection.as_ref().map_or(&[], |protection| &protection.pssh),
        })
    }

    /// Segment `number` (from 1), which covers `span`, of `samples` in decode order.
    ///
    /// The first sample lasts from the span's start even if its own time is later, the last one until the span's end:
    /// lost frames never move a boundary. `information` is what encrypting the samples gave.
    pub fn segment(
        &self,
        number: u32,
        span: Range<u64>,
        samples: &[VideoSample],
        information: &SampleInformation,
    ) -> Result<Segment, SegmentError> {
        let first = samples.first().ok_or(SegmentError::Empty { segment: number })?;
        if !first.sync {
            return Err(SegmentError::NoSync { segment: number });
        }
        let shown = presentation_times(number, &span, samples)?;
        let decoded = self.decode_times(number, &shown)?;
        let ends = decoded.iter().skip(1).chain(std::iter::once(&span.end));
        let times = shown.iter().zip(decoded.iter().zip(ends));
        let mut fragment = Vec::with_capacity(samples.len());
        for (index, (sample, (&shown, (&decoded, &end)))) in samples.iter().zip(times).enumerate() {
            let too_long = SegmentError::TooLong { segment: number, sample: index };
            let offset = shown.saturating_add(self.reorder_delay).saturating_sub(decoded);
            let (Ok(composition_offset), Ok(duration)) =
                (i32::try_from(offset), u32::try_from(end.saturating_sub(decoded)))
            else {
                return Err(too_long);
            };
            fragment.push(FragmentSample {
                duration,
                size: sample.size,
                sync: sample.sync,
                composition_offset,
            });
        }
        let header = write_fragment_header(&FragmentSpec {
            sequence_number: number,
            track_id: TRACK_ID,
            entry: 1,
            base_decode_time: span.start,
            samples: &fragment,
            encryption: information.for_header(),
        });
        let media_bytes = samples.iter().map(|sample| u64::from(sample.size)).sum();
        Ok(Segment { header, media_bytes, first_sample_bytes: first.size.into() })
    }

    /// For each sample the latest decode time that is not after its turn in presentation order, not after what its
    /// presentation time and the delay allow, and before the next one. That is the presentation times in order, unless
    /// lost frames have made a gap longer than the delay was planned for.
    fn decode_times(&self, number: u32, shown: &[u64]) -> Result<Vec<u64>, SegmentError> {
        let mut decoded = shown.to_vec();
        decoded.sort_unstable();
        if let Some(pair) = decoded.windows(2).find(|pair| pair.first() == pair.last()) {
            let time = pair.first().copied().unwrap_or_default();
            return Err(SegmentError::RepeatedTime { segment: number, time });
        }
        let start = decoded.first().copied();
        let in_order = decoded.iter().zip(shown);
        let needed = in_order.map(|(turn, shown)| turn.saturating_sub(*shown)).max().unwrap_or(0);
        if needed <= self.reorder_delay {
            return Ok(decoded);
        }
        let delay = self.reorder_delay;
        let too_short = SegmentError::ReorderDelay { segment: number, needed, delay };
        let mut before_next = Some(u64::MAX);
        for (decoded, shown) in decoded.iter_mut().zip(shown).rev() {
            let limit = before_next.ok_or(too_short.clone())?;
            *decoded = (*decoded).min(shown.saturating_add(delay)).min(limit);
            before_next = decoded.checked_sub(1);
        }
        if decoded.first().copied() != start {
            return Err(too_short);
        }
        Ok(decoded)
    }
}

/// A delay that is long enough for every segment, known before anything is encoded.
///
/// `segments` are the presentation times of each segment's frames, in order. `depth` is the number of frames that may
/// precede another in decode order and follow it in presentation order (H.264 `max_num_reorder_frames`; 2 for x264 with
/// a B pyramid). The sample with turn k in decode order is shown as number r ≥ k − `depth`, and its decode time is the
/// k-th presentation time: it is late by at most the longest run of `depth` gaps within a segment, which is the answer.
pub fn reorder_delay<S>(segments: S, depth: usize) -> u64
where
    S: IntoIterator,
    S::Item: IntoIterator<Item = u64>,
{
    let mut longest = 0;
    let mut window = VecDeque::with_capacity(depth.saturating_add(1).min(64));
    for times in segments {
        window.clear();
        for time in times {
            if window.len() > depth {
                window.pop_front();
            }
            window.push_back(time);
            longest = longest.max(time.saturating_sub(window.front().copied().unwrap_or(time)));
        }
    }
    longest
}

/// Times in decode order, the first one moved to the span's start.
fn presentation_times(
    number: u32,
    span: &Range<u64>,
    samples: &[VideoSample],
) -> Result<Vec<u64>, SegmentError> {
    let mut shown = Vec::with_capacity(samples.len());
    let first = samples.first().map_or(span.start, |sample| sample.presentation_time);
    for (index, sample) in samples.iter().enumerate() {
        let time = sample.presentation_time;
        if !span.contains(&time) {
            return Err(SegmentError::OutsideSpan { segment: number, sample: index, time });
        }
        if time < first {
            return Err(SegmentError::LeadingSample { segment: number, sample: index });
        }
        shown.push(if index == 0 { span.start } else { time });
    }
    Ok(shown)
}
