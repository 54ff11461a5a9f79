//! Somebody's short video behind a thousand chunks of somebody else.

use std::time::Duration;

use crate::Cli;
use crate::ladder::text;
use crate::platform::{Effort, Part, Platform};
use crate::run::{median, progress, report, run};

/// Chunks that wait when the short video comes.
const CROWD: u64 = 1000;
/// Of the crowd's video: enough for that many chunks, however they are cut.
const HOURS: u32 = 5;

pub(crate) fn bench(cli: &Cli) -> anyhow::Result<()> {
    let (long, short) = (cli.scratch.join("long.mp4"), cli.scratch.join("short.mp4"));
    progress("making the clips");
    // Tiny and slow: what a chunk costs is the start of its process.
    let still = format!("testsrc2=size=64x36:rate=2:duration={}", HOURS * 3600);
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "4"];
    run(
        "ffmpeg",
        &[&["-v", "error", "-y", "-f", "lavfi", "-i", &still], &x264[..], &[text(&long)]].concat(),
    )?;
    let minute = "testsrc2=size=640x360:rate=30:duration=60";
    run(
        "ffmpeg",
        &[&["-v", "error", "-y", "-f", "lavfi", "-i", minute], &x264[..], &[text(&short)]].concat(),
    )?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut idle, mut crowded) = (Vec::new(), Vec::new());
    for round in 1..=cli.rounds {
        let (alone, behind) = runtime.block_on(async {
            let program = &cli.cutetube;
            let platform =
                Platform::start(program, &cli.scratch, None, &[Part::All], Effort::default()).await?;
            let alone = platform.seconds_until_ready(platform.upload(&short, "ada")?).await?;
            platform.upload(&long, "bob")?;
            while jobs::unfinished(platform.db()).await? < CROWD {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let behind = platform.seconds_until_ready(platform.upload(&short, "ada")?).await?;
            anyhow::Ok((alone, behind))
        })?;
        progress(&format!("round {round}: alone {alone:.2} s, behind the crowd {behind:.2} s"));
        idle.push(alone);
        crowded.push(behind);
    }
    let ratio = median(crowded.iter().zip(&idle).map(|(behind, alone)| behind / alone));
    report(&format!(
        "A video of one minute, 360p30, from the upload to ready, {} rounds, medians:\n\n\
         | on an idle system | behind {CROWD} chunks of another user | ratio | to hold |\n| --- | --- | --- | --- |\n\
         | {:.1} s | {:.1} s | {ratio:.2} | ≤ 1.5 and one running chunk |",
        cli.rounds,
        median(idle.into_iter()),
        median(crowded.into_iter()),
    ));
    Ok(())
}
