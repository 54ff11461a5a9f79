//! How much of videos is watched: for each video and day the time that was played, and how many playbacks have shown each of
//! [`PARTS`] equal parts of it.
//!
//! Sums alone are kept. What one playback has shown is in no table, and neither is who watched.

use std::{collections::BTreeSet, time::Duration};

use db::{Db, Json};

use crate::{Result, ids::VideoId};

/// Parts that a video is told apart in.
pub const PARTS: u8 = 50;

/// What a player tells of a playback since it told of it the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Of which video.
    pub video: VideoId,
    /// Whether nothing has been told of this playback before.
    pub begins: bool,
    /// Time in front of moving pictures.
    pub played: Duration,
    /// Parts that were shown for the first time; those from [`PARTS`] on are passed over.
    pub parts: BTreeSet<u8>,
}

db::row! {
    /// What was watched of a video on one day.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct AudienceDay {
        /// Counted from 1970-01-01, in UTC.
        pub day: i64,
        /// How often somebody began to play it.
        pub playbacks: u64,
        /// Time in front of moving pictures.
        pub played: Duration,
    }
}

db::row! {
    /// How often a part of a video was watched.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct AudiencePart {
        /// From 0 on, below [`PARTS`].
        pub part: u32,
        /// How many playbacks have shown something of it.
        pub playbacks: u64,
    }
}

/// Adds what a player tells to what is known of the present day. A video that does not play is passed over.
///
/// # Errors
/// Those of the database.
pub async fn add(db: &Db, watched: &Watched) -> Result<()> {
    let mut tx = db.begin().await?;
    let begun = u32::from(watched.begins);
    let query = tx.query(ADD_DAY).bind(watched.video).bind(begun).bind(watched.played);
    if query.execute().await? == 1 {
        let parts: Vec<u8> = watched.parts.iter().copied().filter(|part| *part < PARTS).collect();
        if !parts.is_empty() {
            tx.query(ADD_PARTS).bind(watched.video).bind(Json(parts)).execute().await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// The last `days` of a video, the present one included; those on which nothing was watched are left out.
///
/// # Errors
/// Those of the database.
pub async fn by_day(db: &Db, video: VideoId, days: u32) -> Result<Vec<AudienceDay>> {
    Ok(db.read(BY_DAY).bind(video).bind(days).all().await?)
}

/// The parts of a video in the last `days`, the first one first; those that nobody watched are left out.
///
/// # Errors
/// Those of the database.
pub async fn by_part(db: &Db, video: VideoId, days: u32) -> Result<Vec<AudiencePart>> {
    Ok(db.read(BY_PART).bind(video).bind(days).all().await?)
}

db::statements! {
    ADD_DAY {
        "INSERT INTO audience_days (video_id, day, playbacks, played)
         SELECT id, " NOW " / 86400000000, CAST($2 AS BIGINT), CAST($3 AS BIGINT)
         FROM videos WHERE id = $1 AND state = 'ready'
         ON CONFLICT (video_id, day) DO UPDATE SET playbacks = audience_days.playbacks + excluded.playbacks,
             played = audience_days.played + excluded.played"
    }
    /// In one order, so that two of them do not wait for each other.
    ADD_PARTS {
        "INSERT INTO audience_parts (video_id, day, part, playbacks)
         SELECT $1, " NOW " / 86400000000, told.part, 1 FROM " [
             sqlite "(SELECT value AS part FROM json_each($2)) AS told WHERE true"
             postgres
                "(SELECT CAST(value AS BIGINT) AS part FROM jsonb_array_elements_text(CAST($2 AS JSONB))) AS told
                 ORDER BY told.part"
         ]
        " ON CONFLICT (video_id, day, part) DO UPDATE SET playbacks = audience_parts.playbacks + 1"
    }
    BY_DAY {
        "SELECT day, playbacks, played FROM audience_days
         WHERE video_id = $1 AND day > " NOW " / 86400000000 - $2 ORDER BY day"
    }
    BY_PART {
        "SELECT part, CAST(sum(playbacks) AS BIGINT) AS playbacks FROM audience_parts
         WHERE video_id = $1 AND day > " NOW " / 86400000000 - $2 GROUP BY part ORDER BY part"
    }
}
