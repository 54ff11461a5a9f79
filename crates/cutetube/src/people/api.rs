//! `/api/v5/admin/users` and `/api/v5/admin/invites`: administrators only.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderName, StatusCode, header},
};
use catalog::{
    accounts::{Decision, Filter, Role},
    ids::{InviteId, UserId},
    invites::Invite,
    quotas::Exception,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::actions::{self, Invitation, PeopleError, Person};
use crate::{
    AppState,
    accounts::{
        Admin,
        api::{QuotaResource, UserResource},
    },
    http::{Body, Problem},
    playback::BaseUrl,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read, change, delete))
        .routes(routes!(approve))
        .routes(routes!(suspend))
        .routes(routes!(restore))
        .routes(routes!(invites, invite))
        .routes(routes!(take_back))
}

/// Accounts, the newest first.
///
/// Administrators; tokens with the scope `admin`.
#[utoipa::path(
    get, path = "/api/v5/admin/users", tag = "administration", security(("bearer" = ["admin"])),
    params(
        ("standing" = Option<String>, Query, description = "`active`, `waiting`, `suspended` or `leaving`", example = "waiting"),
        ("role" = Option<String>, Query, description = "`viewer`, `creator` or `admin`", example = "creator"),
        ("q" = Option<String>, Query, description = "Only those with this in their user name or address", example = "ada"),
        ("before" = Option<String>, Query, description = "Only accounts older than this one: how a list goes on"),
        ("limit" = Option<u32>, Query, description = "At most 200", example = 50),
    ),
    responses(
        (status = 200, description = "A page", body = UserPage),
        (status = 400, description = "A parameter is not understood", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
    )
)]
async fn list(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<UserQuery>, QueryRejection>,
) -> Result<Json<UserPage>, Problem> {
    let Query(query) = query?;
    let standing = query.standing.as_deref().map(str::parse).transpose();
    let role = query.role.as_deref().map(str::parse).transpose();
    let before = query.before.as_deref().map(str::parse).transpose();
    let filter = Filter {
        standing: standing.map_err(|_| {
            Problem::parameter("standing", "`standing` is active, waiting, suspended or leaving")
        })?,
        role: role.map_err(|_| Problem::parameter("role", "`role` is viewer, creator or admin"))?,
        text: query.q.as_deref(),
    };
    let before = before.map_err(|_| Problem::parameter("before", "`before` is the id of an account"))?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, LONGEST_PAGE);
    let (users, next) = actions::page(&state, &filter, before, limit).await?;
    let users = users.iter().map(UserResource::new).collect();
    Ok(Json(UserPage { users, next: next.map(|id| id.to_string()) }))
}

const DEFAULT_PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

/// One account, with what it has and may have.
///
/// Administrators; tokens with the scope `admin`.
#[utoipa::path(
    get, path = "/api/v5/admin/users/{id}", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "The account", body = PersonResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such account", body = Problem),
    )
)]
async fn read(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Json<PersonResource>, Problem> {
    shown(&state, parse(&id)?).await
}

/// Give an account another role, or another quota.
///
/// Administrators; tokens with the scope `admin`. What the body does not name stays. Of the quota, `null` is what holds
/// for everybody, and 0 as much as they like.
#[utoipa::path(
    patch, path = "/api/v5/admin/users/{id}", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As the list has it")), request_body = UserChange,
    responses(
        (status = 200, description = "The account", body = PersonResource),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such account", body = Problem),
        (status = 409, description = "It is the caller's own: somebody else gives it another role", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "A field is refused; or the body has a field of another type, or one that cannot be changed", body = Problem),
    )
)]
async fn change(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    Body(body): Body<UserChange>,
) -> Result<Json<PersonResource>, Problem> {
    let id = parse(&id)?;
    let mut exception = actions::person(&state, id).await?.exception;
    if let Some(role) = body.role {
        actions::set_role(&state, &caller, id, role).await?;
    }
    if let Some(quota) = body.quota {
        exception.quota_bytes = quota.bytes.unwrap_or(exception.quota_bytes);
        exception.quota_videos = quota.videos.unwrap_or(exception.quota_videos);
        exception.quota_minutes = quota.minutes.unwrap_or(exception.quota_minutes);
        if let Some(field) = beyond_storage(&exception) {
            return Err(PeopleError::Field(field, "This number is too large.".to_owned()).into());
        }
        actions::set_quota(&state, &caller, id, &exception).await?;
    }
    shown(&state, id).await
}

