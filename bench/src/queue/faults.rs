//! What becomes of jobs whose workers are killed, frozen or poisoned. Leases are those of the program, so this takes
//! minutes, most of which are waiting: all of it happens at once, each in a database of its own.

use std::process::Child;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use db::Db;
use jobs::NewJob;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use testbed::Database;

use super::process::{LEASE, Program, new_job, open};
use super::{Place, ours};
use crate::run::progress;

const PATIENCE: Duration = Duration::from_secs(240);
const HOUR_MS: u64 = 3_600_000;

/// What is asked, and who finds the answer.
const TRIALS: &[(&str, Trial)] = &[
    ("a worker is killed: its job runs elsewhere after", takeover),
    ("a job that kills its worker, three attempts", poison),
    ("a job that always fails, four failures", hopeless),
    ("five kills during 200 chunks", kills),
    ("a worker frozen beyond its lease, then woken", freeze),
];

type Trial = fn(&mut Crew) -> anyhow::Result<String>;

pub(super) async fn table(places: &[Place]) -> anyhow::Result<String> {
    let program = ours()?;
    let mut trials = Vec::new();
    for (name, trial) in TRIALS {
        for place in places {
            let mut crew = Crew::new(place, program.clone()).await?;
            let place = place.name();
            trials.push(thread::spawn(move || {
                let answer = trial(&mut crew).unwrap_or_else(|error| format!("**{error:#}**"));
                progress(&format!("{place}: {name}: {answer}"));
                answer
            }));
        }
    }
    let answers: Vec<String> = trials
        .into_iter()
        .map(|trial| trial.join().unwrap_or_else(|_| "**it panicked**".to_owned()))
        .collect();
    let mut lines =
        vec![format!("| fault | {} |", places.iter().map(Place::name).collect::<Vec<_>>().join(" | "))];
    lines.push(format!("| --- |{}", " --- |".repeat(places.len())));
    for ((name, _), answers) in TRIALS.iter().zip(answers.chunks(places.len())) {
        lines.push(format!("| {name} | {} |", answers.join(" | ")));
    }
    lines.push(format!("\nLeases of {} s, heartbeats and reaping every 4 s.", LEASE.as_secs()));
    Ok(lines.join("\n") + "\n")
}

/// Workers on one database, and what they say.
struct Crew {
    home: Database,
    program: Program,
    runtime: tokio::runtime::Handle,
    db: Db,
    workers: Vec<Child>,
    say: mpsc::Sender<(usize, Instant, String)>,
    said: mpsc::Receiver<(usize, Instant, String)>,
}

/// A job began.
struct Start {
    worker: usize,
    at: Instant,
    kind: String,
}

impl Crew {
    async fn new(place: &Place, program: Program) -> anyhow::Result<Self> {
        let home = place.database();
        let db = open(home.url()).await?;
        let (say, said) = mpsc::channel();
        let runtime = tokio::runtime::Handle::current();
        Ok(Self { home, program, runtime, db, workers: Vec::new(), say, said })
    }

    /// Another worker, who is ready when this returns.
    fn hire(&mut self, slots: usize) -> anyhow::Result<()> {
        let (number, say) = (self.workers.len(), self.say.clone());
        let (ready, is_ready) = mpsc::channel();
        let hear = move |line: String| {
            // Whoever stops listening has seen enough.
            let _ = if line == "ready" {
                ready.send(()).ok()
            } else {
                say.send((number, Instant::now(), line)).ok()
            };
        };
        let arguments = ["work", self.home.url(), &slots.to_string()];
        self.workers.push(self.program.start_into(&arguments, hear)?);
        is_ready.recv_timeout(PATIENCE).context("a worker is not ready")
    }

    fn signal(&self, worker: usize, signal: Signal) -> anyhow::Result<()> {
        let id = self.workers.get(worker).context("nobody has this number")?.id();
        Ok(kill(Pid::from_raw(i32::try_from(id)?), signal)?)
    }

