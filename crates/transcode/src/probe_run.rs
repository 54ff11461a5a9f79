//! ffprobe, run on the head of a track or on a whole file.

use std::fs::File;

use bytes::Bytes;
use isobmff::{Movie, Track};
use tokio::sync::mpsc;

use crate::args::{probe_args, probe_file_args};
use crate::feed;
use crate::probe::{Probe, ProbeError};
use crate::process::{OutputPipes, Stdin};
use crate::runner::{RunError, Runner, Task};
use crate::sandbox::Limits;
use crate::settings::EncodeSettings;
use crate::source::ReadRange;
use crate::toolchain::Program;

/// Why a probe has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeRunError {
    /// ffprobe did not run to its end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// ffprobe ran, and found nothing that can be decoded.
    #[error(transparent)]
    Answer(#[from] ProbeError),
    /// The answer is longer than any honest one.
    #[error("ffprobe's answer is longer than the limit of `{0}` bytes")]
    TooLong(usize),
}

/// Asks ffprobe what the first samples of `track` are. It sees them alone, in a file that we wrote.
///
/// # Errors
/// [`ProbeRunError::Answer`] is the source's fault.
pub async fn probe_track(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    movie: &Movie,
    track: &Track,
    settings: &EncodeSettings,
) -> Result<Probe, ProbeRunError> {
    let feed = Some((source, feed::head(movie, track)));
    probe(runner, probe_args(settings), Stdin::Feed, feed, settings).await
}

/// Asks ffprobe what a whole file is, whatever its container: for a file that our demuxer declines.
///
/// `file` is a regular file, open for reading. Playlists and other containers that name files are refused.
///
/// # Errors
/// [`ProbeRunError::Answer`] is the source's fault.
pub async fn probe_file(
    runner: &Runner<'_>,
    file: &File,
    settings: &EncodeSettings,
) -> Result<Probe, ProbeRunError> {
    let file =
        file.try_clone().map_err(|source| RunError::from(runner.pipe_error(Program::Ffprobe, source)))?;
    probe(runner, probe_file_args(settings), Stdin::File(file), None, settings).await
}

async fn probe(
    runner: &Runner<'_>,
    arguments: Vec<String>,
    stdin: Stdin,
    feed: Option<(&dyn ReadRange, feed::Feed)>,
    settings: &EncodeSettings,
) -> Result<Probe, ProbeRunError> {
    let outputs = OutputPipes::standard_output()
        .map_err(|source| RunError::from(runner.pipe_error(Program::Ffprobe, source)))?;
    let limits = Limits::for_pictures(settings.max_pixels, u32::from(settings.threads_for(1)));
    let task = Task { program: Program::Ffprobe, arguments, limits, stdin, outputs };
    let (written, mut answer) = mpsc::channel::<Bytes>(1);
    let collect = async {
        let mut json = Vec::new();
        while let Some(bytes) = answer.recv().await {
            json.extend_from_slice(&bytes);
            if json.len() > LONGEST_ANSWER {
                return Err(ProbeRunError::TooLong(LONGEST_ANSWER));
            }
        }
        Ok(json)
    };
    let run = async { Ok(runner.run(task, feed, written).await?) };
    let (ended, json) = tokio::try_join!(run, collect)?;
    // It answers `{}` and fails when it recognises nothing: that is an answer. Being killed is none.
    match ended.status.code() {
        Some(_) => Ok(Probe::parse(&json)?),
        None => Err(RunError::from(ended.into_failure()).into()),
    }
}

const LONGEST_ANSWER: usize = 1 << 20;
