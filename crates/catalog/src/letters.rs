//! Letters to people about their accounts, and the links in them.
//!
//! A letter is a job of the queue of events. The job names the person or what somebody typed, never a secret: what a
//! link proves is made when the letter is sent, and kept by its hash. Whether an address belongs to an account is found
//! out then, so that whoever asks for a letter learns nothing from the answer, or from how long it takes.

use std::time::Duration;

use db::{Db, Timestamp, Tx};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    accounts::{PasswordHash, Standing, User},
    ids::UserId,
    names::{Email, PersonName},
};

/// The SHA-256 of what a link proves. The code itself is never stored.
pub type CodeHash = [u8; 32];

/// What a letter is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Letter {
    /// Prove that the address of an account is yours.
    Confirm {
        /// The account.
        user: UserId,
    },
    /// Prove that this address is yours, so that it becomes the account's.
    ConfirmNew {
        /// The account.
        user: UserId,
        /// Its next address.
        email: Email,
    },
    /// Choose another password, if there is an account with this address.
    Reset {
        /// As somebody typed it.
        email: Email,
    },
    /// The password is another one.
    PasswordChanged {
        /// The account.
        user: UserId,
    },
    /// Somebody wants the account to have another address.
    EmailChanging {
        /// The account.
        user: UserId,
    },
    /// An administrator has let the account in.
    Approved {
        /// The account.
        user: UserId,
    },
}

db::text_enum! {
    /// What a link is good for.
    pub enum Purpose {
        /// Its owner reads mail to that address.
        Confirm = "confirm",
        /// Another password, too.
        Reset = "reset",
    }
}

/// Whom a letter goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    /// Where to.
    pub email: Email,
    /// How to greet.
    pub first_name: PersonName,
    /// When the link was made; the database's time for letters without one.
    pub at: Timestamp,
}

/// What came of a link that confirms an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// The address is the account's, and is theirs.
    Confirmed(User),
    /// It has become another account's in the meantime.
    Taken,
    /// There is no such link, or it was used, or is too old.
    Unknown,
}

/// A person gets no more letters of one kind within an hour, whoever asks for them.
pub const MOST_PER_HOUR: u32 = 5;

impl Letter {
    /// What its link is good for; letters that only tell have none.
    pub fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Confirm { .. } | Self::ConfirmNew { .. } => Some(Purpose::Confirm),
            Self::Reset { .. } => Some(Purpose::Reset),
            Self::PasswordChanged { .. } | Self::EmailChanging { .. } | Self::Approved { .. } => None,
        }
    }
}

/// Has a letter sent.
///
/// # Errors
/// Those of the database.
pub async fn request(db: &Db, letter: Letter) -> Result<()> {
    let mut tx = db.begin().await?;
    post(&mut tx, letter).await?;
    tx.commit().await?;
    Ok(())
}

/// Has a letter sent when the transaction is committed.
pub(crate) async fn post(tx: &mut Tx, letter: Letter) -> Result<()> {
    jobs::enqueue(tx, letter.into_job()).await?;
    Ok(())
}

/// Finds out whom a letter goes to; nobody when there is no such account, or it has had enough of them. A link that it
/// has is good from now on, for `lifetime`.
///
/// # Errors
/// Those of the database.
pub async fn address(
    db: &Db,
    letter: &Letter,
    code: &CodeHash,
    lifetime: Duration,
) -> Result<Option<Addressed>> {
    let mut tx = db.begin().await?;
    let found: Option<User> = match letter {
        Letter::Reset { email } => tx.query(BY_EMAIL).bind(email.key()).first().await?,
        Letter::Confirm { user }
        | Letter::ConfirmNew { user, .. }
        | Letter::PasswordChanged { user }
        | Letter::EmailChanging { user }
        | Letter::Approved { user } => tx.query(BY_ID).bind(user).first().await?,
    };
    let may_hear = |user: &User| matches!(user.standing, Standing::Active | Standing::Waiting);
    let Some(user) = found.filter(may_hear) else { return Ok(None) };
    let email = match letter {
        Letter::Confirm { .. } if user.verified_at.is_some() => return Ok(None),
        Letter::ConfirmNew { email, .. } => email.clone(),
        _ => user.email.clone(),
    };
    if let Some(purpose) = letter.purpose() {
        let had: u32 = tx.query(COUNT_LINKS).bind(user.id).bind(purpose).value().await?;
        if had >= MOST_PER_HOUR {
            return Ok(None);
        }
        let link = tx.query(ADD_LINK).bind(code).bind(user.id).bind(purpose).bind(&email).bind(lifetime);
        link.execute().await?;
    }
    let at = tx.now().await?;
    tx.commit().await?;
    Ok(Some(Addressed { email, first_name: user.first_name, at }))
}

/// Forgets a link whose letter was not sent.
///
/// # Errors
/// Those of the database.
pub async fn withdraw(db: &Db, code: &CodeHash) -> Result<()> {
    db.write(WITHDRAW).bind(code).execute().await?;
    Ok(())
}

