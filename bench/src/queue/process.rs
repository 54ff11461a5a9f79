//! What a contestant's processes do. Each ends when its input does, so none outlives the bench.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Subcommand;
use db::{Db, Settings};
use jobs::{Backoff, Claim, Enqueued, Held, Job, JobId, Lease, NewJob, Progress, Retried, WorkerId};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

/// How long a job is a worker's own without a heartbeat, as in the program.
pub(crate) const LEASE: Duration = Duration::from_secs(20);
const HEARTBEAT: Duration = Duration::from_secs(4);
const QUEUE: &str = "bench";

/// The commands, which a peer's program has as well.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Order {
    /// Makes the tables.
    Prepare { url: String },
    /// Enqueues so many jobs at once; prints how many microseconds that took.
    Fill { url: String, count: usize },
    /// Says `ready`; after a line of input works off so many jobs at most, or all there are.
    Drain { url: String, slots: usize, count: usize },
    /// Enqueues so many jobs, one at a time with a pause between them.
    Tick { url: String, count: usize, pause_ms: u64, priority: i64 },
    /// Says `ready`; then prints for so many jobs how many microseconds after their enqueuing they start.
    Watch { url: String, count: usize, min_priority: i64 },
    /// Works as the program's worker does, for ever; prints each `start` and each `end`. Only ours.
    Work { url: String, slots: usize },
}

/// A contestant's program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<&'static str>,
}

/// One of its processes; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) lines: mpsc::Receiver<String>,
}

impl Program {
    /// Starts a process with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> anyhow::Result<Process> {
        let (said, lines) = mpsc::channel();
        let child = self.start_into(arguments, move |line| drop(said.send(line)))?;
        Ok(Process { child, lines })
    }

    /// Starts a process whose lines go to `hear`, on a thread of their own.
    pub(crate) fn start_into(
        &self,
        arguments: &[&str],
        hear: impl Fn(String) + Send + 'static,
    ) -> anyhow::Result<Child> {
        #[expect(clippy::disallowed_methods, reason = "a benchmark compares whole processes")]
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", self.path.display()))?;
        let output = child.stdout.take().context("the output is a pipe")?;
        std::thread::spawn(move || {
            let lines = std::io::BufReader::new(output).lines();
            lines.map_while(Result::ok).for_each(hear);
        });
        Ok(child)
    }

    /// Runs a process to its end, and answers what it printed last.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut process = self.start(arguments)?;
        process.join()?;
        Ok(process.lines.iter().last().unwrap_or_default())
    }
}

impl Process {
    pub(crate) fn join(&mut self) -> anyhow::Result<()> {
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "a process of a contestant ended with {status}");
        Ok(())
    }

    /// Waits until it says `ready`.
    pub(crate) fn ready(&self) -> anyhow::Result<()> {
        let line = self.lines.recv_timeout(Duration::from_secs(60)).context("a contestant is not ready")?;
        anyhow::ensure!(line == "ready", "a contestant says `{line}` instead of `ready`");
        Ok(())
    }

    pub(crate) fn go(&mut self) -> anyhow::Result<()> {
        let input = self.child.stdin.as_mut().context("the input is a pipe")?;
        Ok(writeln!(input, "go")?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does what was ordered, in a process of its own.
pub(crate) fn obey(order: &Order) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match order {
            Order::Prepare { url } => open(url).await.map(drop),
            Order::Fill { url, count } => fill(&open(url).await?, *count).await,
            Order::Drain { url, slots, count } => drain(&open(url).await?, *slots, *count).await,
            Order::Tick { url, count, pause_ms, priority } => {
                tick(&open(url).await?, *count, Duration::from_millis(*pause_ms), *priority).await
            }
            Order::Watch { url, count, min_priority } => {
                watch(&open(url).await?, *count, *min_priority).await
            }
            Order::Work { url, slots } => work(&open(url).await?, *slots).await,
        }
    })
}

/// A database with the tables of the queue.
pub(crate) async fn open(url: &str) -> anyhow::Result<Db> {
    let db = Db::connect(&Settings::new(url.parse()?)).await?;
    db.migrate(&[jobs::QUEUE_MIGRATION, jobs::WORKERS_MIGRATION]).await?;
    Ok(db)
}

pub(crate) fn new_job(kind: &str, payload: &Value) -> NewJob {
    NewJob::new(QUEUE, kind, payload)
}

pub(crate) fn ask(worker: &WorkerId, limit: usize) -> Claim<'_> {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    Claim { worker, queue: QUEUE, kinds: &[], min_priority: i64::MIN, limit, lease: LEASE }
}

fn me() -> WorkerId {
    WorkerId(format!("process {}", std::process::id()))
}

async fn fill(db: &Db, count: usize) -> anyhow::Result<()> {
    let new = (0..count).map(|number| new_job("nothing", &json!({ "number": number })).owner("ann"));
    let new: Vec<NewJob> = new.collect();
    let start = Instant::now();
    let mut tx = db.begin().await?;
    jobs::enqueue_all(&mut tx, new).await?;
    tx.commit().await?;
    say(&start.elapsed().as_micros().to_string());
    Ok(())
}

/// As many slots as were asked for, each filled again as soon as it is free.
async fn drain(db: &Db, slots: usize, count: usize) -> anyhow::Result<()> {
    let (worker, mut running, mut left) = (me(), JoinSet::new(), count);
    say("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    while left > 0 || !running.is_empty() {
        let claimed = jobs::claim(db, &ask(&worker, left.min(slots - running.len()))).await?;
        left -= claimed.len();
        let nothing_left = claimed.is_empty();
        for job in claimed {
            let db = db.clone();
            running.spawn(async move { jobs::done(&db, &job.lease).await });
        }
        match running.join_next().await {
            Some(ended) => {
                ended??;
                while let Some(ended) = running.try_join_next() {
                    ended??;
                }
            }
            // What others are just claiming is stepped over, and may come back.
            None if nothing_left && jobs::unfinished(db).await? == 0 => break,
            None if nothing_left => tokio::time::sleep(Duration::from_millis(2)).await,
            None => {}
        }
    }
    Ok(())
}

