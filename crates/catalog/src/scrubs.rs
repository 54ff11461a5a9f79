//! Rounds of reading everything back: whose turn it is, and what was found so far. A round goes on where it was
//! interrupted, whichever process takes it up.

use db::{Db, Json};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Result,
    ids::{Revision, VideoId},
    storage::{self, Amount, What},
    videos::Video,
};

/// What was read of one video. `D` is what the program found wrong; the catalogue never looks inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<D> {
    /// The video.
    pub video: VideoId,
    /// What was served of it.
    pub revision: Option<Revision>,
    /// How many objects were read.
    pub objects: u64,
    /// How long they are together.
    pub bytes: u64,
    /// What is wrong with them.
    pub damage: D,
}

/// The next videos of the round, in an order that lets the next call go on `after` the last of them. Those that are being
/// deleted are left out.
///
/// # Errors
/// Those of the database.
pub async fn next(db: &Db, after: Option<VideoId>, limit: u32) -> Result<Vec<Video>> {
    Ok(db.read(NEXT).bind(after).bind(limit).all().await?)
}

/// How much there is to be read.
///
/// # Errors
/// Those of the database.
pub async fn remaining(db: &Db) -> Result<Amount> {
    storage::amount_of(db, What::OfTheRound).await
}

/// Records what was read of a video, so that this round does not read it again. A video that is gone is not recorded.
///
/// # Errors
/// Those of the database.
pub async fn record<D: Serialize>(db: &Db, reading: &Reading<D>) -> Result<()> {
    let Reading { video, revision, objects, bytes, damage } = reading;
    let query = db.write(RECORD).bind(*video).bind(*revision).bind(*objects).bind(*bytes);
    query.bind(Json(damage)).execute().await?;
    Ok(())
}

/// What the round has read, by video.
///
/// # Errors
/// Those of the database.
pub async fn read<D: DeserializeOwned>(db: &Db) -> Result<Vec<Reading<D>>> {
    Ok(db.read(READ).all().await?)
}

/// Ends the round: the next one begins with nothing read.
///
/// # Errors
/// Those of the database.
pub async fn end(db: &Db) -> Result<()> {
    db.write(END).execute().await?;
    Ok(())
}

db::statements! {
    NEXT {
        "SELECT * FROM videos
         WHERE (CAST($1 AS " [sqlite "BLOB" postgres "UUID"] ") IS NULL OR id > $1) AND state <> 'deleting'
             AND NOT EXISTS (SELECT 1 FROM scrubbed WHERE scrubbed.video_id = videos.id
                             AND scrubbed.revision IS NOT DISTINCT FROM videos.published_revision)
         ORDER BY id LIMIT $2"
    }
    RECORD {
        "INSERT INTO scrubbed (video_id, revision, objects, bytes, damage, read_at)
         SELECT id, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT), " NOW "
         FROM videos WHERE id = $1
         ON CONFLICT (video_id) DO UPDATE SET revision = excluded.revision, objects = excluded.objects,
             bytes = excluded.bytes, damage = excluded.damage, read_at = excluded.read_at"
    }
    READ { "SELECT video_id, revision, objects, bytes, damage FROM scrubbed ORDER BY video_id" }
    END { "DELETE FROM scrubbed" }
}

impl<D: DeserializeOwned> db::FromRow for Reading<D> {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            video: row.get("video_id")?,
            revision: row.get("revision")?,
            objects: row.get("objects")?,
            bytes: row.get("bytes")?,
            damage: row.get::<Json<D>>("damage")?.0,
        })
    }
}
