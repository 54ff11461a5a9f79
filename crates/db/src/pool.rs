//! Connections that are lent, given back, and put in order when they are not.
//!
//! One that is given back after its work is lent again without a question asked. One that is dropped instead, in the
//! middle of an answer, after an error or in a transaction that nobody ended, is put in order beside everything else,
//! and replaced when that fails: whoever has a connection has one that stands at its beginning.

use std::{
    future::Future,
    num::NonZeroU16,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{Connection, Database};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};

/// Whether a database that plans statements may use what it has planned for other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Kept,
    Anew,
}

/// A connection that was used less than this long ago is taken to live.
const RESTED: Duration = Duration::from_secs(1);

/// What nobody has needed for this long is closed when the next connection is given back.
const UNNEEDED: Duration = Duration::from_secs(600);

/// How long a goodbye may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The first pause between two attempts to connect, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(2));

pub(crate) type Options<D> = <<D as Database>::Connection as Connection>::Options;

/// What a pool and its borrowers ask of a database, each of it within a time of its own.
pub(crate) trait Driver: Database {
    /// Makes a connection.
    fn open(options: &Options<Self>) -> impl Future<Output = sqlx::Result<Self::Connection>> + Send;

    /// Whether what kept [`open`](Self::open) from it is worth waiting for.
    fn will_pass(error: &sqlx::Error) -> bool;

