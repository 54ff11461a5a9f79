//! What people do with accounts. Nothing here knows HTTP.

use catalog::{
    accounts::{self, NewUser, PasswordHash, Role, User},
    ids::{SessionId, UserId},
    names::FieldErrors,
    sessions::{self, NewSession, Rotation},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Builder;

use super::{
    SignUp, TokenKind,
    password::HashError,
    token::{Subject, TokenError},
};
use crate::{AppState, ambient, config::Signup};

/// Somebody who has just proved who they are.
pub(crate) struct SignedIn {
    pub(crate) tokens: TokenPair,
    /// For the cookie of a browser.
    pub(crate) session: String,
}

/// What an API client keeps.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TokenPair {
    pub(crate) refresh: String,
    pub(crate) access: String,
}

/// Why an account was not made, or nobody was let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// Fields that were refused.
    #[error("{0}")]
    Fields(FieldErrors),
    /// `accounts.signup` says no.
    #[error("sign-up is closed")]
    SignUpClosed,
    /// No such account, or another password: nobody is told which.
    #[error("credential or password is wrong")]
    WrongCredentials,
    /// A token that is not, or no longer, good.
    #[error("the token is refused")]
    Token(#[from] TokenError),
    /// The sign-in behind a token has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// Not the person's fault.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Not the person's fault.
    #[error(transparent)]
    Catalog(catalog::Error),
}

/// Makes an account and signs its owner in on `device`.
pub(crate) async fn sign_up(state: &AppState, form: SignUp, device: &str) -> Result<SignedIn, AccountError> {
    if state.config.accounts.signup == Signup::Closed {
        return Err(AccountError::SignUpClosed);
    }
    let user = add(state, form, Role::Creator).await?;
    open_session(state, user, device).await
}

/// Makes an account.
pub(crate) async fn add(state: &AppState, form: SignUp, role: Role) -> Result<User, AccountError> {
    let SignUp { username, email, password, first_name, last_name } = form;
    let password_hash = PasswordHash(state.passwords.hash(password).await?);
    let id = ambient::id(UserId::new);
    let new = NewUser { id, username, email, first_name, last_name, password_hash, role };
    Ok(accounts::create_user(&state.db, &new).await?)
}

/// Signs in with an e-mail address or user name. It takes as long whether the account exists or not.
pub(crate) async fn log_in(
    state: &AppState,
    credential: &str,
    password: String,
    device: &str,
) -> Result<SignedIn, AccountError> {
    let found = accounts::find_by_credential(&state.db, credential).await?;
    let (user, kept) = found.map(|found| (found.user, found.password_hash.0)).unzip();
    match (state.passwords.matches(password, kept).await, user) {
        (true, Some(user)) => open_session(state, user, device).await,
        _ => Err(AccountError::WrongCredentials),
    }
}

/// Exchanges a refresh token, once; used twice, it ends its session.
pub(crate) async fn refresh(state: &AppState, token: &str) -> Result<TokenPair, AccountError> {
    let subject = state.tokens.verify(TokenKind::Refresh, token, now())?;
    let next = issue_pair(state, subject);
    let lifetime = state.tokens.lifetime(TokenKind::Refresh);
    match sessions::rotate(&state.db, &hash(token), &hash(&next.refresh), lifetime).await? {
        Rotation::Rotated(_) => Ok(next),
        Rotation::Reused(session) => {
            tracing::warn!(session.id = %session.id, user.id = %session.user_id, "a refresh token came twice");
            Err(AccountError::SessionEnded)
        }
        Rotation::Unknown => Err(AccountError::SessionEnded),
    }
}

/// Whom a token of this kind stands for, as long as the sign-in lasts.
pub(crate) async fn authenticate(
    state: &AppState,
    kind: TokenKind,
    token: &str,
) -> Result<(User, SessionId), AccountError> {
    let subject = state.tokens.verify(kind, token, now())?;
    let session = sessions::session(&state.db, subject.session).await?.ok_or(AccountError::SessionEnded)?;
    let user = accounts::user(&state.db, session.user_id).await?.ok_or(AccountError::SessionEnded)?;
    Ok((user, session.id))
}

/// Ends a sign-in. Its tokens are refused from now on.
pub(crate) async fn log_out(state: &AppState, user: UserId, session: SessionId) -> Result<(), AccountError> {
    sessions::close(&state.db, user, session).await?;
    Ok(())
}

async fn open_session(state: &AppState, user: User, device: &str) -> Result<SignedIn, AccountError> {
    let subject = Subject { user: user.id, session: ambient::id(SessionId::new) };
    let tokens = issue_pair(state, subject);
    let new = NewSession {
        id: subject.session,
        user: subject.user,
        device: device.to_owned(),
        token: hash(&tokens.refresh),
        lifetime: state.tokens.lifetime(TokenKind::Refresh),
    };
    sessions::open(&state.db, &new).await?;
    Ok(SignedIn { tokens, session: issue(state, TokenKind::Session, subject) })
}

fn issue_pair(state: &AppState, subject: Subject) -> TokenPair {
    TokenPair {
        access: issue(state, TokenKind::Access, subject),
        refresh: issue(state, TokenKind::Refresh, subject),
    }
}

fn issue(state: &AppState, kind: TokenKind, subject: Subject) -> String {
    let id = Builder::from_random_bytes(ambient::random()).into_uuid();
    state.tokens.issue(kind, subject, now(), id)
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn now() -> u64 {
    ambient::unix_time().as_secs()
}

impl From<catalog::Error> for AccountError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::Fields(fields) => Self::Fields(fields),
            error => Self::Catalog(error),
        }
    }
}
