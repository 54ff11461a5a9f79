//! Which ffmpeg this is, and whether it can do all that it will be told to: for the log at start and for `doctor`.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::process::{OutputPipes, Stdin};
use crate::runner::{RunError, Runner, Task};
use crate::sandbox::Limits;
use crate::toolchain::Program;

/// What an ffmpeg is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// E.g. `5.1.9-0+deb12u1`. Encoded bytes may differ from version to version.
    pub version: String,
    /// Encoders and filters that it was built without, e.g. `libx264`. Empty: nothing is missing.
    pub missing: Vec<&'static str>,
}

/// Asks ffmpeg, in the sandbox: an answer also means that programs can be started.
///
/// # Errors
/// When ffmpeg cannot be started or fails.
pub async fn examine(runner: &Runner<'_>) -> Result<Examination, RunError> {
    let version = answer(runner, "-version").await?;
    let encoders = answer(runner, "-encoders").await?;
    let filters = answer(runner, "-filters").await?;
    let lacks =
        |list: &str, name: &str| !list.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    let encoders = ENCODERS.into_iter().filter(|encoder| lacks(&encoders, encoder));
    let filters = FILTERS.into_iter().filter(|filter| lacks(&filters, filter));
    Ok(Examination {
        // `ffmpeg version 5.1.9-0+deb12u1 Copyright (c) …`
        version: version.split_whitespace().nth(2).unwrap_or("unknown").to_owned(),
        missing: encoders.chain(filters).collect(),
    })
}

const ENCODERS: [&str; 4] = ["libx264", "aac", "mjpeg", "flac"];
const FILTERS: [&str; 12] = [
    "trim",
    "split",
    "scale",
    "zscale",
    "tonemap",
    "bwdif",
    "transpose",
    "aresample",
    "crop",
    "color",
    "overlay",
    "premultiply",
];

async fn answer(runner: &Runner<'_>, question: &str) -> Result<String, RunError> {
    let outputs =
        OutputPipes::standard_output().map_err(|source| runner.pipe_error(Program::Ffmpeg, source))?;
    let task = Task {
        program: Program::Ffmpeg,
        arguments: vec!["-hide_banner".to_owned(), question.to_owned()],
        limits: Limits::small(),
        stdin: Stdin::Feed,
        outputs,
    };
    let (written, mut pieces) = mpsc::channel::<Bytes>(1);
    let collect = async {
        let mut text = Vec::new();
        while let Some(bytes) = pieces.recv().await {
            text.extend_from_slice(&bytes);
        }
        text
    };
    let (ended, text) = tokio::join!(runner.run(task, None, written), collect);
    ended?.success()?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
