//! What can go wrong, as situations a caller can act on.

use sqlx::error::{DatabaseError, ErrorKind};

/// The result of a database operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a database operation failed.
///
/// Constraint names have PostgreSQL's default form on both databases: `users_pkey`, `users_email_key`, and for a
/// unique index or a named `CHECK` its own name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A row with the same unique value exists.
    #[error("unique constraint `{constraint}` is violated")]
    Unique {
        /// The name of the constraint.
        constraint: String,
    },
    /// A row that is referred to does not exist, or is still referred to.
    #[error("a foreign key is violated")]
    ForeignKey,
    /// A value breaks a rule of its table.
    #[error("check constraint `{constraint}` is violated")]
    Check {
        /// The name of the constraint.
        constraint: String,
    },
    /// A query that must answer a row answered none.
    #[error("no row was found")]
    NotFound,
    /// Another transaction is in the way. The whole transaction may be tried again.
    #[error("the database is busy with another transaction")]
    Busy(#[source] DriverError),
    /// The database cannot be reached, the connection was lost, or the server there may not write: it is shutting
    /// down, starting, or a standby.
    #[error("the database cannot be reached")]
    Unreachable(#[source] DriverError),
    /// The database has no room left on its disk.
    #[error("the disk of the database is full")]
    Full(#[source] DriverError),
    /// The server does not let this user in, or has no such database.
    #[error("the database server refuses this user or has no such database")]
    Refused(#[source] DriverError),
    /// A newer program has migrated this database.
    #[error("the database is at schema version `{found}`, this program knows version `{known}` at most")]
    SchemaNewer {
        /// How many migrations the database has.
        found: usize,
        /// How many this program has.
        known: usize,
    },
    /// The database was migrated with another text of this migration.
    #[error("migration `{name}` was changed after it was applied")]
    MigrationChanged {
        /// The migration as this program names it.
        name: &'static str,
    },
    /// A migration did not run.
    #[error("migration `{name}` failed")]
    Migration {
        /// The migration that failed.
        name: &'static str,
        /// What the database says.
        #[source]
        source: Box<Error>,
    },
    /// A column holds something else than its type allows, or a value cannot be stored.
    #[error("column `{column}` is not usable: {reason}")]
    Column {
        /// The name of the column, or `$n` of the parameter.
        column: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// The address of the database has no form this crate understands.
    #[error("`{0}` is not a database address: expected `sqlite://PATH` or `postgres://USER@HOST/NAME`")]
    InvalidUrl(String),
    /// Everything else: a mistake in the SQL, a corrupt file.
    #[error(transparent)]
    Other(DriverError),
}

/// What the driver reported; for logs, not for decisions.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DriverError(pub(crate) sqlx::Error);

impl Error {
    /// The violated unique constraint, if that is what happened.
    pub fn unique_constraint(&self) -> Option<&str> {
        match self {
            Self::Unique { constraint } => Some(constraint),
            _ => None,
        }
    }

    /// Whether the same transaction, begun again, may well succeed later, though nothing else changes.
    ///
    /// After [`Error::Unreachable`] it may have been committed all the same: who repeats it must be able to tell, as a
    /// job's fence and a row's key do.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unreachable(_) | Self::Full(_))
    }
}

/// Whether `error` is, or was caused by, a [transient](Error::is_transient) error of the database.
pub fn is_transient(error: &(dyn std::error::Error + 'static)) -> bool {
    // Errors that show another one as their own leave only its cause in the chain, which is the driver's.
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        error.downcast_ref::<Error>().is_some_and(Error::is_transient)
            || error.downcast_ref::<DriverError>().is_some_and(DriverError::is_transient)
    })
}

impl DriverError {
    fn is_transient(&self) -> bool {
        matches!(situation(&self.0), Situation::Busy | Situation::Unreachable | Situation::Full)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::RowNotFound = error {
            return Self::NotFound;
        }
        if let Some(violated) = error.as_database_error().and_then(violated) {
            return violated;
        }
        match situation(&error) {
            Situation::Busy => Self::Busy(DriverError(error)),
            Situation::Unreachable => Self::Unreachable(DriverError(error)),
            Situation::Full => Self::Full(DriverError(error)),
            Situation::Refused => Self::Refused(DriverError(error)),
            Situation::Other => Self::Other(DriverError(error)),
        }
    }
}

/// Whether another transaction is in the way.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(situation(error), Situation::Busy)
}

/// Whether nobody is there, or not ready yet.
pub(crate) fn is_unreachable(error: &sqlx::Error) -> bool {
    matches!(situation(error), Situation::Unreachable)
}

enum Situation {
    Busy,
    Unreachable,
    Full,
    Refused,
    Other,
}

/// The constraint that was violated, if that is what happened.
fn violated(reported: &(dyn DatabaseError + 'static)) -> Option<Error> {
    match reported.kind() {
        ErrorKind::UniqueViolation => Some(Error::Unique {
            constraint: match reported.constraint() {
                Some(name) => name.to_owned(),
                None => sqlite_unique_name(reported.message(), &reported.code().unwrap_or_default()),
            },
        }),
        ErrorKind::ForeignKeyViolation => Some(Error::ForeignKey),
        ErrorKind::CheckViolation => Some(Error::Check {
            constraint: match reported.constraint() {
                Some(name) => name.to_owned(),
                None => after_failed(reported.message()).to_owned(),
            },
        }),
        _ => None,
    }
}

fn situation(error: &sqlx::Error) -> Situation {
    match error {
        sqlx::Error::Database(reported) => situation_of_code(&reported.code().unwrap_or_default()),
        // What is cut off in the middle of a greeting is not understood.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Situation::Unreachable,
        _ => Situation::Other,
    }
}

/// SQLite's extended result codes are decimal numbers, PostgreSQL's SQLSTATEs are five characters.
fn situation_of_code(code: &str) -> Situation {
    match code {
        // SQLITE_BUSY, _LOCKED, _BUSY_RECOVERY, _LOCKED_SHAREDCACHE, _BUSY_SNAPSHOT, _BUSY_TIMEOUT.
        "5" | "6" | "261" | "262" | "517" | "773" => Situation::Busy,
        // serialization_failure, deadlock_detected, lock_not_available, query_canceled (statement_timeout).
        "40001" | "40P01" | "55P03" | "57014" => Situation::Busy,
        // SQLITE_CANTOPEN; too_many_connections, idle_in_transaction_session_timeout,
        // read_only_sql_transaction (a standby that is not promoted yet, or a server that was demoted).
        "14" | "53300" | "25P03" | "25006" => Situation::Unreachable,
        // SQLITE_FULL; disk_full.
        "13" | "53100" => Situation::Full,
        // invalid_authorization_specification, invalid_password, invalid_catalog_name.
        "28000" | "28P01" | "3D000" => Situation::Refused,
        // Class 08: connection exceptions. 57P0x: the server is shutting down or starting.
        code if code.starts_with("08") || code.starts_with("57P0") => Situation::Unreachable,
        _ => Situation::Other,
    }
}

/// `UNIQUE constraint failed: users.email` is `users_email_key`, of a primary key (code 1555, or 2579 for a
/// rowid) `users_pkey`; `index 'x'` is `x`.
fn sqlite_unique_name(message: &str, code: &str) -> String {
    let columns = after_failed(message);
    if let Some(index) = columns.strip_prefix("index '") {
        return index.trim_end_matches('\'').to_owned();
    }
    let table = columns.split('.').next().unwrap_or(columns);
    if matches!(code, "1555" | "2579") {
        return format!("{table}_pkey");
    }
    let names: Vec<_> =
        columns.split(", ").filter_map(|column| column.split_once('.')).map(|c| c.1).collect();
    format!("{table}_{}_key", names.join("_"))
}

fn after_failed(message: &str) -> &str {
    message.split_once("failed: ").map_or(message, |(_, constraint)| constraint)
}
