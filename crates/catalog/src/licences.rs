//! Who may have the keys of a protected video: the rules, the people they name, what is played now, and what was asked.

use std::time::Duration;

use db::{Db, Json, Timestamp, Tx};

use crate::{
    Error, Result, VideoState,
    ids::{LicenceId, StreamId, UserId, VideoId},
    keys::KeyClass,
    names::{Refusal, Username},
    videos,
};

db::text_enum! {
    /// For whom a video is.
    pub enum Audience {
        /// Whoever may see it.
        Viewers = "viewers",
        /// Those of them who are signed in.
        Accounts = "accounts",
        /// Those of them who are on its list, its owner and administrators.
        Entitled = "entitled",
    }
}

db::text_enum! {
    /// Why a licence was refused.
    pub enum Denial {
        /// There was no playback token, or text that is none of ours.
        NoToken = "no-token",
        /// The token has ended.
        Expired = "expired",
        /// What was asked for are no keys of the video that the token is for.
        OtherVideo = "other-video",
        /// The video cannot be seen by this viewer, or not any more.
        NotVisible = "not-visible",
        /// Nobody is signed in.
        NotSignedIn = "not-signed-in",
        /// The viewer is not on the list.
        NotEntitled = "not-entitled",
        /// The viewer plays as much as one person may already.
        TooManyStreams = "too-many-streams",
        /// What was asked for are keys of larger pictures than this viewer may have.
        Resolution = "resolution",
        /// The request is not as the system sends them.
        Malformed = "malformed",
        /// The vendor's server did not answer, or refused.
        Vendor = "vendor",
    }
}

/// Rules about the licences of a video; what is absent is decided elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// For whom it is.
    pub audience: Option<Audience>,
    /// The largest pictures, by their shorter side.
    pub max_height: Option<u32>,
    /// How much one person may play at once.
    pub max_streams: Option<u32>,
    /// How long a licence is good.
    pub licence_duration: Option<Duration>,
}

db::row! {
    /// Somebody on the list of a video.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Entitlement {
        /// Who.
        pub user_id: UserId,
        /// What they log in with.
        pub username: Username,
        /// Until when; for ever without.
        pub ends_at: Option<Timestamp>,
        /// Since when.
        pub created_at: Timestamp,
    }
}

/// A player that wants keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// The same for every licence that one player asks for.
    pub id: StreamId,
    /// Who watches.
    pub user: UserId,
    /// What.
    pub video: VideoId,
}

/// A licence that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Its id.
    pub id: LicenceId,
    /// For which video, when that is known.
    pub video: Option<VideoId>,
    /// By whom, when somebody was signed in.
    pub user: Option<UserId>,
    /// For which player, when that is known.
    pub stream: Option<StreamId>,
    /// The protection system: `clearkey`, `widevine`, ….
    pub system: &'static str,
    /// Why it was refused; `None` when it was granted.
    pub refusal: Option<Denial>,
    /// Which keys were given.
    pub classes: Vec<KeyClass>,
    /// From where.
    pub address: String,
}

/// An entry of the log of licences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: LicenceId,
    /// When.
    pub at: Timestamp,
    /// For which video.
    pub video: Option<VideoId>,
    /// By whom.
    pub user: Option<UserId>,
    /// The protection system.
    pub system: String,
    /// Why it was refused; `None` when it was granted.
    pub refusal: Option<Denial>,
    /// Which keys were given.
    pub classes: Vec<KeyClass>,
    /// From where.
    pub address: String,
}

/// The rules of a video, where they differ from those of the server.
///
/// # Errors
/// Those of the database.
pub async fn policy(db: &Db, video: VideoId) -> Result<Policy> {
    Ok(db.read(POLICY).bind(video).first().await?.unwrap_or_default())
}

/// Sets the rules of a video.
///
/// # Errors
/// [`Error::NoVideo`].
pub async fn set_policy(db: &Db, video: VideoId, policy: &Policy) -> Result<()> {
    let mut tx = db.begin().await?;
    lock(&mut tx, video).await?;
    let query = tx.query(SET_POLICY).bind(video).bind(policy.audience).bind(policy.max_height);
    query.bind(policy.max_streams).bind(policy.licence_duration).execute().await?;
    tx.commit().await?;
    Ok(())
}

/// Puts somebody on the list of a video, or changes until when they are on it.
///
/// # Errors
/// [`Error::NoVideo`]; [`Error::NoUser`] when there is no such account.
pub async fn entitle(db: &Db, video: VideoId, user: &Username, lasts: Option<Duration>) -> Result<()> {
    let mut tx = db.begin().await?;
    lock(&mut tx, video).await?;
    match tx.query(ENTITLE).bind(video).bind(user.key()).bind(lasts).execute().await? {
        0 => return Err(Error::NoUser),
        _ => tx.commit().await?,
    }
    Ok(())
}

