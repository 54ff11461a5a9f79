//! Waiting until another transaction may have left something to do.

use std::time::Duration;

use sqlx::{SqliteConnection, postgres::PgListener};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, timeout},
};

use crate::Result;

/// How often SQLite is asked whether another process has written. One question costs about 20 µs.
const FILE_POLL: Duration = Duration::from_millis(20);

/// Wakes when a transaction that called [`Tx::notify`](crate::Tx::notify) for its channel commits, in whatever
/// process: through `LISTEN` on PostgreSQL; through a signal within the process and a cheap look at the file for
/// other processes on SQLite. It may wake for nothing, and must therefore be followed by a look at the tables.
pub struct Listener {
    channel: &'static str,
    source: Source,
}

pub(crate) enum Source {
    Sqlite { local: broadcast::Receiver<&'static str>, file: SqliteConnection, version: i64 },
    Postgres(Box<PgListener>),
}

impl Listener {
    pub(crate) async fn on_sqlite(
        channel: &'static str,
        local: broadcast::Receiver<&'static str>,
        mut file: SqliteConnection,
    ) -> Result<Self> {
        let version = data_version(&mut file).await?;
        Ok(Self { channel, source: Source::Sqlite { local, file, version } })
    }

    pub(crate) async fn on_postgres(channel: &'static str, mut listener: PgListener) -> Result<Self> {
        listener.listen(channel).await?;
        Ok(Self { channel, source: Source::Postgres(Box::new(listener)) })
    }

    /// Waits for a wake-up, at most for `slow_poll`.
    ///
    /// A lost connection is made again; while it is lost, this answers every `slow_poll`.
    pub async fn wait(&mut self, slow_poll: Duration) {
        let deadline = Instant::now() + slow_poll;
        let channel = self.channel;
        match &mut self.source {
            Source::Sqlite { local, file, version } => {
                wait_for_file(channel, local, file, version, deadline).await;
            }
            Source::Postgres(listener) => {
                if let Ok(Err(error)) = timeout(slow_poll, listener.try_recv()).await {
                    tracing::warn!(channel, error = %error, "the connection for notifications is lost");
                    tokio::time::sleep_until(deadline).await;
                }
            }
        }
    }
}

async fn wait_for_file(
    channel: &'static str,
    local: &mut broadcast::Receiver<&'static str>,
    file: &mut SqliteConnection,
    version: &mut i64,
    deadline: Instant,
) {
    while Instant::now() < deadline {
        tokio::select! {
            notified = local.recv() => match notified {
                Ok(name) if name != channel => {}
                // Lagged: this channel may have been among those that were missed.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                // The database is closed: the slow poll is all that is left.
                Err(broadcast::error::RecvError::Closed) => tokio::time::sleep_until(deadline).await,
            },
            () = sleep(FILE_POLL) => match data_version(file).await {
                Ok(now) if now == *version => {}
                Ok(now) => {
                    *version = now;
                    return;
                }
                Err(error) => {
                    tracing::warn!(channel, error = %error, "the database file cannot be watched");
                    tokio::time::sleep_until(deadline).await;
                }
            },
        }
    }
}

/// A number that changes when another connection has written to the file.
async fn data_version(file: &mut SqliteConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(file).await?)
}
