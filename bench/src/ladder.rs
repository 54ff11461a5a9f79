//! The whole ladder of one clip, three ways.

use std::path::Path;

use crate::Cli;
use crate::run::{Contestant, Cost, median, progress, report, rounds, run};

/// Height and bit rate (kbit/s) of each rung, as the original had them.
const RUNGS: [(u32, u32); 4] = [(1080, 4800), (720, 2400), (480, 1200), (360, 800)];

/// Who is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    Everybody,
    HandWritten,
}

pub(crate) fn bench(cli: &Cli, preset: &str, seconds: u32, against: Against) -> anyhow::Result<()> {
    let clip = cli.scratch.join("clip.mp4");
    make_clip(cli, &clip, seconds)?;
    let out = |name: &str| fresh(cli.scratch.join(name));
    let ours = |name: &str, more: &[&str]| -> anyhow::Result<Cost> {
        let out = out(name)?;
        let mut args = vec!["transcode", text(&clip), "--out", text(&out), "--preset", preset];
        args.extend(more);
        run(&cli.cutetube, &args)
    };
    let mut contestants = vec![
        Contestant { name: ORIGINAL, run: Box::new(|| original(&clip, &out("original")?, preset)) },
        Contestant { name: OURS_ABR, run: Box::new(|| ours("abr", &["--abr"])) },
        Contestant { name: HAND_WRITTEN, run: Box::new(|| hand_written(&clip, &out("hand")?, preset)) },
        Contestant { name: OURS, run: Box::new(|| ours("ours", &[])) },
    ];
    if against == Against::HandWritten {
        contestants.retain(|contestant| [HAND_WRITTEN, OURS].contains(&contestant.name));
    }
    let costs = rounds(&contestants, cli.rounds)?;
    report(&format!("Preset {preset}, {seconds} s of 1080p30, {} rounds in turn, medians:\n", cli.rounds));
    report("| contestant | wall s | CPU s |");
    report("| --- | --- | --- |");
    for (contestant, costs) in contestants.iter().zip(&costs) {
        report(&format!(
            "| {} | {:.1} | {:.1} |",
            contestant.name,
            median(costs.iter().map(|c| c.wall_seconds)),
            median(costs.iter().map(|c| c.cpu_seconds)),
        ));
    }
    report("\n| ratio, median over the rounds | wall | CPU | to hold |");
    report("| --- | --- | --- | --- |");
    let (hand_written, ours) = match costs.as_slice() {
        [original, ours_abr, hand_written, ours] => {
            report_ratio(&format!("{ORIGINAL} ÷ {OURS_ABR}"), original, ours_abr, "");
            report_ratio(&format!("{ORIGINAL} ÷ {OURS}"), original, ours, "≥ 3");
            (hand_written, ours)
        }
        [hand_written, ours] => (hand_written, ours),
        _ => return Ok(()),
    };
    report_ratio(&format!("{OURS} ÷ {HAND_WRITTEN}"), ours, hand_written, "≤ 1.05");
    Ok(())
}

const ORIGINAL: &str = "the original's commands";
/// Spends bits as the original does.
const OURS_ABR: &str = "`cutetube transcode --abr`";
const HAND_WRITTEN: &str = "one hand-written ffmpeg";
const OURS: &str = "`cutetube transcode`";

/// Ratios of costs of the same round, which met the same neighbours on the machine.
fn report_ratio(name: &str, over: &[Cost], under: &[Cost], to_hold: &str) {
    let ratio = |value: fn(&Cost) -> f64| median(over.iter().zip(under).map(|(a, b)| value(a) / value(b)));
    let (wall, cpu) = (ratio(|c| c.wall_seconds), ratio(|c| c.cpu_seconds));
    report(&format!("| {name} | {wall:.2} | {cpu:.2} | {to_hold} |"));
}

