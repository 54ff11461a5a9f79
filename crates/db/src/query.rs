//! One statement with its values, on its way to a connection.

use sqlx::{Arguments as _, Postgres, Sqlite, postgres::PgArguments, sqlite::SqliteArguments};

use crate::{
    Error, FromColumn, FromRow, Result, Row, Statement, ToColumn,
    pool::{Answer, Driver, Plan, Pool},
    postgres, row,
};

/// A statement, bound value by value and then run once.
#[must_use = "a query does nothing before it is run"]
pub struct Query<'a> {
    target: Target<'a>,
    bound: usize,
    unusable: Option<Error>,
}

pub(crate) enum Target<'a> {
    Sqlite(Bound<'a, Sqlite>),
    Postgres(Bound<'a, Postgres>),
}

pub(crate) struct Bound<'a, D: Driver> {
    pub(crate) on: On<'a, D>,
    pub(crate) sql: &'static str,
    pub(crate) arguments: D::Arguments,
    plan: Plan,
}

pub(crate) enum On<'a, D: Driver> {
    Pool(&'a Pool<D>),
    Connection(&'a mut D::Connection),
}

impl<'a> Query<'a> {
    pub(crate) fn on_sqlite(on: On<'a, Sqlite>, statement: Statement) -> Self {
        let arguments = SqliteArguments::default();
        Self::new(Target::Sqlite(Bound { on, sql: statement.sqlite, arguments, plan: Plan::Kept }))
    }

    pub(crate) fn on_postgres(on: On<'a, Postgres>, statement: Statement) -> Self {
        let arguments = PgArguments::default();
        Self::new(Target::Postgres(Bound { on, sql: statement.postgres, arguments, plan: Plan::Kept }))
    }

    fn new(target: Target<'a>) -> Self {
        Self { target, bound: 0, unusable: None }
    }

    /// Has PostgreSQL plan the statement for the values that are bound. It plans for any values once it has seen a few,
    /// which is wrong where one value means a thousand times as many rows as another.
    pub fn planned_for_its_values(mut self) -> Self {
        if let Target::Postgres(bound) = &mut self.target {
            bound.plan = Plan::Anew;
        }
        self
    }

    /// Binds the next placeholder: the first call `$1`, the second `$2`. A value that cannot be stored makes the
    /// query fail when it is run.
    pub fn bind<T: ToColumn>(mut self, value: T) -> Self {
        self.bound += 1;
        if let Err(reason) = self.add(&value) {
            let column = format!("${}", self.bound);
            self.unusable.get_or_insert(Error::Column { column, reason });
        }
        self
    }

    fn add<T: ToColumn>(&mut self, value: &T) -> Result<(), String> {
        let stored = value.to_stored().map_err(|error| error.to_string())?;
        match &mut self.target {
            Target::Sqlite(bound) => bound.arguments.add(stored),
            Target::Postgres(bound) => bound.arguments.add(stored),
        }
        .map_err(|error| error.to_string())
    }

    /// Runs the statement and answers how many rows it changed.
    ///
    /// # Errors
    /// Every [`Error`] of the database.
    pub async fn execute(self) -> Result<u64> {
        Ok(match self.ready()? {
            Target::Sqlite(bound) => bound.run().await?.changed,
            Target::Postgres(bound) => postgres::answer(bound.run()).await?.changed,
        })
    }

    /// All rows of the answer.
    ///
    /// # Errors
    /// Every [`Error`] of the database, and of reading the rows.
    pub async fn all<T: FromRow>(self) -> Result<Vec<T>> {
        self.rows().await?.iter().map(T::from_row).collect()
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As for [`Query::all`].
    pub async fn first<T: FromRow>(self) -> Result<Option<T>> {
        self.rows().await?.first().map(T::from_row).transpose()
    }

    /// The first row.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, and as for [`Query::all`].
    pub async fn one<T: FromRow>(self) -> Result<T> {
        self.first().await?.ok_or(Error::NotFound)
    }

    /// The first column of every row.
    ///
    /// # Errors
    /// As for [`Query::all`].
    pub async fn values<T: FromColumn>(self) -> Result<Vec<T>> {
        self.rows().await?.iter().map(Row::first).collect()
    }

    /// The first column of the first row, if there is one.
    ///
    /// # Errors
    /// As for [`Query::all`].
    pub async fn first_value<T: FromColumn>(self) -> Result<Option<T>> {
        self.rows().await?.first().map(Row::first).transpose()
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no row, and as for [`Query::all`].
    pub async fn value<T: FromColumn>(self) -> Result<T> {
        self.first_value().await?.ok_or(Error::NotFound)
    }

    async fn rows(self) -> Result<Vec<Row>> {
        Ok(match self.ready()? {
            Target::Sqlite(bound) => {
                let rows = bound.run().await?.rows;
                rows.into_iter().map(|r| Row(row::Inner::Sqlite(r))).collect()
            }
            Target::Postgres(bound) => {
                let rows = postgres::answer(bound.run()).await?.rows;
                rows.into_iter().map(|r| Row(row::Inner::Postgres(r))).collect()
            }
        })
    }

    fn ready(self) -> Result<Target<'a>> {
        self.unusable.map_or(Ok(self.target), Err)
    }
}

impl<D: Driver> Bound<'_, D> {
    async fn run(self) -> sqlx::Result<Answer<D>> {
        match self.on {
            On::Pool(pool) => {
                let mut lent = pool.lend().await?;
                let answer = D::run(&mut lent, self.sql, self.arguments, self.plan).await?;
                lent.give_back();
                Ok(answer)
            }
            On::Connection(connection) => D::run(connection, self.sql, self.arguments, self.plan).await,
        }
    }
}
