//! How often a client may ask: token buckets by kind of request and client address, around every route.
//!
//! On PostgreSQL all nodes share the buckets; SQLite has one node, which keeps them in memory. Nothing here reads a
//! body: whoever is refused is refused before anything is done for them.

mod class;
mod layer;
mod memory;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use catalog::rates::{self, Bucket, Taken};
use db::{Backend, Db};
use tokio::time::Instant;

use crate::{
    config::{Config, RateLimits, Rates},
    http::{ClientNetwork, log_internal},
};
use class::Class;
use memory::Buckets;

pub(crate) use layer::{V3TooMany, limit};

/// Counts the requests of clients. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Limiter(Option<Arc<Counting>>);

#[derive(Debug)]
struct Counting {
    rates: Rates,
    buckets: Kept,
}

#[expect(clippy::large_enum_variant, reason = "a process has one of it")]
enum Kept {
    /// With what moments are counted from.
    Here(Buckets, Instant),
    Shared {
        db: Db,
        taken: AtomicU32,
    },
}

/// What became of a request that is counted.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    class: Class,
    bucket: Bucket,
    taken: Taken,
}

/// Buckets in memory: less than 10 MB.
const MOST_HERE: usize = 100_000;
/// And in the database.
const MOST_SHARED: u32 = 1_000_000;
/// Takes after which those that are full are removed from the database.
const PRUNE_EVERY: u32 = 10_000;

impl Limiter {
    /// Counts nothing with `limits.rate = "off"`.
    pub(crate) fn new(config: &Config, db: &Db) -> Self {
        let buckets = match db.backend() {
            Backend::Sqlite => Kept::Here(Buckets::new(MOST_HERE), Instant::now()),
            Backend::Postgres => Kept::Shared { db: db.clone(), taken: AtomicU32::new(0) },
        };
        let counting = || Arc::new(Counting { rates: config.rates.clone(), buckets });
        Self((config.limits.rate == RateLimits::On).then(counting))
    }

    /// `None` when the request is not counted: there is no limit, or the database does not answer, which its handler
    /// will find out as well.
    async fn take(&self, class: Class, client: ClientNetwork) -> Option<Verdict> {
        let counting = self.0.as_deref()?;
        let bucket = class.bucket(&counting.rates)?;
        let taken = match &counting.buckets {
            Kept::Here(buckets, epoch) => {
                let now = u64::try_from(epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
                buckets.take(class, client, bucket, now)
            }
            Kept::Shared { db, taken } => {
                if taken.fetch_add(1, Ordering::Relaxed) % PRUNE_EVERY == PRUNE_EVERY - 1 {
                    tokio::spawn(prune(db.clone()));
                }
                let name = format!("{} {client}", class.name());
                match rates::take(db, &name, bucket).await {
                    Ok(taken) => taken,
                    Err(error) => {
                        log_internal(&error);
                        return None;
                    }
                }
            }
        };
        Some(Verdict { class, bucket, taken })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here(..) => "Here",
            Self::Shared { .. } => "Shared",
        })
    }
}

async fn prune(db: Db) {
    if let Err(error) = rates::prune(&db, MOST_SHARED).await {
        log_internal(&error);
    }
}
