//! Transactions.

use sqlx::{Postgres, Sqlite};
use tokio::sync::broadcast;

use crate::{
    Query, Result, Statement, Timestamp,
    pool::{Driver, Lent},
    postgres,
    query::On,
};

/// A transaction that may write, or a [snapshot](crate::Db::snapshot). Dropped without [`Tx::commit`] it rolls back.
///
/// One that may write: on SQLite it is the only writer of the whole database from the moment it begins (`BEGIN IMMEDIATE`), so no
/// statement in it can find that another writer came first. On PostgreSQL it runs at `READ COMMITTED`.
#[must_use = "a transaction that is not committed rolls back"]
pub struct Tx {
    inner: Inner,
    notify: Vec<&'static str>,
    local: broadcast::Sender<&'static str>,
}

pub(crate) enum Inner {
    Sqlite(Lent<Sqlite>),
    Postgres(Lent<Postgres>),
}

crate::statements! {
    /// The database's clock.
    CLOCK { "SELECT " NOW }
    /// One notification that reaches every listener of the channel when the transaction commits.
    NOTIFY { [sqlite "SELECT $1" postgres "SELECT CAST(pg_notify($1, '') AS TEXT)"] }
}

impl Tx {
    /// On a connection that has begun one.
    pub(crate) fn sqlite(lent: Lent<Sqlite>, local: broadcast::Sender<&'static str>) -> Self {
        Self { inner: Inner::Sqlite(lent), notify: Vec::new(), local }
    }

    /// On a connection that has begun one.
    pub(crate) fn postgres(lent: Lent<Postgres>, local: broadcast::Sender<&'static str>) -> Self {
        Self { inner: Inner::Postgres(lent), notify: Vec::new(), local }
    }

    /// The connection that it is on.
    pub(crate) fn inner(&mut self) -> &mut Inner {
        &mut self.inner
    }

    /// A statement in this transaction.
    pub fn query(&mut self, statement: Statement) -> Query<'_> {
        match &mut self.inner {
            Inner::Sqlite(lent) => Query::on_sqlite(On::Connection(&mut **lent), statement),
            Inner::Postgres(lent) => Query::on_postgres(On::Connection(&mut **lent), statement),
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
            Inner::Sqlite(lent) => end(lent, "COMMIT").await?,
            Inner::Postgres(lent) => postgres::answer(end(lent, "COMMIT")).await?,
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
            Inner::Sqlite(lent) => end(lent, "ROLLBACK").await?,
            Inner::Postgres(lent) => postgres::answer(end(lent, "ROLLBACK")).await?,
        }
        Ok(())
    }

    /// Runs several statements without parameters: the text of a migration.
    pub(crate) async fn run_script(&mut self, sqlite: &str, postgres: &str) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(lent) => Sqlite::script(lent, sqlite).await?,
            Inner::Postgres(lent) => Postgres::script(lent, postgres).await?,
        }
        Ok(())
    }
}

async fn end<D: Driver>(mut lent: Lent<D>, sql: &str) -> sqlx::Result<()> {
    D::script(&mut lent, sql).await?;
    lent.give_back();
    Ok(())
}
