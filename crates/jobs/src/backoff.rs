//! How long a failed job waits.

use std::time::Duration;

/// Exponential backoff with a cap: `base`, twice that, four times that, …, and up to a quarter more at random, so
/// that jobs which failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first attempt.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// The wait after attempt number `attempt` (from 1). `jitter` is a random number in `0.0..1.0`.
    pub fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let wait = self.base.saturating_mul(1 << doublings).min(self.cap);
        wait.saturating_add(wait.mul_f64(jitter.clamp(0.0, 1.0) / 4.0)).min(self.cap)
    }
}
