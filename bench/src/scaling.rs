//! One video, and more and more workers.

use std::path::Path;

use testbed::PgServer;

use crate::Cli;
use crate::ladder::make_clip;
use crate::platform::{Effort, Part, Platform};
use crate::run::{median, progress, report};

/// What encodes the video.
struct Contestant {
    name: &'static str,
    parts: &'static [Part],
    effort: Effort,
    /// On PostgreSQL, as processes on several machines are.
    many: bool,
}

const ONE_THREAD: Effort = Effort { slots: Some(1), threads: Some(1) };

const CONTESTANTS: [Contestant; 5] = [
    Contestant {
        name: "one process, as installed",
        parts: &[Part::All],
        effort: Effort { slots: None, threads: None },
        many: false,
    },
    Contestant {
        name: "two workers with one slot",
        parts: &[Part::Web, Part::Worker, Part::Worker],
        effort: Effort { slots: Some(1), threads: None },
        many: true,
    },
    Contestant {
        name: "1 worker with one thread",
        parts: &[Part::Web, Part::Worker],
        effort: ONE_THREAD,
        many: true,
    },
    Contestant {
        name: "2 workers with one thread",
        parts: &[Part::Web, Part::Worker, Part::Worker],
        effort: ONE_THREAD,
        many: true,
    },
    Contestant {
        name: "4 workers with one thread",
        parts: &[Part::Web, Part::Worker, Part::Worker, Part::Worker, Part::Worker],
        effort: ONE_THREAD,
        many: true,
    },
];

pub(crate) fn bench(cli: &Cli, seconds: u32) -> anyhow::Result<()> {
    let clip = cli.scratch.join("clip.mp4");
    make_clip(cli, &clip, seconds)?;
    let postgres = PgServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut times = vec![Vec::new(); CONTESTANTS.len()];
    for round in 1..=cli.rounds {
        for (contestant, times) in CONTESTANTS.iter().zip(&mut times) {
            let time = runtime.block_on(time(cli, contestant, &postgres, &clip))?;
            progress(&format!("round {round}: {:28} {time:6.2} s", contestant.name));
            times.push(time);
        }
    }
    report(&format!(
        "{seconds} s of 1080p30, from the upload to ready, {} rounds in turn, medians:\n",
        cli.rounds
    ));
    report("| contestant | s | ÷ one process | times one worker with one thread |");
    report("| --- | --- | --- | --- |");
    for (contestant, own) in CONTESTANTS.iter().zip(&times) {
        let ratio = |to: &Vec<f64>| median(own.iter().zip(to).map(|(own, to)| own / to));
        let [installed, _, single, ..] = times.as_slice() else { return Ok(()) };
        let speed = 1.0 / ratio(single);
        let seconds = median(own.iter().copied());
        report(&format!("| {} | {seconds:.1} | {:.2} | {speed:.2} |", contestant.name, ratio(installed)));
    }
    Ok(())
}

async fn time(cli: &Cli, contestant: &Contestant, postgres: &PgServer, clip: &Path) -> anyhow::Result<f64> {
    let postgres = contestant.many.then_some(postgres);
    let Contestant { parts, effort, .. } = contestant;
    let platform = Platform::start(&cli.cutetube, &cli.scratch, postgres, parts, *effort).await?;
    let video = platform.upload(clip, "ada")?;
    platform.seconds_until_ready(video).await
}
