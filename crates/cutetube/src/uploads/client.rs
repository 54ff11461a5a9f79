//! Whoever sends a form, as slowly as they may.

use std::time::Duration;

use axum::{
    extract::multipart::{Field, Multipart, MultipartError},
    http::StatusCode,
};
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::Rejection;
use crate::http::{Pace, Progress, TooSlow};

/// Reads from a client, and gives it up when it stalls or drips.
pub(super) struct Client {
    patience: Duration,
    progress: Progress,
}

impl Client {
    pub(super) fn new(pace: Pace) -> Self {
        Self { patience: pace.patience, progress: pace.start() }
    }

    pub(super) async fn next_field<'a>(
        &mut self,
        parts: &'a mut Multipart,
    ) -> Result<Option<Field<'a>>, Rejection> {
        self.wait(parts.next_field(), |_| 0).await
    }

    pub(super) async fn chunk(&mut self, field: &mut Field<'_>) -> Result<Option<Bytes>, Rejection> {
        self.wait(field.chunk(), |chunk| chunk.as_ref().map_or(0, Bytes::len)).await
    }

    async fn wait<T>(
        &mut self,
        reading: impl Future<Output = Result<T, MultipartError>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Result<T, Rejection> {
        let start = Instant::now();
        let read = timeout(self.patience, reading).await.map_err(|_| stalled())?;
        let read =
            read.map_err(|error| Rejection::new(error.status(), "The upload ended early or is not a form."))?;
        self.progress.note(start.elapsed(), bytes(&read)).map_err(|TooSlow| stalled())?;
        Ok(read)
    }
}

fn stalled() -> Rejection {
    Rejection::new(StatusCode::REQUEST_TIMEOUT, "The upload stalled and was given up.")
}
