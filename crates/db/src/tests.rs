//! One suite for both databases.

mod copying;
mod lending;
mod outages;

use std::time::Duration;

use testbed::Database;
use uuid::Uuid;

use crate::{Backend, Db, Error, Json, Migration, Settings, Statement, Timestamp, Url};

const THINGS: Migration = Migration {
    name: "things/0001",
    sql: "CREATE TABLE things (
    id BIGSERIAL PRIMARY KEY,
    uuid UUID UNIQUE,
    number BIGINT,
    ratio FLOAT8,
    flag BOOLEAN,
    words TEXT,
    bytes BYTEA,
    CONSTRAINT things_number_check CHECK (number >= 0)
);
CREATE TABLE parts (
    thing BIGINT NOT NULL REFERENCES things (id),
    place BIGINT NOT NULL,
    label TEXT NOT NULL,
    UNIQUE (thing, place)
);
CREATE UNIQUE INDEX parts_label ON parts (label) WHERE place > 0;",
};

crate::statements! {
    ADD_THING {
        "INSERT INTO things (uuid, number, ratio, flag, words, bytes) VALUES ($1, $2, $3, $4, $5, $6) RETURNING *"
    }
    ADD_NUMBER { "INSERT INTO things (number) VALUES ($1) RETURNING id" }
    ADD_WITH_ID { "INSERT INTO things (id) VALUES ($1)" }
    UPSERT {
        "INSERT INTO things (uuid, number) VALUES ($1, 1)
         ON CONFLICT (uuid) DO UPDATE SET number = things.number + 1 RETURNING number"
    }
    SET_NUMBER { "UPDATE things SET number = 1 WHERE id = $1" }
    FILL { "INSERT INTO things (bytes) VALUES ($1)" }
    KEEP_SMALL { [sqlite "PRAGMA max_page_count = 20" postgres "SELECT 0"] }
    ADD_PART { "INSERT INTO parts (thing, place, label) VALUES ($1, $2, $3)" }
    COUNT { "SELECT count(*) FROM things" }
    SUM_AND_LOCK { "SELECT number FROM things WHERE id = $1" FOR_UPDATE }
    CLOCK { "SELECT " NOW }
    AMONG { "SELECT count(*) FROM things WHERE words IN " [texts "$1"] }
    CUT_EVERYBODY_OFF {
        [
            sqlite "SELECT 0"
            postgres
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ]
    }
    SLEEP { [sqlite "SELECT 1" postgres "SELECT CAST(pg_sleep(25) AS TEXT)"] }
    MISSPELT { "SELEC 1" }
}

crate::row! {
    #[derive(Debug, PartialEq)]
    struct Thing {
        id: i64,
        uuid: Option<Uuid>,
        number: Option<u32>,
        ratio: Option<f64>,
        flag: Option<bool>,
        words: Option<String>,
        bytes: Option<[u8; 3]>,
    }
}

async fn connect(database: &Database) -> Db {
    Db::connect(&Settings::new(database.url().parse().unwrap())).await.unwrap()
}

async fn open(database: &Database) -> Db {
    let db = connect(database).await;
    db.migrate(&[THINGS]).await.unwrap();
    db
}

async fn every_statement_can_be_prepared(database: Database) {
    let db = open(&database).await;
    let modules = [
        crate::copying::STATEMENTS,
        copying::STATEMENTS,
        crate::database::STATEMENTS,
        crate::migration::STATEMENTS,
        crate::transaction::STATEMENTS,
        STATEMENTS,
    ];
    for (name, statement) in modules.into_iter().flatten() {
        let prepared = db.prepare(*statement).await;
        assert_eq!(prepared.is_ok(), *name != "MISSPELT", "{name}: {prepared:?}");
    }
}

