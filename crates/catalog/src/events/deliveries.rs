//! Events on their way: to whom, how often it was tried, and what came of it.

use std::{fmt, str::FromStr, time::Duration};

use db::{ColumnError, Db, FromColumn, Json, Timestamp, ToColumn, Tx};
use jobs::{DeadJob, Lease, NewJob, Retried};
use serde::{Deserialize, Serialize};

use super::{
    DeliverJob, Errand, Event, EventKind, ReplayJob, Scope, append,
    webhooks::{self, Secret, Webhook},
};
use crate::{
    Error, Result,
    ids::{EventId, UserId, WebhookId},
    names::{Email, PersonName},
};

/// Where an event goes. Its text form is `webhook:ID`, `email`, `amqp` or `cdn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Destination {
    /// To a webhook.
    Webhook(WebhookId),
    /// To the address of the video's owner.
    Email,
    /// To the message broker.
    Amqp,
    /// To whoever makes a CDN forget.
    Cdn,
}

db::text_enum! {
    /// How far a delivery is.
    pub enum DeliveryState {
        /// It is tried, now or later.
        Pending = "pending",
        /// It has arrived.
        Delivered = "delivered",
        /// It was given up.
        Dead = "dead",
        /// Nobody wants it any more.
        Skipped = "skipped",
    }
}

/// One event on its way to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event's number.
    pub event_seq: u64,
    /// The event's id.
    pub event: EventId,
    /// What happened.
    pub kind: EventKind,
    /// Where to.
    pub destination: Destination,
    /// Whose webhook it is; absent for other destinations and for webhooks of nobody.
    pub webhook_owner: Option<UserId>,
    /// How far it is.
    pub state: DeliveryState,
    /// What came of each attempt, the oldest first.
    pub attempts: Vec<Attempt>,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was recorded, in microseconds since 1970, by the database's clock.
    #[serde(default)]
    pub at: i64,
    /// How long it took.
    pub duration_ms: u64,
    /// The status that a webhook or a mail server answered.
    pub status: Option<u16>,
    /// Why it failed: a sentence.
    pub error: Option<String>,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has arrived.
    Delivered,
    /// It is tried again after this time, unless it was the last time.
    Again(Duration),
    /// It will not arrive, however often it is tried.
    Hopeless,
    /// The receiver wants to hear no more: the webhook is disabled.
    Gone,
}

/// Which destinations there are beside webhooks, and how often one may fail.
#[derive(Debug, Clone)]
pub struct Channels {
    /// What is sent to the video's owner by e-mail.
    pub email: Vec<EventKind>,
    /// Whether there is a message broker.
    pub amqp: bool,
    /// Whether a CDN is told of deletions.
    pub cdn: bool,
    /// How often a delivery may fail before it is given up.
    pub failures: u32,
}

/// What a delivery has to do.
#[derive(Debug, Clone)]
pub enum Opening {
    /// Send this event there.
    Send(Box<Event>, Recipient),
    /// Nothing, for this reason.
    Skip(&'static str),
}

/// To whom exactly.
#[derive(Debug, Clone)]
pub enum Recipient {
    /// A URL, and what to sign with: each of them.
    Webhook {
        /// Where to.
        url: String,
        /// The secret, and the one before it while that still counts.
        secrets: Vec<Secret>,
    },
    /// A person.
    Email {
        /// Where to.
        address: Email,
        /// How they are called.
        first_name: PersonName,
    },
    /// The broker.
    Amqp,
    /// The CDN.
    Cdn,
}

/// Which events are to be delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(EventId),
    /// All since then.
    Since(Timestamp),
}

/// Attempts kept of one delivery.
const KEPT: usize = 60;

/// Bounds one transaction of a replay.
const AT_ONCE: u32 = 50;

/// Gives every destination of an event a job of its own, and ends the job that asked for it. Answers how many.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn announce(db: &Db, lease: &Lease, seq: u64, channels: &Channels) -> Result<usize> {
    let mut tx = db.begin().await?;
    jobs::settle(&mut tx, lease).await?;
    let mut jobs = Vec::new();
    if let Some(event) = tx.query(BY_SEQ).bind(seq).first::<Event>().await? {
        let mut destinations = hooks(&mut tx, &event).await?;
        destinations.extend(channels.email.contains(&event.kind).then_some(Stop::EMAIL));
        destinations.extend(channels.amqp.then_some(Stop::AMQP));
        destinations.extend((channels.cdn && event.kind == EventKind::Deleted).then_some(Stop::CDN));
        jobs = begin(&mut tx, &event, &destinations, channels).await?;
    }
    let count = jobs.len();
    jobs::enqueue_all(&mut tx, jobs).await?;
    tx.commit().await?;
    Ok(count)
}

