//! What the object store has to keep, and what somebody began to put there.

use std::time::Duration;

use db::Db;

use crate::{
    Result, VideoState,
    ids::{Revision, VideoId},
    videos::SourceState,
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
    let in_the_making = row.revision.filter(|_| row.state == VideoState::Processing);
    let revisions = row.published_revision.into_iter().chain(in_the_making).collect();
    Ok(Needed::Revisions(revisions, row.source_state))
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
}

impl db::FromRow for Row {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            state: row.get("state")?,
            revision: row.get("revision")?,
            published_revision: row.get("published_revision")?,
            source_state: row.get("source_state")?,
        })
    }
}

db::statements! {
    NEEDED { "SELECT state, revision, published_revision, source_state FROM videos WHERE id = $1" }
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
