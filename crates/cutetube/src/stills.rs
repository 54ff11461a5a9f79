//! Pictures that this server makes while somebody waits: in the sandbox, a few at once, from files that may be anything.

use std::{fs::File, time::Duration};

use bytes::Bytes;
use tokio::{sync::Semaphore, time};
use tokio_util::sync::CancellationToken;
use transcode::{
    process::Patience,
    runner::{RunError, Runner},
    sandbox::Priority,
    still_run::StillError,
};

use crate::{
    AppState,
    blobs::{BlobError, LocalCopy, StorageKey},
};

/// Why no picture was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoStill {
    /// There is none that can be read; or it is so large that nobody tries.
    #[error("the picture cannot be read")]
    Unreadable,
    /// Many are made at once.
    #[error("too many pictures are made")]
    Busy,
    #[error("there is no ffmpeg here")]
    NoProgram,
    /// Not the person's fault.
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Store(#[from] BlobError),
}

/// How long somebody waits for their turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a picture, which is to be stored as `key`, of the file that consists of `parts`, in a turn of `slots`.
pub(crate) async fn make(
    state: &AppState,
    slots: &Semaphore,
    key: &StorageKey,
    parts: &[Bytes],
    work: impl AsyncFnOnce(&Runner<'_>, &File) -> Result<Bytes, StillError>,
) -> Result<Bytes, NoStill> {
    let toolchain = state.toolchain.as_ref().map_err(|_| NoStill::NoProgram)?;
    let turn = time::timeout(PATIENCE, slots.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Err(NoStill::Busy) };
    let mut copy = LocalCopy::new(key)?;
    for part in parts {
        copy = copy.write(part.clone()).await?;
    }
    let file = copy.finish()?;
    let cancel = CancellationToken::new();
    let runner =
        Runner { toolchain, priority: Priority::Interactive, patience: Patience::default(), cancel: &cancel };
    work(&runner, &file).await.map_err(|error| match error {
        StillError::Unreadable | StillError::TooLong(_) => NoStill::Unreadable,
        StillError::Run(error) => NoStill::Run(error),
    })
}

/// Removes an object that nothing names any more. What stays because the store is away, a sweep removes.
pub(crate) async fn forget(state: &AppState, object: Option<String>) {
    let Some(key) = object.and_then(|key| key.parse::<StorageKey>().ok()) else { return };
    if let Err(error) = state.blobs.delete(&key).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "`{key}` is left for a sweep");
    }
}
