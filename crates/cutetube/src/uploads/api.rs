//! Uploads in the original's shapes: `POST /api/v3/vod/initiate-task/upload/`, and the same of v4.

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use catalog::{
    accounts::User,
    ids::{ProcessId, VideoId},
    videos::Video,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Rejection,
    actions::{self, Admission, Creation},
    tus, v5,
};
use crate::{
    AppState,
    accounts::Uploader,
    http::{Problem, RecallableBody, Sips, V3, V3Error, V3ErrorBody},
};

/// Routes that may take as long as an upload takes, with bodies as long as uploads are.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(v3_upload))
        .routes(routes!(v4_upload))
        .layer(DefaultBodyLimit::disable())
        .merge(v5::routes())
        .merge(tus::routes())
}

/// Upload a video.
///
/// Whoever is signed in and may upload. Everybody else is answered before the file is read. Each client may send one
/// video in 20 minutes here; `POST /api/v5/videos` has room for more.
#[utoipa::path(
    post, path = "/api/v3/vod/initiate-task/upload/", tag = "uploads", security(("bearer" = ["upload"])),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The file is complete, and is being processed", body = V3<Started>),
        (status = 400, description = "A field or the file was refused; nothing is kept", body = V3<V3ErrorBody>),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "This account may not upload, or has as many videos or minutes as it may have; or the \
            token is not for uploads (a problem)", body = V3<V3ErrorBody>),
        (status = 408, description = "Nothing came for too long", body = V3<V3ErrorBody>),
        (status = 413, description = "The file is larger than allowed, or than what is left of the quota", body = V3<V3ErrorBody>),
        (status = 503, description = "Too many uploads at once: come back later", body = V3<V3ErrorBody>),
        (status = 507, description = "The server has no space left", body = V3<V3ErrorBody>),
    )
)]
async fn v3_upload(State(state): State<AppState>, request: Request) -> Response {
    upload(state, request).await
}

/// Upload a video that is to be protected.
///
/// Whoever is signed in and may upload. Everybody else is answered before the file is read. Each client may send one
/// video in 20 minutes here; `POST /api/v5/videos` has room for more.
#[utoipa::path(
    post, path = "/api/v4/drm/vod/initiate-task/upload/", tag = "uploads", security(("bearer" = ["upload"])),
    request_body(content = V4UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The file is complete, and is being processed", body = V3<Started>),
        (status = 400, description = "A field or the file was refused; nothing is kept", body = V3<V3ErrorBody>),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "This account may not upload, or has as many videos or minutes as it may have; or the \
            token is not for uploads (a problem)", body = V3<V3ErrorBody>),
        (status = 408, description = "Nothing came for too long", body = V3<V3ErrorBody>),
        (status = 413, description = "The file is larger than allowed, or than what is left of the quota", body = V3<V3ErrorBody>),
        (status = 503, description = "Too many uploads at once: come back later", body = V3<V3ErrorBody>),
        (status = 507, description = "The server has no space left", body = V3<V3ErrorBody>),
    )
)]
async fn v4_upload(State(state): State<AppState>, request: Request) -> Response {
    upload(state, request).await
}

async fn upload(state: AppState, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = RecallableBody::new(&parts.headers, body);
    match receive(&state, parts, body.body()).await {
        Ok(video) => (StatusCode::CREATED, V3::new(Started::new(&video))).into_response(),
        Err(response) => {
            body.drain();
            response
        }
    }
}

async fn receive(state: &AppState, mut parts: Parts, body: Body) -> Result<Video, Response> {
    let Uploader(caller) =
        Uploader::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
    let received = async {
        let (admission, form) = admit(state, &caller.user, parts, body).await?;
        actions::receive(state, admission, form, Creation::Plain).await
    };
    received.await.map_err(refused)
}

/// The original's answer, and the id under which the processing is followed.
#[derive(Serialize, ToSchema)]
struct Started {
    status: &'static str,
    #[schema(value_type = String, format = "uuid")]
    video_id: VideoId,
    #[schema(value_type = String, format = "uuid")]
    process_id: ProcessId,
    video_name_without_extention: String,
    video_extention: String,
}

/// The form of an upload; its fields may come in any order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a form that is read as it comes")]
struct UploadForm {
    #[schema(max_length = 200, example = "Our holiday")]
    title: String,
    #[schema(max_length = 5000, example = "Two weeks by the sea")]
    description: Option<String>,
    /// `HH:MM:SS`, as the uploader believes; what is measured wins.
    #[schema(example = "00:01:30")]
    duration: Option<String>,
    /// The file, named `.mp4` or `.mov`.
    #[schema(format = Binary)]
    video: String,
}

/// The same, and how the video is to be protected.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a form that is read as it comes")]
struct V4UploadForm {
    #[schema(max_length = 200, example = "Our holiday")]
    title: String,
    #[schema(max_length = 5000, example = "Two weeks by the sea")]
    description: Option<String>,
    /// `HH:MM:SS`, as the uploader believes; what is measured wins.
    #[schema(example = "00:01:30")]
    duration: Option<String>,
    /// `none`, `cenc` or `cbcs`; when it is missing, as the server is set up (`drm.default`). A server without a master key
    /// refuses the last two.
    #[schema(example = "none")]
    protection: Option<String>,
    /// The file, named `.mp4` or `.mov`.
    #[schema(format = Binary)]
    video: String,
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

/// What `user` sends, if they may upload now: nothing of the body is read before that is known.
pub(crate) async fn admit(
    state: &AppState,
    user: &User,
    parts: Parts,
    body: Body,
) -> Result<(Admission, Multipart), Rejection> {
    let admission = actions::admit(state, user, content_length(&parts.headers)).await?;
    let body = Body::from_stream(Sips::of(body.into_data_stream()));
    let form = Multipart::from_request(Request::from_parts(parts, body), state)
        .await
        .map_err(|rejection| Rejection::new(rejection.status(), "The request is not a multipart form."))?;
    Ok((admission, form))
}

/// What a request says of the length of its body.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refused(rejection: Rejection) -> Response {
    rejection.log_fault();
    let (status, detail) = (rejection.status, rejection.sentence.into_owned());
    let mut response = V3Error { status, detail, error_key: rejection.field }.into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}
