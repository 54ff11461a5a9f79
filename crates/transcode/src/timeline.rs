//! The timeline: which frame is shown when, and where segments start. Computed once from the sample tables.

use std::ops::Range;

use isobmff::{Movie, SampleTable, Track};
use serde::{Deserialize, Serialize};

use crate::{
    boundary,
    edit::{ComplexEdits, Shown},
    settings::EncodeSettings,
};

#[cfg(test)]
mod tests;

/// A video's frames and segments in presentation order, in ticks of the source track's timescale, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Ticks per second.
    pub timescale: u32,
    /// In order of presentation, strictly increasing times; never empty; the first is at 0.
    pub frames: Vec<Frame>,
    /// When the last frame ends, later than its time.
    pub end: u64,
    /// Indices into `frames` where segments start, strictly increasing, the first is 0. The last segment ends with
    /// the frames.
    pub boundaries: Vec<u32>,
    /// Presentation time in the source's media (decode time plus composition offset) of time 0 here. Before the
    /// first frame's when the frame starts late and reaches back to 0.
    pub media_origin: i64,
}

/// One frame of a [`Timeline`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When it is first shown. A first frame that starts late reaches back to 0.
    pub time: u64,
    /// Index in decode order into the source's sample table.
    pub sample: u32,
}

/// What is stored of a [`Timeline`]; the frames come from the source again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTimeline {
    /// Ticks per second.
    pub timescale: u32,
    /// When the last segment ends.
    pub end: u64,
    /// How many frames there are.
    pub frames: u32,
    /// When each segment starts.
    pub boundaries: Vec<u64>,
}

/// A point in time as ticks of some timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// Ticks.
    pub ticks: u64,
    /// Ticks per second.
    pub timescale: u32,
}

/// Why a track has no timeline.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum TimelineError {
    /// No sample is shown.
    #[error("the video track shows no frame")]
    Empty,
    /// Several pieces, speeds or pauses: the file has to be encoded anew first, copying does not apply the list.
    #[error("the edit list has `{0}` media edits that are not one uninterrupted piece at normal speed")]
    ComplexEdits(usize),
    /// The track's clock is finer than an encoder can follow: normalise the file first.
    #[error("the timescale `{0}` is finer than an encoder can follow")]
    Timescale(u32),
    /// Longer than the settings allow.
    #[error("the video lasts `{seconds}` seconds, the limit is `{limit}`")]
    TooLong {
        /// How long it lasts.
        seconds: u64,
        /// How long it may last.
        limit: u32,
    },
    /// The source gives another timeline than the stored one: it is not the file that was planned.
    #[error("the source does not give the stored timeline")]
    Changed,
}

/// Sound that ends later than the pictures by less than this many 1/48000 s, one AAC frame, is cut instead of
/// lengthening the last picture.
const SHORTEST_TAIL: u64 = 1024;

impl Timeline {
    /// The timeline of a video track; `audio_end` is where the sound ends (see [`crate::audio::natural_end`]): the
    /// last frame lasts at least until then.
    pub fn build(
        movie: &Movie,
        track: &Track,
        audio_end: Option<Instant>,
        settings: &EncodeSettings,
    ) -> Result<Self, TimelineError> {
        // libx264 and the MP4 muxer keep time bases in signed 32 bits.
        if i32::try_from(track.timescale).is_err() || track.timescale == 0 {
            return Err(TimelineError::Timescale(track.timescale));
        }
        let shown =
            Shown::of(movie, track).map_err(|ComplexEdits(count)| TimelineError::ComplexEdits(count))?;
        let mut frames = shown_frames(&track.samples, &shown)?;
        let end = pictures_end(movie, track, &shown, &frames).max(audio_end.map_or(0, |audio| {
            let tail = Instant { ticks: SHORTEST_TAIL, timescale: 48_000 }.ticks_ceil(track.timescale);
            let audio = audio.ticks_ceil(track.timescale);
            if audio.saturating_sub(pictures_end(movie, track, &shown, &frames)) < tail { 0 } else { audio }
        }));
        let limit = u64::from(settings.max_seconds).saturating_mul(track.timescale.into());
        if end > limit {
            let seconds = end / u64::from(track.timescale);
            return Err(TimelineError::TooLong { seconds, limit: settings.max_seconds });
        }
        if let Some(first) = frames.first_mut() {
            first.time = 0;
        }
        let boundaries = boundary::place(track, &frames, end);
        Ok(Self { timescale: track.timescale, frames, end, boundaries, media_origin: shown.origin })
    }

    /// How many segments there are.
    pub fn segments(&self) -> u32 {
        u32::try_from(self.boundaries.len()).expect("boundaries are distinct frame indices of 32 bits")
    }

    /// The frames of segment `segment`, from 0; empty beyond the last.
    pub fn segment_frames(&self, segment: u32) -> Range<u32> {
        let boundary = |segment: u32| {
            let index = usize::try_from(segment).ok();
            index.and_then(|index| self.boundaries.get(index)).copied().unwrap_or(self.frame_count())
        };
        boundary(segment)..boundary(segment.saturating_add(1))
    }