/// Asks for events to be delivered again: to one webhook, or to all of a scope and then also to the broker. Mails are
/// not sent again. Answers how many events that are.
///
/// # Errors
/// [`Error::NoEvent`], [`Error::NoWebhook`].
pub async fn request_replay(
    db: &Db,
    scope: Scope,
    webhook: Option<WebhookId>,
    which: Which,
    asked_by: Option<UserId>,
) -> Result<u64> {
    let scope = match webhook {
        Some(id) => webhooks::webhook(db, id).await?.owner.map_or(scope, Scope::Owner),
        None => scope,
    };
    let owner = match scope {
        Scope::Owner(owner) => Some(owner),
        Scope::All => None,
    };
    let mut tx = db.begin().await?;
    let Span { after, until } = match which {
        Which::One(id) => {
            let event: Event = tx.query(BY_ID).bind(id).first().await?.ok_or(Error::NoEvent(id))?;
            Span { after: event.seq.saturating_sub(1), until: event.seq }
        }
        Which::Since(since) => tx.query(SINCE).bind(since).one().await?,
    };
    let count: u64 = match owner {
        Some(owner) => tx.query(COUNT_OF_OWNER).bind(after).bind(until).bind(owner).value().await?,
        None => tx.query(COUNT).bind(after).bind(until).value().await?,
    };
    if count > 0 {
        let job = ReplayJob { after, until, owner, webhook };
        jobs::enqueue(&mut tx, job.into_job(asked_by)).await?;
    }
    tx.commit().await?;
    Ok(count)
}

/// Does some of a replay, and enqueues the rest of it.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn replay(
    db: &Db,
    lease: &Lease,
    job: &ReplayJob,
    asked_by: Option<UserId>,
    channels: &Channels,
) -> Result<()> {
    let mut tx = db.begin().await?;
    jobs::settle(&mut tx, lease).await?;
    let query = match job.owner {
        Some(_) => tx.query(SPAN_OF_OWNER),
        None => tx.query(SPAN),
    };
    let query = query.bind(job.after).bind(job.until).bind(AT_ONCE);
    let events: Vec<Event> = match job.owner {
        Some(owner) => query.bind(owner).all().await?,
        None => query.all().await?,
    };
    let mut jobs = Vec::new();
    for event in &events {
        let mut destinations = hooks(&mut tx, event).await?;
        destinations.extend((channels.amqp && job.owner.is_none()).then_some(Stop::AMQP));
        match (job.webhook, job.owner) {
            (Some(only), _) => destinations.retain(|stop| stop.destination == Destination::Webhook(only)),
            (None, Some(owner)) => destinations.retain(|stop| stop.webhook_owner == Some(owner)),
            (None, None) => {}
        }
        let begun = begin(&mut tx, event, &destinations, channels).await?;
        jobs.extend(begun.into_iter().map(|job| job.priority(super::errands::AGAIN)));
    }
    if let Some(last) = events.last().filter(|last| last.seq < job.until) {
        jobs.push(ReplayJob { after: last.seq, ..job.clone() }.into_job(asked_by));
    }
    jobs::enqueue_all(&mut tx, jobs).await?;
    tx.commit().await?;
    Ok(())
}

/// Sends one webhook an event that says nothing, whatever else it asks for. It is logged in the name of `asked_by`.
///
/// # Errors
/// [`Error::NoWebhook`].
pub async fn send_test(db: &Db, webhook: WebhookId, asked_by: UserId, failures: u32) -> Result<Event> {
    let hook = webhooks::webhook(db, webhook).await?;
    let mut tx = db.begin().await?;
    let seq = append(&mut tx, EventKind::Test, hook.owner.unwrap_or(asked_by), webhook.uuid(), None).await?;
    let event: Event = tx.query(BY_SEQ).bind(seq).one().await?;
    let channels = Channels { email: Vec::new(), amqp: false, cdn: false, failures };
    let jobs = begin(&mut tx, &event, &[Stop::webhook(&hook)], &channels).await?;
    jobs::enqueue_all(&mut tx, jobs).await?;
    tx.commit().await?;
    Ok(event)
}

