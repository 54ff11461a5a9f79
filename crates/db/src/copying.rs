//! Whole tables, out of one database and into another of either kind, without knowing any of them.
//!
//! This is the one place where SQL is put together at run time: of names that the database itself has told, quoted.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use sqlx::{
    Arguments as _, AssertSqlSafe, Postgres, Row as _, Sqlite, postgres::PgArguments, sqlite::SqliteArguments,
};
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use crate::{Error, Migration, Result, Tx, migration, transaction::Inner};

/// A table as one database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What it consists of, without what the database computes.
    pub columns: Vec<Column>,
    /// The last number that was given to a row, where the database numbers them.
    pub last_number: Option<i64>,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    kind: Kind,
}

/// A value as both databases can have it. Truth values are 0 and 1, UUIDs their 16 bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A migration that was run, as its database remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Of its text.
    pub checksum: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Boolean,
    Real,
    Text,
    Bytes,
    Uuid,
}

/// Rows that are handed on together.
const BATCH: usize = 256;

/// Parameters of one statement: SQLite takes 32,766, PostgreSQL 65,535.
const PARAMETERS: usize = 30_000;

impl Tx {
    /// Every table but the list of migrations, those first that others refer to.
    ///
    /// # Errors
    /// Every [`Error`] of the database; [`Error::Column`] for a column of a type that migrations do not use.
    pub async fn tables(&mut self) -> Result<Vec<Table>> {
        let names: Vec<String> = self.query(TABLES).values().await?;
        let references: Vec<Reference> = self.query(REFERENCES).all().await?;
        let mut tables = Vec::new();
        for name in in_order(names, &references) {
            if name == migration::TABLE {
                continue;
            }
            let columns: Vec<Described> = self.query(COLUMNS).bind(&name).all().await?;
            let columns = columns.into_iter().map(Column::new).collect::<Result<_>>()?;
            let last_number = self.last_number(&name).await?;
            tables.push(Table { name, columns, last_number });
        }
        Ok(tables)
    }

    /// Whether there is no table at all.
    ///
    /// # Errors
    /// Every [`Error`] of the database.
    pub async fn is_blank(&mut self) -> Result<bool> {
        Ok(self.query(TABLES).values::<String>().await?.is_empty())
    }

    /// The migrations that were run, in order.
    ///
    /// # Errors
    /// Every [`Error`] of the database.
    pub async fn steps(&mut self) -> Result<Vec<Step>> {
        migration::steps(self).await
    }