    /// Fails when a connection that has rested is of no use any more.
    fn revisit(connection: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Leads a connection that was left in the middle of something back to its beginning.
    fn mend(connection: &mut Self::Connection, left: Left) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Statements that begin a transaction which only reads, and sees one moment.
    const SNAPSHOT: &'static str;

    /// Begins a transaction.
    fn begin(connection: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Runs a statement without parameters, or several of them.
    fn script(connection: &mut Self::Connection, sql: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Runs a statement.
    fn run(
        connection: &mut Self::Connection,
        sql: &'static str,
        arguments: Self::Arguments,
        plan: Plan,
    ) -> impl Future<Output = sqlx::Result<Answer<Self>>> + Send;

    /// Has a statement parsed and planned.
    fn prepare(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// All that a statement answers.
pub(crate) struct Answer<D: Database> {
    pub(crate) rows: Vec<D::Row>,
    pub(crate) changed: u64,
}

/// In the middle of what a connection was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Statement,
    Transaction,
}

/// How many connections a pool has, and how long it lets wait for one: to make one included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) connections: NonZeroU16,
    pub(crate) within: Duration,
    /// A connection of this age is not lent again.
    pub(crate) lifetime: Duration,
}

/// Connections to one database. Cheap to clone.
pub(crate) struct Pool<D: Driver>(Arc<Shared<D>>);

struct Shared<D: Driver> {
    options: Options<D>,
    terms: Terms,
    /// One for each connection that is lent, or being made or put in order. Who waits gets one in turn.
    permits: Arc<Semaphore>,
    /// The one used last is lent first, so that few are kept busy and the others may be closed.
    resting: Mutex<Vec<Resting<D>>>,
}

struct Resting<D: Driver> {
    live: Live<D>,
    since: Instant,
}

struct Live<D: Driver> {
    connection: D::Connection,
    made: Instant,
}

/// A connection in use. To be [given back](Self::give_back) once everything that was asked on it is answered.
#[must_use = "a connection that is not given back has to be put in order"]
pub(crate) struct Lent<D: Driver> {
    pool: Pool<D>,
    /// Until it is given back or dropped.
    held: Option<Held<D>>,
}

struct Held<D: Driver> {
    live: Live<D>,
    left: Left,
    permit: OwnedSemaphorePermit,
}

impl<D: Driver> Pool<D> {
    /// Makes the first connection, so that what is wrong with the address is said at once.
    pub(crate) async fn open(options: Options<D>, terms: Terms) -> sqlx::Result<Self> {
        let opening = timeout(terms.within, D::open(&options)).await;
        let first = opening.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        let pool = Self(Arc::new(Shared {
            options,
            permits: Arc::new(Semaphore::new(usize::from(terms.connections.get()))),
            terms,
            resting: Mutex::new(Vec::new()),
        }));
        pool.rest(Live::new(first));
        Ok(pool)
    }

    /// Lends a connection.
    pub(crate) async fn lend(&self) -> sqlx::Result<Lent<D>> {
        let mut reason = sqlx::Error::PoolTimedOut;
        let found = timeout(self.0.terms.within, self.find(&mut reason)).await;
        found.unwrap_or(Err(reason))
    }

    /// Lends a connection, when it takes too long because of `reason`.
    async fn find(&self, reason: &mut sqlx::Error) -> sqlx::Result<Lent<D>> {
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let Some(Resting { live, since }) = self.resting().pop() else {
            return Ok(self.lent(self.connect(reason).await?, permit));
        };
        let mut lent = self.lent(live, permit);
        if since.elapsed() < RESTED {
            return Ok(lent);
        }
        match D::revisit(&mut lent).await {
            Ok(()) => Ok(lent),
            Err(error) => {
                tracing::info!(%error, "a connection to the database was lost while nobody needed it");
                let Held { permit, .. } = lent.held.take().expect(HELD);
                Ok(self.lent(self.connect(reason).await?, permit))
            }
        }
    }

    /// A database that is starting, or changing places, is waited for.
    async fn connect(&self, reason: &mut sqlx::Error) -> sqlx::Result<Live<D>> {
        let (mut pause, longest) = PAUSES;
        loop {
            match D::open(&self.0.options).await {
                Ok(connection) => return Ok(Live::new(connection)),
                Err(error) if D::will_pass(&error) => *reason = error,
                Err(error) => return Err(error),
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Waits until all connections are given back, and closes them. Whoever asks for one from now on gets none.
    pub(crate) async fn close(&self) {
        // Who has come before has its turn before.
        let _all = self.0.permits.acquire_many(u32::from(self.0.terms.connections.get())).await;
        self.0.permits.close();
        let resting = std::mem::take(&mut *self.resting());
        for Resting { live, .. } in resting {
            // What cannot be told goodbye is gone as well.
            let _ = timeout(CLOSE_WITHIN, live.connection.close()).await;
        }
    }

    fn lent(&self, live: Live<D>, permit: OwnedSemaphorePermit) -> Lent<D> {
        let held = Held { live, left: Left::Statement, permit };
        Lent { pool: self.clone(), held: Some(held) }
    }

    /// Keeps a connection that stands at its beginning for whoever comes next.
    fn rest(&self, live: Live<D>) {
        let since = Instant::now();
        if since.duration_since(live.made) >= self.0.terms.lifetime || self.0.permits.is_closed() {
            return;
        }
        let mut resting = self.resting();
        resting.push(Resting { live, since });
        // The first has rested longest.
        if resting.first().is_some_and(|first| since.duration_since(first.since) >= UNNEEDED) {
            resting.remove(0);
        }
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Resting<D>>> {
        self.0.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Driver> Lent<D> {
    /// Begins a transaction: what drops the connection from now on rolls it back.
    pub(crate) async fn begin(&mut self) -> sqlx::Result<()> {
        self.held_mut().left = Left::Transaction;
        let begun = D::begin(self).await;
        if begun.is_err() {
            self.held_mut().left = Left::Statement;
        }
        begun
    }

    /// Begins a transaction that sees one moment.
    pub(crate) async fn begin_snapshot(&mut self) -> sqlx::Result<()> {
        self.held_mut().left = Left::Transaction;
        D::script(self, D::SNAPSHOT).await
    }

    /// The connection stands at its beginning: everything is answered, and no transaction is open.
    pub(crate) fn give_back(mut self) {
        if let Some(Held { live, permit, .. }) = self.held.take() {
            self.pool.rest(live);
            // Not before: who gets it must find the connection.
            drop(permit);
        }
    }

    fn held_mut(&mut self) -> &mut Held<D> {
        self.held.as_mut().expect(HELD)
    }
}

const HELD: &str = "it is held until it is given back or dropped, which take the whole";

impl<D: Driver> Deref for Lent<D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        &self.held.as_ref().expect(HELD).live.connection
    }
}

impl<D: Driver> DerefMut for Lent<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        &mut self.held_mut().live.connection
    }
}

impl<D: Driver> Drop for Lent<D> {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        // Where nothing can wait for the database any more, the connection ends, and with it what was open on it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(mend(self.pool.clone(), held));
        }
    }
}

async fn mend<D: Driver>(pool: Pool<D>, held: Held<D>) {
    let Held { mut live, left, permit } = held;
    match D::mend(&mut live.connection, left).await {
        Ok(()) => pool.rest(live),
        Err(error) => {
            tracing::info!(%error, "a connection to the database that could not be put in order is replaced");
            drop(live);
        }
    }
    drop(permit);
}

impl<D: Driver> Live<D> {
    fn new(connection: D::Connection) -> Self {
        Self { connection, made: Instant::now() }
    }
}

impl<D: Driver> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
