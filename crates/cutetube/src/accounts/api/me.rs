//! `/api/v5/me`: one's own account.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use catalog::{
    accounts::{Role, Standing, User},
    names::{Email, PersonName},
    pictures,
    quotas::Quota,
    videos::Video,
};
use db::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{letters::Letters, sessions::SessionResource, tokens::TokenResource};
use crate::{
    AppState,
    accounts::{
        Reader, SignedInCaller, Source, parse_password,
        profile::{self, Belongings},
        recovery::field,
    },
    http::{Body, Problem},
    playback::{BaseUrl, MediaUrls, PlaybackUrls},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(read, change))
        .routes(routes!(change_password))
        .routes(routes!(change_email))
        .routes(routes!(export))
        .routes(routes!(leave))
}

/// One's own account, and how much one has and may have.
///
/// Whoever is signed in; tokens with the scope `read`.
#[utoipa::path(
    get, path = "/api/v5/me", tag = "accounts", security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "The account", body = Me),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
    )
)]
async fn read(
    State(state): State<AppState>,
    Reader(caller): Reader,
    base: BaseUrl,
) -> Result<Json<Me>, Problem> {
    Ok(Json(Me::of(&state, &base, &caller.user).await?))
}

/// Change one's name.
///
/// Whoever is signed in. What the body does not name stays.
#[utoipa::path(
    patch, path = "/api/v5/me", tag = "accounts", security(("bearer" = [])), request_body = MeChange,
    responses(
        (status = 200, description = "The account", body = Me),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "A field is refused; or the body has a field of another type, or one that cannot be changed", body = Problem),
    )
)]
async fn change(
    State(state): State<AppState>,
    caller: SignedInCaller,
    base: BaseUrl,
    Body(body): Body<MeChange>,
) -> Result<Json<Me>, Problem> {
    let name = |typed: Option<String>, which, present: PersonName| match typed {
        Some(typed) => PersonName::parse(&typed).map_err(|refusal| field(which, &refusal.0)),
        None => Ok(present),
    };
    let first = name(body.first_name, "first_name", caller.user.first_name)?;
    let last = name(body.last_name, "last_name", caller.user.last_name)?;
    let user = profile::rename(&state, caller.user.id, &first, &last).await?;
    Ok(Json(Me::of(&state, &base, &user).await?))
}

