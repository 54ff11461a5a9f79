//! Asking twice for one thing (draft-ietf-httpapi-idempotency-key-header): creations under a key that a client chooses.
//!
//! A request takes hold of its key for as long as it works, and what it makes is recorded with the key in one
//! transaction: whatever dies in between, there is one video or none.

use std::time::Duration;

use db::{Db, Tx};
use uuid::Uuid;

use crate::{
    Error, Result,
    ids::{UserId, VideoId},
};

/// A key of one person, and the request that works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose key.
    pub user: UserId,
    /// As the client chose it.
    pub key: String,
    /// Tells requests under the same key apart.
    pub holder: Uuid,
}

/// What a key stands for when somebody comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet: go on, and keep hold of it.
    New,
    /// Another request works on it.
    Busy,
    /// It is done.
    Done {
        /// What was asked for.
        fingerprint: [u8; 32],
        /// What came of it.
        video: VideoId,
    },
}

/// How long a request is believed to work when nothing more is heard of it.
pub const HOLD: Duration = Duration::from_secs(60);
/// How long a key is remembered.
pub const MEMORY: Duration = Duration::from_secs(24 * 3600);

/// Takes hold of a key, unless it stands for something.
///
/// # Errors
/// Those of the database.
pub async fn begin(db: &Db, hold: &Hold) -> Result<Standing> {
    db.write(FORGET).bind(MEMORY).execute().await?;
    if db.write(BEGIN).bind(hold.user).bind(&hold.key).bind(hold.holder).bind(HOLD).execute().await? == 1 {
        return Ok(Standing::New);
    }
    let found: Option<Row> = db.read(LOOK).bind(hold.user).bind(&hold.key).first().await?;
    Ok(match found {
        Some(Row { fingerprint: Some(fingerprint), video_id: Some(video) }) => {
            Standing::Done { fingerprint, video }
        }
        _ => Standing::Busy,
    })
}

/// Says that the request still works.
///
/// # Errors
/// Those of the database.
pub async fn keep(db: &Db, hold: &Hold) -> Result<()> {
    db.write(KEEP).bind(hold.user).bind(&hold.key).bind(hold.holder).bind(HOLD).execute().await?;
    Ok(())
}

/// Lets go of a key that nothing came of.
///
/// # Errors
/// Those of the database.
pub async fn release(db: &Db, hold: &Hold) -> Result<()> {
    db.write(RELEASE).bind(hold.user).bind(&hold.key).bind(hold.holder).execute().await?;
    Ok(())
}

/// Records what came of it, in the transaction that makes it.
///
/// # Errors
/// [`Error::KeyLost`] when the request let go of the key, or was taken for dead.
pub(crate) async fn finish(tx: &mut Tx, hold: &Hold, fingerprint: [u8; 32], video: VideoId) -> Result<()> {
    let query = tx.query(FINISH).bind(hold.user).bind(&hold.key).bind(hold.holder);
    match query.bind(fingerprint).bind(video).execute().await? {
        1 => Ok(()),
        _ => Err(Error::KeyLost),
    }
}

db::statements! {
    BEGIN {
        "INSERT INTO idempotency_keys (user_id, key, holder, held_until, created_at)
         VALUES ($1, $2, $3, " NOW " + $4, " NOW ")
         ON CONFLICT (user_id, key) DO UPDATE SET
             holder = excluded.holder, held_until = excluded.held_until, created_at = excluded.created_at
         WHERE idempotency_keys.video_id IS NULL AND idempotency_keys.held_until <= " NOW
    }
    LOOK { "SELECT fingerprint, video_id FROM idempotency_keys WHERE user_id = $1 AND key = $2" }
    KEEP {
        "UPDATE idempotency_keys SET held_until = " NOW " + $4
         WHERE user_id = $1 AND key = $2 AND holder = $3 AND video_id IS NULL"
    }
    RELEASE {
        "DELETE FROM idempotency_keys WHERE user_id = $1 AND key = $2 AND holder = $3 AND video_id IS NULL"
    }
    FINISH {
        "UPDATE idempotency_keys SET fingerprint = $4, video_id = $5
         WHERE user_id = $1 AND key = $2 AND holder = $3 AND video_id IS NULL"
    }
    /// What is older than the time it is remembered, and no request works on.
    FORGET { "DELETE FROM idempotency_keys WHERE created_at < " NOW " - $1 AND held_until < " NOW }
}

db::row! {
    struct Row { fingerprint: Option<[u8; 32]>, video_id: Option<VideoId> }
}
