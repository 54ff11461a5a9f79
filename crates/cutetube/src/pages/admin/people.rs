//! `/admin/users`: accounts and invitations, for administrators.

use askama::Template;
use axum::{
    Router,
    extract::{FromRequest, Path, Query, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use catalog::{
    accounts::{Decision, Filter, Role, Standing, User},
    ids::UserId,
    invites::Invite,
    quotas::Exception,
};
use serde::Deserialize;

use super::Administrator;
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    config::Signup,
    http::Fields,
    pages::{
        account::SentForm,
        failure::Failure,
        frame::{Frame, plain},
        text,
    },
    people::actions::{self, Invitation, PeopleError, Person},
    playback::BaseUrl,
    texts::{self, filters},
};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(PEOPLE, get(people))
        .route("/admin/users/{id}", get(person))
        .route("/admin/users/{id}/{deed}", post(act))
        .route("/admin/invites", post(invite))
        .route("/admin/invites/{id}/end", post(take_back))
}

const PEOPLE: &str = "/admin/users";

/// People on one page.
const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "admin_users.html")]
struct PeoplePage {
    frame: Frame,
    users: Vec<User>,
    /// Where the list goes on.
    older: Option<String>,
    text: String,
    /// With the one that is looked for.
    standings: Vec<(Standing, bool)>,
    roles: Vec<(Role, bool)>,
    policy: Signup,
    invites: Vec<Invite>,
    /// Why no invitation was made.
    refusal: Option<String>,
    /// What one that was just made leads to.
    link: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_user.html")]
struct PersonPage<'a> {
    frame: Frame,
    person: &'a Person,
    is_oneself: bool,
    /// With the present one.
    roles: Vec<(Role, bool)>,
    may_be_suspended: bool,
    /// Why the last decision was not carried out.
    refusal: Option<String>,
}

#[derive(Deserialize, Default)]
struct PeopleQuery {
    q: Option<String>,
    standing: Option<String>,
    before: Option<String>,
}

db::text_enum! {
    /// What the forms about a person are for; the last part of their addresses.
    enum Deed {
        Role = "role",
        Quota = "quota",
        Approve = "approve",
        Suspend = "suspend",
        Restore = "restore",
        Delete = "delete",
    }
}

/// What came of an invitation that was to be made.
#[derive(Default)]
struct Invited {
    refusal: Option<String>,
    link: Option<String>,
}

async fn people(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Query(query): Query<PeopleQuery>,
) -> Result<Response, Failure> {
    show_people(&state, caller, StatusCode::OK, &query, Invited::default()).await
}