/// Whether a link is good for this now. Using it may still fail, when somebody is faster.
///
/// # Errors
/// Those of the database.
pub async fn is_good(db: &Db, purpose: Purpose, code: &CodeHash) -> Result<bool> {
    Ok(db.read(IS_GOOD).bind(code).bind(purpose).value::<u32>().await? > 0)
}

/// Uses a link to prove that an address is somebody's, and makes it the account's.
///
/// # Errors
/// Those of the database.
pub async fn confirm(db: &Db, code: &CodeHash) -> Result<Confirmation> {
    let mut tx = db.begin().await?;
    let Some(Link { user_id, email }) = tx.query(USE).bind(code).bind(Purpose::Confirm).first().await? else {
        return Ok(Confirmation::Unknown);
    };
    let taken: u32 = tx.query(IS_TAKEN).bind(email.key()).bind(user_id).value().await?;
    if taken > 0 {
        return Ok(Confirmation::Taken);
    }
    let confirmed = tx.query(CONFIRM).bind(user_id).bind(&email).bind(email.key()).first().await;
    let confirmed: Option<User> = match confirmed {
        Err(error) if error.unique_constraint().is_some() => return Ok(Confirmation::Taken),
        confirmed => confirmed?,
    };
    // An address that was to be the account's once shall not become it later.
    tx.query(END_LINKS).bind(user_id).bind(Purpose::Confirm).execute().await?;
    tx.commit().await?;
    Ok(confirmed.map_or(Confirmation::Unknown, Confirmation::Confirmed))
}

/// Uses a link to give an account another password. All its sign-ins and API tokens end, whoever made them: perhaps
/// somebody who had the account before the owner of the address came. The owner is told. `None` when the link is not
/// good.
///
/// # Errors
/// Those of the database.
pub async fn reset(db: &Db, code: &CodeHash, password: &PasswordHash) -> Result<Option<User>> {
    let mut tx = db.begin().await?;
    let Some(Link { user_id, email }) = tx.query(USE).bind(code).bind(Purpose::Reset).first().await? else {
        return Ok(None);
    };
    let reset = tx.query(RESET).bind(user_id).bind(email.key()).bind(&password.0);
    let Some(user) = reset.first::<User>().await? else { return Ok(None) };
    tx.query(END_LINKS).bind(user_id).bind(Purpose::Reset).execute().await?;
    tx.query(END_SESSIONS).bind(user_id).execute().await?;
    tx.query(END_TOKENS).bind(user_id).execute().await?;
    post(&mut tx, Letter::PasswordChanged { user: user_id }).await?;
    tx.commit().await?;
    Ok(Some(user))
}

/// Removes links that ended long ago. Answers how many that were.
///
/// # Errors
/// Those of the database.
pub async fn purge(db: &Db) -> Result<u64> {
    Ok(db.write(PURGE).execute().await?)
}

db::row! {
    struct Link { user_id: UserId, email: Email }
}

db::statements! {
    BY_ID { "SELECT * FROM users WHERE id = $1" FOR_UPDATE }
    BY_EMAIL { "SELECT * FROM users WHERE email_key = $1" FOR_UPDATE }
    COUNT_LINKS {
        "SELECT count(*) FROM account_links
         WHERE user_id = $1 AND purpose = $2 AND created_at > " NOW " - 3600000000"
    }
    ADD_LINK {
        "INSERT INTO account_links (hash, user_id, purpose, email, created_at, expires_at)
         VALUES ($1, $2, $3, $4, " NOW ", " NOW " + $5)"
    }
    WITHDRAW { "DELETE FROM account_links WHERE hash = $1 AND used_at IS NULL" }
    IS_GOOD {
        "SELECT count(*) FROM account_links
         WHERE hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > " NOW
    }
    /// Of two requests with the same code only one changes the row.
    USE {
        "UPDATE account_links SET used_at = " NOW "
         WHERE hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > " NOW " RETURNING user_id, email"
    }
    /// Those that were not used count no more as used than as good.
    END_LINKS {
        "UPDATE account_links SET used_at = " NOW " WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL"
    }
    IS_TAKEN { "SELECT count(*) FROM users WHERE email_key = $1 AND id <> $2" }
    CONFIRM {
        "UPDATE users SET email = $2, email_key = $3, verified_at = " NOW "
         WHERE id = $1 AND standing IN ('active', 'waiting') RETURNING *"
    }
    /// Whoever used the link reads mail to the address, as long as it is still the account's.
    RESET {
        "UPDATE users SET password_hash = $3, verified_at = COALESCE(verified_at, " NOW ")
         WHERE id = $1 AND email_key = $2 AND standing IN ('active', 'waiting') RETURNING *"
    }
    END_SESSIONS {
        "UPDATE sessions SET revoked_at = " NOW " WHERE user_id = $1 AND revoked_at IS NULL"
    }
    END_TOKENS { "DELETE FROM api_tokens WHERE user_id = $1" }
    PURGE { "DELETE FROM account_links WHERE expires_at < " NOW " - 86400000000" }
}
