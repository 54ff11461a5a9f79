//! `/api/v3/auth/…` in the original's envelope; what `/api/v5` adds is in files of its own.

mod letters;
mod me;
mod picture;
mod recovery;
mod sessions;
mod tokens;

pub(crate) use me::{QuotaResource, UserResource};

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use catalog::{
    accounts::Standing,
    names::{FieldErrors, Refusal},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    SignUp, Source,
    actions::{self, AccountError, SignedIn, SignedUp, TokenPair},
    signup::GENERAL,
};
use crate::{
    AppState,
    http::{Fields, Problem, log_internal},
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(log_in))
        .routes(routes!(refresh))
        .merge(sessions::routes())
        .merge(recovery::routes())
        .merge(me::routes())
        .merge(picture::routes())
        .merge(letters::routes())
        .merge(tokens::routes())
}

/// Make an account.
///
/// Anybody, as far as the server's sign-up policy lets them. JSON or a form.
#[utoipa::path(
    post, path = "/api/v3/auth/signup/", tag = "accounts", request_body = SignUpForm,
    responses(
        (status = 200, description = "The account is made, and its owner signed in", body = Answer),
        (status = 202, description = "The account is made, and an administrator has to let its owner in", body = Answer),
        (status = 400, description = "Fields that were refused, each with its sentences", body = Answer),
        (status = 403, description = "Sign-up is closed on this server", body = Answer),
    )
)]
async fn sign_up(State(state): State<AppState>, source: Source, request: Request) -> Envelope {
    let outcome = async {
        let fields = Fields::from_body(request).await.map_err(general)?;
        let form = SignUp::parse(&fields).map_err(AccountError::Fields)?;
        actions::sign_up(&state, form, &source).await
    };
    Envelope(outcome.await)
}

/// Log in with an e-mail address or user name.
///
/// Anybody. JSON or a form. It takes as long whether the account exists or not.
#[utoipa::path(
    post, path = "/api/v3/auth/login/", tag = "accounts", request_body = LogInForm,
    responses(
        (status = 200, description = "Signed in", body = Answer),
        (status = 400, description = "A field is missing, or the credentials are wrong", body = Answer),
        (status = 403, description = "The account waits for an administrator, or was suspended by one", body = Answer),
        (status = 429, description = "Too many attempts: `Retry-After` says when the next one is judged", body = Answer),
    )
)]
async fn log_in(State(state): State<AppState>, source: Source, request: Request) -> Envelope {
    let outcome = async {
        let fields = Fields::from_body(request).await.map_err(general)?;
        let mut errors = FieldErrors::default();
        let credential = errors.keep("credential", fields.text("credential"));
        let password = errors.keep("password", fields.text("password"));
        match (credential, password) {
            (Some(credential), Some(password)) => {
                actions::log_in(&state, &credential, password, &source).await.map(SignedUp::In)
            }
            _ => Err(AccountError::Fields(errors)),
        }
    };
    Envelope(outcome.await)
}

/// Exchange a refresh token for a new pair.
///
/// Whoever has a refresh token; each is good for one call. One that comes twice ends its session. JSON or a form.
#[utoipa::path(
    post, path = "/api/v3/auth/token/refresh/", tag = "accounts", request_body = RefreshForm,
    responses(
        (status = 200, description = "A new pair; the old refresh token is spent", body = Answer),
        (status = 400, description = "The field is missing", body = Answer),
        (status = 401, description = "The token is forged, expired, spent, or its session has ended", body = Answer),
    )
)]
async fn refresh(State(state): State<AppState>, request: Request) -> Envelope {
    let outcome = async {
        let fields = Fields::from_body(request).await.map_err(general)?;
        let mut errors = FieldErrors::default();
        let Some(token) = errors.keep("refresh", fields.text("refresh")) else {
            return Err(AccountError::Fields(errors));
        };
        let tokens = actions::refresh(&state, &token).await?;
        Ok(SignedUp::In(SignedIn { tokens, session: String::new() }))
    };
    Envelope(outcome.await)
}

/// What signing up takes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a form that is read field by field")]
struct SignUpForm {
    /// Letters, digits and `. + - _`; unique in whatever case.
    #[schema(max_length = 15, example = "ada")]
    username: String,
    #[schema(max_length = 50, format = "email", example = "ada@example.org")]
    email: String,
    #[schema(min_length = 8, max_length = 128, example = "all monkeys type")]
    password: String,
    /// The password again.
    #[schema(example = "all monkeys type")]
    password2: String,
    #[schema(max_length = 35, example = "Ada")]
    first_name: String,
    #[schema(max_length = 35, example = "Lovelace")]
    last_name: String,
    /// The code of an invitation, where accounts are made with one.
    #[schema(example = "hukO4XhfW1IpOXfnCZnhQc-wIL5NTQ8S4CsV4vAs4XY")]
    invite: Option<String>,
}

