//! `/api/v5/admin/…`: administrators only.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use jobs::{Filter, JobId};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    actions::{self, Span, Verb},
    resources::{JobPage, JobResource, QueueView, StatisticsResource, VideoWorkResource},
};
use crate::{AppState, accounts::Admin, http::Problem};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(overview))
        .routes(routes!(events))
        .routes(routes!(list))
        .routes(routes!(job))
        .routes(routes!(retry))
        .routes(routes!(cancel))
        .routes(routes!(expedite))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(statistics))
        .routes(routes!(video))
        .merge(super::usage::routes())
        .merge(super::configuration::routes())
}

/// Queues, workers, what runs, and what was given up.
///
/// Administrators.
#[utoipa::path(
    get, path = "/api/v5/admin/overview", tag = "administration", security(("bearer" = ["admin"])),
    responses(
        (status = 200, description = "The queue at this moment", body = QueueView),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
    )
)]
async fn overview(State(state): State<AppState>, _: Admin) -> Result<Json<QueueView>, Problem> {
    Ok(Json(QueueView::new(&actions::overview(&state.db).await?)))
}

/// The same as a stream of events: now, and after each change. It does not end by itself.
///
/// Administrators.
#[utoipa::path(
    get, path = "/api/v5/admin/events", tag = "administration", security(("bearer" = ["admin"])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received")),
    responses(
        (status = 200, description = "Events", body = QueueView, content_type = "text/event-stream"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 503, description = "Too many streams at once: come back later", body = Problem),
    )
)]
async fn events(State(state): State<AppState>, _: Admin, headers: HeaderMap) -> Response {
    let slot = match state.streams.slot() {
        Ok(slot) => slot,
        Err(full) => return full.into_response(),
    };
    let sight = state.overview.watch(());
    let events = stream::unfold(sight, |mut sight| async move {
        let overview = sight.next().await?;
        Some((QueueView::event(&overview), sight))
    });
    slot.answer(&headers, events)
}

/// Jobs, newest first.
///
/// Administrators.
#[utoipa::path(
    get, path = "/api/v5/admin/jobs", tag = "administration", security(("bearer" = ["admin"])),
    params(
        ("state" = Option<String>, Query, description = "`ready`, `running`, `done`, `dead` or `cancelled`", example = "dead"),
        ("queue" = Option<String>, Query, description = "Only of this queue", example = "pipeline"),
        ("kind" = Option<String>, Query, description = "Only of this kind", example = "encode"),
        ("owner" = Option<String>, Query, description = "Only for this account: its id", example = "0190a0b0-5b7e-7c3a-9d2f-3f6a1c2b4d5e"),
        ("before" = Option<i64>, Query, description = "Only jobs older than this one: how a list goes on"),
        ("limit" = Option<u32>, Query, description = "At most 500", example = 50),
    ),
    responses(
        (status = 200, description = "A page", body = JobPage),
        (status = 400, description = "A parameter is not understood", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
    )
)]
async fn list(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<JobQuery>, QueryRejection>,
) -> Result<Json<JobPage>, Problem> {
    let Query(query) = query?;
    let wanted = query.state.as_deref().map(str::parse).transpose();
    let wanted = wanted
        .map_err(|_| Problem::parameter("state", "`state` is ready, running, done, dead or cancelled"))?;
    let filter = Filter {
        state: wanted,
        queue: query.queue.as_deref(),
        kind: query.kind.as_deref(),
        owner: query.owner.as_deref(),
        group: None,
    };
    let limit = query.limit.unwrap_or(actions::LISTED).clamp(1, LONGEST_PAGE);
    let jobs = jobs::list(&state.db, &filter, query.before.map(JobId), limit + 1);
    let mut jobs = jobs.await.map_err(catalog::Error::from)?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = jobs.len() > length;
    jobs.truncate(length);
    let next = jobs.last().filter(|_| goes_on).map(|job| job.id.0);
    Ok(Json(JobPage { jobs: jobs.iter().map(JobResource::of).collect(), next }))
}

const LONGEST_PAGE: u32 = 500;

/// One job.
///
/// Administrators.
#[utoipa::path(
    get, path = "/api/v5/admin/jobs/{id}", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = i64, Path, description = "As a list of jobs has it", example = 42)),
    responses(
        (status = 200, description = "The job", body = JobResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such job, or no more", body = Problem),
    )
)]
async fn job(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Json<JobResource>, Problem> {
    found(&state, parse(&id)?).await
}

/// Has a dead job done after all; one that processes a video takes the whole video with it.
///
/// Administrators.
#[utoipa::path(
    post, path = "/api/v5/admin/jobs/{id}/retry", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = i64, Path, description = "As a list of jobs has it", example = 42)),
    responses(
        (status = 200, description = "The job as it is now", body = JobResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such job, or no more", body = Problem),
        (status = 409, description = "It is not dead, or its video is processed again already", body = Problem),
    )
)]
async fn retry(state: State<AppState>, admin: Admin, id: Path<String>) -> Result<Json<JobResource>, Problem> {
    decide(state, admin, Verb::Retry, id).await
}

