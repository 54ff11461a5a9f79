//! The picture that somebody shows of themselves.
//!
//! What was sent is not kept: ffmpeg makes a small square JPEG of it in the sandbox, and that is stored under a key of its
//! own, so that the picture at an address never changes. Others find it by the row in the catalogue; an object without one
//! is removed at once, or by the next sweep.

use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use catalog::{
    ids::UserId,
    pictures::{self, Picture},
};
use tokio::time;
use tokio_util::sync::CancellationToken;
use transcode::{
    portrait::{PortraitError, StillFormat, portrait},
    process::Patience,
    runner::{RunError, Runner},
    sandbox::Priority,
};

use crate::{
    AppState, ambient,
    blobs::{BlobError, LocalCopy, StorageKey},
};

/// The longest file that is looked at, in bytes.
pub(crate) const LONGEST: usize = 5 << 20;

/// Why somebody shows no other picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// It is longer than [`LONGEST`].
    #[error("the file has more than `{LONGEST}` bytes")]
    TooLong,
    /// Its first bytes are not those of a picture.
    #[error("the file is no JPEG, PNG or WebP")]
    Foreign,
    /// It begins like one, and cannot be read; or it is so large that nobody tries.
    #[error("the picture cannot be read")]
    Unreadable,
    /// Many send pictures at once.
    #[error("too many pictures are looked at")]
    Busy,
    /// There is no ffmpeg here.
    #[error("pictures cannot be looked at on this server")]
    NoProgram,
    /// Not the person's fault.
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Store(#[from] BlobError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

impl PictureError {
    /// What whoever sent it is told, where it is theirs to do something about.
    pub(crate) fn sentence(&self) -> Option<(StatusCode, &'static str)> {
        match self {
            Self::TooLong => Some((
                StatusCode::PAYLOAD_TOO_LARGE,
                "A picture may have 5 MiB at most. Choose a smaller one.",
            )),
            Self::Foreign => {
                Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "Only pictures in JPEG, PNG or WebP can be shown."))
            }
            Self::Unreadable => Some((
                StatusCode::UNPROCESSABLE_ENTITY,
                "This picture cannot be read: it is damaged, moves, or is too large. Choose another one.",
            )),
            Self::Busy => Some((
                StatusCode::SERVICE_UNAVAILABLE,
                "Many pictures are being looked at. Try again in a minute.",
            )),
            Self::NoProgram => Some((
                StatusCode::SERVICE_UNAVAILABLE,
                "Pictures cannot be looked at here: whoever runs this site has to install ffmpeg.",
            )),
            Self::Run(_) | Self::Store(_) | Self::Catalog(_) => None,
        }
    }
}

/// How long somebody waits for their turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows a picture from now on, whatever there was before. Answers the key of its object.
pub(crate) async fn show(state: &AppState, user: UserId, file: Bytes) -> Result<StorageKey, PictureError> {
    if file.len() > LONGEST {
        return Err(PictureError::TooLong);
    }
    let format = StillFormat::of(&file).ok_or(PictureError::Foreign)?;
    let key = StorageKey::Picture { user, name: u64::from_le_bytes(ambient::random()) };
    let made = make(state, &key, file, format).await?;
    let stored = state.blobs.put(&key, vec![made]).await?;
    let picture =
        Picture { user_id: user, object_key: key.to_string(), bytes: stored.len, sha256: stored.sha256 };
    let before = pictures::show(&state.db, &picture).await?;
    tracing::info!(user.id = %user, "user `{user}` shows another picture");
    forget(state, before).await;
    Ok(key)
}

/// Shows none from now on.
pub(crate) async fn hide(state: &AppState, user: UserId) -> catalog::Result<()> {
    let before = pictures::hide(&state.db, user).await?;
    forget(state, before).await;
    Ok(())
}

/// The bytes of a picture that somebody shows.
pub(crate) async fn look_at(state: &AppState, key: &StorageKey) -> Result<Option<Bytes>, PictureError> {
    let shown = pictures::shown(&state.db, &[key.to_string()]).await?;
    if shown.is_empty() {
        return Ok(None);
    }
    match state.blobs.get(key).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(BlobError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn make(
    state: &AppState,
    key: &StorageKey,
    file: Bytes,
    format: StillFormat,
) -> Result<Bytes, PictureError> {
    let toolchain = state.toolchain.as_ref().map_err(|_| PictureError::NoProgram)?;
    let turn = time::timeout(PATIENCE, state.picture_slots.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Err(PictureError::Busy) };
    let file = LocalCopy::new(key)?.write(file).await?.finish()?;
    let cancel = CancellationToken::new();
    let runner =
        Runner { toolchain, priority: Priority::Interactive, patience: Patience::default(), cancel: &cancel };
    portrait(&runner, &file, format).await.map_err(|error| match error {
        PortraitError::Unreadable | PortraitError::TooLong(_) => PictureError::Unreadable,
        PortraitError::Run(error) => PictureError::Run(error),
    })
}

/// What stays because the store is away, a sweep removes.
async fn forget(state: &AppState, object: Option<String>) {
    let Some(key) = object.and_then(|key| key.parse::<StorageKey>().ok()) else { return };
    if let Err(error) = state.blobs.delete(&key).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "`{key}` is left for a sweep");
    }
}
