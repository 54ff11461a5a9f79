//! Sound: CMAF init segment and segments of AAC frames (ISO/IEC 23000-19 §10).

use std::ops::Range;

use isobmff::{
    EditList, FourCc, FragmentSample, FragmentSpec, InitSpec, InitTrack, Matrix, write_fragment_header,
    write_init,
};

use crate::aac::{AAC_FRAME_SAMPLES, AudioSpecificConfig};
use crate::layout::Flavour;
use crate::protection::{SampleInformation, TrackProtection};
use crate::segment::{Segment, SegmentError};
use crate::track::{TRACK_ID, entry_of, file_type};

/// What all segments of a sound track have in common.
///
/// Frame k starts at exactly k · 1024 samples. There is no edit list: whole priming frames are left out before frames
/// are counted, which is the one form that every player puts at the right time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTrack {
    /// Rate (it is the timescale too) and channels.
    pub config: AudioSpecificConfig,
    /// ISO 639-2/T, e.g. `und`.
    pub language: [u8; 3],
    /// How the frames are encrypted, where they are.
    pub protection: Option<TrackProtection>,
}

impl AudioTrack {
    /// `ftyp` and `moov`. Depends on no sample, so it can exist before the media.
    pub fn init(&self, flavour: Flavour) -> Vec<u8> {
        let entry = entry_of(&self.config.sample_entry(), FourCc::ENCA, self.protection.as_ref());
        write_init(&InitSpec {
            file_type: file_type(flavour, b"mp42"),
            tracks: vec![InitTrack {
                id: TRACK_ID,
                handler: FourCc::SOUN,
                timescale: self.config.sample_rate(),
                language: self.language,
                matrix: Matrix::UNITY,
                width: 0,
                height: 0,
                entries: vec![&entry],
                edit: EditList::None,
            }],
            extra: self.protection.as_ref().map_or(&[], |protection| &protection.pssh),
        })
    }

    /// Segment `number` (from 1): frames of these sizes, the first of which is the track's frame `first_frame` (from 0).
    /// `information` is what encrypting them gave.
    pub fn segment(
        &self,
        number: u32,
        first_frame: u64,
        sizes: &[u32],
        information: &SampleInformation,
    ) -> Result<Segment, SegmentError> {
        let first = sizes.first().ok_or(SegmentError::Empty { segment: number })?;
        let frame =
            |&size| FragmentSample { duration: AAC_FRAME_SAMPLES, size, sync: true, composition_offset: 0 };
        let samples: Vec<FragmentSample> = sizes.iter().map(frame).collect();
        let too_long = SegmentError::TooLong { segment: number, sample: 0 };
        let header = write_fragment_header(&FragmentSpec {
            sequence_number: number,
            track_id: TRACK_ID,
            entry: 1,
            base_decode_time: first_frame.checked_mul(AAC_FRAME_SAMPLES.into()).ok_or(too_long)?,
            samples: &samples,
            encryption: information.for_header(),
        });
        let media_bytes = sizes.iter().map(|&size| u64::from(size)).sum();
        Ok(Segment { header, media_bytes, first_sample_bytes: (*first).into() })
    }
}

/// Which of `frames` AAC frames go into which segment: each cut is at the frame nearest to a video boundary.
///
/// `boundaries` are the starts of the video segments and, last, the video's end, in ticks of `timescale`. The ranges are
/// contiguous, never empty, and end with the last frame, so there may be fewer of them than video segments.
pub fn audio_segment_bounds(
    boundaries: &[u64],
    timescale: u32,
    sample_rate: u32,
    frames: u64,
) -> Vec<Range<u64>> {
    let inner = boundaries.iter().skip(1).take(boundaries.len().saturating_sub(2));
    let cuts = inner.map(|&boundary| nearest_frame(boundary, timescale, sample_rate).min(frames));
    let mut ranges = Vec::with_capacity(boundaries.len());
    let mut start = 0;
    for cut in cuts.chain(std::iter::once(frames)) {
        if cut > start {
            ranges.push(start..cut);
            start = cut;
        }
    }
    ranges
}

/// The frame whose start is nearest to a time; the later one of two.
fn nearest_frame(ticks: u64, timescale: u32, sample_rate: u32) -> u64 {
    let samples = u128::from(ticks) * u128::from(sample_rate);
    let frame = u128::from(timescale.max(1)) * u128::from(AAC_FRAME_SAMPLES);
    u64::try_from((samples * 2 + frame) / (frame * 2)).unwrap_or(u64::MAX)
}