/// Takes somebody off the list of a video. Answers whether they were on it.
///
/// # Errors
/// Those of the database.
pub async fn disentitle(db: &Db, video: VideoId, user: &Username) -> Result<bool> {
    Ok(db.write(DISENTITLE).bind(video).bind(user.key()).execute().await? > 0)
}

/// The list of a video, by name.
///
/// # Errors
/// Those of the database.
pub async fn entitlements(db: &Db, video: VideoId) -> Result<Vec<Entitlement>> {
    Ok(db.read(ENTITLEMENTS).bind(video).all().await?)
}

/// Whether somebody is on the list of a video now.
///
/// # Errors
/// Those of the database.
pub async fn is_entitled(db: &Db, video: VideoId, user: UserId) -> Result<bool> {
    Ok(db.read(IS_ENTITLED).bind(video).bind(user).first_value::<bool>().await?.unwrap_or(false))
}

/// Counts a stream as played for `lasts` from now, and writes `granted` into the log. Of two that begin at once the
/// second counts the first.
///
/// Answers false, and changes nothing, when the person plays `most` others already.
///
/// # Errors
/// [`Error::NoUser`] when the account is gone.
pub async fn play(
    db: &Db,
    stream: &Stream,
    most: Option<u32>,
    lasts: Duration,
    granted: &NewEntry,
) -> Result<bool> {
    let mut tx = db.begin().await?;
    let user: Option<UserId> = tx.query(LOCK_USER).bind(stream.user).first_value().await?;
    user.ok_or(Error::NoUser)?;
    if let Some(most) = most {
        let others: u32 = tx.query(COUNT_OTHERS).bind(stream.user).bind(stream.id).value().await?;
        if others >= most {
            return Ok(false);
        }
    }
    tx.query(PLAY).bind(stream.id).bind(stream.user).bind(stream.video).bind(lasts).execute().await?;
    write_down(&mut tx, granted).await?;
    tx.commit().await?;
    Ok(true)
}

/// A sign of life of a player: it is counted for `lasts` from now. Answers whether it is known.
///
/// # Errors
/// Those of the database.
pub async fn keep_playing(db: &Db, stream: &Stream, lasts: Duration) -> Result<bool> {
    let query = db.write(KEEP_PLAYING).bind(stream.id).bind(stream.user).bind(stream.video);
    Ok(query.bind(lasts).execute().await? > 0)
}

/// A player that has ended.
///
/// # Errors
/// Those of the database.
pub async fn stop_playing(db: &Db, stream: &Stream) -> Result<()> {
    db.write(STOP_PLAYING).bind(stream.id).bind(stream.user).bind(stream.video).execute().await?;
    Ok(())
}

/// Writes into the log that a licence was asked for.
///
/// # Errors
/// Those of the database.
pub async fn log(db: &Db, entry: &NewEntry) -> Result<()> {
    let mut tx = db.begin().await?;
    write_down(&mut tx, entry).await?;
    tx.commit().await?;
    Ok(())
}

/// The log, newest first: of one video or of all, after an entry or from the beginning.
///
/// # Errors
/// Those of the database.
pub async fn entries(
    db: &Db,
    video: Option<VideoId>,
    after: Option<LicenceId>,
    limit: u32,
) -> Result<Vec<Entry>> {
    let query = match video {
        Some(video) => db.read(ENTRIES_OF_VIDEO).bind(after).bind(limit).bind(video),
        None => db.read(ENTRIES).bind(after).bind(limit),
    };
    Ok(query.all().await?)
}

/// Forgets streams that have ended, and what the log has kept for longer than `keep`. Answers how many rows went.
///
/// # Errors
/// Those of the database.
pub async fn prune(db: &Db, keep: Duration) -> Result<u64> {
    let streams = db.write(PRUNE_STREAMS).execute().await?;
    Ok(streams + db.write(PRUNE_LOG).bind(keep).execute().await?)
}

impl Audience {
    /// Parses what was typed.
    ///
    /// # Errors
    /// What may be typed.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        typed.parse().map_err(|_| Refusal("Choose `viewers`, `accounts` or `entitled`.".to_owned()))
    }
}

impl Policy {
    /// These rules, and those of `server` where there are none.
    #[must_use]
    pub fn or(self, server: Self) -> Self {
        Self {
            audience: self.audience.or(server.audience),
            max_height: self.max_height.or(server.max_height),
            max_streams: self.max_streams.or(server.max_streams),
            licence_duration: self.licence_duration.or(server.licence_duration),
        }
    }
}

