//! SQL as constants: one text for each database, written once.

/// The text of one SQL statement for both databases. Only [`statements!`](crate::statements!) makes one, so that
/// every statement of a crate is in a list that a test prepares on both.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl Statement {
    /// For [`statements!`](crate::statements!).
    #[doc(hidden)]
    pub const fn from_parts(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

/// Declares the SQL statements of a module as constants, and the list `STATEMENTS` of their names and texts.
///
/// A statement is a sequence of parts, put together at compile time:
///
/// | part | SQLite | PostgreSQL |
/// | --- | --- | --- |
/// | `"text"` | the text | the text |
/// | `NOW` | the database's clock in microseconds since 1970, one value for the whole statement | the same |
/// | `FOR_UPDATE` | nothing: a transaction has the database | `FOR UPDATE` |
/// | `SKIP_LOCKED` | nothing | `FOR UPDATE SKIP LOCKED` |
/// | `[texts "$1"]` | the texts of the JSON array `$1`, as a subquery | the same |
/// | `[in_uuids "$1"]` | whether what stands before is among the UUIDs of the JSON array `$1` of their texts without hyphens | the same, as an array: of a subquery the planner would think that it has a hundred |
/// | `[sqlite "a" postgres "b"]` | `a` | `b` |
/// | `[sqlite a postgres b]` | what the macro `a!()` is | what the macro `b!()` is |
///
/// Placeholders are `$1`, `$2`, … on both. A parameter that is JSON is text on SQLite and cast to `JSONB` on
/// PostgreSQL, so that it is bound as text on both.
#[macro_export]
macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident { $($part:tt)+ })+) => {
        $(
            $(#[$meta])*
            const $name: $crate::Statement = $crate::Statement::from_parts(
                concat!($($crate::__sqlite_part!($part)),+),
                concat!($($crate::__postgres_part!($part)),+),
            );
        )+

        /// Every statement of this module by name, for the test that prepares them all.
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, $crate::Statement)] = &[$((stringify!($name), $name)),+];
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sqlite_part {
    ($text:literal) => {
        $text
    };
    (NOW) => {
        "CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000"
    };
    (FOR_UPDATE) => {
        ""
    };
    (SKIP_LOCKED) => {
        ""
    };
    ([texts $json:literal]) => {
        concat!("(SELECT value FROM json_each(", $json, "))")
    };
    ([in_uuids $json:literal]) => {
        concat!(" IN (SELECT unhex(value) FROM json_each(", $json, "))")
    };
    ([sqlite $sqlite:literal postgres $postgres:literal]) => {
        $sqlite
    };
    ([sqlite $sqlite:ident postgres $postgres:ident]) => {
        $sqlite!()
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __postgres_part {
    ($text:literal) => {
        $text
    };
    (NOW) => {
        "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000000 AS BIGINT)"
    };
    (FOR_UPDATE) => {
        " FOR UPDATE"
    };
    (SKIP_LOCKED) => {
        " FOR UPDATE SKIP LOCKED"
    };
    ([texts $json:literal]) => {
        concat!("(SELECT jsonb_array_elements_text(CAST(", $json, " AS JSONB)))")
    };
    ([in_uuids $json:literal]) => {
        concat!(
            " = ANY (ARRAY(SELECT CAST(value AS UUID) FROM jsonb_array_elements_text(CAST(",
            $json,
            " AS JSONB))))"
        )
    };
    ([sqlite $sqlite:literal postgres $postgres:literal]) => {
        $postgres
    };
    ([sqlite $sqlite:ident postgres $postgres:ident]) => {
        $postgres!()
    };
}
