//! Files that are sent in pieces, over as many requests as it takes, to whichever node.
//!
//! A piece is an object of the store that never changes. What was received of an upload is the sum of the pieces that are
//! recorded here, so any node can go on where another one was killed. One request at a time adds to an upload: it takes a
//! turn ([`begin`]) that ends when nothing is heard of it for a while, and whoever lost their turn records nothing any
//! more. What is whole becomes a video in one transaction with the video's first job ([`become_video`]).

use std::{collections::BTreeSet, time::Duration};

use db::{Db, Json, Timestamp, Tx};
use uuid::Uuid;

use crate::{
    Error, Result,
    ids::{UploadId, UserId, VideoId},
    quotas::{self, Limits},
    videos::{self, NewVideo, Video},
};

db::text_enum! {
    /// What an upload is to become.
    pub enum Kind {
        /// A video.
        Whole = "whole",
        /// A part of one.
        Partial = "partial",
        /// A video, of parts that are complete.
        Final = "final",
    }
}

db::text_enum! {
    /// Where an upload is in its life.
    pub enum State {
        /// Bytes are received, or all of them are here and are put together.
        Receiving = "receiving",
        /// It is a part, and its bytes are those of a final upload now.
        Joined = "joined",
        /// It is a video.
        Done = "done",
        /// Its bytes are no video, and were removed.
        Refused = "refused",
    }
}

db::row! {
    /// An upload.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Upload {
        /// Its id.
        pub id: UploadId,
        /// Whose it is.
        pub owner_id: UserId,
        /// What it is to become.
        pub kind: Kind,
        /// Where it is in its life.
        pub state: State,
        /// How many bytes it will have, once the client has said so.
        pub length: Option<u64>,
        /// How many it has.
        pub received: u64,
        /// What the client said about it, as it was written.
        pub metadata: String,
        /// How the client wrote what it is a part, or made, of.
        pub concat: Option<String>,
        /// Why there is no video, or not yet: a sentence.
        pub error: Option<String>,
        /// What became of it.
        pub video_id: Option<VideoId>,
        /// When it was begun.
        pub created_at: Timestamp,
        /// When it is removed unless something more comes.
        pub expires_at: Timestamp,
    }
}

/// An upload that begins.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub owner: UserId,
    /// Whether it is a part.
    pub kind: Kind,
    /// How many bytes it will have, if that is known.
    pub length: Option<u64>,
    /// What the client said about it, as it was written.
    pub metadata: String,
    /// How the client wrote what it is a part, or made, of.
    pub concat: Option<String>,
}

db::row! {
    /// Some bytes of an upload.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Piece {
        /// What the store calls them.
        pub object_key: String,
        /// How many there are.
        pub bytes: u64,
    }
}

/// Who adds to an upload, or makes a video of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// To which upload.
    pub upload: UploadId,
    /// Tells requests apart.
    pub writer: Uuid,
}

/// How much may come, and how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What everybody may have.
    pub everybody: Limits,
    /// Longest file, in bytes.
    pub longest: u64,
    /// How long an upload is kept after the last of its bytes came.
    pub lifetime: Duration,
}

/// Why bytes were not added to an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such upload, or not any more.
    #[error("there is no upload `{0}`")]
    Unknown(UploadId),
    /// Somebody has begun as many as one may.
    #[error("there may be `{0}` unfinished uploads at most")]
    TooMany(u64),
    /// Another request adds to it.
    #[error("another request adds to the upload")]
    Busy,
    /// Another request has taken over.
    #[error("another request has taken over the upload")]
    TurnLost,
    /// The client believes that other bytes come next.
    #[error("the upload has `{received}` bytes")]
    Offset {
        /// How many it has.
        received: u64,
    },
    /// The client changes its mind about the length, or has sent more already.
    #[error("the upload has another length")]
    Length,
    /// It is longer than a file may be.
    #[error("a file may have `{longest}` bytes at most")]
    TooLong {
        /// In bytes.
        longest: u64,
    },
    /// It came in too many pieces.
    #[error("an upload may have `{0}` pieces at most")]
    TooManyPieces(u64),
    /// Nothing can be added: it is made of parts, is one that was used, or was refused.
    #[error("nothing can be added to the upload")]
    Closed,
    /// It is no part, or one that is not complete, or that another upload was made of.
    #[error("upload `{0}` is no complete part")]
    NoPart(UploadId),
}

