//! What the store has to keep.

use std::time::Duration;

use testbed::Database;

use super::{inspect, open, upload, work_off};
use crate::{
    endings::request_delete,
    ids::{Revision, VideoId},
    remaking,
    storage::{
        Needed, UnfinishedUpload, let_go_of_sources, needed, old_sources, stale_uploads, upload_begun,
        upload_ended, upload_touched,
    },
    videos::{SourceState, seal_source},
};

db::statements! {
    AGE_READY { "UPDATE videos SET ready_at = ready_at - $1" }
    AGE_UPLOADS { "UPDATE unfinished_uploads SET touched_at = touched_at - $1" }
}

async fn a_revision_is_needed_from_its_plan_on(database: Database) {
    let db = open(&database).await;
    assert_eq!(needed(&db, VideoId::new(7, &[7; 10])).await.unwrap(), Needed::Nothing);
    let video = upload(&db, 1).await.id;
    assert_eq!(needed(&db, video).await.unwrap(), Needed::Revisions(vec![], SourceState::Clear));
    inspect(&db).await;
    let planned = Needed::Revisions(vec![Revision::FIRST], SourceState::Clear);
    assert_eq!(needed(&db, video).await.unwrap(), planned);
    work_off(&db).await;
    assert_eq!(needed(&db, video).await.unwrap(), planned, "published");
    seal_source(&db, video).await.unwrap();
    let sealed = Needed::Revisions(vec![Revision::FIRST], SourceState::Sealed);
    assert_eq!(needed(&db, video).await.unwrap(), sealed);
    request_delete(&db, video).await.unwrap();
    assert_eq!(needed(&db, video).await.unwrap(), Needed::UpToItsDeletion);
    work_off(&db).await;
    assert_eq!(needed(&db, video).await.unwrap(), Needed::Nothing);
}

async fn an_upload_is_stale_when_nobody_touches_it(database: Database) {
    const HOUR: Duration = Duration::from_secs(3600);
    let db = open(&database).await;
    for name in ["one", "two", "three"] {
        upload_begun(&db, &format!("sources/{name}"), name).await.unwrap();
    }
    upload_begun(&db, "sources/one", "one").await.unwrap();
    db.write(AGE_UPLOADS).bind(HOUR * 2).execute().await.unwrap();
    upload_touched(&db, "two").await.unwrap();
    upload_ended(&db, "three").await.unwrap();
    let stale = [UnfinishedUpload { upload: "one".to_owned(), object_key: "sources/one".to_owned() }];
    assert_eq!(stale_uploads(&db, HOUR).await.unwrap(), stale);
    assert_eq!(stale_uploads(&db, HOUR * 3).await.unwrap(), []);
    assert_eq!(stale_uploads(&db, Duration::ZERO).await.unwrap().len(), 2);
}

async fn files_of_videos_that_play_for_long_are_let_go_of(database: Database) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let db = open(&database).await;
    let (one, two) = (upload(&db, 1).await.id, upload(&db, 2).await.id);
    work_off(&db).await;
    let unfinished = upload(&db, 3).await.id;
    let let_go = async |age| let_go_of_sources(&db, age, 1).await.unwrap();
    assert_eq!(let_go(DAY).await, []);
    assert_eq!(old_sources(&db, DAY).await.unwrap(), 0);
    db.write(AGE_READY).bind(DAY).execute().await.unwrap();
    assert_eq!(old_sources(&db, DAY).await.unwrap(), 2);
    remaking::request(&db, two).await.unwrap();
    assert_eq!(let_go(DAY).await, [one], "the other is needed still");
    assert_eq!(let_go(DAY).await, []);
    let gone = Needed::Revisions(vec![Revision::FIRST], SourceState::Gone);
    assert_eq!(needed(&db, one).await.unwrap(), gone);
    work_off(&db).await;
    assert_eq!(let_go(DAY).await, [two], "as old as it was");
    assert_eq!(let_go(Duration::ZERO).await, [unfinished]);
}

testbed::on_both_databases!(
    a_revision_is_needed_from_its_plan_on,
    an_upload_is_stale_when_nobody_touches_it,
    files_of_videos_that_play_for_long_are_let_go_of,
);
