//! Lists that are narrowed down, and changes of what they show.

use std::{collections::BTreeSet, time::Duration};

use testbed::Database;

use super::{AGE_VIDEOS, ann, new_user, new_video, open, work_off};
use crate::{
    Error, VideoState,
    accounts::create_user,
    browse::{Filter, Order, Place, browse},
    endings::request_delete,
    ids::VideoId,
    names::{ClaimedDuration, Tags, Title},
    search::{Terms, Viewer},
    videos::{Edit, Visibility, create, edit, video},
};

async fn all(db: &db::Db, viewer: Viewer, filter: &Filter, order: Order) -> Vec<u64> {
    let (mut place, mut walked) = (Place::start(order), Vec::new());
    loop {
        let (videos, next) = browse(db, viewer, filter, place, 3).await.unwrap();
        assert!(videos.len() <= 3);
        walked.extend(videos.iter().map(|video| {
            let (_, number) = video.title.as_str().rsplit_once(' ').unwrap();
            number.parse::<u64>().unwrap()
        }));
        let Some(next) = next else { return walked };
        place = next.to_string().parse().unwrap();
    }
}

async fn lists_are_narrowed_down_and_ordered(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let bob = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    for number in 1..=10 {
        let mut new = new_video(if number % 2 == 0 { &bob } else { &ann }, number);
        new.claimed_duration =
            Some(ClaimedDuration::parse(&format!("00:00:{:02}", number * 3 % 10)).unwrap());
        if number == 7 {
            new.visibility = Visibility::Unlisted;
        }
        create(&db, &new).await.unwrap();
        // The first six are ready; their plan says they take 20 seconds.
        if number <= 6 {
            work_off(&db).await;
        }
        db.write(AGE_VIDEOS).bind(Duration::from_secs(1)).execute().await.unwrap();
    }
    request_delete(&db, VideoId::new(5, &[2; 10])).await.unwrap();

    let newest = |viewer, filter: Filter| {
        let db = &db;
        async move { all(db, viewer, &filter, Order::Newest).await }
    };
    let (as_ann, as_bob) = (Viewer::User(ann.id), Viewer::User(bob.id));
    assert_eq!(newest(Viewer::Anybody, Filter::default()).await, [6, 4, 3, 2, 1]);
    assert_eq!(newest(as_ann, Filter::default()).await, [9, 7, 6, 4, 3, 2, 1]);
    assert_eq!(newest(Viewer::Admin, Filter::default()).await, [10, 9, 8, 7, 6, 4, 3, 2, 1]);
    assert_eq!(newest(as_ann, Filter { owner: Some(bob.id), ..Filter::default() }).await, [6, 4, 2]);
    assert_eq!(newest(as_bob, Filter { owner: Some(bob.id), ..Filter::default() }).await, [10, 8, 6, 4, 2]);
    let uploaded = Filter { state: Some(VideoState::Uploaded), ..Filter::default() };
    assert_eq!(newest(as_bob, uploaded.clone()).await, [10, 8]);
    assert!(newest(Viewer::Anybody, uploaded).await.is_empty());
    let unlisted = Filter { visibility: Some(Visibility::Unlisted), ..Filter::default() };
    assert_eq!(newest(as_ann, unlisted).await, [7]);
    let seven = Filter { terms: Terms::parse("video 7 "), ..Filter::default() };
    assert_eq!(newest(as_ann, seven.clone()).await, [7]);
    assert!(newest(as_bob, seven).await.is_empty());
    let from = video(&db, VideoId::new(3, &[2; 10])).await.unwrap().created_at;
    let before = video(&db, VideoId::new(6, &[2; 10])).await.unwrap().created_at;
    let span = Filter { created_from: Some(from), created_before: Some(before), ..Filter::default() };
    assert_eq!(newest(Viewer::Anybody, span).await, [4, 3]);
    let short = Filter { longest: Some(Duration::from_secs(4)), ..Filter::default() };
    assert_eq!(newest(Viewer::Admin, short).await, [10, 8, 7]);
    let long = Filter { shortest: Some(Duration::from_secs(5)), ..Filter::default() };
    assert_eq!(newest(Viewer::Admin, long).await, [9, 6, 4, 3, 2, 1]);

    let everything = Filter::default();
    assert_eq!(all(&db, Viewer::Admin, &everything, Order::Oldest).await, [1, 2, 3, 4, 6, 7, 8, 9, 10]);
    let shortest = all(&db, Viewer::Admin, &everything, Order::Shortest).await;
    assert_eq!(shortest, [10, 7, 8, 9, 1, 2, 3, 4, 6]);
    let longest = all(&db, Viewer::Admin, &everything, Order::Longest).await;
    assert!(longest.iter().eq(shortest.iter().rev()));
    assert_eq!(longest.iter().collect::<BTreeSet<_>>().len(), longest.len());
}

async fn a_change_is_made_once_for_each_version(database: Database) {
    let db = open(&database).await;
    let made = create(&db, &new_video(&ann(&db).await, 1)).await.unwrap();
    assert_eq!(made.version, 1);
    let named = |title: &str| Edit { title: Some(Title::parse(title).unwrap()), ..Edit::default() };
    let first = edit(&db, made.id, &named("One"), Some(1)).await.unwrap();
    assert_eq!((first.title.as_str(), first.version), ("One", 2));
    assert_eq!(first.description, made.description, "what is absent stays");
    let late = edit(&db, made.id, &named("Two"), Some(1)).await;
    assert!(matches!(late, Err(Error::Changed(id)) if id == made.id), "{late:?}");
    let tags = Edit { tags: Some(Tags::parse_line("a, b").unwrap()), ..Edit::default() };
    let tagged = edit(&db, made.id, &tags, None).await.unwrap();
    assert_eq!(tagged.tags.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(video(&db, made.id).await.unwrap(), tagged);

    let nothing = VideoId::new(9, &[0; 10]);
    assert!(matches!(edit(&db, nothing, &named("x"), None).await, Err(Error::NoVideo(_))));
    request_delete(&db, made.id).await.unwrap();
    assert!(matches!(edit(&db, made.id, &named("x"), None).await, Err(Error::NoVideo(_))));
}

testbed::on_both_databases!(lists_are_narrowed_down_and_ordered, a_change_is_made_once_for_each_version);