async fn values_come_back_as_they_went(database: Database) {
    let db = open(&database).await;
    let uuid = Uuid::from_u128(7);
    let full: Thing = db
        .write(ADD_THING)
        .bind(uuid)
        .bind(u32::MAX)
        .bind(0.1_f64)
        .bind(true)
        .bind("Grüße, 世界 \\ ' \" ;")
        .bind([0_u8, 255, 1])
        .one()
        .await
        .unwrap();
    assert_eq!(
        (full.uuid, full.number, full.ratio, full.flag),
        (Some(uuid), Some(u32::MAX), Some(0.1), Some(true))
    );
    assert_eq!(full.words.as_deref(), Some("Grüße, 世界 \\ ' \" ;"));
    assert_eq!(full.bytes, Some([0, 255, 1]));
    let empty: Thing = db
        .write(ADD_THING)
        .bind(None::<Uuid>)
        .bind(None::<u32>)
        .bind(None::<f64>)
        .bind(None::<bool>)
        .bind(None::<String>)
        .bind(None::<[u8; 3]>)
        .one()
        .await
        .unwrap();
    assert_eq!((empty.uuid, empty.number, empty.words, empty.bytes), (None, None, None, None));
    let among: i64 = db.read(AMONG).bind(Json(["x", "Grüße, 世界 \\ ' \" ;"])).value().await.unwrap();
    assert_eq!(among, 1);
}

async fn values_without_a_stored_form_are_refused(database: Database) {
    let db = open(&database).await;
    let refused = |error: Error| matches!(error, Error::Column { column, .. } if column == "$1");
    assert!(refused(db.read(AMONG).bind("a\0b").value::<i64>().await.unwrap_err()));
    assert!(refused(db.write(ADD_NUMBER).bind(u64::MAX).execute().await.unwrap_err()));
    db.write(ADD_NUMBER).bind(i64::from(u32::MAX) + 1).execute().await.unwrap();
    let misread = db.read(COUNT).value::<bool>().await.map(drop);
    assert!(db.backend() == Backend::Sqlite || matches!(misread, Err(Error::Column { .. })), "{misread:?}");
    assert!(
        matches!(db.read(COUNT).one::<Thing>().await, Err(Error::Column { column, .. }) if column == "id")
    );
}

async fn constraints_have_one_name_on_both(database: Database) {
    let db = open(&database).await;
    let thing: i64 = db.write(ADD_NUMBER).bind(1_i64).value().await.unwrap();
    let uuid = Uuid::from_u128(1);
    db.write(UPSERT).bind(uuid).execute().await.unwrap();
    let second = db.write(ADD_THING).bind(uuid);
    let second =
        second.bind(1_i64).bind(0.0).bind(false).bind("").bind([0_u8; 3]).execute().await.unwrap_err();
    assert_eq!(second.unique_constraint(), Some("things_uuid_key"));
    let same_id = db.write(ADD_WITH_ID).bind(thing).execute().await.unwrap_err();
    assert_eq!(same_id.unique_constraint(), Some("things_pkey"));
    let part =
        |thing: i64, place: i64, label: &'static str| db.write(ADD_PART).bind(thing).bind(place).bind(label);
    part(thing, 1, "a").execute().await.unwrap();
    let same_place = part(thing, 1, "b").execute().await.unwrap_err();
    assert_eq!(same_place.unique_constraint(), Some("parts_thing_place_key"));
    let same_label = part(thing, 2, "a").execute().await.unwrap_err();
    // SQLite names the columns of a partial index and not the index itself.
    assert!(
        matches!(same_label.unique_constraint(), Some("parts_label" | "parts_label_key")),
        "{same_label}"
    );
    assert!(matches!(part(4711, 1, "c").execute().await, Err(Error::ForeignKey)));
    let negative = db.write(ADD_NUMBER).bind(-1_i64).execute().await.unwrap_err();
    assert!(
        matches!(&negative, Error::Check { constraint } if constraint == "things_number_check"),
        "{negative}"
    );
}

async fn an_upsert_takes_its_conflict_branch(database: Database) {
    let db = open(&database).await;
    let uuid = Uuid::from_u128(1);
    assert_eq!(db.write(UPSERT).bind(uuid).value::<i64>().await.unwrap(), 1);
    assert_eq!(db.write(UPSERT).bind(uuid).value::<i64>().await.unwrap(), 2);
}

