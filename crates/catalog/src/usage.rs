//! Who takes up how much of the store.
//!
//! What a video takes up is summed up when it is published, in the same transaction, so that no question here reads the
//! ledger of objects: it has a row for each segment of each rendition of each video.

use std::{fmt, str::FromStr};

use db::{Db, Timestamp, Tx};

use crate::{
    Result, VideoState,
    ids::{Revision, UserId, VideoId},
    names::{Title, Username},
    videos::SourceState,
};

db::row! {
    /// What one video takes up.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct VideoUsage {
        /// Which.
        pub id: VideoId,
        /// What it is called.
        pub title: Title,
        /// How far it is.
        pub state: VideoState,
        /// Whose it is.
        pub owner_id: UserId,
        /// What they are called.
        pub owner: Username,
        /// When it was uploaded.
        pub created_at: Timestamp,
        /// Whether there is an uploaded file.
        pub source_state: SourceState,
        /// Length of the uploaded file, also of one that was let go of.
        pub source_bytes: u64,
        /// Objects that are published.
        pub objects: u64,
        /// Bytes of them.
        pub bytes: u64,
    }
}

db::row! {
    /// What all videos take up of one kind.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PartUsage {
        /// The name of a rendition, `pictures` or `manifests`.
        pub part: String,
        /// Of how many videos.
        pub videos: u64,
        /// Objects that are published.
        pub objects: u64,
        /// Bytes of them.
        pub bytes: u64,
    }
}

db::row! {
    /// What the videos of one person take up.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct OwnerUsage {
        /// Who.
        pub id: UserId,
        /// What they are called.
        pub username: Username,
        /// How many videos.
        pub videos: u64,
        /// Bytes of uploaded files that are kept.
        pub source_bytes: u64,
        /// Bytes of published objects.
        pub bytes: u64,
    }
}

db::text_enum! {
    /// In which order videos are listed. The largest, and the newest, come first.
    pub enum Order {
        /// By what was made of them.
        Media = "media",
        /// By their uploaded files.
        Source = "source",
        /// By their age.
        Newest = "newest",
    }
}

/// Where a list goes on: behind this video, which had this size then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes, or microseconds since 1970, whatever the list is ordered by.
    pub at: u64,
    /// The last one that was shown.
    pub video: VideoId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.video)
    }
}

/// Text that is no [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in a list")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> std::result::Result<Self, NoPlace> {
        let (at, video) = text.split_once('.').ok_or(NoPlace)?;
        Ok(Self { at: at.parse().map_err(|_| NoPlace)?, video: video.parse().map_err(|_| NoPlace)? })
    }
}

impl VideoUsage {
    /// Where a list in this order goes on behind it.
    pub fn place(&self, order: Order) -> Place {
        let at = match order {
            Order::Media => self.bytes,
            Order::Source => self.source_bytes,
            Order::Newest => u64::try_from(self.created_at.unix_micros()).unwrap_or(0),
        };
        Place { at, video: self.id }
    }

    /// Bytes of the uploaded file that is kept.
    pub fn kept_source_bytes(&self) -> u64 {
        if self.source_state == SourceState::Gone { 0 } else { self.source_bytes }
    }
}

/// Videos with what they take up, at most `limit`, behind a place or from the beginning. By [`Order::Media`] there are those
/// only that were published.
///
/// # Errors
/// Those of the database.
pub async fn videos(db: &Db, order: Order, after: Option<Place>, limit: u32) -> Result<Vec<VideoUsage>> {
    let query = match order {
        Order::Media => db.read(BY_MEDIA),
        Order::Source => db.read(BY_SOURCE),
        Order::Newest => db.read(BY_AGE),
    };
    let last = i64::MAX.unsigned_abs();
    let at = after.map_or(last, |place| place.at.min(last));
    let video = after.map_or_else(|| VideoId::new((1 << 48) - 1, &[0xff; 10]), |place| place.video);
    Ok(query.bind(at).bind(video).bind(limit).all().await?)
}

/// What all videos take up, by rendition and what is beside them, the most first.
///
/// # Errors
/// Those of the database.
pub async fn parts(db: &Db) -> Result<Vec<PartUsage>> {
    Ok(db.read(PARTS).all().await?)
}

/// The people whose videos take up the most.
///
/// # Errors
/// Those of the database.
pub async fn owners(db: &Db, limit: u32) -> Result<Vec<OwnerUsage>> {
    Ok(db.read(OWNERS).bind(limit).all().await?)
}

