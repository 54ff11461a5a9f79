//! The jobs that this process holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use db::Db;
use jobs::{Held, JobId, Lease, Progress};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::pipeline::Tenure;

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
    tenure: Arc<Tenure>,
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
    pub(super) id: JobId,
    pub(super) units: Arc<Units>,
    /// While nobody else has it.
    pub(super) tenure: Arc<Tenure>,
    /// Cancelled when the job is lost or the process stops.
    pub(super) cancel: CancellationToken,
    /// Cancelled when the process stops.
    pub(super) stop: CancellationToken,
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
    /// Puts a claimed job on the desk; its lease runs at least until `until`.
    pub(super) fn hold(self: &Arc<Self>, lease: Lease, until: Instant, stop: CancellationToken) -> InHand {
        let units = Arc::new(Units::default());
        let cancel = stop.child_token();
        let tenure = Arc::new(Tenure::until(until, cancel.clone()));
        let entry = Entry { lease, units: units.clone(), cancel: cancel.clone(), tenure: tenure.clone() };
        self.entries().insert(lease.id, entry);
        InHand { desk: self.clone(), id: lease.id, units, tenure, cancel, stop }
    }

    /// Keeps the leases, and cancels the work on jobs that are lost. A database that does not answer within `patience`
    /// is asked again by the next heartbeat; what it was silent about for a whole lease may be somebody else's by then.
    pub(super) async fn heartbeat(&self, db: &Db, lease: Duration, patience: Duration) {
        let held: Vec<Held> = self.entries().values().map(Entry::held).collect();
        let asked = Instant::now();
        match timeout(patience, jobs::heartbeat(db, &held, lease)).await {
            Ok(Ok(kept)) => {
                let entries = self.entries();
                for Held { lease: held, .. } in held {
                    // One that was settled in the meantime has left the desk.
                    let Some(entry) = entries.get(&held.id).filter(|entry| entry.lease == held) else {
                        continue;
                    };
                    if kept.extended.contains(&held.id) {
                        entry.tenure.set(asked + lease);
                    } else if kept.lost.contains(&held.id) {
                        entry.tenure.set(asked);
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the leases could not be kept");
            }
            Err(_) => tracing::warn!("the leases could not be kept: the database does not answer"),
        }
        // By the next look it would be too late: the work stops before somebody else begins it.
        let next = Instant::now() + patience;
        for (id, entry) in self.entries().iter().filter(|(_, entry)| entry.tenure.ends_by(next)) {
            if !entry.cancel.is_cancelled() {
                tracing::info!(job.id = %id, "job `{id}` is lost: its work stops");
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
