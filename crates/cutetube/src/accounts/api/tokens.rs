//! `/api/v5/tokens`: what programs sign in with.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderName, StatusCode},
};
use catalog::{
    ids::ApiTokenId,
    tokens::{Scope, Token},
};
use db::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::sessions::NO_STORE;
use crate::{
    AppState,
    accounts::{
        SignedInCaller,
        profile::{self, Issued, Wish},
    },
    http::{Body, Problem},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// The caller's API tokens, without their secrets.
///
/// Whoever is signed in.
#[utoipa::path(
    get, path = "/api/v5/tokens", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 200, description = "Tokens that have not ended, the oldest first", body = TokenList),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "An API token asked", body = Problem),
    )
)]
async fn list(State(state): State<AppState>, caller: SignedInCaller) -> Result<Json<TokenList>, Problem> {
    let profile = profile::read(&state, &caller.user).await?;
    Ok(Json(TokenList { tokens: profile.tokens.iter().map(TokenResource::new).collect() }))
}

/// Make an API token.
///
/// Whoever is signed in. The answer is the only one with the secret. A program sends it as `Authorization: Bearer …`.
#[utoipa::path(
    post, path = "/api/v5/tokens", tag = "accounts", security(("bearer" = [])), request_body = NewTokenRequest,
    responses(
        (status = 201, description = "The token, with its secret", body = TokenWithSecret),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 409, description = "There are as many as there may be", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "A field is refused; or the body lacks a field", body = Problem),
    )
)]
async fn create(
    State(state): State<AppState>,
    caller: SignedInCaller,
    Body(body): Body<NewTokenRequest>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<TokenWithSecret>), Problem> {
    let wish = Wish::parse(&body.name, &body.scopes, body.days)?;
    let Issued { token, code } = profile::issue_token(&state, &caller.user, wish).await?;
    let secret = code.expose().to_owned();
    Ok((StatusCode::CREATED, NO_STORE, Json(TokenWithSecret { token: TokenResource::new(&token), secret })))
}

/// End an API token.
///
/// Whoever is signed in. It is refused from now on.
#[utoipa::path(
    delete, path = "/api/v5/tokens/{id}", tag = "accounts", security(("bearer" = [])),
    params(("id" = String, Path, description = "As the list of tokens has it")),
    responses(
        (status = 204, description = "It is refused from now on"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 404, description = "There is no such token of the caller's", body = Problem),
    )
)]
async fn revoke(
    State(state): State<AppState>,
    caller: SignedInCaller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let none = || Problem::not_found("there is no such token");
    let id: ApiTokenId = id.parse().map_err(|_| none())?;
    match profile::revoke_token(&state, caller.user.id, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(none()),
    }
}

#[derive(Deserialize, ToSchema)]
struct NewTokenRequest {
    /// What its owner calls it.
    #[schema(max_length = 60, example = "The build server")]
    name: String,
    /// What it may be used for: `read`, `upload`, `manage`, `admin`.
    #[schema(example = json!(["read", "upload"]))]
    scopes: Vec<String>,
    /// How long it is good; for ever without.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    days: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct TokenList {
    tokens: Vec<TokenResource>,
}

/// An API token.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResource {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    /// The first characters of the secret.
    #[schema(example = "cutetube_Xq3vB0")]
    prefix: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    /// When it was last used, to within a minute: milliseconds since 1970.
    used_at_ms: Option<i64>,
    /// When it ends by itself: milliseconds since 1970.
    expires_at_ms: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct TokenWithSecret {
    #[serde(flatten)]
    token: TokenResource,
    /// Shown this once.
    secret: String,
}

impl TokenResource {
    pub(super) fn new(token: &Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.to_string(),
            prefix: token.prefix.clone(),
            scopes: token.scopes.clone(),
            created_at_ms: token.created_at.unix_millis(),
            used_at_ms: token.used_at.map(Timestamp::unix_millis),
            expires_at_ms: token.expires_at.map(Timestamp::unix_millis),
        }
    }
}
