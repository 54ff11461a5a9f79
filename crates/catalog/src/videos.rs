//! Videos: what was uploaded, and where it is in its life.

use std::{fmt, str::FromStr, time::Duration};

use db::{ColumnError, Db, Json, Timestamp, Tx};
use uuid::Uuid;

use crate::{
    Error, Refused, Result, VideoEvent, VideoState,
    accounts::Standing,
    events::{self, EventKind},
    idempotency::{self, Hold},
    ids::{self, ProcessId, Revision, UserId, VideoId},
    names::{ClaimedDuration, Description, Refusal, SourceExtension, SourceName, Tags, Title},
    quotas::{self, Limits},
    search, stages,
    work::{InspectJob, Work},
};

/// A video whose source is complete in the blob store.
#[derive(Debug, Clone)]
pub struct NewVideo {
    /// The video's id.
    pub id: VideoId,
    /// The id under which its uploader follows the processing.
    pub process: ProcessId,
    /// Who uploaded it.
    pub owner: UserId,
    /// Its title.
    pub title: Title,
    /// What it is about.
    pub description: Description,
    /// What it is filed under.
    pub tags: Tags,
    /// How long the uploader says it is.
    pub claimed_duration: Option<ClaimedDuration>,
    /// Who may see it.
    pub visibility: Visibility,
    /// How its media are to be protected.
    pub protection: Protection,
    /// The uploaded file.
    pub source: Source,
}

/// What is to be changed about a video; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Its title.
    pub title: Option<Title>,
    /// What it is about.
    pub description: Option<Description>,
    /// Who may see it.
    pub visibility: Option<Visibility>,
    /// What it is filed under.
    pub tags: Option<Tags>,
    /// What viewers may take home.
    pub downloads: Option<DownloadRule>,
}

/// An uploaded file in the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What people call it: the file's name without its extension.
    pub name: SourceName,
    /// Its extension.
    pub extension: SourceExtension,
    /// Where it is in the blob store.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, when it was computed on the way in.
    pub sha256: Option<[u8; 32]>,
}

/// A video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// Its id.
    pub id: VideoId,
    /// The id under which its uploader follows the processing.
    pub process: ProcessId,
    /// Who uploaded it.
    pub owner: UserId,
    /// Its title.
    pub title: Title,
    /// What it is about.
    pub description: Description,
    /// What it is filed under.
    pub tags: Tags,
    /// How long the uploader says it is.
    pub claimed_duration: Option<Duration>,
    /// How long it is; unknown before there is a plan.
    pub measured_duration: Option<Duration>,
    /// The uploaded file.
    pub source: Source,
    /// What is in the store of it.
    pub source_state: SourceState,
    /// Where it is in its life.
    pub state: VideoState,
    /// Why it failed: a sentence for its uploader.
    pub error: Option<String>,
    /// What its uploader should know though it plays.
    pub warnings: Vec<String>,
    /// Who may see it.
    pub visibility: Visibility,
    /// How its media are protected.
    pub protection: Protection,
    /// Whether its media are being made again while it plays.
    pub remaking: bool,
    /// What viewers may take home.
    pub downloads: DownloadRule,
    /// The output that the newest plan is for.
    pub revision: Option<Revision>,
    /// The output that is served.
    pub published_revision: Option<Revision>,
    /// The name of the poster that its owner chose; absent for the one that was made of it.
    pub poster: Option<u64>,
    /// Grows with each change of what people edit.
    pub version: u64,
    /// When the upload was complete.
    pub created_at: Timestamp,
    /// When anything of this last changed.
    pub updated_at: Timestamp,
    /// When it was published.
    pub ready_at: Option<Timestamp>,
}

db::text_enum! {
    /// Who may see a video.
    pub enum Visibility {
        /// Everybody, and it is listed.
        Public = "public",
        /// Everybody who has its address.
        Unlisted = "unlisted",
        /// Its owner.
        Private = "private",
    }
}

