//! `/api/v5/auth/…`: proving an address, and choosing another password.

use axum::{extract::State, http::StatusCode};
use catalog::names::Email;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AppState,
    accounts::{
        Code, SignedInCaller, Source, parse_password,
        recovery::{self, field},
    },
    http::{Body, Problem},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(forgot))
        .routes(routes!(reset))
        .routes(routes!(verify))
        .routes(routes!(verify_again))
}

/// Have a letter sent with which one can choose another password.
///
/// Anybody. The answer is the same whether an account has the address or not.
#[utoipa::path(
    post, path = "/api/v5/auth/forgot", tag = "accounts", request_body = ForgotRequest,
    responses(
        (status = 202, description = "If an account has this address, a letter is on its way"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "This is no address; or the body has no `email`", body = Problem),
        (status = 429, description = "Too many letters: `Retry-After` says when there may be another", body = Problem),
    )
)]
async fn forgot(
    State(state): State<AppState>,
    source: Source,
    Body(body): Body<ForgotRequest>,
) -> Result<StatusCode, Problem> {
    let email = Email::parse(&body.email).map_err(|refusal| field("email", &refusal.0))?;
    recovery::forgot(&state, email, &source).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Choose another password.
///
/// Whoever has the code of a letter, once. Every sign-in and every API token of the account ends.
#[utoipa::path(
    post, path = "/api/v5/auth/reset", tag = "accounts", request_body = ResetRequest,
    responses(
        (status = 204, description = "The password is changed: log in with it"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The code is not good any more, or the password is refused; or the body lacks a field", body = Problem),
    )
)]
async fn reset(State(state): State<AppState>, Body(body): Body<ResetRequest>) -> Result<StatusCode, Problem> {
    let password = parse_password(&body.password).map_err(|refusal| field("password", &refusal.0))?;
    recovery::reset(&state, Code::typed(&body.code), password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Confirm an address.
///
/// Whoever has the code of a letter, once. An address that an account is to have from now on becomes its own.
#[utoipa::path(
    post, path = "/api/v5/auth/verify", tag = "accounts", request_body = VerifyRequest,
    responses(
        (status = 204, description = "The address is confirmed"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "The code is not good any more; or the body has no `code`", body = Problem),
    )
)]
async fn verify(
    State(state): State<AppState>,
    Body(body): Body<VerifyRequest>,
) -> Result<StatusCode, Problem> {
    recovery::confirm(&state, Code::typed(&body.code)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Have the letter sent again that asks to confirm the address.
///
/// Whoever is signed in.
#[utoipa::path(
    post, path = "/api/v5/auth/verify/again", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 202, description = "A letter is on its way, unless the address is confirmed already"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 429, description = "Too many letters: `Retry-After` says when there may be another", body = Problem),
    )
)]
async fn verify_again(
    State(state): State<AppState>,
    caller: SignedInCaller,
    source: Source,
) -> Result<StatusCode, Problem> {
    recovery::ask_again(&state, caller.user.id, &source).await?;
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize, ToSchema)]
struct ForgotRequest {
    #[schema(max_length = 50, format = "email", example = "ada@example.org")]
    email: String,
}

#[derive(Deserialize, ToSchema)]
struct ResetRequest {
    /// As the letter says.
    #[schema(example = "hukO4XhfW1IpOXfnCZnhQc-wIL5NTQ8S4CsV4vAs4XY")]
    code: String,
    #[schema(min_length = 8, max_length = 128, example = "monkeys type all day")]
    password: String,
}

#[derive(Deserialize, ToSchema)]
struct VerifyRequest {
    /// As the letter says.
    #[schema(example = "hukO4XhfW1IpOXfnCZnhQc-wIL5NTQ8S4CsV4vAs4XY")]
    code: String,
}
