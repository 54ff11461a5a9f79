//! `/api/v5/me/picture`: what one shows of oneself.

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::StatusCode,
    middleware::from_fn,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AppState,
    accounts::{
        SignedInCaller,
        picture::{self, LONGEST, PictureError},
    },
    http::{Problem, drain_refused},
    playback::BaseUrl,
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show, hide))
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(from_fn(drain_refused))
}

/// Show a picture of oneself.
///
/// Whoever is signed in. The body is the file: JPEG, PNG or WebP of at most 5 MiB. The middle of it becomes a square of 256
/// pixels, which others see beside what one says and publishes; nothing else of the file is kept.
#[utoipa::path(
    put, path = "/api/v5/me/picture", tag = "accounts", security(("bearer" = [])),
    request_body(content = PictureFile, content_type = "image/jpeg", description = "Also `image/png` and `image/webp`"),
    responses(
        (status = 200, description = "It is shown", body = PictureResource),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 413, description = "The file is too long", body = Problem),
        (status = 415, description = "The file is no JPEG, PNG or WebP", body = Problem),
        (status = 422, description = "The picture cannot be read", body = Problem),
        (status = 503, description = "Many send pictures at once, or this server cannot look at any", body = Problem),
    )
)]
async fn show(
    State(state): State<AppState>,
    caller: SignedInCaller,
    base: BaseUrl,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<PictureResource>, Problem> {
    let file = body.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => PictureError::TooLong.into(),
        _ => Problem::new(StatusCode::BAD_REQUEST, "The body did not come completely."),
    })?;
    let key = picture::show(&state, caller.user.id, file).await?;
    Ok(Json(PictureResource { picture: base.picture(&key.to_string()) }))
}

/// Show no picture of oneself any more.
///
/// Whoever is signed in. Others see an initial in its place.
#[utoipa::path(
    delete, path = "/api/v5/me/picture", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 204, description = "There is none any more, or was none"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
    )
)]
async fn hide(State(state): State<AppState>, caller: SignedInCaller) -> Result<StatusCode, Problem> {
    picture::hide(&state, caller.user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Bytes of the file, as they are.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "documents a body that is read as it comes")]
struct PictureFile(Vec<u8>);

#[derive(Serialize, ToSchema)]
struct PictureResource {
    /// Its address. Another picture has another one.
    picture: String,
}

impl From<PictureError> for Problem {
    fn from(error: PictureError) -> Self {
        match error.sentence() {
            Some((status, sentence)) => Self::new(status, sentence),
            None => Self::internal(&error),
        }
    }
}
