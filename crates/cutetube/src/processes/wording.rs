//! What people read about a process.

use std::time::Duration;

use catalog::processes::{Process, Reason};

/// One sentence on what is going on; `None` when the percentage says enough.
pub(crate) fn note(process: &Process) -> Option<String> {
    if process.is_final() {
        return None;
    }
    match &process.waiting {
        Some(waiting) => Some(waiting_for(waiting.reason)),
        None if process.failures > 0 => Some("One step failed and is being tried again.".to_owned()),
        None => process.remaining.map(|time| format!("About {} left.", remaining(time))),
    }
}

fn waiting_for(reason: Reason) -> String {
    match reason {
        Reason::Paused => "Processing is paused by the administrators.".to_owned(),
        Reason::NoWorker => "It waits for a worker; none is running at present.".to_owned(),
        Reason::Retry(delay) => format!("One step failed; it is tried again in {}.", remaining(delay)),
        Reason::Turn(0) => "It is next, and waits for a free worker.".to_owned(),
        Reason::Turn(1) => "It waits for a free worker; one step of another video goes first.".to_owned(),
        Reason::Turn(jobs::AHEAD_LIMIT..) => {
            format!(
                "It waits for a free worker; more than {} steps of other videos go first.",
                jobs::AHEAD_LIMIT
            )
        }
        Reason::Turn(ahead) => {
            format!("It waits for a free worker; {ahead} steps of other videos go first.")
        }
    }
}

/// A time as people say it, rounded up: `8 s`, `3 min`, `2 h`.
pub(crate) fn remaining(time: Duration) -> String {
    let seconds = seconds(time);
    match seconds {
        0..=90 => format!("{seconds} s"),
        91..=5400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

/// Whole seconds, at least one.
pub(super) fn seconds(time: Duration) -> u64 {
    let part = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(part).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_what_one_says() {
        let said =
            [0, 1, 90, 91, 121, 5400, 5401, 86_400].map(|seconds| remaining(Duration::from_secs(seconds)));
        assert_eq!(said, ["1 s", "1 s", "90 s", "2 min", "3 min", "90 min", "2 h", "24 h"]);
        assert_eq!(remaining(Duration::from_millis(1001)), "2 s");
    }

    #[test]
    fn nobody_waits_without_knowing_for_what() {
        let reasons = [
            Reason::Paused,
            Reason::NoWorker,
            Reason::Retry(Duration::from_secs(3)),
            Reason::Turn(0),
            Reason::Turn(1),
            Reason::Turn(17),
            Reason::Turn(jobs::AHEAD_LIMIT),
        ];
        insta::assert_snapshot!(reasons.map(waiting_for).join("\n"), @"
        Processing is paused by the administrators.
        It waits for a worker; none is running at present.
        One step failed; it is tried again in 3 s.
        It is next, and waits for a free worker.
        It waits for a free worker; one step of another video goes first.
        It waits for a free worker; 17 steps of other videos go first.
        It waits for a free worker; more than 1000 steps of other videos go first.
        ");
    }
}
