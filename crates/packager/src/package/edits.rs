//! The one kind of edit list that a timeline from 0 can express: a delay, then one piece of the media.

use isobmff::{Movie, Track};

use super::error::PackageError;

/// Where a track's media is on the presentation's timeline, in the track's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Presentation time in the media of time 0.
    pub(crate) origin: i64,
    /// The piece that is shown, as presentation times in the media; without an edit list everything.
    pub(crate) start: i64,
    /// Where it ends, excluded.
    pub(crate) end: i64,
}

impl Placement {
    /// From the track's `elst` (14496-12 §8.6.6).
    pub(crate) fn of(movie: &Movie, track: &Track, input: &str) -> Result<Self, PackageError> {
        let complex = || PackageError::Edits { input: input.to_owned() };
        let in_track = |ticks: u64| {
            let scale = u128::from(movie.timescale.max(1));
            let nearest = (u128::from(ticks) * u128::from(track.timescale) * 2 + scale) / (scale * 2);
            i64::try_from(nearest).map_err(|_| complex())
        };
        let (delays, pieces): (Vec<_>, Vec<_>) = {
            let first = track.edits.iter().position(|edit| edit.media_time.is_some());
            let (delays, pieces) = track.edits.split_at(first.unwrap_or(track.edits.len()));
            (delays.to_vec(), pieces.to_vec())
        };
        let mut delay = 0_i64;
        for edit in &delays {
            delay = delay.checked_add(in_track(edit.duration)?).ok_or_else(complex)?;
        }
        let (start, end) = match pieces.as_slice() {
            [] if delays.is_empty() => (i64::MIN, i64::MAX),
            [piece] if piece.rate == 0x1_0000 => {
                let start = piece.media_time.ok_or_else(complex)?;
                // A movie's clock is coarser than the track's: its end may be up to one of its ticks early.
                let lasts = piece.duration.checked_add(1).ok_or_else(complex)?;
                let end = if piece.duration == 0 { None } else { start.checked_add(in_track(lasts)?) };
                (start, end.unwrap_or(i64::MAX))
            }
            _ => return Err(complex()),
        };
        let origin = if start == i64::MIN { 0 } else { start };
        Ok(Self { origin: origin.checked_sub(delay).ok_or_else(complex)?, start, end })
    }

    /// Whether a sample with this presentation time in the media is shown.
    pub(crate) fn shows(&self, time: i64) -> bool {
        (self.start..self.end).contains(&time)
    }
}