    fn enqueue(&self, jobs: Vec<NewJob>) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let mut tx = self.db.begin().await?;
            jobs::enqueue_all(&mut tx, jobs).await?;
            Ok(tx.commit().await?)
        })
    }

    /// The next thing that is said, by whom and when.
    fn hear(&self) -> anyhow::Result<(usize, Instant, String)> {
        self.said.recv_timeout(PATIENCE).context("nothing happens any more")
    }

    fn next_start(&self) -> anyhow::Result<Start> {
        loop {
            let (worker, at, line) = self.hear()?;
            if let Some(kind) = line.strip_prefix("start ").and_then(|rest| rest.split(' ').next()) {
                return Ok(Start { worker, at, kind: kind.to_owned() });
            }
        }
    }

    fn unfinished(&self) -> anyhow::Result<u64> {
        Ok(self.runtime.block_on(jobs::unfinished(&self.db))?)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // It may have ended already, which is all that is wanted.
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

fn takeover(crew: &mut Crew) -> anyhow::Result<String> {
    crew.hire(1)?;
    crew.hire(1)?;
    crew.enqueue(vec![new_job("long", &json!({ "ms": HOUR_MS }))])?;
    let first = crew.next_start()?;
    crew.signal(first.worker, Signal::SIGKILL)?;
    let killed = Instant::now();
    let second = crew.next_start()?;
    anyhow::ensure!(second.worker != first.worker, "a dead worker works");
    Ok(format!("{:.1} s", (second.at - killed).as_secs_f64()))
}

fn poison(crew: &mut Crew) -> anyhow::Result<String> {
    crew.enqueue(vec![new_job("poison", &json!({})).max_attempts(3)])?;
    for _ in 0..5 {
        crew.hire(1)?;
    }
    let mut runs = 0;
    while crew.unfinished()? > 0 {
        if let Ok((_, _, line)) = crew.said.recv_timeout(Duration::from_millis(500))
            && line.starts_with("start poison")
        {
            runs += 1;
        }
    }
    Ok(format!("{runs} runs, then dead"))
}

fn hopeless(crew: &mut Crew) -> anyhow::Result<String> {
    crew.enqueue(vec![new_job("hopeless", &json!({})).max_failures(4)])?;
    crew.hire(1)?;
    let (mut begun, mut times) = (None, Vec::new());
    loop {
        let (_, at, line) = crew.hear()?;
        let begun = *begun.get_or_insert(at);
        if line.starts_with("start ") {
            times.push(format!("{:.1}", (at - begun).as_secs_f64()));
        } else if line.ends_with(" dead") {
            return Ok(format!("at {} s, then dead", times.join(" / ")));
        }
    }
}

fn kills(crew: &mut Crew) -> anyhow::Result<String> {
    const CHUNKS: u64 = 200;
    const SLOTS: usize = 4;
    crew.runtime.block_on(async {
        let mut tx = crew.db.begin().await?;
        jobs::counter::start(&mut tx, "chunks", "video", CHUNKS).await?;
        let chunk = json!({ "ms": 300, "counter": "chunks" });
        jobs::enqueue_all(&mut tx, (0..CHUNKS).map(|_| new_job("chunk", &chunk)).collect()).await?;
        anyhow::Ok(tx.commit().await?)
    })?;
    for _ in 0..4 {
        crew.hire(SLOTS)?;
    }
    let (mut chunks, mut finalises) = (0, 0);
    while crew.unfinished()? > 0 {
        let Ok((worker, _, line)) = crew.said.recv_timeout(Duration::from_millis(500)) else { continue };
        if line.starts_with("start chunk") {
            chunks += 1;
            if chunks % 30 == 0 && chunks <= 150 {
                crew.signal(worker, Signal::SIGKILL)?;
                crew.hire(SLOTS)?;
            }
        } else if line.starts_with("start finalise") {
            finalises += 1;
        }
    }
    Ok(format!("{chunks} starts, {finalises} finalise"))
}

fn freeze(crew: &mut Crew) -> anyhow::Result<String> {
    crew.runtime.block_on(async {
        let mut tx = crew.db.begin().await?;
        jobs::counter::start(&mut tx, "one", "video", 1).await?;
        let chunk = json!({ "ms": 3000, "counter": "one" });
        jobs::enqueue(&mut tx, new_job("chunk", &chunk)).await?;
        anyhow::Ok(tx.commit().await?)
    })?;
    crew.hire(1)?;
    crew.hire(1)?;
    let frozen = crew.next_start()?.worker;
    crew.signal(frozen, Signal::SIGSTOP)?;
    let mut finalises = 0;
    loop {
        let start = crew.next_start()?;
        if start.kind == "finalise" {
            finalises += 1;
            break;
        }
    }
    crew.signal(frozen, Signal::SIGCONT)?;
    // Its sleep is over; it ends its job, or hears at once that it is not its own.
    loop {
        let (worker, _, line) = crew.hear()?;
        finalises += u32::from(line.starts_with("start finalise"));
        if worker == frozen && line.starts_with("end ") {
            anyhow::ensure!(!line.ends_with(" done"), "the late result was accepted");
            return Ok(format!("late result refused, {finalises} finalise"));
        }
    }
}
