//! `/api/v5/videos/…`

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use catalog::ids::VideoId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    actions::{self, ManageError},
    original,
    v5::VideoResource,
};
use crate::{
    AppState,
    accounts::{Manager, Visitor},
    http::Problem,
    playback::BaseUrl,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(original::routes())
        .routes(routes!(v5_video, v5_delete))
        .routes(routes!(v5_retry))
}

/// A video: its state, how far it is, and where it plays from.
///
/// Anybody for public and unlisted videos; for private ones their owner and administrators.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}", tag = "videos", security((), ("bearer" = ["read"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 200, description = "The video", body = VideoResource),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn v5_video(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<Json<VideoResource>, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    Ok(Json(resource(&state, &visitor, &base, id).await?))
}

/// Deletes a video.
///
/// The owner and administrators. It is gone for everybody when this answers; its objects follow.
#[utoipa::path(
    delete, path = "/api/v5/videos/{id}", tag = "videos", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn v5_delete(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    actions::delete(&state, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Processes a video again that has failed.
///
/// The owner and administrators.
#[utoipa::path(
    post, path = "/api/v5/videos/{id}/retry", tag = "videos", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 202, description = "It is processed again", body = VideoResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "It has not failed", body = Problem),
    )
)]
async fn v5_retry(
    State(state): State<AppState>,
    Manager(caller): Manager,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<VideoResource>), Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    actions::retry(&state, &caller, id).await?;
    Ok((StatusCode::ACCEPTED, Json(resource(&state, &Visitor(Some(caller)), &base, id).await?)))
}

async fn resource(
    state: &AppState,
    visitor: &Visitor,
    base: &BaseUrl,
    id: VideoId,
) -> Result<VideoResource, Problem> {
    let details = actions::details(state, visitor, id).await.map_err(|error| Problem::internal(&error))?;
    let details = details.ok_or(ManageError::NoVideo)?;
    Ok(VideoResource::new(state, base, &details))
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::Catalog(error) => Self::internal(&error),
            ManageError::NoVideo => Self::not_found(error.to_string()),
            ManageError::NotYours => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            ManageError::Refused(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
        }
    }
}
