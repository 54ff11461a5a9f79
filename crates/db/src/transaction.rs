//! Write transactions.

use sqlx::{Executor as _, Postgres, Sqlite, Transaction};
use tokio::sync::broadcast;

use crate::{Query, Result, Statement, Timestamp, postgres, query::On};

/// A transaction that may write. Dropped without [`Tx::commit`] it rolls back.
///
/// On SQLite it is the only writer of the whole database from the moment it begins (`BEGIN IMMEDIATE`), so no
/// statement in it can find that another writer came first. On PostgreSQL it runs at `READ COMMITTED`.
#[must_use = "a transaction that is not committed rolls back"]
pub struct Tx {
    inner: Inner,
    notify: Vec<&'static str>,
    local: broadcast::Sender<&'static str>,
}

enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

crate::statements! {
    /// The database's clock.
    CLOCK { "SELECT " NOW }
    /// One notification that reaches every listener of the channel when the transaction commits.
    NOTIFY { [sqlite "SELECT $1" postgres "SELECT CAST(pg_notify($1, '') AS TEXT)"] }
}

impl Tx {
    pub(crate) fn sqlite(
        transaction: Transaction<'static, Sqlite>,
        local: broadcast::Sender<&'static str>,
    ) -> Self {
        Self { inner: Inner::Sqlite(transaction), notify: Vec::new(), local }
    }

    pub(crate) fn postgres(
        transaction: Transaction<'static, Postgres>,
        local: broadcast::Sender<&'static str>,
    ) -> Self {
        Self { inner: Inner::Postgres(transaction), notify: Vec::new(), local }
    }

    /// A statement in this transaction.
    pub fn query(&mut self, statement: Statement) -> Query<'_> {
        match &mut self.inner {
            Inner::Sqlite(transaction) => Query::on_sqlite(On::Connection(&mut **transaction), statement),
            Inner::Postgres(transaction) => Query::on_postgres(On::Connection(&mut **transaction), statement),
        }
    }

    /// What the database's clock says now.
    ///
    /// # Errors
    /// Every [`Error`](crate::Error) of the database.
    pub async fn now(&mut self) -> Result<Timestamp> {
        self.query(CLOCK).value().await
    }

    /// Wakes the [`Listener`](crate::Listener)s of `channel` when this transaction commits: once, however often
    /// it is called.
    pub fn notify(&mut self, channel: &'static str) {
        if !self.notify.contains(&channel) {
            self.notify.push(channel);
        }
    }

    /// Makes everything in this transaction durable and visible.
    ///
    /// # Errors
    /// Every [`Error`](crate::Error) of the database. After [`Error::Unreachable`](crate::Error::Unreachable) it
    /// is not known whether the transaction was committed.
    pub async fn commit(mut self) -> Result<()> {
        if matches!(self.inner, Inner::Postgres(_)) {
            for channel in std::mem::take(&mut self.notify) {
                self.query(NOTIFY).bind(channel).execute().await?;
            }
        }
        match self.inner {
            Inner::Sqlite(transaction) => transaction.commit().await?,
            Inner::Postgres(transaction) => postgres::answer(transaction.commit()).await?,
        }
        for channel in self.notify {
            // Nobody listens in this process: other processes see the change of the file.
            let _ = self.local.send(channel);
        }
        Ok(())
    }

    /// Gives everything in this transaction up, and waits until the connection is free again.
    ///
    /// # Errors
    /// Every [`Error`](crate::Error) of the database.
    pub async fn rollback(self) -> Result<()> {
        match self.inner {
            Inner::Sqlite(transaction) => transaction.rollback().await?,
            Inner::Postgres(transaction) => postgres::answer(transaction.rollback()).await?,
        }
        Ok(())
    }

    /// Runs several statements without parameters: the text of a migration.
    pub(crate) async fn run_script(&mut self, sqlite: &str, postgres: &str) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(transaction) => {
                transaction.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sqlite))).await?;
            }
            Inner::Postgres(transaction) => {
                transaction.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(postgres))).await?;
            }
        }
        Ok(())
    }
}
