//! A file that our demuxer declines, made into one that it reads.

use std::fs::File;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::args::{Normalise, normalise_args};
use crate::process::Stdin;
use crate::runner::{RunError, Runner, Task};
use crate::sandbox::Limits;
use crate::settings::EncodeSettings;
use crate::toolchain::Program;

/// Why a file was not normalised.
#[derive(Debug, thiserror::Error)]
pub enum NormaliseError {
    /// ffmpeg did not run to its end, or says that it failed: it does not know the format, or cannot copy a codec.
    #[error(transparent)]
    Run(#[from] RunError),
    /// ffmpeg ended in good cheer with nothing to show for it.
    #[error("ffmpeg found nothing to take over")]
    Empty,
}

/// Turns `file` into fragmented MP4, which goes to `output` as it comes.
///
/// `file` is a regular file, open for reading; ffmpeg can seek in it and see nothing else. When copying
/// ([`Normalise::Remux`]) fails, [`Normalise::Reencode`] may not. Memory is bounded: while `output` is full, ffmpeg
/// waits. Whether all of the file was taken over, only the index of the result tells.
///
/// # Errors
/// What was sent before an error is of no use.
pub async fn normalise(
    runner: &Runner<'_>,
    file: &File,
    how: Normalise,
    settings: &EncodeSettings,
    output: &mpsc::Sender<Bytes>,
) -> Result<(), NormaliseError> {
    let open = |source| RunError::from(runner.pipe_error(Program::Ffmpeg, source));
    let outputs = runner.open_pipes(1).map_err(RunError::from)?;
    let pipe = outputs.numbers().first().copied().unwrap_or_default();
    let task = Task {
        program: Program::Ffmpeg,
        arguments: normalise_args(how, pipe, settings),
        limits: Limits {
            cpu_seconds: LONGEST_CPU_SECONDS,
            ..Limits::for_pictures(settings.max_pixels, u32::from(settings.threads_for(1)))
        },
        stdin: Stdin::File(file.try_clone().map_err(open)?),
        outputs,
    };
    let (written, mut bytes) = mpsc::channel::<Bytes>(1);
    let pass_on = async {
        let mut count = 0_usize;
        while let Some(bytes) = bytes.recv().await {
            count = count.saturating_add(bytes.len());
            output.send(bytes).await.map_err(|_| RunError::Abandoned)?;
        }
        Ok(count)
    };
    let (ended, count) = tokio::try_join!(runner.run(task, None, written), pass_on)?;
    ended.success().map_err(RunError::from)?;
    if count > 0 { Ok(()) } else { Err(NormaliseError::Empty) }
}

/// Encoding a day of video anew.
const LONGEST_CPU_SECONDS: u64 = 7 * 24 * 3600;
