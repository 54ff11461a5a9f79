//! Whole tables, from one database to another.

use testbed::Database;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{ADD_NUMBER, ADD_PART, ADD_THING, THINGS, Thing, connect, open};
use crate::{Db, Error, Migration, Table, Value, known_steps};

crate::statements! {
    ALL_THINGS { "SELECT * FROM things ORDER BY id" }
    PLACES { "SELECT place FROM parts ORDER BY place" }
    FORGET { "DELETE FROM things WHERE id = $1" }
}

/// A table with all that is in it.
type Copied = Vec<(Table, Vec<Vec<Value>>)>;

async fn copied(db: &Db) -> Copied {
    let mut tx = db.snapshot().await.unwrap();
    let mut copied = Vec::new();
    for table in tx.tables().await.unwrap() {
        let (to, mut from) = mpsc::channel(1);
        let gather = async {
            let mut all = Vec::new();
            while let Some(rows) = from.recv().await {
                all.extend(rows);
            }
            all
        };
        let copy = async {
            let copying = tx.rows(&table, &to).await;
            drop(to);
            copying.unwrap();
        };
        let ((), rows) = tokio::join!(copy, gather);
        copied.push((table, rows));
    }
    tx.rollback().await.unwrap();
    copied
}

async fn put(db: &Db, known: &[Migration], tables: &Copied) -> crate::Result<()> {
    let mut tx = db.begin().await?;
    assert!(tx.is_blank().await?);
    tx.migrate(known).await?;
    let there = tx.tables().await?;
    for (table, rows) in tables {
        let target = there.iter().find(|one| one.name == table.name).unwrap();
        tx.empty(target).await?;
        let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        tx.fill(target, &columns, rows).await?;
        if let Some(last) = table.last_number {
            tx.number_after(target, last).await?;
        }
    }
    tx.commit().await
}

async fn filled(database: &Database) -> Db {
    let db = open(database).await;
    let number = 300_u32;
    for index in 0..number {
        let uuid = Uuid::from_u128(index.into());
        let query = db.write(ADD_THING).bind(uuid).bind(index).bind(0.5_f64).bind(index % 2 == 0);
        let thing: Thing = query.bind("Grüße \\ ' \"").bind([0, 255, 1_u8]).one().await.unwrap();
        db.write(ADD_PART)
            .bind(thing.id)
            .bind(i64::from(index))
            .bind(index.to_string())
            .execute()
            .await
            .unwrap();
    }
    db.write(ADD_NUMBER).bind(None::<i64>).execute().await.unwrap();
    let last: i64 = db.write(ADD_NUMBER).bind(7_i64).value().await.unwrap();
    db.write(FORGET).bind(last).execute().await.unwrap();
    db
}

async fn check(from: Database, to: Database) {
    let source = filled(&from).await;
    let tables = copied(&source).await;
    let names: Vec<_> = tables.iter().map(|(table, _)| table.name.as_str()).collect();
    assert_eq!(names, ["things", "parts"], "in the order in which they refer to each other");
    assert_eq!(tables.iter().map(|(_, rows)| rows.len()).collect::<Vec<_>>(), [301, 300]);
    let target = connect(&to).await;
    put(&target, &[THINGS], &tables).await.unwrap();
    let mine: Vec<Thing> = source.read(ALL_THINGS).all().await.unwrap();
    let theirs: Vec<Thing> = target.read(ALL_THINGS).all().await.unwrap();
    assert_eq!(mine, theirs);
    assert_eq!(target.read(PLACES).values::<i64>().await.unwrap().len(), 300);
    let next = async |db: &Db| db.write(ADD_NUMBER).bind(8_i64).value::<i64>().await.unwrap();
    assert_eq!(next(&source).await, next(&target).await, "no number is given twice");
    assert_eq!(target.migrate(&[THINGS]).await.unwrap(), 0);
}

#[tokio::test]
async fn from_a_file_to_a_file() {
    check(Database::sqlite(), Database::sqlite()).await;
}

#[tokio::test]
async fn from_a_file_to_a_server() {
    check(Database::sqlite(), Database::postgres()).await;
}

#[tokio::test]
async fn from_a_server_to_a_file() {
    check(Database::postgres(), Database::sqlite()).await;
}

#[tokio::test]
async fn from_a_server_to_a_server() {
    check(Database::postgres(), Database::postgres()).await;
}

async fn a_snapshot_sees_one_moment(database: Database) {
    let db = open(&database).await;
    db.write(ADD_NUMBER).bind(1_i64).execute().await.unwrap();
    let mut snapshot = db.snapshot().await.unwrap();
    db.write(ADD_NUMBER).bind(2_i64).execute().await.unwrap();
    assert_eq!(snapshot.query(ALL_THINGS).all::<Thing>().await.unwrap().len(), 1);
    assert!(snapshot.query(ADD_NUMBER).bind(3_i64).execute().await.is_err(), "it only reads");
    drop(snapshot);
    let snapshot = db.snapshot().await.unwrap();
    snapshot.rollback().await.unwrap();
    assert_eq!(db.read(ALL_THINGS).all::<Thing>().await.unwrap().len(), 2);
}

async fn what_does_not_fit_is_refused(database: Database) {
    let db = connect(&database).await;
    let column = |name: &str| vec![name.to_owned()];
    let mut tx = db.begin().await.unwrap();
    tx.migrate(&[THINGS]).await.unwrap();
    let tables = tx.tables().await.unwrap();
    let things = tables.iter().find(|table| table.name == "things").unwrap();
    let unknown = tx.fill(things, &column("colour"), &[vec![Value::Null]]).await.unwrap_err();
    assert!(matches!(&unknown, Error::Column { column, .. } if column == "things.colour"), "{unknown}");
    let wrong = tx.fill(things, &column("number"), &[vec![Value::Text("seven".to_owned())]]).await;
    assert!(wrong.is_err());
    drop(tx);
    assert!(db.begin().await.unwrap().is_blank().await.unwrap(), "nothing is left of it");
    db.migrate(&[THINGS]).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    assert!(!tx.is_blank().await.unwrap());
    let steps = tx.steps().await.unwrap();
    assert_eq!(known_steps(&[THINGS], &steps).unwrap().len(), 1);
    assert!(matches!(known_steps(&[], &steps), Err(Error::SchemaNewer { found: 1, known: 0 })));
}

testbed::on_both_databases!(a_snapshot_sees_one_moment, what_does_not_fit_is_refused);
