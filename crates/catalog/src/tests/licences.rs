//! Who may have licences, what is played, and what was asked for.

use std::time::Duration;

use testbed::Database;

use super::{ann, new_user, new_video, open};
use crate::{
    Error,
    accounts::create_user,
    ids::{LicenceId, StreamId, UserId, VideoId},
    keys::KeyClass,
    licences::{
        Audience, Denial, NewEntry, Policy, Stream, disentitle, entitle, entitlements, entries, is_entitled,
        keep_playing, log, play, policy, prune, set_policy, stop_playing,
    },
    names::Username,
    videos::create,
};

const HOUR: Duration = Duration::from_secs(3600);

db::statements! {
    AGE { "UPDATE streams SET ends_at = ends_at - $1" }
    AGE_LOG { "UPDATE licence_log SET at = at - $1" }
    AGE_LIST { "UPDATE entitlements SET ends_at = ends_at - $1" }
}

fn stream(number: u64, user: UserId, video: VideoId) -> Stream {
    Stream { id: StreamId::new(number, &[5; 10]), user, video }
}

fn entry(number: u64, stream: Stream) -> NewEntry {
    NewEntry {
        id: LicenceId::new(number, &[6; 10]),
        video: Some(stream.video),
        user: Some(stream.user),
        stream: Some(stream.id),
        system: "clearkey",
        refusal: None,
        classes: vec![KeyClass::Audio, KeyClass::Sd],
        address: "192.0.2.1".to_owned(),
    }
}

async fn rules_of_a_video_go_before_those_of_the_server(database: Database) {
    let db = open(&database).await;
    let video = create(&db, &new_video(&ann(&db).await, 1)).await.unwrap().id;
    assert_eq!(policy(&db, video).await.unwrap(), Policy::default());
    let own = Policy { audience: Some(Audience::Entitled), max_streams: Some(2), ..Policy::default() };
    set_policy(&db, video, &own).await.unwrap();
    let server = Policy {
        audience: Some(Audience::Viewers),
        max_height: Some(576),
        max_streams: None,
        licence_duration: Some(HOUR),
    };
    let both = policy(&db, video).await.unwrap().or(server);
    assert_eq!(both, Policy { audience: Some(Audience::Entitled), max_streams: Some(2), ..server });
    set_policy(&db, video, &Policy::default()).await.unwrap();
    assert_eq!(policy(&db, video).await.unwrap(), Policy::default());
    let nothing = set_policy(&db, VideoId::new(9, &[9; 10]), &own).await;
    assert!(matches!(nothing, Err(Error::NoVideo(_))));
}

async fn people_are_on_a_list_until_it_ends(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = create(&db, &new_video(&ann, 1)).await.unwrap().id;
    let bob = create_user(&db, &new_user(2, "Bob", "bob@example.org")).await.unwrap();
    assert!(!is_entitled(&db, video, bob.id).await.unwrap());
    let name = |text| Username::parse(text).unwrap();
    entitle(&db, video, &name("bOB"), None).await.unwrap();
    assert!(is_entitled(&db, video, bob.id).await.unwrap());
    let listed = entitlements(&db, video).await.unwrap();
    assert_eq!(
        listed.iter().map(|one| (one.username.as_str(), one.ends_at)).collect::<Vec<_>>(),
        [("Bob", None)]
    );
    entitle(&db, video, &name("bob"), Some(HOUR)).await.unwrap();
    assert!(is_entitled(&db, video, bob.id).await.unwrap());
    db.write(AGE_LIST).bind(HOUR).execute().await.unwrap();
    assert!(!is_entitled(&db, video, bob.id).await.unwrap());
    assert!(disentitle(&db, video, &name("bob")).await.unwrap());
    assert!(!disentitle(&db, video, &name("bob")).await.unwrap());
    assert!(matches!(entitle(&db, video, &name("nobody"), None).await, Err(Error::NoUser)));
}

async fn no_more_streams_than_a_person_may_have(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = create(&db, &new_video(&ann, 1)).await.unwrap().id;
    let [one, two, three] = [1, 2, 3].map(|number| stream(number, ann.id, video));
    let begin = |stream: Stream, number| {
        let db = db.clone();
        async move { play(&db, &stream, Some(2), HOUR, &entry(number, stream)).await.unwrap() }
    };
    let both = tokio::join!(begin(one, 1), begin(two, 2));
    assert_eq!(both, (true, true));
    assert!(begin(one, 3).await, "another licence of one player is no other stream");
    assert!(!begin(three, 4).await);
    assert_eq!(
        entries(&db, Some(video), None, 10).await.unwrap().len(),
        3,
        "what was not granted is not in the log"
    );
    stop_playing(&db, &Stream { user: UserId::new(9, &[9; 10]), ..one }).await.unwrap();
    assert!(!begin(three, 5).await, "nobody ends the streams of others");
    stop_playing(&db, &one).await.unwrap();
    assert!(begin(three, 6).await);
    db.write(AGE).bind(HOUR).execute().await.unwrap();
    assert!(!keep_playing(&db, &two, HOUR).await.unwrap(), "it has ended");
    assert!(begin(one, 7).await);
    assert!(keep_playing(&db, &one, HOUR).await.unwrap());
    let race = tokio::join!(begin(two, 8), begin(three, 9));
    assert_eq!(i32::from(race.0) + i32::from(race.1), 1, "of two at once the second counts the first");
}

async fn the_log_is_read_in_pages_and_forgotten(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = create(&db, &new_video(&ann, 1)).await.unwrap().id;
    let one = stream(1, ann.id, video);
    for number in 1..=5 {
        let refused = NewEntry { refusal: Some(Denial::Expired), classes: vec![], ..entry(number, one) };
        log(&db, &refused).await.unwrap();
    }
    let nobody = NewEntry { video: None, user: None, stream: None, ..entry(6, one) };
    log(&db, &nobody).await.unwrap();
    let all = entries(&db, None, None, 10).await.unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(all.iter().filter(|entry| entry.refusal == Some(Denial::Expired)).count(), 5);
    let page = entries(&db, Some(video), None, 3).await.unwrap();
    let rest = entries(&db, Some(video), Some(page[2].id), 3).await.unwrap();
    assert_eq!((page.len(), rest.len()), (3, 2));
    assert_eq!(prune(&db, HOUR).await.unwrap(), 0);
    db.write(AGE_LOG).bind(HOUR * 2).execute().await.unwrap();
    assert_eq!(prune(&db, HOUR).await.unwrap(), 6);
}

testbed::on_both_databases!(
    rules_of_a_video_go_before_those_of_the_server,
    people_are_on_a_list_until_it_ends,
    no_more_streams_than_a_person_may_have,
    the_log_is_read_in_pages_and_forgotten,
);