    /// Hands all rows of a table on, some at a time, in no order. Nobody takes them any more: then it ends.
    ///
    /// # Errors
    /// Every [`Error`] of the database, and of reading the rows.
    pub async fn rows(&mut self, table: &Table, to: &Sender<Vec<Vec<Value>>>) -> Result<()> {
        let sql = AssertSqlSafe(format!("SELECT {} FROM {}", table.list(), quoted(&table.name)));
        let mut batch = Vec::new();
        match self.inner() {
            Inner::Sqlite(lent) => {
                let mut rows = sqlx::query::<Sqlite>(sql).fetch(&mut **lent);
                while let Some(row) = rows.try_next().await? {
                    batch.push(read(table, |at, kind| of_sqlite(&row, at, kind))?);
                    if batch.len() == BATCH && to.send(std::mem::take(&mut batch)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Inner::Postgres(lent) => {
                let mut rows = sqlx::query::<Postgres>(sql).fetch(&mut **lent);
                while let Some(row) = rows.try_next().await? {
                    batch.push(read(table, |at, kind| of_postgres(&row, at, kind))?);
                    if batch.len() == BATCH && to.send(std::mem::take(&mut batch)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        if !batch.is_empty() {
            // Nobody takes it any more.
            let _ = to.send(batch).await;
        }
        Ok(())
    }

    /// Removes all rows of a table: those that a migration has put there.
    ///
    /// # Errors
    /// Every [`Error`] of the database.
    pub async fn empty(&mut self, table: &Table) -> Result<()> {
        let sql = format!("DELETE FROM {}", quoted(&table.name));
        self.run_script(&sql, &sql).await
    }

    /// Adds rows to a table, whose values are those of its columns with these names.
    ///
    /// # Errors
    /// Every [`Error`] of the database; [`Error::Column`] for a column that there is not, and for a value that does not fit
    /// into its column.
    pub async fn fill(&mut self, table: &Table, columns: &[String], rows: &[Vec<Value>]) -> Result<()> {
        let unknown = |name: &String| Error::Column {
            column: format!("{}.{name}", table.name),
            reason: "there is no such column".to_owned(),
        };
        let find = |name: &String| {
            table.columns.iter().find(|column| column.name == *name).ok_or_else(|| unknown(name))
        };
        let columns: Vec<&Column> = columns.iter().map(find).collect::<Result<_>>()?;
        let at_once = (PARAMETERS / columns.len().max(1)).clamp(1, BATCH);
        for rows in rows.chunks(at_once) {
            self.insert(table, &columns, rows).await?;
        }
        Ok(())
    }

    async fn insert(&mut self, table: &Table, columns: &[&Column], rows: &[Vec<Value>]) -> Result<()> {
        let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
        let mut place = 0;
        let mut row = || {
            let places = columns.iter().map(|_| {
                place += 1;
                format!("${place}")
            });
            format!("({})", places.collect::<Vec<_>>().join(", "))
        };
        let places: Vec<_> = rows.iter().map(|_| row()).collect();
        let sql = AssertSqlSafe(format!(
            "INSERT INTO {} ({}) VALUES {}",
            quoted(&table.name),
            names.join(", "),
            places.join(", ")
        ));
        let values = rows.iter().flat_map(|row| columns.iter().zip(row));
        match self.inner() {
            Inner::Sqlite(lent) => {
                let mut arguments = SqliteArguments::default();
                for (column, value) in values {
                    column
                        .add_to_sqlite(value, &mut arguments)
                        .map_err(|reason| column.refused(table, reason))?;
                }
                sqlx::query_with::<Sqlite, _>(sql, arguments).persistent(false).execute(&mut **lent).await?;
            }
            Inner::Postgres(lent) => {
                let mut arguments = PgArguments::default();
                for (column, value) in values {
                    column
                        .add_to_postgres(value, &mut arguments)
                        .map_err(|reason| column.refused(table, reason))?;
                }
                sqlx::query_with::<Postgres, _>(sql, arguments)
                    .persistent(false)
                    .execute(&mut **lent)
                    .await?;
            }
        }
        Ok(())
    }

    /// Has the database number new rows of a table from the one after `last` on.
    ///
    /// # Errors
    /// Every [`Error`] of the database.
    pub async fn number_after(&mut self, table: &Table, last: i64) -> Result<()> {
        if self.query(SET_LAST_NUMBER).bind(&table.name).bind(last).values::<i64>().await?.is_empty() {
            self.query(ADD_LAST_NUMBER).bind(&table.name).bind(last).execute().await?;
        }
        Ok(())
    }

    async fn last_number(&mut self, table: &str) -> Result<Option<i64>> {
        if self.query(HAS_NUMBERS).value::<i64>().await? == 0 {
            return Ok(None);
        }
        let last: Option<Option<i64>> = self.query(LAST_NUMBER).bind(table).first_value().await?;
        Ok(last.flatten())
    }
}

impl Table {
    fn list(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }
}

impl Column {
    fn new(Described { name, kind }: Described) -> Result<Self> {
        let kind = match kind.as_str() {
            "INTEGER" | "int8" => Kind::Integer,
            "bool" => Kind::Boolean,
            "REAL" | "float8" => Kind::Real,
            "TEXT" | "text" => Kind::Text,
            "BLOB" | "bytea" => Kind::Bytes,
            "uuid" => Kind::Uuid,
            other => {
                let reason = format!("its type `{other}` is none of those that migrations use");
                return Err(Error::Column { column: name, reason });
            }
        };
        Ok(Self { name, kind })
    }

    fn refused(&self, table: &Table, reason: String) -> Error {
        Error::Column { column: format!("{}.{}", table.name, self.name), reason }
    }

    fn add_to_sqlite(&self, value: &Value, to: &mut SqliteArguments) -> Result<(), String> {
        match value {
            Value::Null => to.add(None::<i64>),
            Value::Integer(number) => to.add(*number),
            Value::Real(number) => to.add(*number),
            Value::Text(text) => to.add(text.clone()),
            Value::Bytes(bytes) => to.add(bytes.clone()),
        }
        .map_err(|error| error.to_string())
    }

    fn add_to_postgres(&self, value: &Value, to: &mut PgArguments) -> Result<(), String> {
        match (self.kind, value) {
            (Kind::Integer, Value::Null) => to.add(None::<i64>),
            (Kind::Boolean, Value::Null) => to.add(None::<bool>),
            (Kind::Real, Value::Null) => to.add(None::<f64>),
            (Kind::Text, Value::Null) => to.add(None::<String>),
            (Kind::Bytes, Value::Null) => to.add(None::<Vec<u8>>),
            (Kind::Uuid, Value::Null) => to.add(None::<Uuid>),
            (Kind::Integer, Value::Integer(number)) => to.add(*number),
            (Kind::Boolean, Value::Integer(number @ (0 | 1))) => to.add(*number == 1),
            (Kind::Real, Value::Real(number)) => to.add(*number),
            (Kind::Text, Value::Text(text)) => to.add(text.clone()),
            (Kind::Bytes, Value::Bytes(bytes)) => to.add(bytes.clone()),
            (Kind::Uuid, Value::Bytes(bytes)) => {
                to.add(Uuid::from_slice(bytes).map_err(|error| error.to_string())?)
            }
            (kind, value) => return Err(format!("`{value:?}` is no {kind:?}")),
        }
        .map_err(|error| error.to_string())
    }
}

type Read = std::result::Result<Value, sqlx::Error>;

fn read(table: &Table, value: impl Fn(usize, Kind) -> Read) -> Result<Vec<Value>> {
    let unusable = |column: &Column, error: sqlx::Error| column.refused(table, error.to_string());
    let columns = table.columns.iter().enumerate();
    columns.map(|(at, column)| value(at, column.kind).map_err(|error| unusable(column, error))).collect()
}

fn of_sqlite(row: &sqlx::sqlite::SqliteRow, at: usize, kind: Kind) -> Read {
    Ok(match kind {
        Kind::Integer | Kind::Boolean => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
        Kind::Real => row.try_get::<Option<f64>, _>(at)?.map(Value::Real),
        Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
        Kind::Bytes | Kind::Uuid => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
    }
    .unwrap_or(Value::Null))
}

fn of_postgres(row: &sqlx::postgres::PgRow, at: usize, kind: Kind) -> Read {
    Ok(match kind {
        Kind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
        Kind::Boolean => row.try_get::<Option<bool>, _>(at)?.map(|truth| Value::Integer(truth.into())),
        Kind::Real => row.try_get::<Option<f64>, _>(at)?.map(Value::Real),
        Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        Kind::Uuid => row.try_get::<Option<Uuid>, _>(at)?.map(|id| Value::Bytes(id.as_bytes().to_vec())),
    }
    .unwrap_or(Value::Null))
}

/// The migrations among `known` that a database at these steps has run: the first ones.
///
/// # Errors
/// [`Error::SchemaNewer`] and [`Error::MigrationChanged`], as for [`Db::migrate`](crate::Db::migrate).
pub fn known_steps<'a>(known: &'a [Migration], steps: &[Step]) -> Result<&'a [Migration]> {
    migration::verify(known, steps.iter().map(|step| step.checksum.as_str()))
}

/// A name that the database has told, in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Each after all that it refers to. What refers to itself in a circle, which migrations do not make, comes last.
fn in_order(mut names: Vec<String>, references: &[Reference]) -> Vec<String> {
    let mut ordered: Vec<String> = Vec::new();
    let mut placed = BTreeSet::new();
    while !names.is_empty() {
        let is_free = |name: &String| {
            let mut parents = references.iter().filter(|one| one.child == *name && one.parent != *name);
            parents.all(|one| placed.contains(&one.parent))
        };
        let (mut free, waiting): (Vec<_>, Vec<_>) = names.into_iter().partition(is_free);
        names = waiting;
        if free.is_empty() {
            free.append(&mut names);
        }
        placed.extend(free.iter().cloned());
        ordered.append(&mut free);
    }
    ordered
}

crate::row! {
    /// A table that refers to another.
    struct Reference { child: String, parent: String }
}

crate::row! {
    struct Described { name: String, kind: String }
}

crate::statements! {
    /// Those that rows are put into: no index of a text, and nothing of the database's own.
    TABLES {
        [
            sqlite
                "SELECT name FROM pragma_table_list
                 WHERE schema = 'main' AND type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
            postgres
                "SELECT CAST(relname AS TEXT) FROM pg_class
                 WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
                 ORDER BY relname"
        ]
    }
    REFERENCES {
        [
            sqlite
                "SELECT tables.name AS child, keys.\"table\" AS parent
                 FROM pragma_table_list AS tables JOIN pragma_foreign_key_list(tables.name) AS keys
                 WHERE tables.schema = 'main' AND tables.type = 'table'"
            postgres
                "SELECT CAST(child.relname AS TEXT) AS child, CAST(parent.relname AS TEXT) AS parent
                 FROM pg_constraint JOIN pg_class AS child ON child.oid = conrelid
                     JOIN pg_class AS parent ON parent.oid = confrelid
                 WHERE contype = 'f'"
        ]
    }
    COLUMNS {
        [
            sqlite "SELECT name, type AS kind FROM pragma_table_xinfo($1) WHERE hidden = 0 ORDER BY cid"
            postgres
                "SELECT CAST(column_name AS TEXT) AS name, CAST(udt_name AS TEXT) AS kind
                 FROM information_schema.columns
                 WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER'
                 ORDER BY ordinal_position"
        ]
    }
    /// SQLite has its list of numbers from the first table that needs it on.
    HAS_NUMBERS {
        [sqlite "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'" postgres "SELECT CAST(1 AS BIGINT)"]
    }
    LAST_NUMBER {
        [
            sqlite "SELECT seq FROM sqlite_sequence WHERE name = $1"
            postgres
                "SELECT pg_sequence_last_value(CAST(numbers.oid AS regclass))
                 FROM pg_class AS numbers
                     JOIN pg_depend ON objid = numbers.oid AND classid = CAST('pg_class' AS regclass)
                         AND refclassid = CAST('pg_class' AS regclass) AND deptype IN ('a', 'i')
                     JOIN pg_class AS numbered ON numbered.oid = refobjid
                 WHERE numbers.relkind = 'S' AND numbered.relname = $1
                     AND numbered.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
        ]
    }
    /// Answers the number.
    SET_LAST_NUMBER {
        [
            sqlite "UPDATE sqlite_sequence SET seq = $2 WHERE name = $1 RETURNING seq"
            postgres
                "SELECT setval(CAST(numbers.oid AS regclass), $2)
                 FROM pg_class AS numbers
                     JOIN pg_depend ON objid = numbers.oid AND classid = CAST('pg_class' AS regclass)
                         AND refclassid = CAST('pg_class' AS regclass) AND deptype IN ('a', 'i')
                     JOIN pg_class AS numbered ON numbered.oid = refobjid
                 WHERE numbers.relkind = 'S' AND numbered.relname = $1
                     AND numbered.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
        ]
    }
    /// SQLite numbers no row of a table that never had one.
    ADD_LAST_NUMBER {
        [sqlite "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)" postgres "SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT)"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_come_after_those_they_refer_to() {
        let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let refers =
            |child: &str, parent: &str| Reference { child: child.to_owned(), parent: parent.to_owned() };
        let references = [refers("a", "c"), refers("c", "d"), refers("b", "b"), refers("a", "b")];
        assert_eq!(in_order(names, &references), ["b", "d", "c", "a"]);
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
