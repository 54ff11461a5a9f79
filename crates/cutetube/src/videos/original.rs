//! `/api/v3/vod/…` and `/api/v4/drm/vod/…` for reading, in the original's shapes. Both have the same ones: v3 is about
//! videos that are not protected, v4 about those that are.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use catalog::videos::{Listing, Video};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    actions::{self, is_followed},
    v3::{ListedVideo, Metadata, ProtectedMetadata, Success, VideoList},
};
use crate::{
    AppState,
    accounts::Visitor,
    http::{V3, V3Error, V3ErrorBody},
    licences::{self, Pass},
    playback::{BaseUrl, Original},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(v3_metadata))
        .routes(routes!(v3_list))
        .routes(routes!(v4_metadata))
        .routes(routes!(v4_list))
}

/// Where a video plays from.
///
/// Anybody for public and unlisted videos; for private ones their owner and administrators. Each client has 3 requests
/// at once, and one more each 20 seconds.
#[utoipa::path(
    get, path = "/api/v3/vod/metadata/stream/{video_id}/", tag = "videos", security((), ("bearer" = ["read"])),
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
    let (video, pass) = find(&state, &visitor, &id).await?;
    Ok(V3::new(Success { status: "success", data: Metadata::new(&state, &base, &video, pass.as_ref()) }))
}

/// The public videos that play and are not protected, newest first, ten to a page.
///
/// Anybody.
#[utoipa::path(
    get, path = "/api/v3/vod/videos/all/", tag = "videos",
    params(("page" = Option<u32>, Query, description = "From 1", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "A page", body = V3<VideoList>),
        (status = 404, description = "There is no such page", body = V3<V3ErrorBody>),
    )
)]
async fn v3_list(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<V3<VideoList>, V3Error> {
    list(&state, &visitor, &base, Original::V3, query).await
}

/// Where a video plays from, protected or not.
///
/// Anybody for public and unlisted videos; for private ones their owner and administrators. Each client has 3 requests
/// at once, and one more each 20 seconds; those of v3 are counted in.
#[utoipa::path(
    get, path = "/api/v4/drm/vod/metadata/stream/{video_id}/", tag = "videos", security((), ("bearer" = ["read"])),
    params(("video_id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 200, description = "The URLs are null until the video plays; `token` is for licences of a protected one", body = V3<Success<ProtectedMetadata>>),
        (status = 404, description = "There is no such video for this caller", body = V3<V3ErrorBody>),
    )
)]
async fn v4_metadata(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<V3<Success<ProtectedMetadata>>, V3Error> {
    let (video, pass) = find(&state, &visitor, &id).await?;
    Ok(V3::new(Success {
        status: "success",
        data: ProtectedMetadata::new(&state, &base, &video, pass.as_ref()),
    }))
}

/// The public videos that play and are protected, newest first, ten to a page.
///
/// Anybody.
#[utoipa::path(
    get, path = "/api/v4/drm/vod/videos/all/", tag = "videos",
    params(("page" = Option<u32>, Query, description = "From 1", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "A page", body = V3<VideoList>),
        (status = 404, description = "There is no such page", body = V3<V3ErrorBody>),
    )
)]
async fn v4_list(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<V3<VideoList>, V3Error> {
    list(&state, &visitor, &base, Original::V4, query).await
}

/// The video, unless it does not exist for this visitor, and what they play it with.
async fn find(state: &AppState, visitor: &Visitor, id: &str) -> Result<(Video, Option<Pass>), V3Error> {
    let invalid = || V3Error::new(StatusCode::NOT_FOUND, format!("Video ID: '{id}' is invalid."));
    let internal = |error: catalog::Error| V3Error::internal(&error);
    let video = id.parse().map_err(|_| invalid())?;
    let found = actions::find(state, visitor, video).await.map_err(internal)?;
    let video = found.ok_or_else(invalid)?;
    let pass = licences::pass(state, visitor, &video).await.map_err(internal)?;
    Ok((video, pass))
}

async fn list(
    state: &AppState,
    visitor: &Visitor,
    base: &BaseUrl,
    original: Original,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<V3<VideoList>, V3Error> {
    let invalid = || V3Error::new(StatusCode::NOT_FOUND, "Invalid page.");
    let Query(query) = query.map_err(|_| invalid())?;
    let number = query.page.as_deref().unwrap_or("1").parse().unwrap_or(0);
    let listing = match original {
        Original::V3 => Listing::PublicUnprotected,
        Original::V4 => Listing::PublicProtected,
    };
    let found =
        actions::numbered_page(state, listing, number).await.map_err(|error| V3Error::internal(&error))?;
    let page = found.ok_or_else(invalid)?;
    let mut items = Vec::new();
    for video in &page.videos {
        let pass = licences::pass(state, visitor, video).await.map_err(|error| V3Error::internal(&error))?;
        items.push(ListedVideo::new(state, base, video, pass.as_ref()));
    }
    Ok(V3::new(VideoList {
        count: page.total,
        next: is_followed(number, page.total).then(|| base.list_page(original, number + 1)),
        previous: (number > 1).then(|| base.list_page(original, number - 1)),
        status: "success",
        data: items,
    }))
}

#[derive(Deserialize)]
struct PageQuery {
    page: Option<String>,
}