/// Delete an account, and everything that is its owner's.
///
/// Administrators; tokens with the scope `admin`. Nobody can use it from now on; it goes when its videos have gone.
#[utoipa::path(
    delete, path = "/api/v5/admin/users/{id}", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 202, description = "The account is on its way out"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such account", body = Problem),
        (status = 409, description = "It is the caller's own", body = Problem),
    )
)]
async fn delete(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actions::delete(&state, &caller, parse(&id)?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Let somebody in who waits.
///
/// Administrators; tokens with the scope `admin`. A letter tells them.
#[utoipa::path(
    post, path = "/api/v5/admin/users/{id}/approve", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "The account", body = PersonResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such account", body = Problem),
        (status = 409, description = "It does not wait", body = Problem),
    )
)]
async fn approve(
    state: State<AppState>,
    admin: Admin,
    id: Path<String>,
) -> Result<Json<PersonResource>, Problem> {
    decide(state, admin, id, Decision::Approve).await
}

/// Shut an account.
///
/// Administrators; tokens with the scope `admin`. Its sign-ins end, and its tokens are refused; its videos stay.
#[utoipa::path(
    post, path = "/api/v5/admin/users/{id}/suspend", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "The account", body = PersonResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such account", body = Problem),
        (status = 409, description = "It is shut already, on its way out, or the caller's own", body = Problem),
    )
)]
async fn suspend(
    state: State<AppState>,
    admin: Admin,
    id: Path<String>,
) -> Result<Json<PersonResource>, Problem> {
    decide(state, admin, id, Decision::Suspend).await
}

/// Open an account again.
///
/// Administrators; tokens with the scope `admin`.
#[utoipa::path(
    post, path = "/api/v5/admin/users/{id}/restore", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "The account", body = PersonResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such account", body = Problem),
        (status = 409, description = "It is not suspended", body = Problem),
    )
)]
async fn restore(
    state: State<AppState>,
    admin: Admin,
    id: Path<String>,
) -> Result<Json<PersonResource>, Problem> {
    decide(state, admin, id, Decision::Restore).await
}

/// Invitations that still make accounts, the newest first, without their codes.
///
/// Administrators; tokens with the scope `admin`.
#[utoipa::path(
    get, path = "/api/v5/admin/invites", tag = "administration", security(("bearer" = ["admin"])),
    responses(
        (status = 200, description = "Invitations", body = InviteList),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
    )
)]
async fn invites(State(state): State<AppState>, _: Admin) -> Result<Json<InviteList>, Problem> {
    let invites = actions::invitations(&state).await?;
    Ok(Json(InviteList { invites: invites.iter().map(InviteResource::new).collect() }))
}

/// Invite somebody.
///
/// Administrators; tokens with the scope `admin`. The answer is the only one with the code.
#[utoipa::path(
    post, path = "/api/v5/admin/invites", tag = "administration", security(("bearer" = ["admin"])),
    request_body = NewInviteRequest,
    responses(
        (status = 201, description = "The invitation, with its code", body = InviteWithCode),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "A field is refused; or the body lacks a field, or has one of another type", body = Problem),
    )
)]
async fn invite(
    State(state): State<AppState>,
    Admin(caller): Admin,
    base: BaseUrl,
    Body(body): Body<NewInviteRequest>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<InviteWithCode>), Problem> {
    let role = body.role.unwrap_or(Role::Creator);
    let wanted = Invitation::parse(&body.note, role, body.uses.unwrap_or(1), body.days.unwrap_or(7))?;
    let (invite, code) = actions::invite(&state, &caller, wanted).await?;
    let link = base.invitation(&code);
    let invite =
        InviteWithCode { invite: InviteResource::new(&invite), code: code.expose().to_owned(), link };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(invite)))
}

