//! Files that are sent in pieces.

use std::{collections::BTreeSet, time::Duration};

use db::Db;
use testbed::Database;
use uuid::Uuid;

use super::{ann, new_user, new_video, open, work_off};
use crate::{
    Error,
    accounts::{User, create_user},
    ids::UploadId,
    quotas::{Exceeded, Limits},
    resumable::{
        HOLD, Kind, MOST_OPEN, MOST_PIECES, NewUpload, Piece, Refusal, State, Terms, Turn, append,
        become_video, begin, begin_joining, concatenate, create, expire, expired, find, keep, left_over,
        needed, pieces, put_off, refuse, release, terminate,
    },
    videos,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const TERMS: Terms =
    Terms { everybody: Limits { bytes: None, videos: None, minutes: None }, longest: 1000, lifetime: DAY };

db::statements! {
    PASS_TIME {
        "UPDATE resumable_uploads SET writer_until = writer_until - $1, expires_at = expires_at - $1"
    }
    MANY_PIECES { "UPDATE resumable_uploads SET pieces = $1" }
    COUNT_PIECES { "SELECT count(*) FROM resumable_pieces" }
}

fn id(number: u64) -> UploadId {
    UploadId::new(number, &[4; 10])
}

fn turn(number: u64, writer: u128) -> Turn {
    Turn { upload: id(number), writer: Uuid::from_u128(writer) }
}

fn upload(owner: &User, number: u64, kind: Kind, length: Option<u64>) -> NewUpload {
    let metadata = "filename YS5tcDQ=".to_owned();
    NewUpload { id: id(number), owner: owner.id, kind, length, metadata, concat: None }
}

fn piece(name: &str, bytes: u64) -> Piece {
    Piece { object_key: name.to_owned(), bytes }
}

/// What was refused, and why.
fn refusal<T: std::fmt::Debug>(outcome: crate::Result<T>) -> Refusal {
    match outcome {
        Err(Error::Upload(refusal)) => refusal,
        outcome => panic!("{outcome:?}"),
    }
}

/// Makes an upload that has all of its bytes in one piece of its name.
async fn whole(db: &Db, owner: &User, number: u64, kind: Kind, bytes: u64) {
    create(db, &upload(owner, number, kind, Some(bytes)), &TERMS).await.unwrap();
    let turn = turn(number, 1);
    begin(db, turn, owner.id, 0, None, &TERMS).await.unwrap();
    append(db, turn, 0, &[piece(&format!("piece {number}"), bytes)], &TERMS).await.unwrap();
    release(db, turn).await.unwrap();
}

async fn pieces_add_up_to_a_video(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let made = create(&db, &upload(&ann, 1, Kind::Whole, Some(30)), &TERMS).await.unwrap();
    assert_eq!((made.received, made.length, made.state), (0, Some(30), State::Receiving));
    let first = turn(1, 1);
    begin(&db, first, ann.id, 0, None, &TERMS).await.unwrap();
    assert_eq!(append(&db, first, 0, &[piece("a", 10)], &TERMS).await.unwrap(), 10);
    assert_eq!(append(&db, first, 10, &[piece("b", 5), piece("c", 5)], &TERMS).await.unwrap(), 20);
    assert_eq!(refusal(append(&db, first, 10, &[piece("d", 10)], &TERMS).await), Refusal::TurnLost);
    assert_eq!(begin_joining(&db, first).await.unwrap(), None, "it is not whole");
    release(&db, first).await.unwrap();

    let second = turn(1, 2);
    let offset = refusal(begin(&db, second, ann.id, 10, None, &TERMS).await);
    assert_eq!(offset, Refusal::Offset { received: 20 });
    assert_eq!(refusal(begin(&db, second, ann.id, 20, Some(31), &TERMS).await), Refusal::Length);
    begin(&db, second, ann.id, 20, Some(30), &TERMS).await.unwrap();
    append(&db, second, 20, &[piece("d", 10)], &TERMS).await.unwrap();
    assert_eq!(left_over(&db, 9).await.unwrap(), [], "somebody has it in hand");
    assert!(begin_joining(&db, second).await.unwrap().is_some());
    let names: Vec<_> = pieces(&db, id(1)).await.unwrap().into_iter().map(|piece| piece.object_key).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);

    let lost = become_video(&db, &new_video(&ann, 1), Limits::default(), turn(1, 3)).await;
    assert_eq!(refusal(lost), Refusal::TurnLost);
    assert!(videos::video(&db, new_video(&ann, 1).id).await.is_err());
    let video = become_video(&db, &new_video(&ann, 2), Limits::default(), second).await.unwrap();
    assert_eq!(pieces(&db, id(1)).await.unwrap(), []);
    let done = find(&db, ann.id, id(1)).await.unwrap();
    assert_eq!((done.state, done.video_id, done.received), (State::Done, Some(video.id), 30));
    assert_eq!(begin_joining(&db, turn(1, 4)).await.unwrap(), None, "once");
    assert_eq!(begin(&db, turn(1, 5), ann.id, 30, None, &TERMS).await.unwrap().state, State::Done);
    work_off(&db).await;
    crate::endings::request_delete(&db, video.id).await.unwrap();
    work_off(&db).await;
    assert_eq!(find(&db, ann.id, id(1)).await.unwrap().video_id, None);
}

