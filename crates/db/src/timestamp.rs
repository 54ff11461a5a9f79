//! A moment, as the database's clock tells it.

use crate::{ColumnError, FromColumn, ToColumn};

/// Microseconds since 1970-01-01T00:00:00Z, from the database's clock.
///
/// SQLite's clock has a resolution of a millisecond, PostgreSQL's of a microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many microseconds after 1970-01-01T00:00:00Z.
    pub fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn unix_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn unix_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl ToColumn for Timestamp {
    type Stored = i64;

    fn to_stored(&self) -> Result<i64, ColumnError> {
        Ok(self.0)
    }
}

impl FromColumn for Timestamp {
    type Stored = i64;

    fn from_stored(stored: i64) -> Result<Self, ColumnError> {
        Ok(Self(stored))
    }
}
