//! This worker's entry in the list that operators see.

use std::time::Duration;

use db::Db;
use jobs::WorkerId;
use jobs::workers::{self, Announcement};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::ambient;

/// What is said, and to whom. Nothing depends on being heard: a failure is a line in the log.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    db: Db,
    worker: WorkerId,
    host: String,
    slots: usize,
    spare_slots: usize,
}

impl Registration {
    pub(super) fn new(db: Db, worker: WorkerId, slots: usize, spare_slots: usize) -> Self {
        Self { db, worker, host: ambient::host_name(), slots, spare_slots }
    }

    /// Says every `period` that this worker is there, for ever.
    pub(super) async fn keep(&self, period: Duration) {
        let mut beat = interval(period);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let count = |slots| u32::try_from(slots).unwrap_or(u32::MAX);
            let announcement = Announcement {
                worker: &self.worker,
                host: &self.host,
                version: env!("CARGO_PKG_VERSION"),
                slots: count(self.slots),
                spare_slots: count(self.spare_slots),
            };
            self.report(timeout(period, workers::announce(&self.db, &announcement)).await);
        }
    }

    /// Says that it has ended in order.
    pub(super) async fn end(&self, patience: Duration) {
        self.report(timeout(patience, workers::leave(&self.db, &self.worker)).await);
    }

    fn report(&self, outcome: Result<jobs::Result<()>, tokio::time::error::Elapsed>) {
        let reason = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(error)) => anyhow::Error::from(error),
            Err(_) => anyhow::anyhow!("the database does not answer"),
        };
        tracing::warn!(worker.id = %self.worker, "the list of workers could not be told: {reason:#}");
    }
}
