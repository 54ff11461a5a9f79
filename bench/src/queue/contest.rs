//! Latency, bulk enqueue and drain: contestants in turn, each in a database of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use super::process::Program;
use super::{Place, milliseconds, ours, percentile};
use crate::run::{median, progress};

const TICKS: usize = 100;
const BULK: usize = 2000;
const DRAINED: usize = 4000;
const PROCESSES: usize = 4;
const SLOTS: usize = 4;

struct Contestant<'a> {
    program: Program,
    place: &'a Place,
    rounds: Vec<Round>,
}

/// What one round of one contestant gave.
#[derive(Clone, Copy)]
struct Round {
    p50: Duration,
    p99: Duration,
    bulk_per_second: f64,
    drained_per_second: f64,
}

pub(super) async fn table(rounds: usize, places: &[Place], peers: Option<&Path>) -> anyhow::Result<String> {
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for place in places {
        contestants.push(Contestant { program: ours()?, place, rounds: Vec::new() });
        if let (Some(path), Place::Postgres(_)) = (peers, place) {
            let program =
                Program { name: "graphile_worker 0.14", path: path.to_owned(), arguments: vec!["graphile"] };
            contestants.push(Contestant { program, place, rounds: Vec::new() });
        }
    }
    // One round to warm up.
    for round in 0..=rounds {
        for contestant in &mut contestants {
            let result = measure(&contestant.program, contestant.place)?;
            progress(&format!(
                "round {round}: {:22} {:10} p50 {:>6} ms  p99 {:>6} ms  bulk {:>7.0} /s  drain {:>6.0} /s",
                contestant.program.name,
                contestant.place.name(),
                milliseconds(result.p50),
                milliseconds(result.p99),
                result.bulk_per_second,
                result.drained_per_second,
            ));
            if round > 0 {
                contestant.rounds.push(result);
            }
        }
    }
    Ok(shown(&contestants))
}

fn measure(program: &Program, place: &Place) -> anyhow::Result<Round> {
    let home = place.database();
    let url = home.url();
    program.run(&["prepare", url])?;
    let mut watcher = program.start(&["watch", url, &TICKS.to_string(), "0"])?;
    watcher.ready()?;
    program.run(&["tick", url, &TICKS.to_string(), "20", "0"])?;
    watcher.join()?;
    let mut latencies: Vec<Duration> = watcher
        .lines
        .iter()
        .map(|line| Ok(Duration::from_micros(line.parse()?)))
        .collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(latencies.len() == TICKS, "{} of {TICKS} jobs were seen", latencies.len());
    latencies.sort_unstable();

    let home = place.database();
    let url = home.url();
    program.run(&["prepare", url])?;
    let bulk: f64 = program.run(&["fill", url, &BULK.to_string()])?.parse()?;
    program.run(&["fill", url, &(DRAINED - BULK).to_string()])?;
    let drain = ["drain", url, &SLOTS.to_string(), &DRAINED.to_string()];
    let mut workers: Vec<_> = (0..PROCESSES).map(|_| program.start(&drain)).collect::<anyhow::Result<_>>()?;
    workers.iter().try_for_each(super::process::Process::ready)?;
    let start = Instant::now();
    workers.iter_mut().try_for_each(super::process::Process::go)?;
    workers.iter_mut().try_for_each(super::process::Process::join)?;
    let drained = start.elapsed();
    Ok(Round {
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
        bulk_per_second: f64::from(u32::try_from(BULK)?) / bulk * 1e6,
        drained_per_second: f64::from(u32::try_from(DRAINED)?) / drained.as_secs_f64(),
    })
}

fn shown(contestants: &[Contestant<'_>]) -> String {
    let mut lines = vec![
        format!(
            "Enqueue to start in another process; {BULK} jobs enqueued at once; {DRAINED} jobs worked off by \
             {PROCESSES} processes with {SLOTS} slots; {} rounds in turn, medians:\n",
            contestants.first().map_or(0, |contestant| contestant.rounds.len())
        ),
        "| contestant | start p50 ms | p99 ms | enqueued /s | worked off /s |".to_owned(),
        "| --- | --- | --- | --- | --- |".to_owned(),
    ];
    for contestant in contestants {
        let of = |value: fn(&Round) -> f64| median(contestant.rounds.iter().map(value));
        lines.push(format!(
            "| {}, {} | {:.1} | {:.1} | {:.0} | {:.0} |",
            contestant.program.name,
            contestant.place.name(),
            of(|round| round.p50.as_secs_f64() * 1e3),
            of(|round| round.p99.as_secs_f64() * 1e3),
            of(|round| round.bulk_per_second),
            of(|round| round.drained_per_second),
        ));
    }
    let on_postgres = |contestant: &&Contestant<'_>| matches!(contestant.place, Place::Postgres(_));
    if let [ours, peer] = &contestants.iter().filter(on_postgres).collect::<Vec<_>>()[..] {
        let ratio = |value: fn(&Round) -> f64| {
            median(ours.rounds.iter().zip(&peer.rounds).map(|(ours, peer)| value(ours) / value(peer)))
        };
        lines.push(format!(
            "\nOurs ÷ the peer's, both on PostgreSQL, median over the rounds: start p50 {:.2}, p99 {:.2}, enqueued \
             {:.2}, worked off {:.2}.",
            ratio(|round| round.p50.as_secs_f64()),
            ratio(|round| round.p99.as_secs_f64()),
            ratio(|round| round.bulk_per_second),
            ratio(|round| round.drained_per_second),
        ));
    }
    lines.join("\n") + "\n"
}
