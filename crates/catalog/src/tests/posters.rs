//! Posters that owners choose.

use std::time::Duration;

use testbed::Database;

use super::{open, upload, work_off};
use crate::{
    Error,
    endings::request_delete,
    ids::VideoId,
    posters::{Poster, choose, of, recorded, withdraw},
    storage::amount,
    videos::video,
};

db::statements! {
    COUNT { "SELECT count(*) FROM posters" }
}

fn poster(video_id: VideoId, key: &str, moment: Option<Duration>) -> Poster {
    Poster { video_id, object_key: key.to_owned(), bytes: 1000, sha256: [7; 32], moment }
}

async fn one_is_shown_until_another_is(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    work_off(&db).await;
    let before = amount(&db).await.unwrap().bytes;
    let version = video(&db, id).await.unwrap().version;
    let largest = u64::MAX >> 1;
    let taken = poster(id, "a", Some(Duration::from_millis(1500)));
    assert_eq!(choose(&db, &taken, largest).await.unwrap(), None);
    assert_eq!(of(&db, id).await.unwrap(), Some(taken));
    let shown = video(&db, id).await.unwrap();
    assert_eq!((shown.poster, shown.version), (Some(largest), version + 1));
    assert_eq!(amount(&db).await.unwrap().bytes, before + 1000);

    assert_eq!(choose(&db, &poster(id, "b", None), 5).await.unwrap().as_deref(), Some("a"));
    assert_eq!(video(&db, id).await.unwrap().poster, Some(5));
    let mut tx = db.snapshot().await.unwrap();
    assert_eq!(recorded(&mut tx, id).await.unwrap().unwrap().key, "b");
    tx.rollback().await.unwrap();

    assert_eq!(withdraw(&db, id).await.unwrap().as_deref(), Some("b"));
    assert_eq!(withdraw(&db, id).await.unwrap(), None);
    assert!(!video(&db, id).await.unwrap().has_chosen_poster());
    assert_eq!(of(&db, id).await.unwrap(), None);
}

async fn it_goes_with_its_video(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    work_off(&db).await;
    choose(&db, &poster(id, "a", None), 1).await.unwrap();
    request_delete(&db, id).await.unwrap();
    let late = choose(&db, &poster(id, "b", None), 2).await;
    assert!(matches!(late, Err(Error::NoVideo(_))), "{late:?}");
    work_off(&db).await;
    assert_eq!(db.read(COUNT).value::<u64>().await.unwrap(), 0);
    assert!(matches!(withdraw(&db, id).await, Err(Error::NoVideo(_))));
}

testbed::on_both_databases!(one_is_shown_until_another_is, it_goes_with_its_video);