/// A camera recording and an animation, enlarged to 1080p30 and repeated, with their sound.
pub(crate) fn make_clip(cli: &Cli, clip: &Path, seconds: u32) -> anyhow::Result<()> {
    progress("making the clip");
    let camera = cli.samples.join("camera-720p.mp4");
    let animation = cli.samples.join("bigbuckbunny-720p.mp4");
    let normal = "scale=1920:1080:flags=bicubic,setsar=1,fps=30,format=yuv420p";
    let filter = format!(
        "[0:v]{normal}[a];[1:v]{normal}[b];[0:a]aresample=48000,aformat=channel_layouts=stereo[c];\
         [1:a]aresample=48000,aformat=channel_layouts=stereo[d];[a][c][b][d]concat=n=2:v=1:a=1[v][s];\
         [v]loop=loop=-1:size=1000[w];[s]aloop=loop=-1:size=2e6[t]"
    );
    let seconds = seconds.to_string();
    run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-y",
            "-i",
            text(&camera),
            "-i",
            text(&animation),
            "-filter_complex",
            &filter,
            "-map",
            "[w]",
            "-map",
            "[t]",
            "-t",
            &seconds,
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            "18",
            "-g",
            "60",
            "-c:a",
            "aac",
            "-b:a",
            "128k",
            "-movflags",
            "+faststart",
            text(clip),
        ],
    )?;
    Ok(())
}

/// What the original does with an upload: transcode to the other container, then a DASH ladder of each.
fn original(clip: &Path, out: &Path, preset: &str) -> anyhow::Result<Cost> {
    let other = out.join("clip.mov");
    let mut cost = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-y",
            "-i",
            text(clip),
            "-map",
            "0",
            "-b:v",
            "4800k",
            "-s:v",
            "1920x1080",
            "-c:v",
            "libx264",
            "-preset",
            preset,
            "-c:a",
            "aac",
            text(&other),
        ],
    )?;
    for (container, input) in [("mp4", clip), ("mov", &other)] {
        let folder = fresh(out.join(container))?;
        let mut args: Vec<String> =
            ["-v", "error", "-y", "-i", text(input), "-filter_complex"].map(String::from).into();
        args.push(split_and_scale());
        for (index, (_, rate)) in RUNGS.iter().enumerate() {
            args.extend(["-map".into(), format!("[o{index}]"), format!("-b:v:{index}"), format!("{rate}k")]);
        }
        args.extend(
            [
                "-c:v",
                "libx264",
                "-preset",
                preset,
                "-map",
                "0:a?",
                "-c:a",
                "aac",
                "-seg_duration",
                "4",
                "-use_template",
                "1",
                "-adaptation_sets",
                "id=0,streams=v id=1,streams=a",
                "-f",
                "dash",
            ]
            .map(String::from),
        );
        args.push(text(&folder.join("manifest.mpd")).into());
        cost = cost + run("ffmpeg", &args)?;
    }
    Ok(cost)
}

/// The best single command for the same ladder with our settings: one decode, capped CRF, forced key frames.
fn hand_written(clip: &Path, out: &Path, preset: &str) -> anyhow::Result<Cost> {
    let mut args: Vec<String> =
        ["-v", "error", "-y", "-i", text(clip), "-filter_complex"].map(String::from).into();
    args.push(split_and_scale());
    for (index, (_, rate)) in RUNGS.iter().enumerate() {
        args.extend(["-map".into(), format!("[o{index}]")]);
        args.extend([format!("-maxrate:v:{index}"), format!("{rate}k")]);
        args.extend([format!("-bufsize:v:{index}"), format!("{}k", rate * 2)]);
    }
    args.extend(
        [
            "-c:v",
            "libx264",
            "-preset",
            preset,
            "-crf",
            "23",
            "-profile:v",
            "high",
            "-force_key_frames",
            "expr:gte(t,n_forced*4)",
            "-g",
            "100000",
            "-sc_threshold",
            "0",
            "-map",
            "0:a?",
            "-c:a",
            "copy",
            "-seg_duration",
            "4",
            "-use_template",
            "1",
            "-use_timeline",
            "1",
            "-adaptation_sets",
            "id=0,streams=v id=1,streams=a",
            "-f",
            "dash",
        ]
        .map(String::from),
    );
    args.push(text(&out.join("manifest.mpd")).into());
    run("ffmpeg", &args)
}

fn split_and_scale() -> String {
    let labels = |prefix: &str| (0..RUNGS.len()).map(|i| format!("[{prefix}{i}]")).collect::<String>();
    let mut filter = format!("[0:v]split={}{}", RUNGS.len(), labels("s"));
    for (index, (height, _)) in RUNGS.iter().enumerate() {
        filter += &format!(";[s{index}]scale=-2:{height}:flags=bicubic,format=yuv420p[o{index}]");
    }
    filter
}

/// An empty folder at `path`.
fn fresh(path: std::path::PathBuf) -> anyhow::Result<std::path::PathBuf> {
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("scratch and sample paths are given as UTF-8 on the command line")
}
