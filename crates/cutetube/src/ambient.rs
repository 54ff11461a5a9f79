//! Where time and randomness enter the program; everything below takes them as values.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use packager::IvRun;

/// Time since 1970.
pub(crate) fn unix_time() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What a server takes for the time where something ends: the time, unless a test has set it ahead.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    ahead: Duration,
}

impl Clock {
    /// One that goes ahead.
    pub(crate) fn ahead(by: Duration) -> Self {
        Self { ahead: by }
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(self) -> u64 {
        unix_time().saturating_add(self.ahead).as_secs()
    }
}

/// What people call this machine; empty when it does not say.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim_end().to_owned()
}

/// Random bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    rand::random()
}

/// Initialisation vectors for one attempt to encrypt something.
pub(crate) fn iv_run() -> IvRun {
    IvRun::starting_at(u64::from_be_bytes(random()))
}

/// A number in `0.0..=1.0`, so that what failed together does not come back together.
pub(crate) fn jitter() -> f64 {
    f64::from(u16::from_be_bytes(random())) / f64::from(u16::MAX)
}

/// A new id of the kind that `make` makes, for instance `VideoId::new`.
pub(crate) fn id<T>(make: impl FnOnce(u64, &[u8; 10]) -> T) -> T {
    let millis = u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX);
    make(millis, &random())
}
