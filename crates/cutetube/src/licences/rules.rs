//! `/api/v5/videos/{id}/licence-policy`, `/api/v5/videos/{id}/entitlements` and `/api/v5/admin/licences`: what owners decide
//! about the licences of their videos, and what became of it.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use catalog::{
    ids::VideoId,
    licences::{self, Audience, Denial, Entitlement, Entry, Policy},
    names::{FieldErrors, Username},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::actions;
use crate::{
    AppState,
    accounts::{Admin, Caller, Manager},
    http::{Body, Problem},
    videos::actions::{ManageError, managed},
};

/// Routes of this feature that people use.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(policy, set_policy))
        .routes(routes!(entitlements))
        .routes(routes!(entitle, disentitle))
        .routes(routes!(log))
}

/// Who gets licences for a protected video, and for how large pictures.
///
/// Its owner and administrators; tokens with the scope `manage`.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/licence-policy", tag = "licences", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 200, description = "What was set for this video, and what counts", body = PolicyResource),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The video belongs to somebody else", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn policy(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<Json<PolicyResource>, Problem> {
    let video = own(&state, &caller, &id).await?;
    shown(&state, video).await
}

/// Decide who gets licences for a protected video.
///
/// Its owner and administrators; tokens with the scope `manage`. It counts from the next licence on; what is null or left
/// out is as everywhere on this server.
#[utoipa::path(
    put, path = "/api/v5/videos/{id}/licence-policy", tag = "licences", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    request_body = PolicyForm,
    responses(
        (status = 200, description = "What was set for this video, and what counts", body = PolicyResource),
        (status = 400, description = "It is no JSON", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The video belongs to somebody else", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 415, description = "It is not sent as JSON", body = Problem),
        (status = 422, description = "A field is refused", body = Problem),
    )
)]
async fn set_policy(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
    Body(form): Body<PolicyForm>,
) -> Result<Json<PolicyResource>, Problem> {
    let policy = form.read(&state)?;
    let video = own(&state, &caller, &id).await?;
    licences::set_policy(&state.db, video, &policy).await.map_err(ManageError::from)?;
    tracing::info!(video.id = %video, user.id = %caller.user.id, "the licences of video `{video}` have other rules");
    shown(&state, video).await
}

/// Who may watch a video that is for a list of people.
///
/// Its owner and administrators; tokens with the scope `manage`.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/entitlements", tag = "licences", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 200, description = "The list, by user name", body = Vec<EntitlementResource>),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The video belongs to somebody else", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn entitlements(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<Json<Vec<EntitlementResource>>, Problem> {
    let video = own(&state, &caller, &id).await?;
    let listed = licences::entitlements(&state.db, video).await.map_err(|error| Problem::internal(&error))?;
    Ok(Json(listed.iter().map(EntitlementResource::new).collect()))
}

/// Let somebody watch a video that is for a list of people.
///
/// Its owner and administrators; tokens with the scope `manage`. Who is on the list already is on it for as long as this
/// says.
#[utoipa::path(
    put, path = "/api/v5/videos/{id}/entitlements/{username}", tag = "licences", security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("username" = String, Path, description = "Who", example = "grace"),
        ("seconds" = Option<u32>, Query, description = "For how long from now; for ever when it is left out", example = 86_400),
    ),
    responses(
        (status = 204, description = "They are on the list"),
        (status = 400, description = "`seconds` is no number", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The video belongs to somebody else", body = Problem),
        (status = 404, description = "There is no such video for this caller, or no such account", body = Problem),
    )
)]
async fn entitle(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path((id, username)): Path<(String, String)>,
    query: Result<Query<EntitleQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(query) = query?;
    let video = own(&state, &caller, &id).await?;
    let nobody = || Problem::not_found("there is no account of this name");
    let username = Username::parse(&username).map_err(|_| nobody())?;
    let lasts = query.seconds.map(|seconds| Duration::from_secs(seconds.into()));
    match licences::entitle(&state.db, video, &username, lasts).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(catalog::Error::NoUser) => Err(nobody()),
        Err(error) => Err(ManageError::from(error).into()),
    }
}

