//! How much a person may have, and has.

use std::time::Duration;

use db::{Db, Tx};

use crate::{
    Error, Result,
    ids::{UserId, VideoId},
    videos,
};

/// How much somebody may have; `None` is as much as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of uploaded files.
    pub bytes: Option<u64>,
    /// Videos.
    pub videos: Option<u64>,
    /// Length of all videos together.
    pub minutes: Option<u64>,
}

db::row! {
    /// What an administrator has decided for one person: `None` is what holds for everybody, 0 as much as they like.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Exception {
        /// Bytes of uploaded files.
        pub quota_bytes: Option<u64>,
        /// Videos.
        pub quota_videos: Option<u64>,
        /// Length of all videos together.
        pub quota_minutes: Option<u64>,
    }
}

db::row! {
    /// How much somebody has. What is being deleted does not count.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Used {
        /// Bytes of uploaded files.
        pub bytes: u64,
        /// Videos.
        pub videos: u64,
        /// Length of all videos together, as far as it is measured.
        pub duration: Duration,
    }
}

/// What somebody has and may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What they have.
    pub used: Used,
    /// What they may have.
    pub limits: Limits,
}

/// Why something does not fit: a sentence for the person who uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// The file.
    #[error(
        "Your account may hold {limit} bytes of files, and {left} of them are left: this file does not fit. Delete \
         videos, or ask an administrator for more."
    )]
    Bytes {
        /// For all files together.
        limit: u64,
        /// Of it.
        left: u64,
    },
    /// Another video.
    #[error(
        "Your account may have {limit} videos, and has them. Delete one, or ask an administrator for more."
    )]
    Videos {
        /// For all.
        limit: u64,
    },
    /// Its length.
    #[error(
        "Your account may hold {limit} minutes of video, and this video does not fit. Delete others and try it again, \
         or ask an administrator for more."
    )]
    Minutes {
        /// For all together.
        limit: u64,
    },
}

/// What a person has and may have, where `everybody` may have so much.
///
/// # Errors
/// [`Error::NoUser`].
pub async fn of(db: &Db, user: UserId, everybody: Limits) -> Result<Quota> {
    let exception = exception(db, user).await?;
    let used = db.read(USED).bind(user).one().await?;
    Ok(Quota { used, limits: exception.over(everybody) })
}

/// What was decided for a person.
///
/// # Errors
/// [`Error::NoUser`].
pub async fn exception(db: &Db, user: UserId) -> Result<Exception> {
    db.read(EXCEPTION).bind(user).first().await?.ok_or(Error::NoUser)
}

/// Decides for one person. What they have beyond that stays; nothing is added to it.
///
/// # Errors
/// [`Error::NoUser`].
pub async fn decide(db: &Db, user: UserId, decided: &Exception) -> Result<()> {
    let Exception { quota_bytes, quota_videos, quota_minutes } = decided;
    let written = db.write(DECIDE).bind(user).bind(quota_bytes).bind(quota_videos).bind(quota_minutes);
    match written.execute().await? {
        0 => Err(Error::NoUser),
        _ => Ok(()),
    }
}

/// Writes down how long a video is, if it fits. Of two videos that are measured at once the second counts the first.
///
/// # Errors
/// [`Error::Exceeded`]; [`Error::NoVideo`].
pub async fn claim_time(db: &Db, video: VideoId, duration: Duration, everybody: Limits) -> Result<()> {
    let mut tx = db.begin().await?;
    videos::lock(&mut tx, video).await?;
    let owner: UserId = tx.query(OWNER).bind(video).value().await?;
    let limits = lock(&mut tx, owner).await?.over(everybody);
    let Used { duration: others, .. } = tx.query(USED_BY_OTHERS).bind(owner).bind(video).one().await?;
    if let Some(limit) = limits.minutes
        && others.saturating_add(duration) > minutes(limit)
    {
        return Err(Exceeded::Minutes { limit }.into());
    }
    tx.query(MEASURED).bind(video).bind(duration).execute().await?;
    tx.commit().await?;
    Ok(())
}

/// Refuses a video with a file of `bytes` that does not fit beside the others. The owner's row is locked already.
pub(crate) async fn admit(
    tx: &mut Tx,
    owner: UserId,
    video: VideoId,
    bytes: u64,
    everybody: Limits,
) -> Result<()> {
    let exception = exception_of(tx, owner).await?;
    let used = tx.query(USED_BY_OTHERS).bind(owner).bind(video).one().await?;
    Ok(Quota { used, limits: exception.over(everybody) }.admit(bytes)?)
}

