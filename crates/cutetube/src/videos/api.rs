//! `/api/v3/vod/…` for reading, in the original's shapes, and `/api/v5/videos/…`.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use catalog::ids::VideoId;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    actions::{self, ManageError, is_followed},
    v3::{ListedVideo, Metadata, Success, VideoList},
    v5::VideoResource,
};
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    http::{Problem, V3, V3Error, V3ErrorBody},
    playback::{BaseUrl, PlaybackUrls},
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(v3_metadata))
        .routes(routes!(v3_list))
        .routes(routes!(v5_video, v5_delete))
        .routes(routes!(v5_retry))
}

/// Where a video plays from.
///
/// Anybody for public and unlisted videos; for private ones their owner and administrators.
#[utoipa::path(
    get, path = "/api/v3/vod/metadata/stream/{video_id}/", tag = "videos",
    params(("video_id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 200, description = "The URLs are null until the video plays", body = V3<Success<Metadata>>),
        (status = 404, description = "There is no such video for this caller", body = V3<V3ErrorBody>),
    )
)]
async fn v3_metadata(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<V3<Success<Metadata>>, V3Error> {
    let invalid = || V3Error::new(StatusCode::NOT_FOUND, format!("Video ID: '{id}' is invalid."));
    let video = id.parse().map_err(|_| invalid())?;
    let found = actions::find(&state, &visitor, video).await.map_err(|error| V3Error::internal(&error))?;
    let video = found.ok_or_else(invalid)?;
    let data = Metadata::new(&video, &base, PlaybackUrls::preferred(&video, &state, &base));
    Ok(V3::new(Success { status: "success", data }))
}

/// The public videos that play, newest first, ten to a page.
///
/// Anybody.
#[utoipa::path(
    get, path = "/api/v3/vod/videos/all/", tag = "videos", params(("page" = Option<u32>, Query, description = "From 1")),
    responses(
        (status = 200, description = "A page", body = V3<VideoList>),
        (status = 404, description = "There is no such page", body = V3<V3ErrorBody>),
    )
)]
async fn v3_list(
    State(state): State<AppState>,
    base: BaseUrl,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<V3<VideoList>, V3Error> {
    let invalid = || V3Error::new(StatusCode::NOT_FOUND, "Invalid page.");
    let Query(query) = query.map_err(|_| invalid())?;
    let number = query.page.as_deref().unwrap_or("1").parse().unwrap_or(0);
    let found = actions::public_page(&state, number).await.map_err(|error| V3Error::internal(&error))?;
    let page = found.ok_or_else(invalid)?;
    let item = |video| ListedVideo::new(video, &base, PlaybackUrls::preferred(video, &state, &base));
    Ok(V3::new(VideoList {
        count: page.total,
        next: is_followed(number, page.total).then(|| base.v3_page(number + 1)),
        previous: (number > 1).then(|| base.v3_page(number - 1)),
        status: "success",
        data: page.videos.iter().map(item).collect(),
    }))
}

/// A video: its state, how far it is, and where it plays from.
///
/// Anybody for public and unlisted videos; for private ones their owner and administrators.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}", tag = "videos", security((), ("bearer" = [])),
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
    delete, path = "/api/v5/videos/{id}", tag = "videos", security(("bearer" = [])),
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
    caller: Caller,
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
    post, path = "/api/v5/videos/{id}/retry", tag = "videos", security(("bearer" = [])),
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
    caller: Caller,
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
    Ok(VideoResource::new(&details, base, PlaybackUrls::preferred(details.video(), state, base)))
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

#[derive(Deserialize)]
struct PageQuery {
    page: Option<String>,
}
