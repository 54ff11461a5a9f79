//! Failures, retries and deletions.

use std::time::Duration;

use testbed::Database;

use super::{
    COUNT_OBJECTS, LAST_ATTEMPT, LEASE, PASS_TIME, complete, inspect, open, take, take_one, unfinished,
    upload, work_off,
};
use crate::{
    Error, VideoState,
    endings::{Ending, Reaped, finish_delete, reap, reject, release, request_delete, retry},
    ids::Revision,
    outputs::contents,
    videos::{self, video},
    work::{PIPELINE_QUEUE, UPKEEP_QUEUE, Work},
};

async fn a_rejected_source_fails_with_its_sentence(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    let job = take_one(&db).await;
    reject(&db, &job.lease, "The file is empty. Upload it again.\0").await.unwrap();
    let failed = video(&db, id).await.unwrap();
    assert_eq!(failed.state, VideoState::Failed);
    assert_eq!(failed.error.as_deref(), Some("The file is empty. Upload it again.\u{fffd}"));
    assert_eq!(unfinished(&db).await, 0);
    assert!(reject(&db, &job.lease, "late").await.unwrap_err().lease_lost());
}

async fn a_chunk_that_dies_takes_the_video_with_it(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    let running = take(&db, PIPELINE_QUEUE, 2).await;
    let [doomed, bystander] = &running[..] else { panic!("two jobs") };
    let mut job = doomed.clone();
    for attempt in 1..=job.max_failures {
        assert_eq!(job.attempt, attempt);
        let ending = retry(&db, &job.lease, "exit status 1", Duration::ZERO).await.unwrap();
        if attempt == job.max_failures {
            assert_eq!(ending, Ending::Failed);
            break;
        }
        assert_eq!(ending, Ending::Later);
        let claimed = take(&db, PIPELINE_QUEUE, 100).await;
        for other in claimed.iter().filter(|other| other.lease.id != doomed.lease.id) {
            release(&db, &other.lease).await.unwrap();
        }
        job = claimed.into_iter().find(|claimed| claimed.lease.id == doomed.lease.id).unwrap();
    }
    let failed = video(&db, id).await.unwrap();
    assert_eq!(failed.state, VideoState::Failed);
    let sentence = failed.error.unwrap();
    assert!(sentence.contains("encoding the picture failed 5 times"), "{sentence}");
    assert_eq!(unfinished(&db).await, 0);
    assert!(complete(&db, bystander, 1).await.unwrap_err().lease_lost());

    let again = videos::retry(&db, id).await.unwrap();
    assert_eq!((again.state, again.error), (VideoState::Uploaded, None));
    assert!(matches!(videos::retry(&db, id).await, Err(Error::Refused(_))));
    work_off(&db).await;
    let ready = video(&db, id).await.unwrap();
    assert_eq!((ready.state, ready.published_revision), (VideoState::Ready, Some(Revision::FIRST.next())));
}

async fn a_job_that_kills_its_workers_fails_its_video(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    for attempt in 1..=25 {
        take_one(&db).await;
        db.write(PASS_TIME).bind(LEASE * 2).execute().await.unwrap();
        let reaped = reap(&db).await.unwrap();
        let last = attempt == 25;
        assert_eq!(reaped, Reaped { returned: u64::from(!last), dead: u64::from(last) });
    }
    let failed = video(&db, id).await.unwrap();
    assert_eq!(failed.state, VideoState::Failed);
    assert!(failed.error.unwrap().contains("reading the file failed 25 times"));
    assert_eq!(unfinished(&db).await, 0);
}

/// Both end the same jobs and lock the same video; done in another order, each would have what the other waits for.
async fn the_dead_are_buried_while_their_videos_are_deleted(database: Database) {
    let db = open(&database).await;
    for number in 1..=12 {
        let id = upload(&db, number).await.id;
        inspect(&db).await;
        take(&db, PIPELINE_QUEUE, 100).await;
        db.write(LAST_ATTEMPT).execute().await.unwrap();
        db.write(PASS_TIME).bind(LEASE * 2).execute().await.unwrap();
        let (reaped, deleted) = tokio::join!(reap(&db), request_delete(&db, id));
        reaped.unwrap();
        deleted.unwrap();
        assert_eq!(video(&db, id).await.unwrap().state, VideoState::Deleting);
    }
}

async fn a_video_can_be_deleted_while_it_is_processed(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    let running = take(&db, PIPELINE_QUEUE, 2).await;
    complete(&db, &running[0], 1).await.unwrap();
    request_delete(&db, id).await.unwrap();
    assert!(matches!(request_delete(&db, id).await, Err(Error::Refused(_))));
    assert!(complete(&db, &running[1], 1).await.unwrap_err().lease_lost());
    assert!(take(&db, PIPELINE_QUEUE, 100).await.is_empty());
    assert_eq!(video(&db, id).await.unwrap().state, VideoState::Deleting);

    let job = take(&db, UPKEEP_QUEUE, 1).await.pop().unwrap();
    // Removing objects from a store may fail often; it is never given up for that, and the video stays deleted.
    assert_eq!(retry(&db, &job.lease, "storage is down", Duration::ZERO).await.unwrap(), Ending::Later);
    let job = take(&db, UPKEEP_QUEUE, 1).await.pop().unwrap();
    let Work::Delete(deletion) = Work::of(&job).unwrap() else { panic!("{job:?}") };
    finish_delete(&db, &job.lease, deletion.video).await.unwrap();
    assert!(matches!(video(&db, id).await, Err(Error::NoVideo(_))));
    assert!(contents::<serde_json::Value>(&db, id, Revision::FIRST).await.is_err());
    assert_eq!(db.read(COUNT_OBJECTS).value::<i64>().await.unwrap(), 0);
    assert!(matches!(request_delete(&db, id).await, Err(Error::NoVideo(_))));
    assert_eq!(unfinished(&db).await, 0);
}

async fn a_deletion_that_gives_up_fails_no_video(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    request_delete(&db, id).await.unwrap();
    let job = take(&db, UPKEEP_QUEUE, 1).await.pop().unwrap();
    reject(&db, &job.lease, "the bucket is gone").await.unwrap();
    assert_eq!(video(&db, id).await.unwrap().state, VideoState::Deleting);
}

testbed::on_both_databases!(
    a_rejected_source_fails_with_its_sentence,
    a_chunk_that_dies_takes_the_video_with_it,
    a_job_that_kills_its_workers_fails_its_video,
    the_dead_are_buried_while_their_videos_are_deleted,
    a_video_can_be_deleted_while_it_is_processed,
    a_deletion_that_gives_up_fails_no_video,
);
