//! Who comes when, and what a long past and a long queue cost.

use std::time::{Duration, Instant};

use jobs::WorkerId;
use serde_json::json;

use super::process::{ask, new_job, open};
use super::{Place, milliseconds, ours, percentile};
use crate::run::progress;

const PAST: usize = 1_000_000;
const WAITING: usize = 200_000;
const AT_ONCE: usize = 50_000;

pub(super) async fn table(places: &[Place]) -> anyhow::Result<String> {
    let mut lines = vec![
        "| | position of user 2's last job | with a million ended and 200,000 ready: worked off /s | urgent start p50 ms |"
            .to_owned(),
        "| --- | --- | --- | --- |".to_owned(),
    ];
    for place in places {
        let position = position(place).await?;
        progress(&format!("{}: user 2 ends at position {position}", place.name()));
        let (per_second, urgent) = long_queue(place).await?;
        progress(&format!("{}: {per_second:.0} /s, urgent p50 {} ms", place.name(), milliseconds(urgent)));
        lines.push(format!("| {} | {position} | {per_second:.0} | {} |", place.name(), milliseconds(urgent)));
    }
    lines.push(
        "\nUser 1 has 1,000 jobs; when 167 of them have been taken, user 2 comes with 50. By turns the last of these \
         is at position 267, first come first served at 1,050."
            .to_owned(),
    );
    Ok(lines.join("\n") + "\n")
}

async fn position(place: &Place) -> anyhow::Result<usize> {
    let home = place.database();
    let db = open(home.url()).await?;
    let worker = WorkerId("w".to_owned());
    let mut order = Vec::new();
    for (owner, count, then_taken) in [("user 1", 1000, 167), ("user 2", 50, 1050)] {
        let mut tx = db.begin().await?;
        jobs::enqueue_all(&mut tx, (0..count).map(|_| new_job("k", &json!({})).owner(owner)).collect())
            .await?;
        tx.commit().await?;
        order.extend(jobs::claim(&db, &ask(&worker, then_taken)).await?.into_iter().map(|job| job.owner));
    }
    Ok(order.iter().rposition(|owner| owner == "user 2").map_or(0, |index| index + 1))
}

async fn long_queue(place: &Place) -> anyhow::Result<(f64, Duration)> {
    const DRAINED: usize = 4000;
    const PROCESSES: usize = 4;
    const TICKS: usize = 100;
    let home = place.database();
    let url = home.url();
    let db = open(url).await?;
    for (count, is_past) in [(PAST, true), (WAITING, false)] {
        for first in (0..count).step_by(AT_ONCE) {
            let mut tx = db.begin().await?;
            let job = |number: usize| {
                let owner = format!("user {}", number % 20);
                new_job("encode", &json!({ "number": number })).owner(owner).group("all")
            };
            jobs::enqueue_all(&mut tx, (first..first + AT_ONCE).map(job).collect()).await?;
            if is_past {
                // What was cancelled is kept like what is done.
                jobs::cancel_group(&mut tx, "all").await?;
            }
            tx.commit().await?;
        }
    }
    // The past is of a minute instead of months: a million dead entries at the head of the line, which every claim would
    // step over, are what no server keeps that long.
    if let Place::Postgres(server) = place {
        server.vacuum();
    }
    let program = ours()?;
    let drain = ["drain", url, "4", &(DRAINED / PROCESSES).to_string()];
    let mut workers: Vec<_> = (0..PROCESSES).map(|_| program.start(&drain)).collect::<anyhow::Result<_>>()?;
    workers.iter().try_for_each(super::process::Process::ready)?;
    let start = Instant::now();
    workers.iter_mut().try_for_each(super::process::Process::go)?;
    workers.iter_mut().try_for_each(super::process::Process::join)?;
    let per_second = f64::from(u32::try_from(DRAINED)?) / start.elapsed().as_secs_f64();

    let mut watcher = program.start(&["watch", url, &TICKS.to_string(), "9"])?;
    watcher.ready()?;
    program.run(&["tick", url, &TICKS.to_string(), "20", "9"])?;
    watcher.join()?;
    let latencies = watcher.lines.iter().map(|line| Ok(Duration::from_micros(line.parse()?)));
    let mut latencies: Vec<Duration> = latencies.collect::<anyhow::Result<_>>()?;
    latencies.sort_unstable();
    db.close().await;
    Ok((per_second, percentile(&latencies, 50)))
}
