//! How slowly a client may send what we wait for, or take what we have for it.
//!
//! Who sends or takes a byte now and then is never silent for long, and would keep a place among the uploads, or a
//! connection, for as long as they like. What counts is only the time that we wait for the client: an upload that the
//! store takes slowly is not the client's fault.

use std::time::Duration;

use crate::config::Limits;

/// What a client has to do, at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How long it may do nothing at all.
    pub(crate) patience: Duration,
    /// What has to pass on average over each `patience` of waiting; 0 for no matter how little.
    bytes_per_second: u64,
}

/// How a client does since we have last found it quick enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    pace: Pace,
    waited: Duration,
    bytes: u64,
}

/// The client is slower than it may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Pace {
    /// Of whoever sends a file.
    pub(crate) fn of_uploads(limits: &Limits) -> Self {
        Self {
            patience: Duration::from_secs(limits.upload_stall_seconds),
            bytes_per_second: limits.least_bytes_per_second,
        }
    }

    /// Of whoever reads an answer.
    pub(crate) fn of_answers(limits: &Limits) -> Self {
        Self {
            patience: Duration::from_secs(limits.answer_stall_seconds),
            bytes_per_second: limits.least_bytes_per_second,
        }
    }

    /// From now on.
    pub(crate) fn start(self) -> Progress {
        Progress { pace: self, waited: Duration::ZERO, bytes: 0 }
    }
}

impl Progress {
    /// We have waited so long for so many bytes.
    pub(crate) fn note(&mut self, waited: Duration, bytes: usize) -> Result<(), TooSlow> {
        self.waited += waited;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.waited < self.pace.patience {
            return Ok(());
        }
        let least = u128::from(self.pace.bytes_per_second) * self.waited.as_millis() / 1000;
        if u128::from(self.bytes) < least {
            return Err(TooSlow);
        }
        *self = self.pace.start();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { patience: Duration::from_secs(60), bytes_per_second: 1000 };

    /// After how many notes of `(seconds, bytes)`, over and over, the client is too slow.
    fn check(pace: Pace, notes: &[(u64, usize)]) -> Option<usize> {
        let mut progress = pace.start();
        notes
            .iter()
            .cycle()
            .take(1000)
            .position(|(seconds, bytes)| progress.note(Duration::from_secs(*seconds), *bytes) == Err(TooSlow))
    }

    #[test]
    fn whoever_drips_is_found_out_within_the_time() {
        assert_eq!(check(PACE, &[(1, 1)]), Some(59));
        assert_eq!(check(PACE, &[(59, 1)]), Some(1));
        assert_eq!(check(PACE, &[(1, 999)]), Some(59));
        // A quick beginning does not count for ever.
        assert_eq!(check(PACE, &[(60, 60_000), (30, 1), (30, 1)]), Some(2));
    }

    #[test]
    fn whoever_keeps_up_is_left_alone() {
        assert_eq!(check(PACE, &[(1, 1000)]), None);
        assert_eq!(check(PACE, &[(30, 0), (30, 60_000)]), None);
        assert_eq!(check(PACE, &[(0, 1)]), None, "nobody waited");
        assert_eq!(check(Pace { bytes_per_second: 0, ..PACE }, &[(59, 1)]), None);
    }
}
