//! Finding videos, and what is found of them.

use std::time::Duration;

use testbed::Database;

use super::{ann, captions::track, new_user, new_video, open, work_off};
use crate::{
    VideoState,
    accounts::{User, create_user},
    browse::Filter,
    captions::{self, Language},
    endings::request_delete,
    ids::VideoId,
    names::{ClaimedDuration, Description, Tags, Title},
    search::{Length, Terms, Viewer, catch_up, search},
    videos::{Edit, Visibility, create, edit},
};

db::statements! {
    FORGET { "DELETE FROM search_documents" }
    COUNT { "SELECT count(*) FROM search_documents" }
    OUTDATED {
        "SELECT count(*) FROM search_documents JOIN search_facets ON search_facets.video_id = search_documents.video_id
         WHERE search_documents.facets <> search_facets.facets"
    }
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
    captions::set(&db, spoken, &track("en", "English", &[(0, "red bunny red bunny")])).await.unwrap();
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

async fn what_narrows_it_down_is_what_videos_are_now(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let narrow = async |what: &str, length: Length, has_captions: bool| {
        let outdated = db.read(OUTDATED).value::<u64>().await.unwrap();
        assert_eq!(outdated, 0, "what the index says after {what}");
        let (shortest, longest) = length.bounds();
        let filter = Filter { shortest, longest, has_captions, ..Filter::default() };
        let terms = Terms::parse("bunny").unwrap();
        search(&db, Viewer::Anybody, &terms, &filter, 10, 0).await.unwrap().len()
    };
    let mut new = new_video(&ann, 1);
    new.title = Title::parse("Bunny").unwrap();
    new.claimed_duration = Some(ClaimedDuration::parse("01:00:00").unwrap());
    let video = create(&db, &new).await.unwrap();
    assert_eq!(narrow("the upload", Length::Long, false).await, 0);
    // It turns out to take 20 seconds.
    work_off(&db).await;
    assert_eq!(narrow("publication", Length::Long, false).await, 0);
    assert_eq!(narrow("publication", Length::Short, false).await, 1);
    assert_eq!(narrow("publication", Length::Short, true).await, 0);
    captions::set(&db, video.id, &track("en", "English", &[(0, "Hello.")])).await.unwrap();
    assert_eq!(narrow("captions", Length::Short, true).await, 1);
    captions::remove(&db, video.id, &Language::parse("en").unwrap()).await.unwrap();
    assert_eq!(narrow("captions are gone", Length::Short, true).await, 0);
    for (visibility, found) in [(Visibility::Private, 0), (Visibility::Public, 1)] {
        edit(&db, video.id, &Edit { visibility: Some(visibility), ..Edit::default() }, None).await.unwrap();
        assert_eq!(narrow("an edit", Length::Short, false).await, found, "{visibility}");
    }
}

/// Words of one, of some and of nearly all of so many that a database may choose how it finds them.
async fn rare_and_frequent_words_find_the_same_way(database: Database) {
    const VIDEOS: u64 = 540;
    let db = open(&database).await;
    let ann = ann(&db).await;
    let written = |number: u64| {
        // Lately no title has it.
        let title = if number < 500 { "common title" } else { "title" };
        let mid = if number.is_multiple_of(7) { "mid " } else { "" };
        let rare = if number.is_multiple_of(90) { "rare" } else { "common" };
        (format!("{mid}{title}"), format!("{rare} description {mid}"))
    };
    for number in 0..VIDEOS {
        let (title, description) = written(number);
        let mut new = new_video(&ann, number);
        new.title = Title::parse(&title).unwrap();
        new.description = Description::parse(&description).unwrap();
        create(&db, &new).await.unwrap();
    }
    for typed in
        ["common ", "mid ", "rare ", "com", "mid common ", "rare mid ", "title description ", "none "]
    {
        let terms: Vec<&str> = typed.split_whitespace().collect();
        let has_all = |text: &str| {
            terms.iter().all(|term| {
                text.split(' ').any(|word| word == *term || (typed == "com" && word.starts_with("com")))
            })
        };
        let nearness = |number: &u64| {
            let (title, description) = written(*number);
            has_all(&title).then_some(0).or_else(|| has_all(&format!("{title} {description}")).then_some(1))
        };
        let mut wanted: Vec<u64> = (0..VIDEOS).rev().filter(|number| nearness(number).is_some()).collect();
        wanted.sort_by_key(nearness);
        let terms = Terms::parse(typed).unwrap();
        for (skip, limit) in [(0, 25), (20, 25), (0, 1000)] {
            let page = search(&db, Viewer::Admin, &terms, &Filter::default(), limit, skip).await.unwrap();
            let page: Vec<VideoId> = page.into_iter().map(|video| video.id).collect();
            let wanted =
                wanted.iter().skip(usize::try_from(skip).unwrap()).take(usize::try_from(limit).unwrap());
            let wanted: Vec<VideoId> = wanted.map(|number| VideoId::new(*number, &[2; 10])).collect();
            assert_eq!(page, wanted, "{typed:?} {skip} {limit}");
        }
    }
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
    what_narrows_it_down_is_what_videos_are_now,
    rare_and_frequent_words_find_the_same_way,
    whatever_is_typed_is_no_error
);
