//! Posters that owners chose for their videos, in place of the ones that were made with them.
//!
//! An object is never changed: another poster has another name, and whoever has chosen it removes the object of the one
//! before.

use std::time::Duration;

use db::{Db, Tx};

use crate::{
    Error, Result, VideoState,
    ids::VideoId,
    outputs::Recorded,
    videos::{self, Video},
};

db::row! {
    /// A poster that somebody chose, and that is shown.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Poster {
        /// Of which video.
        pub video_id: VideoId,
        /// Where it is in the blob store.
        pub object_key: String,
        /// Its length.
        pub bytes: u64,
        /// Its SHA-256.
        pub sha256: [u8; 32],
        /// Where in the video it was taken; absent for a picture that was sent.
        pub moment: Option<Duration>,
    }
}

/// Shows a poster from now on, under a name that no poster of the video has had; it has 63 bits. Answers the key of the one
/// before it, which nobody needs any more.
///
/// # Errors
/// [`Error::NoVideo`] when the video is gone, or about to go.
pub async fn choose(db: &Db, poster: &Poster, name: u64) -> Result<Option<String>> {
    let mut tx = db.begin().await?;
    let video = poster.video_id;
    lock(&mut tx, video).await?;
    let before = tx.query(KEY).bind(video).first_value().await?;
    tx.query(PUT)
        .bind(video)
        .bind(&poster.object_key)
        .bind(poster.bytes)
        .bind(poster.sha256)
        .bind(poster.moment)
        .execute()
        .await?;
    tx.query(SHOW).bind(video).bind(name).execute().await?;
    tx.commit().await?;
    Ok(before)
}

/// Shows the poster again that was made with the video. Answers the key of the one that was shown, if there was one.
///
/// # Errors
/// [`Error::NoVideo`] when the video is gone, or about to go.
pub async fn withdraw(db: &Db, video: VideoId) -> Result<Option<String>> {
    let mut tx = db.begin().await?;
    lock(&mut tx, video).await?;
    let before = tx.query(REMOVE).bind(video).first_value().await?;
    tx.query(SHOW).bind(video).bind(None::<u64>).execute().await?;
    tx.commit().await?;
    Ok(before)
}

/// The one that was chosen, if any was.
///
/// # Errors
/// Those of the database.
pub async fn of(db: &Db, video: VideoId) -> Result<Option<Poster>> {
    Ok(db.read(OF).bind(video).first().await?)
}

/// Its object, as `tx` sees it.
///
/// # Errors
/// Those of the database.
pub async fn recorded(tx: &mut Tx, video: VideoId) -> Result<Option<Recorded>> {
    Ok(tx.query(RECORDED).bind(video).first().await?)
}

async fn lock(tx: &mut Tx, video: VideoId) -> Result<()> {
    match videos::lock(tx, video).await?.state {
        VideoState::Deleting => Err(Error::NoVideo(video)),
        _ => Ok(()),
    }
}

impl Video {
    /// Whether its owner chose its poster.
    pub fn has_chosen_poster(&self) -> bool {
        self.poster.is_some()
    }
}

db::statements! {
    KEY { "SELECT object_key FROM posters WHERE video_id = $1" }
    OF { "SELECT * FROM posters WHERE video_id = $1" }
    RECORDED { "SELECT object_key AS key, bytes, sha256 FROM posters WHERE video_id = $1" }
    PUT {
        "INSERT INTO posters (video_id, object_key, bytes, sha256, moment) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (video_id) DO UPDATE SET object_key = excluded.object_key, bytes = excluded.bytes,
             sha256 = excluded.sha256, moment = excluded.moment"
    }
    REMOVE { "DELETE FROM posters WHERE video_id = $1 RETURNING object_key" }
    SHOW { "UPDATE videos SET poster = $2, version = version + 1, updated_at = " NOW " WHERE id = $1" }
}
