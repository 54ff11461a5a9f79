//! What people see and change of their own account. Nothing here knows HTTP.

use std::{collections::BTreeSet, time::Duration};

use catalog::{
    accounts::{self, PasswordHash, User},
    events::{
        Scope as EventScope,
        webhooks::{self, Webhook},
    },
    ids::{ApiTokenId, SessionId, UserId},
    leaving,
    letters::{self, Letter},
    names::{Email, Label, PersonName},
    notices::{self, Topic},
    pictures,
    quotas::{self, Quota},
    sessions::{self, Session},
    tokens::{self, NewToken, Scope, Token},
    videos::{self, Listing, Video},
};

use super::{
    actions::{AccountError, log_out},
    code::Code,
    guessing::{self, Guess},
    recovery::{field, refuse_ones_name},
    source::Source,
};
use crate::{AppState, ambient};

/// An account with what belongs to it, but for its videos.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) user: User,
    pub(crate) quota: Quota,
    /// The one used last first.
    pub(crate) sessions: Vec<Session>,
    /// The oldest first.
    pub(crate) tokens: Vec<Token>,
    /// Where their picture is in the store.
    pub(crate) picture: Option<String>,
    /// What they want no letters about.
    pub(crate) unwanted: BTreeSet<Topic>,
}

/// Everything that is kept of a person, but for media.
#[derive(Debug)]
pub(crate) struct Belongings {
    pub(crate) profile: Profile,
    pub(crate) webhooks: Vec<Webhook>,
    /// The newest first.
    pub(crate) videos: Vec<Video>,
}

/// An API token that somebody wants.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) name: Label,
    pub(crate) scopes: Vec<Scope>,
    /// For ever without.
    pub(crate) lifetime: Option<Duration>,
}

/// A token, and its secret that is shown this once.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: Token,
    pub(crate) code: Code,
}

pub(crate) async fn read(state: &AppState, user: &User) -> Result<Profile, AccountError> {
    let db = &state.db;
    Ok(Profile {
        quota: quotas::of(db, user.id, state.config.accounts.quota.limits()).await?,
        sessions: sessions::of_user(db, user.id).await?,
        tokens: tokens::of_user(db, user.id).await?,
        picture: pictures::of(db, user.id).await?,
        unwanted: notices::unwanted(db, user.id).await?,
        user: user.clone(),
    })
}

pub(crate) async fn quota(state: &AppState, user: UserId) -> Result<Quota, AccountError> {
    Ok(quotas::of(&state.db, user, state.config.accounts.quota.limits()).await?)
}

/// Everything, for somebody who wants to take it along.
pub(crate) async fn belongings(state: &AppState, user: &User) -> Result<Belongings, AccountError> {
    const AT_ONCE: u32 = 200;
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let (page, next) = videos::after(&state.db, Listing::Owner(user.id), cursor, AT_ONCE).await?;
        all.extend(page);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let webhooks = webhooks::list(&state.db, EventScope::Owner(user.id)).await?;
    Ok(Belongings { profile: read(state, user).await?, webhooks, videos: all })
}

pub(crate) async fn rename(
    state: &AppState,
    user: UserId,
    first_name: &PersonName,
    last_name: &PersonName,
) -> Result<User, AccountError> {
    Ok(accounts::rename(&state.db, user, first_name, last_name).await?)
}

/// Sets another password, for who knows the present one. All other sign-ins end.
pub(crate) async fn change_password(
    state: &AppState,
    (user, session): (&User, SessionId),
    present: String,
    next: String,
    source: &Source,
) -> Result<(), AccountError> {
    check_password(state, user, present, source).await?;
    refuse_ones_name(user, &next)?;
    let hash = PasswordHash(state.passwords.hash(next).await?);
    accounts::set_password(&state.db, user.id, &hash, Some(session)).await?;
    tracing::info!(user.id = %user.id, "the password of account `{}` was changed", user.id);
    Ok(())
}

