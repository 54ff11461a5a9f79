//! Pictures of people, letters about what others say, and who wants which.

use std::collections::BTreeSet;

use db::Db;
use testbed::Database;

use super::{ann, new_user, open, take, upload};
use crate::{
    Error,
    accounts::create_user,
    comments::{self, Comment, Decision, NewComment},
    events::{self, Errand},
    ids::{CommentId, ModerationId, UserId, VideoId},
    leaving,
    names::CommentText,
    notices::{self, Notice, Told, Topic},
    pictures::{self, Picture},
};

async fn say(db: &Db, number: u64, video: VideoId, author: UserId, parent: Option<CommentId>) -> Comment {
    let text = CommentText::parse(&format!("number {number}")).unwrap();
    let new = NewComment { id: CommentId::new(number, &[0; 10]), video, author, parent, text };
    comments::create(db, &new).await.unwrap()
}

/// The notices that are to be sent.
async fn posted(db: &Db) -> Vec<Notice> {
    let jobs = take(db, events::QUEUE, 100).await;
    let notice = |job: &jobs::Job| match Errand::of(job).unwrap() {
        Errand::Notice(notice) => Some(notice),
        _ => None,
    };
    jobs.iter().filter_map(notice).collect()
}

/// To whom, and what.
async fn told(db: &Db, notice: &Notice) -> Option<(String, String)> {
    let told = notices::open(db, notice).await.unwrap();
    told.map(|Told { email, text, .. }| (email.to_string(), text))
}

async fn people_hear_of_what_others_say(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = upload(&db, 1).await.id;
    let bob = create_user(&db, &new_user(9, "bob", "bob@example.org")).await.unwrap();
    let eve = create_user(&db, &new_user(10, "eve", "eve@example.org")).await.unwrap();
    assert_eq!(posted(&db).await, []);

    let own = say(&db, 1, video, ann.id, None).await;
    let first = say(&db, 2, video, bob.id, None).await;
    let answered = say(&db, 3, video, ann.id, Some(first.id)).await;
    let again = say(&db, 4, video, bob.id, Some(first.id)).await;
    let both = say(&db, 5, video, eve.id, Some(first.id)).await;
    let owners = say(&db, 6, video, eve.id, Some(own.id)).await;
    let comment = |comment: &Comment| Notice::Comment { comment: comment.id };
    let reply = |comment: &Comment| Notice::Reply { comment: comment.id };
    let all = posted(&db).await;
    let expected =
        [comment(&first), reply(&answered), comment(&again), reply(&both), comment(&both), reply(&owners)];
    assert_eq!(all.len(), expected.len(), "{all:?}");
    assert!(expected.iter().all(|notice| all.contains(notice)), "{all:?}");
    let to = |who: &str, text: &str| Some((format!("{who}@example.org"), text.to_owned()));
    assert_eq!(told(&db, &comment(&first)).await, to("ann", "number 2"));
    assert_eq!(told(&db, &reply(&both)).await, to("bob", "number 5"));
    assert_eq!(told(&db, &reply(&owners)).await, to("ann", "number 6"));

    // What is not wanted is not told, and what was taken away neither.
    notices::choose(&db, ann.id, &BTreeSet::from([Topic::Comment, Topic::Ready])).await.unwrap();
    assert_eq!(told(&db, &comment(&first)).await, None);
    assert_eq!(told(&db, &reply(&owners)).await, to("ann", "number 6"));
    assert!(!notices::is_wanted(&db, ann.id, Topic::Ready).await.unwrap());
    notices::choose(&db, ann.id, &BTreeSet::from([Topic::Reply])).await.unwrap();
    assert_eq!(notices::unwanted(&db, ann.id).await.unwrap(), BTreeSet::from([Topic::Reply]));
    assert_eq!(told(&db, &comment(&first)).await, to("ann", "number 2"));
    assert_eq!(notices::unwanted(&db, bob.id).await.unwrap(), BTreeSet::new());

    let reason = CommentText::parse("rude").unwrap();
    comments::report(&db, both.id, bob.id, &reason).await.unwrap();
    comments::report(&db, both.id, ann.id, &reason).await.unwrap();
    let entry = ModerationId::new(1, &[0; 10]);
    comments::decide(&db, entry, both.id, ann.id, Decision::Removed).await.unwrap();
    let decided = Notice::Decided { user: bob.id, entry };
    assert_eq!(posted(&db).await, std::slice::from_ref(&decided), "who decides knows");
    assert_eq!(told(&db, &decided).await, to("bob", "number 5"), "it outlives the comment");
    assert_eq!(notices::open(&db, &decided).await.unwrap().unwrap().decision, Some(Decision::Removed));
    assert_eq!(told(&db, &reply(&both)).await, None);
}

async fn a_picture_is_shown_until_there_is_another(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let bob = create_user(&db, &new_user(9, "bob", "bob@example.org")).await.unwrap();
    let picture = |user_id, name: &str| Picture {
        user_id,
        object_key: format!("pictures/{user_id}/{name}.jpg"),
        bytes: 7,
        sha256: [3; 32],
    };
    let (first, second, other) = (picture(ann.id, "1"), picture(ann.id, "2"), picture(bob.id, "1"));
    assert_eq!(pictures::show(&db, &first).await.unwrap(), None);
    assert_eq!(pictures::show(&db, &second).await.unwrap(), Some(first.object_key.clone()));
    assert_eq!(pictures::show(&db, &other).await.unwrap(), None);
    assert_eq!(pictures::of(&db, ann.id).await.unwrap(), Some(second.object_key.clone()));
    let keys = [&first, &second, &other].map(|picture| picture.object_key.clone());
    let shown = pictures::shown(&db, &keys).await.unwrap();
    assert_eq!(shown, BTreeSet::from([second.object_key.clone(), other.object_key.clone()]));

    let mut tx = db.snapshot().await.unwrap();
    let page = pictures::page(&mut tx, None, 1).await.unwrap();
    let rest = pictures::page(&mut tx, Some(page[0].user_id), 9).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!([page, rest].concat(), [second.clone(), other.clone()]);

    let video = upload(&db, 1).await.id;
    let said = say(&db, 1, video, bob.id, None).await;
    assert_eq!(said.picture, Some(other.object_key.clone()));
    assert_eq!(pictures::hide(&db, bob.id).await.unwrap(), Some(other.object_key));
    assert_eq!(pictures::hide(&db, bob.id).await.unwrap(), None);
    assert_eq!(comments::find(&db, said.id).await.unwrap().picture, None);
    pictures::withdraw(&db, &second.object_key).await.unwrap();
    assert_eq!(pictures::of(&db, ann.id).await.unwrap(), None);
    pictures::show(&db, &picture(bob.id, "4")).await.unwrap();
    leaving::request(&db, bob.id).await.unwrap();
    assert_eq!(pictures::of(&db, bob.id).await.unwrap(), None);
    let late = pictures::show(&db, &picture(bob.id, "3")).await;
    assert!(matches!(late, Err(Error::NoUser)), "{late:?}");
}

testbed::on_both_databases!(people_hear_of_what_others_say, a_picture_is_shown_until_there_is_another);
