//! Edit lists: which part of a track's media is shown, and when. Shared by pictures and sound, which have to agree.

use std::ops::Range;

use isobmff::{Edit, Movie, Track};

/// The part of a track's media that is shown, in the track's timescale, by media (composition) time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Media times that are shown. Without an end in the edit list it ends at `i64::MAX`.
    pub(crate) media: Range<i64>,
    /// The media time at timeline 0; before `media.start` when the track starts later.
    pub(crate) origin: i64,
}

/// The edit list has this many media edits and is more than a delay and one uninterrupted piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ComplexEdits(pub(crate) usize);

/// Normal speed in [`Edit::rate`].
const NORMAL_RATE: i32 = 0x1_0000;

/// A recording cut out of a running stream keeps the stream's clock: when every track starts later than this, in
/// seconds, the time before is not part of the video.
const LONGEST_LEAD_IN: i64 = 10;

impl Shown {
    /// Reads the track's edit list: leading empty edits, then one media edit or several that follow each other.
    pub(crate) fn of(movie: &Movie, track: &Track) -> Result<Self, ComplexEdits> {
        let lead_in = lead_in(movie, track.timescale);
        let piece = Piece::of(movie, track)?;
        let start = match piece.start {
            Some(start) => start,
            // Without an edit list nothing is hidden, not even times below 0.
            None => track.samples.presentation_times().min().unwrap_or_default().min(0),
        };
        let ticks = |movie_ticks| rescale(movie_ticks, movie.timescale, track.timescale);
        // Fragmented files state the length of what their `moov` holds, which is nothing.
        let end = match piece.length {
            Some(length) if !movie.fragmented => start.saturating_add(ticks(length)),
            _ => i64::MAX,
        };
        let origin = start.saturating_sub(ticks(piece.delay)).saturating_add(lead_in);
        Ok(Self { media: start..end, origin })
    }
}

/// An edit list reduced to a delay and one piece of media.
struct Piece {
    /// Movie timescale.
    delay: u64,
    /// Track timescale; `None` without a media edit.
    start: Option<i64>,
    /// Movie timescale; `None` is to the end.
    length: Option<u64>,
}

impl Piece {
    fn of(movie: &Movie, track: &Track) -> Result<Self, ComplexEdits> {
        let complex = || ComplexEdits(track.edits.iter().filter(|edit| edit.media_time.is_some()).count());
        let mut piece = Self { delay: 0, start: None, length: None };
        let mut interrupted = false;
        for &Edit { duration, media_time, rate } in &track.edits {
            match (media_time, piece.start) {
                (None, None) => piece.delay = piece.delay.saturating_add(duration),
                (None, Some(_)) => interrupted = true,
                (Some(_), _) if rate != NORMAL_RATE || interrupted => return Err(complex()),
                (Some(time), _) if time < 0 => return Err(complex()),
                (Some(time), None) => {
                    piece.start = Some(time);
                    piece.length = (duration > 0).then_some(duration);
                }
                (Some(time), Some(start)) => {
                    let length = piece.length.ok_or_else(complex)?;
                    let expected = start.saturating_add(rescale(length, movie.timescale, track.timescale));
                    let tolerance = i64::from(track.timescale / movie.timescale.max(1)) + 1;
                    if (time.saturating_sub(expected)).abs() > tolerance {
                        return Err(complex());
                    }
                    piece.length = Some(length.saturating_add(duration));
                }
            }
        }
        Ok(piece)
    }
}

/// Ticks of `from` as ticks of `to`, to the nearest, saturating.
pub(crate) fn rescale(ticks: u64, from: u32, to: u32) -> i64 {
    let from = u128::from(from.max(1));
    let scaled = (u128::from(ticks) * u128::from(to) + from / 2) / from;
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

/// What every track of a fragmented recording skips, in ticks of `timescale`.
fn lead_in(movie: &Movie, timescale: u32) -> i64 {
    if !movie.fragmented {
        return 0;
    }
    let playable = movie.tracks.iter().filter(|track| track.is_video() || track.is_audio());
    let starts = playable.filter_map(|track| {
        let first = track.samples.get(0)?;
        Some(i128::from(first.decode_time) * i128::from(timescale) / i128::from(track.timescale.max(1)))
    });
    let start = starts.min().and_then(|start| i64::try_from(start).ok()).unwrap_or_default();
    if start > LONGEST_LEAD_IN.saturating_mul(timescale.into()) { start } else { 0 }
}