/// Has a letter sent to another address, which becomes the account's when its link is used; and one to the present
/// address that tells of it.
pub(crate) async fn change_email(
    state: &AppState,
    user: &User,
    password: String,
    email: Email,
    source: &Source,
) -> Result<(), AccountError> {
    check_password(state, user, password, source).await?;
    if email == user.email {
        return Err(field("email", "This is the address that the account has."));
    }
    let _counted = guessing::attempt(state, Guess::Letter(email.as_str()), source).await?;
    letters::request(&state.db, Letter::ConfirmNew { user: user.id, email }).await?;
    Ok(letters::request(&state.db, Letter::EmailChanging { user: user.id }).await?)
}

/// Ends the account: nobody can use it from now on, and it goes when its videos have gone.
pub(crate) async fn leave(
    state: &AppState,
    user: &User,
    password: String,
    source: &Source,
) -> Result<(), AccountError> {
    check_password(state, user, password, source).await?;
    leaving::request(&state.db, user.id).await?;
    tracing::info!(user.id = %user.id, "account `{}` is deleted by its owner", user.id);
    Ok(())
}

/// Ends one sign-in. Answers whether there was one to end.
pub(crate) async fn end_session(
    state: &AppState,
    user: UserId,
    session: SessionId,
) -> Result<bool, AccountError> {
    log_out(state, user, session).await
}

/// Ends all sign-ins, this one included.
pub(crate) async fn end_sessions(state: &AppState, user: UserId) -> Result<(), AccountError> {
    sessions::close_all(&state.db, user).await?;
    Ok(())
}

pub(crate) async fn issue_token(state: &AppState, user: &User, wish: Wish) -> Result<Issued, AccountError> {
    let code = Code::token();
    let new = NewToken {
        id: ambient::id(ApiTokenId::new),
        user: user.id,
        name: wish.name,
        prefix: code.prefix(),
        scopes: wish.scopes,
        hash: code.hash(),
        lifetime: wish.lifetime,
    };
    let token = tokens::create(&state.db, &new).await?;
    tracing::info!(token.id = %token.id, user.id = %user.id, "API token `{}` was made", token.id);
    Ok(Issued { token, code })
}

/// Ends a token. Answers whether there was one to end.
pub(crate) async fn revoke_token(
    state: &AppState,
    user: UserId,
    id: ApiTokenId,
) -> Result<bool, AccountError> {
    Ok(tokens::revoke(&state.db, user, id).await?)
}

/// Asks for the password again, of somebody who is signed in: a device that was left alone is not its owner.
async fn check_password(
    state: &AppState,
    user: &User,
    password: String,
    source: &Source,
) -> Result<(), AccountError> {
    let attempt = guessing::attempt(state, Guess::Owner(user.id), source).await?;
    let kept = accounts::password_hash(&state.db, user.id).await?;
    if !state.passwords.matches(password, Some(kept.0)).await {
        return Err(field("password", "This is not the password of the account."));
    }
    attempt.succeeded(state).await
}

impl Wish {
    /// As somebody asked for it: names of scopes, and days, of which none are for ever.
    pub(crate) fn parse(name: &str, scopes: &[String], days: Option<u64>) -> Result<Self, AccountError> {
        let name = Label::parse(name).map_err(|refusal| field("name", &refusal.0))?;
        let parsed: Result<Vec<Scope>, _> = scopes.iter().map(|scope| scope.parse()).collect();
        let mut scopes = parsed.ok().filter(|scopes| !scopes.is_empty()).ok_or_else(|| {
            field("scopes", "Say what the token is for: one or more of read, upload, manage and admin.")
        })?;
        scopes.sort_unstable();
        scopes.dedup();
        let lifetime = match days {
            None => None,
            Some(days @ 1..=MOST_DAYS) => Some(Duration::from_secs(days * 24 * 3600)),
            Some(_) => {
                let sentence = format!("A token is good for 1 to {MOST_DAYS} days, or for ever.");
                return Err(field("days", &sentence));
            }
        };
        Ok(Self { name, scopes, lifetime })
    }
}

/// Ten years.
const MOST_DAYS: u64 = 3650;