/// Looks up what a delivery has to do now.
///
/// # Errors
/// Those of the database.
pub async fn open(db: &Db, job: &DeliverJob) -> Result<Opening> {
    let run: Option<u64> = db.read(RUN).bind(job.event).bind(job.destination).first_value().await?;
    if run != Some(job.run) {
        return Ok(Opening::Skip("it is being delivered anew, or is not kept any more"));
    }
    let Some(event) = db.read(BY_SEQ).bind(job.event).first::<Event>().await? else {
        return Ok(Opening::Skip("the event is not kept any more"));
    };
    let recipient = match job.destination {
        Destination::Amqp => Recipient::Amqp,
        Destination::Cdn => Recipient::Cdn,
        Destination::Email => match crate::notices::who_wants(db, event.owner, event.kind).await? {
            Ok(user) => Recipient::Email { address: user.email, first_name: user.first_name },
            Err(reason) => return Ok(Opening::Skip(reason)),
        },
        Destination::Webhook(id) => match webhooks::target(db, id).await? {
            Some(target) if target.enabled => Recipient::Webhook {
                url: target.url,
                secrets: std::iter::once(target.secret).chain(target.previous).collect(),
            },
            Some(_) => return Ok(Opening::Skip("the webhook is disabled")),
            None => return Ok(Opening::Skip("the webhook is gone")),
        },
    };
    Ok(Opening::Send(Box::new(event), recipient))
}

/// Records what came of an attempt, and ends or returns the job with it.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn record(
    db: &Db,
    lease: &Lease,
    job: &DeliverJob,
    attempt: Attempt,
    verdict: Verdict,
) -> Result<DeliveryState> {
    let mut tx = db.begin().await?;
    let error = attempt.error.clone().unwrap_or_default();
    let (state, wait) = match verdict {
        Verdict::Delivered => {
            jobs::settle(&mut tx, lease).await?;
            (DeliveryState::Delivered, None)
        }
        Verdict::Again(delay) => match jobs::retry(&mut tx, lease, &error, delay).await? {
            Retried::Later => (DeliveryState::Pending, Some(delay)),
            Retried::Dead(_) => (DeliveryState::Dead, None),
        },
        Verdict::Hopeless => {
            jobs::fail(&mut tx, lease, &error).await?;
            (DeliveryState::Dead, None)
        }
        Verdict::Gone => {
            jobs::settle(&mut tx, lease).await?;
            (DeliveryState::Dead, None)
        }
    };
    add_attempt(&mut tx, job, attempt, state, wait).await?;
    if let (Verdict::Gone, Destination::Webhook(id)) = (verdict, job.destination) {
        webhooks::disable(&mut tx, id, &error).await?;
    }
    tx.commit().await?;
    Ok(state)
}

/// Ends a job that has nothing to do. The delivery it was for, if it is still that one, is skipped.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn skip(db: &Db, lease: &Lease, job: &DeliverJob, reason: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    jobs::settle(&mut tx, lease).await?;
    add_attempt(&mut tx, job, Attempt::none(reason), DeliveryState::Skipped, None).await?;
    tx.commit().await?;
    Ok(())
}

/// The deliveries of one event.
///
/// # Errors
/// Those of the database.
pub async fn of_event(db: &Db, event: EventId) -> Result<Vec<Delivery>> {
    Ok(db.read(OF_EVENT).bind(event).all().await?)
}

