//! Finding videos, and what is found of them.

use std::time::Duration;

use testbed::Database;

use super::{ann, new_user, new_video, open, work_off};
use crate::{
    VideoState,
    accounts::{User, create_user},
    browse::Filter,
    captions::{self, Kind, Language, NewTrack, Spoken},
    endings::request_delete,
    ids::VideoId,
    names::{Description, Label, Tags, Title},
    search::{Terms, Viewer, catch_up, search},
    videos::{Edit, Visibility, create, edit},
};

db::statements! {
    FORGET { "DELETE FROM search_documents" }
    COUNT { "SELECT count(*) FROM search_documents" }
}

async fn publish(
    db: &db::Db,
    owner: &User,
    number: u64,
    title: &str,
    description: &str,
    tags: &str,
) -> VideoId {
    let mut new = new_video(owner, number);
    new.title = Title::parse(title).unwrap();
    new.description = Description::parse(description).unwrap();
    new.tags = Tags::parse_line(tags).unwrap();
    let made = create(db, &new).await.unwrap();
    work_off(db).await;
    made.id
}

async fn found(db: &db::Db, viewer: Viewer, typed: &str) -> Vec<String> {
    let Some(terms) = Terms::parse(typed) else { return Vec::new() };
    let videos = search(db, viewer, &terms, &Filter::default(), 100, 0).await.unwrap();
    videos.into_iter().map(|video| video.title.to_string()).collect()
}

async fn words_find_videos_and_the_title_counts_most(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    publish(&db, &ann, 1, "A day", "We saw a bunny in the garden.", "").await;
    publish(&db, &ann, 2, "Garden work", "", "bunny, spring").await;
    publish(&db, &ann, 3, "Big Buck Bunny", "A film.", "").await;
    publish(&db, &ann, 4, "Die Höhle", "東京の夜", "").await;
    let anybody = |typed: &'static str| found(&db, Viewer::Anybody, typed);
    assert_eq!(anybody("bunny").await, ["Big Buck Bunny", "Garden work", "A day"]);
    assert_eq!(anybody("bun").await.len(), 3, "the last word may be the beginning of one");
    assert_eq!(anybody("bun ").await.len(), 0, "unless it is finished");
    assert_eq!(anybody("BUNNY garden").await.len(), 2, "all words have to be there");
    assert_eq!(anybody("hohle").await, ["Die Höhle"]);
    assert_eq!(anybody("HÖHLE ").await, ["Die Höhle"]);
    assert_eq!(anybody("京").await, ["Die Höhle"], "also inside of a sentence without spaces");
    assert_eq!(anybody("nothing").await.len(), 0);
}

async fn what_is_nearer_to_the_title_is_first_and_of_that_the_newest(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let spoken = publish(&db, &ann, 1, "Spoken", "", "").await;
    for (number, title, description, tags) in [
        (2, "Title, old: a red bunny", "Red, red bunny.", "red"),
        (3, "Tag", "", "red, bunny"),
        (4, "Written, old", "A red bunny, and how red it is.", ""),
        (5, "Red, written", "A bunny", ""),
        (6, "Red, named", "", "bunny"),
        (7, "Title, new: bunny red", "", ""),
        (8, "Red", "", ""),
    ] {
        publish(&db, &ann, number, title, description, tags).await;
    }
    let track = NewTrack {
        language: Language::parse("en").unwrap(),
        label: Label::parse("English").unwrap(),
        kind: Kind::Subtitles,
        content: "WEBVTT".to_owned(),
        spoken: vec![Spoken { start_millis: 0, said: "red bunny red bunny".to_owned() }],
    };
    captions::set(&db, spoken, &track).await.unwrap();
    let order = [
        "Title, new: bunny red",
        "Title, old: a red bunny",
        "Red, named",
        "Tag",
        "Red, written",
        "Written, old",
        "Spoken",
    ];
    for typed in ["red bunny ", "bunny r", "red bun"] {
        assert_eq!(found(&db, Viewer::Anybody, typed).await, order, "{typed}");
    }
    let terms = Terms::parse("red bunny").unwrap();
    for (at, title) in order.iter().enumerate() {
        let skip = u32::try_from(at).unwrap();
        let page = search(&db, Viewer::Anybody, &terms, &Filter::default(), 1, skip).await.unwrap();
        assert_eq!(page.iter().map(|video| video.title.as_str()).collect::<Vec<_>>(), [*title]);
    }
    assert!(search(&db, Viewer::Anybody, &terms, &Filter::default(), 5, 7).await.unwrap().is_empty());
    assert!(search(&db, Viewer::Anybody, &terms, &Filter::default(), 0, 0).await.unwrap().is_empty());
}

