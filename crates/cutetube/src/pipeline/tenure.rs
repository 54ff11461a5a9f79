//! How long work is ours.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The time in which nobody else does the same work, as far as this process can know, and nobody wants it to stop. Work
/// that goes on beyond it, in a process that was frozen for instance, could overwrite what somebody else has made and
/// recorded since.
#[derive(Debug)]
pub(crate) struct Tenure {
    end: Mutex<Instant>,
    cancel: CancellationToken,
}

impl Tenure {
    pub(crate) fn until(end: Instant, cancel: CancellationToken) -> Self {
        Self { end: Mutex::new(end), cancel }
    }

    /// Sets another end.
    pub(crate) fn set(&self, end: Instant) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    /// Whether it ends at `moment` or earlier by itself.
    pub(crate) fn ends_by(&self, moment: Instant) -> bool {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) <= moment
    }

    /// Whether it has ended, or somebody wants it to.
    pub(crate) fn is_over(&self) -> bool {
        self.cancel.is_cancelled() || self.ends_by(Instant::now())
    }
}
