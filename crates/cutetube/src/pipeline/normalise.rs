//! A file that our demuxer declines, or whose edit list no timeline can hold, is rewritten once by ffmpeg: to
//! fragmented MP4 that has one piece of video and one of sound.

use std::fs::File;

use bytes::Bytes;
use tokio::sync::mpsc;
use transcode::args::Normalise;
use transcode::normalise_run::{NormaliseError, normalise};
use transcode::process::ProcessError;
use transcode::runner::{RunError, Runner};
use transcode::settings::EncodeSettings;

use super::StageError;
use crate::blobs::{BlobStore, StorageKey, Stored};

/// Rewrites `file` into the object `key`, in the first of these ways that works.
pub(crate) async fn rewrite(
    runner: &Runner<'_>,
    file: &File,
    ways: &[Normalise],
    settings: &EncodeSettings,
    store: &BlobStore,
    key: &StorageKey,
) -> Result<Stored, StageError> {
    for &how in ways {
        match attempt(runner, file, how, settings, store, key).await {
            Err(Attempt::Declined(reason)) => tracing::debug!(?how, %reason, "the file was not rewritten"),
            Err(Attempt::Failed(error)) => return Err(error),
            Ok(stored) => return Ok(stored),
        }
    }
    Err(StageError::reject(
        "This is not a video that can be read. Check that it plays on your device, export it as MP4 and upload that.",
    ))
}

/// Why there is no rewritten file.
enum Attempt {
    /// ffmpeg cannot do it this way.
    Declined(String),
    Failed(StageError),
}

async fn attempt(
    runner: &Runner<'_>,
    file: &File,
    how: Normalise,
    settings: &EncodeSettings,
    store: &BlobStore,
    key: &StorageKey,
) -> Result<Stored, Attempt> {
    let failed = |error: crate::blobs::BlobError| Attempt::Failed(error.into());
    let (sender, mut output) = mpsc::channel::<Bytes>(8);
    let mut object = store.writer(key, MAX_REWRITTEN_BYTES).await.map_err(failed)?;
    let run = async {
        // The sender goes with ffmpeg, so that the channel ends when it does.
        let sender = sender;
        normalise(runner, file, how, settings, &sender).await.map_err(declined)
    };
    let write = async {
        while let Some(bytes) = output.recv().await {
            object.write(bytes).await.map_err(failed)?;
        }
        Ok(())
    };
    let outcome = tokio::try_join!(run, write);
    match outcome {
        Ok(_) => object.finish().await.map_err(failed),
        Err(attempt) => {
            object.abort().await.map_err(failed)?;
            Err(attempt)
        }
    }
}

/// Encoding anew, nearly lossless, makes files larger than any upload.
const MAX_REWRITTEN_BYTES: u64 = 1 << 40;

fn declined(error: NormaliseError) -> Attempt {
    match error {
        NormaliseError::Run(RunError::Process(
            error @ (ProcessError::Failed { .. } | ProcessError::LimitExceeded { .. }),
        )) => Attempt::Declined(error.to_string()),
        NormaliseError::Run(error) => Attempt::Failed(error.into()),
        error @ NormaliseError::Empty => Attempt::Declined(error.to_string()),
    }
}
