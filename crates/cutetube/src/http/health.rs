//! Whether the process lives, and whether it can do its work.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::time::timeout;

use crate::{AppState, config::Role};

/// Anybody. The process answers; nothing else is looked at.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Anybody. 200 when everything that requests need answers, else 503; what failed is in the log and named here.
pub(super) async fn ready(State(state): State<AppState>) -> Response {
    let (database, blobs) = tokio::join!(soon(state.db.ping()), soon(state.blobs.probe()));
    let mut checks = vec![("database", database), ("blobs", blobs)];
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

/// Who asks wants to know now: what does not answer at once is not ready.
async fn soon<T, E: Into<anyhow::Error>>(check: impl Future<Output = Result<T, E>>) -> anyhow::Result<T> {
    const SOON: Duration = Duration::from_secs(3);
    match timeout(SOON, check).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => anyhow::bail!("no answer within {} s", SOON.as_secs()),
    }
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    failed: Vec<&'static str>,
}
