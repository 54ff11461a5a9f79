//! One suite for both databases.

use db::{Db, Settings};
use testbed::Database;

async fn open(database: &Database) -> Db {
    let db = Db::connect(&Settings::new(database.url().parse().unwrap())).await.unwrap();
    db.migrate(crate::MIGRATIONS).await.unwrap();
    db
}

async fn every_statement_can_be_prepared(database: Database) {
    let db = open(&database).await;
    let modules = [
        crate::accounts::STATEMENTS,
        crate::endings::STATEMENTS,
        crate::sessions::STATEMENTS,
        crate::stages::STATEMENTS,
        crate::videos::STATEMENTS,
    ];
    for (name, statement) in modules.into_iter().chain(crate::outputs::STATEMENTS).flatten() {
        db.prepare(*statement).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

testbed::on_both_databases!(every_statement_can_be_prepared);
