//! `/api/v5/webhooks/…` and `/api/v5/events/…`.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use catalog::{
    events::{Order, deliveries::Which, webhooks::Change},
    ids::WebhookId,
};
use db::Timestamp;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    actions::{self, EventsError, ReplayOrder, Wish},
    message::Message,
    resources::{
        DeliveryList, DeliveryResource, EventList, EventResource, NewWebhookRequest, ReplayOneRequest,
        ReplayRequest, ReplayStarted, WebhookChange, WebhookList, WebhookResource, WebhookWithSecret,
    },
};
use crate::{
    AppState,
    accounts::{Caller, Manager, Reader},
    http::{Body, Problem},
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(webhook, change, delete))
        .routes(routes!(rotate))
        .routes(routes!(send_test))
        .routes(routes!(deliveries_to))
        .routes(routes!(events))
        .routes(routes!(replay))
        .routes(routes!(event))
        .routes(routes!(replay_one))
}

/// Make a webhook: a URL that events are posted to, signed as Standard Webhooks says.
///
/// Whoever may upload; for `scope` `all` administrators. The secret is in this answer and in no other.
#[utoipa::path(
    post, path = "/api/v5/webhooks", tag = "events", security(("bearer" = ["manage"])), request_body = NewWebhookRequest,
    responses(
        (status = 201, description = "It is made, and enabled", body = WebhookWithSecret),
        (status = 400, description = "The body is no JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller may not have this webhook", body = Problem),
        (status = 409, description = "There are as many as there may be", body = Problem),
        (status = 415, description = "The body is not declared as JSON", body = Problem),
        (status = 422, description = "Nothing is sent to this URL, or a field cannot be understood", body = Problem),
    )
)]
async fn create(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Body(body): Body<NewWebhookRequest>,
) -> Result<(StatusCode, Json<WebhookWithSecret>), Problem> {
    let wish = Wish { url: body.url, kinds: body.events, hears: body.scope.hears() };
    let made = actions::create(&state, &caller, wish).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// The caller's webhooks; for administrators all. The oldest first.
///
/// Whoever is signed in.
#[utoipa::path(
    get, path = "/api/v5/webhooks", tag = "events", security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "Without their secrets", body = WebhookList),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
    )
)]
async fn list(State(state): State<AppState>, Reader(caller): Reader) -> Result<Json<WebhookList>, Problem> {
    let webhooks = actions::list(&state, &caller).await?;
    Ok(Json(WebhookList { webhooks: webhooks.into_iter().map(WebhookResource::from).collect() }))
}

/// A webhook.
///
/// Its owner and administrators.
#[utoipa::path(
    get, path = "/api/v5/webhooks/{id}", tag = "events", security(("bearer" = ["read"])), params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "Without its secret", body = WebhookResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such webhook for this caller", body = Problem),
    )
)]
async fn webhook(
    State(state): State<AppState>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<Json<WebhookResource>, Problem> {
    Ok(Json(actions::webhook(&state, &caller, webhook_id(&id)?).await?.into()))
}

/// Change a webhook, disable it, or enable it again.
///
/// Its owner and administrators. What is absent stays as it is.
#[utoipa::path(
    patch, path = "/api/v5/webhooks/{id}", tag = "events", security(("bearer" = ["manage"])), params(("id" = String, Path, description = "As the list has it")),
    request_body = WebhookChange,
    responses(
        (status = 200, description = "As it is now", body = WebhookResource),
        (status = 400, description = "The body is no JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such webhook for this caller", body = Problem),
        (status = 415, description = "The body is not declared as JSON", body = Problem),
        (status = 422, description = "Nothing is sent to this URL, or a field cannot be understood", body = Problem),
    )
)]
async fn change(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
    Body(WebhookChange { url, events, enabled }): Body<WebhookChange>,
) -> Result<Json<WebhookResource>, Problem> {
    let wanted = Change { url, kinds: events, enabled };
    Ok(Json(actions::change(&state, &caller, webhook_id(&id)?, wanted).await?.into()))
}

