//! The poster that an owner chooses: a picture that they send, or a moment of the video. Nothing here knows HTTP but for the
//! numbers of refusals.
//!
//! What was sent is not kept. ffmpeg makes a JPEG of it in the sandbox, which is stored under a name of its own, so that what
//! is at an address never changes; the one before it is removed at once, or by the next sweep.

use std::{fs::File, time::Duration};

use axum::http::StatusCode;
use bytes::Bytes;
use catalog::{
    VideoState,
    ids::{RenditionId, Revision, VideoId},
    outputs::{self, Object, Part, RenditionKind},
    posters::{self, Poster},
    videos::{Protection, Video},
};
use transcode::{
    poster_run::{PosterSource, poster},
    runner::Runner,
    still_run::StillFormat,
};

use super::actions::{self, ManageError};
use crate::{
    AppState,
    accounts::Caller,
    ambient,
    blobs::{BlobError, StorageKey},
    stills::{self, NoStill},
};

/// The longest picture that is looked at, in bytes.
pub(crate) const LONGEST: usize = 8 << 20;

/// What a poster is to be.
#[derive(Debug, Clone)]
pub(crate) enum Choice {
    /// This file.
    Picture(Bytes),
    /// What is seen at this time of the video.
    Moment(Duration),
}

/// Why there is no other poster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChooseError {
    #[error(transparent)]
    Manage(#[from] ManageError),
    #[error("the file has more than `{LONGEST}` bytes")]
    TooLong,
    #[error("the file is no JPEG, PNG or WebP")]
    Foreign,
    #[error("the video is `{0}`")]
    NotReady(VideoState),
    #[error("the pictures of the video are encrypted")]
    Protected,
    #[error("the video ends after `{0:?}`")]
    BeyondEnd(Duration),
    #[error(transparent)]
    Still(#[from] NoStill),
    #[error(transparent)]
    Store(#[from] BlobError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

impl ChooseError {
    /// What whoever chose is told, where it is theirs to do something about.
    pub(crate) fn refusal(&self) -> Option<(StatusCode, String)> {
        let (status, sentence) = match self {
            Self::TooLong => {
                (StatusCode::PAYLOAD_TOO_LARGE, "A picture may have 8 MiB at most. Choose a smaller one.")
            }
            Self::Foreign => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Only pictures in JPEG, PNG or WebP can be shown. Choose one of these.",
            ),
            Self::Still(NoStill::Unreadable) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "There is no picture that can be read: it is damaged, moves, or is too large. Choose another one.",
            ),
            Self::NotReady(_) => {
                (StatusCode::CONFLICT, "A poster can be chosen once the video plays. Come back then.")
            }
            Self::Protected => (
                StatusCode::CONFLICT,
                "This video is protected, and its pictures are not decrypted for a poster, which everybody may see. Send a picture instead.",
            ),
            Self::BeyondEnd(end) => {
                let sentence =
                    format!("The video ends after {:.1} seconds. Choose an earlier time.", end.as_secs_f64());
                return Some((StatusCode::UNPROCESSABLE_ENTITY, sentence));
            }
            Self::Still(NoStill::Busy) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Many pictures are being made. Try again in a minute.")
            }
            Self::Still(NoStill::NoProgram) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Pictures cannot be made on this server: whoever runs it has to install ffmpeg.",
            ),
            Self::Still(NoStill::Run(_) | NoStill::Store(_))
            | Self::Manage(_)
            | Self::Store(_)
            | Self::Catalog(_) => return None,
        };
        Some((status, sentence.to_owned()))
    }
}

/// Shows another poster from now on. For the owner and administrators.
pub(crate) async fn choose(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
    choice: Choice,
) -> Result<(), ChooseError> {
    let video = actions::managed(state, caller, id).await?;
    if video.state != VideoState::Ready {
        return Err(ChooseError::NotReady(video.state));
    }
    // The sign bit is the database's.
    let name = u64::from_le_bytes(ambient::random()) >> 1;
    let key = StorageKey::Poster { video: id, name };
    let (made, moment) = match choice {
        Choice::Picture(file) => (of_picture(state, &key, file).await?, None),
        Choice::Moment(at) => (of_moment(state, &key, &video, at).await?, Some(at)),
    };
    let stored = state.blobs.put(&key, vec![made]).await?;
    let chosen = Poster {
        video_id: id,
        object_key: key.to_string(),
        bytes: stored.len,
        sha256: stored.sha256,
        moment,
    };
    let shown = posters::choose(&state.db, &chosen, name).await;
    stills::forget(state, if shown.is_ok() { None } else { Some(key.to_string()) }).await;
    stills::forget(state, shown.map_err(ManageError::from)?).await;
    tracing::info!(video.id = %id, user.id = %caller.user.id, "video `{id}` has another poster");
    Ok(())
}

