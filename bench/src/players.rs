//! Many players at once: each walks the manifests of a real video, chooses rungs by the speed it sees, fetches a segment
//! when its buffer has room for it, and notes when the buffer runs dry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acceptance::manifests::{self, Told, ToldKind, ToldTrack};
use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Cli;
use crate::ladder::make_clip;
use crate::platform::Platform;
use crate::run::{median, progress, report};

/// Media that a player fetches ahead, in seconds; what Shaka Player and hls.js have by default is of this size.
const BUFFER: f64 = 30.0;
/// Players do not all come at once.
const ARRIVAL: Duration = Duration::from_secs(10);
/// Part of the speed it sees that a player trusts.
const TRUST: f64 = 0.8;

/// What is common to all players.
struct Show {
    address: String,
    /// What their paths begin with.
    below: String,
    dash: Told,
    hls: Told,
}

/// What one player has seen.
#[derive(Debug, Default)]
struct Seen {
    startup_seconds: f64,
    stalls: u32,
    stalled_seconds: f64,
    bytes: u64,
    requests: u32,
    /// Segments of each rung.
    rungs: BTreeMap<String, u32>,
}

pub(crate) fn bench(cli: &Cli, players: u32, seconds: u32) -> anyhow::Result<()> {
    let clip = cli.scratch.join("clip.mp4");
    make_clip(cli, &clip, 60)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (platform, below) = Platform::playing(cli, &runtime, &clip)?;
    let made = platform.blobs().join(&below);
    let show = Arc::new(Show {
        address: platform.url().strip_prefix("http://").context("a URL of HTTP")?.to_owned(),
        below: format!("/{below}"),
        dash: manifests::dash(&made, "mp4/manifest.mpd")?,
        hls: manifests::hls(&made, "master.m3u8")?,
    });

    progress(&format!("{players} players for {seconds} s"));
    let is_over = AtomicBool::new(false);
    let (outcomes, memory) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch_memory(&platform, &is_over));
        let outcomes = runtime.block_on(play_all(&show, players, Duration::from_secs(seconds.into())));
        is_over.store(true, Ordering::Relaxed);
        (outcomes, watching.join())
    });
    let memory = memory.map_err(|_| anyhow::anyhow!("watching panicked"))??;
    tell(&outcomes, &memory, seconds);
    Ok(())
}

async fn play_all(show: &Arc<Show>, players: u32, time: Duration) -> Vec<anyhow::Result<Seen>> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for player in 0..players {
        let show = show.clone();
        let joins = begin + ARRIVAL * player / players;
        tasks.spawn(async move {
            sleep_until(joins).await;
            Player::new(&show, player).await?.play(begin + time).await
        });
    }
    tasks.join_all().await
}

/// Megabytes of the server, each second.
fn watch_memory(platform: &Platform, is_over: &AtomicBool) -> anyhow::Result<Vec<u64>> {
    let mut seen = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        seen.push(platform.status_kilobytes("VmRSS")? >> 10);
        #[expect(clippy::disallowed_methods, reason = "the memory is looked at once a second")]
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(seen)
}

fn tell(outcomes: &[anyhow::Result<Seen>], memory: &[u64], seconds: u32) {
    let errors: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    for error in errors.iter().take(5) {
        progress(&format!("{error:#}"));
    }
    let seen: Vec<_> = outcomes.iter().flatten().collect();
    let sum = |value: fn(&Seen) -> f64| seen.iter().map(|seen| value(seen)).sum::<f64>();
    let mut startups: Vec<f64> = seen.iter().map(|seen| seen.startup_seconds * 1e3).collect();
    startups.sort_by(f64::total_cmp);
    let mut rungs: BTreeMap<&str, u32> = BTreeMap::new();
    for (rung, segments) in seen.iter().flat_map(|seen| &seen.rungs) {
        *rungs.entry(rung).or_default() += segments;
    }
    let settled = memory.get(memory.len() / 4).copied().unwrap_or_default();
    let p99 = startups.get(startups.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    report(&format!("{} players for {seconds} s, half of them DASH and half HLS:\n", outcomes.len()));
    report("| what | seen | to hold |");
    report("| --- | --- | --- |");
    report(&format!("| players that ended with an error | {} | 0 |", errors.len()));
    report(&format!(
        "| times that a buffer ran dry | {:.0}, {:.1} s in all | 0 |",
        sum(|seen| seen.stalls.into()),
        sum(|seen| seen.stalled_seconds)
    ));
    report(&format!(
        "| start until the first segments are there, p50 / p99 | {:.0} / {p99:.0} ms | |",
        median(startups.iter().copied())
    ));
    report(&format!(
        "| requests and megabytes, each second | {:.0} and {:.0} | |",
        sum(|seen| seen.requests.into()) / f64::from(seconds),
        sum(|seen| seen.bytes as f64) / 1e6 / f64::from(seconds)
    ));
    let rungs: Vec<_> = rungs.iter().map(|(rung, segments)| format!("{rung} {segments}")).collect();
    report(&format!("| segments of each rung | {} | |", rungs.join(", ")));
    report(&format!(
        "| memory of the server after a quarter of the time, at the end, at most | {settled} / {} / {} MB | flat |",
        memory.last().copied().unwrap_or_default(),
        memory.iter().max().copied().unwrap_or_default()
    ));
}

struct Player<'a> {
    show: &'a Show,
    told: &'a Told,
    connection: SendRequest<Empty<Bytes>>,
    /// Bits per second.
    speed: f64,
    seen: Seen,
}

