//! Connections to a file that other processes write to as well.

use std::{num::NonZeroU16, time::Duration};

use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Executor as _, SqlSafeStr as _, Sqlite,
    SqliteConnection,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::{Instant, timeout};

use crate::{
    error::is_busy,
    pool::{Answer, Driver, Left, Plan, Pool, Terms},
};

/// How long a process waits for another one before it gives up.
const BUSY_WITHIN: Duration = Duration::from_secs(10);

/// SQLite itself looks again after 1, 2, 5 and ever more milliseconds, up to 100, while others come and go. So it may
/// look for three milliseconds, and is then asked anew.
const LOOK_BRIEFLY: &str = "PRAGMA busy_timeout = 3";

/// How long it may take until what was given up is over.
const MEND_WITHIN: Duration = Duration::from_secs(30);

/// One writer, so that every task gets its turn in order, and readers that cannot write.
#[derive(Clone)]
pub(crate) struct Pools {
    pub(crate) write: Pool<Sqlite>,
    pub(crate) read: Pool<Sqlite>,
    reader: SqliteConnectOptions,
}

impl Pools {
    pub(crate) async fn open(file: &SqliteConnectOptions, readers: NonZeroU16) -> sqlx::Result<Self> {
        let file = file
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Every crash of the process is survived whole; a power cut may undo the last commits, never tear one.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_WITHIN)
            .foreign_keys(true)
            .pragma("cache_size", "-16000")
            .pragma("temp_store", "memory")
            .pragma("journal_size_limit", "67108864")
            .disable_statement_logging();
        let lifetime = Duration::MAX;
        // The writer opens first: it makes the file and sets the journal mode.
        let terms = Terms { connections: NonZeroU16::MIN, within: Duration::from_secs(30), lifetime };
        let write = Pool::open(file.clone(), terms).await?;
        let reader = file.pragma("query_only", "on");
        let terms = Terms { connections: readers, within: Duration::from_secs(10), lifetime };
        let read = Pool::open(reader.clone(), terms).await?;
        Ok(Self { write, read, reader })
    }

    /// A connection of its own that cannot write.
    pub(crate) async fn reader(&self) -> sqlx::Result<SqliteConnection> {
        self.reader.connect().await
    }

    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

impl Driver for Sqlite {
    /// The first question is what fixes the moment.
    const SNAPSHOT: &'static str = "BEGIN; SELECT count(*) FROM sqlite_schema";

    async fn open(options: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
        let mut connection = options.connect().await?;
        connection.execute(LOOK_BRIEFLY).await?;
        Ok(connection)
    }

    fn will_pass(_: &sqlx::Error) -> bool {
        false
    }

    async fn revisit(_: &mut SqliteConnection) -> sqlx::Result<()> {
        Ok(())
    }

    /// Fails when SQLite has ended the transaction by itself, as a full disk makes it: then a new connection is surer.
    async fn mend(connection: &mut SqliteConnection, left: Left) -> sqlx::Result<()> {
        let mending = async {
            match left {
                // Answered when what was given up is over.
                Left::Statement => connection.ping().await,
                Left::Transaction => Self::script(connection, "ROLLBACK").await,
            }
        };
        timeout(MEND_WITHIN, mending).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    async fn begin(connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let patience = Patience::new();
        loop {
            match Self::script(connection, "BEGIN IMMEDIATE").await {
                Err(error) if patience.lasts(&error) => {}
                begun => return begun,
            }
        }
    }

    async fn script(connection: &mut SqliteConnection, sql: &str) -> sqlx::Result<()> {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(drop)
    }

    async fn run(
        connection: &mut SqliteConnection,
        sql: &'static str,
        arguments: SqliteArguments,
        // SQLite looks at no values when it plans.
        _: Plan,
    ) -> sqlx::Result<Answer<Self>> {
        let patience = Patience::new();
        loop {
            match attempt(connection, sql, arguments.clone()).await {
                Err(error) if patience.lasts(&error) => {}
                answered => return answered,
            }
        }
    }

    async fn prepare(connection: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<()> {
        connection.prepare(sql.into_sql_str()).await.map(drop)
    }
}

async fn attempt(
    connection: &mut SqliteConnection,
    sql: &'static str,
    arguments: SqliteArguments,
) -> sqlx::Result<Answer<Sqlite>> {
    let mut answer = Answer { rows: Vec::new(), changed: 0 };
    let mut parts = connection.fetch_many(sqlx::query_with(sql, arguments));
    while let Some(part) = parts.try_next().await? {
        match part {
            Either::Left(done) => answer.changed += done.rows_affected(),
            Either::Right(row) => answer.rows.push(row),
        }
    }
    Ok(answer)
}

/// With a transaction of another process.
struct Patience(Instant);

impl Patience {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn lasts(&self, error: &sqlx::Error) -> bool {
        is_busy(error) && self.0.elapsed() < BUSY_WITHIN
    }
}
