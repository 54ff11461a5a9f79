//! How people come in, stay, and leave again. Nothing here knows HTTP.

use std::time::Duration;

use catalog::{
    accounts::{self, Address, Admission, NewUser, PasswordHash, Role, Standing, User},
    ids::{SessionId, UserId},
    invites::CodeHash,
    names::FieldErrors,
    sessions::{self, NewSession, Rotation, Session},
    tokens::{self, Scope},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Builder;

use super::{
    Caller, SignUp, TokenKind,
    caller::Proof,
    code::Code,
    guessing::{self, Guess},
    password::HashError,
    source::Source,
    token::{Subject, TokenError},
};
use crate::{
    AppState, ambient,
    config::{Signup, Verification},
};

/// Somebody who has just proved who they are.
pub(crate) struct SignedIn {
    pub(crate) tokens: TokenPair,
    /// For the cookie of a browser.
    pub(crate) session: String,
}

/// What came of a sign-up.
pub(crate) enum SignedUp {
    In(SignedIn),
    /// The account is made, and an administrator has to let its owner in.
    Waiting,
}

/// What an API client keeps.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TokenPair {
    pub(crate) refresh: String,
    pub(crate) access: String,
}

/// Why an account was not made or changed, or nobody was let in.
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
    /// The person is who they say, and may not come in.
    #[error("the account is `{0}`")]
    ShutOut(Standing),
    /// Somebody fails too often.
    #[error("there were too many attempts; the next one may be made in {} s", .0.as_secs())]
    TooManyAttempts(Duration),
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

/// How long it may take until a list shows that a session was used.
const USE_RESOLUTION: Duration = Duration::from_secs(600);

/// Makes an account and signs its owner in, as far as `accounts.signup` lets them.
pub(crate) async fn sign_up(
    state: &AppState,
    form: SignUp,
    source: &Source,
) -> Result<SignedUp, AccountError> {
    let invited = |code: Option<&Code>| code.map(Code::hash).ok_or_else(no_invitation);
    let (standing, invite): (Standing, Option<CodeHash>) = match state.config.accounts.signup {
        Signup::Open => (Standing::Active, None),
        Signup::Approval => (Standing::Waiting, None),
        Signup::Invite => (Standing::Active, Some(invited(form.invite.as_ref())?)),
        Signup::Closed => return Err(AccountError::SignUpClosed),
    };
    let address = match state.config.accounts.verification {
        Verification::Off => Address::Taken,
        Verification::Offered | Verification::Required => Address::ToBeProved,
    };
    let new = new_user(state, form, Role::Creator).await?;
    let user = accounts::admit_user(&state.db, &new, &Admission { standing, invite, address }).await?;
    tracing::info!(user.id = %user.id, "account `{}` was made", user.id);
    match user.standing {
        Standing::Active => Ok(SignedUp::In(open_session(state, &user, source).await?)),
        _ => Ok(SignedUp::Waiting),
    }
}

/// Makes an account that nobody asked for.
pub(crate) async fn add(state: &AppState, form: SignUp, role: Role) -> Result<User, AccountError> {
    let new = new_user(state, form, role).await?;
    Ok(accounts::create_user(&state.db, &new).await?)
}

/// Signs in with an e-mail address or user name. It takes as long whether the account exists or not.
pub(crate) async fn log_in(
    state: &AppState,
    credential: &str,
    password: String,
    source: &Source,
) -> Result<SignedIn, AccountError> {
    let attempt = guessing::attempt(state, Guess::Account(credential), source).await?;
    let found = accounts::find_by_credential(&state.db, credential).await?;
    let (user, kept) = found.map(|found| (found.user, found.password_hash.0)).unzip();
    let (true, Some(user)) = (state.passwords.matches(password, kept).await, user) else {
        return Err(AccountError::WrongCredentials);
    };
    attempt.succeeded(state).await?;
    match user.standing {
        Standing::Active => open_session(state, &user, source).await,
        standing => Err(AccountError::ShutOut(standing)),
    }
}

