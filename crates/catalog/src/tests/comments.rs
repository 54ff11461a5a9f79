//! What people say about videos, and what they like.

use db::Db;
use testbed::Database;

use super::{ann, new_user, open, upload, work_off};
use crate::{
    Error,
    accounts::{User, create_user},
    comments::{self, Comment, Decision, NewComment, Refusal, Thread},
    endings::request_delete,
    ids::{CommentId, ModerationId, VideoId},
    likes::{self, Likes},
    names::CommentText,
};

fn text(typed: &str) -> CommentText {
    CommentText::parse(typed).unwrap()
}

async fn say(
    db: &Db,
    number: u64,
    video: VideoId,
    author: &User,
    parent: Option<&Comment>,
) -> crate::Result<Comment> {
    let id = CommentId::new(number, &[0; 10]);
    let parent = parent.map(|parent| parent.id);
    let new = NewComment { id, video, author: author.id, parent, text: text(&format!("number {number}")) };
    comments::create(db, &new).await
}

fn refusal(outcome: crate::Result<Comment>) -> Refusal {
    match outcome {
        Err(Error::Comment(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn shown(threads: &[Thread]) -> Vec<(String, Vec<String>)> {
    let text = |comment: &Comment| comment.text.to_string();
    threads.iter().map(|thread| (text(&thread.comment), thread.answers.iter().map(text).collect())).collect()
}

async fn people_answer_each_other(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let (video, other) = (upload(&db, 1).await.id, upload(&db, 2).await.id);
    let bob = create_user(&db, &new_user(9, "bob", "bob@example.org")).await.unwrap();
    let first = say(&db, 1, video, &ann, None).await.unwrap();
    let second = say(&db, 2, video, &bob, None).await.unwrap();
    let answer = say(&db, 3, video, &bob, Some(&first)).await.unwrap();
    say(&db, 4, video, &ann, Some(&first)).await.unwrap();
    assert_eq!((first.author.as_str(), second.author.as_str()), ("ann", "bob"));
    assert_eq!(refusal(say(&db, 5, video, &ann, Some(&answer)).await), Refusal::Answer);
    assert_eq!(refusal(say(&db, 5, other, &ann, Some(&first)).await), Refusal::Unknown(first.id));

    let (threads, next) = comments::threads(&db, video, None, 1).await.unwrap();
    assert_eq!(shown(&threads), [("number 2".to_owned(), Vec::<String>::new())]);
    let (threads, next) = comments::threads(&db, video, next, 1).await.unwrap();
    assert_eq!(
        shown(&threads),
        [("number 1".to_owned(), vec!["number 3".to_owned(), "number 4".to_owned()])]
    );
    assert_eq!(next, None);
    assert_eq!(comments::threads(&db, other, None, 9).await.unwrap(), (Vec::new(), None));
    assert_eq!(comments::count(&db, video).await.unwrap(), 4);

    let edited = comments::edit(&db, second.id, &text("otherwise")).await.unwrap();
    assert_eq!(edited.text.as_str(), "otherwise");
    assert!(second.edited_at.is_none() && edited.edited_at.is_some());
    comments::remove(&db, first.id).await.unwrap();
    assert_eq!(comments::count(&db, video).await.unwrap(), 1, "its answers went with it");
    let gone = comments::find(&db, answer.id).await;
    assert!(matches!(gone, Err(Error::Comment(Refusal::Unknown(id))) if id == answer.id));

    comments::close(&db, video).await.unwrap();
    comments::close(&db, video).await.unwrap();
    assert!(!comments::are_open(&db, video).await.unwrap() && comments::are_open(&db, other).await.unwrap());
    assert_eq!(refusal(say(&db, 6, video, &ann, None).await), Refusal::Closed);
    comments::open(&db, video).await.unwrap();
    say(&db, 6, video, &ann, None).await.unwrap();
    request_delete(&db, video).await.unwrap();
    assert!(matches!(say(&db, 7, video, &ann, None).await, Err(Error::NoVideo(_))));
    work_off(&db).await;
    assert_eq!(comments::count(&db, video).await.unwrap(), 0);
}

async fn what_is_reported_is_decided(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = upload(&db, 1).await.id;
    let bob = create_user(&db, &new_user(9, "bob", "bob@example.org")).await.unwrap();
    let bad = say(&db, 1, video, &bob, None).await.unwrap();
    let good = say(&db, 2, video, &bob, None).await.unwrap();
    for (comment, reporter) in [(&bad, &ann), (&bad, &bob), (&bad, &ann), (&good, &ann)] {
        comments::report(&db, comment.id, reporter.id, &text("rude")).await.unwrap();
    }
    let reported = comments::reported(&db).await.unwrap();
    let seen: Vec<_> = reported.iter().map(|one| (one.id, one.reports, one.reason.as_str())).collect();
    assert_eq!(seen, [(bad.id, 2, "rude"), (good.id, 1, "rude")]);

    let entry = |number| ModerationId::new(number, &[0; 10]);
    comments::decide(&db, entry(1), bad.id, ann.id, Decision::Removed).await.unwrap();
    comments::decide(&db, entry(2), good.id, ann.id, Decision::Kept).await.unwrap();
    let again = comments::decide(&db, entry(3), bad.id, ann.id, Decision::Removed).await;
    assert!(matches!(again, Err(Error::Comment(Refusal::Unknown(_)))), "{again:?}");
    assert_eq!(comments::reported(&db).await.unwrap(), []);
    assert!(comments::find(&db, good.id).await.is_ok());
    let decided = comments::moderations(&db).await.unwrap();
    let decided: Vec<_> = decided
        .iter()
        .map(|entry| {
            let moderator = entry.moderator.as_ref().map_or("nobody", |name| name.as_str());
            (moderator, entry.decision, entry.author.as_str(), entry.text.as_str())
        })
        .collect();
    assert_eq!(
        decided,
        [("ann", Decision::Kept, "bob", "number 2"), ("ann", Decision::Removed, "bob", "number 1")]
    );
}

async fn each_likes_a_video_once(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = upload(&db, 1).await.id;
    let bob = create_user(&db, &new_user(9, "bob", "bob@example.org")).await.unwrap();
    likes::add(&db, video, ann.id).await.unwrap();
    assert_eq!(
        likes::of(&db, video, None).await.unwrap(),
        Likes { count: 0, is_mine: false },
        "it does not play yet"
    );
    work_off(&db).await;
    for user in [ann.id, ann.id, bob.id] {
        likes::add(&db, video, user).await.unwrap();
    }
    assert_eq!(likes::of(&db, video, Some(ann.id)).await.unwrap(), Likes { count: 2, is_mine: true });
    likes::remove(&db, video, ann.id).await.unwrap();
    assert_eq!(likes::of(&db, video, Some(ann.id)).await.unwrap(), Likes { count: 1, is_mine: false });
    assert_eq!(likes::of(&db, video, None).await.unwrap(), Likes { count: 1, is_mine: false });
}

testbed::on_both_databases!(people_answer_each_other, what_is_reported_is_decided, each_likes_a_video_once);
