//! What administrators know about people and decide about them. Nothing here knows HTTP.

use std::time::Duration;

use catalog::{
    accounts::{self, Decision, Filter, Role, Standing, User},
    ids::{InviteId, UserId},
    invites::{self, Invite, NewInvite},
    leaving,
    names::{Label, Refusal},
    quotas::{self, Exception, Quota},
};

use crate::{
    AppState,
    accounts::{Caller, Code},
    ambient,
};

/// Why something was not decided.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeopleError {
    #[error("there is no such account")]
    NoUser,
    #[error("there is no such invitation")]
    NoInvite,
    /// So that there is always an administrator.
    #[error("this is your own account: ask another administrator")]
    Yourself,
    #[error("the account is `{0}`: this cannot be done with it")]
    Standing(Standing),
    /// A field that was refused, and why.
    #[error("{1}")]
    Field(&'static str, String),
    #[error(transparent)]
    Catalog(catalog::Error),
}

/// Somebody, with what they have and may have.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) quota: Quota,
    pub(crate) exception: Exception,
}

/// An invitation that somebody wants to give.
#[derive(Debug)]
pub(crate) struct Invitation {
    note: Label,
    role: Role,
    uses: u32,
    lifetime: Duration,
}

/// People on one page of a list, and where it goes on if it does.
pub(crate) async fn page(
    state: &AppState,
    filter: &Filter<'_>,
    before: Option<UserId>,
    limit: u32,
) -> Result<(Vec<User>, Option<UserId>), PeopleError> {
    let mut users = accounts::page(&state.db, filter, before, limit.saturating_add(1)).await?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = users.len() > length;
    users.truncate(length);
    let next = users.last().filter(|_| goes_on).map(|user| user.id);
    Ok((users, next))
}

pub(crate) async fn person(state: &AppState, id: UserId) -> Result<Person, PeopleError> {
    let user = accounts::user(&state.db, id).await?.ok_or(PeopleError::NoUser)?;
    let quota = quotas::of(&state.db, id, state.config.accounts.quota.limits()).await?;
    Ok(Person { user, quota, exception: quotas::exception(&state.db, id).await? })
}

pub(crate) async fn set_role(
    state: &AppState,
    caller: &Caller,
    id: UserId,
    role: Role,
) -> Result<(), PeopleError> {
    somebody_else(caller, id)?;
    accounts::set_role(&state.db, id, role).await?;
    tracing::info!(user.id = %id, by.id = %caller.user.id, "account `{id}` is {role} from now on");
    Ok(())
}

pub(crate) async fn set_quota(
    state: &AppState,
    caller: &Caller,
    id: UserId,
    exception: &Exception,
) -> Result<(), PeopleError> {
    quotas::decide(&state.db, id, exception).await?;
    tracing::info!(user.id = %id, by.id = %caller.user.id, ?exception, "account `{id}` has another quota");
    Ok(())
}

pub(crate) async fn decide(
    state: &AppState,
    caller: &Caller,
    id: UserId,
    decision: Decision,
) -> Result<(), PeopleError> {
    somebody_else(caller, id)?;
    accounts::decide(&state.db, id, decision).await?;
    tracing::info!(user.id = %id, by.id = %caller.user.id, ?decision, "an administrator decided about account `{id}`");
    Ok(())
}

/// Takes an account away with all its videos.
pub(crate) async fn delete(state: &AppState, caller: &Caller, id: UserId) -> Result<(), PeopleError> {
    somebody_else(caller, id)?;
    leaving::request(&state.db, id).await?;
    tracing::info!(user.id = %id, by.id = %caller.user.id, "account `{id}` is deleted by an administrator");
    Ok(())
}

/// Invitations that still make accounts, the newest first.
pub(crate) async fn invitations(state: &AppState) -> Result<Vec<Invite>, PeopleError> {
    Ok(invites::list(&state.db).await?)
}

/// Makes an invitation. Its code is known to whoever asked, this once.
pub(crate) async fn invite(
    state: &AppState,
    caller: &Caller,
    invitation: Invitation,
) -> Result<(Invite, Code), PeopleError> {
    let code = Code::new();
    let Invitation { note, role, uses, lifetime } = invitation;
    let id = ambient::id(InviteId::new);
    let new = NewInvite { id, hash: code.hash(), note, role, created_by: caller.user.id, uses, lifetime };
    let invite = invites::create(&state.db, &new).await?;
    tracing::info!(invite.id = %id, by.id = %caller.user.id, "invitation `{id}` was made");
    Ok((invite, code))
}

pub(crate) async fn take_back(state: &AppState, caller: &Caller, id: InviteId) -> Result<(), PeopleError> {
    if !invites::revoke(&state.db, id).await? {
        return Err(PeopleError::NoInvite);
    }
    tracing::info!(invite.id = %id, by.id = %caller.user.id, "invitation `{id}` was taken back");
    Ok(())
}

impl Invitation {
    /// As somebody asked for it: for so many accounts, within so many days.
    pub(crate) fn parse(note: &str, role: Role, uses: u32, days: u32) -> Result<Self, PeopleError> {
        let note = Label::parse(note).map_err(|Refusal(sentence)| PeopleError::Field("note", sentence))?;
        let within = |field, number, most: u32| match number {
            1.. if number <= most => Ok(number),
            _ => Err(PeopleError::Field(field, format!("This is a number from 1 to {most}."))),
        };
        let uses = within("uses", uses, MOST_USES)?;
        let days = within("days", days, MOST_DAYS)?;
        Ok(Self { note, role, uses, lifetime: Duration::from_secs(u64::from(days) * 24 * 3600) })
    }
}

const MOST_USES: u32 = 10_000;
const MOST_DAYS: u32 = 365;

fn somebody_else(caller: &Caller, id: UserId) -> Result<(), PeopleError> {
    if caller.user.id == id { Err(PeopleError::Yourself) } else { Ok(()) }
}

impl From<catalog::Error> for PeopleError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NoUser => Self::NoUser,
            catalog::Error::Standing(standing) => Self::Standing(standing),
            error => Self::Catalog(error),
        }
    }
}