db::text_enum! {
    /// How the media of a video are protected.
    pub enum Protection {
        /// Not at all.
        None = "none",
        /// Encrypted with AES-128 in counter mode (ISO/IEC 23001-7 §10.1).
        Cenc = "cenc",
        /// Encrypted with AES-128 in CBC mode, in a pattern (§10.4).
        Cbcs = "cbcs",
    }
}

db::text_enum! {
    /// What viewers may take home of a video as a file. Its owner may have everything.
    pub enum DownloadRule {
        /// What the configuration says for every video.
        Default = "default",
        /// Nothing.
        None = "none",
        /// What was made of it.
        Renditions = "renditions",
        /// Also the file as it was uploaded.
        OriginalToo = "original_too",
    }
}

db::text_enum! {
    /// What is in the store of an uploaded file.
    pub enum SourceState {
        /// The file as it came.
        Clear = "clear",
        /// The file, encrypted.
        Sealed = "sealed",
        /// Nothing any more.
        Gone = "gone",
    }
}

/// Which videos a list shows. Those that are being deleted are in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Those that everybody may see and that play.
    Public,
    /// Those of them whose media are not protected.
    PublicUnprotected,
    /// Those of them whose media are protected.
    PublicProtected,
    /// Those of one person, in every state.
    Owner(UserId),
    /// All.
    All,
}

/// Some videos of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page {
    /// The videos.
    pub videos: Vec<Video>,
    /// How many the whole list has.
    pub total: u64,
}

/// Where a list goes on: after this video. Its text form is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    created_at: i64,
    id: Uuid,
}

/// Records an uploaded video and enqueues its inspection, however much its owner has.
///
/// # Errors
/// [`Error::NoUser`] when the owner's account is gone; [`Error::Standing`] when it may not be used.
pub async fn create(db: &Db, new: &NewVideo) -> Result<Video> {
    create_within(db, new, Limits::default()).await
}

/// Records an uploaded video, if it fits, and enqueues its inspection. `everybody` may have so much, unless something
/// else was decided for the owner. Of two uploads that end at once the second counts the first.
///
/// # Errors
/// As [`create`], and [`Error::Exceeded`].
pub async fn create_within(db: &Db, new: &NewVideo, everybody: Limits) -> Result<Video> {
    let mut tx = db.begin().await?;
    let video = create_in(&mut tx, new, everybody).await?;
    tx.commit().await?;
    Ok(video)
}

/// The same for a request that holds a key: the key stands for the video from the same moment. `fingerprint` says what
/// was asked for.
///
/// # Errors
/// Also [`Error::KeyLost`], and then there is no video.
pub async fn create_once(
    db: &Db,
    new: &NewVideo,
    everybody: Limits,
    hold: &Hold,
    fingerprint: [u8; 32],
) -> Result<Video> {
    let mut tx = db.begin().await?;
    let video = create_in(&mut tx, new, everybody).await?;
    idempotency::finish(&mut tx, hold, fingerprint, video.id).await?;
    tx.commit().await?;
    Ok(video)
}

/// Records an uploaded video, if it fits, and enqueues its inspection.
pub(crate) async fn create_in(tx: &mut Tx, new: &NewVideo, everybody: Limits) -> Result<Video> {
    let standing: Option<Standing> = tx.query(LOCK_OWNER).bind(new.owner).first_value().await?;
    match standing.ok_or(Error::NoUser)? {
        Standing::Active => {}
        standing => return Err(Error::Standing(standing)),
    }
    let video: Video = tx
        .query(CREATE)
        .bind(new.id)
        .bind(new.process)
        .bind(new.owner)
        .bind(&new.title)
        .bind(&new.description)
        .bind(new.claimed_duration)
        .bind(&new.source.name)
        .bind(new.source.extension)
        .bind(&new.source.key)
        .bind(new.source.bytes)
        .bind(new.source.sha256)
        .bind(new.visibility)
        .bind(new.protection)
        .bind(&new.tags)
        .one()
        .await?;
    // After the insert: one that is repeated because its answer was lost is told so, and not that it does not fit.
    quotas::admit(tx, new.owner, video.id, new.source.bytes, everybody).await?;
    search::index(tx, &video).await?;
    start_over(tx, &video).await?;
    events::log(tx, EventKind::Uploaded, video.id).await?;
    Ok(video)
}