impl<'a> Player<'a> {
    /// Connects, and fetches the manifests of the one or the other protocol.
    async fn new(show: &'a Show, number: u32) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&show.address).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the connection.
        tokio::spawn(driver);
        let (told, manifest) = match number % 2 {
            0 => (&show.dash, "mp4/manifest.mpd"),
            _ => (&show.hls, "master.m3u8"),
        };
        let mut player = Self { show, told, connection, speed: 0.0, seen: Seen::default() };
        player.fetch(manifest).await?;
        if manifest.ends_with(".m3u8") {
            for track in &told.tracks {
                player.fetch(&format!("{}.m3u8", track.id)).await?;
            }
        }
        Ok(player)
    }

    /// Plays from the beginning, and again, until `end`.
    async fn play(mut self, end: Instant) -> anyhow::Result<Seen> {
        let asked = Instant::now();
        let is_picture = |track: &&ToldTrack| matches!(track.kind, ToldKind::Video { .. });
        let mut rungs: Vec<_> = self.told.tracks.iter().filter(is_picture).collect();
        rungs.sort_by_key(|track| track.bandwidth);
        let sound: Vec<_> = self.told.tracks.iter().filter(|track| !is_picture(track)).take(1).collect();
        let lowest = *rungs.first().context("the video has pictures")?;
        let mut initialised: Vec<&str> = Vec::new();
        let mut clock: Option<Instant> = None;
        let mut buffered = 0.0;
        for number in 0.. {
            let index = number % lowest.segments.len();
            let affordable = |track: &&&ToldTrack| track.bandwidth as f64 <= self.speed * TRUST;
            let rung = rungs.iter().rfind(affordable).copied().unwrap_or(lowest);
            let duration = lowest.segments.get(index).context("a segment of the timeline")?.duration;
            for track in std::iter::once(rung).chain(sound.iter().copied()) {
                if !initialised.contains(&track.id.as_str()) {
                    self.fetch(&format!("{}/init.mp4", track.id)).await?;
                    initialised.push(&track.id);
                }
                // Sound may have fewer segments than pictures.
                if let Some(segment) = track.segments.get(index) {
                    let path = segment.path.to_str().context("a path in UTF-8")?.to_owned();
                    self.fetch(&path).await?;
                }
            }
            *self.seen.rungs.entry(rung.id.clone()).or_default() += 1;
            let now = Instant::now();
            let start = *clock.get_or_insert_with(|| {
                self.seen.startup_seconds = (now - asked).as_secs_f64();
                now
            });
            let dry = (now - start).as_secs_f64() - buffered;
            if dry > 0.0 && number > 0 {
                self.seen.stalls += 1;
                self.seen.stalled_seconds += dry;
                clock = Some(start + Duration::from_secs_f64(dry));
            }
            buffered += duration;
            let full = start + Duration::from_secs_f64((buffered - BUFFER).max(0.0));
            if full.max(now) >= end {
                sleep_until(end.max(now)).await;
                break;
            }
            sleep_until(full).await;
        }
        Ok(self.seen)
    }

    async fn fetch(&mut self, name: &str) -> anyhow::Result<()> {
        let start = Instant::now();
        let path = format!("{}/{name}", self.show.below);
        let request = hyper::Request::get(&path).header("host", &self.show.address).body(Empty::new())?;
        self.connection.ready().await?;
        let answer = self.connection.send_request(request).await?;
        ensure!(answer.status().is_success(), "`{path}` is answered with {}", answer.status());
        let mut body = answer.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        let seconds = start.elapsed().as_secs_f64().max(1e-6);
        if bytes > 16 << 10 {
            let speed = bytes as f64 * 8.0 / seconds;
            self.speed = if self.speed == 0.0 { speed } else { 0.7 * self.speed + 0.3 * speed };
        }
        self.seen.requests += 1;
        self.seen.bytes += bytes as u64;
        Ok(())
    }
}
