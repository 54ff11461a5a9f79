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
    /// The frame of each storyboard tile; one that lasts over several tiles stands for each of them.
    pub storyboard: Vec<u32>,
    /// Seconds that one tile stands for; the last one may be cut short.
    pub tile_seconds: u32,
    /// Size of each tile.
    pub storyboard_size: Size,
}

/// Seconds from one storyboard tile to the next, unless that makes too many.
const STORYBOARD_INTERVAL: u64 = 4;
const MOST_STORYBOARD_TILES: u64 = 200;
/// Pixels.
const LONGEST_STORYBOARD_SIDE: u32 = 160;
const LONGEST_POSTER_SIDE: u32 = 1280;

impl Artwork {
    /// Chooses frames and sizes; no picture is larger than the display.
    pub fn plan(timeline: &Timeline, display: Size) -> Self {
        let second = u64::from(timeline.timescale.max(1));
        let seconds = STORYBOARD_INTERVAL.max(timeline.end.div_ceil(second).div_ceil(MOST_STORYBOARD_TILES));
        let tile = seconds.saturating_mul(second);
        let middle = |index: u64| {
            let start = index.saturating_mul(tile);
            start.midpoint(start.saturating_add(tile).min(timeline.end))
        };
        let storyboard = (0..timeline.end.div_ceil(tile)).map(|index| frame_at(timeline, middle(index)));
        Self {
            // Past the titles, and before much is given away.
            poster: frame_at(timeline, timeline.end / 10),
            poster_size: bounded(display, LONGEST_POSTER_SIDE),
            storyboard: storyboard.collect(),
            tile_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
            storyboard_size: bounded(display, LONGEST_STORYBOARD_SIDE),
        }
    }

    /// The frames of `frames` that become pictures of this kind, increasing.
    pub fn within(&self, kind: StillKind, frames: &Range<u32>) -> Vec<u32> {
        match kind {
            StillKind::Poster => {
                Some(self.poster).into_iter().filter(|frame| frames.contains(frame)).collect()
            }
            StillKind::Storyboard => {
                let mut inside: Vec<u32> =
                    self.storyboard.iter().copied().filter(|frame| frames.contains(frame)).collect();
                inside.dedup();
                inside
            }
        }
    }

    /// The tiles that frame `frame` stands for, from 0.
    pub fn tiles_of(&self, frame: u32) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.storyboard).filter(move |(_, tile)| **tile == frame).map(|(index, _)| index)
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