/// How long a request is believed to add to an upload when nothing more is heard of it.
pub const HOLD: Duration = Duration::from_secs(6);
/// How many unfinished uploads somebody may have.
pub const MOST_OPEN: u64 = 200;
/// How many pieces an upload may have.
pub const MOST_PIECES: u64 = 100_000;

/// Begins an upload.
///
/// # Errors
/// [`Error::Exceeded`], [`Refusal::TooMany`], [`Refusal::TooLong`], [`Error::NoUser`].
pub async fn create(db: &Db, new: &NewUpload, terms: &Terms) -> Result<Upload> {
    let mut tx = db.begin().await?;
    let length = new.length.unwrap_or_default();
    admit(&mut tx, new.owner, length, terms).await?;
    if length > terms.longest {
        return Err(Refusal::TooLong { longest: terms.longest }.into());
    }
    let upload = insert(&mut tx, new, 0, &[], terms).await?;
    tx.commit().await?;
    Ok(upload)
}

/// Makes one upload of these parts, in this order. The same parts again are the same upload.
///
/// # Errors
/// As [`create`], and [`Refusal::NoPart`].
pub async fn concatenate(db: &Db, new: &NewUpload, parts: &[UploadId], terms: &Terms) -> Result<Upload> {
    let mut tx = db.begin().await?;
    let mut locked = Vec::new();
    // In one order for everybody, so that nobody waits in a circle.
    for part in parts.iter().copied().collect::<BTreeSet<_>>() {
        let found: Option<Part> = tx.query(LOCK_PART).bind(part).bind(new.owner).first().await?;
        locked.push(found.ok_or(Refusal::NoPart(part))?);
    }
    let first = parts.first().and_then(|first| locked.iter().find(|part| part.id == *first));
    if let Some(made) = first.and_then(|part| part.joined_into) {
        let same: Option<Upload> = tx.query(SAME_PARTS).bind(made).bind(Json(parts)).first().await?;
        return same.ok_or_else(|| Refusal::NoPart(made).into());
    }
    if let Some(unfit) = locked.iter().find(|part| !part.is_complete) {
        return Err(Refusal::NoPart(unfit.id).into());
    }
    if locked.len() != parts.len() {
        let twice =
            parts.iter().enumerate().find(|(at, part)| parts.iter().take(*at).any(|one| one == *part));
        return Err(Refusal::NoPart(twice.map_or(new.id, |(_, part)| *part)).into());
    }
    let length = locked.iter().fold(0_u64, |sum, part| sum.saturating_add(part.received));
    if length > terms.longest {
        return Err(Refusal::TooLong { longest: terms.longest }.into());
    }
    let new = NewUpload { kind: Kind::Final, length: Some(length), ..new.clone() };
    let made = insert(&mut tx, &new, length, parts, terms).await?;
    let mut start = 0_u64;
    for id in parts {
        let received = locked.iter().find(|part| part.id == *id).map_or(0, |part| part.received);
        tx.query(MOVE_PIECES).bind(*id).bind(made.id).bind(start).execute().await?;
        tx.query(JOINED).bind(*id).bind(made.id).execute().await?;
        start = start.saturating_add(received);
    }
    tx.commit().await?;
    Ok(made)
}

/// An upload of somebody.
///
/// # Errors
/// [`Refusal::Unknown`].
pub async fn find(db: &Db, owner: UserId, id: UploadId) -> Result<Upload> {
    let found = db.read(FIND).bind(id).bind(owner).first().await?;
    found.ok_or_else(|| Refusal::Unknown(id).into())
}

/// Takes the turn to add bytes behind the first `offset`; `length` is what the client says now of the whole.
///
/// # Errors
/// [`Refusal`] says why not; nothing has changed then.
pub async fn begin(
    db: &Db,
    turn: Turn,
    owner: UserId,
    offset: u64,
    length: Option<u64>,
    terms: &Terms,
) -> Result<Upload> {
    let mut tx = db.begin().await?;
    let found: Option<Upload> = tx.query(LOCK).bind(turn.upload).bind(owner).first().await?;
    let upload = found.ok_or(Refusal::Unknown(turn.upload))?;
    if upload.kind == Kind::Final || matches!(upload.state, State::Joined | State::Refused) {
        return Err(Refusal::Closed.into());
    }
    if upload.received != offset {
        return Err(Refusal::Offset { received: upload.received }.into());
    }
    if let Some(length) = length {
        if upload.length.is_some_and(|known| known != length) || length < upload.received {
            return Err(Refusal::Length.into());
        }
        if length > terms.longest {
            return Err(Refusal::TooLong { longest: terms.longest }.into());
        }
    }
    let query = tx.query(BEGIN).bind(turn.upload).bind(turn.writer).bind(HOLD);
    let begun: Option<Upload> = query.bind(length).bind(terms.lifetime).first().await?;
    let begun = begun.ok_or(Refusal::Busy)?;
    tx.commit().await?;
    Ok(begun)
}