/// Exchanges a refresh token, once; used twice, it ends its session.
pub(crate) async fn refresh(state: &AppState, token: &str) -> Result<TokenPair, AccountError> {
    let subject = state.tokens.verify(TokenKind::Refresh, token, state.clock.seconds())?;
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
) -> Result<Caller, AccountError> {
    let subject = state.tokens.verify(kind, token, state.clock.seconds())?;
    let session = sessions::session(&state.db, subject.session).await?.ok_or(AccountError::SessionEnded)?;
    let user = accounts::user(&state.db, session.user_id).await?;
    let user = user.filter(|user| user.standing == Standing::Active).ok_or(AccountError::SessionEnded)?;
    if is_stale(&session) {
        sessions::touch(&state.db, session.id).await?;
    }
    Ok(Caller { user, proof: Proof::Session(session.id) })
}

/// Whom an API token stands for. Without the scope for it, an administrator's token is no administrator.
pub(crate) async fn authenticate_token(state: &AppState, token: &str) -> Result<Caller, AccountError> {
    let code = Code::typed(token).ok_or(AccountError::SessionEnded)?;
    let found = tokens::authenticate(&state.db, &code.hash()).await?;
    let (token, mut user) =
        found.filter(|(_, user)| user.standing == Standing::Active).ok_or(AccountError::SessionEnded)?;
    if !token.scopes.contains(&Scope::Admin) {
        user.role = user.role.min(Role::Creator);
    }
    Ok(Caller { user, proof: Proof::Token(token.scopes) })
}

/// Ends a sign-in. Its tokens are refused from now on. Answers whether there was one to end.
pub(crate) async fn log_out(
    state: &AppState,
    user: UserId,
    session: SessionId,
) -> Result<bool, AccountError> {
    Ok(sessions::close(&state.db, user, session).await?)
}

pub(super) async fn open_session(
    state: &AppState,
    user: &User,
    source: &Source,
) -> Result<SignedIn, AccountError> {
    let subject = Subject { user: user.id, session: ambient::id(SessionId::new) };
    let tokens = issue_pair(state, subject);
    let new = NewSession {
        id: subject.session,
        user: subject.user,
        device: source.device.clone(),
        token: hash(&tokens.refresh),
        lifetime: state.tokens.lifetime(TokenKind::Refresh),
    };
    sessions::open(&state.db, &new).await?;
    Ok(SignedIn { tokens, session: issue(state, TokenKind::Session, subject) })
}

async fn new_user(state: &AppState, form: SignUp, role: Role) -> Result<NewUser, AccountError> {
    let SignUp { username, email, password, first_name, last_name, invite: _ } = form;
    let password_hash = PasswordHash(state.passwords.hash(password).await?);
    let id = ambient::id(UserId::new);
    Ok(NewUser { id, username, email, first_name, last_name, password_hash, role })
}

fn no_invitation() -> AccountError {
    catalog::Error::NoInvite.into()
}

/// By the clock of this machine, which is near enough to that of the database.
fn is_stale(session: &Session) -> bool {
    let used = u64::try_from(session.used_at.unix_millis()).unwrap_or_default();
    ambient::unix_time().saturating_sub(Duration::from_millis(used)) > USE_RESOLUTION
}

fn issue_pair(state: &AppState, subject: Subject) -> TokenPair {
    TokenPair {
        access: issue(state, TokenKind::Access, subject),
        refresh: issue(state, TokenKind::Refresh, subject),
    }
}

fn issue(state: &AppState, kind: TokenKind, subject: Subject) -> String {
    let id = Builder::from_random_bytes(ambient::random()).into_uuid();
    state.tokens.issue(kind, subject, state.clock.seconds(), id)
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

impl From<catalog::Error> for AccountError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::Fields(fields) => Self::Fields(fields),
            catalog::Error::NoInvite => {
                let mut errors = FieldErrors::default();
                errors.add(
                    "invite",
                    "An account is made with an invitation here, and this one is not good, or not any more.",
                );
                Self::Fields(errors)
            }
            // It went while it was being used.
            catalog::Error::NoUser => Self::SessionEnded,
            error => Self::Catalog(error),
        }
    }
}
