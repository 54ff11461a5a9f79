//! Who likes what.

use db::Db;

use crate::{
    Result,
    ids::{UserId, VideoId},
};

db::row! {
    /// How a video is liked.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Likes {
        /// By how many.
        pub count: u64,
        /// Whether whoever asks is one of them.
        pub is_mine: bool,
    }
}

/// How a video is liked, and whether `viewer` is one of those who do.
///
/// # Errors
/// Those of the database.
pub async fn of(db: &Db, video: VideoId, viewer: Option<UserId>) -> Result<Likes> {
    let nobody = UserId::new(0, &[0; 10]);
    Ok(db.read(OF).bind(video).bind(viewer.unwrap_or(nobody)).one().await?)
}

/// From here on somebody likes a video; what they do already they go on with. A video that does not play is liked by nobody.
///
/// # Errors
/// Those of the database.
pub async fn add(db: &Db, video: VideoId, user: UserId) -> Result<()> {
    db.write(ADD).bind(video).bind(user).execute().await?;
    Ok(())
}

/// From here on they do not.
///
/// # Errors
/// Those of the database.
pub async fn remove(db: &Db, video: VideoId, user: UserId) -> Result<()> {
    db.write(REMOVE).bind(video).bind(user).execute().await?;
    Ok(())
}

db::statements! {
    OF {
        "SELECT count(*) AS count, COALESCE(max(CASE WHEN user_id = $2 THEN 1 ELSE 0 END), 0) = 1 AS is_mine
         FROM likes WHERE video_id = $1"
    }
    ADD {
        "INSERT INTO likes (video_id, user_id, created_at) SELECT id, $2, " NOW " FROM videos
         WHERE id = $1 AND state = 'ready' ON CONFLICT (video_id, user_id) DO NOTHING"
    }
    REMOVE { "DELETE FROM likes WHERE video_id = $1 AND user_id = $2" }
}
