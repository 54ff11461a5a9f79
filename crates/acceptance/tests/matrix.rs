//! Every source through `cutetube transcode`, in chunks of two segments and in one process.
//!
//! One test per source. `CUTETUBE_BIN` names the program (else the workspace's is built), `CUTETUBE_SAMPLES` the
//! folder of recordings (else `samples/` of the repository).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use acceptance::boxes::Rendition;
use acceptance::clips::{self, Clip, Integrity};
use acceptance::truth::Truth;
use acceptance::verify::{Depth, Finding, verify};
use acceptance::{quality, tools};
use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Trial};

/// For one clip of a few seconds, on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let sources = clips::clips().into_iter().chain(clips::recordings(&samples()));
    let trials = sources.map(|clip| {
        Trial::test(clip.name, move || accept(&clip).map_err(|error| format!("{error:#}").into()))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn accept(clip: &Clip) -> Result<()> {
    let source = clip.make(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips"))?;
    let truth = Truth::of(clip, &source).context("the judge cannot read the source")?;
    let scratch = tempfile::tempdir()?;
    let (chunked, whole) = (scratch.path().join("chunked"), scratch.path().join("whole"));
    transcode(&source, &chunked, "2")?;
    nothing_found("in chunks of two segments", &verify(&truth, &chunked, Depth::Everything))?;
    transcode(&source, &whole, "all")?;
    nothing_found("in one process", &verify(&truth, &whole, Depth::Media))?;
    if clip.integrity == Integrity::Whole {
        for rung in rungs(&chunked)? {
            let (one, other) = (Rendition::read(&chunked, &rung)?, Rendition::read(&whole, &rung)?);
            ensure!(one.starts() == other.starts(), "{rung}: boundaries depend on the chunks");
            quality::compare(&truth, &one, &other)?;
        }
    }
    Ok(())
}

fn transcode(source: &Path, output: &Path, segments_per_chunk: &str) -> Result<()> {
    let args = [
        OsStr::new("transcode"),
        source.as_os_str(),
        OsStr::new("--out"),
        output.as_os_str(),
        OsStr::new("--segments-per-chunk"),
        OsStr::new(segments_per_chunk),
    ];
    let directory = output.parent().context("the output folder lies in one")?;
    let outcome = tools::cutetube(&args, directory, DEADLINE, None)?;
    ensure!(outcome.code == Some(0), "transcode exited with {:?}: {}", outcome.code, outcome.stderr.trim());
    Ok(())
}

fn nothing_found(how: &str, findings: &[Finding]) -> Result<()> {
    let list: Vec<String> = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    ensure!(findings.is_empty(), "{how}:{}", list.concat());
    Ok(())
}

fn rungs(output: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(output)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if output.join(&name).join("init.mp4").is_file() && name.ends_with('p') {
            names.push(name);
        }
    }
    Ok(names)
}

#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
fn samples() -> PathBuf {
    std::env::var_os("CUTETUBE_SAMPLES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples"), PathBuf::from)
}
