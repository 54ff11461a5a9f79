//! `/upload`: the form, and what it sends.

use askama::Template;
use axum::{
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use catalog::videos::Video;

use super::{
    failure::Failure,
    frame::{Frame, plain},
    text,
};
use crate::{
    AppState,
    accounts::{Caller, Unauthenticated, Visitor},
    http::{RecallableBody, log_internal},
    playback::BaseUrl,
    texts::filters,
    uploads::{
        Rejection,
        actions::{self, Creation},
        api::admit,
    },
};

const LOG_IN_FIRST: &str = "/login?next=/upload";

#[derive(Template)]
#[template(path = "upload.html")]
struct UploadPage {
    frame: Frame,
    error: Option<String>,
    limit: String,
    limit_bytes: u64,
}

/// Whoever is signed in; others are sent to log in.
pub(super) async fn form(State(state): State<AppState>, visitor: Visitor) -> Response {
    if visitor.0.is_none() {
        return Redirect::to(LOG_IN_FIRST).into_response();
    }
    upload_page(&state, StatusCode::OK, &visitor, None)
}

/// Whoever is signed in and may upload. Everybody else is answered before the file is read.
pub(super) async fn receive(State(state): State<AppState>, request: Request) -> Result<Response, Failure> {
    let (mut parts, body) = request.into_parts();
    let body = RecallableBody::new(&parts.headers, body);
    let caller = match Caller::from_request_parts(&mut parts, &state).await {
        Ok(caller) => caller,
        Err(Unauthenticated::Missing | Unauthenticated::Refused) => {
            body.drain();
            return Ok(Redirect::to(LOG_IN_FIRST).into_response());
        }
        Err(refused) => {
            body.drain();
            return Err(refused.into());
        }
    };
    match keep(&state, &caller, parts, body.body()).await {
        Ok(video) => Ok(Redirect::to(&BaseUrl::RELATIVE.watch(video.id)).into_response()),
        Err(rejection) => {
            body.drain();
            if rejection.status.is_server_error() {
                log_internal(&rejection);
            }
            let visitor = Visitor(Some(caller));
            Ok(upload_page(&state, rejection.status, &visitor, Some(rejection.sentence.into_owned())))
        }
    }
}

async fn keep(state: &AppState, caller: &Caller, parts: Parts, body: Body) -> Result<Video, Rejection> {
    let (admission, form) = admit(state, &caller.user, parts, body).await?;
    actions::receive(state, admission, form, Creation::Plain).await
}

fn upload_page(state: &AppState, status: StatusCode, visitor: &Visitor, error: Option<String>) -> Response {
    let limit_bytes = state.config.limits.upload_bytes;
    let limit = text::size(limit_bytes);
    plain(status, &UploadPage { frame: Frame::new(visitor), error, limit, limit_bytes })
}
