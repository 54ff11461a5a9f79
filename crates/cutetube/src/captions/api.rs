//! `/api/v5/videos/{id}/captions`

use axum::{
    Json,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
};
use catalog::{captions::Track, ids::VideoId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::actions::{self, Brought, CaptionsError, LONGEST_FILE};
use crate::{
    AppState,
    accounts::{Manager, Visitor},
    http::{Problem, drain_refused},
    playback::BaseUrl,
    videos::actions::ManageError,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(webvtt, set, remove))
        .layer(DefaultBodyLimit::max(LONGEST_FILE))
        .layer(from_fn(drain_refused))
}

/// The captions of a video, by language.
///
/// Anybody who may see the video.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/captions", tag = "captions", security((), ("bearer" = ["read"])),
    params(("id" = String, Path, description = "Of the video")),
    responses(
        (status = 200, description = "All of them", body = Vec<CaptionsResource>),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn list(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<Json<Vec<CaptionsResource>>, Problem> {
    let id = video(&id)?;
    let found = actions::list(&state, &visitor, id).await?;
    let resource = |(track, is_shown): &(Track, bool)| CaptionsResource::new(&base, id, track, *is_shown);
    Ok(Json(found.iter().map(resource).collect()))
}

/// Captions of one language, as WebVTT.
///
/// Anybody who may see the video.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/captions/{language}", tag = "captions",
    security((), ("bearer" = ["read"])),
    params(
        ("id" = String, Path, description = "Of the video"),
        ("language" = String, Path, description = "BCP 47", example = "de"),
    ),
    responses(
        (status = 200, description = "WebVTT", body = String, content_type = "text/vtt"),
        (status = 404, description = "There is no such video for this caller, or it has no such captions", body = Problem),
    )
)]
async fn webvtt(
    State(state): State<AppState>,
    visitor: Visitor,
    Path((id, language)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let text = actions::webvtt(&state, &visitor, video(&id)?, &language).await?;
    Ok(([(header::CONTENT_TYPE, "text/vtt; charset=utf-8")], text).into_response())
}

/// Give captions to a video, in place of those of their language.
///
/// Its owner and administrators. The body is a file: WebVTT or SubRip, in UTF-8. Nothing is encoded again; players find them
/// in the manifests some seconds later, and `shown` says so.
#[utoipa::path(
    put, path = "/api/v5/videos/{id}/captions/{language}", tag = "captions", security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "Of the video"),
        ("language" = String, Path, description = "BCP 47", example = "de"),
        ("label" = Option<String>, Query, description = "What people choose them by; without it what the language is called", example = "Deutsch"),
        ("kind" = Option<String>, Query, description = "`subtitles`, or `captions` for who does not hear; without it `subtitles`", example = "captions"),
    ),
    request_body(
        content = CaptionsFile, content_type = "text/vtt", description = "At most 2 MB"
    ),
    responses(
        (status = 200, description = "It has them", body = CaptionsResource),
        (status = 400, description = "A parameter is not understood, or the body ended early", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 413, description = "The file is too long", body = Problem),
        (status = 422, description = "The file is no captions, or a parameter is refused", body = Problem),
    )
)]
async fn set(
    State(state): State<AppState>,
    Manager(caller): Manager,
    base: BaseUrl,
    Path((id, language)): Path<(String, String)>,
    query: Result<Query<Naming>, QueryRejection>,
    file: Result<Bytes, BytesRejection>,
) -> Result<Json<CaptionsResource>, Problem> {
    let Query(Naming { label, kind }) = query?;
    let id = video(&id)?;
    let file = file.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "a file of captions has at most 2 MB")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "the file ended early"),
    })?;
    let (label, kind) = (label.unwrap_or_default(), kind.unwrap_or_default());
    let brought = Brought { language: &language, label: &label, kind: &kind, file: &file };
    let track = actions::set(&state, &caller, id, brought).await?;
    Ok(Json(CaptionsResource::new(&base, id, &track, false)))
}

/// Take captions away.
///
/// The owner of the video and administrators.
#[utoipa::path(
    delete, path = "/api/v5/videos/{id}/captions/{language}", tag = "captions",
    security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "Of the video"),
        ("language" = String, Path, description = "BCP 47", example = "de"),
    ),
    responses(
        (status = 204, description = "They are gone"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller, or it has no such captions", body = Problem),
    )
)]
async fn remove(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path((id, language)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    actions::remove(&state, &caller, video(&id)?, &language).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Naming {
    label: Option<String>,
    kind: Option<String>,
}

/// WebVTT or SubRip, in UTF-8.
#[derive(ToSchema)]
#[schema(value_type = String, example = "WEBVTT\n\n00:01.000 --> 00:03.500\nHere we are.\n")]
#[expect(dead_code, reason = "it is read as the bytes that come")]
struct CaptionsFile(String);

/// Captions of one language.
#[derive(Debug, Serialize, ToSchema)]
struct CaptionsResource {
    /// BCP 47
    #[schema(example = "de")]
    language: String,
    /// What people choose them by.
    #[schema(example = "Deutsch")]
    label: String,
    /// `subtitles`, or `captions` for who does not hear.
    #[schema(example = "subtitles")]
    kind: String,
    /// How many there are.
    cues: u64,
    /// Where they are as WebVTT.
    #[schema(format = "uri")]
    url: String,
    /// Whether the manifests name them already.
    shown: bool,
}

impl CaptionsResource {
    fn new(base: &BaseUrl, video: VideoId, track: &Track, shown: bool) -> Self {
        Self {
            language: track.language.to_string(),
            label: track.label.to_string(),
            kind: track.kind.to_string(),
            cues: track.cues,
            url: base.captions(video, track.language.as_str()),
            shown,
        }
    }
}

fn video(id: &str) -> Result<VideoId, CaptionsError> {
    id.parse().map_err(|_| CaptionsError::Manage(ManageError::NoVideo))
}

impl From<CaptionsError> for Problem {
    fn from(error: CaptionsError) -> Self {
        match error {
            CaptionsError::Manage(error) => error.into(),
            CaptionsError::Refused(errors) => Self::invalid(&errors),
            CaptionsError::None => Self::not_found(error.to_string()),
        }
    }
}
