//! The queue: `jobs` on both databases, beside the best queue for PostgreSQL from elsewhere, and under faults.
//!
//! Every contestant is a process that speaks the same few commands ([`process`]), so that all of them are measured by
//! the same clock and none inside the process that measures. Servers are those of the tests, with default durability.

mod contest;
mod faults;
mod load;
pub(crate) mod process;

use std::{path::Path, path::PathBuf, time::Duration};

use anyhow::Context;
use testbed::{Database, PgServer};

use crate::run::report;
use process::Program;

/// Runs the parts that were asked for, and prints their tables.
pub(crate) fn bench(rounds: usize, peers: Option<&Path>, parts: &[Part]) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let places = [Place::Sqlite, Place::Postgres(PgServer::start())];
    for part in parts {
        report(&match part {
            Part::Speed => runtime.block_on(contest::table(rounds, &places, peers))?,
            Part::Load => runtime.block_on(load::table(&places))?,
            Part::Faults => runtime.block_on(faults::table(&places))?,
        });
    }
    Ok(())
}

/// What `bench queue` can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Latency, bulk enqueue and drain, with the peer.
    Speed,
    /// Fairness, and a queue with a long past and much to do.
    Load,
    /// Killed, frozen and poisoned workers.
    Faults,
}

/// Where queues are.
enum Place {
    Sqlite,
    Postgres(PgServer),
}

impl Place {
    fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// A new, empty database.
    fn database(&self) -> Database {
        match self {
            Self::Sqlite => Database::sqlite(),
            Self::Postgres(server) => Database::on(server),
        }
    }
}

/// This program, as a contestant.
fn ours() -> anyhow::Result<Program> {
    let path: PathBuf = std::env::current_exe().context("this program has no path")?;
    Ok(Program { name: "`jobs`", path, arguments: vec!["queue-process"] })
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// The value at a nearest rank, of sorted ones.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}
