//! `POST /api/v3/vod/initiate-task/upload/`

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::post,
};
use catalog::videos::Video;
use serde_json::json;

use super::{Rejection, actions};
use crate::{
    AppState,
    accounts::Caller,
    http::{RecallableBody, log_internal},
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
        Ok(video) => started(&video),
        Err(response) => {
            if sends_unasked {
                body.drain();
            }
            response
        }
    }
}

#[expect(clippy::result_large_err, reason = "the answer is sent right away")]
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

fn started(video: &Video) -> Response {
    let answer = json!({ "data": {
        "status": "Upload Started",
        "video_id": video.id,
        "process_id": video.process,
        "video_name_without_extention": format!("{}__{}", video.id, video.source.name),
        "video_extention": format!(".{}", video.source.extension),
    } });
    (StatusCode::CREATED, Json(answer)).into_response()
}

fn refused(rejection: Rejection) -> Response {
    if rejection.status.is_server_error() && rejection.cause.is_some() {
        log_internal(&rejection);
    }
    let mut data = json!({ "status": "error", "detail": rejection.sentence });
    if let Some(field) = rejection.field {
        data["error_key"] = field.into();
    }
    let mut response = (rejection.status, Json(json!({ "data": data }))).into_response();
    if rejection.status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}
