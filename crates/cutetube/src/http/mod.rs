//! The HTTP server: one router, the layers every request passes, and an orderly end.

mod body;
mod client_address;
mod connection;
mod disposition;
mod docs;
mod encoding;
mod fields;
mod health;
mod layers;
mod nul;
mod pace;
mod problem;
mod range;
mod recall;
mod representation;
mod server;
mod sips;
mod stream;
mod tls;
mod v3;

use std::time::Duration;

use axum::{
    Router,
    http::{HeaderMap, header},
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    AppState, accounts, admin, assets, audience, captions, comments, events, licences, limits, metrics,
    pages, people, playback, processes, quality, uploads, videos, views,
};

pub(crate) use body::Body;
pub(crate) use client_address::{ClientAddress, ClientNetwork};
pub(crate) use disposition::{attachment, inline};
pub(crate) use encoding::accepts;
pub(crate) use fields::Fields;
pub(crate) use pace::{Pace, Progress, TooSlow};
pub use problem::Problem;
pub(crate) use problem::log_internal;
pub(crate) use recall::{RecallableBody, drain_refused};
pub(crate) use representation::Representation;
pub(crate) use server::{Patience, run as serve_connections};
pub(crate) use sips::Sips;
pub(crate) use stream::{StreamEvent, Streams, last_event_id};
pub use tls::Transport;
pub(crate) use v3::{OUR_FAULT, V3, V3Error, V3ErrorBody};

/// Every route with every layer.
pub fn router(state: AppState) -> Router {
    let (api, _) = quick_api().split_for_parts();
    let (media, _) = playback::media::routes().split_for_parts();
    let (slow_api, _) = uploads::api::routes().split_for_parts();
    let quick = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(api)
        .merge(docs::routes(openapi()))
        .merge(media)
        .merge(pages::routes())
        .merge(assets::routes())
        .merge(metrics::server::routes())
        .fallback(pages::not_found);
    let quick = layers::answer_within(quick, Duration::from_secs(state.config.limits.request_seconds));
    let routes = quick.merge(slow_api).merge(pages::upload_routes()).layer(from_fn(nul::refuse));
    let routes = routes.layer(from_fn_with_state(state.clone(), playback::note_changes));
    let counted = routes.layer(from_fn_with_state(state.clone(), limits::limit));
    let measured = counted.layer(from_fn_with_state(state.clone(), metrics::count_requests));
    layers::around(measured, &state.config).with_state(state)
}

/// The API's description, as `cutetube openapi` prints it.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let api = quick_api().merge(playback::media::routes()).merge(uploads::api::routes());
    docs::complete(api.into_openapi())
}

/// The API but for uploads, which take as long as they take.
fn quick_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(docs::ApiDoc::openapi())
        .merge(accounts::api::routes())
        .merge(videos::api::routes())
        .merge(views::api::routes())
        .merge(audience::api::routes())
        .merge(playback::api::routes())
        .merge(processes::api::routes())
        .merge(events::api::routes())
        .merge(admin::api::routes())
        .merge(people::api::routes())
        .merge(quality::api::routes())
        .merge(licences::api::routes())
        .merge(licences::rules::routes())
        .merge(captions::api::routes())
        .merge(comments::api::routes())
}

/// Whether errors of this path have the original's shape.
pub(crate) fn is_original(path: &str) -> bool {
    path.starts_with("/api/v3/") || path.starts_with("/api/v4/")
}

/// Whether whoever asks for this path reads pages: people in browsers do.
pub(crate) fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html")) && !path.starts_with("/api/")
}

/// Answers on `listener` until `stop`; then running requests get `server.drain_seconds` to finish.
pub async fn serve(state: AppState, listener: TcpListener, transport: Transport, stop: CancellationToken) {
    let drain = Duration::from_secs(state.config.server.drain_seconds);
    let (streams, cut_off) = (state.streams.clone(), state.cut_off.clone());
    let patience = Patience::of(&state.config.limits);
    tokio::spawn(transport.clone().keep_fresh(stop.clone()));
    tokio::spawn(uploads::finish_left_over(state.clone(), stop.clone()));
    let app = playback::Microcached::new(router(state.clone()), state.hot.clone());
    let serving = serve_connections(app, listener, transport, patience, stop.clone());
    let deadline = async {
        stop.cancelled().await;
        // They would go on for as long as clients listen.
        streams.close();
        tokio::time::sleep(drain).await;
        tracing::warn!("requests still running after {} s are cut off", drain.as_secs());
        cut_off.cancel();
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = serving => {}
        () = deadline => {}
    }
}

/// How long what is cut off may take to remove what it has begun, and to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);