/// What logging in takes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a form that is read field by field")]
struct LogInForm {
    /// E-mail address or user name.
    #[schema(example = "ada")]
    credential: String,
    #[schema(example = "all monkeys type")]
    password: String,
}

/// What a new pair takes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a form that is read field by field")]
struct RefreshForm {
    /// As it was answered last.
    #[schema(example = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl")]
    refresh: String,
}

/// `{"status_code": …, "user": {"status": …, …}}`
#[derive(Serialize, ToSchema)]
struct Answer {
    status_code: u16,
    user: Outcome,
}

#[derive(Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Outcome {
    Success {
        token: TokenPair,
    },
    /// An administrator has to let the owner of the account in.
    Waiting {
        #[schema(value_type = std::collections::HashMap<String, Vec<String>>)]
        detail: FieldErrors,
    },
    Error {
        /// Sentences for each field; `non_field_errors` for what no single one is to blame for.
        #[schema(value_type = std::collections::HashMap<String, Vec<String>>)]
        detail: FieldErrors,
    },
}

struct Envelope(Result<SignedUp, AccountError>);

impl IntoResponse for Envelope {
    fn into_response(self) -> Response {
        let wait = match &self.0 {
            Err(AccountError::TooManyAttempts(wait)) => Some(*wait),
            _ => None,
        };
        let (status, user) = match self.0 {
            Ok(SignedUp::In(signed_in)) => (StatusCode::OK, Outcome::Success { token: signed_in.tokens }),
            Ok(SignedUp::Waiting) => (StatusCode::ACCEPTED, Outcome::Waiting { detail: one(WAITING) }),
            Err(error) => {
                let (status, detail) = detail(error);
                (status, Outcome::Error { detail })
            }
        };
        // Tokens are nobody else's business.
        let no_store = [(header::CACHE_CONTROL, "no-store")];
        let answer = Json(Answer { status_code: status.as_u16(), user });
        let mut response = (status, no_store, answer).into_response();
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait).into());
        }
        response
    }
}

/// What somebody reads who has signed up where an administrator lets people in.
pub(crate) const WAITING: &str =
    "The account is made. An administrator has to let you in; a letter will tell you.";

/// What somebody reads who may not come in though the password is right.
pub(crate) fn shut_out(standing: Standing) -> &'static str {
    match standing {
        Standing::Waiting => "An administrator has not let you in yet; a letter will tell you.",
        _ => "This account is suspended. Ask the people who run this server.",
    }
}

/// What somebody reads who fails too often.
pub(crate) fn too_many(wait: Duration) -> String {
    format!("Too many attempts. Try again in {} seconds.", whole_seconds(wait))
}

/// As `Retry-After` says it, rounded up.
fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

fn detail(error: AccountError) -> (StatusCode, FieldErrors) {
    match error {
        AccountError::Fields(errors) => (StatusCode::BAD_REQUEST, errors),
        AccountError::WrongCredentials => {
            (StatusCode::BAD_REQUEST, one("Username, Email or password is incorrect"))
        }
        AccountError::SignUpClosed => (StatusCode::FORBIDDEN, one("Sign-up is closed on this server.")),
        AccountError::ShutOut(standing) => (StatusCode::FORBIDDEN, one(shut_out(standing))),
        AccountError::TooManyAttempts(wait) => (StatusCode::TOO_MANY_REQUESTS, one(too_many(wait))),
        AccountError::Token(_) | AccountError::SessionEnded => {
            (StatusCode::UNAUTHORIZED, one("The refresh token is not valid: log in again."))
        }
        error => (log_internal(&error), one("Something went wrong at our end!")),
    }
}

fn one(sentence: impl Into<String>) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add(GENERAL, sentence);
    errors
}

fn general(refusal: Refusal) -> AccountError {
    AccountError::Fields(one(refusal.0))
}

/// Errors of `/api/v5`.
impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Fields(errors) => Self::invalid(&errors),
            AccountError::TooManyAttempts(wait) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, too_many(wait)).retry_after(whole_seconds(wait))
            }
            AccountError::Token(_) | AccountError::SessionEnded => {
                Self::new(StatusCode::UNAUTHORIZED, "the sign-in has ended: log in again")
            }
            AccountError::ShutOut(standing) => Self::new(StatusCode::FORBIDDEN, shut_out(standing)),
            AccountError::SignUpClosed => {
                Self::new(StatusCode::FORBIDDEN, "sign-up is closed on this server")
            }
            AccountError::WrongCredentials => {
                Self::new(StatusCode::UNAUTHORIZED, "the user name, the address or the password is wrong")
            }
            AccountError::Catalog(catalog::Error::TooManyTokens(most)) => {
                let sentence = format!("there may be {most} tokens at most: delete one of them first");
                Self::new(StatusCode::CONFLICT, sentence)
            }
            AccountError::Catalog(error) => Self::internal(&error),
            AccountError::Hash(error) => Self::internal(&error),
        }
    }
}
