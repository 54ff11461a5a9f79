//! Objects that are lost before they are published.

use testbed::Database;

use super::{
    COUNT_OBJECTS, complete, encode, object, open, rendition, take, take_one, unfinished, upload, work_off,
};
use crate::{
    Error, VideoState,
    ids::Revision,
    outputs::{self, ImageKind, MOST_REPAIRS, Part, Redo, withdraw},
    videos::video,
    work::{AudioJob, Class, EncodeJob, PIPELINE_QUEUE, Work},
};

const FIRST: Revision = Revision::FIRST;

async fn what_is_lost_is_made_again(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    encode(&db).await;
    let objects = || async { db.read(COUNT_OBJECTS).value::<i64>().await.unwrap() };
    assert_eq!(objects().await, 18);
    let chunk = Work::Encode(EncodeJob {
        video: id,
        revision: FIRST,
        segments: 0..2,
        rungs: vec![rendition("360p"), rendition("720p")],
        class: Class::Normal,
    });
    let sound = Work::Audio(AudioJob { video: id, revision: FIRST, rendition: rendition("audio") });
    let redo = [
        Redo { work: chunk.clone(), images: vec![(ImageKind::Poster, 0)] },
        Redo { work: sound.clone(), images: vec![] },
    ];
    for repair in 1..=MOST_REPAIRS {
        let publish = take_one(&db).await;
        withdraw(&db, &publish.lease, id, FIRST, &redo).await.unwrap();
        assert_eq!(objects().await, 6, "two segments of two chunks and two rungs less");
        assert!(outputs::contents::<serde_json::Value>(&db, id, FIRST).await.unwrap().images.is_empty());
        let late = outputs::publish(&db, &publish.lease, id, FIRST).await.unwrap_err();
        assert!(late.lease_lost(), "{late}");
        let jobs = take(&db, PIPELINE_QUEUE, 100).await;
        let works: Vec<Work> = jobs.iter().map(|job| Work::of(job).unwrap()).collect();
        assert!(works.len() == 2 && works.contains(&chunk) && works.contains(&sound), "{works:?}");
        let seed = u8::try_from(repair + 1).unwrap();
        for job in jobs {
            complete(&db, &job, seed).await.unwrap();
        }
        let made = outputs::object(&db, id, FIRST, &rendition("720p"), Part::Media(1)).await.unwrap();
        assert_eq!(made, Some(object(Part::Media(1), seed)));
    }
    assert_eq!(objects().await, 18);
    let publish = take_one(&db).await;
    let refused = withdraw(&db, &publish.lease, id, FIRST, &redo).await;
    assert!(matches!(refused, Err(Error::BeyondRepair { repairs: MOST_REPAIRS })), "{refused:?}");
    assert_eq!(objects().await, 18, "a refusal changes nothing");
    complete(&db, &publish, 1).await.unwrap();
    assert_eq!(video(&db, id).await.unwrap().state, VideoState::Ready);
    assert_eq!(unfinished(&db).await, 0);
}

async fn who_lost_the_job_takes_nothing_back(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    encode(&db).await;
    let publish = take_one(&db).await;
    complete(&db, &publish, 1).await.unwrap();
    let late = withdraw(&db, &publish.lease, id, FIRST, &[]).await.unwrap_err();
    assert!(late.lease_lost(), "{late}");
    work_off(&db).await;
    assert_eq!(video(&db, id).await.unwrap().state, VideoState::Ready);
}

testbed::on_both_databases!(what_is_lost_is_made_again, who_lost_the_job_takes_nothing_back);