async fn everybody_finds_what_they_may_see(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let bob = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    for (number, visibility) in [(1, Visibility::Public), (2, Visibility::Unlisted), (3, Visibility::Private)]
    {
        let id = publish(&db, &ann, number, &format!("Secret {visibility}"), "", "").await;
        let change = Edit { visibility: Some(visibility), ..Edit::default() };
        edit(&db, id, &change, None).await.unwrap();
    }
    let gone = publish(&db, &ann, 5, "Secret gone", "", "").await;
    request_delete(&db, gone).await.unwrap();
    create(&db, &new_video(&ann, 4)).await.unwrap();
    let count = |viewer, typed: &'static str| {
        let db = &db;
        async move { found(db, viewer, typed).await.len() }
    };
    for (viewer, secrets, waiting) in [
        (Viewer::Anybody, 1, 0),
        (Viewer::User(bob.id), 1, 0),
        (Viewer::User(ann.id), 3, 1),
        (Viewer::Admin, 3, 1),
    ] {
        assert_eq!(count(viewer, "secret").await, secrets, "{viewer:?}");
        assert_eq!(count(viewer, "video").await, waiting, "{viewer:?}");
    }
}

async fn what_is_changed_is_found_anew(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let id = publish(&db, &ann, 1, "Old name", "", "").await;
    let change = Edit { title: Some(Title::parse("New name").unwrap()), ..Edit::default() };
    edit(&db, id, &change, None).await.unwrap();
    assert_eq!(found(&db, Viewer::Anybody, "old ").await.len(), 0);
    assert_eq!(found(&db, Viewer::Anybody, "new ").await, ["New name"]);

    db.write(FORGET).execute().await.unwrap();
    assert_eq!(found(&db, Viewer::Anybody, "new ").await.len(), 0);
    assert_eq!(catch_up(&db, 10).await.unwrap(), 1);
    assert_eq!(catch_up(&db, 10).await.unwrap(), 0);
    assert_eq!(found(&db, Viewer::Anybody, "new ").await, ["New name"]);

    request_delete(&db, id).await.unwrap();
    work_off(&db).await;
    assert_eq!(db.read(COUNT).value::<u64>().await.unwrap(), 0, "the index goes with the video");
}

async fn what_is_found_is_narrowed_down(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let bob = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    publish(&db, &ann, 1, "Bunny of Ann", "", "").await;
    publish(&db, &bob, 2, "Bunny of Bob", "", "").await;
    let found = |viewer, filter: Filter, skip| {
        let db = &db;
        async move {
            let terms = Terms::parse("bunny").unwrap();
            let videos = search(db, viewer, &terms, &filter, 10, skip).await.unwrap();
            videos.into_iter().map(|video| video.title.to_string()).collect::<Vec<_>>()
        }
    };
    let of_bob = Filter { owner: Some(bob.id), ..Filter::default() };
    assert_eq!(found(Viewer::Anybody, of_bob.clone(), 0).await, ["Bunny of Bob"]);
    assert!(found(Viewer::Anybody, of_bob, 1).await.is_empty());
    // Their plan says they take 20 seconds.
    let long = Filter { shortest: Some(Duration::from_secs(60)), ..Filter::default() };
    assert!(found(Viewer::Anybody, long, 0).await.is_empty());
    let short = Filter { longest: Some(Duration::from_secs(60)), ..Filter::default() };
    assert_eq!(found(Viewer::Anybody, short, 0).await.len(), 2);
    let failed = Filter { state: Some(VideoState::Failed), ..Filter::default() };
    assert!(found(Viewer::Admin, failed, 0).await.is_empty());
}

async fn whatever_is_typed_is_no_error(database: Database) {
    let db = open(&database).await;
    publish(&db, &ann(&db).await, 1, "It's \"quoted\": a-b AND (c) NOT d*", "", "").await;
    let long = "bunny ".repeat(1700) + &"x".repeat(10_000);
    let hostile = [
        "\"",
        "'",
        "''",
        "\\",
        "\\'",
        "*",
        "a*b",
        "-",
        "(",
        ")",
        "a AND",
        "OR",
        "NOT",
        "NEAR(a b, 5)",
        "title:quoted",
        "^quoted",
        "quoted & !b | c <-> d",
        "a:*",
        ":*",
        "\0",
        "quoted\0",
        "\u{202e}",
        "½",
        "ﬁ",
        "%",
        "_",
        ";--",
        "'; DROP TABLE videos;--",
        "{quoted}",
        "+quoted",
        "\u{1f600}",
        "ͅ",
        "ʼ",
        "1e5",
        "-1",
        "a.b.c",
        "http://a/b?c",
        long.as_str(),
    ];
    for typed in hostile {
        found(&db, Viewer::Anybody, typed).await;
        let viewer = Viewer::User(crate::ids::UserId::new(1, &[1; 10]));
        found(&db, viewer, typed).await;
    }
    assert_eq!(found(&db, Viewer::Anybody, "it's \"QUOTED\" and").await.len(), 1);
}

testbed::on_both_databases!(
    what_is_nearer_to_the_title_is_first_and_of_that_the_newest,
    words_find_videos_and_the_title_counts_most,
    everybody_finds_what_they_may_see,
    what_is_changed_is_found_anew,
    what_is_found_is_narrowed_down,
    whatever_is_typed_is_no_error
);
