//! `POST /api/v3/vod/initiate-task/upload/`

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::post,
};
use catalog::{
    ids::{ProcessId, VideoId},
    videos::Video,
};
use serde::Serialize;

use super::{Rejection, actions};
use crate::{
    AppState,
    accounts::Caller,
    http::{RecallableBody, V3, V3Error, log_internal},
};

/// Routes that may take as long as an upload takes, with bodies as long as uploads are.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/api/v3/vod/initiate-task/upload/", post(upload)).layer(DefaultBodyLimit::disable())
}

/// Whoever is signed in and may upload. Everybody else is answered before the file is read.
async fn upload(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Who asks first whether to send is told no, and sends nothing.
    let sends_unasked = !parts.headers.contains_key(header::EXPECT);
    let body = RecallableBody::new(body);
    match receive(&state, parts, body.body()).await {
        Ok(video) => (StatusCode::CREATED, V3::new(Started::new(&video))).into_response(),
        Err(response) => {
            if sends_unasked {
                body.drain();
            }
            response
        }
    }
}

async fn receive(state: &AppState, mut parts: Parts, body: Body) -> Result<Video, Response> {
    let caller = Caller::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
    let received = async {
        let slot = actions::take_slot(&state.upload_slots)?;
        let form =
            Multipart::from_request(Request::from_parts(parts, body), state).await.map_err(|rejection| {
                Rejection::new(rejection.status(), "The request is not a multipart form.")
            })?;
        actions::receive(state, slot, &caller.user, form).await
    };
    received.await.map_err(refused)
}

/// The original's answer, and the id under which the processing is followed.
#[derive(Serialize)]
struct Started {
    status: &'static str,
    video_id: VideoId,
    process_id: ProcessId,
    video_name_without_extention: String,
    video_extention: String,
}

impl Started {
    fn new(video: &Video) -> Self {
        Self {
            status: "Upload Started",
            video_id: video.id,
            process_id: video.process,
            video_name_without_extention: format!("{}__{}", video.id, video.source.name),
            video_extention: format!(".{}", video.source.extension),
        }
    }
}

fn refused(rejection: Rejection) -> Response {
    if rejection.status.is_server_error() && rejection.cause.is_some() {
        log_internal(&rejection);
    }
    let (status, detail) = (rejection.status, rejection.sentence.into_owned());
    let mut response = V3Error { status, detail, error_key: rejection.field }.into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}
