//! `/account`: what people see and change of their own account.

use askama::Template;
use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use catalog::{
    ids::SessionId,
    names::{Email, PersonName},
    notices::{self, Topic},
    tokens::{Scope, Token},
};
use serde::Deserialize;

use super::{
    account::SentForm,
    face::Face,
    failure::{Failure, to_log_in},
    frame::{Frame, plain},
    recovery::refusal,
    text,
};
use crate::{
    AppState,
    accounts::{
        Caller, SignedInCaller, Visitor,
        actions::AccountError,
        parse_password, picture,
        profile::{self, Profile, Wish},
        recovery::{self, field},
        session_cookie,
    },
    http::Fields,
    playback::BaseUrl,
    texts::{Text, filters, text},
};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    frame: Frame,
    profile: &'a Profile,
    present: SessionId,
    may_administer: bool,
    face: Face,
    letters: Vec<LetterChoice>,
    /// What was done last.
    done: Option<Text>,
    /// What was to be done, and why it was not.
    refused: Option<(Deed, String)>,
    /// The secret of a token that was just made.
    secret: Option<String>,
}

/// Something that somebody may get letters about.
struct LetterChoice {
    topic: Topic,
    label: Text,
    is_wanted: bool,
}

db::text_enum! {
    /// What the forms of the page are for; the last part of their addresses.
    pub(super) enum Deed {
        Name = "name",
        Picture = "picture",
        HidePicture = "hide-picture",
        Letters = "letters",
        Password = "password",
        Email = "email",
        Verify = "verify",
        EndSession = "end-session",
        EndSessions = "end-sessions",
        Token = "token",
        EndToken = "end-token",
        Delete = "delete",
    }
}

/// Whoever is signed in. Others are sent to log in.
pub(super) struct Person(pub(super) SignedInCaller);

impl FromRequestParts<AppState> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let caller = SignedInCaller::from_request_parts(parts, state).await;
        caller.map(Self).map_err(|refused| to_log_in(refused, "/account"))
    }
}

#[derive(Deserialize)]
pub(super) struct Last {
    done: Option<String>,
}

/// The page of somebody whose wish was refused, with the sentence that says why.
pub(super) async fn refuse(
    state: &AppState,
    caller: &SignedInCaller,
    status: StatusCode,
    deed: Deed,
    sentence: &str,
) -> Result<Response, Failure> {
    show(state, caller, status, None, Some((deed, sentence.to_owned())), None).await
}

/// What became of a form.
enum Outcome {
    /// The page says so.
    Done,
    /// The page shows the secret, this once.
    Secret(String),
    /// There is nobody any more to show the page to.
    SignedOut,
}

/// Whoever is signed in.
pub(super) async fn page(
    State(state): State<AppState>,
    Person(caller): Person,
    Query(last): Query<Last>,
) -> Result<Response, Failure> {
    let done = last.done.and_then(|deed| deed.parse::<Deed>().ok()).map(Deed::done);
    show(&state, &caller, StatusCode::OK, done, None, None).await
}

/// Whoever is signed in.
pub(super) async fn act(
    State(state): State<AppState>,
    Path(deed): Path<String>,
    Person(caller): Person,
    base: BaseUrl,
    request: Request,
) -> Result<Response, Failure> {
    let deed: Deed = deed.parse().map_err(|_| Failure::not_found())?;
    let form = SentForm::from_request(request, &state).await?;
    match perform(&state, &caller, deed, form).await {
        Ok(Outcome::Done) => Ok(Redirect::to(&format!("/account?done={deed}")).into_response()),
        Ok(Outcome::Secret(secret)) => {
            show(&state, &caller, StatusCode::CREATED, None, None, Some(secret)).await
        }
        Ok(Outcome::SignedOut) => {
            let gone = session_cookie("", 0, base.is_secure());
            Ok(([(header::SET_COOKIE, gone)], Redirect::to("/")).into_response())
        }
        Err(error) => {
            let (status, sentence) = refusal::<()>(Err(error))?;
            let refused = sentence.map(|sentence| (deed, sentence));
            show(&state, &caller, status, None, refused, None).await
        }
    }
}

async fn perform(
    state: &AppState,
    caller: &SignedInCaller,
    deed: Deed,
    SentForm { fields, source }: SentForm,
) -> Result<Outcome, AccountError> {
    let user = &caller.user;
    let typed = |name: &str| fields.text(name).unwrap_or_default();
    match deed {
        Deed::Name => {
            let name = |which| PersonName::parse(&typed(which)).map_err(|refusal| field(which, &refusal.0));
            profile::rename(state, user.id, &name("first_name")?, &name("last_name")?).await?;
        }
        // Its form has a file, and an address of its own.
        Deed::Picture => {}
        Deed::HidePicture => picture::hide(state, user.id).await?,
        Deed::Letters => {
            let is_refused = |topic: &Topic| fields.text(&format!("want-{topic}")).is_err();
            let unwanted = Topic::ALL.iter().copied().filter(is_refused).collect();
            notices::choose(&state.db, user.id, &unwanted).await?;
        }
        Deed::Password => {
            let next =
                parse_password(&typed("new_password")).map_err(|refusal| field("password", &refusal.0))?;
            if next != typed("new_password2") {
                return Err(field("password", &text("account-passwords-differ").to_string()));
            }
            let whose = (user, caller.session);
            profile::change_password(state, whose, typed("password"), next, &source).await?;
        }
        Deed::Email => {
            let email = Email::parse(&typed("email")).map_err(|refusal| field("email", &refusal.0))?;
            profile::change_email(state, user, typed("password"), email, &source).await?;
        }
        Deed::Verify => recovery::ask_again(state, user.id, &source).await?,
        Deed::EndSession => {
            if let Ok(session) = typed("id").parse() {
                profile::end_session(state, user.id, session).await?;
            }
        }
        Deed::EndSessions => {
            profile::end_sessions(state, user.id).await?;
            return Ok(Outcome::SignedOut);
        }
        Deed::Token => {
            let issued = profile::issue_token(state, user, wish(&fields)?).await?;
            return Ok(Outcome::Secret(issued.code.expose().to_owned()));
        }
        Deed::EndToken => {
            if let Ok(token) = typed("id").parse() {
                profile::revoke_token(state, user.id, token).await?;
            }
        }
        Deed::Delete => {
            profile::leave(state, user, typed("password"), &source).await?;
            return Ok(Outcome::SignedOut);
        }
    }
    Ok(Outcome::Done)
}

