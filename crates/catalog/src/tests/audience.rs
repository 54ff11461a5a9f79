//! How much of videos is watched.

use std::time::Duration;

use testbed::Database;

use super::{open, upload, work_off};
use crate::{
    audience::{AudiencePart, PARTS, Watched, add, by_day, by_part},
    endings::request_delete,
    ids::VideoId,
};

db::statements! {
    AGE_DAYS { "UPDATE audience_days SET day = day - $1" }
    AGE_PARTS { "UPDATE audience_parts SET day = day - $1" }
    COUNT { "SELECT (SELECT count(*) FROM audience_days) + (SELECT count(*) FROM audience_parts)" }
}

fn watched(video: VideoId, begins: bool, seconds: u64, parts: impl IntoIterator<Item = u8>) -> Watched {
    Watched { video, begins, played: Duration::from_secs(seconds), parts: parts.into_iter().collect() }
}

async fn sums_are_kept_by_day_and_part(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    add(&db, &watched(id, true, 1, [0])).await.unwrap();
    assert!(by_day(&db, id, 30).await.unwrap().is_empty(), "what does not play is not watched");
    work_off(&db).await;
    // Two playbacks, of which one tells twice.
    add(&db, &watched(id, true, 10, [0, 1])).await.unwrap();
    add(&db, &watched(id, false, 5, [2])).await.unwrap();
    add(&db, &watched(id, true, 3, [0, PARTS, 255])).await.unwrap();
    add(&db, &watched(id, false, 0, [])).await.unwrap();
    let [day] = by_day(&db, id, 1).await.unwrap()[..] else { panic!("one day") };
    assert_eq!((day.playbacks, day.played), (2, Duration::from_secs(18)));
    let parts = by_part(&db, id, 1).await.unwrap();
    let part = |part, playbacks| AudiencePart { part, playbacks };
    assert_eq!(parts, [part(0, 2), part(1, 1), part(2, 1)]);

    for statement in [AGE_DAYS, AGE_PARTS] {
        db.write(statement).bind(1_u32).execute().await.unwrap();
    }
    add(&db, &watched(id, true, 1, [0, PARTS - 1])).await.unwrap();
    assert_eq!(by_day(&db, id, 30).await.unwrap().len(), 2);
    assert_eq!(by_part(&db, id, 1).await.unwrap(), [part(0, 1), part(u32::from(PARTS) - 1, 1)]);
    assert_eq!(by_part(&db, id, 2).await.unwrap()[0], part(0, 3));

    request_delete(&db, id).await.unwrap();
    work_off(&db).await;
    assert_eq!(db.read(COUNT).value::<u64>().await.unwrap(), 0, "sums go with the video");
    add(&db, &watched(id, true, 1, [0])).await.unwrap();
}

async fn many_tell_at_once(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    work_off(&db).await;
    let all = watched(id, true, 1, 0..PARTS);
    let reports = (0..16).map(|_| add(&db, &all));
    for told in futures_util::future::join_all(reports).await {
        told.unwrap();
    }
    let parts = by_part(&db, id, 1).await.unwrap();
    assert!(parts.len() == usize::from(PARTS) && parts.iter().all(|part| part.playbacks == 16));
}

testbed::on_both_databases!(sums_are_kept_by_day_and_part, many_tell_at_once);
