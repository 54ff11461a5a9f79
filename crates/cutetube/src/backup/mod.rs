//! Backups: the rows of the database in a form that both databases can have, what is kept secret beside it, and the
//! objects in the store, as a list or with all that is in them.
//!
//! Rows and list are of one moment. What the store has of that moment lasts: published objects are never written again, and
//! a job that was running then is run anew.

mod archive;
mod making;
mod restoring;

pub(crate) use archive::ArchiveError;
pub(crate) use making::{Made, MakeError, make};
pub(crate) use restoring::{RestoreError, Restored, restore};

use std::path::PathBuf;

use db::Value;
use serde::{Deserialize, Serialize};

use crate::config::{self, Config};

/// Whether objects are put into a backup, or only listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objects {
    Listed,
    Included,
}

/// The first entry: what is in the others.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Of this form; a program that knows an older one only refuses it.
    format: u32,
    /// The version of the program that made it.
    program: String,
    made_at_ms: u64,
    /// The migrations that the database had run.
    schema: Vec<SchemaStep>,
    /// The tables, those first that others refer to.
    tables: Vec<TableEntry>,
    /// Whether the objects are in it, too.
    objects_included: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct SchemaStep {
    name: String,
    checksum: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct TableEntry {
    name: String,
    columns: Vec<String>,
    /// The last number that was given to a row.
    last_number: Option<i64>,
}

/// An object in the list.
#[derive(Debug, Serialize, Deserialize)]
struct ObjectEntry {
    key: String,
    bytes: u64,
    /// Hexadecimal; `None` where nobody has recorded it.
    sha256: Option<String>,
}

/// A value in a row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Cell {
    Null(()),
    Integer(i64),
    Text(String),
    Bytes { hex: String },
    Real { real: f64 },
}

/// What is kept in the data folder and in no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeptSecret {
    MasterKey,
    SigningSecret,
}

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const ROWS: &str = "database/";
const LIST: &str = "objects/";
const BLOBS: &str = "blobs/";

impl KeptSecret {
    const ALL: [Self; 2] = [Self::MasterKey, Self::SigningSecret];

    fn entry(self) -> &'static str {
        match self {
            Self::MasterKey => "secrets/master-key",
            Self::SigningSecret => "secrets/signing-secret",
        }
    }

    /// Where it is kept when it is not configured.
    fn file(self, config: &Config) -> PathBuf {
        match self {
            Self::MasterKey => config::master_key_file(config),
            Self::SigningSecret => config::signing_secret_file(config),
        }
    }

    fn is_configured(self, config: &Config) -> bool {
        match self {
            Self::MasterKey => config.drm.master_key.is_some(),
            Self::SigningSecret => config.accounts.signing_secret.is_some(),
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null(()),
            Value::Integer(number) => Self::Integer(number),
            Value::Real(real) => Self::Real { real },
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes { hex: hex::encode(bytes) },
        }
    }
}

impl TryFrom<Cell> for Value {
    type Error = hex::FromHexError;

    fn try_from(cell: Cell) -> Result<Self, Self::Error> {
        Ok(match cell {
            Cell::Null(()) => Self::Null,
            Cell::Integer(number) => Self::Integer(number),
            Cell::Real { real } => Self::Real(real),
            Cell::Text(text) => Self::Text(text),
            Cell::Bytes { hex } => Self::Bytes(hex::decode(hex)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_round_trip() {
        let values = [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Integer(0),
            Value::Real(1.0),
            Value::Text("Grüße\n\"{\"hex\":\"00\"}\"".to_owned()),
            Value::Bytes(vec![0, 255]),
            Value::Bytes(Vec::new()),
        ];
        let cells: Vec<Cell> = values.iter().cloned().map(Cell::from).collect();
        let text = serde_json::to_string(&cells).unwrap();
        let read: Vec<Cell> = serde_json::from_str(&text).unwrap();
        let read: Vec<Value> = read.into_iter().map(|cell| cell.try_into().unwrap()).collect();
        assert_eq!(read, values);
    }
}