/// Delete a webhook, and what is known of its deliveries.
///
/// Its owner and administrators.
#[utoipa::path(
    delete, path = "/api/v5/webhooks/{id}", tag = "events", security(("bearer" = ["manage"])), params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such webhook for this caller", body = Problem),
    )
)]
async fn delete(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actions::delete(&state, &caller, webhook_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook a new secret. For a while its events are signed with both.
///
/// Its owner and administrators. The secret is in this answer and in no other.
#[utoipa::path(
    post, path = "/api/v5/webhooks/{id}/rotate", tag = "events", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "With the new secret", body = WebhookWithSecret),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such webhook for this caller", body = Problem),
    )
)]
async fn rotate(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<Json<WebhookWithSecret>, Problem> {
    Ok(Json(actions::rotate(&state, &caller, webhook_id(&id)?).await?.into()))
}

/// Send a webhook an event of type `webhook.test`.
///
/// Its owner and administrators. What came of it is among its deliveries.
#[utoipa::path(
    post, path = "/api/v5/webhooks/{id}/test", tag = "events", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 202, description = "It is on its way", body = Message),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such webhook for this caller", body = Problem),
    )
)]
async fn send_test(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Message>), Problem> {
    let event = actions::send_test(&state, &caller, webhook_id(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(Message::new(&event, &state.config))))
}

/// What went to a webhook, and what came of each attempt. The newest events first.
///
/// Its owner and administrators.
#[utoipa::path(
    get, path = "/api/v5/webhooks/{id}/deliveries", tag = "events", security(("bearer" = ["read"])),
    params(
        ("id" = String, Path, description = "As the list has it"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 if it is not said", example = 20),
    ),
    responses(
        (status = 200, description = "A page", body = DeliveryList),
        (status = 400, description = "A parameter cannot be understood", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such webhook for this caller", body = Problem),
    )
)]
async fn deliveries_to(
    State(state): State<AppState>,
    Reader(caller): Reader,
    Path(id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<DeliveryList>, Problem> {
    let PageQuery { after, limit, .. } = page_query(query)?;
    let page = actions::deliveries_to(&state, &caller, webhook_id(&id)?, after, limit).await?;
    let last = page.last().map(|delivery| delivery.event_seq);
    let next = last.filter(|_| is_full(page.len(), limit)).map(|seq| seq.to_string());
    Ok(Json(DeliveryList { deliveries: page.into_iter().map(DeliveryResource::from).collect(), next }))
}

/// What happened to the caller's videos; for administrators to all.
///
/// Whoever is signed in. `order` `oldest` never misses an event: `next` is where to go on from, also later, when there is
/// more.
#[utoipa::path(
    get, path = "/api/v5/events", tag = "events", security(("bearer" = ["read"])),
    params(
        ("order" = Option<String>, Query, description = "`newest` first, if it is not said, or `oldest`", example = "oldest"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 if it is not said", example = 20),
    ),
    responses(
        (status = 200, description = "A page", body = EventList),
        (status = 400, description = "A parameter cannot be understood", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
    )
)]
async fn events(
    State(state): State<AppState>,
    Reader(caller): Reader,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<EventList>, Problem> {
    let PageQuery { order, after, limit } = page_query(query)?;
    let order = order.into();
    let page = actions::page(&state, &caller, order, after, limit).await?;
    let last = page.last().map(|event| event.seq);
    let next = match order {
        Order::OldestFirst => last.or(after),
        Order::NewestFirst => last.filter(|_| is_full(page.len(), limit)),
    };
    let events = page.iter().map(|event| Message::new(event, &state.config)).collect();
    Ok(Json(EventList { events, next: next.map(|seq| seq.to_string()) }))
}

/// Deliver events again: all since a time.
///
/// Whoever is signed in: their own events to their own webhooks. Administrators: all events to all webhooks and to the
/// message broker. Mails are not sent again.
#[utoipa::path(
    post, path = "/api/v5/events/replay", tag = "events", security(("bearer" = ["manage"])), request_body = ReplayRequest,
    responses(
        (status = 202, description = "They are on their way", body = ReplayStarted),
        (status = 400, description = "The body is no JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such webhook for this caller", body = Problem),
        (status = 415, description = "The body is not declared as JSON", body = Problem),
        (status = 422, description = "A field cannot be understood", body = Problem),
    )
)]
async fn replay(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Body(ReplayRequest { since_ms, webhook }): Body<ReplayRequest>,
) -> Result<(StatusCode, Json<ReplayStarted>), Problem> {
    let since = Timestamp::from_unix_micros(since_ms.saturating_mul(1000));
    let webhook = webhook.as_deref().map(webhook_id).transpose()?;
    started(&state, &caller, ReplayOrder { which: Which::Since(since), webhook }).await
}

/// An event, and what came of its deliveries: those by mail, and to webhooks of the caller.
///
/// The owner of the video and administrators.
#[utoipa::path(
    get, path = "/api/v5/events/{id}", tag = "events", security(("bearer" = ["read"])), params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "The event", body = EventResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such event for this caller", body = Problem),
    )
)]
async fn event(
    State(state): State<AppState>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<Json<EventResource>, Problem> {
    let id = id.parse().map_err(|_| EventsError::NoEvent)?;
    let (event, deliveries) = actions::event(&state, &caller, id).await?;
    Ok(Json(EventResource::new(&event, deliveries, &state.config)))
}

/// Deliver one event again.
///
/// The owner of the video: to their own webhooks. Administrators: to all webhooks that want it, and to the message
/// broker. Mails are not sent again.
#[utoipa::path(
    post, path = "/api/v5/events/{id}/replay", tag = "events", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the list has it")), request_body = ReplayOneRequest,
    responses(
        (status = 202, description = "It is on its way", body = ReplayStarted),
        (status = 400, description = "The body is no JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
        (status = 404, description = "There is no such event or webhook for this caller", body = Problem),
        (status = 415, description = "The body is not declared as JSON", body = Problem),
        (status = 422, description = "A field cannot be understood", body = Problem),
    )
)]
async fn replay_one(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
    Body(ReplayOneRequest { webhook }): Body<ReplayOneRequest>,
) -> Result<(StatusCode, Json<ReplayStarted>), Problem> {
    let which = Which::One(id.parse().map_err(|_| EventsError::NoEvent)?);
    let webhook = webhook.as_deref().map(webhook_id).transpose()?;
    started(&state, &caller, ReplayOrder { which, webhook }).await
}

