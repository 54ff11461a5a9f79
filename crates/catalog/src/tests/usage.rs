//! Who takes up how much of the store.

use db::Db;
use testbed::Database;

use super::{ann, open, upload, work_off};
use crate::{
    endings::request_delete,
    outputs,
    usage::{self, Order, Place, VideoUsage},
    videos::SourceState,
};

db::statements! {
    GROW { "UPDATE stored_videos SET bytes = bytes + $2 WHERE video_id = $1" }
    GROW_SOURCE { "UPDATE videos SET source_bytes = source_bytes + $2 WHERE id = $1" }
    LET_GO { "UPDATE videos SET source_state = 'gone' WHERE id = $1" }
}

/// All videos in an order, page by page.
async fn listed(db: &Db, order: Order) -> Vec<VideoUsage> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = usage::videos(db, order, after, 2).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.place(order).to_string().parse::<Place>().unwrap());
        all.extend(page);
    }
}

async fn videos_are_summed_up_when_they_are_published(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let mut ids = Vec::new();
    for number in 1..=5 {
        ids.push(upload(&db, number).await.id);
    }
    assert_eq!(usage::parts(&db).await.unwrap(), []);
    assert_eq!(listed(&db, Order::Media).await, []);
    let waiting = listed(&db, Order::Newest).await;
    assert_eq!((waiting.len(), waiting[0].bytes, waiting[0].source_bytes), (5, 0, 1234));
    work_off(&db).await;

    let videos = listed(&db, Order::Media).await;
    assert_eq!(videos.len(), 5);
    let first = &videos[0];
    let mut tx = db.snapshot().await.unwrap();
    let revision = crate::ids::Revision::FIRST;
    let recorded = outputs::recorded(&mut tx, first.id, revision).await.unwrap();
    tx.rollback().await.unwrap();
    let bytes: u64 = recorded.iter().map(|object| object.bytes).sum();
    assert_eq!((first.objects, first.bytes), (u64::try_from(recorded.len()).unwrap(), bytes));
    let parts = usage::parts(&db).await.unwrap();
    assert!(parts.iter().all(|part| part.videos == 5), "{parts:?}");
    assert_eq!(parts.iter().map(|part| part.bytes).sum::<u64>(), bytes * 5);
    assert!(parts.is_sorted_by(|a, b| a.bytes >= b.bytes), "{parts:?}");

    for (position, id) in ids.iter().enumerate() {
        let more = u64::try_from(position).unwrap();
        db.write(GROW).bind(*id).bind(more).execute().await.unwrap();
        db.write(GROW_SOURCE).bind(*id).bind(10 - more).execute().await.unwrap();
    }
    db.write(LET_GO).bind(ids[0]).execute().await.unwrap();
    let order = |videos: Vec<VideoUsage>| videos.iter().map(|video| video.id).collect::<Vec<_>>();
    let backwards: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(order(listed(&db, Order::Media).await), backwards);
    assert_eq!(order(listed(&db, Order::Source).await), ids);
    assert_eq!(order(listed(&db, Order::Newest).await), backwards);
    let first = &listed(&db, Order::Source).await[0];
    assert_eq!((first.source_state, first.kept_source_bytes()), (SourceState::Gone, 0));
    let owners = usage::owners(&db, 9).await.unwrap();
    assert_eq!(owners.len(), 1);
    assert_eq!((owners[0].id, owners[0].videos), (ann.id, 5));
    assert_eq!((owners[0].source_bytes, owners[0].bytes), (4 * 1234 + 9 + 8 + 7 + 6, bytes * 5 + 10));

    request_delete(&db, ids[4]).await.unwrap();
    work_off(&db).await;
    assert_eq!(listed(&db, Order::Media).await.len(), 4);
    assert!(usage::parts(&db).await.unwrap().iter().all(|part| part.videos == 4));
}

testbed::on_both_databases!(videos_are_summed_up_when_they_are_published);
