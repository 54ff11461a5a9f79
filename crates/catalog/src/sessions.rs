//! Sign-ins, and the refresh tokens that keep them alive.
//!
//! A refresh token is used once: using it answers another one. A token that comes a second time was copied by
//! somebody, and nobody can tell which of the two is the thief, so the whole session ends.

use std::time::Duration;

use db::{Db, Timestamp, Tx};

use crate::{
    Result,
    ids::{SessionId, UserId},
};

/// The SHA-256 of a refresh token. The token itself is never stored.
pub type TokenHash = [u8; 32];

/// A sign-in.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session's id.
    pub id: SessionId,
    /// Who signs in.
    pub user: UserId,
    /// What the person will recognise the device by, for example its user agent.
    pub device: String,
    /// The hash of its first refresh token.
    pub token: TokenHash,
    /// How long it lives when its token is not used.
    pub lifetime: Duration,
}

db::row! {
    /// One sign-in on one device.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Session {
        /// The session's id.
        pub id: SessionId,
        /// Who signed in.
        pub user_id: UserId,
        /// What the person recognises the device by.
        pub device: String,
        /// When it began.
        pub created_at: Timestamp,
        /// When its token was last used.
        pub used_at: Timestamp,
        /// When it ends if its token is not used before.
        pub expires_at: Timestamp,
    }
}

/// What came of using a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The new token is valid instead of the old one.
    Rotated(Session),
    /// The token had been used before. The session has ended.
    Reused(Session),
    /// There is no such token, or its session has ended.
    Unknown,
}

/// Begins a session.
///
/// # Errors
/// Those of the database.
pub async fn open(db: &Db, new: &NewSession) -> Result<Session> {
    let mut tx = db.begin().await?;
    let device: String = new.device.chars().filter(|c| !c.is_control()).take(200).collect();
    let session = tx.query(OPEN).bind(new.id).bind(new.user).bind(device).bind(new.lifetime).one().await?;
    tx.query(ISSUE).bind(new.token).bind(new.id).execute().await?;
    tx.commit().await?;
    Ok(session)
}

/// Replaces a refresh token by another one.
///
/// # Errors
/// Those of the database.
pub async fn rotate(db: &Db, used: &TokenHash, next: &TokenHash, lifetime: Duration) -> Result<Rotation> {
    let mut tx = db.begin().await?;
    let Some(session): Option<Session> = tx.query(BY_TOKEN).bind(used).first().await? else {
        return Ok(Rotation::Unknown);
    };
    let rotation = if tx.query(USE).bind(used).execute().await? == 1 {
        tx.query(ISSUE).bind(next).bind(session.id).execute().await?;
        Rotation::Rotated(tx.query(EXTEND).bind(session.id).bind(lifetime).one().await?)
    } else {
        tx.query(CLOSE).bind(session.id).bind(session.user_id).execute().await?;
        Rotation::Reused(session)
    };
    tx.commit().await?;
    Ok(rotation)
}

/// The session, if it has not ended.
///
/// # Errors
/// Those of the database.
pub async fn session(db: &Db, id: SessionId) -> Result<Option<Session>> {
    Ok(db.read(BY_ID).bind(id).first().await?)
}

/// The sessions of a person that have not ended, the one used last first.
///
/// # Errors
/// Those of the database.
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<Session>> {
    Ok(db.read(OF_USER).bind(user).all().await?)
}

/// Ends one session of a person. Answers whether there was one to end.
///
/// # Errors
/// Those of the database.
pub async fn close(db: &Db, user: UserId, id: SessionId) -> Result<bool> {
    Ok(db.write(CLOSE).bind(id).bind(user).execute().await? > 0)
}

/// Ends all sessions of a person. Answers how many that were.
///
/// # Errors
/// Those of the database.
pub async fn close_all(db: &Db, user: UserId) -> Result<u64> {
    Ok(db.write(CLOSE_ALL).bind(user).execute().await?)
}

/// Writes down that a session was used, for lists that show it. Its end stays as it is.
///
/// # Errors
/// Those of the database.
pub async fn touch(db: &Db, id: SessionId) -> Result<()> {
    db.write(TOUCH).bind(id).execute().await?;
    Ok(())
}

/// Ends all sessions of a person but `kept`.
pub(crate) async fn close_others(tx: &mut Tx, user: UserId, kept: Option<SessionId>) -> Result<()> {
    match kept {
        Some(kept) => tx.query(CLOSE_OTHERS).bind(user).bind(kept).execute().await?,
        None => tx.query(CLOSE_ALL).bind(user).execute().await?,
    };
    Ok(())
}

/// Removes sessions that ended, and their tokens. Answers how many that were.
///
/// # Errors
/// Those of the database.
pub async fn purge(db: &Db) -> Result<u64> {
    Ok(db.write(PURGE).execute().await?)
}

db::statements! {
    OPEN {
        "INSERT INTO sessions (id, user_id, device, created_at, used_at, expires_at)
         VALUES ($1, $2, $3, " NOW ", " NOW ", " NOW " + $4)
         RETURNING id, user_id, device, created_at, used_at, expires_at"
    }
    ISSUE { "INSERT INTO refresh_tokens (hash, session_id, issued_at) VALUES ($1, $2, " NOW ")" }
    BY_TOKEN {
        "SELECT s.id, s.user_id, s.device, s.created_at, s.used_at, s.expires_at
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
         WHERE t.hash = $1 AND s.revoked_at IS NULL AND s.expires_at > " NOW
    }
    /// Of two requests with the same token only one changes the row.
    USE { "UPDATE refresh_tokens SET used_at = " NOW " WHERE hash = $1 AND used_at IS NULL" }
    EXTEND {
        "UPDATE sessions SET used_at = " NOW ", expires_at = " NOW " + $2 WHERE id = $1
         RETURNING id, user_id, device, created_at, used_at, expires_at"
    }
    BY_ID {
        "SELECT id, user_id, device, created_at, used_at, expires_at FROM sessions
         WHERE id = $1 AND revoked_at IS NULL AND expires_at > " NOW
    }
    OF_USER {
        "SELECT id, user_id, device, created_at, used_at, expires_at FROM sessions
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > " NOW " ORDER BY used_at DESC, id DESC"
    }
    CLOSE {
        "UPDATE sessions SET revoked_at = " NOW " WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL"
    }
    TOUCH { "UPDATE sessions SET used_at = " NOW " WHERE id = $1" }
    CLOSE_OTHERS {
        "UPDATE sessions SET revoked_at = " NOW " WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL"
    }
    CLOSE_ALL { "UPDATE sessions SET revoked_at = " NOW " WHERE user_id = $1 AND revoked_at IS NULL" }
    PURGE { "DELETE FROM sessions WHERE revoked_at IS NOT NULL OR expires_at < " NOW }
}