/// Refuses another `bytes` of files that are sent in pieces. Those that are not whole yet count like those that are.
pub(crate) async fn admit_unfinished(
    tx: &mut Tx,
    owner: UserId,
    bytes: u64,
    everybody: Limits,
) -> Result<()> {
    let limits = exception_of(tx, owner).await?.over(everybody);
    let used: Used = tx.query(USED).bind(owner).one().await?;
    let unfinished: u64 = tx.query(UNFINISHED).bind(owner).value().await?;
    let all = used.bytes.saturating_add(unfinished).saturating_add(bytes);
    match limits.bytes.filter(|limit| all > *limit) {
        Some(limit) => {
            let left = limit.saturating_sub(used.bytes.saturating_add(unfinished));
            Err(Exceeded::Bytes { limit, left }.into())
        }
        None => Ok(Quota { used, limits: Limits { bytes: None, ..limits } }.admit(bytes)?),
    }
}

impl Quota {
    /// Whether another video with a file of `bytes` fits.
    ///
    /// # Errors
    /// [`Exceeded`] by what.
    pub fn admit(&self, bytes: u64) -> Result<(), Exceeded> {
        let Self { used, limits } = self;
        if let Some(limit) = limits.videos.filter(|limit| used.videos >= *limit) {
            return Err(Exceeded::Videos { limit });
        }
        if let Some(limit) = limits.minutes.filter(|limit| used.duration >= minutes(*limit)) {
            return Err(Exceeded::Minutes { limit });
        }
        match (self.bytes_left(), limits.bytes) {
            (Some(left), Some(limit)) if bytes > left || left == 0 => Err(Exceeded::Bytes { limit, left }),
            _ => Ok(()),
        }
    }

    /// How many bytes of files fit; `None` is as many as one likes.
    pub fn bytes_left(&self) -> Option<u64> {
        self.limits.bytes.map(|limit| limit.saturating_sub(self.used.bytes))
    }
}

impl Exception {
    fn over(self, everybody: Limits) -> Limits {
        let one = |decided: Option<u64>, everybody| match decided {
            None => everybody,
            Some(0) => None,
            Some(limit) => Some(limit),
        };
        Limits {
            bytes: one(self.quota_bytes, everybody.bytes),
            videos: one(self.quota_videos, everybody.videos),
            minutes: one(self.quota_minutes, everybody.minutes),
        }
    }
}

async fn exception_of(tx: &mut Tx, owner: UserId) -> Result<Exception> {
    Ok(tx.query(EXCEPTION).bind(owner).one().await?)
}

/// Locks the row of a person, and tells what was decided for them.
pub(crate) async fn lock(tx: &mut Tx, owner: UserId) -> Result<Exception> {
    tx.query(LOCK).bind(owner).first().await?.ok_or(Error::NoUser)
}

fn minutes(number: u64) -> Duration {
    Duration::from_secs(number.saturating_mul(60))
}

db::statements! {
    EXCEPTION { "SELECT quota_bytes, quota_videos, quota_minutes FROM users WHERE id = $1" }
    LOCK { "SELECT quota_bytes, quota_videos, quota_minutes FROM users WHERE id = $1" FOR_UPDATE }
    DECIDE { "UPDATE users SET quota_bytes = $2, quota_videos = $3, quota_minutes = $4 WHERE id = $1" }
    OWNER { "SELECT owner_id FROM videos WHERE id = $1" }
    USED {
        "SELECT CAST(COALESCE(sum(source_bytes), 0) AS BIGINT) AS bytes, count(*) AS videos,
                CAST(COALESCE(sum(measured_duration), 0) AS BIGINT) AS duration
         FROM videos WHERE owner_id = $1 AND state <> 'deleting'"
    }
    USED_BY_OTHERS {
        "SELECT CAST(COALESCE(sum(source_bytes), 0) AS BIGINT) AS bytes, count(*) AS videos,
                CAST(COALESCE(sum(measured_duration), 0) AS BIGINT) AS duration
         FROM videos WHERE owner_id = $1 AND id <> $2 AND state <> 'deleting'"
    }
    UNFINISHED {
        "SELECT CAST(COALESCE(sum(received), 0) AS BIGINT) FROM resumable_uploads
         WHERE owner_id = $1 AND state = 'receiving'"
    }
    MEASURED { "UPDATE videos SET measured_duration = $2 WHERE id = $1" }
}
