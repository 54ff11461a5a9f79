//! `/api/v3/auth/…` in the original's envelope, and what `/api/v5` adds.

use axum::{
    Json,
    extract::{Request, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use catalog::names::{FieldErrors, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Caller, SignUp,
    actions::{self, AccountError, SignedIn, TokenPair},
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
        .routes(routes!(log_out))
}

/// Make an account.
///
/// Anybody, while sign-up is open. JSON or a form.
#[utoipa::path(
    post, path = "/api/v3/auth/signup/", tag = "accounts", request_body = SignUpForm,
    responses(
        (status = 200, description = "The account is made, and its owner signed in", body = Answer),
        (status = 400, description = "Fields that were refused, each with its sentences", body = Answer),
        (status = 403, description = "Sign-up is closed on this server", body = Answer),
    )
)]
async fn sign_up(State(state): State<AppState>, request: Request) -> Envelope {
    let device = device(request.headers());
    let outcome = async {
        let fields = Fields::from_body(request).await.map_err(general)?;
        let form = SignUp::parse(&fields).map_err(AccountError::Fields)?;
        actions::sign_up(&state, form, &device).await
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
    )
)]
async fn log_in(State(state): State<AppState>, request: Request) -> Envelope {
    let device = device(request.headers());
    let outcome = async {
        let fields = Fields::from_body(request).await.map_err(general)?;
        let mut errors = FieldErrors::default();
        let credential = errors.keep("credential", fields.text("credential"));
        let password = errors.keep("password", fields.text("password"));
        match (credential, password) {
            (Some(credential), Some(password)) => {
                actions::log_in(&state, &credential, password, &device).await
            }
            _ => Err(AccountError::Fields(errors)),
        }
    };
    Envelope(outcome.await)
}

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
    body: Result<Json<RefreshRequest>, JsonRejection>,
) -> Result<Json<TokenPair>, Problem> {
    let body = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let refused = |error| match error {
        AccountError::Catalog(error) => Problem::internal(&error),
        _ => Problem::new(StatusCode::UNAUTHORIZED, "the refresh token is not valid: log in again"),
    };
    actions::refresh(&state, &body.refresh).await.map(Json).map_err(refused)
}

/// End this sign-in.
///
/// Whoever is signed in. Its tokens are refused from now on.
#[utoipa::path(
    post, path = "/api/v5/auth/logout", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked", body = Problem),
    )
)]
async fn log_out(State(state): State<AppState>, caller: Caller) -> Result<StatusCode, Problem> {
    let ended = actions::log_out(&state, caller.user.id, caller.session).await;
    ended.map(|()| StatusCode::NO_CONTENT).map_err(|error| Problem::internal(&error))
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
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    /// The password again.
    password2: String,
    #[schema(max_length = 35)]
    first_name: String,
    #[schema(max_length = 35)]
    last_name: String,
}

/// What logging in takes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a form that is read field by field")]
struct LogInForm {
    /// E-mail address or user name.
    credential: String,
    password: String,
}

#[derive(Deserialize, ToSchema)]
struct RefreshRequest {
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
    Error {
        /// Sentences for each field; `non_field_errors` for what no single one is to blame for.
        #[schema(value_type = std::collections::HashMap<String, Vec<String>>)]
        detail: FieldErrors,
    },
}

struct Envelope(Result<SignedIn, AccountError>);

impl IntoResponse for Envelope {
    fn into_response(self) -> Response {
        let (status, user) = match self.0 {
            Ok(signed_in) => (StatusCode::OK, Outcome::Success { token: signed_in.tokens }),
            Err(error) => {
                let (status, detail) = detail(error);
                (status, Outcome::Error { detail })
            }
        };
        // Tokens are nobody else's business.
        let no_store = [(header::CACHE_CONTROL, "no-store")];
        (status, no_store, Json(Answer { status_code: status.as_u16(), user })).into_response()
    }
}

fn detail(error: AccountError) -> (StatusCode, FieldErrors) {
    let general = |sentence: &str| {
        let mut errors = FieldErrors::default();
        errors.add(GENERAL, sentence);
        errors
    };
    match error {
        AccountError::Fields(errors) => (StatusCode::BAD_REQUEST, errors),
        AccountError::WrongCredentials => {
            (StatusCode::BAD_REQUEST, general("Username, Email or password is incorrect"))
        }
        AccountError::SignUpClosed => (StatusCode::FORBIDDEN, general("Sign-up is closed on this server.")),
        error => (log_internal(&error), general("Something went wrong at our end!")),
    }
}

fn general(refusal: Refusal) -> AccountError {
    let mut errors = FieldErrors::default();
    errors.add(GENERAL, refusal.0);
    AccountError::Fields(errors)
}

/// What people will recognise the device by.
pub(crate) fn device(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.unwrap_or("unknown").to_owned()
}
