//! `POST /api/v5/quality`, and `/api/v5/admin/quality` for administrators.

use std::time::Duration;

use axum::{
    Json,
    extract::{DefaultBodyLimit, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
};
use catalog::quality::{Quality, Report};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::actions::{self, Overview};
use crate::{
    AppState,
    accounts::{Admin, is_foreign},
    http::{Body, Problem},
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    let reports = OpenApiRouter::new().routes(routes!(report)).layer(DefaultBodyLimit::max(LONGEST_REPORT));
    reports.merge(OpenApiRouter::new().routes(routes!(overview)))
}

/// The route that players call when their page is left. It changes nothing that anybody may see or not see.
pub(crate) const REPORTS: &str = "/api/v5/quality";

/// In bytes; players tell some 300.
const LONGEST_REPORT: usize = 2048;
/// Days that are told of when nobody says how many.
const DAYS: u32 = 14;

/// How well a video plays, as its player tells it.
///
/// Anybody, from the pages of this server. What is told again of the same playback takes the place of what was told
/// before; what is told of a video that there is not is passed over.
#[utoipa::path(
    post, path = "/api/v5/quality", tag = "playback", request_body = QualityReport,
    responses(
        (status = 204, description = "It is kept, or passed over"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 403, description = "It comes from a page of another site", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The body is not a report", body = Problem),
    )
)]
async fn report(
    State(state): State<AppState>,
    headers: HeaderMap,
    Body(report): Body<QualityReport>,
) -> Result<StatusCode, Problem> {
    if is_foreign(&headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "only pages of this server tell how well they play"));
    }
    let kept = match report.parse() {
        Some(report) => actions::record(&state, report).await,
        None => Ok(()),
    };
    kept.map(|()| StatusCode::NO_CONTENT).map_err(|error| Problem::internal(&error))
}

/// How well videos play: by day, by rung, and by video.
///
/// Administrators.
#[utoipa::path(
    get, path = "/api/v5/admin/quality", tag = "administration", security(("bearer" = ["admin"])),
    params(
        ("days" = Option<u32>, Query, description = "The last so many, today included; at most 90", minimum = 1, maximum = 90, example = 14),
        ("video" = Option<String>, Query, description = "Only this one", example = "0190a0b0-5b7e-7c3a-9d2f-3f6a1c2b4d5e"),
    ),
    responses(
        (status = 200, description = "What was told", body = QualityResource),
        (status = 400, description = "A parameter is not understood", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
    )
)]
async fn overview(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<QualityQuery>, QueryRejection>,
) -> Result<Json<QualityResource>, Problem> {
    let Query(query) = query?;
    let video = query.video.as_deref().map(str::parse).transpose();
    let video = video.map_err(|_| Problem::parameter("video", "`video` is the id of a video"))?;
    let overview = actions::overview(&state, query.days.unwrap_or(DAYS), video).await;
    Ok(Json(QualityResource::new(&overview.map_err(|error| Problem::internal(&error))?)))
}

#[derive(Deserialize)]
struct QualityQuery {
    days: Option<u32>,
    video: Option<String>,
}

/// What a player tells of one playback, from its beginning until now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QualityReport {
    /// Drawn by the player, anew for each playback.
    #[schema(format = "uuid", example = "5e8f1c3a-7d2b-4e6f-9a0c-1b3d5f7a9c2e")]
    playback: String,
    #[schema(format = "uuid", example = "0190a0b0-5b7e-7c3a-9d2f-3f6a1c2b4d5e")]
    video: String,
    /// Of the pictures that were shown for the longest time; 0 when none were.
    #[schema(example = 720)]
    height: u32,
    /// From the wish to play to the first picture; null when there was none.
    #[schema(example = 350)]
    startup_ms: Option<u32>,
    #[schema(example = 61_500)]
    played_ms: u32,
    /// How often it stopped to wait for media.
    #[schema(example = 1)]
    rebuffers: u32,
    /// How long it waited then, all together.
    #[schema(example = 480)]
    rebuffering_ms: u32,
    /// How often it went on in another rung.
    #[schema(example = 2)]
    switches: u32,
    /// How often something failed.
    #[schema(example = 0)]
    errors: u32,
}

impl QualityReport {
    /// `None` for what is about nothing.
    fn parse(self) -> Option<Report> {
        let time = |millis: u32| Duration::from_millis(millis.into());
        Some(Report {
            playback: Uuid::try_parse(&self.playback).ok()?,
            video: self.video.parse().ok()?,
            height: self.height,
            startup: self.startup_ms.map(time),
            played: time(self.played_ms),
            rebuffers: self.rebuffers,
            rebuffering: time(self.rebuffering_ms),
            switches: self.switches,
            errors: self.errors,
        })
    }
}

/// `GET /api/v5/admin/quality`
#[derive(Debug, Serialize, ToSchema)]
struct QualityResource {
    /// Days on which nothing was played are left out.
    days: Vec<DayResource>,
    rungs: Vec<RungResource>,
    /// Those that were played most often; at most 100.
    videos: Vec<VideoResource>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QualityOfDay)]
struct DayResource {
    /// When it begins in UTC, in milliseconds since 1970.
    begins_at_ms: u64,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QualityOfRung)]
struct RungResource {
    /// Of its pictures; 0 for playbacks that showed none.
    height: u64,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QualityOfVideo)]
struct VideoResource {
    #[schema(format = "uuid")]
    id: String,
    title: String,
    #[serde(flatten)]
    figures: Figures,
}

/// What playbacks have in common. Times are in seconds; percentiles are times that a playback really had.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QualityFigures)]
struct Figures {
    playbacks: u64,
    /// Those that showed a picture.
    started: u64,
    /// Those that met an error.
    failed: u64,
    switches: u64,
    rebuffers: u64,
    played_seconds: f64,
    rebuffering_seconds: f64,
    startup_seconds: Percentiles,
    /// Of all waiting within one playback.
    rebuffering_seconds_of_one: Percentiles,
}

#[derive(Debug, Serialize, ToSchema)]
struct Percentiles {
    p50: Option<f64>,
    p95: Option<f64>,
}

impl QualityResource {
    fn new(overview: &Overview) -> Self {
        let day = |quality: &Quality| DayResource {
            begins_at_ms: quality.part.saturating_mul(24 * 3600 * 1000),
            figures: Figures::new(quality),
        };
        let rung = |quality: &Quality| RungResource { height: quality.part, figures: Figures::new(quality) };
        let videos = overview.videos.iter().map(|(quality, video)| VideoResource {
            id: video.id.to_string(),
            title: video.title.to_string(),
            figures: Figures::new(quality),
        });
        Self {
            days: overview.days.iter().map(day).collect(),
            rungs: overview.rungs.iter().map(rung).collect(),
            videos: videos.collect(),
        }
    }
}

impl Figures {
    fn new(quality: &Quality) -> Self {
        let percentiles = |p50: Option<Duration>, p95: Option<Duration>| Percentiles {
            p50: p50.map(|time| time.as_secs_f64()),
            p95: p95.map(|time| time.as_secs_f64()),
        };
        Self {
            playbacks: quality.playbacks,
            started: quality.started,
            failed: quality.failed,
            switches: quality.switches,
            rebuffers: quality.rebuffers,
            played_seconds: quality.played.as_secs_f64(),
            rebuffering_seconds: quality.rebuffering.as_secs_f64(),
            startup_seconds: percentiles(quality.startup_p50, quality.startup_p95),
            rebuffering_seconds_of_one: percentiles(
                Some(quality.rebuffering_p50),
                Some(quality.rebuffering_p95),
            ),
        }
    }
}
