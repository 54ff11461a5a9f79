//! `/api/v5/auth/refresh`, `/api/v5/auth/logout` and `/api/v5/sessions`.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
};
use catalog::{ids::SessionId, sessions::Session};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AppState,
    accounts::{
        SignedInCaller,
        actions::{self, AccountError, TokenPair},
        profile,
    },
    http::{Body, Problem},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(refresh))
        .routes(routes!(log_out))
        .routes(routes!(list, end_all))
        .routes(routes!(end))
}

/// Tokens are nobody else's business.
pub(super) const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Exchange a refresh token for a new pair.
///
/// Whoever has a refresh token; each is good for one call. One that comes twice ends its session.
#[utoipa::path(
    post, path = "/api/v5/auth/refresh", tag = "accounts", request_body = RefreshRequest,
    responses(
        (status = 200, description = "A new pair; the old refresh token is spent", body = TokenPair),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "The token is forged, expired, spent, or its session has ended", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The body has no `refresh`", body = Problem),
    )
)]
async fn refresh(
    State(state): State<AppState>,
    Body(body): Body<RefreshRequest>,
) -> Result<([(HeaderName, &'static str); 1], Json<TokenPair>), Problem> {
    let refused = |error| match error {
        AccountError::Token(_) | AccountError::SessionEnded => {
            Problem::new(StatusCode::UNAUTHORIZED, "the refresh token is not valid: log in again")
        }
        error => error.into(),
    };
    let pair = actions::refresh(&state, &body.refresh).await.map_err(refused)?;
    Ok((NO_STORE, Json(pair)))
}

/// End this sign-in.
///
/// Whoever is signed in. Its tokens are refused from now on.
#[utoipa::path(
    post, path = "/api/v5/auth/logout", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
    )
)]
async fn log_out(State(state): State<AppState>, caller: SignedInCaller) -> Result<StatusCode, Problem> {
    actions::log_out(&state, caller.user.id, caller.session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where one is signed in.
///
/// Whoever is signed in. The sign-in used last comes first.
#[utoipa::path(
    get, path = "/api/v5/sessions", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 200, description = "Sign-ins that have not ended", body = SessionList),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "An API token asked", body = Problem),
    )
)]
async fn list(State(state): State<AppState>, caller: SignedInCaller) -> Result<Json<SessionList>, Problem> {
    let profile = profile::read(&state, &caller.user).await?;
    let sessions = profile.sessions.iter().map(|session| SessionResource::new(session, caller.session));
    Ok(Json(SessionList { sessions: sessions.collect() }))
}

/// Sign out everywhere.
///
/// Whoever is signed in; this sign-in ends too. API tokens stay good.
#[utoipa::path(
    delete, path = "/api/v5/sessions", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 204, description = "Signed out everywhere"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
    )
)]
async fn end_all(State(state): State<AppState>, caller: SignedInCaller) -> Result<StatusCode, Problem> {
    profile::end_sessions(&state, caller.user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign out of one device.
///
/// Whoever is signed in. The tokens of that sign-in are refused from now on.
#[utoipa::path(
    delete, path = "/api/v5/sessions/{id}", tag = "accounts", security(("bearer" = [])),
    params(("id" = String, Path, description = "As the list of sign-ins has it")),
    responses(
        (status = 204, description = "Signed out there"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 404, description = "There is no such sign-in of the caller's", body = Problem),
    )
)]
async fn end(
    State(state): State<AppState>,
    caller: SignedInCaller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let none = || Problem::not_found("there is no such session");
    let id: SessionId = id.parse().map_err(|_| none())?;
    match profile::end_session(&state, caller.user.id, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(none()),
    }
}

#[derive(Deserialize, ToSchema)]
struct RefreshRequest {
    /// As it was answered last.
    #[schema(example = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl")]
    refresh: String,
}

#[derive(Serialize, ToSchema)]
struct SessionList {
    sessions: Vec<SessionResource>,
}

/// One sign-in on one device.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionResource {
    #[schema(format = "uuid")]
    id: String,
    /// What the device calls itself: its user agent.
    device: String,
    /// Whether it is the one that asks.
    current: bool,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    /// When it was last used, to within ten minutes: milliseconds since 1970.
    used_at_ms: i64,
    /// When it ends by itself: milliseconds since 1970.
    expires_at_ms: i64,
}

impl SessionResource {
    pub(super) fn new(session: &Session, current: SessionId) -> Self {
        Self {
            id: session.id.to_string(),
            device: session.device.clone(),
            current: session.id == current,
            created_at_ms: session.created_at.unix_millis(),
            used_at_ms: session.used_at.unix_millis(),
            expires_at_ms: session.expires_at.unix_millis(),
        }
    }
}
