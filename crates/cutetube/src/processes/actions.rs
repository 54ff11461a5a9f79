//! What may be known about processes, and by whom. Nothing here knows HTTP.

use std::sync::Arc;

use catalog::{
    ids::{ProcessId, VideoId},
    processes::{self, Process},
    videos,
};
use db::Db;

use crate::{AppState, accounts::Visitor, http::log_internal, live::Live, videos::actions::is_visible};

/// The processes that somebody follows, by video.
pub(crate) type LiveProcesses = Live<VideoId, Process>;

/// Follows processes in this database.
pub(crate) fn live(db: Db) -> LiveProcesses {
    Live::new(move |videos: Vec<VideoId>| {
        let db = db.clone();
        async move {
            match processes::read(&db, &videos).await {
                Ok(found) => Some(found.into_iter().map(|process| (process.video.id, process)).collect()),
                Err(error) => {
                    log_internal(&error);
                    None
                }
            }
        }
    })
}

/// The process, unless its video does not exist for this visitor.
pub(crate) async fn find(
    state: &AppState,
    visitor: &Visitor,
    id: ProcessId,
) -> Result<Option<Process>, catalog::Error> {
    let video = videos::of_process(&state.db, id).await?.filter(|video| is_visible(video, visitor));
    let Some(video) = video else { return Ok(None) };
    Ok(processes::of(&state.db, vec![video]).await?.pop())
}

/// The process at each look, while its video exists for this visitor.
pub(crate) fn follow(
    state: &AppState,
    visitor: Visitor,
    video: VideoId,
) -> impl futures_util::Stream<Item = Arc<Process>> + Send + 'static {
    let sight = state.processes.watch(video);
    futures_util::stream::unfold((sight, visitor), |(mut sight, visitor)| async move {
        let process = sight.next().await.filter(|process| is_visible(&process.video, &visitor))?;
        Some((process, (sight, visitor)))
    })
}
