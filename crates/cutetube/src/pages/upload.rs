//! `/upload`: the form, and what it sends.

use askama::Template;
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Multipart, Request, State},
    http::{StatusCode, header, request::Parts},
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
    uploads::{
        Rejection,
        actions::{self, Creation},
        api::content_length,
    },
};

const LOG_IN_FIRST: &str = "/login?next=/upload";

#[derive(Template)]
#[template(path = "upload.html")]
struct UploadPage {
    frame: Frame,
    error: Option<String>,
    limit: String,
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
    // Who asks first whether to send is told no, and sends nothing.
    let sends_unasked = !parts.headers.contains_key(header::EXPECT);
    let body = RecallableBody::new(body);
    let drain = || {
        if sends_unasked {
            body.clone().drain();
        }
    };
    let caller = match Caller::from_request_parts(&mut parts, &state).await {
        Ok(caller) => caller,
        Err(Unauthenticated::Missing | Unauthenticated::Refused) => {
            drain();
            return Ok(Redirect::to(LOG_IN_FIRST).into_response());
        }
        Err(refused) => {
            drain();
            return Err(refused.into());
        }
    };
    match keep(&state, &caller, parts, body.body()).await {
        Ok(video) => Ok(Redirect::to(&BaseUrl::RELATIVE.watch(video.id)).into_response()),
        Err(rejection) => {
            drain();
            if rejection.status.is_server_error() {
                log_internal(&rejection);
            }
            let visitor = Visitor(Some(caller));
            Ok(upload_page(&state, rejection.status, &visitor, Some(rejection.sentence.into_owned())))
        }
    }
}

async fn keep(state: &AppState, caller: &Caller, parts: Parts, body: Body) -> Result<Video, Rejection> {
    let admission = actions::admit(state, &caller.user, content_length(&parts.headers)).await?;
    let form = Multipart::from_request(Request::from_parts(parts, body), state)
        .await
        .map_err(|rejection| Rejection::new(rejection.status(), "The request is not a multipart form."))?;
    actions::receive(state, admission, form, Creation::Plain).await
}

fn upload_page(state: &AppState, status: StatusCode, visitor: &Visitor, error: Option<String>) -> Response {
    let limit = text::size(state.config.limits.upload_bytes);
    plain(status, &UploadPage { frame: Frame::new(visitor), error, limit })
}