async fn started(
    state: &AppState,
    caller: &Caller,
    order: ReplayOrder,
) -> Result<(StatusCode, Json<ReplayStarted>), Problem> {
    let events = actions::replay(state, caller, order).await?;
    Ok((StatusCode::ACCEPTED, Json(ReplayStarted { events })))
}

fn webhook_id(text: &str) -> Result<WebhookId, EventsError> {
    text.parse().map_err(|_| EventsError::NoWebhook)
}

fn page_query(query: Result<Query<PageQuery>, QueryRejection>) -> Result<PageQuery, Problem> {
    let Query(query) = query?;
    match query.limit {
        1..=MOST => Ok(query),
        _ => Err(Problem::parameter("limit", "a page has 1 to 100 entries")),
    }
}

fn is_full(length: usize, limit: u32) -> bool {
    usize::try_from(limit).is_ok_and(|limit| length >= limit)
}

const MOST: u32 = 100;

#[derive(Deserialize)]
struct PageQuery {
    #[serde(default)]
    order: OrderName,
    after: Option<u64>,
    #[serde(default = "usual")]
    limit: u32,
}

fn usual() -> u32 {
    20
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderName {
    #[default]
    Newest,
    Oldest,
}

impl From<OrderName> for Order {
    fn from(name: OrderName) -> Self {
        match name {
            OrderName::Newest => Self::NewestFirst,
            OrderName::Oldest => Self::OldestFirst,
        }
    }
}

impl From<EventsError> for Problem {
    fn from(error: EventsError) -> Self {
        let status = match &error {
            EventsError::Catalog(error) => return Self::internal(error),
            EventsError::NoWebhook | EventsError::NoEvent => StatusCode::NOT_FOUND,
            EventsError::NotACreator | EventsError::NotAnAdmin => StatusCode::FORBIDDEN,
            EventsError::TooMany(_) => StatusCode::CONFLICT,
            EventsError::Url(_) | EventsError::Kind(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let problem = Self::new(status, error.to_string());
        match error {
            EventsError::Url(_) => problem.field("url"),
            EventsError::Kind(_) => problem.field("events"),
            _ => problem,
        }
    }
}
