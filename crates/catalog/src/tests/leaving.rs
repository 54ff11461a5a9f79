//! How accounts go.

use db::Db;
use testbed::Database;

use super::{ann, complete, new_user, new_video, open, take, unfinished, work_off};
use crate::{
    Error,
    accounts::{User, create_user, find_by_credential, user},
    leaving::{self, LeaveJob},
    videos::create,
    work::UPKEEP_QUEUE,
};

/// Takes the job and does it.
async fn carry_out(db: &Db, person: &User) {
    let job = take(db, UPKEEP_QUEUE, 1).await.pop().expect("the account is to go");
    let asked: LeaveJob = serde_json::from_str(&job.payload).unwrap();
    assert_eq!((job.kind.as_str(), asked.user), (leaving::KIND, person.id));
    leaving::carry_out(db, &job.lease, person.id).await.unwrap();
}

async fn an_account_goes_with_the_last_of_its_videos(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    for number in 1..=3 {
        create(&db, &new_video(&person, number)).await.unwrap();
    }
    work_off(&db).await;
    leaving::request(&db, person.id).await.unwrap();
    leaving::request(&db, person.id).await.expect("asked twice, it does nothing more");
    assert_eq!(find_by_credential(&db, "ann").await.unwrap().unwrap().password_hash.0, "");
    let refused = create(&db, &new_video(&person, 4)).await;
    assert!(matches!(refused, Err(Error::Standing(_))), "{refused:?}");
    carry_out(&db, &person).await;
    let deletions = take(&db, UPKEEP_QUEUE, 9).await;
    assert_eq!(deletions.len(), 3);
    assert!(user(&db, person.id).await.unwrap().is_some(), "its videos have not gone yet");
    let (first, rest) = deletions.split_first().unwrap();
    complete(&db, first, 1).await.unwrap();
    // The last two end at once.
    let ended = tokio::join!(complete(&db, &rest[0], 1), complete(&db, &rest[1], 1));
    ended.0.unwrap();
    ended.1.unwrap();
    assert!(user(&db, person.id).await.unwrap().is_none());
    create_user(&db, &new_user(9, "ann", "ann@example.org")).await.expect("name and address are free again");
    assert_eq!(unfinished(&db).await, 0);
}

async fn an_account_without_videos_goes_at_once(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    leaving::request(&db, person.id).await.unwrap();
    carry_out(&db, &person).await;
    assert!(user(&db, person.id).await.unwrap().is_none());
    assert!(matches!(leaving::request(&db, person.id).await, Err(Error::NoUser)));
}

testbed::on_both_databases!(
    an_account_goes_with_the_last_of_its_videos,
    an_account_without_videos_goes_at_once,
);
