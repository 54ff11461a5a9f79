//! Uploads under an idempotency key.

use axum::{extract::Multipart, http::StatusCode};
use catalog::{
    idempotency::{self, HOLD, Hold, Standing},
    ids::VideoId,
    videos::{self, Video},
};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Rejection,
    actions::{self, Admission, Creation},
    form::{self, Form, Reception},
    sink::Sink,
};
use crate::{AppState, http::log_internal};

/// Receives a video unless the key stands for one already; then what is sent is only compared with what was sent for
/// that, and thrown away.
pub(super) async fn receive(
    state: &AppState,
    admission: Admission,
    parts: Multipart,
    hold: Hold,
) -> Result<Video, Rejection> {
    match idempotency::begin(&state.db, &hold).await.map_err(|error| Rejection::internal(&error))? {
        Standing::Busy => Err(Rejection::new(StatusCode::CONFLICT, STILL_RUNNING)),
        Standing::Done { fingerprint, video } => replay(state, parts, fingerprint, video).await,
        Standing::New => {
            let held = Held::new(state, hold.clone());
            let received = actions::receive(state, admission, parts, Creation::Once(hold));
            let outcome = held.during(received).await;
            held.release().await;
            outcome
        }
    }
}

const STILL_RUNNING: &str = "A request with this Idempotency-Key is still running, or was broken off a moment ago. Ask again in a minute.";

async fn replay(
    state: &AppState,
    parts: Multipart,
    fingerprint: [u8; 32],
    video: VideoId,
) -> Result<Video, Rejection> {
    let limits = &state.config.limits;
    let open = |_| async { Ok(Sink::nothing(limits.upload_bytes)) };
    let form = form::receive(parts, Reception::of(state), open).await?;
    let Form { said, file } = form;
    let stored = file.sink.finish().await?;
    if said.fingerprint(&file.name, &stored) != fingerprint {
        return Err(Rejection::field(
            "Idempotency-Key",
            "This key stands for another request. Choose a new one.",
        ));
    }
    videos::video(&state.db, video).await.map_err(|error| Rejection::internal(&error))
}

/// A key that is held while a request works, and let go of whatever becomes of the request.
struct Held {
    state: AppState,
    hold: Option<Hold>,
}

impl Held {
    fn new(state: &AppState, hold: Hold) -> Self {
        Self { state: state.clone(), hold: Some(hold) }
    }

    /// Says from time to time that the request still works.
    async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut beats = interval(HOLD / 4);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = beats.tick() => if let Some(hold) = &self.hold {
                    note(idempotency::keep(&self.state.db, hold).await);
                }
            }
        }
    }

    /// Does nothing to a key that stands for a video by now.
    async fn release(mut self) {
        if let Some(hold) = self.hold.take() {
            note(idempotency::release(&self.state.db, &hold).await);
        }
    }
}

impl Drop for Held {
    /// The client hung up: it may come again at once.
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            let db = self.state.db.clone();
            tokio::spawn(async move { note(idempotency::release(&db, &hold).await) });
        }
    }
}

/// A key that cannot be reached is free again when its time is over.
fn note(outcome: catalog::Result<()>) {
    if let Err(error) = outcome {
        log_internal(&error);
    }
}
