//! The queue, as the database has it at this moment.

use std::sync::atomic::AtomicU64;

use db::Db;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::admin::actions;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDepth {
    queue: String,
    kind: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfQueue {
    queue: String,
}

type Seconds = Gauge<f64, AtomicU64>;

/// A worker that is silent for this long is taken to be gone, and its slots with it.
const GONE_SECONDS: u64 = 20;

pub(super) async fn register(db: &Db, registry: &mut Registry) -> Result<(), catalog::Error> {
    let depth: Family<OfDepth, Gauge> = Family::default();
    let oldest: Family<OfQueue, Seconds> = Family::default();
    let paused: Family<OfQueue, Gauge> = Family::default();
    for queue in actions::queues(db).await? {
        let of = OfQueue { queue: queue.name.clone() };
        oldest.get_or_create(&of).set(queue.oldest_ready.as_secs_f64());
        paused.get_or_create(&of).set(i64::from(queue.paused_at.is_some()));
        for found in queue.depths {
            let of = OfDepth { queue: found.queue, kind: found.kind, state: found.state.as_str() };
            depth.get_or_create(&of).set(i64::try_from(found.jobs).unwrap_or(i64::MAX));
        }
    }
    registry.register("cutetube_jobs", "Jobs that wait, run or were given up", depth);
    registry.register_with_unit(
        "cutetube_queue_oldest_ready",
        "For how long the job that is due for the longest has been due; 0 when none is",
        Unit::Seconds,
        oldest,
    );
    registry.register("cutetube_queue_paused", "1 while the queue hands out nothing", paused);

    let workers = jobs::workers::list(db).await.map_err(catalog::Error::from)?;
    let (alive, slots, busy) = (Gauge::<i64>::default(), Gauge::<i64>::default(), Gauge::<i64>::default());
    for worker in workers.iter().filter(|worker| worker.silent.as_secs() < GONE_SECONDS) {
        alive.inc();
        slots.inc_by(worker.slots.into());
        busy.inc_by(i64::try_from(worker.held).unwrap_or(i64::MAX));
    }
    registry.register("cutetube_workers", "Worker processes that are heard of", alive);
    registry.register(
        "cutetube_worker_slots",
        "Jobs that the workers run at once, spare slots not counted",
        slots,
    );
    registry.register(
        "cutetube_worker_slots_busy",
        "Jobs that the workers hold, those in spare slots too",
        busy,
    );
    Ok(())
}
