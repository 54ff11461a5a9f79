//! `/api/v5/videos/{id}/views`

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use catalog::views::DayOfViews;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::actions::{self, ViewError, ViewStatistics};
use crate::{
    AppState,
    accounts::{Reader, Source, Visitor},
    calendar,
    http::Problem,
    videos::actions::ManageError,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(tell, count))
}

/// The route that players call while people watch. It changes nothing that anybody may see or not see.
pub(crate) const VIEWS: &str = "/api/v5/videos/{id}/views";

/// How often a video was watched.
///
/// The owner and administrators. A viewer counts once a day.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/views", tag = "videos", security(("bearer" = ["read"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 200, description = "In all, and on each of the last 30 days", body = ViewsResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `read`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn tell(
    State(state): State<AppState>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<Json<ViewsResource>, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    let statistics = actions::statistics(&state, &caller, id).await?;
    Ok(Json(ViewsResource::new(&statistics)))
}

/// Count that somebody watches a video.
///
/// Anybody who may see it. Our player asks for it once 10 seconds, or 30 % of a shorter video, were played. A viewer counts
/// once a day, however often they ask: an account, or without one a network and a browser.
#[utoipa::path(
    post, path = "/api/v5/videos/{id}/views", tag = "videos", security((), ("bearer" = ["read"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 204, description = "It is counted, now or earlier today"),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "It does not play, or not yet", body = Problem),
    )
)]
async fn count(
    State(state): State<AppState>,
    visitor: Visitor,
    source: Source,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| ViewError::NoVideo)?;
    actions::count(&state, &visitor, &source, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v5/videos/{id}/views`
#[derive(Debug, Serialize, ToSchema)]
struct ViewsResource {
    /// Since it was uploaded.
    total: u64,
    /// Days of the last 30 on which it was watched, the earliest first.
    days: Vec<DayResource>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DayResource {
    /// In UTC.
    #[schema(format = "date", example = "2026-11-28")]
    date: String,
    views: u64,
}

impl ViewsResource {
    fn new(statistics: &ViewStatistics) -> Self {
        Self { total: statistics.total, days: statistics.days.iter().map(DayResource::new).collect() }
    }
}

impl DayResource {
    fn new(day: &DayOfViews) -> Self {
        Self { date: calendar::date(day.day), views: day.views }
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Catalog(error) => Self::internal(&error),
            ViewError::NoVideo => Self::not_found(error.to_string()),
            ViewError::NotReady(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
        }
    }
}