/// Shows the poster again that was made with the video. For the owner and administrators.
pub(crate) async fn withdraw(state: &AppState, caller: &Caller, id: VideoId) -> Result<(), ChooseError> {
    actions::managed(state, caller, id).await?;
    let before = posters::withdraw(&state.db, id).await.map_err(ManageError::from)?;
    stills::forget(state, before).await;
    tracing::info!(video.id = %id, user.id = %caller.user.id, "video `{id}` has its own poster again");
    Ok(())
}

async fn of_picture(state: &AppState, key: &StorageKey, file: Bytes) -> Result<Bytes, ChooseError> {
    if file.len() > LONGEST {
        return Err(ChooseError::TooLong);
    }
    let format = StillFormat::of(&file).ok_or(ChooseError::Foreign)?;
    make(state, key, &[file], PosterSource::Picture(format)).await
}

/// From the segment that was made for the largest screens: it is what viewers see, and there when the uploaded file is not.
async fn of_moment(
    state: &AppState,
    key: &StorageKey,
    video: &Video,
    at: Duration,
) -> Result<Bytes, ChooseError> {
    if video.protection != Protection::None {
        return Err(ChooseError::Protected);
    }
    let revision = video.published_revision.ok_or(ChooseError::NotReady(video.state))?;
    let end = video.measured_duration.unwrap_or_default();
    if at >= end {
        return Err(ChooseError::BeyondEnd(end));
    }
    let (init, segment, after) =
        place(state, video.id, revision, at).await?.ok_or(ChooseError::BeyondEnd(end))?;
    let mut bytes = Vec::new();
    for object in [init, segment] {
        let key: StorageKey =
            object.key.parse().map_err(|_| BlobError::NotFound { key: object.key.clone() })?;
        bytes.push(state.blobs.get(&key).await?);
    }
    make(state, key, &bytes, PosterSource::Segment(after)).await
}

/// The init segment and the media segment that hold a moment, and how long after the beginning of that it is.
async fn place(
    state: &AppState,
    video: VideoId,
    revision: Revision,
    at: Duration,
) -> Result<Option<(Object, Object, Duration)>, ChooseError> {
    let renditions = outputs::renditions(&state.db, video, revision).await?;
    let pictures = renditions.iter().filter(|rendition| rendition.kind == RenditionKind::Video);
    let Some(largest) = pictures.max_by_key(|rendition| (rendition.size, rendition.bitrate)) else {
        return Ok(None);
    };
    let (timescale, id): (u64, &RenditionId) = (largest.timescale.max(1).into(), &largest.id);
    let ticks = u64::try_from(at.as_micros() * u128::from(timescale) / 1_000_000).unwrap_or(u64::MAX);
    let objects = outputs::objects(&state.db, video, revision, id).await?;
    let Some(init) = objects.iter().find(|object| object.part == Part::Init).cloned() else {
        return Ok(None);
    };
    let media = objects.into_iter().filter(|object| object.part != Part::Init);
    let segment = media.filter(|object| object.start <= ticks).max_by_key(|object| object.start);
    Ok(segment.map(|segment| {
        // The last frame of a segment may begin a little before its end.
        let latest = segment.duration.saturating_sub(timescale / 10);
        let after = ticks.saturating_sub(segment.start).min(latest);
        let after = Duration::from_micros(after.saturating_mul(1_000_000) / timescale);
        (init, segment, after)
    }))
}

async fn make(
    state: &AppState,
    key: &StorageKey,
    file: &[Bytes],
    source: PosterSource,
) -> Result<Bytes, ChooseError> {
    let work = async |runner: &Runner<'_>, file: &File| poster(runner, file, source).await;
    Ok(stills::make(state, &state.poster_slots, key, file, work).await?)
}
