//! Keys of protected videos, as they are kept: each encrypted under a master key that the database never sees.

use db::{Db, Json};
use serde_json::Value;

use crate::{Result, ids::VideoId};

db::text_enum! {
    /// What a key is for.
    pub enum KeyClass {
        /// Sound.
        Audio = "audio",
        /// Pictures of up to 576 lines.
        Sd = "sd",
        /// Larger pictures.
        Hd = "hd",
        /// The uploaded file at rest. No player ever gets this one.
        Source = "source",
    }
}

/// A key that nobody can use without its master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Whose it is.
    pub video: VideoId,
    /// What it is for.
    pub class: KeyClass,
    /// KID.
    pub key_id: [u8; 16],
    /// The id of the master key.
    pub master_key: String,
    /// The key, encrypted.
    pub wrapped: Vec<u8>,
    /// What encryption under this key begins with, where it does not begin with something else each time.
    pub iv: [u8; 16],
    /// What a key server wants players to be told; `None` where we make it.
    pub headers: Option<Value>,
}

/// Records keys of a video, and answers those that count: of two that record keys of one class, the first wins.
///
/// # Errors
/// Those of the database.
pub async fn record(db: &Db, video: VideoId, keys: &[WrappedKey]) -> Result<Vec<WrappedKey>> {
    let mut tx = db.begin().await?;
    for key in keys {
        let query = tx.query(RECORD).bind(key.video).bind(key.class).bind(key.key_id);
        let query = query.bind(&key.master_key).bind(&key.wrapped).bind(key.iv);
        query.bind(key.headers.as_ref().map(Json)).execute().await?;
    }
    let kept = tx.query(OF_VIDEO).bind(video).all().await?;
    tx.commit().await?;
    Ok(kept)
}

/// The keys of a video.
///
/// # Errors
/// Those of the database.
pub async fn of_video(db: &Db, video: VideoId) -> Result<Vec<WrappedKey>> {
    Ok(db.read(OF_VIDEO).bind(video).all().await?)
}

/// Some keys that are not under this master key, in an order that lets the next call go on after the last of them.
///
/// # Errors
/// Those of the database.
pub async fn under_others(
    db: &Db,
    master_key: &str,
    after: Option<[u8; 16]>,
    limit: u32,
) -> Result<Vec<WrappedKey>> {
    Ok(db.read(UNDER_OTHERS).bind(master_key).bind(after.unwrap_or_default()).bind(limit).all().await?)
}

/// How many keys are under another master key than this.
///
/// # Errors
/// Those of the database.
pub async fn count_under_others(db: &Db, master_key: &str) -> Result<u64> {
    Ok(db.read(COUNT_UNDER_OTHERS).bind(master_key).value().await?)
}

/// Puts a key under another master key, unless somebody did so in the meantime. Answers whether it was put.
///
/// # Errors
/// Those of the database.
pub async fn rewrap(db: &Db, old: &WrappedKey, master_key: &str, wrapped: &[u8]) -> Result<bool> {
    let query = db.write(REWRAP).bind(old.key_id).bind(&old.master_key).bind(master_key);
    Ok(query.bind(wrapped).execute().await? == 1)
}

impl db::FromRow for WrappedKey {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        let headers: Option<Json<Value>> = row.get("headers")?;
        Ok(Self {
            video: row.get("video_id")?,
            class: row.get("class")?,
            key_id: row.get("key_id")?,
            master_key: row.get("master_key")?,
            wrapped: row.get("wrapped")?,
            iv: row.get("iv")?,
            headers: headers.map(|Json(headers)| headers),
        })
    }
}

db::statements! {
    RECORD {
        "INSERT INTO content_keys (video_id, class, key_id, master_key, wrapped, iv, headers, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, " NOW ")
         ON CONFLICT (video_id, class) DO NOTHING"
    }
    OF_VIDEO { "SELECT * FROM content_keys WHERE video_id = $1 ORDER BY class" }
    UNDER_OTHERS {
        "SELECT * FROM content_keys WHERE master_key <> $1 AND key_id > $2 ORDER BY key_id LIMIT $3"
    }
    COUNT_UNDER_OTHERS { "SELECT count(*) FROM content_keys WHERE master_key <> $1" }
    REWRAP {
        "UPDATE content_keys SET master_key = $3, wrapped = $4 WHERE key_id = $1 AND master_key = $2"
    }
}
