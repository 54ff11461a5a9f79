//! Uploads and lists.

use std::{collections::BTreeSet, time::Duration};

use testbed::Database;

use super::{AGE_VIDEOS, ann, new_user, new_video, open, unfinished, upload, work_off};
use crate::{
    Error, VideoState,
    accounts::create_user,
    endings::request_delete,
    ids::{ProcessId, VideoId},
    videos::{self, Cursor, Listing, Visibility, create},
};

async fn an_upload_is_a_row_and_a_job(database: Database) {
    let db = open(&database).await;
    let mut orphan = new_video(&ann(&db).await, 1);
    orphan.owner = crate::ids::UserId::new(99, &[0; 10]);
    assert!(matches!(create(&db, &orphan).await, Err(Error::NoUser)));
    assert_eq!(unfinished(&db).await, 0);
    let made = upload(&db, 1).await;
    assert_eq!(unfinished(&db).await, 1);
    assert_eq!(videos::video(&db, made.id).await.unwrap(), made);
    assert_eq!(videos::of_process(&db, made.process).await.unwrap().unwrap(), made);
    assert_eq!((made.state, made.revision, made.error.as_deref()), (VideoState::Uploaded, None, None));
    assert_eq!(made.claimed_duration, Some(Duration::from_secs(20)));
    assert_eq!((made.description.as_str(), made.source.sha256), ("Two\nlines", Some([9; 32])));
    let nothing = VideoId::new(9, &[0; 10]);
    assert!(matches!(videos::video(&db, nothing).await, Err(Error::NoVideo(id)) if id == nothing));
    assert!(videos::of_process(&db, ProcessId::new(9, &[0; 10])).await.unwrap().is_none());
}

async fn lists_show_what_they_should(database: Database) {
    let db = open(&database).await;
    for number in 1..=23 {
        upload(&db, number).await;
        if number % 3 == 0 {
            // Many are of the same moment, and their order is still certain.
            db.write(AGE_VIDEOS).bind(Duration::from_secs(1)).execute().await.unwrap();
        }
    }
    let owner = upload(&db, 24).await.owner;
    work_off(&db).await;
    let bob = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    let mut hidden = new_video(&bob, 25);
    hidden.visibility = Visibility::Private;
    create(&db, &hidden).await.unwrap();
    work_off(&db).await;
    let waiting = create(&db, &new_video(&bob, 26)).await.unwrap();
    request_delete(&db, VideoId::new(5, &[2; 10])).await.unwrap();

    for (listing, total) in [
        (Listing::Public, 23),
        (Listing::PublicUnprotected, 23),
        (Listing::PublicProtected, 0),
        (Listing::Owner(owner), 23),
        (Listing::Owner(bob.id), 2),
        (Listing::All, 25),
    ] {
        let mut paged = Vec::new();
        for number in 1..=4 {
            let page = videos::page(&db, listing, number, 10).await.unwrap();
            assert_eq!(page.total, total, "{listing:?}");
            paged.extend(page.videos);
        }
        assert_eq!(u64::try_from(paged.len()).unwrap(), total);
        let (mut walked, mut cursor) = (Vec::new(), None);
        loop {
            let (videos, next) = videos::after(&db, listing, cursor, 7).await.unwrap();
            assert!(videos.len() <= 7);
            walked.extend(videos);
            let Some(next) = next else { break };
            cursor = Some(next.to_string().parse::<Cursor>().unwrap());
        }
        assert_eq!(paged, walked, "{listing:?}");
        assert!(paged.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at));
        assert_eq!(paged.iter().map(|video| video.id).collect::<BTreeSet<_>>().len(), paged.len());
        let seen_by_few = matches!(listing, Listing::All) || listing == Listing::Owner(bob.id);
        assert_eq!(paged.iter().any(|video| video.id == waiting.id), seen_by_few);
    }
    assert!(videos::page(&db, Listing::All, u32::MAX, 10).await.unwrap().videos.is_empty());
}

testbed::on_both_databases!(an_upload_is_a_row_and_a_job, lists_show_what_they_should);

#[test]
fn what_is_no_cursor_is_refused() {
    for text in ["", "x", "1-", "-", "zz-00000000000000000000000000000000", "1-0000", "1_2"] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
}