async fn one_request_at_a_time_adds_to_an_upload(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    create(&db, &upload(&ann, 1, Kind::Whole, Some(30)), &TERMS).await.unwrap();
    let (first, second) = (turn(1, 1), turn(1, 2));
    begin(&db, first, ann.id, 0, None, &TERMS).await.unwrap();
    assert_eq!(refusal(begin(&db, second, ann.id, 0, None, &TERMS).await), Refusal::Busy);
    release(&db, second).await.unwrap();
    assert_eq!(refusal(begin(&db, second, ann.id, 0, None, &TERMS).await), Refusal::Busy);
    db.write(PASS_TIME).bind(HOLD / 2).execute().await.unwrap();
    assert!(keep(&db, first).await.unwrap());
    db.write(PASS_TIME).bind(HOLD / 2).execute().await.unwrap();
    assert_eq!(refusal(begin(&db, second, ann.id, 0, None, &TERMS).await), Refusal::Busy);
    db.write(PASS_TIME).bind(HOLD).execute().await.unwrap();
    begin(&db, second, ann.id, 0, None, &TERMS).await.expect("nothing was heard of the first");
    assert!(!keep(&db, first).await.unwrap());
    assert_eq!(refusal(append(&db, first, 0, &[piece("a", 10)], &TERMS).await), Refusal::TurnLost);
    assert_eq!(append(&db, second, 0, &[piece("b", 30)], &TERMS).await.unwrap(), 30);
    // Who is killed now leaves something whole.
    db.write(PASS_TIME).bind(HOLD).execute().await.unwrap();
    assert_eq!(left_over(&db, 9).await.unwrap(), [id(1)]);
    let third = turn(1, 3);
    assert!(begin_joining(&db, third).await.unwrap().is_some());
    assert_eq!(begin_joining(&db, turn(1, 4)).await.unwrap(), None);
    put_off(&db, third, Some("Later."), Duration::from_secs(60)).await.unwrap();
    assert_eq!(left_over(&db, 9).await.unwrap(), []);
    assert_eq!(begin_joining(&db, turn(1, 4)).await.unwrap(), None);
    db.write(PASS_TIME).bind(Duration::from_secs(60)).execute().await.unwrap();
    let again = begin_joining(&db, turn(1, 4)).await.unwrap().unwrap();
    assert_eq!(again.error.as_deref(), Some("Later."));
    refuse(&db, turn(1, 4), "No video.").await.unwrap();
    assert_eq!(pieces(&db, id(1)).await.unwrap(), []);
    let refused = find(&db, ann.id, id(1)).await.unwrap();
    assert_eq!((refused.state, refused.error.as_deref()), (State::Refused, Some("No video.")));
    assert_eq!(refusal(begin(&db, turn(1, 5), ann.id, 30, None, &TERMS).await), Refusal::Closed);
}