/// Changes what people edit.
///
/// # Errors
/// [`Error::NoVideo`], and [`Error::Changed`] when it has another version than the one that was `seen`.
pub async fn edit(db: &Db, id: VideoId, edit: &Edit, seen: Option<u64>) -> Result<Video> {
    let mut tx = db.begin().await?;
    let query = tx.query(EDIT).bind(id).bind(seen).bind(&edit.title).bind(&edit.description);
    let query = query.bind(edit.visibility).bind(&edit.tags).bind(edit.downloads);
    let edited: Option<Video> = query.first().await?;
    let Some(video) = edited else {
        let Locked { state, .. } = lock(&mut tx, id).await?;
        return Err(if state == VideoState::Deleting { Error::NoVideo(id) } else { Error::Changed(id) });
    };
    search::index(&mut tx, &video).await?;
    tx.commit().await?;
    Ok(video)
}

/// Processes a failed video again from its source.
///
/// # Errors
/// [`Error::NoVideo`], and [`Error::Refused`] when it has not failed.
pub async fn retry(db: &Db, id: VideoId) -> Result<Video> {
    let mut tx = db.begin().await?;
    let state = lock(&mut tx, id).await?.after(VideoEvent::Retried)?;
    let video: Video = tx.query(SET_STATE).bind(id).bind(state).one().await?;
    start_over(&mut tx, &video).await?;
    tx.commit().await?;
    Ok(video)
}

/// Records that the uploaded file is in the store encrypted, and may be removed as it came.
///
/// # Errors
/// Those of the database.
pub async fn seal_source(db: &Db, id: VideoId) -> Result<()> {
    db.write(SEAL_SOURCE).bind(id).execute().await?;
    Ok(())
}

/// One video, in whatever state.
///
/// # Errors
/// [`Error::NoVideo`] when there is none.
pub async fn video(db: &Db, id: VideoId) -> Result<Video> {
    db.read(BY_ID).bind(id).first().await?.ok_or(Error::NoVideo(id))
}

/// The video that an upload's process id stands for.
///
/// # Errors
/// Those of the database.
pub async fn of_process(db: &Db, process: ProcessId) -> Result<Option<Video>> {
    Ok(db.read(BY_PROCESS).bind(process).first().await?)
}

/// Those of these videos that exist, in no order.
///
/// # Errors
/// Those of the database.
pub async fn some(db: &Db, videos: &[VideoId]) -> Result<Vec<Video>> {
    Ok(db.read(BY_IDS).bind(ids::list(videos)).all().await?)
}

/// A numbered page of a list, from 1, newest first.
///
/// # Errors
/// Those of the database.
pub async fn page(db: &Db, listing: Listing, number: u32, size: u32) -> Result<Page> {
    let skip = u64::from(number.saturating_sub(1)) * u64::from(size);
    let videos = select(db, listing, None, size, skip).await?;
    let total = match listing {
        Listing::Public => db.read(COUNT_PUBLIC),
        Listing::PublicUnprotected => db.read(COUNT_UNPROTECTED),
        Listing::PublicProtected => db.read(COUNT_PROTECTED),
        Listing::Owner(owner) => db.read(COUNT_OF_OWNER).bind(owner),
        Listing::All => db.read(COUNT_ALL),
    };
    Ok(Page { videos, total: total.value().await? })
}

/// The next videos of a list, newest first, and where it goes on if it does.
///
/// # Errors
/// Those of the database.
pub async fn after(
    db: &Db,
    listing: Listing,
    cursor: Option<Cursor>,
    limit: u32,
) -> Result<(Vec<Video>, Option<Cursor>)> {
    let mut videos = select(db, listing, cursor, limit.saturating_add(1), 0).await?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = videos.len() > length;
    videos.truncate(length);
    let next = videos.last().filter(|_| goes_on).map(Cursor::after);
    Ok((videos, next))
}

