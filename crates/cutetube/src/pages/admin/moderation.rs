//! `/admin/comments`: what people have reported, and what was decided, for administrators.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use catalog::comments::{Decision, Moderation, Reported};

use super::Administrator;
use crate::{
    AppState,
    accounts::Visitor,
    comments::actions::{self, CommentError},
    pages::{
        failure::Failure,
        frame::{Frame, plain},
        text,
        typed::Typed,
    },
    playback::BaseUrl,
    texts::filters,
};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route(PAGE, get(list)).route("/admin/comments/{id}", post(decide))
}

const PAGE: &str = "/admin/comments";

#[derive(Template)]
#[template(path = "admin_comments.html")]
struct ModerationPage {
    frame: Frame,
    reported: Vec<Reported>,
    decided: Vec<Moderation>,
}

async fn list(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
) -> Result<Response, Failure> {
    let (reported, decided) = actions::moderation(&state).await?;
    let frame = Frame::new(&Visitor(Some(caller)));
    Ok(plain(StatusCode::OK, &ModerationPage { frame, reported, decided }))
}

/// What somebody else has decided in the meantime stays decided.
async fn decide(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Administrator(caller): Administrator,
    typed: Typed,
) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| Failure::not_found())?;
    let decision: Decision = typed.choice("decision").ok_or_else(Failure::not_found)?;
    match actions::decide(&state, &caller, id, decision).await {
        Ok(()) | Err(CommentError::NoComment) => Ok(Redirect::to(PAGE).into_response()),
        Err(error) => Err(error.into()),
    }
}
