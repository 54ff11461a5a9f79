//! What may be known about videos, and by whom. Nothing here knows HTTP.

use catalog::{
    Refused, VideoState, endings,
    ids::VideoId,
    outputs::{self, Rendition},
    processes::{self, Process},
    videos::{self, Listing, Page, Video, Visibility},
};

use crate::{
    AppState,
    accounts::{Caller, Visitor},
    blobs::{MediaObject, StorageKey},
};

/// A video, how far it is, and what was made of it.
#[derive(Debug, Clone)]
pub(crate) struct VideoDetails {
    pub(crate) process: Process,
    /// Of the published revision, else of the one in the making; pictures from small to large, then sound.
    pub(crate) renditions: Vec<Rendition>,
    /// Whether it has a picture to show before playback.
    pub(crate) has_poster: bool,
    /// Whether it has pictures to show while seeking.
    pub(crate) has_storyboard: bool,
}

/// Why a video was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManageError {
    /// It does not exist for the caller.
    #[error("there is no such video")]
    NoVideo,
    /// The caller may see it, and no more.
    #[error("this video belongs to somebody else")]
    NotYours,
    /// It is in no state for that.
    #[error(transparent)]
    Refused(Refused),
    /// We could not look, or could not write.
    #[error(transparent)]
    Catalog(catalog::Error),
}

/// Videos on one page of the v3 list.
const PAGE_SIZE: u32 = 10;

/// The video, unless it does not exist for this visitor.
pub(crate) async fn find(
    state: &AppState,
    visitor: &Visitor,
    id: VideoId,
) -> Result<Option<Video>, catalog::Error> {
    match videos::video(&state.db, id).await {
        Ok(video) => Ok(Some(video).filter(|video| is_visible(video, visitor))),
        Err(catalog::Error::NoVideo(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The video with everything that can be told about it.
pub(crate) async fn details(
    state: &AppState,
    visitor: &Visitor,
    id: VideoId,
) -> Result<Option<VideoDetails>, catalog::Error> {
    let Some(video) = find(state, visitor, id).await? else { return Ok(None) };
    let Some(process) = processes::of(&state.db, vec![video]).await?.pop() else { return Ok(None) };
    let video = &process.video;
    let mut renditions = match video.published_revision.or(video.revision) {
        Some(revision) => outputs::renditions(&state.db, id, revision).await?,
        None => Vec::new(),
    };
    renditions.sort_by_key(|rendition| (rendition.kind, rendition.size, rendition.bitrate));
    let has_poster = is_stored(state, video, MediaObject::Poster).await;
    let has_storyboard = is_stored(state, video, MediaObject::Storyboard).await;
    Ok(Some(VideoDetails { process, renditions, has_poster, has_storyboard }))
}

async fn is_stored(state: &AppState, video: &Video, object: MediaObject) -> bool {
    let Some(revision) = video.published_revision else { return false };
    let key = StorageKey::Media { video: video.id, revision, object };
    state.blobs.head(&key).await.is_ok()
}

/// Takes the video away from everybody at once. Work on it stops, and its objects go, soon afterwards.
pub(crate) async fn delete(state: &AppState, caller: &Caller, id: VideoId) -> Result<(), ManageError> {
    managed(state, caller, id).await?;
    endings::request_delete(&state.db, id).await?;
    tracing::info!(video.id = %id, user.id = %caller.user.id, "video `{id}` is deleted");
    Ok(())
}

/// Processes a failed video again.
pub(crate) async fn retry(state: &AppState, caller: &Caller, id: VideoId) -> Result<(), ManageError> {
    managed(state, caller, id).await?;
    videos::retry(&state.db, id).await?;
    tracing::info!(video.id = %id, user.id = %caller.user.id, "video `{id}` is tried again");
    Ok(())
}

/// Refuses whoever may not change the video.
async fn managed(state: &AppState, caller: &Caller, id: VideoId) -> Result<(), ManageError> {
    let video = find(state, &Visitor(Some(caller.clone())), id).await?.ok_or(ManageError::NoVideo)?;
    if caller.may_manage(video.owner) { Ok(()) } else { Err(ManageError::NotYours) }
}

impl From<catalog::Error> for ManageError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NoVideo(_) => Self::NoVideo,
            // Somebody was faster: it exists no more for anybody.
            catalog::Error::Refused(refused) if refused.state == VideoState::Deleting => Self::NoVideo,
            catalog::Error::Refused(refused) => Self::Refused(refused),
            error => Self::Catalog(error),
        }
    }
}

/// A numbered page of a list, newest first; `None` for a page that does not exist. The first does.
pub(crate) async fn numbered_page(
    state: &AppState,
    listing: Listing,
    number: u32,
) -> Result<Option<Page>, catalog::Error> {
    if number == 0 {
        return Ok(None);
    }
    let page = videos::page(&state.db, listing, number, PAGE_SIZE).await?;
    let exists = number == 1 || !page.videos.is_empty();
    Ok(exists.then_some(page))
}

/// Whether a page of this number is followed by another.
pub(crate) fn is_followed(number: u32, total: u64) -> bool {
    u64::from(number) * u64::from(PAGE_SIZE) < total
}

impl VideoDetails {
    pub(crate) fn video(&self) -> &Video {
        &self.process.video
    }
}

/// Whether the video exists for this visitor.
pub(crate) fn is_visible(video: &Video, visitor: &Visitor) -> bool {
    let exists = video.state != VideoState::Deleting;
    exists && (video.visibility != Visibility::Private || visitor.may_manage(video.owner))
}
