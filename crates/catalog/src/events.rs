//! What happened to videos, for whoever wants to hear of it.
//!
//! An event is written in the transaction that changes the video, together with one job that
//! [announces](deliveries::announce) it: there is no event without its change, and no change without its event. Every
//! destination gets a job of its own, so that one that is slow or away keeps no other waiting.
//!
//! Delivery is at least once: a worker that is killed after it has sent, and before that is recorded, leaves the job to
//! another one, which sends the same event under the same id.

use std::time::Duration;

use db::{Db, Json, Timestamp, Tx};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Result, VideoState,
    ids::{EventId, Revision, UserId, VideoId},
};

pub mod deliveries;
mod errands;
pub mod webhooks;

pub use errands::{AnnounceJob, DeliverJob, Errand, QUEUE, ReplayJob};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number, which grows in the order of the commits.
    pub seq: u64,
    /// Its id, the same in every delivery.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// Who owns what it happened to.
    pub owner: UserId,
    /// The video as it was then; absent from [`EventKind::Test`].
    pub video: Option<Snapshot>,
    /// When.
    pub created_at: Timestamp,
}

db::text_enum! {
    /// What happened. The names are part of the public interface.
    pub enum EventKind {
        /// The upload is complete.
        Uploaded = "video.uploaded",
        /// There is a plan, and the video is being encoded.
        Processing = "video.processing",
        /// It plays.
        Ready = "video.ready",
        /// It will not play; the reason is in the event.
        Failed = "video.failed",
        /// It is gone for everybody.
        Deleted = "video.deleted",
        /// Somebody tries a webhook.
        Test = "webhook.test",
    }
}

/// A video as it was when something happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: VideoId,
    /// Its title.
    pub title: String,
    /// Where it was in its life.
    pub state: VideoState,
    /// Why it failed: a sentence for its uploader.
    pub error: Option<String>,
    /// The output that was served.
    pub published_revision: Option<Revision>,
}

/// Whose events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of one person.
    Owner(UserId),
    /// All.
    All,
}

/// Which way through the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the beginning: for a reader that comes back for more.
    OldestFirst,
    /// From the end.
    NewestFirst,
}

impl EventKind {
    /// What a webhook may ask for: everything but the test, which it gets when somebody sends one.
    pub fn of_videos() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| *kind != Self::Test)
    }
}

/// One event; `None` when there is none, or it is not kept any more.
///
/// # Errors
/// Those of the database.
pub async fn event(db: &Db, id: EventId) -> Result<Option<Event>> {
    Ok(db.read(BY_ID).bind(id).first().await?)
}

/// Up to `limit` events that come after the one numbered `after` in this order, or from its start.
///
/// Reading oldest first, an event is never skipped: the last number read is the place to go on from, however much later.
///
/// # Errors
/// Those of the database.
pub async fn page(db: &Db, scope: Scope, order: Order, after: Option<u64>, limit: u32) -> Result<Vec<Event>> {
    let (query, start) = match (scope, order) {
        (Scope::All, Order::OldestFirst) => (db.read(OLDEST), 0),
        (Scope::All, Order::NewestFirst) => (db.read(NEWEST), LAST),
        (Scope::Owner(_), Order::OldestFirst) => (db.read(OLDEST_OF_OWNER), 0),
        (Scope::Owner(_), Order::NewestFirst) => (db.read(NEWEST_OF_OWNER), LAST),
    };
    let query = query.bind(after.unwrap_or(start).min(LAST)).bind(limit);
    let query = match scope {
        Scope::Owner(owner) => query.bind(owner),
        Scope::All => query,
    };
    Ok(query.all().await?)
}

/// Removes events older than `keep`, and what is known of their deliveries; at most `limit` of them. Answers how many.
///
/// # Errors
/// Those of the database.
pub async fn purge(db: &Db, keep: Duration, limit: u32) -> Result<u64> {
    Ok(db.write(PURGE).bind(keep).bind(limit).execute().await?)
}

/// Logs what happened to a video. The last thing a transaction does: the lock on the log's end is held from here on, and
/// no other row may be waited for.
pub(crate) async fn log(tx: &mut Tx, kind: EventKind, video: VideoId) -> Result<()> {
    let Some(Subject { owner, snapshot }) = tx.query(SUBJECT).bind(video).first().await? else {
        return Ok(());
    };
    let seq = append(tx, kind, owner, video.uuid(), Some(&snapshot)).await?;
    jobs::enqueue(tx, AnnounceJob { event: seq }.into_job(owner)).await?;
    Ok(())
}

/// Writes one line and answers its number. The id follows from what the event is about and the number.
async fn append(
    tx: &mut Tx,
    kind: EventKind,
    owner: UserId,
    subject: Uuid,
    video: Option<&Snapshot>,
) -> Result<u64> {
    let seq: u64 = tx.query(NEXT).value().await?;
    let id = EventId::derived(subject, seq);
    tx.query(APPEND).bind(seq).bind(id).bind(kind).bind(owner).bind(video.map(Json)).execute().await?;
    Ok(seq)
}

/// Above every number.
const LAST: u64 = i64::MAX.unsigned_abs();

db::statements! {
    SUBJECT { "SELECT id, owner_id, title, state, error, published_revision FROM videos WHERE id = $1" }
    NEXT { "UPDATE event_clock SET last_seq = last_seq + 1 WHERE id = 1 RETURNING last_seq" }
    APPEND {
        "INSERT INTO events (seq, id, kind, owner_id, video, created_at) VALUES ($1, $2, $3, $4, $5, " NOW ")"
    }
    BY_ID { "SELECT seq, id, kind, owner_id, video, created_at FROM events WHERE id = $1" }
    OLDEST {
        "SELECT seq, id, kind, owner_id, video, created_at FROM events WHERE seq > $1 ORDER BY seq LIMIT $2"
    }
    NEWEST {
        "SELECT seq, id, kind, owner_id, video, created_at FROM events WHERE seq < $1 ORDER BY seq DESC LIMIT $2"
    }
    OLDEST_OF_OWNER {
        "SELECT seq, id, kind, owner_id, video, created_at FROM events WHERE seq > $1 AND owner_id = $3
         ORDER BY seq LIMIT $2"
    }
    NEWEST_OF_OWNER {
        "SELECT seq, id, kind, owner_id, video, created_at FROM events WHERE seq < $1 AND owner_id = $3
         ORDER BY seq DESC LIMIT $2"
    }
    PURGE {
        "DELETE FROM events WHERE seq IN (
             SELECT seq FROM events WHERE created_at < " NOW " - $1 ORDER BY created_at LIMIT $2)"
    }
}

struct Subject {
    owner: UserId,
    snapshot: Snapshot,
}

impl db::FromRow for Subject {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        let snapshot = Snapshot {
            id: row.get("id")?,
            title: row.get("title")?,
            state: row.get("state")?,
            error: row.get("error")?,
            published_revision: row.get("published_revision")?,
        };
        Ok(Self { owner: row.get("owner_id")?, snapshot })
    }
}

impl db::FromRow for Event {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            seq: row.get("seq")?,
            id: row.get("id")?,
            kind: row.get("kind")?,
            owner: row.get("owner_id")?,
            video: row.get::<Option<Json<Snapshot>>>("video")?.map(|Json(snapshot)| snapshot),
            created_at: row.get("created_at")?,
        })
    }
}
