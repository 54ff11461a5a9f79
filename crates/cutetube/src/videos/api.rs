//! `/api/v3/vod/…` for reading, in the original's shapes, and `/api/v5/videos/…`.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    actions::{self, is_followed},
    v3::Metadata,
    v5::VideoResource,
};
use crate::{
    AppState,
    accounts::Visitor,
    http::{Problem, log_internal},
    playback::{BaseUrl, PlaybackUrls},
};

/// Routes of this feature's API.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v3/vod/metadata/stream/{video_id}/", get(v3_metadata))
        .route("/api/v3/vod/videos/all/", get(v3_list))
        .route("/api/v5/videos/{id}", get(v5_video))
}

/// Anybody for public and unlisted videos; for private ones their owner and administrators.
async fn v3_metadata(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Response {
    let invalid = || v3_error(StatusCode::NOT_FOUND, &format!("Video ID: '{id}' is invalid."));
    let Ok(video) = id.parse() else { return invalid() };
    match actions::find(&state, &visitor, video).await {
        Ok(Some(video)) => {
            let data = Metadata::new(&video, &base, PlaybackUrls::preferred(&video, &state, &base));
            Json(json!({ "data": { "status": "success", "data": data } })).into_response()
        }
        Ok(None) => invalid(),
        Err(error) => v3_internal(&error),
    }
}

/// Anybody; public videos that play, newest first, ten to a page.
async fn v3_list(State(state): State<AppState>, base: BaseUrl, Query(query): Query<PageQuery>) -> Response {
    let number = query.page.as_deref().unwrap_or("1").parse().unwrap_or(0);
    match actions::public_page(&state, number).await {
        Ok(Some(page)) => {
            let metadata = |video| Metadata::new(video, &base, PlaybackUrls::preferred(video, &state, &base));
            let items: Vec<_> = page
                .videos
                .iter()
                .map(|video| {
                    let mut item = json!(metadata(video));
                    item["id"] = json!(video.id);
                    item
                })
                .collect();
            Json(json!({ "data": {
                "count": page.total,
                "next": is_followed(number, page.total).then(|| base.v3_page(number + 1)),
                "previous": (number > 1).then(|| base.v3_page(number - 1)),
                "status": "success",
                "data": items,
            } }))
            .into_response()
        }
        Ok(None) => v3_error(StatusCode::NOT_FOUND, "Invalid page."),
        Err(error) => v3_internal(&error),
    }
}

/// Anybody for public and unlisted videos; for private ones their owner and administrators.
async fn v5_video(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<Json<VideoResource>, Problem> {
    let nothing = || Problem::not_found("there is no such video");
    let id = id.parse().map_err(|_| nothing())?;
    let found = actions::details(&state, &visitor, id).await.map_err(|error| Problem::internal(&error))?;
    let details = found.ok_or_else(nothing)?;
    let playback = PlaybackUrls::preferred(&details.video, &state, &base);
    Ok(Json(VideoResource::new(&details, &base, playback)))
}

#[derive(Deserialize)]
struct PageQuery {
    page: Option<String>,
}

fn v3_error(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "data": { "status": "error", "detail": detail } }))).into_response()
}

fn v3_internal(error: &catalog::Error) -> Response {
    log_internal(error);
    v3_error(StatusCode::INTERNAL_SERVER_ERROR, "It's not you, It's Us. Unexpected error occurred.")
}
