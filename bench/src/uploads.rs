//! Many large uploads at once: what they cost the server in memory, and whoever else asks it something in time.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::Cli;
use crate::ladder::text;
use crate::platform::{Effort, Part, Platform};
use crate::run::{progress, report, run};

/// Between two questions to the server.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn bench(cli: &Cli, clients: u32, megabytes: u64) -> anyhow::Result<()> {
    let needed = u64::from(clients) * megabytes + 1024;
    let free = free_megabytes(&cli.scratch)?;
    ensure!(free > needed, "{needed} MB are needed in `{}`, and {free} MB are free", cli.scratch.display());
    let file = cli.scratch.join("large.mp4");
    make(&file, megabytes << 20)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let platform = runtime.block_on(Platform::start(
        &cli.cutetube,
        &cli.scratch,
        None,
        &[Part::Web],
        Effort::default(),
    ))?;
    let idle = ask_for(&platform, Duration::from_secs(5))?;
    let resting = platform.status_kilobytes("VmRSS")? >> 10;
    progress(&format!("idle: {resting} MB, p99 {:.1} ms", percentile(&idle, 99)));

    let over = AtomicBool::new(false);
    let start = Instant::now();
    let (uploads, latencies) = std::thread::scope(|scope| {
        let uploads: Vec<_> = (0..clients)
            .map(|n| {
                scope.spawn({
                    let (platform, file) = (&platform, &file);
                    move || platform.upload(file, &format!("user{n}"))
                })
            })
            .collect();
        let asking = scope.spawn(|| ask_until(&platform, || over.load(Ordering::Relaxed)));
        let uploads: Vec<_> = uploads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        (uploads, asking.join())
    });
    let seconds = start.elapsed().as_secs_f64();
    for upload in uploads {
        upload.map_err(|_| anyhow::anyhow!("a client panicked"))??;
    }
    let latencies = latencies.map_err(|_| anyhow::anyhow!("asking panicked"))??;
    let peak = platform.status_kilobytes("VmHWM")? >> 10;
    report(&format!(
        "{clients} clients upload {megabytes} MB each at once, {seconds:.0} s in all, {} questions:\n\n\
         | | idle | while uploads come | to hold |\n| --- | --- | --- | --- |\n\
         | memory of the server, at most | {resting} MB | {peak} MB | < 300 MB |\n\
         | `GET /healthz`, p50 | {:.1} ms | {:.1} ms | |\n\
         | p99 | {:.1} ms | {:.1} ms | < 50 ms |\n\
         | longest | {:.1} ms | {:.1} ms | |",
        latencies.len(),
        percentile(&idle, 50),
        percentile(&latencies, 50),
        percentile(&idle, 99),
        percentile(&latencies, 99),
        percentile(&idle, 100),
        percentile(&latencies, 100),
    ));
    Ok(())
}

/// A short video, and behind it a box that nobody reads: the file takes no room on the disk.
fn make(path: &Path, len: u64) -> anyhow::Result<()> {
    let picture = "testsrc2=size=320x180:rate=25:duration=1";
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast"];
    run(
        "ffmpeg",
        &[&["-v", "error", "-y", "-f", "lavfi", "-i", picture], &x264[..], &[text(path)]].concat(),
    )?;
    let mut file = OpenOptions::new().append(true).open(path)?;
    let padding = len - file.metadata()?.len();
    // ISO/IEC 14496-12 §4.2.2: a size of 1 is followed by one of 64 bits.
    file.write_all(&[&1_u32.to_be_bytes()[..], b"free", &padding.to_be_bytes()].concat())?;
    Ok(file.set_len(len)?)
}

fn ask_for(platform: &Platform, time: Duration) -> anyhow::Result<Vec<f64>> {
    let start = Instant::now();
    ask_until(platform, || start.elapsed() > time)
}

/// Milliseconds that the server takes to say that it lives, sorted.
fn ask_until(platform: &Platform, is_over: impl Fn() -> bool) -> anyhow::Result<Vec<f64>> {
    let address = platform.url().strip_prefix("http://").context("a URL of HTTP")?;
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut latencies = Vec::new();
    let mut answer = [0; 4096];
    while !is_over() {
        let start = Instant::now();
        connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")?;
        let len = connection.read(&mut answer)?;
        let said = answer.get(..len).unwrap_or_default();
        if !said.starts_with(b"HTTP/1.1 200") || !said.ends_with(b"ok\n") {
            bail!("the server says {}", String::from_utf8_lossy(said));
        }
        latencies.push(start.elapsed().as_secs_f64() * 1e3);
        #[expect(clippy::disallowed_methods, reason = "questions come at a pace")]
        std::thread::sleep(PAUSE);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}

/// Of sorted values.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let last = values.len().saturating_sub(1);
    values.get((values.len() * percent / 100).min(last)).copied().unwrap_or(f64::NAN)
}

fn free_megabytes(folder: &Path) -> anyhow::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize) >> 20)
}
