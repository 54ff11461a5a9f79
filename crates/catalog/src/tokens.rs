//! What programs sign in with: long-lived secrets, each for some uses only.

use std::time::Duration;

use db::{Db, Json, Timestamp};

use crate::{
    Error, Result,
    accounts::User,
    ids::{ApiTokenId, UserId},
    names::Label,
};

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Whom it stands for.
    pub user: UserId,
    /// What its owner calls it.
    pub name: Label,
    /// Its first characters, by which its owner recognises it.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// The SHA-256 of the token. The token itself is never stored.
    pub hash: [u8; 32],
    /// How long it is good; for ever without.
    pub lifetime: Option<Duration>,
}

/// What is known about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: ApiTokenId,
    /// Whom it stands for.
    pub user: UserId,
    /// What its owner calls it.
    pub name: Label,
    /// Its first characters.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within [`USE_RESOLUTION`].
    pub used_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

db::text_enum! {
    /// What a token may be used for. None includes another.
    pub enum Scope {
        /// See what its owner may see, and nobody else.
        Read = "read",
        /// Send videos.
        Upload = "upload",
        /// Change and delete what its owner has.
        Manage = "manage",
        /// What administrators do, when its owner is one.
        Admin = "admin",
    }
}

/// The most tokens that a person may have.
pub const MOST: u32 = 50;

/// How exactly is known when a token was last used: writing down each use would cost a write for each request.
pub const USE_RESOLUTION: Duration = Duration::from_secs(60);

/// Makes a token.
///
/// # Errors
/// [`Error::TooManyTokens`]; [`Error::NoUser`] when the owner's account is gone.
pub async fn create(db: &Db, new: &NewToken) -> Result<Token> {
    let mut tx = db.begin().await?;
    // Of two at once the second waits here, and counts the first.
    let owner: Option<UserId> = tx.query(LOCK_OWNER).bind(new.user).first_value().await?;
    let had: u32 = tx.query(COUNT).bind(owner.ok_or(Error::NoUser)?).value().await?;
    if had >= MOST {
        return Err(Error::TooManyTokens(MOST));
    }
    let token = tx
        .query(CREATE)
        .bind(new.id)
        .bind(new.user)
        .bind(new.hash)
        .bind(&new.name)
        .bind(&new.prefix)
        .bind(Json(&new.scopes))
        .bind(new.lifetime)
        .one()
        .await?;
    tx.commit().await?;
    Ok(token)
}

/// The token with this hash and the person it stands for, unless it has ended. That it was used is written down.
///
/// # Errors
/// Those of the database.
pub async fn authenticate(db: &Db, hash: &[u8; 32]) -> Result<Option<(Token, User)>> {
    let Some(Found { token, user, is_stale }) =
        db.read(BY_HASH).bind(hash).bind(USE_RESOLUTION).first().await?
    else {
        return Ok(None);
    };
    if is_stale {
        db.write(TOUCH).bind(token.id).execute().await?;
    }
    Ok(Some((token, user)))
}

/// The tokens of a person that have not ended, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<Token>> {
    Ok(db.read(OF_USER).bind(user).all().await?)
}

/// Ends a token of a person. Answers whether there was one to end.
///
/// # Errors
/// Those of the database.
pub async fn revoke(db: &Db, user: UserId, id: ApiTokenId) -> Result<bool> {
    Ok(db.write(REVOKE).bind(id).bind(user).execute().await? > 0)
}

/// Removes tokens that have ended. Answers how many that were.
///
/// # Errors
/// Those of the database.
pub async fn purge(db: &Db) -> Result<u64> {
    Ok(db.write(PURGE).execute().await?)
}

db::statements! {
    LOCK_OWNER { "SELECT id FROM users WHERE id = $1" FOR_UPDATE }
    COUNT { "SELECT count(*) FROM api_tokens WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > " NOW ")" }
    CREATE {
        "INSERT INTO api_tokens (id, user_id, hash, name, prefix, scopes, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, " NOW ", " NOW " + $7)
         RETURNING id, user_id, name, prefix, scopes, created_at, used_at, expires_at"
    }
    BY_HASH {
        "SELECT u.*, t.id AS token_id, t.user_id, t.name, t.prefix, t.scopes, t.created_at AS token_created_at,
                t.used_at, t.expires_at, (t.used_at IS NULL OR t.used_at < " NOW " - $2) AS is_stale
         FROM api_tokens t JOIN users u ON u.id = t.user_id
         WHERE t.hash = $1 AND (t.expires_at IS NULL OR t.expires_at > " NOW ")"
    }
    TOUCH { "UPDATE api_tokens SET used_at = " NOW " WHERE id = $1" }
    OF_USER {
        "SELECT id, user_id, name, prefix, scopes, created_at, used_at, expires_at FROM api_tokens
         WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > " NOW ") ORDER BY id"
    }
    REVOKE { "DELETE FROM api_tokens WHERE id = $1 AND user_id = $2" }
    PURGE { "DELETE FROM api_tokens WHERE expires_at < " NOW }
}

struct Found {
    token: Token,
    user: User,
    is_stale: bool,
}

impl db::FromRow for Found {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        let token = token_of(row, "token_id", "token_created_at")?;
        Ok(Self { token, user: User::from_row(row)?, is_stale: row.get("is_stale")? })
    }
}

impl db::FromRow for Token {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        token_of(row, "id", "created_at")
    }
}

/// The columns that a joined row has under other names are named by the caller.
fn token_of(row: &db::Row, id: &str, created_at: &str) -> db::Result<Token> {
    Ok(Token {
        id: row.get(id)?,
        user: row.get("user_id")?,
        name: row.get("name")?,
        prefix: row.get("prefix")?,
        scopes: row.get::<Json<_>>("scopes")?.0,
        created_at: row.get(created_at)?,
        used_at: row.get("used_at")?,
        expires_at: row.get("expires_at")?,
    })
}