/// Says that the request still works. Answers whether it still has its turn.
///
/// # Errors
/// Those of the database.
pub async fn keep(db: &Db, turn: Turn) -> Result<bool> {
    Ok(db.write(KEEP).bind(turn.upload).bind(turn.writer).bind(HOLD).execute().await? == 1)
}

/// Lets others have their turn.
///
/// # Errors
/// Those of the database.
pub async fn release(db: &Db, turn: Turn) -> Result<()> {
    db.write(RELEASE).bind(turn.upload).bind(turn.writer).execute().await?;
    Ok(())
}

/// Records pieces that lie behind the first `start` bytes, all or none. Answers how many bytes there are now.
///
/// # Errors
/// [`Refusal::TurnLost`], [`Refusal::TooManyPieces`], [`Error::Exceeded`].
pub async fn append(db: &Db, turn: Turn, start: u64, pieces: &[Piece], terms: &Terms) -> Result<u64> {
    let bytes = pieces.iter().fold(0_u64, |sum, piece| sum.saturating_add(piece.bytes));
    let count = u64::try_from(pieces.len()).unwrap_or(u64::MAX);
    let mut tx = db.begin().await?;
    let query = tx.query(APPEND).bind(turn.upload).bind(turn.writer).bind(start).bind(bytes);
    let query = query.bind(count).bind(HOLD).bind(terms.lifetime);
    let Appended { owner_id, received, pieces: in_all } =
        query.first().await?.ok_or(Error::Upload(Refusal::TurnLost))?;
    if in_all > MOST_PIECES {
        return Err(Refusal::TooManyPieces(MOST_PIECES).into());
    }
    // They are counted already.
    quotas::admit_unfinished(&mut tx, owner_id, 0, terms.everybody).await?;
    let mut at = start;
    for piece in pieces {
        let query = tx.query(ADD_PIECE).bind(turn.upload).bind(at).bind(piece.bytes);
        query.bind(&piece.object_key).execute().await?;
        at = at.saturating_add(piece.bytes);
    }
    tx.commit().await?;
    Ok(received)
}

/// Takes the turn to make a video of an upload that is whole; `None` when it is not, or another has the turn.
///
/// # Errors
/// Those of the database.
pub async fn begin_joining(db: &Db, turn: Turn) -> Result<Option<Upload>> {
    Ok(db.write(BEGIN_JOINING).bind(turn.upload).bind(turn.writer).bind(HOLD).first().await?)
}

/// The pieces of an upload, in order.
///
/// # Errors
/// Those of the database.
pub async fn pieces(db: &Db, upload: UploadId) -> Result<Vec<Piece>> {
    Ok(db.read(PIECES).bind(upload).all().await?)
}

/// Records the video that an upload has become, if it fits, and enqueues its inspection. Nobody needs the pieces any more.
///
/// # Errors
/// As [`videos::create_within`], and [`Refusal::TurnLost`]: then there is no video.
pub async fn become_video(db: &Db, new: &NewVideo, everybody: Limits, turn: Turn) -> Result<Video> {
    let mut tx = db.begin().await?;
    let video = videos::create_in(&mut tx, new, everybody).await?;
    match tx.query(FINISH).bind(turn.upload).bind(turn.writer).bind(video.id).execute().await? {
        1 => {}
        _ => return Err(Refusal::TurnLost.into()),
    }
    tx.query(DROP_PIECES).bind(turn.upload).values::<String>().await?;
    tx.commit().await?;
    Ok(video)
}

