//! Where segments start: targets of 1, 1, 2, then 4 seconds, on the source's IDRs where these are close enough.

use std::ops::RangeInclusive;

use isobmff::Track;

use crate::timeline::Frame;

/// Seconds of the first segments; all later ones aim at [`TARGET`].
const FIRST_TARGETS: [u64; 3] = [1, 1, 2];
/// Seconds.
const TARGET: u64 = 4;
/// When no two IDRs are further apart than this, in seconds, every segment starts on one.
const LONGEST_GOP: u64 = 5;

/// Indices of the frames where segments start: the first frame, each first frame of another sample entry, and between
/// them a frame near each target. A segment is no longer than 5 s (6 s when it is the last), unless one frame alone
/// lasts longer. What would be left of less than a quarter of a target belongs to the segment before.
pub(crate) fn place(track: &Track, frames: &[Frame], end: u64) -> Vec<u32> {
    let grid = Grid::new(track, frames, end);
    let starts = entry_starts(track, frames);
    let ends = starts.iter().skip(1).map(|&next| grid.time(next)).chain([end]);
    let mut boundaries = Vec::new();
    for (&start, run_end) in starts.iter().zip(ends) {
        let mut next = Some(start);
        while let Some(boundary) = next {
            let seconds = FIRST_TARGETS.get(boundaries.len()).copied().unwrap_or(TARGET);
            boundaries.push(boundary);
            next = grid.after(boundary, run_end, seconds * grid.second);
        }
    }
    boundaries.into_iter().filter_map(|frame| u32::try_from(frame).ok()).collect()
}

/// Where segments may start.
struct Grid<'a> {
    frames: &'a [Frame],
    /// Indices of the frames that are IDRs of the source, increasing.
    idrs: Vec<usize>,
    snap: Snap,
    /// Ticks of a second.
    second: u64,
}

/// How much the source's IDRs decide.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Snap {
    /// They are close everywhere: segments start only there.
    Always,
    /// A segment starts on one that is near its target, else on any frame.
    WhereNear,
}

impl<'a> Grid<'a> {
    fn new(track: &Track, frames: &'a [Frame], end: u64) -> Self {
        let second = u64::from(track.timescale);
        let mut grid = Self { frames, idrs: closed_idrs(track, frames), snap: Snap::WhereNear, second };
        let idr_times = || grid.idrs.iter().map(|&frame| grid.time(frame));
        let mut gaps = [0].into_iter().chain(idr_times()).zip(idr_times().chain([end]));
        if gaps.all(|(from, to)| to - from <= LONGEST_GOP * second) {
            grid.snap = Snap::Always;
        }
        grid
    }

    /// The boundary after `from` in a run that ends at `run_end`; `None` when the rest is one segment.
    fn after(&self, from: usize, run_end: u64, target: u64) -> Option<usize> {
        let start = self.time(from);
        let rest = run_end.saturating_sub(start);
        let longest = target + target / 4;
        if rest <= longest {
            return None;
        }
        let aim = start + if rest < target + target / 2 { rest / 2 } else { target };
        let latest = run_end - target / 4;
        if self.snap == Snap::Always {
            let window = start + 1..=latest.min(start + LONGEST_GOP * self.second);
            return self.nearest_idr(&window, aim);
        }
        let window = start + target / 2..=latest.min(start + longest);
        self.nearest_idr(&window, aim).or_else(|| self.nearest_frame(&window, aim)).or_else(|| {
            // One frame lasts over the whole window: its end is the first chance.
            let next = self.frames.partition_point(|frame| frame.time <= *window.end());
            (next < self.frames.len() && self.time(next) <= latest).then_some(next)
        })
    }

    fn nearest_idr(&self, window: &RangeInclusive<u64>, aim: u64) -> Option<usize> {
        let first = self.idrs.partition_point(|&frame| self.time(frame) < *window.start());
        let last = self.idrs.partition_point(|&frame| self.time(frame) <= *window.end());
        let candidates = self.idrs.get(first..last).unwrap_or_default().iter().copied();
        candidates.min_by_key(|&frame| self.time(frame).abs_diff(aim))
    }

    fn nearest_frame(&self, window: &RangeInclusive<u64>, aim: u64) -> Option<usize> {
        let first = self.frames.partition_point(|frame| frame.time < *window.start());
        let last = self.frames.partition_point(|frame| frame.time <= *window.end());
        (first..last).min_by_key(|&frame| self.time(frame).abs_diff(aim))
    }

    fn time(&self, frame: usize) -> u64 {
        self.frames.get(frame).map_or(u64::MAX, |frame| frame.time)
    }
}

/// Frames whose sample decoding can start at and that no sample is reordered over: all before are decoded before, all
/// after are decoded after.
pub(crate) fn closed_idrs(track: &Track, frames: &[Frame]) -> Vec<usize> {
    let mut decoded_later = u32::MAX;
    let mut closed: Vec<(usize, u32)> = Vec::new();
    for (index, frame) in frames.iter().enumerate().rev() {
        if frame.sample < decoded_later && track.samples.sync().contains(frame.sample) {
            closed.push((index, frame.sample));
        }
        decoded_later = decoded_later.min(frame.sample);
    }
    let mut decoded_before = frames.iter().scan(None, |last: &mut Option<u32>, frame| {
        let before = *last;
        *last = before.max(Some(frame.sample));
        Some(before)
    });
    let mut passed = 0;
    closed
        .into_iter()
        .rev()
        .filter_map(|(index, sample)| {
            let before = decoded_before.nth(index - passed)?;
            passed = index + 1;
            before.is_none_or(|before| before < sample).then_some(index)
        })
        .collect()
}

/// The first frame of each run of frames that use the same sample entry.
fn entry_starts(track: &Track, frames: &[Frame]) -> Vec<usize> {
    let mut starts = vec![0];
    if track.entries.len() > 1 {
        let entries = frames.iter().map(|frame| track.samples.get(frame.sample).map(|sample| sample.entry));
        let changes = entries.clone().zip(entries.skip(1)).zip(1..);
        starts.extend(changes.filter(|((before, after), _)| before != after).map(|(_, frame)| frame));
    }
    starts
}