/// Take somebody off the list of a video.
///
/// Its owner and administrators; tokens with the scope `manage`. What they play goes on until their licence ends.
#[utoipa::path(
    delete, path = "/api/v5/videos/{id}/entitlements/{username}", tag = "licences", security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("username" = String, Path, description = "Who", example = "grace"),
    ),
    responses(
        (status = 204, description = "They are not on the list any more"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The video belongs to somebody else", body = Problem),
        (status = 404, description = "There is no such video for this caller, or nobody of this name on its list", body = Problem),
    )
)]
async fn disentitle(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path((id, username)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let video = own(&state, &caller, &id).await?;
    let nobody = || Problem::not_found("there is nobody of this name on the list");
    let username = Username::parse(&username).map_err(|_| nobody())?;
    match licences::disentitle(&state.db, video, &username).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(nobody()),
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// Every licence that was asked for, the newest first.
///
/// Administrators; tokens with the scope `admin`.
#[utoipa::path(
    get, path = "/api/v5/admin/licences", tag = "licences", security(("bearer" = ["admin"])), 
    params(
        ("video" = Option<String>, Query, description = "Only those for this video"),
        ("after" = Option<String>, Query, description = "Only those before this entry: how a list goes on"),
        ("limit" = Option<u32>, Query, description = "At most 200", example = 50),
    ),
    responses(
        (status = 200, description = "A page", body = LogPage),
        (status = 400, description = "A parameter is not understood", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
    )
)]
async fn log(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<LogPage>, Problem> {
    let Query(query) = query?;
    let video = query.video.as_deref().map(str::parse).transpose();
    let after = query.after.as_deref().map(str::parse).transpose();
    let video = video.map_err(|_| Problem::parameter("video", "`video` is the id of a video"))?;
    let after = after.map_err(|_| Problem::parameter("after", "`after` is the id of an entry"))?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, LONGEST_PAGE);
    let found = licences::entries(&state.db, video, after, limit).await;
    let entries = found.map_err(|error| Problem::internal(&error))?;
    let is_full = u32::try_from(entries.len()).is_ok_and(|length| length == limit);
    let next = entries.last().filter(|_| is_full).map(|entry| entry.id.to_string());
    Ok(Json(LogPage { entries: entries.iter().map(EntryResource::new).collect(), next }))
}

const DEFAULT_PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;
const LONGEST_LICENCE: Duration = Duration::from_secs(366 * 24 * 3600);

/// What is to count for a video; what is null or left out is as everywhere on this server.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PolicyForm {
    /// `viewers` (whoever may see the video), `accounts` (who is signed in) or `entitled` (who is on the list).
    #[schema(example = "entitled")]
    audience: Option<String>,
    /// The largest pictures, by their shorter side.
    #[schema(minimum = 1, example = 576)]
    max_height: Option<u32>,
    /// How much one person may play at once. It needs `accounts` or `entitled`.
    #[schema(minimum = 1, example = 2)]
    max_streams: Option<u32>,
    /// How long a licence is good, in seconds.
    #[schema(minimum = 60, maximum = 31_622_400, example = 43_200)]
    licence_seconds: Option<u64>,
}

/// Rules about licences.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyResource {
    /// What was set for this video.
    own: Rules,
    /// What counts: that, and the server's rules where there is nothing.
    effective: Rules,
}

#[derive(Debug, Serialize, ToSchema)]
struct Rules {
    /// `viewers`, `accounts` or `entitled`.
    #[schema(value_type = Option<String>, example = "viewers")]
    audience: Option<Audience>,
    /// The largest pictures, by their shorter side; null for all.
    max_height: Option<u32>,
    /// How much one person may play at once; null for any number.
    max_streams: Option<u32>,
    /// How long a licence is good.
    #[schema(example = 43_200)]
    licence_seconds: Option<u64>,
}

/// Somebody who may watch.
#[derive(Debug, Serialize, ToSchema)]
struct EntitlementResource {
    #[schema(example = "grace")]
    username: String,
    /// Milliseconds since 1970; null for ever.
    ends_at_ms: Option<i64>,
    /// Milliseconds since 1970.
    created_at_ms: i64,
}

#[derive(Deserialize)]
struct EntitleQuery {
    seconds: Option<u32>,
}

