//! Connections to a PostgreSQL server that may stop answering, restart, or give its address to its standby.

use std::{future::Future, io, time::Duration};

use sqlx::{
    Connection as _, Executor as _, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::Result;

/// How long making a connection may take; a pool hands one out within this time, or says that it cannot.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long anything may take, waiting for a connection included. It is longer than the server lets a statement run,
/// so that this ends only what the server will never answer: nothing tells a slow server from one that is gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);

/// How long beginning a transaction may take. It asks the server for nothing that could take long.
const BEGIN_WITHIN: Duration = Duration::from_secs(12);

/// How long a sign of life may take.
const LIFE_WITHIN: Duration = Duration::from_secs(2);

/// A connection that was used less than this long ago is taken to live.
const RESTED: Duration = Duration::from_secs(1);

/// A frozen process must not keep its locks beyond its leases, nor a statement run for ever.
const SESSION: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
                       SET idle_in_transaction_session_timeout = '15s'";

/// A pool of connections to the server that may write. One that has lost its server, or whose server has become a
/// standby, is noticed between two uses and replaced.
pub(crate) async fn connect(options: &PgConnectOptions, connections: u32) -> Result<PgPool> {
    // A pool would wait for its whole timeout and then hide why: one plain connection says it at once.
    let first = async {
        let mut first = PgConnection::connect_with(options).await?;
        require_primary(&mut first).await?;
        first.close().await
    };
    within(CONNECT_WITHIN, first).await?;
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_WITHIN)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                require_primary(connection).await
            })
        })
        // What the pool asks by itself, it asks for as long as it takes.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= RESTED {
                    require_primary(connection).await?;
                }
                Ok(true)
            })
        })
        // Also what was given up in the middle of an answer comes through here.
        .after_release(|connection, _| {
            Box::pin(async move { require_primary(connection).await.map(|()| true) })
        })
        .connect_with(options.clone())
        .await?;
    Ok(pool)
}

/// Begins a transaction.
pub(crate) async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    within(BEGIN_WITHIN, pool.begin()).await
}

/// Waits for the server, but not for ever.
pub(crate) async fn answer<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(ANSWER_WITHIN, asked).await
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
