//! The jobs that take events to where they are wanted, as typed data.

use jobs::NewJob;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::deliveries::Destination;
use crate::{
    Error, Result,
    ids::{UserId, WebhookId},
    letters::Letter,
    notices::Notice,
};

/// The queue of everything that carries events. Its own, so that no event waits for a chunk and no chunk for a receiver.
pub const QUEUE: &str = "events";

/// One job of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Find out who wants to hear of an event.
    Announce(AnnounceJob),
    /// Bring an event to one destination.
    Deliver(DeliverJob),
    /// Bring old events to their destinations again.
    Replay(ReplayJob),
    /// Send a letter to somebody about their account.
    Letter(Letter),
    /// Tell somebody what happened around them.
    Notice(Notice),
}

/// Find out who wants to hear of an event, with [`announce`](super::deliveries::announce).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceJob {
    /// The event's number.
    pub event: u64,
}

/// Bring an event to one destination, and [`record`](super::deliveries::record) what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverJob {
    /// The event's number.
    pub event: u64,
    /// Where to.
    pub destination: Destination,
    /// The run of the delivery that it is for.
    pub run: u64,
}

/// Bring old events to their destinations again, some at a time, with [`replay`](super::deliveries::replay).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayJob {
    /// The events with numbers above this one.
    pub after: u64,
    /// The number of the last one.
    pub until: u64,
    /// To the webhooks of this person, and of their events only; for all to everybody's and to the broker.
    pub owner: Option<UserId>,
    /// To this webhook only.
    pub webhook: Option<WebhookId>,
}

/// Workers that vanish are forgiven this often; receivers that fail have a limit of their own.
const ATTEMPTS: u32 = 100;

/// What is sent again lets what is new go first.
pub(super) const AGAIN: i64 = -100;

impl Errand {
    /// What a claimed job asks for.
    ///
    /// # Errors
    /// [`Error::UnknownWork`] when another version of the program enqueued something else.
    pub fn of(job: &jobs::Job) -> Result<Self> {
        Self::parse(&job.kind, &job.payload)
    }

    pub(crate) fn parse(kind: &str, payload: &str) -> Result<Self> {
        match kind {
            "announce" => parse(kind, payload).map(Self::Announce),
            "deliver" => parse(kind, payload).map(Self::Deliver),
            "replay" => parse(kind, payload).map(Self::Replay),
            LETTER => parse(kind, payload).map(Self::Letter),
            NOTICE => parse(kind, payload).map(Self::Notice),
            _ => {
                Err(Error::UnknownWork { kind: kind.to_owned(), reason: "there is no such kind".to_owned() })
            }
        }
    }
}

impl AnnounceJob {
    pub(crate) fn into_job(self, owner: UserId) -> NewJob {
        let key = format!("announce:{}", self.event);
        job("announce", &self, owner.to_string()).dedup_key(key)
    }
}

impl DeliverJob {
    /// In this share of the queue, for a receiver that may fail so often.
    pub(crate) fn into_job(self, share: String, failures: u32) -> NewJob {
        let key = format!("deliver:{}:{}:{}", self.event, self.destination, self.run);
        job("deliver", &self, share).max_failures(failures).dedup_key(key)
    }
}

impl ReplayJob {
    /// Without a key: the same replay may be wanted twice.
    pub(crate) fn into_job(self, asked_by: Option<UserId>) -> NewJob {
        let share = asked_by.map(|owner| owner.to_string()).unwrap_or_default();
        job("replay", &self, share).priority(AGAIN)
    }
}

impl Letter {
    /// Before whatever nobody waits for. All letters share one share of the slots, since one server takes them all.
    pub(crate) fn into_job(self) -> NewJob {
        job(LETTER, &self, LETTER.to_owned()).priority(SOON).max_failures(LETTER_FAILURES)
    }
}

impl Notice {
    /// After letters that somebody waits for.
    pub(crate) fn into_job(self) -> NewJob {
        job(NOTICE, &self, LETTER.to_owned()).max_failures(LETTER_FAILURES)
    }
}

const LETTER: &str = "letter";
const NOTICE: &str = "notice";

/// Somebody looks at an empty mailbox.
const SOON: i64 = 100;

/// Until a letter is of no use any more, at the usual waits between attempts.
const LETTER_FAILURES: u32 = 8;

/// A job in this share of the queue; an empty one is the system's.
fn job(kind: &str, payload: &impl Serialize, share: String) -> NewJob {
    let payload = serde_json::to_value(payload).expect("structs of ids and numbers are always JSON");
    NewJob::new(QUEUE, kind, &payload).owner(share).max_attempts(ATTEMPTS).max_failures(ATTEMPTS)
}

fn parse<T: DeserializeOwned>(kind: &str, payload: &str) -> Result<T> {
    serde_json::from_str(payload)
        .map_err(|error| Error::UnknownWork { kind: kind.to_owned(), reason: error.to_string() })
}
