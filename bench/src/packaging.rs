//! Packaging a ready ladder: megabytes of media per CPU-second.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::Cli;
use crate::run::{Contestant, median, progress, report, rounds, run};

/// Height and bit rate (kbit/s) of the input's rungs.
const RUNGS: [(u32, u32); 4] = [(1080, 6000), (720, 3000), (480, 1400), (360, 700)];
const SECONDS: u32 = 20;

pub(crate) fn bench(cli: &Cli, shaka: Option<&Path>, megabytes: u64) -> anyhow::Result<()> {
    let inputs = make_ladder(cli, megabytes)?;
    let bytes: u64 = inputs.iter().map(|p| std::fs::metadata(p).map(|m| m.len())).sum::<Result<_, _>>()?;
    let size = bytes as f64 / 1e6;
    let out = cli.scratch.join("out");
    let (inputs, out) = (&inputs, &out);
    let mut contestants = Vec::new();
    for protection in PROTECTIONS {
        if let Some(shaka) = shaka {
            contestants.push(Contestant {
                name: protection.shaka,
                run: Box::new(move || {
                    empty(out)?;
                    run(shaka, &shaka_args(inputs, out, protection))
                }),
            });
        }
        contestants.push(Contestant {
            name: protection.ours,
            run: Box::new(move || {
                empty(out)?;
                run(&cli.cutetube, &our_args(inputs, out, protection))
            }),
        });
    }
    let costs = rounds(&contestants, cli.rounds)?;
    let each = contestants.len() / PROTECTIONS.len();
    report(&format!("{size:.0} MB, four rungs and audio, {} rounds in turn, medians:\n", cli.rounds));
    report("| contestant | wall s | CPU s | MB per CPU-second | times the peer |");
    report("| --- | --- | --- | --- | --- |");
    for (names, costs) in contestants.chunks(each).zip(costs.chunks(each)) {
        for (contestant, own) in names.iter().zip(costs) {
            let cpu = median(own.iter().map(|c| c.cpu_seconds));
            let peer = costs.iter().take(1).flatten();
            let times = median(peer.zip(own).map(|(peer, own)| peer.cpu_seconds / own.cpu_seconds));
            report(&format!(
                "| {} | {:.2} | {cpu:.2} | {:.0} | {times:.1} |",
                contestant.name,
                median(own.iter().map(|c| c.wall_seconds)),
                size / cpu
            ));
        }
    }
    Ok(())
}

/// What is done to the media, and what that is called.
struct Protection {
    scheme: Option<&'static str>,
    shaka: &'static str,
    ours: &'static str,
}

const PROTECTIONS: [&Protection; 3] = [
    &Protection { scheme: None, shaka: "Shaka Packager", ours: "`cutetube package`" },
    &Protection { scheme: Some("cenc"), shaka: "Shaka Packager, `cenc`", ours: "`cutetube package`, `cenc`" },
    &Protection { scheme: Some("cbcs"), shaka: "Shaka Packager, `cbcs`", ours: "`cutetube package`, `cbcs`" },
];

const KEY_ID: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "00112233445566778899aabbccddeeff";

fn our_args(inputs: &[PathBuf], out: &Path, protection: &Protection) -> Vec<String> {
    let mut args = vec!["package".to_owned(), "--out".to_owned(), text(out).to_owned()];
    args.extend(inputs.iter().map(|input| text(input).to_owned()));
    if let Some(scheme) = protection.scheme {
        args.extend(["--scheme", scheme, "--key", &format!("{KEY_ID}:{KEY}")].map(str::to_owned));
    }
    args
}

/// Four aligned video files and one audio file, repeated without encoding again until they have the size wanted.
fn make_ladder(cli: &Cli, megabytes: u64) -> anyhow::Result<Vec<PathBuf>> {
    progress("making the ladder");
    let source = cli.samples.join("camera-720p.mp4");
    let seconds = SECONDS.to_string();
    let kilobits: u32 = RUNGS.iter().map(|r| r.1).sum::<u32>() + 128;
    let loops = (megabytes * 8000 / u64::from(kilobits * SECONDS)).max(1);
    let mut inputs = Vec::new();
    for (height, rate) in RUNGS {
        let once = cli.scratch.join(format!("{height}-once.mp4"));
        let rate = format!("{rate}k");
        run(
            "ffmpeg",
            &[
                "-v",
                "error",
                "-y",
                "-stream_loop",
                "-1",
                "-i",
                text(&source),
                "-t",
                &seconds,
                "-an",
                "-vf",
                &format!("scale=-2:{height},fps=30,noise=alls=12:allf=t"),
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-bf",
                "2",
                "-b:v",
                &rate,
                "-minrate",
                &rate,
                "-maxrate",
                &rate,
                "-bufsize",
                &rate,
                "-g",
                "120",
                "-keyint_min",
                "120",
                "-sc_threshold",
                "0",
                text(&once),
            ],
        )?;
        inputs.push(repeat(&once, loops, &cli.scratch.join(format!("v{height}.mp4")))?);
    }
    let audio = cli.scratch.join("audio.mp4");
    // Encoded in one go, from 0 on: sound that is repeated without encoding has a gap at each join.
    let length = (u64::from(SECONDS) * (loops + 1)).to_string();
    let sound =
        ["-af", "aresample=async=1:first_pts=0", "-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-ac", "2"];
    let mut args = vec!["-v", "error", "-y", "-stream_loop", "-1", "-i", text(&source), "-t", &length, "-vn"];
    args.extend(sound);
    args.push(text(&audio));
    run("ffmpeg", &args)?;
    inputs.push(audio);
    Ok(inputs)
}

fn repeat(once: &Path, loops: u64, out: &Path) -> anyhow::Result<PathBuf> {
    let loops = &loops.to_string();
    run("ffmpeg", &["-v", "error", "-y", "-stream_loop", loops, "-i", text(once), "-c", "copy", text(out)])?;
    std::fs::remove_file(once)?;
    Ok(out.to_owned())
}

fn shaka_args(inputs: &[PathBuf], out: &Path, protection: &Protection) -> Vec<String> {
    let mut args = vec!["--quiet".into()];
    for (index, input) in inputs.iter().enumerate() {
        let kind = if index == RUNGS.len() { "audio" } else { "video" };
        let (input, out) = (text(input), text(out));
        args.push(format!(
            "in={input},stream={kind},init_segment={out}/{index}/init.mp4,segment_template={out}/{index}/$Number$.m4s,\
             playlist_name={index}.m3u8"
        ));
    }
    args.extend(
        ["--segment_duration", "4", "--fragment_duration", "4", "--generate_static_live_mpd"]
            .map(String::from),
    );
    args.extend(["--mpd_output".into(), format!("{}/m.mpd", text(out))]);
    args.extend(["--hls_master_playlist_output".into(), format!("{}/master.m3u8", text(out))]);
    if let Some(scheme) = protection.scheme {
        let key = format!("label=:key_id={KEY_ID}:key={KEY}");
        let words = ["--protection_scheme", scheme, "--enable_raw_key_encryption", "--keys", &key];
        args.extend(words.map(str::to_owned));
        args.extend(
            ["--protection_systems", "Widevine,PlayReady,CommonSystem", "--clear_lead", "0"]
                .map(String::from),
        );
    }
    args
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context("cannot empty the output folder")?;
    }
    Ok(())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("scratch paths are given as UTF-8 on the command line")
}