async fn lock(tx: &mut Tx, video: VideoId) -> Result<()> {
    match videos::lock(tx, video).await?.state {
        VideoState::Deleting => Err(Error::NoVideo(video)),
        _ => Ok(()),
    }
}

async fn write_down(tx: &mut Tx, entry: &NewEntry) -> Result<()> {
    let query = tx.query(WRITE_DOWN).bind(entry.id).bind(entry.video).bind(entry.user).bind(entry.stream);
    let query = query.bind(entry.system).bind(entry.refusal).bind(Json(&entry.classes));
    query.bind(&entry.address).execute().await?;
    Ok(())
}

impl db::FromRow for Policy {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            audience: row.get("audience")?,
            max_height: row.get("max_height")?,
            max_streams: row.get("max_streams")?,
            licence_duration: row.get("licence_duration")?,
        })
    }
}

impl db::FromRow for Entry {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        let Json(classes) = row.get("classes")?;
        Ok(Self {
            id: row.get("id")?,
            at: row.get("at")?,
            video: row.get("video_id")?,
            user: row.get("user_id")?,
            system: row.get("system")?,
            refusal: row.get("refusal")?,
            classes,
            address: row.get("address")?,
        })
    }
}

db::statements! {
    POLICY { "SELECT * FROM licence_policies WHERE video_id = $1" }
    SET_POLICY {
        "INSERT INTO licence_policies (video_id, audience, max_height, max_streams, licence_duration, updated_at)
         VALUES ($1, $2, $3, $4, $5, " NOW ")
         ON CONFLICT (video_id) DO UPDATE SET audience = excluded.audience, max_height = excluded.max_height,
             max_streams = excluded.max_streams, licence_duration = excluded.licence_duration,
             updated_at = excluded.updated_at"
    }
    ENTITLE {
        "INSERT INTO entitlements (video_id, user_id, ends_at, created_at)
         SELECT $1, id, " NOW " + CAST($3 AS BIGINT), " NOW " FROM users WHERE username_key = $2
         ON CONFLICT (video_id, user_id) DO UPDATE SET ends_at = excluded.ends_at"
    }
    DISENTITLE {
        "DELETE FROM entitlements
         WHERE video_id = $1 AND user_id IN (SELECT id FROM users WHERE username_key = $2)"
    }
    ENTITLEMENTS {
        "SELECT e.user_id, u.username, e.ends_at, e.created_at
         FROM entitlements AS e JOIN users AS u ON u.id = e.user_id
         WHERE e.video_id = $1 ORDER BY u.username_key"
    }
    IS_ENTITLED {
        "SELECT TRUE FROM entitlements
         WHERE video_id = $1 AND user_id = $2 AND (ends_at IS NULL OR ends_at > " NOW ")"
    }
    LOCK_USER { "SELECT id FROM users WHERE id = $1" FOR_UPDATE }
    COUNT_OTHERS { "SELECT count(*) FROM streams WHERE user_id = $1 AND id <> $2 AND ends_at > " NOW }
    PLAY {
        "INSERT INTO streams (id, user_id, video_id, started_at, ends_at)
         VALUES ($1, $2, $3, " NOW ", " NOW " + $4)
         ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at"
    }
    KEEP_PLAYING {
        "UPDATE streams SET ends_at = " NOW " + $4
         WHERE id = $1 AND user_id = $2 AND video_id = $3 AND ends_at > " NOW
    }
    STOP_PLAYING { "DELETE FROM streams WHERE id = $1 AND user_id = $2 AND video_id = $3" }
    WRITE_DOWN {
        "INSERT INTO licence_log (id, at, video_id, user_id, stream_id, system, refusal, classes, address)
         VALUES ($1, " NOW ", $2, $3, $4, $5, $6, $7, $8)"
    }
    ENTRIES {
        "SELECT * FROM licence_log
         WHERE CAST($1 AS UUID) IS NULL OR (at, id) < (SELECT at, id FROM licence_log WHERE id = $1)
         ORDER BY at DESC, id DESC LIMIT $2"
    }
    ENTRIES_OF_VIDEO {
        "SELECT * FROM licence_log
         WHERE video_id = $3 AND (CAST($1 AS UUID) IS NULL OR (at, id) < (SELECT at, id FROM licence_log WHERE id = $1))
         ORDER BY at DESC, id DESC LIMIT $2"
    }
    PRUNE_STREAMS { "DELETE FROM streams WHERE ends_at <= " NOW }
    PRUNE_LOG { "DELETE FROM licence_log WHERE at < " NOW " - $1" }
}