async fn tick(db: &Db, count: usize, pause: Duration, priority: i64) -> anyhow::Result<()> {
    for _ in 0..count {
        tokio::time::sleep(pause).await;
        let mut tx = db.begin().await?;
        let job = new_job("tick", &json!({ "at": unix_micros()? })).owner("bob").priority(priority);
        jobs::enqueue(&mut tx, job).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn watch(db: &Db, count: usize, min_priority: i64) -> anyhow::Result<()> {
    let worker = me();
    let mut listener = db.listen(jobs::CHANNEL).await?;
    let mut seen = 0;
    say("ready");
    while seen < count {
        let found = jobs::claim(db, &Claim { min_priority, ..ask(&worker, 1) }).await?;
        for job in &found {
            let payload: Value = serde_json::from_str(&job.payload)?;
            let at = payload.get("at").and_then(Value::as_u64).context("not a tick")?;
            say(&unix_micros()?.saturating_sub(at).to_string());
            seen += 1;
            jobs::done(db, &job.lease).await?;
        }
        if found.is_empty() {
            listener.wait(Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

/// The jobs in hand: their leases, and how to stop them.
type Desk = Arc<Mutex<HashMap<JobId, (Lease, JoinHandle<()>)>>>;

/// The program's worker without videos: it claims what it has slots for, keeps the leases, and looks after vanished
/// workers.
async fn work(db: &Db, slots: usize) -> anyhow::Result<()> {
    end_with_input();
    let (worker, desk) = (me(), Desk::default());
    let mut listener = db.listen(jobs::CHANNEL).await?;
    tokio::spawn(look_after(db.clone(), desk.clone()));
    say("ready");
    loop {
        let free = slots.saturating_sub(on(&desk).len());
        let claimed = jobs::claim(db, &ask(&worker, free)).await?;
        let found = !claimed.is_empty();
        for job in claimed {
            say(&format!("start {} {} {}", job.kind, job.lease.id, job.attempt));
            let (db, of, lease) = (db.clone(), desk.clone(), job.lease);
            // It cannot leave the desk before it is on it.
            let mut entries = on(&desk);
            let task = tokio::spawn(async move {
                if let Err(error) = perform(&db, &job).await {
                    say(&format!("end {} {} {error}", job.kind, lease.id));
                }
                on(&of).remove(&lease.id);
            });
            entries.insert(lease.id, (lease, task));
        }
        if !found {
            listener.wait(Duration::from_millis(200)).await;
        }
    }
}

fn on(desk: &Desk) -> std::sync::MutexGuard<'_, HashMap<JobId, (Lease, JoinHandle<()>)>> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn look_after(db: Db, desk: Desk) -> anyhow::Result<()> {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let leases: Vec<Lease> = on(&desk).values().map(|(lease, _)| *lease).collect();
        let held: Vec<Held> =
            leases.into_iter().map(|lease| Held { lease, progress: Progress::default() }).collect();
        for lost in jobs::heartbeat(&db, &held, LEASE).await?.lost {
            if let Some((_, task)) = on(&desk).remove(&lost) {
                task.abort();
                say(&format!("end lost {lost} noticed"));
            }
        }
        let mut tx = db.begin().await?;
        jobs::reap(&mut tx, 100).await?;
        tx.commit().await?;
        for id in jobs::exhausted(&db, 100).await? {
            let mut tx = db.begin().await?;
            jobs::bury_exhausted(&mut tx, id).await?;
            tx.commit().await?;
        }
    }
}

async fn perform(db: &Db, job: &Job) -> anyhow::Result<()> {
    let payload: Value = serde_json::from_str(&job.payload)?;
    match job.kind.as_str() {
        "poison" => rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?,
        "hopeless" => {
            let mut tx = db.begin().await?;
            let delay = Backoff::default().delay(job.failures + 1, 0.5);
            let retried = jobs::retry(&mut tx, &job.lease, "it fails every time", delay).await?;
            tx.commit().await?;
            let dead = matches!(retried, Retried::Dead(_));
            say(&format!("end {} {} {}", job.kind, job.lease.id, if dead { "dead" } else { "later" }));
        }
        _ => {
            let time = payload.get("ms").and_then(Value::as_u64).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(time)).await;
            let mut tx = db.begin().await?;
            jobs::settle(&mut tx, &job.lease).await?;
            let counter = payload.get("counter").and_then(Value::as_str);
            if let Some(counter) = counter
                && jobs::counter::count_down(&mut tx, counter).await? == Some(0)
            {
                let finalise = new_job("finalise", &json!({})).dedup_key(format!("after {counter}"));
                let enqueued = jobs::enqueue(&mut tx, finalise).await?;
                anyhow::ensure!(matches!(enqueued, Enqueued::New(_)), "the counter reached zero twice");
            }
            tx.commit().await?;
            say(&format!("end {} {} done", job.kind, job.lease.id));
        }
    }
    Ok(())
}

/// The bench holds the other end, until it ends in whatever way.
fn end_with_input() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        #[expect(clippy::exit, reason = "nothing is left to be done for nobody")]
        std::process::exit(0);
    });
}

pub(crate) fn unix_micros() -> anyhow::Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "the one clock that two processes share")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(now.as_micros())?)
}

/// One line, at once. Nobody listens when the bench has ended.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
