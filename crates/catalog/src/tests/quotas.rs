//! How much a person may have.

use std::time::Duration;

use testbed::Database;

use super::{ann, new_video, open, upload, work_off};
use crate::{
    Error, endings,
    ids::VideoId,
    quotas::{self, Exceeded, Exception, Limits, claim_time, decide},
    videos::create_within,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn what_is_uploaded_counts_until_it_is_deleted(database: Database) {
    let db = open(&database).await;
    let first = upload(&db, 1).await;
    let everybody = Limits { bytes: Some(3000), videos: Some(2), minutes: None };
    let quota = quotas::of(&db, first.owner, everybody).await.unwrap();
    assert_eq!((quota.used.bytes, quota.used.videos, quota.bytes_left()), (1234, 1, Some(1766)));
    assert_eq!(quota.admit(1766), Ok(()));
    assert_eq!(quota.admit(1767), Err(Exceeded::Bytes { limit: 3000, left: 1766 }));

    let second = upload(&db, 2).await;
    let quota = quotas::of(&db, first.owner, everybody).await.unwrap();
    assert_eq!(quota.admit(0), Err(Exceeded::Videos { limit: 2 }));
    endings::request_delete(&db, second.id).await.unwrap();
    assert_eq!(quotas::of(&db, first.owner, everybody).await.unwrap().admit(1), Ok(()));
    work_off(&db).await;
    let used = quotas::of(&db, first.owner, everybody).await.unwrap().used;
    assert_eq!((used.videos, used.duration), (1, Duration::from_micros(19_987_000)));
}

async fn of_two_uploads_at_once_the_second_counts_the_first(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let everybody = Limits { bytes: Some(2000), ..Limits::default() };
    let (first, second) = (new_video(&person, 1), new_video(&person, 2));
    let uploads = tokio::join!(create_within(&db, &first, everybody), create_within(&db, &second, everybody));
    let refused = [uploads.0, uploads.1].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(
        matches!(refused[..], [Error::Exceeded(Exceeded::Bytes { limit: 2000, left: 766 })]),
        "{refused:?}"
    );
    assert_eq!(quotas::of(&db, person.id, everybody).await.unwrap().used.videos, 1);
}

async fn an_upload_that_is_recorded_twice_is_told_so(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let everybody = Limits { videos: Some(1), ..Limits::default() };
    create_within(&db, &new_video(&person, 1), everybody).await.unwrap();
    let again = create_within(&db, &new_video(&person, 1), everybody).await;
    assert!(matches!(&again, Err(Error::Db(error)) if error.unique_constraint().is_some()), "{again:?}");
    let other = create_within(&db, &new_video(&person, 2), everybody).await;
    assert!(matches!(other, Err(Error::Exceeded(Exceeded::Videos { limit: 1 }))), "{other:?}");
}

async fn an_exception_wins_over_what_holds_for_everybody(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let everybody = Limits { bytes: Some(1000), videos: Some(1), minutes: Some(1) };
    let exception = Exception { quota_bytes: Some(0), quota_videos: Some(5), quota_minutes: None };
    decide(&db, person.id, &exception).await.unwrap();
    assert_eq!(quotas::exception(&db, person.id).await.unwrap(), exception);
    let limits = quotas::of(&db, person.id, everybody).await.unwrap().limits;
    assert_eq!(limits, Limits { bytes: None, videos: Some(5), minutes: Some(1) });
    create_within(&db, &new_video(&person, 1), everybody).await.unwrap();
    let nobody = decide(&db, crate::ids::UserId::new(99, &[0; 10]), &exception).await;
    assert!(matches!(nobody, Err(Error::NoUser)), "{nobody:?}");
}

async fn of_two_videos_measured_at_once_the_second_counts_the_first(database: Database) {
    let db = open(&database).await;
    let (first, second) = (upload(&db, 1).await.id, upload(&db, 2).await.id);
    let everybody = Limits { minutes: Some(2), ..Limits::default() };
    let claims = tokio::join!(
        claim_time(&db, first, seconds(70), everybody),
        claim_time(&db, second, seconds(70), everybody),
    );
    let refused = [claims.0, claims.1].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(matches!(refused[..], [Error::Exceeded(Exceeded::Minutes { limit: 2 })]), "{refused:?}");
    let holder = match crate::videos::video(&db, first).await.unwrap().measured_duration {
        Some(_) => first,
        None => second,
    };
    claim_time(&db, holder, seconds(120), everybody).await.expect("its own time does not count against it");
    let nobody = claim_time(&db, VideoId::new(99, &[0; 10]), seconds(1), everybody).await;
    assert!(matches!(nobody, Err(Error::NoVideo(_))), "{nobody:?}");
}

testbed::on_both_databases!(
    what_is_uploaded_counts_until_it_is_deleted,
    of_two_uploads_at_once_the_second_counts_the_first,
    an_upload_that_is_recorded_twice_is_told_so,
    an_exception_wins_over_what_holds_for_everybody,
    of_two_videos_measured_at_once_the_second_counts_the_first,
);