#[derive(Deserialize)]
struct LogQuery {
    video: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// `GET /api/v5/admin/licences`
#[derive(Debug, Serialize, ToSchema)]
struct LogPage {
    entries: Vec<EntryResource>,
    /// What to give as `after` for the next page; null when there is none.
    next: Option<String>,
}

/// A licence that was asked for.
#[derive(Debug, Serialize, ToSchema)]
struct EntryResource {
    #[schema(format = "uuid")]
    id: String,
    /// Milliseconds since 1970.
    at_ms: i64,
    /// For which video; null when the token did not say.
    video: Option<String>,
    /// By whom; null when nobody was signed in.
    user: Option<String>,
    /// `clearkey`, `identity`, `widevine`, `playready` or `fairplay`.
    #[schema(example = "clearkey")]
    system: String,
    granted: bool,
    /// Why it was refused: a word for programs.
    #[schema(value_type = Option<String>, example = "not-entitled")]
    refusal: Option<Denial>,
    /// The same as a sentence: what the viewer was told.
    reason: Option<&'static str>,
    /// Which keys were given.
    classes: Vec<&'static str>,
    /// From where it was asked.
    address: String,
}

impl PolicyForm {
    fn read(&self, state: &AppState) -> Result<Policy, Problem> {
        let mut errors = FieldErrors::default();
        let audience = self.audience.as_deref().map(Audience::parse).transpose();
        let audience = errors.keep("audience", audience).flatten();
        for (field, number) in [("max_height", self.max_height), ("max_streams", self.max_streams)] {
            if number == Some(0) {
                errors.add(field, "Leave it out to set no limit.");
            }
        }
        let licence_duration = self.licence_seconds.map(Duration::from_secs);
        let range = Duration::from_secs(60)..=LONGEST_LICENCE;
        if licence_duration.is_some_and(|duration| !range.contains(&duration)) {
            errors.add("licence_seconds", "A licence is good for a minute at least, and for a year at most.");
        }
        let policy =
            Policy { audience, max_height: self.max_height, max_streams: self.max_streams, licence_duration };
        let effective = policy.or(state.config.drm.policy.rules());
        if effective.max_streams.is_some() && effective.audience == Some(Audience::Viewers) {
            errors.add(
                "max_streams",
                "Streams are counted for each account: choose the audience `accounts` or `entitled`.",
            );
        }
        if errors.is_empty() { Ok(policy) } else { Err(Problem::invalid(&errors)) }
    }
}

impl Rules {
    fn new(policy: &Policy) -> Self {
        Self {
            audience: policy.audience,
            max_height: policy.max_height,
            max_streams: policy.max_streams,
            licence_seconds: policy.licence_duration.map(|duration| duration.as_secs()),
        }
    }
}

impl EntitlementResource {
    fn new(entitlement: &Entitlement) -> Self {
        Self {
            username: entitlement.username.to_string(),
            ends_at_ms: entitlement.ends_at.map(db::Timestamp::unix_millis),
            created_at_ms: entitlement.created_at.unix_millis(),
        }
    }
}

impl EntryResource {
    fn new(entry: &Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            at_ms: entry.at.unix_millis(),
            video: entry.video.map(|id| id.to_string()),
            user: entry.user.map(|id| id.to_string()),
            system: entry.system.clone(),
            granted: entry.refusal.is_none(),
            refusal: entry.refusal,
            reason: entry.refusal.map(actions::sentence),
            classes: entry.classes.iter().map(|class| class.as_str()).collect(),
            address: entry.address.clone(),
        }
    }
}

async fn own(state: &AppState, caller: &Caller, id: &str) -> Result<VideoId, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    Ok(managed(state, caller, id).await?.id)
}

async fn shown(state: &AppState, video: VideoId) -> Result<Json<PolicyResource>, Problem> {
    let internal = |error: catalog::Error| Problem::internal(&error);
    let own = licences::policy(&state.db, video).await.map_err(internal)?;
    let effective = own.or(state.config.drm.policy.rules());
    Ok(Json(PolicyResource { own: Rules::new(&own), effective: Rules::new(&effective) }))
}
