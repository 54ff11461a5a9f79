//! The database: where it is, how it is opened, how work begins on it.

use std::{fmt, num::NonZeroU16, str::FromStr};

use sqlx::{ConnectOptions as _, Postgres, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};
use tokio::sync::broadcast;

use crate::{
    Error, Listener, Query, Result, Statement, Timestamp, Tx,
    pool::{Driver, Pool},
    postgres,
    query::On,
    sqlite,
};

/// An open database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Db {
    pools: Pools,
    local: broadcast::Sender<&'static str>,
}

#[derive(Clone)]
enum Pools {
    Sqlite(sqlite::Pools),
    Postgres { pool: Pool<Postgres>, options: PgConnectOptions },
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
    pub connections: NonZeroU16,
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
            Backend::Sqlite => const { NonZeroU16::new(8).unwrap() },
            Backend::Postgres => const { NonZeroU16::new(16).unwrap() },
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
            Address::Sqlite(file) => Pools::Sqlite(sqlite::Pools::open(file, settings.connections).await?),
            Address::Postgres(options) => {
                let options = options.clone().disable_statement_logging();
                let pool = postgres::open(&options, settings.connections).await?;
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
            Pools::Sqlite(_) => Backend::Sqlite,
            Pools::Postgres { .. } => Backend::Postgres,
        }
    }

    /// A statement that only reads. On SQLite it runs beside the writer, on a connection that cannot write.
    pub fn read(&self, statement: Statement) -> Query<'_> {
        match &self.pools {
            Pools::Sqlite(pools) => Query::on_sqlite(On::Pool(&pools.read), statement),
            Pools::Postgres { pool, .. } => Query::on_postgres(On::Pool(pool), statement),
        }
    }

    /// A single statement that writes, in a transaction of its own.
    pub fn write(&self, statement: Statement) -> Query<'_> {
        match &self.pools {
            Pools::Sqlite(pools) => Query::on_sqlite(On::Pool(&pools.write), statement),
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
            Pools::Sqlite(pools) => {
                let mut writer = pools.write.lend().await?;
                writer.begin().await?;
                Tx::sqlite(writer, self.local.clone())
            }
            Pools::Postgres { pool, .. } => Tx::postgres(postgres::begin(pool).await?, self.local.clone()),
        })
    }

    /// Begins a transaction that only reads, and sees the database as it is at one moment, however long it takes. On SQLite
    /// it runs beside the writer, on a connection that cannot write. It ends with [`Tx::rollback`].
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no connection is to be had.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(match &self.pools {
            Pools::Sqlite(pools) => {
                let mut reader = pools.read.lend().await?;
                reader.begin_snapshot().await?;
                Tx::sqlite(reader, self.local.clone())
            }
            Pools::Postgres { pool, .. } => {
                let mut lent = pool.lend().await?;
                postgres::answer(lent.begin_snapshot()).await?;
                Tx::postgres(lent, self.local.clone())
            }
        })
    }

    /// A listener for the commits that [`notify`](Tx::notify) this channel. It has a connection of its own, which it
    /// makes again, on PostgreSQL, for as long as it takes.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when SQLite's file cannot be opened.
    pub async fn listen(&self, channel: &'static str) -> Result<Listener> {
        match &self.pools {
            Pools::Sqlite(pools) => {
                Listener::on_sqlite(channel, self.local.subscribe(), pools.reader().await?).await
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
            Pools::Sqlite(pools) => prepare(&pools.read, statement.sqlite).await?,
            Pools::Postgres { pool, .. } => prepare(pool, statement.postgres).await?,
        }
        Ok(())
    }

    /// Closes all connections, and waits until those in use are given back.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite(pools) => pools.close().await,
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

async fn prepare<D: Driver>(pool: &Pool<D>, sql: &'static str) -> sqlx::Result<()> {
    let mut lent = pool.lend().await?;
    D::prepare(&mut lent, sql).await?;
    lent.give_back();
    Ok(())
}
