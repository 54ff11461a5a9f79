//! How a value becomes a column and a column a value.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};
use uuid::Uuid;

/// A value that can be bound to a placeholder.
///
/// Newtypes implement it by handing their inner value on, so that no caller unwraps an id to store it.
pub trait ToColumn {
    /// What the databases store.
    type Stored: Stored;

    /// The value as it is stored.
    ///
    /// # Errors
    /// When the value has no stored form, for example a number above `i64::MAX`.
    fn to_stored(&self) -> Result<Self::Stored, ColumnError>;
}

/// A value that can be read from a column.
pub trait FromColumn: Sized {
    /// What the databases store.
    type Stored: Stored;

    /// The value a stored one stands for.
    ///
    /// # Errors
    /// When the stored value is outside what the type allows.
    fn from_stored(stored: Self::Stored) -> Result<Self, ColumnError>;
}

/// A value cannot be stored, or a stored one cannot be read. The text says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ColumnError(pub String);

/// What both databases store: 64-bit integers, floats, truth values, text, bytes, UUIDs, and each of them or
/// nothing.
pub trait Stored:
    Send
    + 'static
    + for<'q> Encode<'q, Sqlite>
    + for<'q> Encode<'q, Postgres>
    + for<'r> Decode<'r, Sqlite>
    + for<'r> Decode<'r, Postgres>
    + Type<Sqlite>
    + Type<Postgres>
{
}

impl<T> Stored for T where
    T: Send
        + 'static
        + for<'q> Encode<'q, Sqlite>
        + for<'q> Encode<'q, Postgres>
        + for<'r> Decode<'r, Sqlite>
        + for<'r> Decode<'r, Postgres>
        + Type<Sqlite>
        + Type<Postgres>
{
}

/// Plain data kept as JSON text. The databases never look inside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

impl<T: Serialize> ToColumn for Json<T> {
    type Stored = String;

    fn to_stored(&self) -> Result<String, ColumnError> {
        serde_json::to_string(&self.0).map_err(|error| ColumnError(error.to_string()))
    }
}

impl<T: DeserializeOwned> FromColumn for Json<T> {
    type Stored = String;

    fn from_stored(stored: String) -> Result<Self, ColumnError> {
        serde_json::from_str(&stored).map(Self).map_err(|error| ColumnError(error.to_string()))
    }
}

/// Text without a NUL character, which PostgreSQL cannot store and SQLite would cut at in many functions.
impl ToColumn for str {
    type Stored = String;

    fn to_stored(&self) -> Result<String, ColumnError> {
        if self.contains('\0') {
            return Err(ColumnError("text with a NUL character".to_owned()));
        }
        Ok(self.to_owned())
    }
}

impl ToColumn for String {
    type Stored = String;

    fn to_stored(&self) -> Result<String, ColumnError> {
        self.as_str().to_stored()
    }
}

impl FromColumn for String {
    type Stored = String;

    fn from_stored(stored: String) -> Result<Self, ColumnError> {
        Ok(stored)
    }
}

impl ToColumn for [u8] {
    type Stored = Vec<u8>;

    fn to_stored(&self) -> Result<Vec<u8>, ColumnError> {
        Ok(self.to_vec())
    }
}

impl<const N: usize> ToColumn for [u8; N] {
    type Stored = Vec<u8>;

    fn to_stored(&self) -> Result<Vec<u8>, ColumnError> {
        Ok(self.to_vec())
    }
}

impl<const N: usize> FromColumn for [u8; N] {
    type Stored = Vec<u8>;

    fn from_stored(stored: Vec<u8>) -> Result<Self, ColumnError> {
        let length = stored.len();
        stored.try_into().map_err(|_| ColumnError(format!("`{length}` bytes, expected `{N}`")))
    }
}

/// A span of time, stored in microseconds.
impl ToColumn for Duration {
    type Stored = i64;

    fn to_stored(&self) -> Result<i64, ColumnError> {
        i64::try_from(self.as_micros()).map_err(|_| ColumnError(format!("`{self:?}` is too long")))
    }
}

impl FromColumn for Duration {
    type Stored = i64;

    fn from_stored(stored: i64) -> Result<Self, ColumnError> {
        let micros =
            u64::try_from(stored).map_err(|_| ColumnError(format!("duration `{stored}` is negative")))?;
        Ok(Self::from_micros(micros))
    }
}

impl<T: ToColumn> ToColumn for Option<T>
where
    Option<T::Stored>: Stored,
{
    type Stored = Option<T::Stored>;

    fn to_stored(&self) -> Result<Self::Stored, ColumnError> {
        self.as_ref().map(ToColumn::to_stored).transpose()
    }
}

impl<T: FromColumn> FromColumn for Option<T>
where
    Option<T::Stored>: Stored,
{
    type Stored = Option<T::Stored>;

    fn from_stored(stored: Self::Stored) -> Result<Self, ColumnError> {
        stored.map(T::from_stored).transpose()
    }
}

impl<T: ToColumn + ?Sized> ToColumn for &T {
    type Stored = T::Stored;

    fn to_stored(&self) -> Result<Self::Stored, ColumnError> {
        (**self).to_stored()
    }
}

macro_rules! stored_as_itself {
    ($($type:ty),*) => {$(
        impl ToColumn for $type {
            type Stored = $type;
            fn to_stored(&self) -> Result<$type, ColumnError> { Ok(self.clone()) }
        }
        impl FromColumn for $type {
            type Stored = $type;
            fn from_stored(stored: $type) -> Result<Self, ColumnError> { Ok(stored) }
        }
    )*};
}
stored_as_itself!(i64, f64, bool, Uuid, Vec<u8>);

macro_rules! stored_as_integer {
    ($($type:ty),*) => {$(
        impl ToColumn for $type {
            type Stored = i64;
            fn to_stored(&self) -> Result<i64, ColumnError> {
                i64::try_from(*self).map_err(|_| ColumnError(format!("`{self}` does not fit in 63 bits")))
            }
        }
        impl FromColumn for $type {
            type Stored = i64;
            fn from_stored(stored: i64) -> Result<Self, ColumnError> {
                Self::try_from(stored).map_err(|_| ColumnError(format!("`{stored}` is out of range")))
            }
        }
    )*};
}
stored_as_integer!(u16, u32, u64, i32);
