//! How often videos are watched, and what is kept of those who do.

use testbed::Database;

use super::{ann, new_video, open, upload, work_off};
use crate::{
    endings::request_delete,
    ids::VideoId,
    videos::{Edit, Visibility, create, edit},
    views::{Today, ViewerHash, Watched, by_day, count, forget_viewers, most_watched, today, totals},
};

db::statements! {
    /// A day goes by.
    AGE_DAYS { "UPDATE view_days SET day = day - $1" }
    AGE_VIEWERS { "UPDATE viewers SET day = day - $1" }
    AGE_SALTS { "UPDATE view_salts SET day = day - $1" }
    COUNT_VIEWERS { "SELECT count(*) FROM viewers" }
    COUNT_DAYS { "SELECT count(*) FROM view_days" }
    COUNT_SALTS { "SELECT count(*) FROM view_salts" }
}

async fn pass_days(db: &db::Db, days: u32) {
    for statement in [AGE_DAYS, AGE_VIEWERS, AGE_SALTS] {
        db.write(statement).bind(days).execute().await.unwrap();
    }
}

/// So many people, of whom the first is number `from`, watch.
async fn watch(db: &db::Db, video: VideoId, from: u8, people: u8) -> usize {
    let today = today(db, [0; 32]).await.unwrap();
    let mut counted = 0;
    for person in from..from + people {
        counted += usize::from(count(db, video, &today, ViewerHash([person; 16])).await.unwrap());
    }
    counted
}

async fn a_viewer_counts_once_a_day(database: Database) {
    let db = open(&database).await;
    let video = upload(&db, 1).await.id;
    assert_eq!(watch(&db, video, 1, 1).await, 0, "what does not play is not watched");
    work_off(&db).await;
    assert_eq!(watch(&db, video, 1, 3).await, 3);
    assert_eq!(watch(&db, video, 1, 3).await, 0);
    assert_eq!(watch(&db, video, 3, 2).await, 1);
    assert_eq!(totals(&db, &[video]).await.unwrap(), [Watched { video_id: video, views: 4 }]);
    pass_days(&db, 1).await;
    assert_eq!(watch(&db, video, 1, 3).await, 3);
    let days = by_day(&db, video, 30).await.unwrap();
    assert_eq!(days.iter().map(|day| day.views).collect::<Vec<_>>(), [4, 3]);
    assert_eq!(days[0].day + 1, days[1].day);
    assert_eq!(by_day(&db, video, 1).await.unwrap(), days[1..]);
    assert!(totals(&db, &[]).await.unwrap().is_empty());
    assert!(totals(&db, &[VideoId::new(9, &[2; 10])]).await.unwrap().is_empty());
}

async fn who_has_watched_is_forgotten_with_the_day(database: Database) {
    let db = open(&database).await;
    let video = upload(&db, 1).await.id;
    work_off(&db).await;
    let first = today(&db, [1; 32]).await.unwrap();
    let again = today(&db, [2; 32]).await.unwrap();
    assert!(first == again && first.salt == [1; 32], "one salt for everybody");
    watch(&db, video, 1, 3).await;
    let kept = async |statement| db.read(statement).value::<u64>().await.unwrap();
    assert_eq!(kept(COUNT_VIEWERS).await, 3);

    // Whoever comes first on another day ends the one before.
    pass_days(&db, 1).await;
    let Today { day, salt } = today(&db, [3; 32]).await.unwrap();
    assert!(day == first.day && salt == [3; 32]);
    assert_eq!((kept(COUNT_VIEWERS).await, kept(COUNT_SALTS).await), (0, 1));
    // And where nobody comes, it ends all the same.
    watch(&db, video, 1, 3).await;
    pass_days(&db, 1).await;
    forget_viewers(&db).await.unwrap();
    assert_eq!((kept(COUNT_VIEWERS).await, kept(COUNT_SALTS).await), (0, 0));
    assert_eq!(totals(&db, &[video]).await.unwrap()[0].views, 6, "numbers stay");

    request_delete(&db, video).await.unwrap();
    work_off(&db).await;
    assert_eq!(kept(COUNT_DAYS).await, 0, "and go with the video");
}

async fn the_most_watched_are_public_and_of_the_last_days(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let mut videos = Vec::new();
    for number in 1..=4 {
        videos.push(create(&db, &new_video(&ann, number)).await.unwrap().id);
        work_off(&db).await;
    }
    watch(&db, videos[3], 1, 9).await;
    pass_days(&db, 30).await;
    for (video, people) in videos.iter().zip([1, 3, 2]) {
        watch(&db, *video, 1, people).await;
    }
    let most = async |days, limit| {
        let found = most_watched(&db, days, limit).await.unwrap();
        found.iter().map(|video| video.id).collect::<Vec<_>>()
    };
    assert_eq!(most(30, 10).await, [videos[1], videos[2], videos[0]]);
    assert_eq!(most(31, 1).await, [videos[3]]);
    let hidden = Edit { visibility: Some(Visibility::Unlisted), ..Edit::default() };
    edit(&db, videos[1], &hidden, None).await.unwrap();
    assert_eq!(most(30, 2).await, [videos[2], videos[0]]);
}

testbed::on_both_databases!(
    a_viewer_counts_once_a_day,
    who_has_watched_is_forgotten_with_the_day,
    the_most_watched_are_public_and_of_the_last_days
);
