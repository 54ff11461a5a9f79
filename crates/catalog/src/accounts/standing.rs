//! What administrators see of accounts, and decide about them.

use db::Db;
use uuid::Uuid;

use super::{Role, Standing, User};
use crate::{
    Error, Result,
    ids::UserId,
    letters::{self, Letter},
    sessions,
};

/// Which accounts a list shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// In this standing only.
    pub standing: Option<Standing>,
    /// With this role only.
    pub role: Option<Role>,
    /// With this text in the user name or the address, in whatever case.
    pub text: Option<&'a str>,
}

/// What an administrator decides about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Who waits is let in, and told so.
    Approve,
    /// Nobody can use it: its sign-ins end, and its tokens are refused.
    Suspend,
    /// Who was suspended may use it again.
    Restore,
}

/// Up to `limit` accounts, the newest first, that are older than `before`.
///
/// # Errors
/// Those of the database.
pub async fn page(db: &Db, filter: &Filter<'_>, before: Option<UserId>, limit: u32) -> Result<Vec<User>> {
    // Text with NUL cannot be asked for, and is in no name.
    let text = filter.text.unwrap_or_default();
    if text.contains('\0') {
        return Ok(Vec::new());
    }
    let listed = db
        .read(PAGE)
        .bind(before.map_or(Uuid::max(), UserId::uuid))
        .bind(filter.standing.map_or("", Standing::as_str))
        .bind(filter.role.map_or("", Role::as_str))
        .bind(text.trim().to_lowercase())
        .bind(limit);
    Ok(listed.all().await?)
}

/// Carries out a decision.
///
/// # Errors
/// [`Error::NoUser`]; [`Error::Standing`] when the account is in no standing for it.
pub async fn decide(db: &Db, id: UserId, decision: Decision) -> Result<User> {
    let mut tx = db.begin().await?;
    let standing: Option<Standing> = tx.query(LOCK).bind(id).first_value().await?;
    let standing = standing.ok_or(Error::NoUser)?;
    let next = decision.after(standing).ok_or(Error::Standing(standing))?;
    let user = tx.query(SET_STANDING).bind(id).bind(next).one().await?;
    match decision {
        Decision::Approve => letters::post(&mut tx, Letter::Approved { user: id }).await?,
        Decision::Suspend => sessions::close_others(&mut tx, id, None).await?,
        Decision::Restore => {}
    }
    tx.commit().await?;
    Ok(user)
}

impl Decision {
    fn after(self, standing: Standing) -> Option<Standing> {
        match (self, standing) {
            (Self::Approve, Standing::Waiting) | (Self::Restore, Standing::Suspended) => {
                Some(Standing::Active)
            }
            (Self::Suspend, Standing::Active | Standing::Waiting) => Some(Standing::Suspended),
            _ => None,
        }
    }
}

db::statements! {
    PAGE {
        "SELECT * FROM users
         WHERE id < $1 AND ($2 = '' OR standing = $2) AND ($3 = '' OR role = $3)
             AND (" [sqlite "instr" postgres "strpos"] "(username_key, $4) > 0
                  OR " [sqlite "instr" postgres "strpos"] "(email_key, $4) > 0)
         ORDER BY id DESC LIMIT $5"
    }
    LOCK { "SELECT standing FROM users WHERE id = $1" FOR_UPDATE }
    SET_STANDING { "UPDATE users SET standing = $2 WHERE id = $1 RETURNING *" }
}
