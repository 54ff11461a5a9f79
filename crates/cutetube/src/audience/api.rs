//! `POST /api/v5/videos/{id}/audience`, and `/api/v5/videos/{id}/statistics` for owners.

use std::time::Duration;

use axum::{
    Json,
    extract::{DefaultBodyLimit, Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
};
use catalog::audience::Watched;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::actions::{self, Day, Statistics};
use crate::{
    AppState,
    accounts::{Reader, Visitor, is_foreign},
    calendar,
    http::{Body, Problem},
    videos::actions::ManageError,
    views::actions::ViewError,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    let reports = OpenApiRouter::new().routes(routes!(tell)).layer(DefaultBodyLimit::max(LONGEST_REPORT));
    reports.merge(OpenApiRouter::new().routes(routes!(statistics)))
}

/// The route that players call while people watch. It changes nothing that anybody may see or not see.
pub(crate) const AUDIENCE: &str = "/api/v5/videos/{id}/audience";

/// In bytes; players tell some 250 at most.
const LONGEST_REPORT: usize = 1024;
/// Days that are told of when nobody says how many.
const DAYS: u32 = 30;

/// What was watched of a video, as its player tells it.
///
/// Anybody who may see it, from the pages of this server. It is added to the sums of the day, and nothing else is kept of it.
#[utoipa::path(
    post, path = "/api/v5/videos/{id}/audience", tag = "videos", security((), ("bearer" = ["read"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    request_body = AudienceReport,
    responses(
        (status = 204, description = "It is added"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 403, description = "It comes from a page of another site", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "It does not play, or not yet", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The body is not a report", body = Problem),
    )
)]
async fn tell(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(report): Body<AudienceReport>,
) -> Result<StatusCode, Problem> {
    let video = id.parse().map_err(|_| ViewError::NoVideo)?;
    if is_foreign(&headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "only pages of this server tell what is watched"));
    }
    let told = Watched {
        video,
        begins: report.begins,
        played: Duration::from_millis(report.played_ms.into()),
        parts: report.parts.into_iter().collect(),
    };
    actions::add(&state, &visitor, told).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How much of a video was watched, by day and by part.
///
/// The owner and administrators.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/statistics", tag = "videos", security(("bearer" = ["read"])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("days" = Option<u32>, Query, description = "The last so many, today included; at most 90", minimum = 1, maximum = 90, example = 30),
    ),
    responses(
        (status = 200, description = "What was told and counted", body = StatisticsResource),
        (status = 400, description = "A parameter is not understood", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `read`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn statistics(
    State(state): State<AppState>,
    Reader(caller): Reader,
    Path(id): Path<String>,
    query: Result<Query<StatisticsQuery>, QueryRejection>,
) -> Result<Json<StatisticsResource>, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    let Query(query) = query?;
    let found = actions::statistics(&state, &caller, id, query.days.unwrap_or(DAYS)).await?;
    Ok(Json(StatisticsResource::new(&found)))
}

#[derive(Deserialize)]
struct StatisticsQuery {
    days: Option<u32>,
}

/// What a player tells of a playback since it told of it the last time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AudienceReport {
    /// Whether nothing has been told of this playback before.
    #[schema(example = true)]
    begins: bool,
    /// Time in front of moving pictures.
    #[schema(example = 12_500)]
    played_ms: u32,
    /// Which of 50 equal parts of the video were shown for the first time, from 0 on.
    #[schema(example = json!([0, 1, 2]))]
    parts: Vec<u8>,
}

/// `GET /api/v5/videos/{id}/statistics`
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VideoStatistics)]
struct StatisticsResource {
    /// Viewers, each counted once for every day.
    views: u64,
    /// How often somebody began to play it.
    playbacks: u64,
    /// Time in front of moving pictures.
    played_seconds: f64,
    /// The first one first.
    days: Vec<StatisticsDay>,
    /// Equal parts of the video, from its beginning to its end.
    parts: Vec<StatisticsPart>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatisticsDay {
    /// In UTC.
    #[schema(format = "date", example = "2026-11-28")]
    date: String,
    views: u64,
    playbacks: u64,
    played_seconds: f64,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatisticsPart {
    begins_at_seconds: f64,
    /// How many playbacks have shown something of it.
    playbacks: u64,
    /// Of 100 playbacks, how many have; null before the first.
    percent: Option<f64>,
}

impl StatisticsResource {
    fn new(found: &Statistics) -> Self {
        let part = |(index, playbacks): (usize, &u64)| StatisticsPart {
            begins_at_seconds: found.begins(index).as_secs_f64(),
            playbacks: *playbacks,
            percent: found.share(*playbacks),
        };
        Self {
            views: found.views(),
            playbacks: found.playbacks(),
            played_seconds: found.played().as_secs_f64(),
            days: found.days.iter().map(StatisticsDay::new).collect(),
            parts: found.parts.iter().enumerate().map(part).collect(),
        }
    }
}

impl StatisticsDay {
    fn new(day: &Day) -> Self {
        Self {
            date: calendar::date(day.day),
            views: day.views,
            playbacks: day.playbacks,
            played_seconds: day.played.as_secs_f64(),
        }
    }
}
