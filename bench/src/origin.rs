//! Our origin beside nginx's static files: the same bytes, on the same machine, in the same rounds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use testbed::Nginx;

use crate::Cli;
use crate::ladder::text;
use crate::platform::Platform;
use crate::run::{median, progress, report, run, run_with};

/// What is asked for: a name below a published revision, and its length in bytes; `None` for what the platform has made.
const OBJECTS: [(&str, &str, Option<usize>); 3] = [
    ("manifest", "mp4/manifest.mpd", None),
    ("250 KB segment", "360p/1001.m4s", Some(250_000)),
    ("1.2 MB segment", "360p/1002.m4s", Some(1_200_000)),
];
const CONNECTIONS: [u32; 2] = [32, 512];
/// Connections that are opened to see what an idle one costs.
const IDLE: usize = 2000;

/// What `wrk` has measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) requests_per_second: f64,
    megabytes_per_second: f64,
    pub(crate) p99_ms: f64,
}

pub(crate) fn bench(cli: &Cli, seconds: u32) -> anyhow::Result<()> {
    let clip = cli.scratch.join("clip.mp4");
    let sizes = "testsrc2=size=640x360:rate=25:duration=20";
    run("ffmpeg", &["-v", "error", "-y", "-f", "lavfi", "-i", sizes, "-preset", "ultrafast", text(&clip)])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (platform, below) = Platform::playing(cli, &runtime, &clip)?;
    let blobs = platform.blobs();
    for (_, name, len) in OBJECTS {
        let file = blobs.join(&below).join(name);
        if let Some(len) = len {
            std::fs::write(&file, noise(len))?;
        }
        progress(&format!("{name}: {} bytes", std::fs::metadata(&file)?.len()));
    }
    let nginx = Nginx::start(&static_files(&blobs));

    let contestants = [("nginx", nginx.url()), ("`cutetube serve`", platform.url().to_owned())];
    report(&format!("{seconds} s each, {} rounds in turn, medians:\n", cli.rounds));
    report("| what | connections | contestant | requests /s | MB/s | p99 ms | ÷ nginx: requests | p99 |");
    report("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (what, name, _) in OBJECTS {
        for connections in CONNECTIONS {
            let mut loads = [Vec::new(), Vec::new()];
            for round in 0..=cli.rounds {
                for ((contestant, url), loads) in contestants.iter().zip(&mut loads) {
                    let load = wrk(&format!("{url}/{below}/{name}"), connections, seconds)?;
                    progress(&format!("round {round}: {what}, {connections}, {contestant}: {load:?}"));
                    // The first round fills caches.
                    if round > 0 || cli.rounds == 0 {
                        loads.push(load);
                    }
                }
            }
            let of = |loads: &[Load], value: fn(&Load) -> f64| median(loads.iter().map(value));
            let [theirs, ours] = &loads;
            let ratio = |value: fn(&Load) -> f64| {
                median(ours.iter().zip(theirs).map(|(ours, theirs)| value(ours) / value(theirs)))
            };
            for ((contestant, _), loads) in contestants.iter().zip(&loads) {
                let beside = match *contestant {
                    "nginx" => " | ".to_owned(),
                    _ => format!(
                        "{:.2} | {:.2}",
                        ratio(|load| load.requests_per_second),
                        ratio(|load| load.p99_ms)
                    ),
                };
                report(&format!(
                    "| {what} | {connections} | {contestant} | {:.0} | {:.0} | {:.1} | {beside} |",
                    of(loads, |load| load.requests_per_second),
                    of(loads, |load| load.megabytes_per_second),
                    of(loads, |load| load.p99_ms),
                ));
            }
        }
    }
    report(&format!(
        "\nAn idle connection costs {:.1} KB of the server's memory.",
        idle_kilobytes(&platform)?
    ));
    Ok(())
}

/// nginx as one would tune it to send files.
fn static_files(blobs: &Path) -> String {
    format!(
        "sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=1000 inactive=60s;
         server {{ listen 127.0.0.1:{{port}} backlog=1024; root {}; }}",
        blobs.display()
    )
}

/// Bytes that nothing can compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(len).collect()
}

pub(crate) fn wrk(url: &str, connections: u32, seconds: u32) -> anyhow::Result<Load> {
    let (connections, seconds) = (connections.to_string(), format!("{seconds}s"));
    let args = ["-t", "1", "-c", &connections, "-d", &seconds, "--timeout", "10s", "--latency", url];
    let said = run_with(Path::new("wrk"), &args, &[])?;
    ensure!(!said.contains("Non-2xx"), "{url}: {said}");
    read_load(&said).with_context(|| format!("`wrk` says something else: {said}"))
}

fn read_load(said: &str) -> Option<Load> {
    let field = |name: &str| Some(said.lines().find_map(|line| line.trim().strip_prefix(name))?.trim());
    Some(Load {
        requests_per_second: field("Requests/sec:")?.parse().ok()?,
        megabytes_per_second: with_unit(
            field("Transfer/sec:")?,
            &[("GB", 1e3), ("MB", 1.0), ("KB", 1e-3), ("B", 1e-6)],
        )?,
        p99_ms: with_unit(field("99%")?, &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)])?,
    })
}

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    units.iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

/// What each of many connections adds that have asked once and wait.
fn idle_kilobytes(platform: &Platform) -> anyhow::Result<f64> {
    let address = platform.url().strip_prefix("http://").context("a URL of HTTP")?;
    let before = platform.status_kilobytes("VmRSS")?;
    let mut open = Vec::new();
    for _ in 0..IDLE {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")?;
        ensure!(connection.read(&mut [0; 4096])? > 0, "the server hung up");
        open.push(connection);
    }
    let after = platform.status_kilobytes("VmRSS")?;
    Ok(after.saturating_sub(before) as f64 / open.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let said = "Running 5s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n  Latency Distribution\n     50%  301.00us\n     \
                    99%    1.20ms\n  500000 requests in 5.00s, 1.00GB read\nRequests/sec:  99900.50\nTransfer/sec:      1.50GB\n";
        let load = read_load(said).unwrap();
        assert_eq!(
            (load.requests_per_second, load.megabytes_per_second, load.p99_ms),
            (99900.5, 1500.0, 1.2)
        );
        assert_eq!(with_unit("2.00s", &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)]), Some(2000.0));
    }
}
