//! The turn of a request to add to an upload, kept for as long as it works.

use catalog::resumable::{self, Refusal, Turn};
use db::Db;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use crate::{AppState, http::log_internal};

/// A turn that is let go of whatever becomes of the request.
pub(super) struct Held {
    db: Db,
    turn: Turn,
    heard: Instant,
    is_over: bool,
}

/// How often we say that we still work.
const BEAT: Duration = Duration::from_secs(resumable::HOLD.as_secs() / 3);

impl Held {
    pub(super) fn new(state: &AppState, turn: Turn) -> Self {
        Self { db: state.db.clone(), turn, heard: Instant::now(), is_over: false }
    }

    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// Bytes have come: from time to time others are told so. A client that is silent loses its turn to one that is not.
    pub(super) async fn heard(&mut self) -> catalog::Result<()> {
        if self.heard.elapsed() < BEAT {
            return Ok(());
        }
        self.heard = Instant::now();
        beat(&self.db, self.turn).await
    }

    /// Works on something that takes the time that it takes.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> catalog::Result<T> {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.reset();
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = beats.tick() => match beat(&self.db, self.turn).await {
                    // Whether the turn is lost is found out when something is recorded.
                    Err(error) if error.is_transient() => {}
                    lost => lost?,
                },
            }
        }
    }

    /// The turn was ended with what was recorded last.
    pub(super) fn over(&mut self) {
        self.is_over = true;
    }

    pub(super) async fn release(mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            release(&self.db, self.turn).await;
        }
    }
}

async fn beat(db: &Db, turn: Turn) -> catalog::Result<()> {
    if resumable::keep(db, turn).await? { Ok(()) } else { Err(Refusal::TurnLost.into()) }
}

/// A turn that is not let go of ends by itself.
async fn release(db: &Db, turn: Turn) {
    if let Err(error) = resumable::release(db, turn).await {
        log_internal(&error);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_over {
            let (db, turn) = (self.db.clone(), self.turn);
            tokio::spawn(async move { release(&db, turn).await });
        }
    }
}
