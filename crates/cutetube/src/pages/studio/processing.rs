//! `/studio/{id}/processing`: the stages and pieces of what is made of a video.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};

use super::{Creator, parse};
use crate::{
    AppState,
    accounts::Visitor,
    admin::actions::{VideoWork, video_work},
    pages::{
        admin::picture::Picture,
        failure::Failure,
        frame::{Frame, page},
    },
    playback::BaseUrl,
    texts::filters,
    videos::actions as videos,
};

#[derive(Template)]
#[template(path = "studio_processing.html")]
struct ProcessingPage<'a> {
    frame: Frame,
    work: &'a VideoWork,
    note: Option<String>,
    events: String,
    picture: Option<Picture>,
}

/// The owner and administrators.
pub(super) async fn show(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    videos::managed(&state, &caller, id).await?;
    let work = video_work(&state.db, id).await?.ok_or_else(Failure::not_found)?;
    let shown = ProcessingPage {
        frame: Frame::new(&Visitor(Some(caller))),
        note: crate::processes::note(&work.process),
        events: BaseUrl::RELATIVE.process_events(work.process.video.process),
        picture: Picture::new(&work.pieces),
        work: &work,
    };
    Ok(page(&state, StatusCode::OK, &shown))
}
