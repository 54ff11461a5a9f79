//! Rows, read by column name.

use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};

use crate::{Error, FromColumn, Result};

/// One row of an answer.
#[derive(Debug)]
pub struct Row(pub(crate) Inner);

#[derive(Debug)]
pub(crate) enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A type that is read from a row. [`row!`](crate::row!) implements it for plain structs.
pub trait FromRow: Sized {
    /// Reads the columns by name.
    ///
    /// # Errors
    /// When a column is missing or holds another type.
    fn from_row(row: &Row) -> Result<Self>;
}

impl Row {
    /// The value of the column `name`.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    pub fn get<T: FromColumn>(&self, name: &str) -> Result<T> {
        self.column(name, |row| row.try_get(name), |row| row.try_get(name))
    }

    /// The value of the first column.
    pub(crate) fn first<T: FromColumn>(&self) -> Result<T> {
        self.column("first", |row| row.try_get(0), |row| row.try_get(0))
    }

    fn column<T: FromColumn>(
        &self,
        name: &str,
        sqlite: impl FnOnce(&SqliteRow) -> sqlx::Result<T::Stored>,
        postgres: impl FnOnce(&PgRow) -> sqlx::Result<T::Stored>,
    ) -> Result<T> {
        let unusable = |reason: String| Error::Column { column: name.to_owned(), reason };
        let stored = match &self.0 {
            Inner::Sqlite(row) => sqlite(row),
            Inner::Postgres(row) => postgres(row),
        }
        .map_err(|error| unusable(error.to_string()))?;
        T::from_stored(stored).map_err(|error| unusable(error.to_string()))
    }
}

/// Declares a struct whose fields are columns of the same name, and reads it from a row.
///
/// ```
/// db::row! {
///     /// A page and how often it was seen.
///     pub struct Visits {
///         /// The path of the page.
///         pub page: String,
///         /// How often it was seen.
///         pub count: u64,
///     }
/// }
/// ```
#[macro_export]
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident : $type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $type),* }

        impl $crate::FromRow for $name {
            fn from_row(row: &$crate::Row) -> $crate::Result<Self> {
                Ok(Self { $($field: row.get(stringify!($field))?),* })
            }
        }
    };
}
