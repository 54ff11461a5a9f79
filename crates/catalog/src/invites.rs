//! Invitations: codes that make an account where not everybody may make one.

use std::time::Duration;

use db::{Db, Timestamp, Tx};

use crate::{
    Error, Result,
    accounts::Role,
    ids::{InviteId, UserId},
    names::Label,
};

/// The SHA-256 of a code. The code itself is never stored.
pub type CodeHash = [u8; 32];

/// An invitation to be made.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// Its id.
    pub id: InviteId,
    /// The hash of its code.
    pub hash: CodeHash,
    /// Whom or what it is for.
    pub note: Label,
    /// What the accounts made with it may do.
    pub role: Role,
    /// Who invites.
    pub created_by: UserId,
    /// How many accounts it makes.
    pub uses: u32,
    /// How long it is good.
    pub lifetime: Duration,
}

db::row! {
    /// An invitation.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Invite {
        /// Its id.
        pub id: InviteId,
        /// Whom or what it is for.
        pub note: Label,
        /// What the accounts made with it may do.
        pub role: Role,
        /// Who invited; nobody when their account is gone.
        pub created_by: Option<UserId>,
        /// How many accounts were made with it.
        pub uses: u32,
        /// And how many may be.
        pub max_uses: u32,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it ends.
        pub expires_at: Timestamp,
    }
}

/// Makes an invitation.
///
/// # Errors
/// Those of the database.
pub async fn create(db: &Db, new: &NewInvite) -> Result<Invite> {
    let created = db
        .write(CREATE)
        .bind(new.id)
        .bind(new.hash)
        .bind(&new.note)
        .bind(new.role)
        .bind(new.created_by)
        .bind(new.uses)
        .bind(new.lifetime)
        .one();
    Ok(created.await?)
}

/// Those that still make accounts, the newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(db: &Db) -> Result<Vec<Invite>> {
    Ok(db.read(LIST).all().await?)
}

/// Takes an invitation back. Answers whether there was one.
///
/// # Errors
/// Those of the database.
pub async fn revoke(db: &Db, id: InviteId) -> Result<bool> {
    Ok(db.write(REVOKE).bind(id).execute().await? > 0)
}

/// Removes invitations that have ended. Answers how many that were.
///
/// # Errors
/// Those of the database.
pub async fn purge(db: &Db) -> Result<u64> {
    Ok(db.write(PURGE).execute().await?)
}

/// Takes one use, and answers what the account may do.
pub(crate) async fn take(tx: &mut Tx, code: &CodeHash) -> Result<Role> {
    tx.query(TAKE).bind(code).first_value().await?.ok_or(Error::NoInvite)
}

db::statements! {
    CREATE {
        "INSERT INTO invites (id, hash, note, role, created_by, uses, max_uses, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, 0, $6, " NOW ", " NOW " + $7)
         RETURNING id, note, role, created_by, uses, max_uses, created_at, expires_at"
    }
    LIST {
        "SELECT id, note, role, created_by, uses, max_uses, created_at, expires_at FROM invites
         WHERE uses < max_uses AND expires_at > " NOW " ORDER BY id DESC"
    }
    REVOKE { "DELETE FROM invites WHERE id = $1" }
    PURGE { "DELETE FROM invites WHERE uses >= max_uses OR expires_at < " NOW }
    TAKE {
        "UPDATE invites SET uses = uses + 1 WHERE hash = $1 AND uses < max_uses AND expires_at > " NOW "
         RETURNING role"
    }
}
