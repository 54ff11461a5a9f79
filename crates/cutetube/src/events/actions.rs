//! What may be known and asked about events, and by whom. Nothing here knows HTTP.

use std::time::Duration;

use catalog::{
    accounts::Role,
    events::{
        self, Event, EventKind, Order, Scope,
        deliveries::{self, Delivery, Destination, Which},
        webhooks::{self, Change, NewWebhook, Secret, Webhook},
    },
    ids::{EventId, UserId, WebhookId},
};
use reqwest::Url;

use super::{courier::channels, network::Border, signature};
use crate::{AppState, accounts::Caller, ambient};

/// Why something about events was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventsError {
    /// It does not exist for the caller.
    #[error("there is no such webhook")]
    NoWebhook,
    /// It does not exist for the caller, or is not kept any more.
    #[error("there is no such event")]
    NoEvent,
    /// The caller's account is one for watching.
    #[error("this account may not have webhooks")]
    NotACreator,
    /// Only administrators hear of everybody's videos.
    #[error("only an administrator may have a webhook for everybody's videos")]
    NotAnAdmin,
    /// There are as many as there may be.
    #[error("there may be {0} webhooks at most: delete one of them first")]
    TooMany(u32),
    /// Nothing is sent to that URL.
    #[error("{0}")]
    Url(String),
    /// Nobody subscribes to tests.
    #[error("`{0}` is only sent when somebody asks for it")]
    Kind(EventKind),
    /// We could not look, or could not write.
    #[error(transparent)]
    Catalog(catalog::Error),
}

/// A webhook, and the secret that is shown this once.
#[derive(Debug)]
pub(super) struct WithSecret {
    pub(super) webhook: Webhook,
    pub(super) secret: Secret,
}

/// Which webhook somebody wants.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) url: String,
    pub(super) kinds: Vec<EventKind>,
    pub(super) hears: Hears,
}

/// Whose videos a webhook hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    /// Its owner's.
    Own,
    /// Everybody's.
    Everybodys,
}

/// Which events are to be delivered again, and where to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplayOrder {
    /// Which events.
    pub(crate) which: Which,
    /// To this webhook only.
    pub(crate) webhook: Option<WebhookId>,
}

/// The longest URL of a webhook.
const MAX_URL: usize = 2000;

pub(super) async fn create(state: &AppState, caller: &Caller, wish: Wish) -> Result<WithSecret, EventsError> {
    if caller.user.role < Role::Creator {
        return Err(EventsError::NotACreator);
    }
    let owner = match wish.hears {
        Hears::Own => Some(caller.user.id),
        Hears::Everybodys if caller.user.role == Role::Admin => None,
        Hears::Everybodys => return Err(EventsError::NotAnAdmin),
    };
    let url = accepted_url(state, &wish.url).await?;
    let secret = signature::secret(&ambient::random());
    let kinds = accepted_kinds(wish.kinds)?;
    let new = NewWebhook { id: ambient::id(WebhookId::new), owner, url, kinds, secret: secret.clone() };
    let webhook = webhooks::create(&state.db, &new).await?;
    let id = webhook.id;
    tracing::info!(webhook.id = %id, user.id = %caller.user.id, "webhook `{id}` was made");
    Ok(WithSecret { webhook, secret })
}

/// The caller's own webhooks; for administrators all.
pub(super) async fn list(state: &AppState, caller: &Caller) -> Result<Vec<Webhook>, EventsError> {
    Ok(webhooks::list(&state.db, scope(caller)).await?)
}

/// A webhook that the caller may manage.
pub(super) async fn webhook(
    state: &AppState,
    caller: &Caller,
    id: WebhookId,
) -> Result<Webhook, EventsError> {
    let found = webhooks::webhook(&state.db, id).await?;
    if may_manage(caller, found.owner) { Ok(found) } else { Err(EventsError::NoWebhook) }
}

pub(super) async fn change(
    state: &AppState,
    caller: &Caller,
    id: WebhookId,
    wanted: Change,
) -> Result<Webhook, EventsError> {
    webhook(state, caller, id).await?;
    let url = match wanted.url {
        Some(url) => Some(accepted_url(state, &url).await?),
        None => None,
    };
    let kinds = wanted.kinds.map(accepted_kinds).transpose()?;
    Ok(webhooks::change(&state.db, id, &Change { url, kinds, ..wanted }).await?)
}

pub(super) async fn delete(state: &AppState, caller: &Caller, id: WebhookId) -> Result<(), EventsError> {
    webhook(state, caller, id).await?;
    Ok(webhooks::delete(&state.db, id).await?)
}