impl Video {
    /// How long it is: as it was measured, or as its uploader claims before that.
    pub fn duration(&self) -> Option<Duration> {
        self.measured_duration.or(self.claimed_duration)
    }
}

impl Protection {
    /// Parses what was typed.
    ///
    /// # Errors
    /// What may be typed.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        typed.parse().map_err(|_| Refusal("Choose `none`, `cenc` or `cbcs`.".to_owned()))
    }
}

impl DownloadRule {
    /// Parses what was typed.
    ///
    /// # Errors
    /// What may be typed.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        let choices = "Choose `default`, `none`, `renditions` or `original_too`.";
        typed.parse().map_err(|_| Refusal(choices.to_owned()))
    }
}

impl Visibility {
    /// Parses what was typed.
    ///
    /// # Errors
    /// What may be typed.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        typed.parse().map_err(|_| Refusal("Choose `public`, `unlisted` or `private`.".to_owned()))
    }
}

impl Cursor {
    /// The place after this video.
    pub fn after(video: &Video) -> Self {
        Self { created_at: video.created_at.unix_micros(), id: video.id.uuid() }
    }

    /// Before the newest video.
    const START: Self = Self { created_at: i64::MAX, id: Uuid::max() };
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}-{}", self.created_at, self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = ColumnError;

    fn from_str(text: &str) -> Result<Self, ColumnError> {
        let parsed = text.split_once('-').and_then(|(at, id)| {
            Some(Self { created_at: i64::from_str_radix(at, 16).ok()?, id: Uuid::try_parse(id).ok()? })
        });
        parsed.ok_or_else(|| ColumnError(format!("`{text}` is no place in a list")))
    }
}

async fn select(
    db: &Db,
    listing: Listing,
    cursor: Option<Cursor>,
    limit: u32,
    skip: u64,
) -> Result<Vec<Video>> {
    let Cursor { created_at, id } = cursor.unwrap_or(Cursor::START);
    let query = match listing {
        Listing::Public => db.read(PAGE_PUBLIC),
        Listing::PublicUnprotected => db.read(PAGE_UNPROTECTED),
        Listing::PublicProtected => db.read(PAGE_PROTECTED),
        Listing::Owner(_) => db.read(PAGE_OF_OWNER),
        Listing::All => db.read(PAGE_ALL),
    };
    let query = query.bind(created_at).bind(id).bind(limit).bind(skip);
    let query = match listing {
        Listing::Owner(owner) => query.bind(owner),
        _ => query,
    };
    Ok(query.all().await?)
}

/// Everything begins with the inspection.
pub(crate) async fn start_over(tx: &mut Tx, video: &Video) -> Result<()> {
    stages::begin(tx, video.id).await?;
    let inspect = Work::Inspect(InspectJob { video: video.id });
    jobs::enqueue(tx, inspect.into_job(video.owner)).await?;
    Ok(())
}

db::row! {
    /// Where a video is whose row is locked.
    #[derive(Clone, Copy)]
    pub(crate) struct Locked { pub(crate) state: VideoState, pub(crate) remaking: bool }
}

impl Locked {
    /// The state after `event`. One that is made again stays what it is for everybody.
    ///
    /// # Errors
    /// [`Refused`] when its state does not allow it.
    pub(crate) fn after(self, event: VideoEvent) -> Result<VideoState, Refused> {
        match (self.remaking, event) {
            (true, VideoEvent::Planned | VideoEvent::Published) => Ok(self.state),
            _ => self.state.after(event),
        }
    }
}

/// Locks a video's row and answers its state.
///
/// Every verb locks the video first and its jobs afterwards, so that two verbs never wait for each other in a
/// circle.
pub(crate) async fn lock(tx: &mut Tx, id: VideoId) -> Result<Locked> {
    tx.query(LOCK_STATE).bind(id).first().await?.ok_or(Error::NoVideo(id))
}

