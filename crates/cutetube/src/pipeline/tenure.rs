//! How long work is ours.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The time in which nobody else does the same work, as far as this process can know. Work that goes on beyond it, in a
/// process that was frozen for instance, could overwrite what somebody else has made and recorded since.
#[derive(Debug)]
pub(crate) struct Tenure(Mutex<Instant>);

impl Tenure {
    pub(crate) fn until(end: Instant) -> Self {
        Self(Mutex::new(end))
    }

    /// Sets another end.
    pub(crate) fn set(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    /// Whether it ends at `moment` or earlier.
    pub(crate) fn ends_by(&self, moment: Instant) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) <= moment
    }
}
