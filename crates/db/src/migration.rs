//! Bringing the tables to where this program needs them.

use sha2::{Digest as _, Sha256};

use crate::{Db, Error, Result, Tx, copying::Step};

/// One step of the schema. Once released it is never changed; a further step follows it.
///
/// The text is written once, in PostgreSQL's words: on SQLite `BYTEA` and `UUID` become `BLOB`, `BIGINT` and
/// `BOOLEAN` become `INTEGER`, `FLOAT8` becomes `REAL`, `BIGSERIAL PRIMARY KEY` becomes an `AUTOINCREMENT` key, and a table that ends with
/// `);` on a line of its own becomes `STRICT`, so that it refuses values of another type as PostgreSQL does.
///
/// What only one of them has stands after a line `-- @sqlite` or `-- @postgres`, up to `-- @both` or the end.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Who owns the tables, and which step it is: `jobs/0001_queue`.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

crate::statements! {
    /// The migrations this database has, in order.
    APPLIED { "SELECT name, checksum FROM schema_migrations ORDER BY version" }
    /// Records one.
    RECORD {
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, " NOW ")"
    }
    /// Other starters wait here until this one is done. On SQLite `BEGIN IMMEDIATE` is the lock.
    LOCK { [sqlite "SELECT $1" postgres "SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)"] }
}

/// An arbitrary number that all versions of the program share.
const LOCK_KEY: i64 = 7_420_190_001;

/// The list of migrations: the one table that this crate knows.
pub(crate) const TABLE: &str = "schema_migrations";

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
);";

crate::row! {
    struct Applied { name: String, checksum: String }
}

impl Db {
    /// Runs the migrations that are missing, all in one transaction: either all of them or none. Several
    /// processes may start at once; one runs them and the others wait for it.
    ///
    /// The position of a migration in `known` is its version, so the list only ever grows at its end.
    ///
    /// Answers how many were run.
    ///
    /// # Errors
    /// [`Error::SchemaNewer`] when the database has migrations that are not in the list,
    /// [`Error::MigrationChanged`] when one was edited after it was applied, [`Error::Migration`] when one fails.
    pub async fn migrate(&self, known: &[Migration]) -> Result<usize> {
        let mut tx = self.begin().await?;
        let count = tx.migrate(known).await?;
        tx.commit().await?;
        Ok(count)
    }
}

impl Tx {
    /// [`Db::migrate`] as a part of this transaction, which may take its time from now on.
    ///
    /// # Errors
    /// As for [`Db::migrate`].
    pub async fn migrate(&mut self, known: &[Migration]) -> Result<usize> {
        self.run_script(
            "SELECT 1",
            "SET LOCAL lock_timeout = '120s'; SET LOCAL statement_timeout = 0;
             SET LOCAL idle_in_transaction_session_timeout = 0",
        )
        .await?;
        self.query(LOCK).bind(LOCK_KEY).execute().await?;
        self.run_script(&in_sqlites_words(LEDGER), LEDGER).await?;
        let applied = steps(self).await?;
        verify(known, applied.iter().map(|step| step.checksum.as_str()))?;
        let missing = known.iter().enumerate().skip(applied.len());
        let count = missing.len();
        for (version, migration) in missing {
            run(self, version, migration)
                .await
                .map_err(|source| Error::Migration { name: migration.name, source: Box::new(source) })?;
        }
        Ok(count)
    }
}

/// The migrations this database has, in order.
pub(crate) async fn steps(tx: &mut Tx) -> Result<Vec<Step>> {
    let applied: Vec<Applied> = tx.query(APPLIED).all().await?;
    Ok(applied.into_iter().map(|Applied { name, checksum }| Step { name, checksum }).collect())
}

impl Migration {
    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql))
    }
}

/// What a database has, by checksums, must be the beginning of what this program knows.
pub(crate) fn verify<'a, 'b>(
    known: &'a [Migration],
    applied: impl ExactSizeIterator<Item = &'b str>,
) -> Result<&'a [Migration]> {
    let Some(same) = known.get(..applied.len()) else {
        return Err(Error::SchemaNewer { found: applied.len(), known: known.len() });
    };
    for (migration, checksum) in same.iter().zip(applied) {
        if migration.checksum() != checksum {
            return Err(Error::MigrationChanged { name: migration.name });
        }
    }
    Ok(same)
}

async fn run(tx: &mut Tx, version: usize, migration: &Migration) -> Result<()> {
    let (sqlite, postgres) = (part_for("-- @sqlite", migration.sql), part_for("-- @postgres", migration.sql));
    tx.run_script(&in_sqlites_words(&sqlite), &postgres).await?;
    tx.query(RECORD)
        .bind(u64::try_from(version).expect("a list of migrations is short") + 1)
        .bind(migration.name)
        .bind(migration.checksum())
        .execute()
        .await?;
    Ok(())
}

/// The lines for both databases, and those for the one with this mark.
fn part_for(own: &str, sql: &str) -> String {
    let mut is_for_it = true;
    let lines = sql.split_inclusive('\n').filter(|line| {
        let mark = line.trim_end();
        if mark.starts_with("-- @") {
            is_for_it = mark == own || mark == "-- @both";
        }
        is_for_it
    });
    lines.collect()
}

fn in_sqlites_words(sql: &str) -> String {
    sql.replace("BIGSERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
        .replace("\n);", "\n) STRICT;")
        .split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .map(|word| {
            let end = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_').len();
            let (name, rest) = word.split_at(end);
            let name = match name {
                "BYTEA" | "UUID" => "BLOB",
                "BIGINT" | "BOOLEAN" => "INTEGER",
                "FLOAT8" => "REAL",
                other => other,
            };
            format!("{name}{rest}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_gets_its_part() {
        let sql = "a;\n-- @sqlite\nb;\n-- @postgres\nc;\n-- @both\nd;\n";
        let words = |own| part_for(own, sql).replace('\n', " ");
        assert_eq!(words("-- @sqlite"), "a; -- @sqlite b; -- @both d; ");
        assert_eq!(words("-- @postgres"), "a; -- @postgres c; -- @both d; ");
    }
}
