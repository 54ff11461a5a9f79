//! `/api/v5/videos/{id}/poster`

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::StatusCode,
    middleware::from_fn,
};
use catalog::{ids::VideoId, posters};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    actions::{self, ManageError},
    poster::{self, Choice, ChooseError, LONGEST},
};
use crate::{
    AppState,
    accounts::Manager,
    http::{Body, Problem, drain_refused},
    playback::{BaseUrl, MediaUrls},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(send, take, withdraw))
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(from_fn(drain_refused))
}

/// Show a picture as the poster of a video.
///
/// The owner and administrators, once the video plays. The body is the file: JPEG, PNG or WebP of at most 8 MiB. It is
/// decoded and encoded anew, with 1280 pixels on its longer side at most; nothing else of the file is kept. It stays when
/// the video is processed again.
#[utoipa::path(
    put, path = "/api/v5/videos/{id}/poster", tag = "videos", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    request_body(content = PictureBytes, content_type = "image/jpeg", description = "Also `image/png` and `image/webp`"),
    responses(
        (status = 200, description = "It is shown", body = PosterResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "It does not play, or not yet", body = Problem),
        (status = 413, description = "The file is too long", body = Problem),
        (status = 415, description = "The file is no JPEG, PNG or WebP", body = Problem),
        (status = 422, description = "The picture cannot be read", body = Problem),
        (status = 503, description = "Many pictures are made at once, or this server cannot make any", body = Problem),
    )
)]
async fn send(
    State(state): State<AppState>,
    Manager(caller): Manager,
    base: BaseUrl,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<PosterResource>, Problem> {
    let id = parse(&id)?;
    // Whoever may not is told so, whatever they send.
    actions::managed(&state, &caller, id).await?;
    let file = body.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ChooseError::TooLong.into(),
        _ => Problem::new(StatusCode::BAD_REQUEST, "The body did not come completely."),
    })?;
    poster::choose(&state, &caller, id, Choice::Picture(file)).await?;
    shown(&state, &base, id).await
}

/// Show a frame of the video as its poster.
///
/// The owner and administrators, once the video plays. Not of a protected video: send a picture there.
#[utoipa::path(
    post, path = "/api/v5/videos/{id}/poster", tag = "videos", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    request_body = PosterMoment,
    responses(
        (status = 200, description = "It is shown", body = PosterResource),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "It does not play, or is protected", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The body is no moment of the video", body = Problem),
        (status = 503, description = "Many pictures are made at once, or this server cannot make any", body = Problem),
    )
)]
async fn take(
    State(state): State<AppState>,
    Manager(caller): Manager,
    base: BaseUrl,
    Path(id): Path<String>,
    Body(moment): Body<PosterMoment>,
) -> Result<Json<PosterResource>, Problem> {
    let id = parse(&id)?;
    let wrong = || {
        let sentence = "`at_seconds` is a time of the video, in seconds from its beginning.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, sentence).field("at_seconds".to_owned())
    };
    let at = Duration::try_from_secs_f64(moment.at_seconds).map_err(|_| wrong())?;
    poster::choose(&state, &caller, id, Choice::Moment(at)).await?;
    shown(&state, &base, id).await
}

/// Show the poster again that was made with the video.
///
/// The owner and administrators.
#[utoipa::path(
    delete, path = "/api/v5/videos/{id}/poster", tag = "videos", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 204, description = "It is shown, or was all the time"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn withdraw(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    poster::withdraw(&state, &caller, parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(id: &str) -> Result<VideoId, ManageError> {
    id.parse().map_err(|_| ManageError::NoVideo)
}

async fn shown(state: &AppState, base: &BaseUrl, id: VideoId) -> Result<Json<PosterResource>, Problem> {
    let video = catalog::videos::video(&state.db, id).await.map_err(ManageError::from)?;
    let chosen = posters::of(&state.db, id).await.map_err(ManageError::from)?;
    Ok(Json(PosterResource {
        poster: MediaUrls::origin(state, base, &video).map(|urls| urls.poster(&video)),
        at_seconds: chosen.and_then(|chosen| chosen.moment).map(|moment| moment.as_secs_f64()),
    }))
}

/// The file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described")]
struct PictureBytes(Vec<u8>);

/// A moment of a video.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PosterMoment {
    /// From the beginning of the video.
    #[schema(example = 1.5, minimum = 0)]
    at_seconds: f64,
}

/// The poster that somebody chose.
#[derive(Debug, Serialize, ToSchema)]
struct PosterResource {
    /// Its address. Another poster has another one.
    poster: Option<String>,
    /// Where in the video it was taken; null for a picture that was sent.
    at_seconds: Option<f64>,
}

impl From<ChooseError> for Problem {
    fn from(error: ChooseError) -> Self {
        match (error.refusal(), error) {
            (Some((status, sentence)), _) => Self::new(status, sentence),
            (None, ChooseError::Manage(error)) => error.into(),
            (None, error) => Self::internal(&error),
        }
    }
}