/// Ends a job that waits or runs; the video that it processes fails, and its owner is told that you stopped it.
///
/// Administrators.
#[utoipa::path(
    post, path = "/api/v5/admin/jobs/{id}/cancel", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = i64, Path, description = "As a list of jobs has it", example = 42)),
    responses(
        (status = 200, description = "The job as it is now", body = JobResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such job, or no more", body = Problem),
        (status = 409, description = "It has ended, or is a deletion", body = Problem),
    )
)]
async fn cancel(
    state: State<AppState>,
    admin: Admin,
    id: Path<String>,
) -> Result<Json<JobResource>, Problem> {
    decide(state, admin, Verb::Cancel, id).await
}

/// Lets a job that waits go first.
///
/// Administrators.
#[utoipa::path(
    post, path = "/api/v5/admin/jobs/{id}/expedite", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = i64, Path, description = "As a list of jobs has it", example = 42)),
    responses(
        (status = 200, description = "The job as it is now", body = JobResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such job, or no more", body = Problem),
        (status = 409, description = "It does not wait, or goes first already", body = Problem),
    )
)]
async fn expedite(
    state: State<AppState>,
    admin: Admin,
    id: Path<String>,
) -> Result<Json<JobResource>, Problem> {
    decide(state, admin, Verb::Expedite, id).await
}

/// Stops handing out the jobs of a queue. Those that run go on.
///
/// Administrators.
#[utoipa::path(
    post, path = "/api/v5/admin/queues/{queue}/pause", tag = "administration", security(("bearer" = ["admin"])),
    params(("queue" = String, Path, description = "As the overview has it", example = "pipeline")),
    responses(
        (status = 204, description = "It is paused"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such queue", body = Problem),
    )
)]
async fn pause(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(queue): Path<String>,
) -> Result<StatusCode, Problem> {
    existing(&state, &queue).await?;
    actions::pause(&state, &caller, &queue).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hands out the jobs of a queue again.
///
/// Administrators.
#[utoipa::path(
    post, path = "/api/v5/admin/queues/{queue}/resume", tag = "administration", security(("bearer" = ["admin"])),
    params(("queue" = String, Path, description = "As the overview has it", example = "pipeline")),
    responses(
        (status = 204, description = "It goes on"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such queue", body = Problem),
    )
)]
async fn resume(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(queue): Path<String>,
) -> Result<StatusCode, Problem> {
    existing(&state, &queue).await?;
    actions::resume(&state, &caller, &queue).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What ended, how long it waited and how long it took, over time and by kind.
///
/// Administrators.
#[utoipa::path(
    get, path = "/api/v5/admin/statistics", tag = "administration", security(("bearer" = ["admin"])),
    params(("span" = Option<String>, Query, description = "`2h` (by five minutes), `24h` (by hours), `7d` (by six hours)", example = "24h")),
    responses(
        (status = 200, description = "By bucket and kind", body = StatisticsResource),
        (status = 400, description = "There is no such span", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
    )
)]
async fn statistics(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<SpanQuery>, QueryRejection>,
) -> Result<Json<StatisticsResource>, Problem> {
    let Query(query) = query?;
    let span = query.span.as_deref().map_or(Ok(Span::Hours), str::parse);
    let span = span.map_err(|_| Problem::parameter("span", "`span` is 2h, 24h or 7d"))?;
    Ok(Json(StatisticsResource::new(&actions::statistics(&state.db, span).await?)))
}

/// The work on one video, piece by piece.
///
/// Administrators.
#[utoipa::path(
    get, path = "/api/v5/admin/videos/{id}", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 200, description = "Its stages and jobs", body = VideoWorkResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such video", body = Problem),
    )
)]
async fn video(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Json<VideoWorkResource>, Problem> {
    let unknown = || Problem::not_found("there is no such video");
    let id = id.parse().map_err(|_| unknown())?;
    let work = actions::video_work(&state.db, id).await?.ok_or_else(unknown)?;
    Ok(Json(VideoWorkResource::new(&work)))
}

async fn decide(
    State(state): State<AppState>,
    Admin(caller): Admin,
    verb: Verb,
    Path(id): Path<String>,
) -> Result<Json<JobResource>, Problem> {
    let id = parse(&id)?;
    actions::decide(&state, &caller, verb, id).await?;
    found(&state, id).await
}

async fn found(state: &AppState, id: JobId) -> Result<Json<JobResource>, Problem> {
    let details = actions::job(&state.db, id).await?.ok_or_else(no_job)?;
    Ok(Json(JobResource::new(&details)))
}

fn parse(id: &str) -> Result<JobId, Problem> {
    id.parse().map(JobId).map_err(|_| no_job())
}

fn no_job() -> Problem {
    Problem::not_found("there is no such job")
}

/// A name with a typing error is not taken for a queue.
async fn existing(state: &AppState, queue: &str) -> Result<(), Problem> {
    let queues = actions::queues(&state.db).await?;
    let exists = queues.iter().any(|other| other.name == queue);
    exists.then_some(()).ok_or_else(|| Problem::not_found("there is no such queue"))
}

impl From<catalog::Error> for Problem {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NoJob(_) | catalog::Error::NoVideo(_) => Self::not_found(error.to_string()),
            catalog::Error::JobState { .. } | catalog::Error::Refused(_) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            error => Self::internal(&error),
        }
    }
}

#[derive(Deserialize)]
struct JobQuery {
    state: Option<String>,
    queue: Option<String>,
    kind: Option<String>,
    owner: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct SpanQuery {
    span: Option<String>,
}
