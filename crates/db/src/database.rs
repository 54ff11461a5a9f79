//! The database: where it is, how it is opened, how work begins on it.

use std::{fmt, str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgPool, SqlSafeStr as _, SqlitePool,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::broadcast;

use crate::{Error, Listener, Query, Result, Statement, Timestamp, Tx, postgres, query::On};

/// An open database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Db {
    pools: Pools,
    local: broadcast::Sender<&'static str>,
}

#[derive(Clone)]
enum Pools {
    /// One writer, so that every task gets its turn in order, and readers that cannot write.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
        file: SqliteConnectOptions,
    },
    Postgres {
        pool: PgPool,
        options: PgConnectOptions,
    },
}

/// Which of the two databases it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file beside the program.
    Sqlite,
    /// A server.
    Postgres,
}

/// The address of a database: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/NAME`.
///
/// Its text form never shows a password.
#[derive(Clone)]
pub struct Url(Address);

#[derive(Clone)]
enum Address {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// How to open a database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub url: Url,
    /// How many connections there may be at once: on PostgreSQL in all, on SQLite for reading.
    pub connections: u32,
}

crate::statements! {
    /// The database's clock.
    CLOCK { "SELECT " NOW }
    /// Answers when the database does.
    PING { "SELECT 1" }
}

impl Settings {
    /// The defaults for this address: 8 readers on SQLite, 16 connections on PostgreSQL.
    pub fn new(url: Url) -> Self {
        let connections = match url.backend() {
            Backend::Sqlite => 8,
            Backend::Postgres => 16,
        };
        Self { url, connections }
    }
}

impl Db {
    /// Opens the database. On SQLite the file is made when it is missing; its folder must exist.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with the true reason when nothing answers at the address, or the file cannot be
    /// opened; [`Error::Refused`] when the server does not let us in.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let pools = match &settings.url.0 {
            Address::Sqlite(options) => connect_sqlite(options, settings.connections).await?,
            Address::Postgres(options) => {
                let options = options.clone().disable_statement_logging();
                let pool = postgres::connect(&options, settings.connections).await?;
                Pools::Postgres { pool, options }
            }
        };
        // A listener that falls this far behind is told so and looks anyway.
        let (local, _) = broadcast::channel(16);
        Ok(Self { pools, local })
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        match self.pools {
            Pools::Sqlite { .. } => Backend::Sqlite,
            Pools::Postgres { .. } => Backend::Postgres,
        }
    }

    /// A statement that only reads. On SQLite it runs beside the writer, on a connection that cannot write.
    pub fn read(&self, statement: Statement) -> Query<'_> {
        match &self.pools {
            Pools::Sqlite { read, .. } => Query::on_sqlite(On::Pool(read), statement),
            Pools::Postgres { pool, .. } => Query::on_postgres(On::Pool(pool), statement),
        }
    }

    /// A single statement that writes, in a transaction of its own.
    pub fn write(&self, statement: Statement) -> Query<'_> {
        match &self.pools {
            Pools::Sqlite { write, .. } => Query::on_sqlite(On::Pool(write), statement),
            Pools::Postgres { pool, .. } => Query::on_postgres(On::Pool(pool), statement),
        }
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no connection is to be had, [`Error::Busy`] when another process keeps SQLite
    /// locked for ten seconds.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match &self.pools {
            Pools::Sqlite { write, .. } => {
                Tx::sqlite(write.begin_with("BEGIN IMMEDIATE").await?, self.local.clone())
            }
            Pools::Postgres { pool, .. } => Tx::postgres(postgres::begin(pool).await?, self.local.clone()),
        })
    }

    /// A listener for the commits that [`notify`](Tx::notify) this channel. It has a connection of its own, which it
    /// makes again, on PostgreSQL, for as long as it takes.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when SQLite's file cannot be opened.
    pub async fn listen(&self, channel: &'static str) -> Result<Listener> {
        match &self.pools {
            Pools::Sqlite { file, .. } => {
                let connection = file.clone().pragma("query_only", "on").connect().await?;
                Listener::on_sqlite(channel, self.local.subscribe(), connection).await
            }
            Pools::Postgres { options, .. } => Ok(Listener::on_postgres(channel, options.clone()).await),
        }
    }

    /// What the database's clock says now.
    ///
    /// # Errors
    /// Every [`Error`] of the database.
    pub async fn now(&self) -> Result<Timestamp> {
        self.read(CLOCK).value().await
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when there is none.
    pub async fn ping(&self) -> Result<()> {
        self.read(PING).execute().await.map(|_| ())
    }

    /// Has the database parse and plan a statement without running it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn prepare(&self, statement: Statement) -> Result<()> {
        match &self.pools {
            Pools::Sqlite { read, .. } => {
                read.acquire().await?.prepare(statement.sqlite.into_sql_str()).await.map(drop)?;
            }
            Pools::Postgres { pool, .. } => {
                pool.acquire().await?.prepare(statement.postgres.into_sql_str()).await.map(drop)?;
            }
        }
        Ok(())
    }

    /// Closes all connections, and waits until those in use are given back.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { write, read, .. } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres { pool, .. } => pool.close().await,
        }
    }
}

impl Url {
    /// Which database answers at this address.
    pub fn backend(&self) -> Backend {
        match self.0 {
            Address::Sqlite(_) => Backend::Sqlite,
            Address::Postgres(_) => Backend::Postgres,
        }
    }
}

impl FromStr for Url {
    type Err = Error;

    /// An in-memory SQLite database is refused: each of its connections would see another one.
    fn from_str(text: &str) -> Result<Self> {
        // The text may hold a password, so only its scheme is repeated.
        let scheme = text.split_once(':').map_or(text, |(scheme, _)| scheme);
        let invalid = || Error::InvalidUrl(scheme.to_owned());
        match scheme {
            "sqlite" if !text.contains(":memory:") && !text.contains("mode=memory") => {
                let options = SqliteConnectOptions::from_str(text).map_err(|_| invalid())?;
                Ok(Self(Address::Sqlite(options)))
            }
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_str(text).map_err(|_| invalid())?;
                Ok(Self(Address::Postgres(options)))
            }
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Address::Sqlite(options) => write!(formatter, "sqlite://{}", options.get_filename().display()),
            Address::Postgres(options) => {
                let (host, port) = (options.get_host(), options.get_port());
                write!(formatter, "postgres://{host}:{port}/{}", options.get_database().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Url({self})")
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Db({:?})", self.backend())
    }
}

async fn connect_sqlite(options: &SqliteConnectOptions, readers: u32) -> Result<Pools> {
    let file = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Every crash of the process is survived whole; a power cut may undo the last commits, never tear one.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true)
        .pragma("cache_size", "-16000")
        .pragma("temp_store", "memory")
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging();
    // The writer opens first: it makes the file and sets the journal mode.
    let write = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(30))
        // SQLite rolls back by itself what meets a full disk; the driver then takes the connection to be in a
        // transaction for ever.
        .after_release(|connection, _| {
            Box::pin(async move { connection.ping().await.map(|()| !connection.is_in_transaction()) })
        })
        .connect_with(file.clone())
        .await?;
    let read = SqlitePoolOptions::new()
        .max_connections(readers)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(file.clone().pragma("query_only", "on"))
        .await?;
    Ok(Pools::Sqlite { write, read, file })
}