/// Gives up an upload that is no video, for this reason. Nobody needs its pieces any more.
///
/// # Errors
/// [`Refusal::TurnLost`].
pub async fn refuse(db: &Db, turn: Turn, sentence: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    match tx.query(REFUSE).bind(turn.upload).bind(turn.writer).bind(sentence).execute().await? {
        1 => {}
        _ => return Err(Refusal::TurnLost.into()),
    }
    tx.query(DROP_PIECES).bind(turn.upload).values::<String>().await?;
    tx.commit().await?;
    Ok(())
}

/// Lets others try to make the video after a while; `sentence` tells its uploader why there is none yet.
///
/// # Errors
/// Those of the database.
pub async fn put_off(db: &Db, turn: Turn, sentence: Option<&str>, wait: Duration) -> Result<()> {
    db.write(PUT_OFF).bind(turn.upload).bind(turn.writer).bind(sentence).bind(wait).execute().await?;
    Ok(())
}

/// Uploads that are whole, and that nobody makes a video of: those of processes that were killed.
///
/// # Errors
/// Those of the database.
pub async fn left_over(db: &Db, limit: u32) -> Result<Vec<UploadId>> {
    Ok(db.read(LEFT_OVER).bind(limit).values().await?)
}

/// Ends an upload of somebody, whatever its state. Answers the objects that nobody needs any more.
///
/// # Errors
/// [`Refusal::Unknown`].
pub async fn terminate(db: &Db, owner: UserId, id: UploadId) -> Result<Vec<String>> {
    let mut tx = db.begin().await?;
    let found: Option<Upload> = tx.query(LOCK).bind(id).bind(owner).first().await?;
    found.ok_or(Refusal::Unknown(id))?;
    let objects = remove(&mut tx, id).await?;
    tx.commit().await?;
    Ok(objects)
}

/// How many uploads have expired.
///
/// # Errors
/// Those of the database.
pub async fn expired(db: &Db) -> Result<u64> {
    Ok(db.read(COUNT_EXPIRED).value().await?)
}

/// Removes the upload that has expired for longest. Answers the objects that nobody needs any more; `None` when there is
/// no such upload.
///
/// # Errors
/// Those of the database.
pub async fn expire(db: &Db) -> Result<Option<Vec<Piece>>> {
    let mut tx = db.begin().await?;
    let Some(id) = tx.query(EXPIRED).first_value::<UploadId>().await? else { return Ok(None) };
    let pieces = tx.query(PIECES).bind(id).all().await?;
    remove(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Some(pieces))
}

/// Those of these objects that uploads are made of.
///
/// # Errors
/// Those of the database.
pub async fn needed(db: &Db, objects: &[String]) -> Result<BTreeSet<String>> {
    Ok(db.read(NEEDED).bind(Json(objects)).values().await?.into_iter().collect())
}

async fn admit(tx: &mut Tx, owner: UserId, bytes: u64, terms: &Terms) -> Result<()> {
    quotas::lock(tx, owner).await?;
    if tx.query(COUNT_OPEN).bind(owner).value::<u64>().await? >= MOST_OPEN {
        return Err(Refusal::TooMany(MOST_OPEN).into());
    }
    quotas::admit_unfinished(tx, owner, bytes, terms.everybody).await
}

async fn insert(
    tx: &mut Tx,
    new: &NewUpload,
    received: u64,
    parts: &[UploadId],
    terms: &Terms,
) -> Result<Upload> {
    let query = tx.query(INSERT).bind(new.id).bind(new.owner).bind(new.kind).bind(new.length).bind(received);
    let query = query.bind(&new.metadata).bind(&new.concat).bind(Json(parts)).bind(terms.lifetime);
    Ok(query.one().await?)
}

async fn remove(tx: &mut Tx, id: UploadId) -> Result<Vec<String>> {
    let objects = tx.query(DROP_PIECES).bind(id).values().await?;
    tx.query(REMOVE).bind(id).execute().await?;
    Ok(objects)
}

db::row! {
    struct Part { id: UploadId, received: u64, joined_into: Option<UploadId>, is_complete: bool }
}

db::row! {
    struct Appended { owner_id: UserId, received: u64, pieces: u64 }
}

