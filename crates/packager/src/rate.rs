//! Bit rates and durations that manifests state about segments. Exact integer arithmetic, rounded up or as named.

use crate::presentation::{end, spans};

/// Sizes of consecutive segments on their timeline.
///
/// A [`Presentation`](crate::Presentation) bounds bytes (2^44) and time (2^27 s), so nothing here overflows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    /// Bytes of each segment.
    pub(crate) bytes: &'a [u64],
    /// Starts and, last, the end.
    pub(crate) boundaries: &'a [u64],
    /// Ticks per second of `boundaries`.
    pub(crate) timescale: u32,
}

impl Load<'_> {
    /// Bits per second over everything.
    pub(crate) fn average(&self) -> u64 {
        let bytes = self.bytes.iter().map(|&b| u128::from(b)).sum();
        self.bits_per_second(bytes, end(self.boundaries).into())
    }

    /// Peak segment bit rate of a playlist (RFC 8216bis §4.4.6.2): the largest rate of any run of segments that lasts
    /// between 0.5 and 1.5 target durations; of any segment when no run does. Never below the average.
    pub(crate) fn peak(&self, target_seconds: u64) -> u64 {
        let target = u128::from(target_seconds) * u128::from(self.timescale);
        let mut segments = self.bytes.iter().zip(spans(self.boundaries));
        let mut peak = None;
        let mut single = 0;
        while let Some((&bytes, (start, first_end))) = segments.next() {
            let mut run = u128::from(bytes);
            single = single.max(self.bits_per_second(run, u128::from(first_end.saturating_sub(start))));
            let mut ends = segments.clone();
            let mut run_end = first_end;
            loop {
                let lasts = u128::from(run_end.saturating_sub(start));
                if lasts * 2 > target * 3 {
                    break;
                }
                if lasts * 2 >= target {
                    peak = peak.max(Some(self.bits_per_second(run, lasts)));
                }
                let Some((&bytes, (_, next_end))) = ends.next() else { break };
                run += u128::from(bytes);
                run_end = next_end;
            }
        }
        peak.unwrap_or(single).max(self.average())
    }

    /// `Representation@bandwidth` (23009-1 §5.3.5.2): the least constant rate at which a client that starts with any
    /// segment and waits for `min_buffer_millis` has each later segment complete before its first frame is due. Never
    /// below the average.
    pub(crate) fn sustained(&self, min_buffer_millis: u64) -> u64 {
        let mut rate = self.average();
        // Each round replaces the rate by what the worst run under the present one needs (Dinkelbach): it only grows,
        // and ends after a few rounds because some run attains the maximum.
        while let Some(needed) = self.worst_run(rate, min_buffer_millis).filter(|&needed| needed > rate) {
            rate = needed;
        }
        rate
    }

    /// The rate that the run of segments needs which falls behind the furthest at `rate`.
    fn worst_run(&self, rate: u64, min_buffer_millis: u64) -> Option<u64> {
        let scale = i128::from(self.timescale);
        let rate = i128::from(rate);
        let wait = i128::from(min_buffer_millis) * scale;
        let mut delivered = 0_i128;
        let mut best_start: Option<(i128, i128, i128)> = None;
        let mut worst: Option<(i128, i128, i128)> = None;
        for (&bytes, (start, _)) in self.bytes.iter().zip(spans(self.boundaries)) {
            let start = i128::from(start) * 1000;
            let credit = rate * start - delivered;
            if best_start.is_none_or(|(best, ..)| credit > best) {
                best_start = Some((credit, delivered, start));
            }
            delivered += i128::from(bytes) * 8 * 1000 * scale;
            let Some((credit, before, from)) = best_start else { continue };
            let late = delivered - rate * (wait + start) + credit;
            if worst.is_none_or(|(most, ..)| late > most) {
                worst = Some((late, delivered - before, wait + start - from));
            }
        }
        let (_, bits, time) = worst?;
        u64::try_from(bits.unsigned_abs().div_ceil(time.unsigned_abs().max(1))).ok()
    }

    fn bits_per_second(&self, bytes: u128, ticks: u128) -> u64 {
        let bits = (bytes * 8 * u128::from(self.timescale)).div_ceil(ticks.max(1));
        u64::try_from(bits).unwrap_or(u64::MAX)
    }
}

/// Microseconds at or before a time.
pub(crate) fn micros_floor(ticks: u64, timescale: u32) -> u64 {
    u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(timescale)).unwrap_or(u64::MAX)
}

/// Microseconds nearest to a time.
pub(crate) fn micros_nearest(ticks: u64, timescale: u32) -> u64 {
    let scale = u128::from(timescale);
    u64::try_from((u128::from(ticks) * 2_000_000 + scale) / (2 * scale)).unwrap_or(u64::MAX)
}

/// Milliseconds of the longest segment, rounded up.
pub(crate) fn longest_millis(boundaries: &[u64], timescale: u32) -> u64 {
    let longest = spans(boundaries).map(|(start, end)| end.saturating_sub(start)).max().unwrap_or(0);
    u64::try_from((u128::from(longest) * 1000).div_ceil(u128::from(timescale))).unwrap_or(u64::MAX)
}