/// Take an invitation back.
///
/// Administrators; tokens with the scope `admin`. Accounts that it has made stay.
#[utoipa::path(
    delete, path = "/api/v5/admin/invites/{id}", tag = "administration", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 204, description = "It makes no account any more"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
        (status = 404, description = "There is no such invitation", body = Problem),
    )
)]
async fn take_back(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: InviteId = id.parse().map_err(|_| PeopleError::NoInvite)?;
    actions::take_back(&state, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn decide(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    decision: Decision,
) -> Result<Json<PersonResource>, Problem> {
    let id = parse(&id)?;
    actions::decide(&state, &caller, id, decision).await?;
    shown(&state, id).await
}

async fn shown(state: &AppState, id: UserId) -> Result<Json<PersonResource>, Problem> {
    Ok(Json(PersonResource::new(&actions::person(state, id).await?)))
}

fn parse(id: &str) -> Result<UserId, PeopleError> {
    id.parse().map_err(|_| PeopleError::NoUser)
}

/// The limit that no database can hold, if there is one.
fn beyond_storage(exception: &Exception) -> Option<&'static str> {
    let Exception { quota_bytes, quota_videos, quota_minutes } = *exception;
    let limits =
        [("quota.bytes", quota_bytes), ("quota.videos", quota_videos), ("quota.minutes", quota_minutes)];
    let is_beyond = |limit: Option<u64>| limit.is_some_and(|limit| i64::try_from(limit).is_err());
    limits.into_iter().find(|(_, limit)| is_beyond(*limit)).map(|(field, _)| field)
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let sentence = error.to_string();
        match error {
            PeopleError::NoUser | PeopleError::NoInvite => Self::not_found(sentence),
            PeopleError::Yourself | PeopleError::Standing(_) => Self::new(StatusCode::CONFLICT, sentence),
            PeopleError::Field(field, _) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, sentence).field(field)
            }
            PeopleError::Catalog(error) => Self::internal(&error),
        }
    }
}

#[derive(Deserialize)]
struct UserQuery {
    standing: Option<String>,
    role: Option<String>,
    q: Option<String>,
    before: Option<String>,
    limit: Option<u32>,
}

/// What is to be different about an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    /// `viewer`, `creator` or `admin`.
    #[schema(value_type = Option<String>, example = "creator")]
    role: Option<Role>,
    /// What the account may have.
    quota: Option<QuotaChange>,
}

/// What is absent stays; `null` is what holds for everybody, and 0 as much as they like.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuotaChange {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, example = 50_000_000_000_u64)]
    bytes: Option<Option<u64>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, example = 100)]
    videos: Option<Option<u64>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, example = 600)]
    minutes: Option<Option<u64>>,
}

/// Tells `null` from a field that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInviteRequest {
    /// Whom or what it is for.
    #[schema(max_length = 60, example = "The film club")]
    note: String,
    /// What its accounts may do: `creator` if absent.
    #[schema(value_type = Option<String>, example = "creator")]
    role: Option<Role>,
    /// How many accounts it makes: 1 if absent.
    #[schema(minimum = 1, maximum = 10_000, example = 20)]
    uses: Option<u32>,
    /// How long it is good: 7 if absent.
    #[schema(minimum = 1, maximum = 365, example = 14)]
    days: Option<u32>,
}

#[derive(Serialize, ToSchema)]
struct UserPage {
    users: Vec<UserResource>,
    /// `before` of the next page; absent from the last one.
    next: Option<String>,
}

/// An account, with what it has and may have.
#[derive(Serialize, ToSchema)]
struct PersonResource {
    #[serde(flatten)]
    user: UserResource,
    quota: QuotaResource,
    exception: ExceptionResource,
}

/// What was decided for one person: `null` is what holds for everybody, and 0 as much as they like.
#[derive(Serialize, ToSchema)]
struct ExceptionResource {
    bytes: Option<u64>,
    videos: Option<u64>,
    minutes: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct InviteList {
    invites: Vec<InviteResource>,
}

/// An invitation.
#[derive(Serialize, ToSchema)]
struct InviteResource {
    #[schema(format = "uuid")]
    id: String,
    note: String,
    /// What its accounts may do.
    #[schema(value_type = String)]
    role: Role,
    /// How many accounts it has made.
    uses: u32,
    /// How many it may make.
    max_uses: u32,
    /// Who invited; absent when their account is gone.
    #[schema(format = "uuid")]
    created_by: Option<String>,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    /// Milliseconds since 1970.
    expires_at_ms: i64,
}

#[derive(Serialize, ToSchema)]
struct InviteWithCode {
    #[serde(flatten)]
    invite: InviteResource,
    /// Shown this once.
    code: String,
    /// The page where it makes an account.
    link: String,
}

impl PersonResource {
    fn new(person: &Person) -> Self {
        let Exception { quota_bytes: bytes, quota_videos: videos, quota_minutes: minutes } = person.exception;
        Self {
            user: UserResource::new(&person.user),
            quota: QuotaResource::new(&person.quota),
            exception: ExceptionResource { bytes, videos, minutes },
        }
    }
}

impl InviteResource {
    fn new(invite: &Invite) -> Self {
        Self {
            id: invite.id.to_string(),
            note: invite.note.to_string(),
            role: invite.role,
            uses: invite.uses,
            max_uses: invite.max_uses,
            created_by: invite.created_by.map(|id| id.to_string()),
            created_at_ms: invite.created_at.unix_millis(),
            expires_at_ms: invite.expires_at.unix_millis(),
        }
    }
}