/// Each scope is a box to tick; no days are for ever.
fn wish(fields: &Fields) -> Result<Wish, AccountError> {
    let is_ticked = |scope: &&Scope| fields.text(&format!("scope-{scope}")).is_ok();
    let scopes: Vec<String> = Scope::ALL.iter().filter(is_ticked).map(ToString::to_string).collect();
    let days = fields.text("days").unwrap_or_default();
    let days = match days.trim() {
        "" => None,
        days => Some(days.parse().unwrap_or_default()),
    };
    Wish::parse(&fields.text("name").unwrap_or_default(), &scopes, days)
}

async fn show(
    state: &AppState,
    caller: &SignedInCaller,
    status: StatusCode,
    done: Option<Text>,
    refused: Option<(Deed, String)>,
    secret: Option<String>,
) -> Result<Response, Failure> {
    let profile = profile::read(state, &caller.user).await.map_err(|error| Failure::internal(&error))?;
    let visitor = Visitor(Some(Caller::from(caller.clone())));
    let page = AccountPage {
        frame: Frame::new(&visitor),
        profile: &profile,
        present: caller.session,
        face: Face::new(&caller.user.username, profile.picture.as_deref()),
        letters: Topic::ALL.iter().map(|topic| LetterChoice::new(*topic, &profile)).collect(),
        may_administer: visitor.0.as_ref().is_some_and(Caller::is_admin),
        done,
        refused,
        secret,
    };
    let mut response = plain(status, &page);
    if page.secret.is_some() {
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

impl Deed {
    /// What the page says afterwards.
    fn done(self) -> Text {
        match self {
            Self::Name => text("account-name-done"),
            Self::Picture => text("account-picture-done"),
            Self::HidePicture => text("account-picture-hidden"),
            Self::Letters => text("account-letters-done"),
            Self::Password => text("account-password-done"),
            Self::Email => text("account-address-done"),
            Self::Verify => text("account-verify-done"),
            Self::EndSession => text("account-session-ended"),
            Self::EndToken => text("account-token-ended"),
            Self::EndSessions | Self::Token | Self::Delete => text("account-done"),
        }
    }
}

impl LetterChoice {
    fn new(topic: Topic, profile: &Profile) -> Self {
        let label = match topic {
            Topic::Ready => text("account-letter-ready"),
            Topic::Failed => text("account-letter-failed"),
            Topic::Progress => text("account-letter-progress"),
            Topic::Comment => text("account-letter-comment"),
            Topic::Reply => text("account-letter-reply"),
            Topic::Report => text("account-letter-report"),
        };
        Self { topic, label, is_wanted: !profile.unwanted.contains(&topic) }
    }
}

impl AccountPage<'_> {
    /// Why this was not done, when it is what was to be done last.
    fn refusal(&self, deed: Deed) -> Option<&str> {
        self.refused.as_ref().filter(|(refused, _)| *refused == deed).map(|(_, sentence)| sentence.as_str())
    }

    /// `3 of 10`, or `3` where there is no limit.
    fn videos(&self) -> String {
        let quota = &self.profile.quota;
        of(quota.used.videos.to_string(), quota.limits.videos.map(|limit| limit.to_string()))
    }

    fn bytes(&self) -> String {
        let quota = &self.profile.quota;
        of(text::size(quota.used.bytes), quota.limits.bytes.map(text::size))
    }

    fn minutes(&self) -> String {
        let quota = &self.profile.quota;
        let used = quota.used.duration.as_secs().div_ceil(60).to_string();
        of(used, quota.limits.minutes.map(|limit| limit.to_string()))
    }
}

/// `Last used 7 March 2026, good until 5 June 2026`.
fn use_of(token: &Token) -> Text {
    let used = match token.used_at {
        Some(at) => text("account-token-used").with("date", text::date(at)),
        None => text("account-token-never-used"),
    };
    match token.expires_at {
        Some(at) => text("account-token-until").with("used", used).with("date", text::date(at)),
        None => used,
    }
}

fn of(used: String, limit: Option<String>) -> String {
    match limit {
        Some(limit) => text("common-of").with("part", used).with("all", limit).to_string(),
        None => used,
    }
}