async fn a_transaction_that_is_dropped_leaves_nothing(database: Database) {
    let db = open(&database).await;
    // A future that is cancelled inside a transaction drops it; the writer must be free again.
    for round in 0..20_i64 {
        let mut tx = db.begin().await.unwrap();
        tx.query(ADD_NUMBER).bind(round).execute().await.unwrap();
        let abandoned = async {
            tx.query(ADD_NUMBER).bind(round).execute().await.unwrap();
            std::future::pending::<()>().await;
            tx.commit().await.unwrap();
        };
        tokio::select! {
            biased;
            () = abandoned => {}
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 0);
    let mut tx = db.begin().await.unwrap();
    tx.query(ADD_NUMBER).bind(1_i64).execute().await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let id: i64 = tx.query(ADD_NUMBER).bind(5_i64).value().await.unwrap();
    assert_eq!(tx.query(SUM_AND_LOCK).bind(id).value::<i64>().await.unwrap(), 5);
    tx.commit().await.unwrap();
    assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 1);
}

async fn the_clock_is_the_databases(database: Database) {
    let db = open(&database).await;
    let first: Timestamp = db.read(CLOCK).value().await.unwrap();
    let second = db.begin().await.unwrap().now().await.unwrap();
    assert!(first <= second, "{first:?} {second:?}");
    // Between 2020 and 2100.
    assert!((1_577_836_800_000..4_102_444_800_000).contains(&first.unix_millis()));
}

async fn starters_that_come_together_migrate_once(database: Database) {
    let (one, two) = tokio::join!(connect(&database), connect(&database));
    let both = tokio::join!(one.migrate(&[THINGS]), two.migrate(&[THINGS]));
    let mut ran = [both.0.unwrap(), both.1.unwrap()];
    ran.sort_unstable();
    assert_eq!(ran, [0, 1]);
    assert_eq!(one.migrate(&[THINGS]).await.unwrap(), 0);
}

async fn a_schema_of_another_program_is_refused(database: Database) {
    let more = Migration { name: "things/0002", sql: "ALTER TABLE things ADD COLUMN more BIGINT;" };
    let db = connect(&database).await;
    assert_eq!(db.migrate(&[THINGS, more]).await.unwrap(), 2);
    assert!(matches!(db.migrate(&[THINGS]).await, Err(Error::SchemaNewer { found: 2, known: 1 })));
    let edited = Migration { sql: "CREATE TABLE things (id BIGINT);", ..THINGS };
    assert!(matches!(
        db.migrate(&[edited, more]).await,
        Err(Error::MigrationChanged { name: "things/0001" })
    ));
}

async fn a_migration_that_fails_leaves_nothing(database: Database) {
    let broken = Migration {
        name: "things/0002",
        sql: "CREATE TABLE half (id BIGINT); CREATE TABLE half (id BIGINT);",
    };
    let db = connect(&database).await;
    let failed = db.migrate(&[THINGS, broken]).await.unwrap_err();
    assert!(matches!(failed, Error::Migration { name: "things/0002", .. }), "{failed}");
    assert!(db.read(COUNT).value::<i64>().await.is_err(), "the first of the two was rolled back as well");
    assert_eq!(db.migrate(&[THINGS]).await.unwrap(), 1);
}

async fn a_listener_wakes_when_another_connection_commits(database: Database) {
    /// Far longer than the test may take.
    const NEVER: Duration = Duration::from_secs(600);
    let (mine, other) = (open(&database).await, connect(&database).await);
    let mut listener = mine.listen("things").await.unwrap();
    for db in [&mine, &other] {
        let mut tx = db.begin().await.unwrap();
        tx.query(ADD_NUMBER).bind(1_i64).execute().await.unwrap();
        tx.notify("things");
        tx.notify("things");
        let commit = async { tx.commit().await.unwrap() };
        tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(listener.wait(NEVER), commit) })
            .await
            .expect("the commit wakes the listener");
    }
    // The slow poll is the second way: a wake-up may only ever be early.
    listener.wait(Duration::from_millis(1)).await;
}

async fn a_closed_database_is_unreachable(database: Database) {
    let db = open(&database).await;
    db.ping().await.unwrap();
    db.close().await;
    assert!(matches!(db.ping().await, Err(Error::Unreachable(_))));
    assert!(matches!(db.begin().await, Err(Error::Unreachable(_))));
}

