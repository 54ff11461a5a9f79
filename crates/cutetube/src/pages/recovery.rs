//! `/forgot`, `/reset` and `/verify`: what letters lead to.
//!
//! A letter's code comes after the `#` of its link, where no server and no log sees it; a script puts it into the form,
//! and without scripts it is typed. Nothing happens before the form is sent, so that a mail program which looks at links
//! uses none up.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use catalog::names::Email;

use super::{
    account::SentForm,
    failure::Failure,
    frame::{Frame, plain},
};
use crate::{
    AppState,
    accounts::{
        Code, Visitor,
        actions::AccountError,
        api::too_many,
        parse_password,
        recovery::{self, field},
    },
    texts::{filters, text},
};

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage {
    frame: Frame,
    error: Option<String>,
    is_sent: bool,
    email: String,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    frame: Frame,
    task: Task,
    error: Option<String>,
    is_done: bool,
    code: String,
}

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Reset,
    Verify,
}

/// Anybody.
pub(super) async fn forgot_form(visitor: Visitor) -> Response {
    let page = ForgotPage { frame: Frame::new(&visitor), error: None, is_sent: false, email: String::new() };
    plain(StatusCode::OK, &page)
}

/// Anybody. The answer is the same whether an account has the address or not.
pub(super) async fn forgot(
    State(state): State<AppState>,
    SentForm { fields, source }: SentForm,
) -> Result<Response, Failure> {
    let typed = fields.text("email").unwrap_or_default();
    let asked = match Email::parse(&typed) {
        Ok(email) => recovery::forgot(&state, email, &source).await,
        Err(refusal) => Err(field("email", &refusal.0)),
    };
    let (status, error) = refusal(asked)?;
    let is_sent = error.is_none();
    let page = ForgotPage { frame: Frame::anonymous(), error, is_sent, email: typed };
    Ok(plain(status, &page))
}

/// Anybody.
pub(super) async fn reset_form(visitor: Visitor) -> Response {
    form(Task::Reset, &visitor)
}

/// Anybody with the code of a letter.
pub(super) async fn reset(
    State(state): State<AppState>,
    SentForm { fields, .. }: SentForm,
) -> Result<Response, Failure> {
    let typed = |name: &str| fields.text(name).unwrap_or_default();
    let done = async {
        let password = parse_password(&typed("password")).map_err(|refusal| field("password", &refusal.0))?;
        if password != typed("password2") {
            return Err(field("password", &text("code-passwords-differ").to_string()));
        }
        recovery::reset(&state, Code::typed(&typed("code")), password).await
    };
    outcome(Task::Reset, refusal(done.await)?, typed("code"))
}

/// Anybody.
pub(super) async fn verify_form(visitor: Visitor) -> Response {
    form(Task::Verify, &visitor)
}

/// Anybody with the code of a letter.
pub(super) async fn verify(
    State(state): State<AppState>,
    SentForm { fields, .. }: SentForm,
) -> Result<Response, Failure> {
    let code = fields.text("code").unwrap_or_default();
    let done = recovery::confirm(&state, Code::typed(&code)).await;
    outcome(Task::Verify, refusal(done)?, code)
}

fn form(task: Task, visitor: &Visitor) -> Response {
    let page =
        CodePage { frame: Frame::new(visitor), task, error: None, is_done: false, code: String::new() };
    quiet(plain(StatusCode::OK, &page))
}

fn outcome(
    task: Task,
    (status, error): (StatusCode, Option<String>),
    code: String,
) -> Result<Response, Failure> {
    let is_done = error.is_none();
    Ok(quiet(plain(status, &CodePage { frame: Frame::anonymous(), task, error, is_done, code })))
}

/// Where one comes from is nobody's business after a code was in the address.
fn quiet(mut response: Response) -> Response {
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What is told to whoever sent the form; nothing when it was accepted.
pub(super) fn refusal<T>(outcome: Result<T, AccountError>) -> Result<(StatusCode, Option<String>), Failure> {
    match outcome {
        Ok(_) => Ok((StatusCode::OK, None)),
        Err(AccountError::Fields(errors)) => Ok((StatusCode::UNPROCESSABLE_ENTITY, Some(errors.sentences()))),
        Err(AccountError::TooManyAttempts(wait)) => Ok((StatusCode::TOO_MANY_REQUESTS, Some(too_many(wait)))),
        Err(AccountError::Catalog(catalog::Error::TooManyTokens(most))) => {
            let sentence = text("account-too-many-tokens").count("most", most);
            Ok((StatusCode::CONFLICT, Some(sentence.to_string())))
        }
        Err(error) => Err(Failure::internal(&error)),
    }
}
