//! `POST /api/v5/videos`: a file and what is said about it, once even when it is sent twice.

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, FromRequestParts, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use catalog::{idempotency::Hold, ids::UserId, names::FieldErrors};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Builder;

use super::{
    Rejection,
    actions::{self, Creation},
    api::admit,
    once,
};
use crate::{
    AppState,
    accounts::{Uploader, Visitor},
    ambient,
    http::{Problem, RecallableBody},
    playback::BaseUrl,
    videos::{Shown, VideoResource},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create)).layer(DefaultBodyLimit::disable())
}

/// Upload a video.
///
/// Whoever is signed in and may upload. Everybody else is answered before the file is read.
///
/// With an `Idempotency-Key` a request can be sent again when its answer was lost: as long as the key is remembered, for
/// a day, the same request is answered with the video that it made, and makes no other.
#[utoipa::path(
    post, path = "/api/v5/videos", tag = "videos", security(("bearer" = ["upload"])),
    request_body(content = VideoForm, content_type = "multipart/form-data"),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters that the \
        client chooses, the same for the same upload", example = "6d4ee3c5-0d83-4c1a-9c0c-9a1f0c7a5a11")),
    responses(
        (status = 201, description = "The file is complete, and is being processed", body = VideoResource,
            headers(("Location" = String, description = "The video"))),
        (status = 400, description = "The body is no form, or the key is none", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "This account may not upload, has as many videos as it may have, or the token is not for `upload`", body = Problem),
        (status = 408, description = "Nothing came for too long", body = Problem),
        (status = 409, description = "A request with this key is still running", body = Problem),
        (status = 413, description = "The file is larger than allowed", body = Problem),
        (status = 422, description = "A field or the file was refused, and nothing is kept; or the key stands for \
            another request", body = Problem),
        (status = 507, description = "The server has no space left", body = Problem),
    )
)]
async fn create(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = RecallableBody::new(&parts.headers, body);
    let created = receive(&state, parts, body.body()).await;
    if created.is_err() {
        body.drain();
    }
    created.into_response()
}

async fn receive(state: &AppState, mut parts: Parts, body: Body) -> Result<Response, Response> {
    let uploader = Uploader::from_request_parts(&mut parts, state).await;
    let Uploader(caller) = uploader.map_err(IntoResponse::into_response)?;
    let base = BaseUrl::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
    let received = async {
        let hold = hold(&parts.headers, caller.user.id)?;
        let (admission, form) = admit(state, &caller.user, parts, body).await?;
        match hold {
            Some(hold) => once::receive(state, admission, form, hold).await,
            None => actions::receive(state, admission, form, Creation::Plain).await,
        }
    };
    let video = received.await.map_err(|rejection| problem(rejection).into_response())?;
    let location = base.status(video.id);
    let shown = Shown::find(state, &Visitor(Some(caller)), &base, video.id).await;
    let shown = shown.map_err(IntoResponse::into_response)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], shown).into_response())
}

/// The request's hold on its `Idempotency-Key`, if it has one: a string (RFC 9651 §3.3.3), of which the quotes may be
/// missing.
fn hold(headers: &HeaderMap, user: UserId) -> Result<Option<Hold>, Rejection> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    let key = key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(key);
    if !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let sentence = "The Idempotency-Key has to be 1 to 255 visible ASCII characters.";
        return Err(Rejection::new(StatusCode::BAD_REQUEST, sentence));
    }
    let holder = Builder::from_random_bytes(ambient::random()).into_uuid();
    Ok(Some(Hold { user, key: key.to_owned(), holder }))
}

/// In the shape of `/api/v5`.
pub(super) fn problem(rejection: Rejection) -> Problem {
    rejection.log_fault();
    match (rejection.status, rejection.field) {
        (StatusCode::BAD_REQUEST, Some(field)) => {
            let mut errors = FieldErrors::default();
            errors.add(field, rejection.sentence);
            Problem::invalid(&errors)
        }
        (status, Some(field)) => Problem::new(status, rejection.sentence).field(field),
        (status, None) => Problem::new(status, rejection.sentence),
    }
}

/// The form of an upload; its fields may come in any order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a form that is read as it comes")]
struct VideoForm {
    #[schema(max_length = 200, example = "Our holiday")]
    title: String,
    #[schema(max_length = 5000, example = "Two weeks by the sea")]
    description: Option<String>,
    /// With commas between them, at most 20 of at most 40 characters.
    #[schema(example = "holiday, sea")]
    tags: Option<String>,
    /// `public`, `unlisted` or `private`; `public` when it is missing.
    #[schema(example = "unlisted")]
    visibility: Option<String>,
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
