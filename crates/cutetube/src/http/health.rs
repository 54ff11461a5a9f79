//! Whether the process lives, and whether it can do its work.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{AppState, config::Role};

/// Anybody. The process answers; nothing else is looked at.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Anybody. 200 when everything that requests need answers, else 503; what failed is in the log and named here.
pub(super) async fn ready(State(state): State<AppState>) -> Response {
    let mut checks = vec![
        ("database", state.db.ping().await.map_err(anyhow::Error::from)),
        ("blobs", state.blobs.probe().await.map_err(anyhow::Error::from)),
    ];
    if state.config.role != Role::Web {
        checks.push(("ffmpeg", state.toolchain.as_ref().map(drop).map_err(|error| error.clone().into())));
    }
    let mut answer = Readiness { ready: true, failed: Vec::new() };
    for (part, outcome) in checks {
        if let Err(error) = outcome {
            tracing::error!(part, error = format!("{error:#}"), "`{part}` is not ready");
            answer.ready = false;
            answer.failed.push(part);
        }
    }
    let status = if answer.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(answer)).into_response()
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    failed: Vec<&'static str>,
}
