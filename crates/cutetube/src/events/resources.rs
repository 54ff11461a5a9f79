//! Webhooks, events and deliveries as `/api/v5` shows them.

use catalog::events::{
    Event, EventKind,
    deliveries::{Attempt, Delivery, Destination},
    webhooks::Webhook,
};
use db::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    actions::{Hears, WithSecret},
    message::Message,
};
use crate::config::Config;

/// What making a webhook takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhookRequest {
    /// `http` or `https`, and inside the public Internet unless the server allows more.
    #[schema(max_length = 2000, format = "uri", example = "https://example.org/hooks/videos")]
    pub(super) url: String,
    /// Which events; an empty list is all.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["video.ready", "video.failed"]))]
    pub(super) events: Vec<EventKind>,
    /// Whose videos it hears of: `own`, or `all` for administrators.
    #[serde(default)]
    pub(super) scope: ScopeName,
}

/// What can be changed about a webhook; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookChange {
    #[schema(max_length = 2000, format = "uri", example = "https://example.org/hooks/videos")]
    pub(super) url: Option<String>,
    /// Which events; an empty list is all.
    #[schema(value_type = Option<Vec<String>>, example = json!(["video.ready"]))]
    pub(super) events: Option<Vec<EventKind>>,
    /// Whether it is sent anything.
    #[schema(example = true)]
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScopeName {
    #[default]
    Own,
    All,
}

/// Which events are to be delivered again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayRequest {
    /// All since then: milliseconds since 1970.
    #[schema(example = 1_767_225_600_000_i64)]
    pub(super) since_ms: i64,
    /// To this webhook only.
    #[schema(format = "uuid", example = "0190a0b0-5b7e-7c3a-9d2f-3f6a1c2b4d5e")]
    pub(super) webhook: Option<String>,
}

/// Where an event is to be delivered again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayOneRequest {
    /// To this webhook only.
    #[schema(format = "uuid", example = "0190a0b0-5b7e-7c3a-9d2f-3f6a1c2b4d5e")]
    pub(super) webhook: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayStarted {
    /// How many events are delivered again, one after the other.
    pub(super) events: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookResource {
    #[schema(format = "uuid")]
    id: String,
    /// Whose it is; null for one that hears of everybody's videos.
    #[schema(format = "uuid")]
    owner: Option<String>,
    scope: ScopeName,
    url: String,
    /// Which events; an empty list is all.
    #[schema(value_type = Vec<String>)]
    events: Vec<EventKind>,
    enabled: bool,
    /// Why it was disabled, unless somebody asked for it.
    disabled_reason: Option<String>,
    /// Until when the secret before this one is signed with, too: milliseconds since 1970.
    previous_secret_until_ms: Option<i64>,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    /// Milliseconds since 1970.
    updated_at_ms: i64,
}

/// A webhook with its secret, which is not shown again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: WebhookResource,
    /// What its events are signed with, as Standard Webhooks writes it.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookList {
    pub(super) webhooks: Vec<WebhookResource>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventList {
    pub(super) events: Vec<Message>,
    /// What to ask for next; null at the end, newest first.
    pub(super) next: Option<String>,
}

/// An event and what came of bringing it to where it is wanted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventResource {
    #[serde(flatten)]
    event: Message,
    deliveries: Vec<DeliveryResource>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryList {
    pub(super) deliveries: Vec<DeliveryResource>,
    /// What to ask for next; null at the end.
    pub(super) next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryResource {
    #[schema(format = "uuid")]
    event: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: EventKind,
    /// `webhook`, `email`, `amqp` or `cdn`.
    destination: &'static str,
    #[schema(format = "uuid")]
    webhook: Option<String>,
    /// `pending`, `delivered`, `dead` or `skipped`.
    state: &'static str,
    /// What came of each attempt, the oldest first.
    attempts: Vec<AttemptResource>,
    /// When it is tried again: milliseconds since 1970.
    next_attempt_at_ms: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AttemptResource {
    /// When it ended: milliseconds since 1970.
    at_ms: i64,
    duration_ms: u64,
    /// What the receiver answered.
    status: Option<u16>,
    /// Why it failed.
    error: Option<String>,
}

impl ScopeName {
    pub(super) fn hears(self) -> Hears {
        match self {
            Self::Own => Hears::Own,
            Self::All => Hears::Everybodys,
        }
    }
}

impl From<Webhook> for WebhookResource {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            owner: webhook.owner.map(|owner| owner.to_string()),
            scope: if webhook.owner.is_some() { ScopeName::Own } else { ScopeName::All },
            url: webhook.url,
            events: webhook.kinds,
            enabled: webhook.enabled,
            disabled_reason: webhook.disabled_reason,
            previous_secret_until_ms: webhook.previous_until.map(Timestamp::unix_millis),
            created_at_ms: webhook.created_at.unix_millis(),
            updated_at_ms: webhook.updated_at.unix_millis(),
        }
    }
}

impl From<WithSecret> for WebhookWithSecret {
    fn from(WithSecret { webhook, secret }: WithSecret) -> Self {
        Self { webhook: webhook.into(), secret: secret.0 }
    }
}

impl EventResource {
    pub(super) fn new(event: &Event, deliveries: Vec<Delivery>, config: &Config) -> Self {
        let deliveries = deliveries.into_iter().map(DeliveryResource::from).collect();
        Self { event: Message::new(event, config), deliveries }
    }
}

impl From<Delivery> for DeliveryResource {
    fn from(delivery: Delivery) -> Self {
        let (destination, webhook) = match delivery.destination {
            Destination::Webhook(id) => ("webhook", Some(id.to_string())),
            Destination::Email => ("email", None),
            Destination::Amqp => ("amqp", None),
            Destination::Cdn => ("cdn", None),
        };
        Self {
            event: delivery.event.to_string(),
            kind: delivery.kind,
            destination,
            webhook,
            state: delivery.state.as_str(),
            attempts: delivery.attempts.into_iter().map(AttemptResource::from).collect(),
            next_attempt_at_ms: delivery.next_at.map(Timestamp::unix_millis),
        }
    }
}

impl From<Attempt> for AttemptResource {
    fn from(attempt: Attempt) -> Self {
        let Attempt { at, duration_ms, status, error } = attempt;
        Self { at_ms: at.div_euclid(1000), duration_ms, status, error }
    }
}
