//! The picture that somebody shows of themselves.
//!
//! What was sent is not kept: ffmpeg makes a small square JPEG of it in the sandbox, and that is stored under a key of its
//! own, so that the picture at an address never changes. Others find it by the row in the catalogue; an object without one
//! is removed at once, or by the next sweep.

use std::fs::File;

use axum::http::StatusCode;
use bytes::Bytes;
use catalog::{
    ids::UserId,
    pictures::{self, Picture},
};
use transcode::{portrait::portrait, runner::Runner, still_run::StillFormat};

use crate::{
    AppState, ambient,
    blobs::{BlobError, StorageKey},
    stills::{self, NoStill},
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
    /// It begins like one.
    #[error(transparent)]
    Still(#[from] NoStill),
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
            Self::Still(NoStill::Unreadable) => Some((
                StatusCode::UNPROCESSABLE_ENTITY,
                "This picture cannot be read: it is damaged, moves, or is too large. Choose another one.",
            )),
            Self::Still(NoStill::Busy) => Some((
                StatusCode::SERVICE_UNAVAILABLE,
                "Many pictures are being looked at. Try again in a minute.",
            )),
            Self::Still(NoStill::NoProgram) => Some((
                StatusCode::SERVICE_UNAVAILABLE,
                "Pictures cannot be looked at here: whoever runs this site has to install ffmpeg.",
            )),
            Self::Still(NoStill::Run(_) | NoStill::Store(_)) | Self::Store(_) | Self::Catalog(_) => None,
        }
    }
}

/// Shows a picture from now on, whatever there was before. Answers the key of its object.
pub(crate) async fn show(state: &AppState, user: UserId, file: Bytes) -> Result<StorageKey, PictureError> {
    if file.len() > LONGEST {
        return Err(PictureError::TooLong);
    }
    let format = StillFormat::of(&file).ok_or(PictureError::Foreign)?;
    let key = StorageKey::Picture { user, name: u64::from_le_bytes(ambient::random()) };
    let work = async |runner: &Runner<'_>, file: &File| portrait(runner, file, format).await;
    let made = stills::make(state, &state.picture_slots, &key, &[file], work).await?;
    let stored = state.blobs.put(&key, vec![made]).await?;
    let picture =
        Picture { user_id: user, object_key: key.to_string(), bytes: stored.len, sha256: stored.sha256 };
    let before = pictures::show(&state.db, &picture).await?;
    tracing::info!(user.id = %user, "user `{user}` shows another picture");
    stills::forget(state, before).await;
    Ok(key)
}

/// Shows none from now on.
pub(crate) async fn hide(state: &AppState, user: UserId) -> catalog::Result<()> {
    let before = pictures::hide(&state.db, user).await?;
    stills::forget(state, before).await;
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