/// Up to `limit` deliveries to one webhook, of the newest events first, before the event numbered `before`.
///
/// # Errors
/// Those of the database.
pub async fn of_webhook(
    db: &Db,
    webhook: WebhookId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Delivery>> {
    let before = before.unwrap_or(super::LAST).min(super::LAST);
    Ok(db.read(OF_WEBHOOK).bind(webhook).bind(before).bind(limit).all().await?)
}

/// What the death of a job that only workers' ends have killed means for its delivery.
pub(crate) async fn bury(tx: &mut Tx, dead: &DeadJob) -> Result<()> {
    end_without_attempt(tx, &dead.kind, &dead.payload, DeliveryState::Dead, &dead.error).await
}

/// What it means for its delivery that somebody cancelled a job.
pub(crate) async fn cancelled(tx: &mut Tx, kind: &str, payload: &str) -> Result<()> {
    end_without_attempt(tx, kind, payload, DeliveryState::Skipped, "an administrator stopped it").await
}

/// Does nothing for jobs that deliver nothing.
async fn end_without_attempt(
    tx: &mut Tx,
    kind: &str,
    payload: &str,
    state: DeliveryState,
    reason: &str,
) -> Result<()> {
    if let Ok(Errand::Deliver(job)) = Errand::parse(kind, payload) {
        add_attempt(tx, &job, Attempt::none(reason), state, None).await?;
    }
    Ok(())
}

impl Attempt {
    /// Nothing was sent, for this reason.
    fn none(reason: &str) -> Self {
        Self { at: 0, duration_ms: 0, status: None, error: Some(reason.to_owned()) }
    }
}

/// Where a delivery goes, and in whose share of the queue.
#[derive(Debug, Clone, Copy)]
struct Stop {
    destination: Destination,
    webhook_owner: Option<UserId>,
}

impl Stop {
    const EMAIL: Self = Self { destination: Destination::Email, webhook_owner: None };
    const AMQP: Self = Self { destination: Destination::Amqp, webhook_owner: None };
    const CDN: Self = Self { destination: Destination::Cdn, webhook_owner: None };

    fn webhook(webhook: &Webhook) -> Self {
        Self { destination: Destination::Webhook(webhook.id), webhook_owner: webhook.owner }
    }

    /// Who chose the receiver shares the slots with others who did: one that is slow delays its owner's only.
    fn share(&self) -> String {
        match self.webhook_owner {
            Some(owner) => format!("webhooks:{owner}"),
            None => self.destination.to_string(),
        }
    }
}

/// The webhooks that want to hear of an event. A test goes where it was sent and nowhere else.
async fn hooks(tx: &mut Tx, event: &Event) -> Result<Vec<Stop>> {
    Ok(webhooks::listening(tx, event.owner, event.kind).await?.iter().map(Stop::webhook).collect())
}

/// Begins a run of each delivery, and answers their jobs.
async fn begin(tx: &mut Tx, event: &Event, stops: &[Stop], channels: &Channels) -> Result<Vec<NewJob>> {
    let mut jobs = Vec::new();
    for stop in stops {
        let destination = stop.destination;
        let webhook = match destination {
            Destination::Webhook(id) => Some(id),
            Destination::Email | Destination::Amqp | Destination::Cdn => None,
        };
        let run = tx.query(BEGIN).bind(event.seq).bind(destination).bind(webhook).value().await?;
        let job = DeliverJob { event: event.seq, destination, run };
        jobs.push(job.into_job(stop.share(), channels.failures));
    }
    Ok(jobs)
}

/// A delivery that is not kept any more, or has a newer run, stays as it is.
async fn add_attempt(
    tx: &mut Tx,
    job: &DeliverJob,
    attempt: Attempt,
    state: DeliveryState,
    wait: Option<Duration>,
) -> Result<()> {
    let row = tx.query(LOCK_ATTEMPTS).bind(job.event).bind(job.destination).bind(job.run);
    let Some(Json(mut attempts)) = row.first_value::<Json<Vec<Attempt>>>().await? else { return Ok(()) };
    let at = tx.now().await?.unix_micros();
    attempts.push(Attempt { at, ..attempt });
    let kept = attempts.split_off(attempts.len().saturating_sub(KEPT));
    tx.query(SET_STATE)
        .bind(job.event)
        .bind(job.destination)
        .bind(state)
        .bind(Json(kept))
        .bind(wait)
        .execute()
        .await?;
    Ok(())
}

db::statements! {
    BY_SEQ { "SELECT seq, id, kind, owner_id, video, created_at FROM events WHERE seq = $1" }
    BY_ID { "SELECT seq, id, kind, owner_id, video, created_at FROM events WHERE id = $1" }
    BEGIN {
        "INSERT INTO deliveries (event_seq, destination, webhook_id, run, state, attempts, created_at)
         VALUES ($1, $2, $3, 1, 'pending', '[]', " NOW ")
         ON CONFLICT (event_seq, destination) DO UPDATE SET run = deliveries.run + 1, state = 'pending',
             next_at = NULL, finished_at = NULL
         RETURNING run"
    }
    RUN { "SELECT run FROM deliveries WHERE event_seq = $1 AND destination = $2" }
    LOCK_ATTEMPTS {
        "SELECT attempts FROM deliveries WHERE event_seq = $1 AND destination = $2 AND run = $3" FOR_UPDATE
    }
    SET_STATE {
        "UPDATE deliveries SET state = $3, attempts = $4, next_at = " NOW " + CAST($5 AS BIGINT),
             finished_at = CASE WHEN $3 = 'pending' THEN NULL ELSE " NOW " END
         WHERE event_seq = $1 AND destination = $2"
    }
    SINCE {
        "SELECT CAST(COALESCE(min(seq) - 1, 0) AS BIGINT) AS after, CAST(COALESCE(max(seq), 0) AS BIGINT) AS until
         FROM events WHERE created_at >= $1"
    }
    COUNT { "SELECT count(*) FROM events WHERE seq > $1 AND seq <= $2 AND kind <> 'webhook.test'" }
    COUNT_OF_OWNER {
        "SELECT count(*) FROM events WHERE seq > $1 AND seq <= $2 AND kind <> 'webhook.test' AND owner_id = $3"
    }
    SPAN {
        "SELECT seq, id, kind, owner_id, video, created_at FROM events
         WHERE seq > $1 AND seq <= $2 AND kind <> 'webhook.test' ORDER BY seq LIMIT $3"
    }
    SPAN_OF_OWNER {
        "SELECT seq, id, kind, owner_id, video, created_at FROM events
         WHERE seq > $1 AND seq <= $2 AND kind <> 'webhook.test' AND owner_id = $4 ORDER BY seq LIMIT $3"
    }
    OF_EVENT {
        "SELECT event_seq, events.id AS event_id, events.kind, destination, webhooks.owner_id AS webhook_owner, state,
             attempts, next_at
         FROM deliveries JOIN events ON events.seq = event_seq LEFT JOIN webhooks ON webhooks.id = webhook_id
         WHERE events.id = $1 ORDER BY destination"
    }
    OF_WEBHOOK {
        "SELECT event_seq, events.id AS event_id, events.kind, destination, webhooks.owner_id AS webhook_owner, state,
             attempts, next_at
         FROM deliveries JOIN events ON events.seq = event_seq JOIN webhooks ON webhooks.id = webhook_id
         WHERE webhook_id = $1 AND event_seq < $2 ORDER BY event_seq DESC LIMIT $3"
    }
}

db::row! {
    struct Span { after: u64, until: u64 }
}

impl db::FromRow for Delivery {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            event_seq: row.get("event_seq")?,
            event: row.get("event_id")?,
            kind: row.get("kind")?,
            destination: row.get("destination")?,
            webhook_owner: row.get("webhook_owner")?,
            state: row.get("state")?,
            attempts: row.get::<Json<_>>("attempts")?.0,
            next_at: row.get("next_at")?,
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(id) => write!(formatter, "webhook:{id}"),
            Self::Email => formatter.write_str("email"),
            Self::Amqp => formatter.write_str("amqp"),
            Self::Cdn => formatter.write_str("cdn"),
        }
    }
}

impl FromStr for Destination {
    type Err = ColumnError;

    fn from_str(text: &str) -> Result<Self, ColumnError> {
        let webhook = || text.strip_prefix("webhook:")?.parse().ok().map(Self::Webhook);
        match text {
            "email" => Ok(Self::Email),
            "amqp" => Ok(Self::Amqp),
            "cdn" => Ok(Self::Cdn),
            _ => webhook().ok_or_else(|| ColumnError(format!("`{text}` is no destination"))),
        }
    }
}

impl TryFrom<String> for Destination {
    type Error = ColumnError;

    fn try_from(text: String) -> Result<Self, ColumnError> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

impl ToColumn for Destination {
    type Stored = String;

    fn to_stored(&self) -> Result<String, ColumnError> {
        Ok(self.to_string())
    }
}

impl FromColumn for Destination {
    type Stored = String;

    fn from_stored(stored: String) -> Result<Self, ColumnError> {
        stored.parse()
    }
}
