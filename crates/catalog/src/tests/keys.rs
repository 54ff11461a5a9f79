//! Keys of protected videos.

use serde_json::json;
use testbed::Database;

use super::{open, upload};
use crate::{
    ids::VideoId,
    keys::{KeyClass, WrappedKey, count_under_others, of_video, record, rewrap, under_others},
};

fn key(video: VideoId, class: KeyClass, number: u8) -> WrappedKey {
    WrappedKey {
        video,
        class,
        key_id: [number; 16],
        master_key: "old".to_owned(),
        wrapped: vec![number; 44],
        iv: [7; 16],
        headers: (number == 1).then(|| json!({ "widevine": "AAAA" })),
    }
}

async fn of_two_that_make_keys_the_first_wins(database: Database) {
    let db = open(&database).await;
    let video = upload(&db, 1).await.id;
    assert_eq!(of_video(&db, video).await.unwrap(), []);
    let first = [key(video, KeyClass::Audio, 1), key(video, KeyClass::Hd, 2)];
    assert_eq!(record(&db, video, &first).await.unwrap(), first);
    let late = [key(video, KeyClass::Audio, 3), key(video, KeyClass::Sd, 4)];
    let kept = record(&db, video, &late).await.unwrap();
    assert_eq!(kept, [first[0].clone(), first[1].clone(), late[1].clone()]);
    assert_eq!(of_video(&db, video).await.unwrap(), kept);
}

async fn keys_move_to_another_master_key(database: Database) {
    let db = open(&database).await;
    let video = upload(&db, 1).await.id;
    let keys: Vec<_> = (1..)
        .zip([KeyClass::Audio, KeyClass::Sd, KeyClass::Hd])
        .map(|(n, class)| key(video, class, n))
        .collect();
    record(&db, video, &keys).await.unwrap();
    let mut after = None;
    let mut seen = 0;
    loop {
        let some = under_others(&db, "new", after, 2).await.unwrap();
        let Some(last) = some.last() else { break };
        after = Some(last.key_id);
        for old in &some {
            assert!(rewrap(&db, old, "new", &[9; 44]).await.unwrap());
            assert!(!rewrap(&db, old, "newer", &[8; 44]).await.unwrap(), "it was moved already");
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
    assert_eq!(count_under_others(&db, "new").await.unwrap(), 0);
    assert!(of_video(&db, video).await.unwrap().iter().all(|key| key.wrapped == [9; 44]));
}

testbed::on_both_databases!(of_two_that_make_keys_the_first_wins, keys_move_to_another_master_key,);
