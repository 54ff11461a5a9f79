//! `/api/v3/auth/…` in the original's envelope, and what `/api/v5` adds.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use catalog::names::{FieldErrors, Refusal};
use serde::{Deserialize, Serialize};

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
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v3/auth/signup/", post(sign_up))
        .route("/api/v3/auth/login/", post(log_in))
        .route("/api/v5/auth/refresh", post(refresh))
        .route("/api/v5/auth/logout", post(log_out))
}

/// Anybody, while sign-up is open.
async fn sign_up(State(state): State<AppState>, request: Request) -> Envelope {
    let device = device(request.headers());
    let outcome = async {
        let fields = Fields::from_body(request).await.map_err(general)?;
        let form = SignUp::parse(&fields).map_err(AccountError::Fields)?;
        actions::sign_up(&state, form, &device).await
    };
    Envelope(outcome.await)
}

/// Anybody.
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

/// Whoever has a refresh token; each is good for one call.
async fn refresh(
    State(state): State<AppState>,
    body: Json<RefreshRequest>,
) -> Result<Json<TokenPair>, Problem> {
    let refused = |error| match error {
        AccountError::Catalog(error) => Problem::internal(&error),
        _ => Problem::new(StatusCode::UNAUTHORIZED, "the refresh token is not valid: log in again"),
    };
    actions::refresh(&state, &body.refresh).await.map(Json).map_err(refused)
}

/// Whoever is signed in; ends that sign-in.
async fn log_out(State(state): State<AppState>, caller: Caller) -> Result<StatusCode, Problem> {
    let ended = actions::log_out(&state, caller.user.id, caller.session).await;
    ended.map(|()| StatusCode::NO_CONTENT).map_err(|error| Problem::internal(&error))
}

#[derive(Deserialize)]
struct RefreshRequest {
    refresh: String,
}

/// `{"status_code": …, "user": {"status": …, …}}`
#[derive(Serialize)]
struct Answer {
    status_code: u16,
    user: Outcome,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Outcome {
    Success { token: TokenPair },
    Error { detail: FieldErrors },
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
        error => {
            log_internal(&error);
            (StatusCode::INTERNAL_SERVER_ERROR, general("Something went wrong at our end!"))
        }
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
