//! How well videos play, as players tell it. Nobody's name is in it, and no address.

use std::time::Duration;

use db::Db;
use uuid::Uuid;

use crate::{Result, ids::VideoId};

/// What a player tells of one playback, from its beginning until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Drawn by the player, anew for each playback.
    pub playback: Uuid,
    /// What was played.
    pub video: VideoId,
    /// Of the pictures that were shown for the longest time; 0 when none were.
    pub height: u32,
    /// From the wish to play to the first picture; `None` when there was none.
    pub startup: Option<Duration>,
    /// How long it has played.
    pub played: Duration,
    /// How often it stopped to wait for media.
    pub rebuffers: u32,
    /// How long it waited then, all together.
    pub rebuffering: Duration,
    /// How often it went on in another rung.
    pub switches: u32,
    /// How often something failed.
    pub errors: u32,
}

/// Whether something was told for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is new.
    New,
    /// It takes the place of what was told of the same playback before.
    Again,
    /// It is of no video that plays.
    OfNothing,
}

db::text_enum! {
    /// What playbacks are put together by.
    pub enum By {
        /// The day on which they began, in UTC.
        Day = "day",
        /// The height of the pictures that were shown for the longest time.
        Rung = "rung",
        /// The video.
        Video = "video",
    }
}

db::row! {
    /// What some playbacks have in common. Percentiles are nearest ranks: times that a playback really had.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Quality {
        /// By day: days since 1970; by rung: its height; else 0.
        pub part: u64,
        /// By video: which.
        pub of_video: Option<VideoId>,
        /// How many playbacks.
        pub playbacks: u64,
        /// How many of them showed a picture.
        pub started: u64,
        /// How many of them met an error.
        pub failed: u64,
        /// How often they changed the rung, all together.
        pub switches: u64,
        /// How often they waited for media, all together.
        pub rebuffers: u64,
        /// How long they played, all together.
        pub played: Duration,
        /// How long they waited, all together.
        pub rebuffering: Duration,
        /// Half of those that started did so within this time.
        pub startup_p50: Option<Duration>,
        /// 95 of 100 did.
        pub startup_p95: Option<Duration>,
        /// Half of all playbacks waited no longer than this.
        pub rebuffering_p50: Duration,
        /// 95 of 100 did not.
        pub rebuffering_p95: Duration,
    }
}

/// Records what a player tells. What it tells later of the same playback takes its place.
///
/// # Errors
/// Those of the database.
pub async fn record(db: &Db, report: &Report) -> Result<Told> {
    let reports: Option<u64> = db
        .write(RECORD)
        .bind(report.playback)
        .bind(report.video)
        .bind(report.height)
        .bind(report.startup)
        .bind(report.played)
        .bind(report.rebuffers)
        .bind(report.rebuffering)
        .bind(report.switches)
        .bind(report.errors)
        .first_value()
        .await?;
    Ok(match reports {
        None => Told::OfNothing,
        Some(1) => Told::New,
        Some(_) => Told::Again,
    })
}

/// The playbacks of the last so many days, today included, those with the most playbacks first; at most 100 parts. Only
/// those of one video, if one is named.
///
/// # Errors
/// Those of the database.
pub async fn quality(db: &Db, by: By, days: u32, video: Option<VideoId>) -> Result<Vec<Quality>> {
    let only = video.unwrap_or_else(|| VideoId::new(0, &[0; 10]));
    let query = db.read(QUALITY).bind(by).bind(days).bind(u32::from(video.is_some())).bind(only);
    Ok(query.all().await?)
}

/// Forgets what was kept for longer than `keep`. Answers how many playbacks went.
///
/// # Errors
/// Those of the database.
pub async fn prune(db: &Db, keep: Duration) -> Result<u64> {
    Ok(db.write(PRUNE).bind(keep).execute().await?)
}

db::statements! {
    RECORD {
        "INSERT INTO playbacks (id, video_id, height, startup, played, rebuffers, rebuffering, switches, errors,
                                reports, began_at)
         SELECT $1, videos.id, $3, $4, $5, $6, $7, $8, $9, 1, " NOW "
         FROM videos WHERE videos.id = $2 AND videos.state = 'ready'
         ON CONFLICT (id) DO UPDATE SET height = excluded.height, startup = excluded.startup,
             played = excluded.played, rebuffers = excluded.rebuffers, rebuffering = excluded.rebuffering,
             switches = excluded.switches, errors = excluded.errors, reports = playbacks.reports + 1
         WHERE playbacks.video_id = excluded.video_id
         RETURNING reports"
    }
    QUALITY {
        "WITH chosen AS (
             SELECT CASE $1 WHEN 'day' THEN began_at / 86400000000 WHEN 'rung' THEN height ELSE 0 END AS part,
                 CASE WHEN $1 = 'video' THEN video_id END AS of_video,
                 startup, played, rebuffers, rebuffering, switches, CASE WHEN errors > 0 THEN 1 ELSE 0 END AS failed
             FROM playbacks
             WHERE began_at >= (" NOW " / 86400000000 - CAST($2 AS BIGINT) + 1) * 86400000000
                 AND ($3 = 0 OR video_id = $4)),
         ranked AS (
             SELECT part, of_video, startup, played, rebuffers, rebuffering, switches, failed,
                 count(*) OVER (PARTITION BY part, of_video) AS playbacks,
                 count(startup) OVER (PARTITION BY part, of_video) AS started,
                 row_number() OVER (PARTITION BY part, of_video ORDER BY startup IS NULL, startup) AS startup_rank,
                 row_number() OVER (PARTITION BY part, of_video ORDER BY rebuffering) AS rebuffering_rank
             FROM chosen)
         SELECT part, of_video, count(*) AS playbacks, count(startup) AS started,
             CAST(sum(failed) AS BIGINT) AS failed, CAST(sum(switches) AS BIGINT) AS switches,
             CAST(sum(rebuffers) AS BIGINT) AS rebuffers, CAST(sum(played) AS BIGINT) AS played,
             CAST(sum(rebuffering) AS BIGINT) AS rebuffering,
             min(CASE WHEN startup_rank = (started + 1) / 2 THEN startup END) AS startup_p50,
             min(CASE WHEN startup_rank = (started * 95 + 99) / 100 THEN startup END) AS startup_p95,
             min(CASE WHEN rebuffering_rank = (playbacks + 1) / 2 THEN rebuffering END) AS rebuffering_p50,
             min(CASE WHEN rebuffering_rank = (playbacks * 95 + 99) / 100 THEN rebuffering END) AS rebuffering_p95
         FROM ranked GROUP BY part, of_video ORDER BY count(*) DESC, part DESC LIMIT 100"
    }
    PRUNE { "DELETE FROM playbacks WHERE began_at < " NOW " - $1" }
}
