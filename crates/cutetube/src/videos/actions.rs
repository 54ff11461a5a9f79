//! What may be known about videos, and by whom. Nothing here knows HTTP.

use catalog::{
    Refused, VideoState,
    accounts::{self, User},
    browse::{self, Filter, Place},
    endings,
    ids::{UserId, VideoId},
    outputs::{self, Rendition},
    processes::{self, Process},
    search::{self, Viewer},
    videos::{self, Edit, Listing, Page, Video, Visibility},
};

use super::{
    entity_tag::IfMatch,
    listing::{Listed, OwnerName, Sought},
};
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    blobs::{MediaObject, StorageKey},
    playback::{self, Offer},
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
    /// The files that whoever asked may have.
    pub(crate) downloads: Vec<Offer>,
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
    /// The caller has seen another version of it.
    #[error(
        "somebody has changed this video since: get it again, and see whether the change is still wanted"
    )]
    Changed,
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
    let has_poster = video.has_chosen_poster() || is_stored(state, video, MediaObject::Poster).await;
    let has_storyboard = is_stored(state, video, MediaObject::Storyboard).await;
    let downloads = playback::offers(&state.config, &state.db, visitor, video, &renditions).await?;
    Ok(Some(VideoDetails { process, renditions, has_poster, has_storyboard, downloads }))
}

async fn is_stored(state: &AppState, video: &Video, object: MediaObject) -> bool {
    let Some(revision) = video.published_revision else { return false };
    let key = StorageKey::Media { video: video.id, revision, object };
    state.blobs.head(&key).await.is_ok()
}

/// Takes the video away from everybody at once. Work on it stops, and its objects go, soon afterwards.
pub(super) async fn delete(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
    seen: &IfMatch,
) -> Result<(), ManageError> {
    let video = managed(state, caller, id).await?;
    if !seen.allows(video.version) {
        return Err(ManageError::Changed);
    }
    endings::request_delete(&state.db, id).await?;
    tracing::info!(video.id = %id, user.id = %caller.user.id, "video `{id}` is deleted");
    Ok(())
}

/// Changes what people edit, if the video is still what the caller has `seen`.
pub(crate) async fn edit(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
    change: &Edit,
    seen: &IfMatch,
) -> Result<(), ManageError> {
    let video = managed(state, caller, id).await?;
    if !seen.allows(video.version) {
        return Err(ManageError::Changed);
    }
    // Between the look and the change somebody else may come.
    let seen = (*seen != IfMatch::Any).then_some(video.version);
    videos::edit(&state.db, id, change, seen).await?;
    tracing::info!(video.id = %id, user.id = %caller.user.id, "video `{id}` is changed");
    Ok(())
}

/// Lets others see several videos, and answers how many. Those that are gone, or somebody else's, are left as they are;
/// it is refused when that is all of them.
pub(crate) async fn set_visibility(
    state: &AppState,
    caller: &Caller,
    ids: &[VideoId],
    visibility: Visibility,
) -> Result<usize, ManageError> {
    let change = Edit { visibility: Some(visibility), ..Edit::default() };
    let mut changed = 0;
    for id in ids {
        changed += usize::from(was_done(edit(state, caller, *id, &change, &IfMatch::Any).await)?);
    }
    if changed == 0 { Err(ManageError::NoVideo) } else { Ok(changed) }
}

/// The same for deleting them.
pub(crate) async fn delete_all(
    state: &AppState,
    caller: &Caller,
    ids: &[VideoId],
) -> Result<usize, ManageError> {
    let mut deleted = 0;
    for id in ids {
        deleted += usize::from(was_done(delete(state, caller, *id, &IfMatch::Any).await)?);
    }
    if deleted == 0 { Err(ManageError::NoVideo) } else { Ok(deleted) }
}