async fn show_people(
    state: &AppState,
    caller: Caller,
    status: StatusCode,
    query: &PeopleQuery,
    Invited { refusal, link }: Invited,
) -> Result<Response, Failure> {
    let standing = query.standing.as_deref().and_then(|standing| standing.parse().ok());
    let before = query.before.as_deref().and_then(|id| id.parse().ok());
    let filter = Filter { standing, role: None, text: query.q.as_deref() };
    let (users, next) = actions::page(state, &filter, before, LISTED).await?;
    let page = PeoplePage {
        frame: Frame::new(&Visitor(Some(caller))),
        users,
        older: next.map(|next| older(query, next)),
        text: query.q.clone().unwrap_or_default(),
        standings: Standing::ALL.iter().map(|other| (*other, Some(*other) == standing)).collect(),
        roles: roles(Role::Creator),
        policy: state.config.accounts.signup,
        invites: actions::invitations(state).await?,
        refusal,
        link,
    };
    let mut response = plain(status, &page);
    if page.link.is_some() {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

async fn person(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    show_person(&state, caller, parse(&id)?, StatusCode::OK, None).await
}

async fn show_person(
    state: &AppState,
    caller: Caller,
    id: UserId,
    status: StatusCode,
    refusal: Option<String>,
) -> Result<Response, Failure> {
    let person = actions::person(state, id).await?;
    let page = PersonPage {
        is_oneself: caller.user.id == id,
        frame: Frame::new(&Visitor(Some(caller))),
        person: &person,
        roles: roles(person.user.role),
        may_be_suspended: matches!(person.user.standing, Standing::Active | Standing::Waiting),
        refusal,
    };
    Ok(plain(status, &page))
}

async fn act(
    State(state): State<AppState>,
    Path((id, deed)): Path<(String, String)>,
    Administrator(caller): Administrator,
    request: Request,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let deed: Deed = deed.parse().map_err(|_| Failure::not_found())?;
    let SentForm { fields, .. } = SentForm::from_request(request, &state).await?;
    match perform(&state, &caller, id, deed, &fields).await {
        Ok(()) if deed == Deed::Delete => Ok(Redirect::to(PEOPLE).into_response()),
        Ok(()) => Ok(Redirect::to(&format!("{PEOPLE}/{id}")).into_response()),
        Err(error) => {
            let (status, sentence) = refused(error)?;
            show_person(&state, caller, id, status, Some(sentence)).await
        }
    }
}

async fn perform(
    state: &AppState,
    caller: &Caller,
    id: UserId,
    deed: Deed,
    fields: &Fields,
) -> Result<(), PeopleError> {
    match deed {
        Deed::Role => {
            let role = fields.text("role").ok().and_then(|role| role.parse().ok());
            let role = role
                .ok_or_else(|| PeopleError::Field("role", texts::text("admin-people-no-role").to_string()))?;
            actions::set_role(state, caller, id, role).await
        }
        Deed::Quota => {
            let exception = Exception {
                quota_bytes: number(fields, "bytes")?,
                quota_videos: number(fields, "videos")?,
                quota_minutes: number(fields, "minutes")?,
            };
            actions::set_quota(state, caller, id, &exception).await
        }
        Deed::Approve => actions::decide(state, caller, id, Decision::Approve).await,
        Deed::Suspend => actions::decide(state, caller, id, Decision::Suspend).await,
        Deed::Restore => actions::decide(state, caller, id, Decision::Restore).await,
        Deed::Delete => actions::delete(state, caller, id).await,
    }
}

/// Nothing is what holds for everybody.
fn number(fields: &Fields, name: &'static str) -> Result<Option<u64>, PeopleError> {
    let typed = fields.text(name).unwrap_or_default();
    if typed.trim().is_empty() {
        return Ok(None);
    }
    let number = typed.trim().parse().ok().filter(|number| i64::try_from(*number).is_ok());
    number
        .map(Some)
        .ok_or_else(|| PeopleError::Field(name, texts::text("admin-people-no-number").to_string()))
}

async fn invite(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    base: BaseUrl,
    SentForm { fields, .. }: SentForm,
) -> Result<Response, Failure> {
    let typed = |name: &str| fields.text(name).unwrap_or_default();
    let made = async {
        let role = typed("role").parse().unwrap_or(Role::Creator);
        let uses = typed("uses").trim().parse().unwrap_or_default();
        let days = typed("days").trim().parse().unwrap_or_default();
        let wanted = Invitation::parse(&typed("note"), role, uses, days)?;
        actions::invite(&state, &caller, wanted).await
    };
    let (status, invited) = match made.await {
        Ok((_, code)) => (StatusCode::CREATED, Invited { link: Some(base.invitation(&code)), refusal: None }),
        Err(error) => {
            let (status, sentence) = refused(error)?;
            (status, Invited { refusal: Some(sentence), link: None })
        }
    };
    show_people(&state, caller, status, &PeopleQuery::default(), invited).await
}

async fn take_back(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Path(id): Path<String>,
) -> Result<Redirect, Failure> {
    let id = id.parse().map_err(|_| Failure::not_found())?;
    match actions::take_back(&state, &caller, id).await {
        // It is over already, and that is what was wanted.
        Ok(()) | Err(PeopleError::NoInvite) => Ok(Redirect::to(PEOPLE)),
        Err(error) => Err(error.into()),
    }
}

/// What an administrator reads whose decision was not carried out.
fn refused(error: PeopleError) -> Result<(StatusCode, String), Failure> {
    match error {
        PeopleError::Field(_, sentence) => Ok((StatusCode::UNPROCESSABLE_ENTITY, sentence)),
        PeopleError::Yourself => Ok((StatusCode::CONFLICT, texts::text("admin-people-own").to_string())),
        PeopleError::Standing(_) => {
            Ok((StatusCode::CONFLICT, texts::text("admin-people-too-late").to_string()))
        }
        error => Err(error.into()),
    }
}

fn parse(id: &str) -> Result<UserId, Failure> {
    id.parse().map_err(|_| Failure::not_found())
}

impl From<PeopleError> for Failure {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::NoUser | PeopleError::NoInvite => Self::not_found(),
            error => Self::internal(&error),
        }
    }
}

/// All roles, and which of them is chosen.
fn roles(chosen: Role) -> Vec<(Role, bool)> {
    Role::ALL.iter().map(|role| (*role, *role == chosen)).collect()
}

fn older(query: &PeopleQuery, next: UserId) -> String {
    let (text, standing) =
        (query.q.as_deref().unwrap_or_default(), query.standing.as_deref().unwrap_or_default());
    let before = next.to_string();
    let query = [("q", text), ("standing", standing), ("before", before.as_str())];
    format!("{PEOPLE}?{}", serde_urlencoded::to_string(query).unwrap_or_default())
}

/// An exception as the form shows it.
fn typed(limit: &Option<u64>) -> String {
    limit.map(|limit| limit.to_string()).unwrap_or_default()
}

impl PersonPage<'_> {
    fn videos(&self) -> String {
        share(self.person.quota.used.videos, self.person.quota.limits.videos)
    }

    fn bytes(&self) -> String {
        share(self.person.quota.used.bytes, self.person.quota.limits.bytes)
    }

    fn minutes(&self) -> String {
        share(self.person.quota.used.duration.as_secs().div_ceil(60), self.person.quota.limits.minutes)
    }
}

/// `12` or `12 of 20`.
fn share(used: u64, limit: Option<u64>) -> String {
    match limit {
        Some(limit) => texts::text("common-of").with("part", used).with("all", limit).to_string(),
        None => used.to_string(),
    }
}
