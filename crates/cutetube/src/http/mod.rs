//! The HTTP server: one router, the layers every request passes, and an orderly end.

mod health;
mod layers;
mod problem;

use std::time::Duration;

use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::AppState;

pub use problem::Problem;

/// Every route with every layer.
pub fn router(state: AppState) -> Router {
    let quick = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(not_found);
    let quick = layers::answer_within(quick, Duration::from_secs(state.config.limits.request_seconds));
    layers::around(quick).with_state(state)
}

/// Answers on `listener` until `stop`; then running requests get `server.drain_seconds` to finish.
pub async fn serve(state: AppState, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let drain = Duration::from_secs(state.config.server.drain_seconds);
    let app = router(state);
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        ended = serving.into_future() => Ok(ended?),
        () = deadline => {
            tracing::warn!("requests still running after {} s are cut off", drain.as_secs());
            Ok(())
        }
    }
}

/// Anybody.
async fn not_found() -> Problem {
    Problem::not_found("there is nothing at this address")
}
