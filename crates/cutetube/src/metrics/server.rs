//! `/metrics`, on the server for everybody and on a listener of its own.

use std::net::SocketAddr;

use anyhow::Context;
use axum::{
    Router,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    access::{self, Door, Refusal},
    exposition,
};
use crate::{
    AppState,
    http::{Patience, Problem, Transport, serve_connections},
};

const PATH: &str = "/metrics";
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// For the server for everybody.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route(PATH, get(public))
}

/// Answers on `metrics.listen`, if it is set, until `stop`. What processes need that only work.
pub(crate) async fn serve(state: AppState, stop: CancellationToken) -> anyhow::Result<()> {
    let Some(listen) = state.config.metrics.listen else { return Ok(()) };
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on `{listen}`"))?;
    tracing::info!("metrics are on http://{}{PATH}", listener.local_addr()?);
    let patience = Patience::of(&state.config.limits);
    let app = Router::new().route(PATH, get(own)).with_state(state);
    serve_connections(app, listener, Transport::PLAIN, patience, stop).await;
    Ok(())
}

/// Whoever has `metrics.token`; without one, processes on this machine while nothing is published.
async fn public(state: State<AppState>, peer: ConnectInfo<SocketAddr>, headers: HeaderMap) -> Response {
    answer(state, Door::Public, peer, headers).await
}

/// Whoever has `metrics.token`; without one, processes on this machine.
async fn own(state: State<AppState>, peer: ConnectInfo<SocketAddr>, headers: HeaderMap) -> Response {
    answer(state, Door::Own, peer, headers).await
}

async fn answer(
    State(state): State<AppState>,
    door: Door,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    match access::check(&state.config, door, peer, &headers) {
        Ok(()) => match exposition(&state).await {
            Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        },
        Err(Refusal::Token) => {
            let mut refused =
                Problem::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong").into_response();
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            refused
        }
        Err(Refusal::Elsewhere) => {
            let hint =
                "metrics are for processes on this machine; set `metrics.token` to read them from elsewhere";
            Problem::new(StatusCode::FORBIDDEN, hint).into_response()
        }
    }
}
