//! `/studio/delete`: what is asked before videos are deleted.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use catalog::videos::Video;

use super::{Creator, Deed, back, chosen, narrowed, studio_path};
use crate::{
    AppState,
    accounts::Visitor,
    pages::{
        failure::Failure,
        frame::{Frame, plain},
        typed::Typed,
    },
    texts::filters,
    videos::actions::{self, ManageError},
};

#[derive(Template)]
#[template(path = "studio_delete.html")]
struct DeletionPage {
    frame: Frame,
    videos: Vec<Video>,
    narrowed: Vec<(&'static str, String)>,
    /// Where one who thinks better of it goes.
    back: String,
}

/// The owner of each, and administrators.
pub(super) async fn confirm(
    State(state): State<AppState>,
    Creator(caller): Creator,
    typed: Typed,
) -> Result<Response, Failure> {
    let mut videos = Vec::new();
    for id in chosen(&typed) {
        match actions::managed(&state, &caller, id).await {
            Ok(video) => videos.push(video),
            Err(ManageError::NoVideo | ManageError::NotYours) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let back = match videos.as_slice() {
        [video] => studio_path(video.id),
        _ => super::STUDIO.to_owned(),
    };
    let frame = Frame::new(&Visitor(Some(caller)));
    let status = if videos.is_empty() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(plain(status, &DeletionPage { frame, videos, narrowed: narrowed(&typed), back }))
}

/// The owner of each, and administrators. What is gone already, or somebody else's, is left as it is.
pub(super) async fn delete(
    State(state): State<AppState>,
    Creator(caller): Creator,
    typed: Typed,
) -> Result<Response, Failure> {
    let deleted = actions::delete_all(&state, &caller, &chosen(&typed)).await?;
    Ok(back(&typed, Deed::Delete, deleted))
}
