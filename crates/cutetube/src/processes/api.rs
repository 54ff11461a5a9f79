//! `/api/v5/processes/…`

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use catalog::processes::Process;
use futures_util::{StreamExt, stream};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{actions, resource::ProcessResource};
use crate::{
    AppState,
    accounts::Visitor,
    http::{Problem, last_event_id},
    playback::BaseUrl,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(process)).routes(routes!(events))
}

/// The processing of an upload: how far it is, what it waits for, how long it may take.
///
/// Whoever may see the video.
#[utoipa::path(
    get, path = "/api/v5/processes/{id}", tag = "processes", security((), ("bearer" = ["read"])),
    params(("id" = String, Path, description = "`process_id`, as the upload answered it")),
    responses(
        (status = 200, description = "The process", body = ProcessResource),
        (status = 404, description = "There is no such process for this caller", body = Problem),
    )
)]
async fn process(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<Json<ProcessResource>, Problem> {
    let process = find(&state, &visitor, &id).await?;
    Ok(Json(ProcessResource::new(&process, &base)))
}

/// The same as a stream of events: the present state at once, then each change, until it is ready or has failed.
///
/// Whoever may see the video. The `data` of each event is the process. A client that comes back with `Last-Event-ID` is
/// told only what it has not seen; 204 tells one that has seen the end to stay away.
#[utoipa::path(
    get, path = "/api/v5/processes/{id}/events", tag = "processes", security((), ("bearer" = ["read"])),
    params(
        ("id" = String, Path, description = "`process_id`, as the upload answered it"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received"),
    ),
    responses(
        (status = 200, description = "Events", body = ProcessResource, content_type = "text/event-stream"),
        (status = 204, description = "The client has seen the last event"),
        (status = 404, description = "There is no such process for this caller", body = Problem),
        (status = 503, description = "Too many streams at once: come back later", body = Problem),
    )
)]
async fn events(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let process = find(&state, &visitor, &id).await?;
    let now = ProcessResource::event(&process, &base);
    if now.is_last && last_event_id(&headers) == Some(now.id.as_str()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let slot = match state.streams.slot() {
        Ok(slot) => slot,
        Err(full) => return Ok(full.into_response()),
    };
    if now.is_last {
        return Ok(slot.answer(&headers, stream::iter([now])));
    }
    let processes = actions::follow(&state, visitor, process.video.id);
    Ok(slot.answer(&headers, processes.map(move |process| ProcessResource::event(&process, &base))))
}

async fn find(state: &AppState, visitor: &Visitor, id: &str) -> Result<Process, Problem> {
    let unknown = || Problem::not_found("there is no such process");
    let id = id.parse().map_err(|_| unknown())?;
    let found = actions::find(state, visitor, id).await.map_err(|error| Problem::internal(&error))?;
    found.ok_or_else(unknown)
}
