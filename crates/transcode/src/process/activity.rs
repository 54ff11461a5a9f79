//! Whether a program is still doing something.
//!
//! Output comes in bursts after long silence: an encoder looks ahead, and four rungs of a chunk take seconds before
//! the first byte. Bytes alone would call that a stall, so the processor time of the child counts as well.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How long a program may do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Without moving a byte and without using the processor, while it is not waiting for us.
    pub stall: Duration,
    /// Without moving a byte, whatever the reason.
    pub silence: Duration,
}

impl Default for Patience {
    /// One minute of nothing, fifteen minutes without a byte: a background encoder gets little of a busy processor.
    fn default() -> Self {
        Self { stall: Duration::from_secs(60), silence: Duration::from_secs(15 * 60) }
    }
}

/// What is known about a program's pipes.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Over all pipes, in both directions.
    bytes: AtomicU64,
    /// How many of our futures make the program wait.
    holding: AtomicUsize,
}

impl Activity {
    pub(super) fn moved(&self, count: usize) {
        self.bytes.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn held(&self) -> Held<'_> {
        self.holding.fetch_add(1, Ordering::Relaxed);
        Held(self)
    }

    /// Completes when process `pid` has done nothing for longer than `patience`, with that time.
    pub(super) async fn stalled(&self, pid: u32, patience: Patience) -> Duration {
        let period =
            (patience.stall.min(patience.silence) / 8).clamp(Duration::from_millis(10), LONGEST_PERIOD);
        let mut looks = interval(period);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let start = Instant::now();
        let (mut bytes, mut bytes_moved) = (0, start);
        let (mut cpu, mut alive) = (0, start);
        loop {
            let now = looks.tick().await;
            let bytes_now = self.bytes.load(Ordering::Relaxed);
            if bytes_now != bytes {
                (bytes, bytes_moved, alive) = (bytes_now, now, now);
            }
            let cpu_now = cpu_ticks(pid).unwrap_or(cpu);
            if cpu_now != cpu {
                (cpu, alive) = (cpu_now, now);
            }
            if self.holding.load(Ordering::Relaxed) > 0 {
                alive = now;
            }
            let (idle, silent) = (now.duration_since(alive), now.duration_since(bytes_moved));
            if idle >= patience.stall {
                return idle;
            }
            if silent >= patience.silence {
                return silent;
            }
        }
    }
}

const LONGEST_PERIOD: Duration = Duration::from_secs(1);

/// While it lives, the program waits for us.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a Activity);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.holding.fetch_sub(1, Ordering::Relaxed);
    }
}

/// User and system time of a process over all of its threads, in clock ticks.
fn cpu_ticks(pid: u32) -> Option<u64> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5): `utime` and `stime` are fields 14 and 15. Field 2 is the name and may hold anything.
fn parse_stat(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    times.next()?.ok()?.checked_add(times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_any_name() {
        let stat = "812 (a) b (c)) S 1 812 812 0 -1 4194560 100 0 0 0 37 5 0 0 20 0 1 0 1 2 3";
        assert_eq!(parse_stat(stat), Some(42));
        assert_eq!(parse_stat("812 (x) S 1"), None);
        assert!(cpu_ticks(std::process::id()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_at_all_is_a_stall() {
        let activity = Activity::default();
        let patience = Patience { stall: Duration::from_secs(4), silence: Duration::from_secs(60) };
        // Process 0 does not exist, so that no processor time is seen.
        assert_eq!(activity.stalled(0, patience).await, patience.stall);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_us_is_silence_and_no_stall() {
        let activity = Activity::default();
        let patience = Patience { stall: Duration::from_secs(4), silence: Duration::from_secs(60) };
        let _held = activity.held();
        assert_eq!(activity.stalled(0, patience).await, patience.silence);
    }
}