/// Choose another password.
///
/// Whoever is signed in and knows the present password. All other sign-ins end; API tokens stay good.
#[utoipa::path(
    post, path = "/api/v5/me/password", tag = "accounts", security(("bearer" = [])), request_body = PasswordChange,
    responses(
        (status = 204, description = "The password is changed"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The present password is wrong, or the next one is refused; or the body lacks a field", body = Problem),
        (status = 429, description = "Too many wrong passwords: `Retry-After` says when to try again", body = Problem),
    )
)]
async fn change_password(
    State(state): State<AppState>,
    caller: SignedInCaller,
    source: Source,
    Body(body): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let next = parse_password(&body.new_password).map_err(|refusal| field("password", &refusal.0))?;
    let whose = (&caller.user, caller.session);
    profile::change_password(&state, whose, body.password, next, &source).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Have another address.
///
/// Whoever is signed in and knows the password. The address becomes the account's when the link in the letter to it is
/// used; until then the present one stays, and a letter goes there too.
#[utoipa::path(
    post, path = "/api/v5/me/email", tag = "accounts", security(("bearer" = [])), request_body = EmailChange,
    responses(
        (status = 202, description = "A letter is on its way to the new address"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The password is wrong, or the address is refused; or the body lacks a field", body = Problem),
        (status = 429, description = "Too many attempts: `Retry-After` says when to try again", body = Problem),
    )
)]
async fn change_email(
    State(state): State<AppState>,
    caller: SignedInCaller,
    source: Source,
    Body(body): Body<EmailChange>,
) -> Result<StatusCode, Problem> {
    let email = Email::parse(&body.email).map_err(|refusal| field("email", &refusal.0))?;
    profile::change_email(&state, &caller.user, body.password, email, &source).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Everything that is kept of one, as a file.
///
/// Whoever is signed in. Media are in it by their addresses.
#[utoipa::path(
    get, path = "/api/v5/me/export", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 200, description = "The account, sign-ins, tokens without secrets, webhooks and videos", body = Export),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "An API token asked", body = Problem),
    )
)]
pub(super) async fn export(
    State(state): State<AppState>,
    caller: SignedInCaller,
    base: BaseUrl,
) -> Result<([(HeaderName, &'static str); 2], Json<Export>), Problem> {
    let belongings = profile::belongings(&state, &caller.user).await?;
    let headers = [
        (header::CONTENT_DISPOSITION, "attachment; filename=\"cutetube-account.json\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Json(Export::new(&belongings, &caller, &state, &base))))
}

/// Delete one's account, and everything that is one's own.
///
/// Whoever is signed in and knows the password. Nobody can use the account from now on; its videos are gone for
/// everybody soon, and the account with its address when their objects are removed.
#[utoipa::path(
    post, path = "/api/v5/me/deletion", tag = "accounts", security(("bearer" = [])), request_body = Deletion,
    responses(
        (status = 202, description = "The account is on its way out"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The password is wrong; or the body has no `password`", body = Problem),
        (status = 429, description = "Too many wrong passwords: `Retry-After` says when to try again", body = Problem),
    )
)]
async fn leave(
    State(state): State<AppState>,
    caller: SignedInCaller,
    source: Source,
    Body(body): Body<Deletion>,
) -> Result<StatusCode, Problem> {
    profile::leave(&state, &caller.user, body.password, &source).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Names; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MeChange {
    #[schema(max_length = 35, example = "Augusta")]
    first_name: Option<String>,
    #[schema(max_length = 35, example = "King")]
    last_name: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct PasswordChange {
    /// The present one.
    #[schema(example = "all monkeys type")]
    password: String,
    #[schema(min_length = 8, max_length = 128, example = "monkeys type all day")]
    new_password: String,
}

#[derive(Deserialize, ToSchema)]
struct EmailChange {
    /// The next address.
    #[schema(max_length = 50, format = "email", example = "augusta@example.org")]
    email: String,
    #[schema(example = "all monkeys type")]
    password: String,
}

#[derive(Deserialize, ToSchema)]
struct Deletion {
    #[schema(example = "all monkeys type")]
    password: String,
}

/// One's own account.
#[derive(Serialize, ToSchema)]
struct Me {
    #[serde(flatten)]
    user: UserResource,
    quota: QuotaResource,
    /// The address of the picture that one shows.
    picture: Option<String>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserResource {
    #[schema(format = "uuid")]
    id: String,
    username: String,
    email: String,
    /// Whether somebody has proved that the address is theirs.
    email_verified: bool,
    first_name: String,
    last_name: String,
    /// `viewer`, `creator` or `admin`.
    #[schema(value_type = String)]
    role: Role,
    /// `active`, `waiting`, `suspended` or `leaving`.
    #[schema(value_type = String)]
    standing: Standing,
    /// Milliseconds since 1970.
    created_at_ms: i64,
}

/// What somebody has, and may have; without a limit as much as they like.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotaResource {
    bytes: Share<u64>,
    videos: Share<u64>,
    minutes: Share<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Share<T> {
    used: T,
    limit: Option<u64>,
}

/// Everything that is kept of a person, but for media.
#[derive(Serialize, ToSchema)]
pub(crate) struct Export {
    account: Me,
    letters: Letters,
    sessions: Vec<SessionResource>,
    tokens: Vec<TokenResource>,
    webhooks: Vec<ExportedWebhook>,
    videos: Vec<ExportedVideo>,
}

#[derive(Serialize, ToSchema)]
struct ExportedWebhook {
    #[schema(format = "uuid")]
    id: String,
    url: String,
    #[schema(value_type = Vec<String>)]
    events: Vec<catalog::events::EventKind>,
    enabled: bool,
}

#[derive(Serialize, ToSchema)]
struct ExportedVideo {
    #[schema(format = "uuid")]
    id: String,
    title: String,
    description: String,
    state: &'static str,
    visibility: &'static str,
    /// What its file was called, without folders.
    file: String,
    bytes: u64,
    /// In hexadecimal digits.
    sha256: Option<String>,
    /// In seconds.
    duration: Option<f64>,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    ready_at_ms: Option<i64>,
    playback: PlaybackUrls,
    watch: String,
}

impl Me {
    async fn of(state: &AppState, base: &BaseUrl, user: &User) -> Result<Self, Problem> {
        let quota = profile::quota(state, user.id).await?;
        let picture = pictures::of(&state.db, user.id).await?;
        Ok(Self {
            user: UserResource::new(user),
            quota: QuotaResource::new(&quota),
            picture: picture.map(|key| base.picture(&key)),
        })
    }
}

impl UserResource {
    pub(crate) fn new(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username.to_string(),
            email: user.email.to_string(),
            email_verified: user.verified_at.is_some(),
            first_name: user.first_name.to_string(),
            last_name: user.last_name.to_string(),
            role: user.role,
            standing: user.standing,
            created_at_ms: user.created_at.unix_millis(),
        }
    }
}

impl QuotaResource {
    pub(crate) fn new(quota: &Quota) -> Self {
        let Quota { used, limits } = quota;
        Self {
            bytes: Share { used: used.bytes, limit: limits.bytes },
            videos: Share { used: used.videos, limit: limits.videos },
            minutes: Share { used: used.duration.as_secs_f64() / 60.0, limit: limits.minutes },
        }
    }
}

impl Export {
    pub(crate) fn new(
        belongings: &Belongings,
        caller: &SignedInCaller,
        state: &AppState,
        base: &BaseUrl,
    ) -> Self {
        let Belongings { profile, webhooks, videos } = belongings;
        let sessions = profile.sessions.iter().map(|session| SessionResource::new(session, caller.session));
        let webhooks = webhooks.iter().map(|webhook| ExportedWebhook {
            id: webhook.id.to_string(),
            url: webhook.url.clone(),
            events: webhook.kinds.clone(),
            enabled: webhook.enabled,
        });
        Self {
            account: Me {
                user: UserResource::new(&profile.user),
                quota: QuotaResource::new(&profile.quota),
                picture: profile.picture.as_deref().map(|key| base.picture(key)),
            },
            letters: Letters::new(&profile.unwanted),
            sessions: sessions.collect(),
            tokens: profile.tokens.iter().map(TokenResource::new).collect(),
            webhooks: webhooks.collect(),
            videos: videos.iter().map(|video| ExportedVideo::new(video, state, base)).collect(),
        }
    }
}

impl ExportedVideo {
    fn new(video: &Video, state: &AppState, base: &BaseUrl) -> Self {
        Self {
            id: video.id.to_string(),
            title: video.title.to_string(),
            description: video.description.to_string(),
            state: video.state.as_str(),
            visibility: video.visibility.as_str(),
            file: format!("{}.{}", video.source.name, video.source.extension),
            bytes: video.source.bytes,
            sha256: video.source.sha256.map(hex::encode),
            duration: video.duration().map(|duration| duration.as_secs_f64()),
            created_at_ms: video.created_at.unix_millis(),
            ready_at_ms: video.ready_at.map(Timestamp::unix_millis),
            playback: MediaUrls::preferred(state, base, video)
                .map(|media| media.playback())
                .unwrap_or_default(),
            watch: base.watch(video.id),
        }
    }
}