db::statements! {
    INSERT {
        "INSERT INTO resumable_uploads (id, owner_id, kind, state, length, received, pieces, metadata, concat, parts,
             writer_until, created_at, expires_at)
         VALUES ($1, $2, $3, 'receiving', $4, $5, 0, $6, $7, $8, 0, " NOW ", " NOW " + $9)
         RETURNING *"
    }
    COUNT_OPEN { "SELECT count(*) FROM resumable_uploads WHERE owner_id = $1 AND state = 'receiving'" }
    FIND { "SELECT * FROM resumable_uploads WHERE id = $1 AND owner_id = $2 AND expires_at > " NOW }
    LOCK { "SELECT * FROM resumable_uploads WHERE id = $1 AND owner_id = $2 AND expires_at > " NOW FOR_UPDATE }
    BEGIN {
        "UPDATE resumable_uploads SET writer = $2, writer_until = " NOW " + $3, length = coalesce($4, length),
             expires_at = " NOW " + $5
         WHERE id = $1 AND (writer IS NULL OR writer_until <= " NOW ")
         RETURNING *"
    }
    KEEP { "UPDATE resumable_uploads SET writer_until = " NOW " + $3 WHERE id = $1 AND writer = $2" }
    RELEASE { "UPDATE resumable_uploads SET writer = NULL, writer_until = 0 WHERE id = $1 AND writer = $2" }
    APPEND {
        "UPDATE resumable_uploads SET received = received + $4, pieces = pieces + $5, writer_until = " NOW " + $6,
             expires_at = " NOW " + $7
         WHERE id = $1 AND writer = $2 AND received = $3 AND state = 'receiving'
         RETURNING owner_id, received, pieces"
    }
    ADD_PIECE { "INSERT INTO resumable_pieces (upload_id, start, bytes, object_key) VALUES ($1, $2, $3, $4)" }
    PIECES { "SELECT object_key, bytes FROM resumable_pieces WHERE upload_id = $1 ORDER BY start" }
    DROP_PIECES { "DELETE FROM resumable_pieces WHERE upload_id = $1 RETURNING object_key" }
    LOCK_PART {
        "SELECT id, received, joined_into,
             state = 'receiving' AND received = length AND (writer IS NULL OR writer_until <= " NOW ") AS is_complete
         FROM resumable_uploads
         WHERE id = $1 AND owner_id = $2 AND kind = 'partial' AND length IS NOT NULL AND expires_at > " NOW FOR_UPDATE
    }
    SAME_PARTS { "SELECT * FROM resumable_uploads WHERE id = $1 AND parts = $2" }
    MOVE_PIECES { "UPDATE resumable_pieces SET upload_id = $2, start = start + $3 WHERE upload_id = $1" }
    JOINED {
        "UPDATE resumable_uploads SET state = 'joined', joined_into = $2, pieces = 0, writer = NULL WHERE id = $1"
    }
    BEGIN_JOINING {
        "UPDATE resumable_uploads SET writer = $2, writer_until = " NOW " + $3
         WHERE id = $1 AND state = 'receiving' AND received = length AND kind <> 'partial'
             AND (writer = $2 OR writer_until <= " NOW ")
         RETURNING *"
    }
    FINISH {
        "UPDATE resumable_uploads SET state = 'done', video_id = $3, error = NULL, writer = NULL, pieces = 0
         WHERE id = $1 AND writer = $2 AND state = 'receiving'"
    }
    REFUSE {
        "UPDATE resumable_uploads SET state = 'refused', error = $3, writer = NULL, pieces = 0
         WHERE id = $1 AND writer = $2 AND state = 'receiving'"
    }
    PUT_OFF {
        "UPDATE resumable_uploads SET writer = NULL, writer_until = " NOW " + $4, error = $3
         WHERE id = $1 AND writer = $2 AND state = 'receiving'"
    }
    LEFT_OVER {
        "SELECT id FROM resumable_uploads
         WHERE state = 'receiving' AND received = length AND kind <> 'partial' AND writer_until <= " NOW "
             AND expires_at > " NOW "
         ORDER BY writer_until LIMIT $1"
    }
    COUNT_EXPIRED {
        "SELECT count(*) FROM resumable_uploads WHERE expires_at <= " NOW " AND writer_until <= " NOW
    }
    EXPIRED {
        "SELECT id FROM resumable_uploads WHERE expires_at <= " NOW " AND writer_until <= " NOW "
         ORDER BY expires_at LIMIT 1" SKIP_LOCKED
    }
    REMOVE { "DELETE FROM resumable_uploads WHERE id = $1" }
    NEEDED { "SELECT object_key FROM resumable_pieces WHERE object_key IN " [texts "$1"] }
}
