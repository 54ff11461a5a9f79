//! One body of SQL for SQLite and PostgreSQL: connections, transactions, statements, rows, typed constraint
//! errors, wake-ups and migrations.
//!
//! What it deliberately does not do: it knows no table, it maps no objects, it builds no SQL at run time (but to copy
//! whole tables, whose names the database tells) and it never retries. Nobody else in the workspace names `sqlx`: what leaves this crate are its own types, so that a
//! change of driver ends here.
//!
//! A statement is a constant with the text for both databases ([`statements!`]); the few places where the two
//! dialects differ are written as parts of it. A query binds values in the order of its `$n` placeholders and
//! reads rows by column name:
//!
//! ```
//! use db::{Db, Result, Tx};
//!
//! db::statements! {
//!     /// Adds one visit and answers how many there are.
//!     COUNT_VISIT {
//!         "INSERT INTO visits (page, count, last_at) VALUES ($1, 1, " NOW ")
//!          ON CONFLICT (page) DO UPDATE SET count = visits.count + 1, last_at = excluded.last_at
//!          RETURNING count"
//!     }
//! }
//!
//! async fn visit(tx: &mut Tx, page: &str) -> Result<i64> {
//!     tx.query(COUNT_VISIT).bind(page).value().await
//! }
//! ```
//!
//! Three rules keep SQLite's single writer healthy, and cost PostgreSQL nothing: inside a transaction use the
//! [`Tx`] and never the [`Db`]; wait for no network, disk or process while one is open; keep it short.

/// For the code that [`text_enum!`] expands to.
#[doc(hidden)]
pub use serde;

mod column;
mod copying;
mod database;
mod error;
mod listener;
mod migration;
mod pool;
mod postgres;
mod query;
mod row;
mod sqlite;
mod statement;
mod text_enum;
mod timestamp;
mod transaction;

pub use column::{ColumnError, FromColumn, Json, Stored, ToColumn};
pub use copying::{Column, Step, Table, Value, known_steps};
pub use database::{Backend, Db, Settings, Url};
pub use error::{DriverError, Error, Result, is_transient};
pub use listener::Listener;
pub use migration::Migration;
pub use query::Query;
pub use row::{FromRow, Row};
pub use statement::Statement;
pub use timestamp::Timestamp;
pub use transaction::Tx;

#[cfg(test)]
mod tests;
