//! Counting views, and telling how many there were.

use catalog::{
    VideoState,
    ids::VideoId,
    views::{self, DayOfViews},
};

use crate::{
    AppState,
    accounts::{Caller, Source, Visitor},
    ambient,
    videos::actions::{self as videos, ManageError},
};

/// Why a view was not counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    /// The video does not exist for the visitor.
    #[error("there is no such video")]
    NoVideo,
    /// It does not play.
    #[error("the video is `{0}`; it is watched once it is `ready`")]
    NotReady(VideoState),
    /// We could not look, or could not write.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

/// How often a video was watched.
#[derive(Debug, Clone)]
pub(crate) struct ViewStatistics {
    pub(crate) total: u64,
    /// On which of the last [`DAYS`]; the others have none.
    pub(crate) days: Vec<DayOfViews>,
}

/// Days that are told apart.
pub(crate) const DAYS: u32 = 30;

/// Counts that somebody has watched, once for each viewer and day.
pub(crate) async fn count(
    state: &AppState,
    visitor: &Visitor,
    source: &Source,
    id: VideoId,
) -> Result<(), ViewError> {
    let video = videos::find(state, visitor, id).await?.ok_or(ViewError::NoVideo)?;
    if video.state != VideoState::Ready {
        return Err(ViewError::NotReady(video.state));
    }
    let today = views::today(&state.db, ambient::random()).await?;
    let account = visitor.0.as_ref().map(|caller| caller.user.id);
    let viewer = state.viewers.hash(&today, account, source);
    views::count(&state.db, id, &today, viewer).await?;
    Ok(())
}

/// For the owner and administrators.
pub(crate) async fn statistics(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
) -> Result<ViewStatistics, ManageError> {
    videos::managed(state, caller, id).await?;
    Ok(statistics_of(state, id).await?)
}

/// The same for whoever is known to manage the video.
pub(crate) async fn statistics_of(state: &AppState, id: VideoId) -> Result<ViewStatistics, catalog::Error> {
    let total = views::of(&views::totals(&state.db, &[id]).await?, id);
    Ok(ViewStatistics { total, days: views::by_day(&state.db, id, DAYS).await? })
}
