//! Pictures that people show of themselves. Which object is whose; the store has them.

use std::collections::BTreeSet;

use db::{Db, Json, Tx};

use crate::{Error, Result, ids::UserId};

db::row! {
    /// A picture, as it was recorded.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Picture {
        /// Who shows it.
        pub user_id: UserId,
        /// Where it is in the blob store. No key is used twice.
        pub object_key: String,
        /// Its length.
        pub bytes: u64,
        /// Its SHA-256.
        pub sha256: [u8; 32],
    }
}

/// Somebody shows this one from now on. Answers the object of the one before, which nobody needs any more.
///
/// # Errors
/// [`Error::NoUser`].
pub async fn show(db: &Db, picture: &Picture) -> Result<Option<String>> {
    let mut tx = db.begin().await?;
    // Of two at once the second replaces what the first has shown. Whoever leaves shows nothing.
    let found: Option<UserId> = tx.query(LOCK_USER).bind(picture.user_id).first_value().await?;
    let user = found.ok_or(Error::NoUser)?;
    let before = tx.query(HIDE).bind(user).first_value().await?;
    let query = tx.query(SHOW).bind(user).bind(&picture.object_key).bind(picture.bytes);
    query.bind(picture.sha256).execute().await?;
    tx.commit().await?;
    Ok(before)
}

/// Somebody shows none from now on. Answers the object that nobody needs any more.
///
/// # Errors
/// Those of the database.
pub async fn hide(db: &Db, user: UserId) -> Result<Option<String>> {
    Ok(db.write(HIDE).bind(user).first_value().await?)
}

/// Nobody shows this object from now on: it is lost.
///
/// # Errors
/// Those of the database.
pub async fn withdraw(db: &Db, object_key: &str) -> Result<()> {
    db.write(WITHDRAW).bind(object_key).execute().await?;
    Ok(())
}

/// Where somebody's picture is.
///
/// # Errors
/// Those of the database.
pub async fn of(db: &Db, user: UserId) -> Result<Option<String>> {
    Ok(db.read(OF).bind(user).first_value().await?)
}

/// Those of these objects that somebody shows.
///
/// # Errors
/// Those of the database.
pub async fn shown(db: &Db, objects: &[String]) -> Result<BTreeSet<String>> {
    Ok(db.read(SHOWN).bind(Json(objects)).values().await?.into_iter().collect())
}

/// Pictures in an order that lets the next call go on `after` the last of them. `tx` may be a snapshot, which shows all of
/// them as they are at one moment.
///
/// # Errors
/// Those of the database.
pub async fn page(tx: &mut Tx, after: Option<UserId>, limit: u32) -> Result<Vec<Picture>> {
    Ok(tx.query(PAGE).bind(after).bind(limit).all().await?)
}

db::statements! {
    LOCK_USER { "SELECT id FROM users WHERE id = $1 AND standing <> 'leaving'" FOR_UPDATE }
    SHOW {
        "INSERT INTO profile_pictures (user_id, object_key, bytes, sha256, created_at)
         VALUES ($1, $2, $3, $4, " NOW ")"
    }
    HIDE { "DELETE FROM profile_pictures WHERE user_id = $1 RETURNING object_key" }
    WITHDRAW { "DELETE FROM profile_pictures WHERE object_key = $1" }
    OF { "SELECT object_key FROM profile_pictures WHERE user_id = $1" }
    SHOWN { "SELECT object_key FROM profile_pictures WHERE object_key IN " [texts "$1"] }
    PAGE {
        "SELECT user_id, object_key, bytes, sha256 FROM profile_pictures
         WHERE CAST($1 AS " [sqlite "BLOB" postgres "UUID"] ") IS NULL OR user_id > $1
         ORDER BY user_id LIMIT $2"
    }
}
