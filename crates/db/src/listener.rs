//! Waiting until another transaction may have left something to do.

use std::time::Duration;

use sqlx::{
    SqliteConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    sync::broadcast,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{Result, postgres};

/// How often SQLite is asked whether another process has written. One question costs about 20 µs.
const FILE_POLL: Duration = Duration::from_millis(20);

/// A connection that has heard nothing for this long is replaced: nothing else tells a quiet one from one that was cut
/// off without a word.
const SILENCE: Duration = Duration::from_secs(60);

/// How long is waited between two attempts to listen again, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Wakes when a transaction that called [`Tx::notify`](crate::Tx::notify) for its channel commits, in whatever
/// process: through `LISTEN` on PostgreSQL; through a signal within the process and a cheap look at the file for
/// other processes on SQLite. It may wake for nothing, and must therefore be followed by a look at the tables.
pub struct Listener {
    channel: &'static str,
    source: Source,
}

enum Source {
    Sqlite { local: broadcast::Receiver<&'static str>, file: SqliteConnection, version: i64 },
    Postgres(Box<Subscription>),
}

/// `LISTEN` on a server that may go away and come back.
struct Subscription {
    channel: &'static str,
    options: PgConnectOptions,
    link: Option<PgListener>,
    /// When the link was made or heard something.
    heard: Instant,
    /// Makes the next link. It has a task of its own because waiting is given up all the time.
    renewal: Option<JoinHandle<PgListener>>,
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

    pub(crate) async fn on_postgres(channel: &'static str, options: PgConnectOptions) -> Self {
        let link = subscribe(channel, &options).await.inspect_err(|error| deaf(channel, error)).ok();
        let subscription = Subscription { channel, options, link, heard: Instant::now(), renewal: None };
        Self { channel, source: Source::Postgres(Box::new(subscription)) }
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
            Source::Postgres(subscription) => subscription.wait(deadline).await,
        }
    }
}

impl Subscription {
    /// Returns for a notification, and for a new link, before which one may have been missed.
    async fn wait(&mut self, deadline: Instant) {
        if self.renewal.is_none() && (self.link.is_none() || self.heard.elapsed() > SILENCE) {
            self.renewal = Some(tokio::spawn(subscribe_again(self.channel, self.options.clone())));
        }
        tokio::select! {
            renewed = task(&mut self.renewal) => {
                self.renewal = None;
                // A task that panicked is begun again.
                self.link = renewed.ok();
                self.heard = Instant::now();
            }
            notified = next(&mut self.link) => match notified {
                Ok(()) => self.heard = Instant::now(),
                Err(error) => {
                    deaf(self.channel, &error);
                    self.link = None;
                }
            },
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }
}

async fn task<T>(handle: &mut Option<JoinHandle<T>>) -> std::result::Result<T, tokio::task::JoinError> {
    match handle {
        Some(handle) => handle.await,
        None => std::future::pending().await,
    }
}

/// The next notification of the link.
async fn next(link: &mut Option<PgListener>) -> sqlx::Result<()> {
    let Some(link) = link else { return std::future::pending().await };
    match link.try_recv().await? {
        Some(_) => Ok(()),
        None => Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into())),
    }
}

async fn subscribe_again(channel: &'static str, options: PgConnectOptions) -> PgListener {
    let mut pause = Duration::from_millis(100);
    loop {
        match subscribe(channel, &options).await {
            Ok(link) => return link,
            Err(error) => tracing::debug!(channel, error = %error, "still no connection for notifications"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn subscribe(channel: &'static str, options: &PgConnectOptions) -> sqlx::Result<PgListener> {
    let subscribing = async {
        let own = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        let mut link = PgListener::connect_with(&own).await?;
        // What makes the next link is here.
        link.eager_reconnect(false);
        link.listen(channel).await?;
        Ok(link)
    };
    postgres::within(postgres::CONNECT_WITHIN, subscribing).await
}

/// Until there is a connection again, the slow poll is what wakes.
fn deaf(channel: &'static str, error: &sqlx::Error) {
    tracing::warn!(channel, error = %error, "the connection for notifications is lost");
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
