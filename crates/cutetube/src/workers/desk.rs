//! The jobs that this process holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use db::Db;
use jobs::{Held, JobId, Lease, Progress};
use tokio_util::sync::CancellationToken;

/// Everything this process works on now.
#[derive(Debug, Default)]
pub(super) struct Desk {
    held: Mutex<HashMap<JobId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    lease: Lease,
    units: Arc<Units>,
    cancel: CancellationToken,
}

/// How far a job is.
#[derive(Debug, Default)]
pub(super) struct Units {
    done: AtomicU64,
    total: AtomicU64,
}

/// A job in hand. Dropping it takes it off the desk.
#[derive(Debug)]
pub(super) struct InHand {
    desk: Arc<Desk>,
    id: JobId,
    pub(super) units: Arc<Units>,
    /// Cancelled when the job is lost or the process stops.
    pub(super) cancel: CancellationToken,
}

impl Units {
    pub(super) fn plan(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(super) fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }
}

impl Desk {
    /// Puts a claimed job on the desk.
    pub(super) fn hold(self: &Arc<Self>, lease: Lease, cancel: CancellationToken) -> InHand {
        let units = Arc::new(Units::default());
        let entry = Entry { lease, units: units.clone(), cancel: cancel.clone() };
        self.entries().insert(lease.id, entry);
        InHand { desk: self.clone(), id: lease.id, units, cancel }
    }

    /// Keeps the leases, and cancels the work on jobs that are lost.
    pub(super) async fn heartbeat(&self, db: &Db, lease: Duration) {
        let held: Vec<Held> = self.entries().values().map(Entry::held).collect();
        let mine = match jobs::heartbeat(db, &held, lease).await {
            Ok(mine) => mine,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the leases could not be kept");
                return;
            }
        };
        let entries = self.entries();
        for held in held.iter().filter(|held| !mine.contains(&held.lease.id)) {
            // One that was settled in the meantime has left the desk.
            if let Some(entry) = entries.get(&held.lease.id).filter(|entry| entry.lease == held.lease) {
                tracing::info!(job.id = %held.lease.id, "job `{}` is lost: its work stops", held.lease.id);
                entry.cancel.cancel();
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn held(&self) -> Held {
        let (done, total) =
            (self.units.done.load(Ordering::Relaxed), self.units.total.load(Ordering::Relaxed));
        Held { lease: self.lease, progress: Progress { done, total } }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.desk.entries().remove(&self.id);
    }
}