pub(super) async fn rotate(
    state: &AppState,
    caller: &Caller,
    id: WebhookId,
) -> Result<WithSecret, EventsError> {
    webhook(state, caller, id).await?;
    let secret = signature::secret(&ambient::random());
    let overlap = Duration::from_secs(state.config.events.rotation_hours.saturating_mul(3600));
    let webhook = webhooks::rotate(&state.db, id, &secret, overlap).await?;
    Ok(WithSecret { webhook, secret })
}

pub(super) async fn send_test(
    state: &AppState,
    caller: &Caller,
    id: WebhookId,
) -> Result<Event, EventsError> {
    webhook(state, caller, id).await?;
    let failures = channels(state).failures;
    Ok(deliveries::send_test(&state.db, id, caller.user.id, failures).await?)
}

/// What went to a webhook, the newest events first.
pub(super) async fn deliveries_to(
    state: &AppState,
    caller: &Caller,
    id: WebhookId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Delivery>, EventsError> {
    webhook(state, caller, id).await?;
    Ok(deliveries::of_webhook(&state.db, id, before, limit).await?)
}

/// The events of the caller's own videos; for administrators all.
pub(super) async fn page(
    state: &AppState,
    caller: &Caller,
    order: Order,
    after: Option<u64>,
    limit: u32,
) -> Result<Vec<Event>, EventsError> {
    Ok(events::page(&state.db, scope(caller), order, after, limit).await?)
}

/// An event, and those of its deliveries that the caller may know of.
pub(super) async fn event(
    state: &AppState,
    caller: &Caller,
    id: EventId,
) -> Result<(Event, Vec<Delivery>), EventsError> {
    let found = events::event(&state.db, id).await?.filter(|event| caller.may_manage(event.owner));
    let found = found.ok_or(EventsError::NoEvent)?;
    let mut deliveries = deliveries::of_event(&state.db, id).await?;
    deliveries.retain(|delivery| match delivery.destination {
        Destination::Webhook(_) => may_manage(caller, delivery.webhook_owner),
        Destination::Email => true,
        Destination::Amqp | Destination::Cdn => caller.user.role == Role::Admin,
    });
    Ok((found, deliveries))
}

/// Delivers events of the caller's own videos to the caller's own webhooks again; for administrators all to all, the
/// broker included. Answers how many events that are.
pub(super) async fn replay(
    state: &AppState,
    caller: &Caller,
    order: ReplayOrder,
) -> Result<u64, EventsError> {
    if let Some(id) = order.webhook {
        webhook(state, caller, id).await?;
    }
    if let Which::One(id) = order.which {
        event(state, caller, id).await?;
    }
    let (scope, asked_by) = (scope(caller), Some(caller.user.id));
    Ok(deliveries::request_replay(&state.db, scope, order.webhook, order.which, asked_by).await?)
}

/// [`replay`] for whoever sits at the machine.
pub(crate) async fn replay_unasked(state: &AppState, order: ReplayOrder) -> Result<u64, EventsError> {
    Ok(deliveries::request_replay(&state.db, Scope::All, order.webhook, order.which, None).await?)
}

fn scope(caller: &Caller) -> Scope {
    match caller.user.role {
        Role::Admin => Scope::All,
        Role::Creator | Role::Viewer => Scope::Owner(caller.user.id),
    }
}

/// One that hears of everybody's videos is the administrators'.
fn may_manage(caller: &Caller, owner: Option<UserId>) -> bool {
    match owner {
        Some(owner) => caller.may_manage(owner),
        None => caller.user.role == Role::Admin,
    }
}

/// In the form that is requested later.
async fn accepted_url(state: &AppState, typed: &str) -> Result<String, EventsError> {
    if typed.len() > MAX_URL {
        return Err(EventsError::Url(format!("a URL has at most {MAX_URL} bytes")));
    }
    let url: Url = typed
        .parse()
        .map_err(|_| EventsError::Url("this is no URL like `https://example.org/hook`".into()))?;
    let border = Border::new(&state.config.events.allow_private_networks);
    border.judge(&url).await.map_err(|refused| EventsError::Url(refused.to_string()))?;
    Ok(url.into())
}

fn accepted_kinds(mut kinds: Vec<EventKind>) -> Result<Vec<EventKind>, EventsError> {
    if kinds.contains(&EventKind::Test) {
        return Err(EventsError::Kind(EventKind::Test));
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

impl From<catalog::Error> for EventsError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NoWebhook(_) => Self::NoWebhook,
            catalog::Error::NoEvent(_) => Self::NoEvent,
            catalog::Error::TooManyWebhooks(most) => Self::TooMany(most),
            error => Self::Catalog(error),
        }
    }
}
