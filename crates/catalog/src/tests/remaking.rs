//! Making a video again that plays, and finding out that this is needed.

use std::time::Duration;

use testbed::Database;

use super::{encode, inspect, open, take, take_one, unfinished, upload, work_off};
use crate::{
    Error, VideoState,
    endings::{reject, request_delete, retry},
    ids::Revision,
    outputs::{self, Recorded},
    remaking,
    scrubs::{self, Reading},
    storage::{Needed, needed},
    videos::{SourceState, video},
    work::PIPELINE_QUEUE,
};

const FIRST: Revision = Revision::FIRST;

fn kept(revisions: &[Revision]) -> Needed {
    Needed::Revisions(revisions.to_vec(), SourceState::Clear)
}

async fn what_plays_plays_on_until_the_new_one_is_published(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    let early = remaking::request(&db, id).await.unwrap_err();
    assert!(matches!(early, Error::Refused(_)), "{early}");
    work_off(&db).await;
    let before = video(&db, id).await.unwrap();
    remaking::request(&db, id).await.unwrap();
    remaking::request(&db, id).await.unwrap();
    inspect(&db).await;
    let during = video(&db, id).await.unwrap();
    assert_eq!((during.state, during.remaking), (VideoState::Ready, true));
    assert_eq!((during.published_revision, during.revision), (Some(FIRST), Some(FIRST.next())));
    assert_eq!(needed(&db, id).await.unwrap(), kept(&[FIRST, FIRST.next()]));
    work_off(&db).await;
    let after = video(&db, id).await.unwrap();
    assert_eq!((after.state, after.remaking), (VideoState::Ready, false));
    assert_eq!((after.published_revision, after.ready_at), (Some(FIRST.next()), before.ready_at));
    assert_eq!(needed(&db, id).await.unwrap(), kept(&[FIRST.next()]));
    assert_eq!(unfinished(&db).await, 0);
}

async fn what_cannot_be_made_again_stays_as_it_is(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    work_off(&db).await;
    remaking::request(&db, id).await.unwrap();
    let job = take_one(&db).await;
    reject(&db, &job.lease, "The file is damaged.").await.unwrap();
    let rejected = video(&db, id).await.unwrap();
    assert_eq!((rejected.state, rejected.remaking, rejected.error), (VideoState::Ready, false, None));
    remaking::request(&db, id).await.unwrap();
    inspect(&db).await;
    let mut chunk = take_one(&db).await;
    for _ in 1..chunk.max_failures {
        retry(&db, &chunk.lease, "exit status 1", Duration::ZERO).await.unwrap();
        let claimed = take(&db, PIPELINE_QUEUE, 100).await;
        chunk = claimed.into_iter().find(|job| job.lease.id == chunk.lease.id).unwrap();
    }
    retry(&db, &chunk.lease, "exit status 1", Duration::ZERO).await.unwrap();
    let given_up = video(&db, id).await.unwrap();
    assert_eq!((given_up.state, given_up.remaking), (VideoState::Ready, false));
    assert_eq!(needed(&db, id).await.unwrap(), kept(&[FIRST]));
    assert_eq!(unfinished(&db).await, 0);
    remaking::request(&db, id).await.unwrap();
    request_delete(&db, id).await.unwrap();
    work_off(&db).await;
    assert!(matches!(video(&db, id).await, Err(Error::NoVideo(_))));
}

async fn nothing_is_made_of_a_file_that_is_gone(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    encode(&db).await;
    let publish = take_one(&db).await;
    outputs::publish_without_source(&db, &publish.lease, id, FIRST).await.unwrap();
    assert!(matches!(remaking::request(&db, id).await, Err(Error::NoSource(_))));
    assert!(!video(&db, id).await.unwrap().remaking);
}

async fn a_round_goes_on_where_it_stopped(database: Database) {
    let db = open(&database).await;
    let (one, two) = (upload(&db, 1).await.id, upload(&db, 2).await.id);
    work_off(&db).await;
    let document = Recorded { key: "master.m3u8".to_owned(), bytes: 7, sha256: [7; 32] };
    for _ in 0..2 {
        outputs::record_documents(&db, one, FIRST, std::slice::from_ref(&document)).await.unwrap();
    }
    let mut tx = db.begin().await.unwrap();
    let recorded = outputs::recorded(&mut tx, one, FIRST).await.unwrap();
    drop(tx);
    assert_eq!(recorded.len(), 18 + 1 + 1, "segments, a poster and the document");
    assert!(recorded.contains(&document));
    let all = scrubs::remaining(&db).await.unwrap();
    assert_eq!(all.videos, 2);
    assert!(all.bytes > 2 * 1234 + 7, "{all:?}");
    let left = async |after| {
        let videos = scrubs::next(&db, after, 10).await.unwrap();
        videos.into_iter().map(|video| video.id).collect::<Vec<_>>()
    };
    assert_eq!(left(None).await, [one, two]);
    assert_eq!(left(Some(one)).await, [two]);
    let damage = vec!["3.m4s".to_owned()];
    let reading = Reading { video: one, revision: Some(FIRST), objects: 21, bytes: 5, damage };
    scrubs::record(&db, &reading).await.unwrap();
    scrubs::record(&db, &reading).await.unwrap();
    assert_eq!(left(None).await, [two]);
    assert_eq!(scrubs::remaining(&db).await.unwrap().videos, 1);
    assert_eq!(scrubs::read::<Vec<String>>(&db).await.unwrap(), [reading]);
    remaking::request(&db, one).await.unwrap();
    work_off(&db).await;
    assert_eq!(left(None).await, [one, two], "what was published again is read again");
    scrubs::end(&db).await.unwrap();
    assert_eq!(left(None).await, [one, two]);
}

testbed::on_both_databases!(
    what_plays_plays_on_until_the_new_one_is_published,
    what_cannot_be_made_again_stays_as_it_is,
    nothing_is_made_of_a_file_that_is_gone,
    a_round_goes_on_where_it_stopped,
);