    /// When segment `segment` starts and ends, in ticks.
    pub fn segment_span(&self, segment: u32) -> Range<u64> {
        let frames = self.segment_frames(segment);
        self.time(frames.start)..self.time(frames.end)
    }

    /// When frame `frame` starts; [`Timeline::end`] beyond the last.
    pub fn time(&self, frame: u32) -> u64 {
        self.frame(frame).map_or(self.end, |frame| frame.time)
    }

    /// Frame `index`.
    pub fn frame(&self, index: u32) -> Option<Frame> {
        self.frames.get(usize::try_from(index).ok()?).copied()
    }

    /// How many frames there are.
    pub fn frame_count(&self) -> u32 {
        u32::try_from(self.frames.len()).expect("each frame is another sample, counted in 32 bits")
    }

    /// The most frames per second over any two seconds: what a level has to be sufficient for.
    pub fn peak_frame_rate(&self) -> u32 {
        let timescale = u64::from(self.timescale);
        let window = (2 * timescale).min(self.end.max(1));
        let mut most = 1_u64;
        let mut ahead = self.frames.iter().zip(1_u64..).peekable();
        let mut counted = 0;
        for (frame, before) in self.frames.iter().zip(0_u64..) {
            while let Some((_, count)) = ahead.next_if(|(next, _)| next.time < frame.time + window) {
                counted = count;
            }
            most = most.max(counted.saturating_sub(before));
        }
        u32::try_from(most * timescale / window).unwrap_or(u32::MAX).max(1)
    }

    /// What to store of it.
    pub fn stored(&self) -> StoredTimeline {
        StoredTimeline {
            timescale: self.timescale,
            end: self.end,
            frames: self.frame_count(),
            boundaries: self.boundaries.iter().map(|&frame| self.time(frame)).collect(),
        }
    }
}

impl StoredTimeline {
    /// Checks that the timeline computed again is the one that was stored: boundaries never move.
    pub fn check(&self, again: &Timeline) -> Result<(), TimelineError> {
        if again.stored() == *self { Ok(()) } else { Err(TimelineError::Changed) }
    }
}

impl Instant {
    /// In ticks of another timescale, rounded up.
    pub fn ticks_ceil(self, timescale: u32) -> u64 {
        let from = u128::from(self.timescale.max(1));
        let scaled = (u128::from(self.ticks) * u128::from(timescale)).div_ceil(from);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

/// When each sample is shown by its media, in decode order, made unique: of samples that claim the same time, the
/// later in decode order is shown a tick later.
pub(crate) fn distinct_times(samples: &SampleTable) -> Vec<i64> {
    let mut times: Vec<i64> = samples.presentation_times().collect();
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&index| times.get(index).copied());
    let mut earliest = i64::MIN;
    for index in order {
        if let Some(time) = times.get_mut(index) {
            *time = (*time).max(earliest);
            earliest = time.saturating_add(1);
        }
    }
    times
}

/// The frames in order of presentation, on the timeline.
fn shown_frames(samples: &SampleTable, shown: &Shown) -> Result<Vec<Frame>, TimelineError> {
    let mut all: Vec<(i64, u32)> = distinct_times(samples).into_iter().zip(0..).collect();
    all.sort_unstable();
    let on_timeline = |&(time, sample): &(i64, u32)| Frame {
        time: u64::try_from(time.saturating_sub(shown.origin)).unwrap_or_default(),
        sample,
    };
    let frames: Vec<Frame> =
        all.iter().filter(|(time, _)| shown.media.contains(time)).map(on_timeline).collect();
    if !frames.is_empty() {
        return Ok(frames);
    }
    // An edit between two frames shows the frame that lasts over it.
    let lasting = all.iter().rev().find(|(time, _)| *time < shown.media.start);
    lasting.map(|frame| vec![on_timeline(frame)]).ok_or(TimelineError::Empty)
}

/// When the last picture ends by the video track alone.
fn pictures_end(movie: &Movie, track: &Track, shown: &Shown, frames: &[Frame]) -> u64 {
    let time_back = |back: usize| frames.iter().rev().nth(back).map(|frame| frame.time);
    let last = time_back(0).unwrap_or_default();
    let sample = frames.last().and_then(|frame| track.samples.get(frame.sample));
    let duration = match (sample.map_or(0, |sample| sample.duration), time_back(1)) {
        (0, Some(before)) => last - before,
        (0, None) => u64::from(track.timescale / 25),
        (duration, _) => u64::from(duration),
    };
    let natural = last.saturating_add(duration.max(1));
    let edit_end = u64::try_from(shown.media.end.saturating_sub(shown.origin)).unwrap_or_default();
    // The edit list counts in the coarser ticks of the movie.
    let tolerance = u64::from(track.timescale.div_ceil(movie.timescale.max(1)));
    if shown.media.end == i64::MAX || natural <= edit_end.saturating_add(tolerance) {
        natural
    } else {
        edit_end.max(last.saturating_add(1))
    }
}