testbed::on_both_databases!(
    every_statement_can_be_prepared,
    values_come_back_as_they_went,
    values_without_a_stored_form_are_refused,
    constraints_have_one_name_on_both,
    an_upsert_takes_its_conflict_branch,
    a_transaction_that_is_dropped_leaves_nothing,
    the_clock_is_the_databases,
    starters_that_come_together_migrate_once,
    a_schema_of_another_program_is_refused,
    a_migration_that_fails_leaves_nothing,
    a_listener_wakes_when_another_connection_commits,
    a_closed_database_is_unreachable,
);

#[tokio::test]
async fn sqlite_readers_cannot_write() {
    let database = Database::sqlite();
    let db = open(&database).await;
    assert!(db.read(ADD_NUMBER).bind(1_i64).execute().await.is_err());
    assert_eq!(db.read(COUNT).value::<i64>().await.unwrap(), 0);
}

#[tokio::test]
async fn sqlite_refuses_values_of_another_type() {
    let database = Database::sqlite();
    let db = open(&database).await;
    assert!(db.write(ADD_NUMBER).bind("not a number").execute().await.is_err());
}

#[tokio::test]
async fn sqlite_in_a_missing_folder_says_so() {
    let url: Url = "sqlite:///nowhere/at/all.db".parse().unwrap();
    assert!(matches!(Db::connect(&Settings::new(url)).await, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_as_the_reason() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url: Url = format!("postgres://postgres@127.0.0.1:{port}/none").parse().unwrap();
    let error = Db::connect(&Settings::new(url)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)));
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named_as_the_reason() {
    let database = Database::postgres();
    let url: Url = format!("{}_missing", database.url()).parse().unwrap();
    let error = Db::connect(&Settings::new(url)).await.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("does not exist"), "{reason}");
}

#[tokio::test]
async fn connections_that_are_cut_are_made_again() {
    let database = Database::postgres();
    let (db, other) = (open(&database).await, connect(&database).await);
    let mut listener = db.listen("things").await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.query(ADD_NUMBER).bind(1_i64).execute().await.unwrap();
    let cut: i64 = other.read(CUT_EVERYBODY_OFF).value().await.unwrap();
    assert!(cut >= 2, "the transaction and the listener");
    assert!(matches!(tx.commit().await, Err(Error::Unreachable(_))));
    // One wake-up says that the connection was lost and something may have been missed, a later one is the commit.
    let heard = tokio::time::timeout(Duration::from_secs(30), async {
        listener.wait(Duration::from_secs(600)).await;
        let mut tx = db.begin().await.unwrap();
        tx.query(ADD_NUMBER).bind(2_i64).execute().await.unwrap();
        tx.notify("things");
        tokio::join!(listener.wait(Duration::from_secs(600)), async { tx.commit().await.unwrap() });
    });
    heard.await.expect("the listener hears again");
    assert_eq!(
        db.read(COUNT).value::<i64>().await.unwrap(),
        1,
        "the transaction that was cut off left nothing"
    );
}

#[test]
fn addresses_are_parsed_and_printed_without_secrets() {
    let url: Url = "postgres://ann:secret@db.example:5433/tube".parse().unwrap();
    assert_eq!(url.to_string(), "postgres://db.example:5433/tube");
    assert!(!format!("{url:?}").contains("secret"));
    let url: Url = "sqlite://data/cutetube.db".parse().unwrap();
    assert_eq!((url.to_string().as_str(), url.backend()), ("sqlite://data/cutetube.db", Backend::Sqlite));
    for refused in ["sqlite::memory:", "sqlite://x?mode=memory", "mysql://h/d", "postgres://[", "", "data.db"]
    {
        let error = refused.parse::<Url>().unwrap_err();
        assert!(matches!(error, Error::InvalidUrl(_)), "{refused}: {error}");
    }
}

#[test]
fn a_statement_differs_only_where_the_dialects_do() {
    let Statement { sqlite, postgres } = SUM_AND_LOCK;
    assert_eq!(sqlite, "SELECT number FROM things WHERE id = $1");
    assert_eq!(postgres, "SELECT number FROM things WHERE id = $1 FOR UPDATE");
}
