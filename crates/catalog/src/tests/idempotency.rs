//! Asking twice for one video.

use std::time::Duration;

use testbed::Database;
use uuid::Uuid;

use super::{ann, new_video, open, unfinished, work_off};
use crate::{
    Error,
    endings::request_delete,
    idempotency::{HOLD, Hold, MEMORY, Standing, begin, keep, release},
    quotas::Limits,
    videos::{create_once, video},
};

db::statements! {
    PASS_TIME { "UPDATE idempotency_keys SET held_until = held_until - $1, created_at = created_at - $1" }
    COUNT { "SELECT count(*) FROM idempotency_keys" }
}

const FINGERPRINT: [u8; 32] = [5; 32];

async fn a_key_stands_for_one_video(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let hold = |holder: u128| Hold { user: ann.id, key: "k".to_owned(), holder: Uuid::from_u128(holder) };
    assert_eq!(begin(&db, &hold(1)).await.unwrap(), Standing::New);
    assert_eq!(begin(&db, &hold(2)).await.unwrap(), Standing::Busy);
    let made = create_once(&db, &new_video(&ann, 1), Limits::default(), &hold(1), FINGERPRINT).await.unwrap();
    let done = Standing::Done { fingerprint: FINGERPRINT, video: made.id };
    assert_eq!(begin(&db, &hold(3)).await.unwrap(), done);
    release(&db, &hold(1)).await.unwrap();
    assert_eq!(begin(&db, &hold(3)).await.unwrap(), done, "what is done stays done");
    let other = Hold { key: "other".to_owned(), ..hold(3) };
    assert_eq!(begin(&db, &other).await.unwrap(), Standing::New);

    db.write(PASS_TIME).bind(MEMORY + HOLD).execute().await.unwrap();
    assert_eq!(begin(&db, &hold(4)).await.unwrap(), Standing::New, "it is forgotten after a day");
    assert_eq!(db.read(COUNT).value::<u64>().await.unwrap(), 1);
}

async fn who_lost_the_key_makes_nothing(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let hold = |holder: u128| Hold { user: ann.id, key: "k".to_owned(), holder: Uuid::from_u128(holder) };
    begin(&db, &hold(1)).await.unwrap();
    release(&db, &hold(2)).await.unwrap();
    assert_eq!(begin(&db, &hold(2)).await.unwrap(), Standing::Busy, "nobody lets go of what others hold");
    db.write(PASS_TIME).bind(HOLD / 2).execute().await.unwrap();
    keep(&db, &hold(1)).await.unwrap();
    db.write(PASS_TIME).bind(HOLD - Duration::from_secs(5)).execute().await.unwrap();
    assert_eq!(begin(&db, &hold(2)).await.unwrap(), Standing::Busy);
    db.write(PASS_TIME).bind(HOLD).execute().await.unwrap();
    assert_eq!(begin(&db, &hold(2)).await.unwrap(), Standing::New, "it was taken for dead");

    let late = create_once(&db, &new_video(&ann, 1), Limits::default(), &hold(1), FINGERPRINT).await;
    assert!(matches!(late, Err(Error::KeyLost)), "{late:?}");
    assert!(video(&db, new_video(&ann, 1).id).await.is_err());
    assert_eq!(unfinished(&db).await, 0);
    release(&db, &hold(2)).await.unwrap();
    assert_eq!(begin(&db, &hold(3)).await.unwrap(), Standing::New);
    let made = create_once(&db, &new_video(&ann, 2), Limits::default(), &hold(3), FINGERPRINT).await.unwrap();
    request_delete(&db, made.id).await.unwrap();
    work_off(&db).await;
    assert_eq!(begin(&db, &hold(4)).await.unwrap(), Standing::New, "a key goes with its video");
}

testbed::on_both_databases!(a_key_stands_for_one_video, who_lost_the_key_makes_nothing);
