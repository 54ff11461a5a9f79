//! Poster and storyboard: which frames become still pictures, and in which size.

use std::ops::Range;

use crate::{picture::Size, timeline::Timeline};

#[cfg(test)]
mod tests;

/// What a still picture is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StillKind {
    /// One picture that stands for the video.
    Poster,
    /// Small pictures at regular times.
    Storyboard,
}

/// The still pictures of a video: a pure function of timeline and display size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artwork {
    /// Index of the poster's frame.
    pub poster: u32,
    /// Size of the poster.
    pub poster_size: Size,
    /// In order of time; the spans cover the timeline.
    pub storyboard: Vec<Still>,
    /// Size of each storyboard picture.
    pub storyboard_size: Size,
}

/// One picture of a storyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Still {
    /// Index of the frame.
    pub frame: u32,
    /// What it stands for, in ticks of the timeline.
    pub span: Range<u64>,
}

/// Seconds from one storyboard picture to the next, unless that makes too many.
const STORYBOARD_INTERVAL: u64 = 4;
const MOST_STORYBOARD_PICTURES: u64 = 200;
/// Pixels.
const LONGEST_STORYBOARD_SIDE: u32 = 160;
const LONGEST_POSTER_SIDE: u32 = 1280;

impl Artwork {
    /// Chooses frames and sizes; no picture is larger than the display.
    pub fn plan(timeline: &Timeline, display: Size) -> Self {
        let interval = (STORYBOARD_INTERVAL * u64::from(timeline.timescale))
            .max(timeline.end.div_ceil(MOST_STORYBOARD_PICTURES));
        let starts = (0..timeline.end.div_ceil(interval)).map(|index| index * interval);
        let mut storyboard: Vec<Still> = Vec::new();
        for start in starts {
            let span = start..(start + interval).min(timeline.end);
            let frame = frame_at(timeline, start.midpoint(span.end));
            match storyboard.last_mut() {
                // One frame that lasts over several intervals.
                Some(last) if last.frame == frame => last.span.end = span.end,
                _ => storyboard.push(Still { frame, span }),
            }
        }
        Self {
            // Past the titles, and before much is given away.
            poster: frame_at(timeline, timeline.end / 10),
            poster_size: bounded(display, LONGEST_POSTER_SIDE),
            storyboard,
            storyboard_size: bounded(display, LONGEST_STORYBOARD_SIDE),
        }
    }

    /// The frames of `frames` that become pictures of this kind, increasing.
    pub fn within(&self, kind: StillKind, frames: &Range<u32>) -> Vec<u32> {
        match kind {
            StillKind::Poster => {
                Some(self.poster).into_iter().filter(|frame| frames.contains(frame)).collect()
            }
            StillKind::Storyboard => self
                .storyboard
                .iter()
                .map(|still| still.frame)
                .filter(|frame| frames.contains(frame))
                .collect(),
        }
    }

    /// Size of the pictures of this kind.
    pub fn size(&self, kind: StillKind) -> Size {
        match kind {
            StillKind::Poster => self.poster_size,
            StillKind::Storyboard => self.storyboard_size,
        }
    }
}

/// The frame that is shown at `time`.
fn frame_at(timeline: &Timeline, time: u64) -> u32 {
    let shown = timeline.frames.partition_point(|frame| frame.time <= time);
    u32::try_from(shown.saturating_sub(1)).unwrap_or_default()
}

/// The size scaled down so that its longer side is at most `longest`, even.
fn bounded(size: Size, longest: u32) -> Size {
    let longer = size.width.max(size.height).max(1);
    let scaled = |side: u32| {
        let side = if longer > longest {
            u64::from(side) * u64::from(longest) / u64::from(longer)
        } else {
            side.into()
        };
        u32::try_from(side / 2 * 2).unwrap_or(longest).max(2)
    };
    Size { width: scaled(size.width), height: scaled(size.height) }
}