db::statements! {
    CREATE {
        "INSERT INTO videos (id, process_id, owner_id, title, description, claimed_duration, source_name,
             source_extension, source_key, source_bytes, source_sha256, visibility, protection, tags, state, warnings,
             created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'uploaded', '[]', " NOW ", " NOW ")
         RETURNING *"
    }
    LOCK_OWNER { "SELECT standing FROM users WHERE id = $1" FOR_UPDATE }
    BY_ID { "SELECT * FROM videos WHERE id = $1" }
    BY_IDS { "SELECT * FROM videos WHERE id" [in_uuids "$1"] }
    BY_PROCESS { "SELECT * FROM videos WHERE process_id = $1" }
    LOCK_STATE { "SELECT state, remaking FROM videos WHERE id = $1" FOR_UPDATE }
    EDIT {
        "UPDATE videos SET title = coalesce($3, title), description = coalesce($4, description),
             visibility = coalesce($5, visibility), tags = coalesce($6, tags),
             downloads = coalesce($7, downloads), version = version + 1, updated_at = " NOW "
         WHERE id = $1 AND state <> 'deleting' AND (CAST($2 AS BIGINT) IS NULL OR version = $2)
         RETURNING *"
    }
    SEAL_SOURCE {
        "UPDATE videos SET source_state = 'sealed', updated_at = " NOW " WHERE id = $1 AND source_state = 'clear'"
    }
    SET_STATE { "UPDATE videos SET state = $2, error = NULL, updated_at = " NOW " WHERE id = $1 RETURNING *" }
    PAGE_PUBLIC {
        "SELECT * FROM videos
         WHERE (created_at, id) < ($1, $2) AND state = 'ready' AND visibility = 'public'
         ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
    }
    PAGE_UNPROTECTED {
        "SELECT * FROM videos
         WHERE (created_at, id) < ($1, $2) AND state = 'ready' AND visibility = 'public' AND protection = 'none'
         ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
    }
    PAGE_PROTECTED {
        "SELECT * FROM videos
         WHERE (created_at, id) < ($1, $2) AND state = 'ready' AND visibility = 'public' AND protection <> 'none'
         ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
    }
    PAGE_OF_OWNER {
        "SELECT * FROM videos
         WHERE (created_at, id) < ($1, $2) AND owner_id = $5 AND state <> 'deleting'
         ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
    }
    PAGE_ALL {
        "SELECT * FROM videos
         WHERE (created_at, id) < ($1, $2) AND state <> 'deleting'
         ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
    }
    COUNT_PUBLIC { "SELECT count(*) FROM videos WHERE state = 'ready' AND visibility = 'public'" }
    COUNT_UNPROTECTED {
        "SELECT count(*) FROM videos WHERE state = 'ready' AND visibility = 'public' AND protection = 'none'"
    }
    COUNT_PROTECTED {
        "SELECT count(*) FROM videos WHERE state = 'ready' AND visibility = 'public' AND protection <> 'none'"
    }
    COUNT_OF_OWNER { "SELECT count(*) FROM videos WHERE owner_id = $1 AND state <> 'deleting'" }
    COUNT_ALL { "SELECT count(*) FROM videos WHERE state <> 'deleting'" }
}

impl db::FromRow for Video {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            process: row.get("process_id")?,
            owner: row.get("owner_id")?,
            title: row.get("title")?,
            description: row.get("description")?,
            tags: row.get("tags")?,
            claimed_duration: row.get("claimed_duration")?,
            measured_duration: row.get("measured_duration")?,
            source: Source {
                name: row.get("source_name")?,
                extension: row.get("source_extension")?,
                key: row.get("source_key")?,
                bytes: row.get("source_bytes")?,
                sha256: row.get("source_sha256")?,
            },
            source_state: row.get("source_state")?,
            state: row.get("state")?,
            error: row.get("error")?,
            warnings: row.get::<Json<_>>("warnings")?.0,
            visibility: row.get("visibility")?,
            protection: row.get("protection")?,
            remaking: row.get("remaking")?,
            downloads: row.get("downloads")?,
            version: row.get("version")?,
            revision: row.get("revision")?,
            published_revision: row.get("published_revision")?,
            poster: row.get("poster")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            ready_at: row.get("ready_at")?,
        })
    }
}
