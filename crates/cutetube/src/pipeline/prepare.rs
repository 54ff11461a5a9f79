//! From a file to its plan, by way of a rewritten file where that is needed.

use std::fs::File;

use transcode::args::Normalise;
use transcode::runner::Runner;
use transcode::settings::EncodeSettings;
use transcode::source::ReadRange;

use super::blob_source::BlobSource;
use super::blueprint::{Blueprint, PlanError};
use super::inspect::{Refusal, inspect};
use super::{StageError, normalise};
use crate::blobs::{BlobStore, StorageKey};

/// A plan and the source it is for.
pub(crate) struct Prepared {
    pub(crate) blueprint: Blueprint,
    /// The source is the rewritten file.
    pub(crate) rewritten: Option<BlobSource>,
}

/// Plans `source`. If it has to be rewritten, ffmpeg reads it as the local file that `open` gives and the result
/// becomes the object `key`. No copy of it is made before it is known to be needed.
pub(crate) async fn prepare(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    open: impl AsyncFnOnce() -> Result<File, StageError>,
    settings: &EncodeSettings,
    store: &BlobStore,
    key: &StorageKey,
) -> Result<Prepared, StageError> {
    let (reason, ways): (String, &[Normalise]) = match plan(runner, source, settings).await {
        Ok(blueprint) => return Ok(Prepared { blueprint, rewritten: None }),
        Err(Refusal::Stage(error)) => return Err(error),
        Err(Refusal::Rewrite(reason)) => (reason, &[Normalise::Remux, Normalise::Reencode]),
        Err(Refusal::Reencode(reason)) => (reason, &[Normalise::Reencode]),
    };
    tracing::debug!(%reason, "the file is rewritten first");
    let file = open().await?;
    normalise::rewrite(runner, &file, ways, settings, store, key).await?;
    let rewritten = BlobSource::open(store.clone(), key.clone()).await?;
    match plan(runner, &rewritten, settings).await {
        Ok(blueprint) => Ok(Prepared { blueprint, rewritten: Some(rewritten) }),
        Err(Refusal::Stage(error)) => Err(error),
        Err(Refusal::Rewrite(reason) | Refusal::Reencode(reason)) => {
            Err(StageError::reject(format!("This video cannot be processed, even rewritten: {reason}.")))
        }
    }
}

async fn plan(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    settings: &EncodeSettings,
) -> Result<Blueprint, Refusal> {
    let inspection = inspect(runner, source, settings).await?;
    Blueprint::new(inspection, settings.clone()).map_err(|error| match error {
        PlanError::Normalise(reason) => Refusal::Reencode(reason),
        PlanError::Reject(sentence) => StageError::reject(sentence).into(),
    })
}
