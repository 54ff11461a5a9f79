//! Other people's queues, as contestants of `bench queue`: the commands of `bench/src/queue/process.rs`.
//!
//! What it deliberately does not do: it tunes nothing. A queue runs as its authors deliver it, with as many slots and
//! connections as ours.

use std::io::{BufRead as _, Write as _};
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use graphile_worker::{IntoTaskHandlerResult, JobSpec, JobSpecBuilder, WorkerContext, WorkerOptions};
use graphile_worker_task_handler::TaskHandler;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

#[derive(Clone, Deserialize, Serialize)]
struct Nothing {
    number: usize,
}

#[derive(Clone, Deserialize, Serialize)]
struct Tick {
    at: u64,
}

/// How many ticks are still to be seen.
#[derive(Clone, Debug)]
struct Left(Arc<AtomicUsize>);

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {}
}

impl TaskHandler for Tick {
    const IDENTIFIER: &'static str = "tick";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        say(&unix_micros().saturating_sub(self.at).to_string());
        if let Some(Left(left)) = context.get_ext::<Left>() {
            left.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["graphile", "prepare", url] => options(url, 1).await?.init().await.map(drop)?,
        ["graphile", "fill", url, count] => fill(url, count.parse()?).await?,
        ["graphile", "drain", url, slots, _] => {
            let worker = options(url, slots.parse()?).await?.define_job::<Nothing>().init().await?;
            say("ready");
            std::io::stdin().lock().read_line(&mut String::new())?;
            worker.run_once().await?;
        }
        ["graphile", "tick", url, count, pause_ms, _] => tick(url, count.parse()?, pause_ms.parse()?).await?,
        ["graphile", "watch", url, count, _] => watch(url, count.parse()?).await?,
        _ => bail!("unknown command `{}`", arguments.join(" ")),
    }
    Ok(())
}

async fn pool(url: &str) -> anyhow::Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(16).connect_with(PgConnectOptions::from_str(url)?).await?)
}

async fn options(url: &str, slots: usize) -> anyhow::Result<WorkerOptions> {
    Ok(WorkerOptions::default().concurrency(slots).schema("graphile_worker").pg_pool(pool(url).await?))
}

async fn fill(url: &str, count: usize) -> anyhow::Result<()> {
    let worker = options(url, 1).await?.define_job::<Nothing>().init().await?;
    let utils = worker.create_utils();
    let spec = JobSpec::new();
    let jobs: Vec<_> = (0..count).map(|number| (Nothing { number }, &spec)).collect();
    let start = Instant::now();
    utils.add_jobs(&jobs).await?;
    say(&start.elapsed().as_micros().to_string());
    Ok(())
}

async fn tick(url: &str, count: usize, pause_ms: u64) -> anyhow::Result<()> {
    let worker = options(url, 1).await?.define_job::<Tick>().init().await?;
    let utils = worker.create_utils();
    for _ in 0..count {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        utils.add_job(Tick { at: unix_micros() }, JobSpecBuilder::new().build()).await?;
    }
    Ok(())
}

async fn watch(url: &str, count: usize) -> anyhow::Result<()> {
    let left = Left(Arc::new(AtomicUsize::new(count)));
    let worker = options(url, 1).await?.define_job::<Tick>().add_extension(left.clone()).init().await?;
    let running = tokio::spawn(async move { worker.run().await });
    // It says nothing of when it listens.
    tokio::time::sleep(Duration::from_millis(500)).await;
    say("ready");
    while left.0.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.abort();
    running.await.err().context("a worker runs until it is told to stop")?;
    Ok(())
}

fn unix_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // Nobody listens when the bench has ended.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
