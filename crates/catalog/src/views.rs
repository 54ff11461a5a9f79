//! How often videos are watched: once for each viewer and day.
//!
//! A viewer is known by a hash that the caller makes with the salt of the day, and by nothing else. Hashes and salt go with
//! the day, and what is left is a number for each video and day.

use db::{Db, Tx};

use crate::{
    Result,
    ids::{self, VideoId},
    videos::Video,
};

db::row! {
    /// A day, and what viewers are hashed with on it.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Today {
        /// Counted from 1970-01-01, in UTC, by the database's clock.
        pub day: i64,
        /// Random.
        pub salt: [u8; 32],
    }
}

db::row! {
    /// How often a video was watched.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Watched {
        /// Which.
        pub video_id: VideoId,
        /// By how many, each counted once for every day.
        pub views: u64,
    }
}

db::row! {
    /// How often a video was watched on one day.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct DayOfViews {
        /// Counted from 1970-01-01, in UTC.
        pub day: i64,
        /// By how many.
        pub views: u64,
    }
}

/// What a viewer is known by on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewerHash(pub [u8; 16]);

/// The present day. The first to ask makes its salt of `fresh`, and those of other days are forgotten with their viewers.
///
/// # Errors
/// Those of the database.
pub async fn today(db: &Db, fresh: [u8; 32]) -> Result<Today> {
    if let Some(today) = db.read(TODAY).first().await? {
        return Ok(today);
    }
    let mut tx = db.begin().await?;
    // Somebody else may have been as early.
    tx.query(BEGIN_DAY).bind(fresh).execute().await?;
    let today = tx.query(TODAY).one().await?;
    forget(&mut tx).await?;
    tx.commit().await?;
    Ok(today)
}

/// Counts a view, and answers whether it is the first of this viewer on this day. A video that is gone is not counted.
///
/// # Errors
/// Those of the database.
pub async fn count(db: &Db, video: VideoId, today: &Today, viewer: ViewerHash) -> Result<bool> {
    let mut tx = db.begin().await?;
    let is_new = tx.query(ADD_VIEWER).bind(video).bind(today.day).bind(viewer.0).execute().await? == 1;
    if is_new {
        tx.query(ADD_VIEW).bind(video).bind(today.day).execute().await?;
    }
    tx.commit().await?;
    Ok(is_new)
}

/// Forgets who has watched on days that are over.
///
/// # Errors
/// Those of the database.
pub async fn forget_viewers(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    forget(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

async fn forget(tx: &mut Tx) -> Result<()> {
    tx.query(FORGET_VIEWERS).execute().await?;
    tx.query(FORGET_SALTS).execute().await?;
    Ok(())
}

/// How often each of these videos was watched; those that never were are left out.
///
/// # Errors
/// Those of the database.
pub async fn totals(db: &Db, videos: &[VideoId]) -> Result<Vec<Watched>> {
    if videos.is_empty() {
        return Ok(Vec::new());
    }
    Ok(db.read(TOTALS).bind(ids::list(videos)).all().await?)
}

/// How often this one of them was watched, as [`totals`] tells it.
pub fn of(totals: &[Watched], video: VideoId) -> u64 {
    totals.iter().find(|watched| watched.video_id == video).map_or(0, |watched| watched.views)
}

/// How often a video was watched on each of the last `days`, the present one included; days without are left out.
///
/// # Errors
/// Those of the database.
pub async fn by_day(db: &Db, video: VideoId, days: u32) -> Result<Vec<DayOfViews>> {
    Ok(db.read(BY_DAY).bind(video).bind(days).all().await?)
}

/// The public videos that were watched most in the last `days`, the present one included, the most watched first.
///
/// # Errors
/// Those of the database.
pub async fn most_watched(db: &Db, days: u32, limit: u32) -> Result<Vec<Video>> {
    Ok(db.read(MOST_WATCHED).bind(days).bind(limit).all().await?)
}

db::statements! {
    TODAY { "SELECT day, salt FROM view_salts WHERE day = " NOW " / 86400000000" }
    BEGIN_DAY {
        "INSERT INTO view_salts (day, salt) VALUES (" NOW " / 86400000000, $1) ON CONFLICT (day) DO NOTHING"
    }
    ADD_VIEWER {
        "INSERT INTO viewers (video_id, day, viewer)
         SELECT id, CAST($2 AS BIGINT), "
        [sqlite "$3" postgres "CAST($3 AS BYTEA)"]
        " FROM videos WHERE id = $1 AND state = 'ready'
         ON CONFLICT (video_id, day, viewer) DO NOTHING"
    }
    ADD_VIEW {
        "INSERT INTO view_days (video_id, day, views) VALUES ($1, $2, 1)
         ON CONFLICT (video_id, day) DO UPDATE SET views = view_days.views + 1"
    }
    FORGET_VIEWERS { "DELETE FROM viewers WHERE day < " NOW " / 86400000000" }
    FORGET_SALTS { "DELETE FROM view_salts WHERE day < " NOW " / 86400000000" }
    TOTALS {
        "SELECT video_id, CAST(sum(views) AS BIGINT) AS views FROM view_days
         WHERE video_id" [in_uuids "$1"] " GROUP BY video_id"
    }
    BY_DAY {
        "SELECT day, views FROM view_days WHERE video_id = $1 AND day > " NOW " / 86400000000 - $2 ORDER BY day"
    }
    MOST_WATCHED {
        "SELECT videos.* FROM videos JOIN (
             SELECT video_id, sum(views) AS views FROM view_days
             WHERE day > " NOW " / 86400000000 - $1 GROUP BY video_id
         ) AS watched ON watched.video_id = videos.id
         WHERE state = 'ready' AND visibility = 'public'
         ORDER BY watched.views DESC, videos.created_at DESC, videos.id DESC LIMIT $2"
    }
}