async fn a_length_is_said_once(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    create(&db, &upload(&ann, 1, Kind::Whole, None), &TERMS).await.unwrap();
    let turn = turn(1, 1);
    begin(&db, turn, ann.id, 0, None, &TERMS).await.unwrap();
    append(&db, turn, 0, &[piece("a", 10)], &TERMS).await.unwrap();
    release(&db, turn).await.unwrap();
    assert_eq!(refusal(begin(&db, turn, ann.id, 10, Some(9), &TERMS).await), Refusal::Length);
    let longest = Refusal::TooLong { longest: 1000 };
    assert_eq!(refusal(begin(&db, turn, ann.id, 10, Some(1001), &TERMS).await), longest);
    assert_eq!(begin(&db, turn, ann.id, 10, Some(10), &TERMS).await.unwrap().length, Some(10));
    release(&db, turn).await.unwrap();
    assert_eq!(refusal(begin(&db, turn, ann.id, 10, Some(11), &TERMS).await), Refusal::Length);
    assert_eq!(left_over(&db, 9).await.unwrap(), [id(1)], "it was whole already");
    let too_long = upload(&ann, 2, Kind::Whole, Some(1001));
    assert_eq!(refusal(create(&db, &too_long, &TERMS).await), longest);
}

async fn parts_become_one_upload(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let bob = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    for number in 1..=3 {
        whole(&db, &ann, number, Kind::Partial, 10 * number).await;
    }
    create(&db, &upload(&ann, 4, Kind::Partial, Some(5)), &TERMS).await.unwrap();
    whole(&db, &ann, 5, Kind::Whole, 5).await;
    whole(&db, &bob, 6, Kind::Partial, 5).await;
    assert_eq!(left_over(&db, 9).await.unwrap(), [id(5)], "a part is no video");
    let new = |number| NewUpload {
        concat: Some("final;…".to_owned()),
        ..upload(&ann, number, Kind::Final, None)
    };
    for (parts, culprit) in [([1, 4], 4), ([1, 5], 5), ([1, 6], 6), ([1, 99], 99), ([1, 1], 1)] {
        let refused = concatenate(&db, &new(10), &parts.map(id), &TERMS).await;
        assert_eq!(refusal(refused), Refusal::NoPart(id(culprit)), "{parts:?}");
    }
    let short = Terms { longest: 39, ..TERMS };
    let refused = concatenate(&db, &new(10), &[id(3), id(1)], &short).await;
    assert_eq!(refusal(refused), Refusal::TooLong { longest: 39 });

    let made = concatenate(&db, &new(10), &[id(3), id(1)], &TERMS).await.unwrap();
    assert_eq!((made.kind, made.length, made.received), (Kind::Final, Some(40), 40));
    assert_eq!(pieces(&db, id(10)).await.unwrap(), [piece("piece 3", 30), piece("piece 1", 10)]);
    assert_eq!(pieces(&db, id(1)).await.unwrap(), []);
    let again = concatenate(&db, &new(11), &[id(3), id(1)], &TERMS).await.unwrap();
    assert_eq!(again.id, made.id, "the answer may have been lost");
    let other = concatenate(&db, &new(11), &[id(1), id(3)], &TERMS).await;
    assert_eq!(refusal(other), Refusal::NoPart(made.id));
    let used = concatenate(&db, &new(11), &[id(2), id(1)], &TERMS).await;
    assert_eq!(refusal(used), Refusal::NoPart(id(1)));

    let part = find(&db, ann.id, id(1)).await.unwrap();
    assert_eq!((part.state, part.received), (State::Joined, 10));
    assert_eq!(refusal(begin(&db, turn(1, 9), ann.id, 10, None, &TERMS).await), Refusal::Closed);
    assert_eq!(refusal(begin(&db, turn(10, 9), ann.id, 40, None, &TERMS).await), Refusal::Closed);
    assert_eq!(terminate(&db, ann.id, id(1)).await.unwrap(), [""; 0], "its bytes are the other's");
    assert!(begin_joining(&db, turn(10, 9)).await.unwrap().is_some());
    assert_eq!(terminate(&db, ann.id, id(10)).await.unwrap().len(), 2);
}

