//! What the object store has to keep, and what somebody began to put there.

use std::time::Duration;

use db::{Db, Tx};

use crate::{
    Result, VideoState,
    ids::{Revision, VideoId},
    videos::{SourceState, Video},
};

/// What of a video's objects is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// Nothing: there is no such video.
    Nothing,
    /// Its uploaded file in this state, and the objects of these revisions: the one that is served, and the one that is
    /// being made.
    Revisions(Vec<Revision>, SourceState),
    /// It is on its way out, and a job removes what it has.
    UpToItsDeletion,
}

db::row! {
    /// A multipart upload that was begun.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct UnfinishedUpload {
        /// As the store calls it.
        pub upload: String,
        /// The object that it was to become.
        pub object_key: String,
    }
}

db::row! {
    /// What the store has to keep, all in all.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Amount {
        /// Of how many videos.
        pub videos: u64,
        /// About how many bytes: files, and recorded objects of what is served.
        pub bytes: u64,
    }
}

/// Of which videos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    All,
    /// Those that the present round of reading everything back has not read.
    OfTheRound,
}

/// Tells what the store has to keep of a video that it has objects of.
///
/// What is needed changes in one direction: a revision is named here before the first of its objects is written, and
/// one that is not needed any more, or whose video is gone, is never needed again.
///
/// # Errors
/// Those of the database.
pub async fn needed(db: &Db, video: VideoId) -> Result<Needed> {
    let Some(row) = db.read(NEEDED).bind(video).first::<Row>().await? else { return Ok(Needed::Nothing) };
    if row.state == VideoState::Deleting {
        return Ok(Needed::UpToItsDeletion);
    }
    let in_the_making = row.revision.filter(|_| row.state == VideoState::Processing || row.remaking);
    let revisions = row.published_revision.into_iter().chain(in_the_making).collect();
    Ok(Needed::Revisions(revisions, row.source_state))
}

/// The videos that have to have objects in the store, in an order that lets the next call go on `after` the last of them.
/// `tx` may be a snapshot, which shows all of them as they are at one moment.
///
/// # Errors
/// Those of the database.
pub async fn holders(tx: &mut Tx, after: Option<VideoId>, limit: u32) -> Result<Vec<Video>> {
    Ok(tx.query(HOLDERS).bind(after).bind(limit).all().await?)
}

/// Lets go of the uploaded files of videos that have been playing for `age`, of some at a time, and answers whose they
/// were: from this moment they may be removed. One whose video is being made again is kept until that is done.
///
/// # Errors
/// Those of the database.
pub async fn let_go_of_sources(db: &Db, age: Duration, limit: u32) -> Result<Vec<VideoId>> {
    Ok(db.write(LET_GO).bind(age).bind(limit).values().await?)
}

/// How many uploaded files could be let go of.
///
/// # Errors
/// Those of the database.
pub async fn old_sources(db: &Db, age: Duration) -> Result<u64> {
    Ok(db.read(OLD_SOURCES).bind(age).value().await?)
}

/// How much the store has to keep.
///
/// # Errors
/// Those of the database.
pub async fn amount(db: &Db) -> Result<Amount> {
    amount_of(db, What::All).await
}

pub(crate) async fn amount_of(db: &Db, what: What) -> Result<Amount> {
    Ok(db.read(AMOUNT).bind(what == What::All).one().await?)
}

/// Records that an upload has begun.
///
/// # Errors
/// Those of the database.
pub async fn upload_begun(db: &Db, object_key: &str, upload: &str) -> Result<()> {
    db.write(BEGUN).bind(upload).bind(object_key).execute().await?;
    Ok(())
}

/// Records that it goes on.
///
/// # Errors
/// Those of the database.
pub async fn upload_touched(db: &Db, upload: &str) -> Result<()> {
    db.write(TOUCHED).bind(upload).execute().await?;
    Ok(())
}

/// Forgets an upload that the store does not have any more.
///
/// # Errors
/// Those of the database.
pub async fn upload_ended(db: &Db, upload: &str) -> Result<()> {
    db.write(ENDED).bind(upload).execute().await?;
    Ok(())
}

/// The uploads that nobody has touched for `age`.
///
/// # Errors
/// Those of the database.
pub async fn stale_uploads(db: &Db, age: Duration) -> Result<Vec<UnfinishedUpload>> {
    Ok(db.read(STALE).bind(age).all().await?)
}

struct Row {
    state: VideoState,
    revision: Option<Revision>,
    published_revision: Option<Revision>,
    source_state: SourceState,
    remaking: bool,
}

impl db::FromRow for Row {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            state: row.get("state")?,
            revision: row.get("revision")?,
            published_revision: row.get("published_revision")?,
            source_state: row.get("source_state")?,
            remaking: row.get("remaking")?,
        })
    }
}

db::statements! {
    NEEDED { "SELECT state, revision, published_revision, source_state, remaking FROM videos WHERE id = $1" }
    HOLDERS {
        "SELECT * FROM videos
         WHERE (CAST($1 AS " [sqlite "BLOB" postgres "UUID"] ") IS NULL OR id > $1) AND state <> 'deleting'
         ORDER BY id LIMIT $2"
    }
    LET_GO {
        "UPDATE videos SET source_state = 'gone', updated_at = " NOW "
         WHERE state = 'ready' AND NOT remaking AND source_state <> 'gone'
             AND id IN (SELECT id FROM videos WHERE state = 'ready' AND NOT remaking AND source_state <> 'gone'
                        AND ready_at <= " NOW " - $1 ORDER BY ready_at LIMIT $2)
         RETURNING id"
    }
    OLD_SOURCES {
        "SELECT count(*) FROM videos
         WHERE state = 'ready' AND NOT remaking AND source_state <> 'gone' AND ready_at <= " NOW " - $1"
    }
    AMOUNT {
        "SELECT count(*) AS videos, CAST(COALESCE(sum(
             CASE WHEN source_state = 'gone' THEN 0 ELSE source_bytes END
             + (SELECT COALESCE(sum(bytes), 0) FROM objects
                WHERE objects.video_id = videos.id AND objects.revision = videos.published_revision)
             + (SELECT COALESCE(sum(bytes), 0) FROM images
                WHERE images.video_id = videos.id AND images.revision = videos.published_revision)
             + (SELECT COALESCE(sum(bytes), 0) FROM documents
                WHERE documents.video_id = videos.id AND documents.revision = videos.published_revision)
             + (SELECT COALESCE(sum(bytes), 0) FROM posters WHERE posters.video_id = videos.id)
         ), 0) AS BIGINT) AS bytes
         FROM videos
         WHERE state <> 'deleting'
             AND ($1 OR NOT EXISTS (SELECT 1 FROM scrubbed WHERE scrubbed.video_id = videos.id
                                    AND scrubbed.revision IS NOT DISTINCT FROM videos.published_revision))"
    }
    BEGUN {
        "INSERT INTO unfinished_uploads (upload, object_key, started_at, touched_at)
         VALUES ($1, $2, " NOW ", " NOW ") ON CONFLICT (upload) DO NOTHING"
    }
    TOUCHED { "UPDATE unfinished_uploads SET touched_at = " NOW " WHERE upload = $1" }
    ENDED { "DELETE FROM unfinished_uploads WHERE upload = $1" }
    STALE {
        "SELECT upload, object_key FROM unfinished_uploads WHERE touched_at <= " NOW " - $1
         ORDER BY touched_at LIMIT 1000"
    }
}
