//! Connections to a PostgreSQL server that may stop answering, restart, or give its address to its standby.

use std::{future::Future, io, num::NonZeroU16, time::Duration};

use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Connection as _, Either, Executor as _, PgConnection, Postgres, SqlSafeStr as _,
    postgres::{PgArguments, PgConnectOptions},
};
use tokio::time::timeout;

use crate::{
    error::is_unreachable,
    pool::{Answer, Driver, Left, Lent, Plan, Pool, Terms},
};

/// How long making a connection may take; a pool hands one out within this time, or says that it cannot.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long anything may take, waiting for a connection included. It is longer than the server lets a statement run,
/// so that this ends only what the server will never answer: nothing tells a slow server from one that is gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);

/// How long beginning a transaction may take. It asks the server for nothing that could take long.
const BEGIN_WITHIN: Duration = Duration::from_secs(12);

/// How long a sign of life may take.
const LIFE_WITHIN: Duration = Duration::from_secs(2);

/// A connection is not lent again at this age: the server remembers more and more for each.
const LIFETIME: Duration = Duration::from_secs(1800);

/// A frozen process must not keep its locks beyond its leases, nor a statement run for ever.
const SESSION: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
                       SET idle_in_transaction_session_timeout = '15s'";

/// Connections to the server that may write.
pub(crate) async fn open(
    options: &PgConnectOptions,
    connections: NonZeroU16,
) -> sqlx::Result<Pool<Postgres>> {
    let terms = Terms { connections, within: CONNECT_WITHIN, lifetime: LIFETIME };
    Pool::open(options.clone(), terms).await
}

/// Begins a transaction.
pub(crate) async fn begin(pool: &Pool<Postgres>) -> sqlx::Result<Lent<Postgres>> {
    let beginning = async {
        let mut lent = pool.lend().await?;
        lent.begin().await?;
        Ok(lent)
    };
    within(BEGIN_WITHIN, beginning).await
}

/// Waits for the server, but not for ever.
pub(crate) async fn answer<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(ANSWER_WITHIN, asked).await
}

impl Driver for Postgres {
    /// It holds no lock that anybody waits for, and may take its time. The first question is what fixes the moment.
    const SNAPSHOT: &'static str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                                    SET LOCAL statement_timeout = 0; \
                                    SET LOCAL idle_in_transaction_session_timeout = 0; \
                                    SELECT 1";

    async fn open(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
        let mut connection = PgConnection::connect_with(options).await?;
        connection.execute(SESSION).await?;
        require_primary(&mut connection).await?;
        Ok(connection)
    }

    fn will_pass(error: &sqlx::Error) -> bool {
        is_unreachable(error)
    }

    /// One that has lost its server, or whose server has become a standby, is of no use.
    async fn revisit(connection: &mut PgConnection) -> sqlx::Result<()> {
        require_primary(connection).await
    }

    /// The driver reads what is left of an answer before it asks anything else. What the server is still busy with is
    /// not waited for.
    async fn mend(connection: &mut PgConnection, left: Left) -> sqlx::Result<()> {
        if left == Left::Transaction {
            within(LIFE_WITHIN, Self::script(connection, "ROLLBACK")).await?;
        }
        require_primary(connection).await
    }

    async fn begin(connection: &mut PgConnection) -> sqlx::Result<()> {
        Self::script(connection, "BEGIN").await
    }

    async fn script(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(drop)
    }

    async fn run(
        connection: &mut PgConnection,
        sql: &'static str,
        arguments: PgArguments,
        plan: Plan,
    ) -> sqlx::Result<Answer<Self>> {
        let mut answer = Answer { rows: Vec::new(), changed: 0 };
        let mut parts =
            connection.fetch_many(sqlx::query_with(sql, arguments).persistent(plan == Plan::Kept));
        while let Some(part) = parts.try_next().await? {
            match part {
                Either::Left(done) => answer.changed += done.rows_affected(),
                Either::Right(row) => answer.rows.push(row),
            }
        }
        Ok(answer)
    }

    async fn prepare(connection: &mut PgConnection, sql: &'static str) -> sqlx::Result<()> {
        connection.prepare(sql.into_sql_str()).await.map(drop)
    }
}

/// Asks for a sign of life of a server that may write.
async fn require_primary(connection: &mut PgConnection) -> sqlx::Result<()> {
    let asked = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(connection);
    if within(LIFE_WITHIN, asked).await? {
        return Err(sqlx::Error::Io(io::Error::other("the server is a standby")));
    }
    Ok(())
}

pub(crate) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    timeout(limit, asked).await.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}