async fn what_is_over_is_removed(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let bob = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    for number in 1..=3 {
        whole(&db, &ann, number, Kind::Partial, 10).await;
    }
    assert_eq!(refusal(terminate(&db, bob.id, id(1)).await), Refusal::Unknown(id(1)));
    assert_eq!(refusal(find(&db, bob.id, id(1)).await), Refusal::Unknown(id(1)));
    assert_eq!(terminate(&db, ann.id, id(1)).await.unwrap(), ["piece 1"]);
    assert_eq!(refusal(find(&db, ann.id, id(1)).await), Refusal::Unknown(id(1)));
    assert_eq!(refusal(terminate(&db, ann.id, id(1)).await), Refusal::Unknown(id(1)));
    let objects = ["piece 1", "piece 2", "else"].map(str::to_owned);
    assert_eq!(needed(&db, &objects).await.unwrap(), BTreeSet::from(["piece 2".to_owned()]));

    db.write(PASS_TIME).bind(DAY / 2).execute().await.unwrap();
    begin(&db, turn(3, 1), ann.id, 10, None, &TERMS).await.unwrap();
    db.write(PASS_TIME).bind(DAY / 2).execute().await.unwrap();
    assert_eq!(expired(&db).await.unwrap(), 1, "the other has gone on");
    assert_eq!(refusal(find(&db, ann.id, id(2)).await), Refusal::Unknown(id(2)));
    assert_eq!(refusal(begin(&db, turn(2, 1), ann.id, 10, None, &TERMS).await), Refusal::Unknown(id(2)));
    assert_eq!(expire(&db).await.unwrap(), Some(vec![piece("piece 2", 10)]));
    assert_eq!(expire(&db).await.unwrap(), None);
    assert_eq!(db.read(COUNT_PIECES).value::<u64>().await.unwrap(), 1);
}

async fn nobody_has_more_than_they_may(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let terms = Terms { everybody: Limits { bytes: Some(2000), ..Limits::default() }, ..TERMS };
    videos::create(&db, &new_video(&ann, 1)).await.unwrap();
    let exceeded = create(&db, &upload(&ann, 1, Kind::Whole, Some(767)), &terms).await;
    assert!(
        matches!(exceeded, Err(Error::Exceeded(Exceeded::Bytes { limit: 2000, left: 766 }))),
        "{exceeded:?}"
    );
    for number in 1..=2 {
        create(&db, &upload(&ann, number, Kind::Whole, Some(766)), &terms).await.unwrap();
        begin(&db, turn(number, 1), ann.id, 0, None, &terms).await.unwrap();
    }
    append(&db, turn(1, 1), 0, &[piece("a", 700)], &terms).await.unwrap();
    append(&db, turn(2, 1), 0, &[piece("b", 66)], &terms).await.unwrap();
    let full = append(&db, turn(2, 1), 66, &[piece("c", 1)], &terms).await;
    assert!(matches!(full, Err(Error::Exceeded(Exceeded::Bytes { limit: 2000, .. }))), "{full:?}");
    assert_eq!(find(&db, ann.id, id(2)).await.unwrap().received, 66, "what came before is kept");
    terminate(&db, ann.id, id(1)).await.unwrap();
    append(&db, turn(2, 1), 66, &[piece("c", 700)], &terms).await.unwrap();

    create(&db, &upload(&ann, 3, Kind::Whole, None), &TERMS).await.unwrap();
    begin(&db, turn(3, 1), ann.id, 0, None, &TERMS).await.unwrap();
    db.write(MANY_PIECES).bind(MOST_PIECES).execute().await.unwrap();
    let many = append(&db, turn(3, 1), 0, &[piece("d", 1)], &TERMS).await;
    assert_eq!(refusal(many), Refusal::TooManyPieces(MOST_PIECES));

    for number in 4..MOST_OPEN + 2 {
        create(&db, &upload(&ann, number, Kind::Whole, None), &TERMS).await.unwrap();
    }
    let more = create(&db, &upload(&ann, 1000, Kind::Whole, None), &TERMS).await;
    assert_eq!(refusal(more), Refusal::TooMany(MOST_OPEN));
}

testbed::on_both_databases!(
    pieces_add_up_to_a_video,
    one_request_at_a_time_adds_to_an_upload,
    a_length_is_said_once,
    parts_become_one_upload,
    what_is_over_is_removed,
    nobody_has_more_than_they_may,
);
