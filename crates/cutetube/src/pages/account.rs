//! `/login`, `/signup` and `/logout`, as forms.

use askama::Template;
use axum::{
    extract::{FromRequest, FromRequestParts, Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use catalog::names::FieldErrors;
use serde::Deserialize;

use super::{
    failure::Failure,
    frame::{Frame, plain},
};
use crate::{
    AppState,
    accounts::{
        SignUp, SignedInCaller, Source, TokenKind, Visitor,
        actions::{self, AccountError, SignedIn, SignedUp},
        api::{WAITING, shut_out, too_many},
        refuse_foreign_forms, session_cookie,
    },
    config::Signup,
    http::Fields,
    playback::BaseUrl,
    texts::{Text, filters, text},
};

#[derive(Template)]
#[template(path = "login.html")]
struct LogInPage {
    frame: Frame,
    error: Option<String>,
    credential: String,
    next: String,
}

#[derive(Template)]
#[template(path = "signup.html")]
struct SignUpPage {
    frame: Frame,
    policy: Signup,
    form: SignUpForm,
}

#[derive(Template)]
#[template(path = "waiting.html")]
struct WaitingPage {
    frame: Frame,
    sentence: &'static str,
}

/// The form as it was filled in, and what is wrong with it.
struct SignUpForm {
    errors: Vec<String>,
    fields: Vec<FormField>,
}

struct FormField {
    name: &'static str,
    label: Text,
    kind: &'static str,
    autocomplete: &'static str,
    value: String,
    /// The script fills it in from the address.
    is_code: bool,
    errors: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct After {
    next: Option<String>,
}

/// A form of this site as it was sent, and by what. A body that cannot be read is an empty form.
pub(super) struct SentForm {
    pub(super) fields: Fields,
    pub(super) source: Source,
}

impl FromRequest<AppState> for SentForm {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Failure> {
        refuse_foreign_forms(request.headers())?;
        let (mut parts, body) = request.into_parts();
        let Ok(source) = Source::from_request_parts(&mut parts, state).await;
        let fields = Fields::from_body(Request::from_parts(parts, body)).await.unwrap_or_default();
        Ok(Self { fields, source })
    }
}

const INVITE: &str = "invite";

/// Name, key of its label, type and what a browser fills in.
const FIELDS: [(&str, &str, &str, &str); 7] = [
    (INVITE, "signup-invitation-code", "text", "off"),
    ("username", "common-user-name", "text", "username"),
    ("email", "common-email", "email", "email"),
    ("first_name", "common-first-name", "text", "given-name"),
    ("last_name", "common-last-name", "text", "family-name"),
    ("password", "common-password", "password", "new-password"),
    ("password2", "signup-password-again", "password", "new-password"),
];

/// Anybody.
pub(super) async fn log_in_form(visitor: Visitor, Query(after): Query<After>) -> Response {
    let next = local_path(after.next.unwrap_or_default());
    let page = LogInPage { frame: Frame::new(&visitor), error: None, credential: String::new(), next };
    plain(StatusCode::OK, &page)
}

/// Anybody.
pub(super) async fn log_in(
    State(state): State<AppState>,
    base: BaseUrl,
    SentForm { fields, source }: SentForm,
) -> Result<Response, Failure> {
    let typed = |name| fields.text(name).unwrap_or_default();
    let next = local_path(typed("next"));
    let (status, error) =
        match actions::log_in(&state, &typed("credential"), typed("password"), &source).await {
            Ok(signed_in) => return Ok(signed_in_to(&state, &base, &signed_in, &next)),
            Err(AccountError::WrongCredentials) => {
                (StatusCode::UNPROCESSABLE_ENTITY, text("login-wrong").to_string())
            }
            Err(AccountError::ShutOut(standing)) => (StatusCode::FORBIDDEN, shut_out(standing).to_owned()),
            Err(AccountError::TooManyAttempts(wait)) => (StatusCode::TOO_MANY_REQUESTS, too_many(wait)),
            Err(error) => return Err(Failure::internal(&error)),
        };
    let credential = typed("credential");
    Ok(plain(status, &LogInPage { frame: Frame::anonymous(), error: Some(error), credential, next }))
}

/// Anybody; it says so when sign-up is closed.
pub(super) async fn sign_up_form(State(state): State<AppState>, visitor: Visitor) -> Response {
    let form = SignUpForm::new(&Fields::default(), &FieldErrors::default(), state.config.accounts.signup);
    sign_up_page(&state, StatusCode::OK, &visitor, form)
}

/// Anybody, while sign-up is open.
pub(super) async fn sign_up(
    State(state): State<AppState>,
    base: BaseUrl,
    SentForm { fields, source }: SentForm,
) -> Result<Response, Failure> {
    let outcome = match SignUp::parse(&fields) {
        Ok(form) => actions::sign_up(&state, form, &source).await,
        Err(errors) => Err(AccountError::Fields(errors)),
    };
    let refused = |status, errors: &FieldErrors| {
        let form = SignUpForm::new(&fields, errors, state.config.accounts.signup);
        sign_up_page(&state, status, &Visitor(None), form)
    };
    match outcome {
        Ok(SignedUp::In(signed_in)) => Ok(signed_in_to(&state, &base, &signed_in, "/")),
        Ok(SignedUp::Waiting) => {
            let page = WaitingPage { frame: Frame::anonymous(), sentence: WAITING };
            Ok(plain(StatusCode::ACCEPTED, &page))
        }
        Err(AccountError::Fields(errors)) => Ok(refused(StatusCode::UNPROCESSABLE_ENTITY, &errors)),
        Err(AccountError::SignUpClosed) => Ok(refused(StatusCode::FORBIDDEN, &FieldErrors::default())),
        Err(error) => Err(Failure::internal(&error)),
    }
}

/// Whoever is signed in; ends that sign-in.
pub(super) async fn log_out(
    State(state): State<AppState>,
    base: BaseUrl,
    caller: SignedInCaller,
) -> Result<Response, Failure> {
    actions::log_out(&state, caller.user.id, caller.session)
        .await
        .map_err(|error| Failure::internal(&error))?;
    let gone = session_cookie("", 0, base.is_secure());
    Ok(([(header::SET_COOKIE, gone)], Redirect::to("/")).into_response())
}

fn signed_in_to(state: &AppState, base: &BaseUrl, signed_in: &SignedIn, next: &str) -> Response {
    let seconds = state.tokens.lifetime(TokenKind::Session).as_secs();
    let cookie = session_cookie(&signed_in.session, seconds, base.is_secure());
    ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response()
}

fn sign_up_page(state: &AppState, status: StatusCode, visitor: &Visitor, form: SignUpForm) -> Response {
    let policy = state.config.accounts.signup;
    plain(status, &SignUpPage { frame: Frame::new(visitor), policy, form })
}

impl SignUpForm {
    /// Passwords are not written back.
    fn new(typed: &Fields, errors: &FieldErrors, policy: Signup) -> Self {
        let asked = FIELDS.iter().filter(|field| field.0 != INVITE || policy == Signup::Invite);
        let fields = asked.map(|&(name, label, kind, autocomplete)| FormField {
            name,
            is_code: name == INVITE,
            label: text(label),
            kind,
            autocomplete,
            value: if kind == "password" { String::new() } else { typed.text(name).unwrap_or_default() },
            errors: errors.get(name).to_vec(),
        });
        let belongs_to_a_field = |name: &str| FIELDS.iter().any(|field| field.0 == name);
        let general =
            errors.iter().filter(|(name, _)| !belongs_to_a_field(name)).flat_map(|(_, e)| e).cloned();
        Self { errors: general.collect(), fields: fields.collect() }
    }
}

/// A path of this site, else `/`: nobody is sent to another site by a link that begins with ours.
fn local_path(next: String) -> String {
    let mut chars = next.chars();
    let is_local = chars.next() == Some('/')
        && !matches!(chars.next(), Some('/' | '\\'))
        && next.chars().all(|c| c.is_ascii_graphic());
    if is_local { next } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_in_leads_to_this_site_only() {
        assert_eq!(local_path("/upload".to_owned()), "/upload");
        for foreign in
            ["", "upload", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"]
        {
            assert_eq!(local_path(foreign.to_owned()), "/", "{foreign:?}");
        }
    }

    #[test]
    fn a_refused_form_keeps_what_was_typed_but_no_password() {
        let typed = Fields::from_json(&serde_json::json!({
            "username": "\"><script>", "email": "ada@example.org", "password": "correct horse",
        }));
        let mut errors = FieldErrors::default();
        errors.add("username", "Enter a valid username.");
        errors.add("non_field_errors", "Password does not match!");
        let form = SignUpForm::new(&typed, &errors, Signup::Open);
        let html = SignUpPage { frame: Frame::anonymous(), policy: Signup::Open, form }.render().unwrap();
        assert!(html.contains("ada@example.org") && html.contains("Enter a valid username."), "{html}");
        assert!(html.contains("Password does not match!"), "{html}");
        assert!(!html.contains("<script>") && !html.contains("correct horse"), "{html}");
    }
}