/// Whether something was done about a video that may not be the caller's.
fn was_done(done: Result<(), ManageError>) -> Result<bool, ManageError> {
    match done {
        Ok(()) => Ok(true),
        Err(ManageError::NoVideo | ManageError::NotYours) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Processes a failed video again.
pub(crate) async fn retry(state: &AppState, caller: &Caller, id: VideoId) -> Result<(), ManageError> {
    managed(state, caller, id).await?;
    videos::retry(&state.db, id).await?;
    tracing::info!(video.id = %id, user.id = %caller.user.id, "video `{id}` is tried again");
    Ok(())
}

/// Refuses whoever may not change the video.
pub(crate) async fn managed(state: &AppState, caller: &Caller, id: VideoId) -> Result<Video, ManageError> {
    let video = find(state, &Visitor(Some(caller.clone())), id).await?.ok_or(ManageError::NoVideo)?;
    if caller.may_manage(video.owner) { Ok(video) } else { Err(ManageError::NotYours) }
}

impl From<catalog::Error> for ManageError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NoVideo(_) => Self::NoVideo,
            catalog::Error::Changed(_) => Self::Changed,
            // Somebody was faster: it exists no more for anybody.
            catalog::Error::Refused(refused) if refused.state == VideoState::Deleting => Self::NoVideo,
            catalog::Error::Refused(refused) => Self::Refused(refused),
            error => Self::Catalog(error),
        }
    }
}

/// Videos, each with its owner, as far as the account is still there.
pub(crate) type Owned = Vec<(Video, Option<User>)>;

/// The next videos of a list, and where it goes on.
pub(super) async fn browse(
    state: &AppState,
    visitor: &Visitor,
    listed: Listed,
) -> Result<(Owned, Option<Place>), catalog::Error> {
    let mut filter = listed.filter;
    if let Some(owner) = listed.owner {
        match owner_id(state, visitor, owner).await? {
            Some(owner) => filter.owner = Some(owner),
            None => return Ok((Vec::new(), None)),
        }
    }
    let (videos, next) =
        browse::browse(&state.db, viewer(visitor), &filter, listed.place, listed.limit).await?;
    Ok((owned(state, videos).await?, next))
}

/// Videos that are found, the best first.
pub(super) async fn search(
    state: &AppState,
    visitor: &Visitor,
    sought: &Sought,
) -> Result<Owned, catalog::Error> {
    let Some(terms) = &sought.terms else { return Ok(Vec::new()) };
    let everything = Filter::default();
    let found =
        search::search(&state.db, viewer(visitor), terms, &everything, sought.limit, sought.skip).await?;
    owned(state, found).await
}

/// Makes videos found that were uploaded before there was a search.
pub(crate) async fn index_older(state: &AppState) -> Result<(), catalog::Error> {
    const AT_ONCE: u32 = 100;
    while search::catch_up(&state.db, AT_ONCE).await? > 0 {}
    Ok(())
}

fn viewer(visitor: &Visitor) -> Viewer {
    match &visitor.0 {
        Some(caller) if caller.is_admin() => Viewer::Admin,
        Some(caller) => Viewer::User(caller.user.id),
        None => Viewer::Anybody,
    }
}

/// `None` for nobody.
async fn owner_id(
    state: &AppState,
    visitor: &Visitor,
    owner: OwnerName,
) -> Result<Option<UserId>, catalog::Error> {
    match owner {
        OwnerName::Me => Ok(visitor.0.as_ref().map(|caller| caller.user.id)),
        // An e-mail address would tell whether it has an account.
        OwnerName::Named(name) if name.contains('@') => Ok(None),
        OwnerName::Named(name) => {
            let found = accounts::find_by_credential(&state.db, &name).await?;
            Ok(found.map(|found| found.user.id))
        }
    }
}

/// These videos with their owners.
pub(crate) async fn owned(state: &AppState, videos: Vec<Video>) -> Result<Owned, catalog::Error> {
    let mut ids: Vec<UserId> = videos.iter().map(|video| video.owner).collect();
    ids.sort_unstable();
    ids.dedup();
    let owners = accounts::users(&state.db, &ids).await?;
    let owner = |video: &Video| owners.iter().find(|owner| owner.id == video.owner).cloned();
    Ok(videos.into_iter().map(|video| (video.clone(), owner(&video))).collect())
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