/// Sums up what a video takes up that is published now, instead of what it took up before.
pub(crate) async fn sum_up(tx: &mut Tx, video: VideoId, revision: Revision) -> Result<()> {
    tx.query(FORGET_PARTS).bind(video).execute().await?;
    for statement in [RENDITIONS, IMAGES, DOCUMENTS] {
        tx.query(statement).bind(video).bind(revision).execute().await?;
    }
    tx.query(FORGET).bind(video).execute().await?;
    tx.query(SUM).bind(video).execute().await?;
    Ok(())
}

db::statements! {
    BY_MEDIA {
        "SELECT videos.id, title, state, owner_id, users.username AS owner, videos.created_at, source_state,
             source_bytes, stored_videos.objects, stored_videos.bytes
         FROM stored_videos JOIN videos ON videos.id = video_id JOIN users ON users.id = owner_id
         WHERE (stored_videos.bytes, stored_videos.video_id) < ($1, $2)
         ORDER BY stored_videos.bytes DESC, stored_videos.video_id DESC LIMIT $3"
    }
    BY_SOURCE {
        "SELECT videos.id, title, state, owner_id, users.username AS owner, videos.created_at, source_state,
             source_bytes, COALESCE(stored_videos.objects, 0) AS objects, COALESCE(stored_videos.bytes, 0) AS bytes
         FROM videos JOIN users ON users.id = owner_id LEFT JOIN stored_videos ON video_id = videos.id
         WHERE (source_bytes, videos.id) < ($1, $2)
         ORDER BY source_bytes DESC, videos.id DESC LIMIT $3"
    }
    BY_AGE {
        "SELECT videos.id, title, state, owner_id, users.username AS owner, videos.created_at, source_state,
             source_bytes, COALESCE(stored_videos.objects, 0) AS objects, COALESCE(stored_videos.bytes, 0) AS bytes
         FROM videos JOIN users ON users.id = owner_id LEFT JOIN stored_videos ON video_id = videos.id
         WHERE (videos.created_at, videos.id) < ($1, $2)
         ORDER BY videos.created_at DESC, videos.id DESC LIMIT $3"
    }
    PARTS {
        "SELECT part, count(*) AS videos, CAST(sum(objects) AS BIGINT) AS objects, CAST(sum(bytes) AS BIGINT) AS bytes
         FROM stored_parts GROUP BY part ORDER BY sum(bytes) DESC, part"
    }
    OWNERS {
        "SELECT users.id, users.username, count(*) AS videos,
             CAST(sum(CASE WHEN source_state = 'gone' THEN 0 ELSE source_bytes END) AS BIGINT) AS source_bytes,
             CAST(COALESCE(sum(stored_videos.bytes), 0) AS BIGINT) AS bytes
         FROM videos JOIN users ON users.id = owner_id LEFT JOIN stored_videos ON video_id = videos.id
         GROUP BY users.id, users.username
         ORDER BY sum(CASE WHEN source_state = 'gone' THEN 0 ELSE source_bytes END)
             + COALESCE(sum(stored_videos.bytes), 0) DESC, users.id LIMIT $1"
    }
    FORGET_PARTS { "DELETE FROM stored_parts WHERE video_id = $1" }
    FORGET { "DELETE FROM stored_videos WHERE video_id = $1" }
    RENDITIONS {
        "INSERT INTO stored_parts (video_id, part, objects, bytes)
         SELECT video_id, rendition, count(*), CAST(sum(bytes) AS BIGINT) FROM objects
         WHERE video_id = $1 AND revision = $2 GROUP BY video_id, rendition"
    }
    IMAGES {
        "INSERT INTO stored_parts (video_id, part, objects, bytes)
         SELECT video_id, 'pictures', count(*), CAST(sum(bytes) AS BIGINT) FROM images
         WHERE video_id = $1 AND revision = $2 GROUP BY video_id"
    }
    DOCUMENTS {
        "INSERT INTO stored_parts (video_id, part, objects, bytes)
         SELECT video_id, 'manifests', count(*), CAST(sum(bytes) AS BIGINT) FROM documents
         WHERE video_id = $1 AND revision = $2 GROUP BY video_id"
    }
    SUM {
        "INSERT INTO stored_videos (video_id, objects, bytes)
         SELECT video_id, CAST(sum(objects) AS BIGINT), CAST(sum(bytes) AS BIGINT)
         FROM stored_parts WHERE video_id = $1 GROUP BY video_id"
    }
}
