//! Whether the process lives, and whether it can do its work.

use std::{io, path::Path, time::Duration};

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
    let disk = free_space(&state.config.data);
    let mut checks = vec![("database", database), ("blobs", blobs), ("disk", disk)];
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

/// Whether there is room for what every process writes into its data folder, and the embedded database first of all.
fn free_space(data: &Path) -> anyhow::Result<()> {
    const LEAST: u64 = 64 << 20;
    match rustix::fs::statvfs(data) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let (mb, path) = (free >> 20, data.display());
            anyhow::ensure!(free >= LEAST, "{mb} MB are free in `{path}`, and {} MB are needed", LEAST >> 20);
            Ok(())
        }
        // A process that keeps nothing on this machine has no folder.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
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
