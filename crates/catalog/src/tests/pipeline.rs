//! From a source to a published video.

use std::time::Duration;

use jobs::Job;
use serde_json::{Value, json};
use testbed::Database;

use super::{
    COUNT_OBJECTS, LEASE, PASS_TIME, complete, inspect, new_user, new_video, object, open, output, plan,
    process, rendition, take, take_one, unfinished, upload, work_off,
};
use crate::{
    Error, Stage, VideoState,
    accounts::create_user,
    ids::{Revision, VideoId},
    outputs::{self, Contents, NewChunk, NewPlan, NewRendition, Part, publish, record, record_plan},
    videos::{create, video},
    work::{Class, EncodeJob, PIPELINE_QUEUE, PublishJob, Work},
};

const FIRST: Revision = Revision::FIRST;

async fn a_source_becomes_a_video(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    assert_eq!(process(&db, id).await.percent(), 0);
    inspect(&db).await;
    let planned = video(&db, id).await.unwrap();
    assert_eq!(
        (planned.state, planned.revision, planned.published_revision),
        (VideoState::Processing, Some(FIRST), None)
    );
    assert_eq!(planned.measured_duration, Some(Duration::from_micros(19_987_000)));
    let jobs = take(&db, PIPELINE_QUEUE, 100).await;
    assert_eq!(jobs.len(), 4, "three chunks and the sound");
    let mut before = process(&db, id).await.percent();
    // The order in which they end is nobody's business.
    for job in jobs.iter().rev() {
        assert!(
            take(&db, PIPELINE_QUEUE, 1).await.is_empty(),
            "nothing is published before everything is there"
        );
        complete(&db, job, 7).await.unwrap();
        let now = process(&db, id).await.percent();
        assert!(now > before, "{now} after {before}");
        before = now;
    }
    let job = take_one(&db).await;
    assert_eq!(Work::of(&job).unwrap(), Work::Publish(PublishJob { video: id, revision: FIRST }));
    let published = publish(&db, &job.lease, id, FIRST).await.unwrap();
    assert_eq!((published.state, published.published_revision), (VideoState::Ready, Some(FIRST)));
    assert!(published.ready_at.is_some());
    assert_eq!(process(&db, id).await.percent(), 100);
    assert_eq!(unfinished(&db).await, 0);

    let Contents { plan: document, renditions, images } =
        outputs::contents::<Value>(&db, id, FIRST).await.unwrap();
    assert_eq!(document, plan().document);
    assert_eq!(renditions.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["360p", "720p", "audio"]);
    assert_eq!(images.len(), 1);
    let parts: Vec<_> = renditions[1].objects.iter().map(|object| object.part).collect();
    assert_eq!(
        parts,
        [Part::Init, Part::Media(0), Part::Media(1), Part::Media(2), Part::Media(3), Part::Media(4)]
    );
    assert_eq!(renditions[1].objects[3], object(Part::Media(2), 7));
    assert_eq!((renditions[0].size, renditions[2].size), (Some((640, 360)), None));
    assert_eq!(renditions[0].sample_entry.as_deref(), Some(&b"360p"[..]));
    let one = outputs::object(&db, id, FIRST, &rendition("audio"), Part::Init).await.unwrap();
    assert_eq!(one, Some(object(Part::Init, 7)));
    assert_eq!(outputs::object(&db, id, FIRST, &rendition("audio"), Part::Media(5)).await.unwrap(), None);
    assert!(matches!(outputs::plan::<Value>(&db, id, FIRST.next()).await, Err(Error::NoVideo(_))));
}

async fn chunks_that_end_together_publish_once(database: Database) {
    let db = open(&database).await;
    upload(&db, 1).await;
    inspect(&db).await;
    let mut ending = tokio::task::JoinSet::new();
    for job in take(&db, PIPELINE_QUEUE, 100).await {
        let db = db.clone();
        ending.spawn(async move { complete(&db, &job, 1).await.unwrap() });
    }
    ending.join_all().await;
    assert_eq!(take(&db, PIPELINE_QUEUE, 100).await.len(), 1);
}

async fn a_short_video_does_not_wait_for_a_long_one_of_another_owner(database: Database) {
    let db = open(&database).await;
    let long = upload(&db, 1).await.id;
    let job = take_one(&db).await;
    let chunk = |first: u32| NewChunk { segments: first..first + 1, ..plan().chunks[0].clone() };
    let renditions =
        plan().renditions.into_iter().map(|rendition| NewRendition { segments: 1000, ..rendition });
    let chunks = (0..1000).map(chunk).collect();
    let many = NewPlan { renditions: renditions.collect(), chunks, ..plan() };
    record_plan(&db, &job.lease, long, &many).await.unwrap();
    // The first few are the owner's fair beginning; more of them are not prompt while these are open.
    let first = take(&db, PIPELINE_QUEUE, 2).await;
    let again = upload(&db, 2).await.id;
    inspect(&db).await;

    let other = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    let short = create(&db, &new_video(&other, 3)).await.unwrap().id;
    inspect(&db).await;
    let next = take(&db, PIPELINE_QUEUE, 20).await;
    let of = |video: VideoId, jobs: &[Job]| {
        jobs.iter().filter(|job| Work::of(job).unwrap().video() == video).count()
    };
    assert_eq!((of(long, &first), of(short, &next), of(again, &next)), (2, 4, 0));
    assert_eq!(of(short, &next[..12]), 4, "they take turns with the other owner's first ones");
    assert!(next[14..].iter().all(|job| job.priority == 0), "the rest is ordinary");
}

async fn the_first_valid_result_wins(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    let jobs = take(&db, PIPELINE_QUEUE, 100).await;
    let [first, second, ..] = &jobs[..] else { panic!("several jobs") };
    complete(&db, first, 1).await.unwrap();
    let before = process(&db, id).await.stages;
    // A second worker made the same segments with other bytes, for a job that still counts.
    let again = output(&Work::of(first).unwrap(), 2);
    record(&db, &second.lease, Stage::Encode, id, FIRST, &again).await.unwrap();
    let kept = outputs::object(&db, id, FIRST, &rendition("360p"), Part::Media(0)).await.unwrap().unwrap();
    assert_eq!(kept, object(Part::Media(0), 1));
    assert_eq!(process(&db, id).await.stages, before, "work done twice counts once");
}

async fn a_chunk_that_does_not_fit_changes_nothing(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    let jobs = take(&db, PIPELINE_QUEUE, 100).await;
    let [first, second, ..] = &jobs[..] else { panic!("several jobs") };
    complete(&db, first, 1).await.unwrap();
    let objects = || async { db.read(COUNT_OBJECTS).value::<i64>().await.unwrap() };
    let before = objects().await;
    let right = output(&Work::of(second).unwrap(), 1);

    let mut wrong = right.clone();
    wrong.renditions[1].sample_entry = b"other parameter sets".to_vec();
    let refused = record(&db, &second.lease, Stage::Encode, id, FIRST, &wrong).await;
    assert!(matches!(refused, Err(Error::SampleEntryDiffers(name)) if name.as_str() == "720p"));

    let mut wrong = right.clone();
    wrong.renditions[1].objects.push(object(Part::Media(5), 1));
    let refused = record(&db, &second.lease, Stage::Encode, id, FIRST, &wrong).await;
    assert!(matches!(refused, Err(Error::NotPlanned { index: 6, .. })));

    let mut wrong = right.clone();
    wrong.renditions[1].id = rendition("1080p");
    let refused = record(&db, &second.lease, Stage::Encode, id, FIRST, &wrong).await;
    assert!(matches!(refused, Err(Error::NotPlanned { .. })));

    assert_eq!(objects().await, before);
    record(&db, &second.lease, Stage::Encode, id, FIRST, &right).await.unwrap();
    assert!(objects().await > before, "the job was still held");
}

async fn nothing_incomplete_is_published(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    for job in take(&db, PIPELINE_QUEUE, 100).await {
        let mut made = output(&Work::of(&job).unwrap(), 1);
        made.images.clear();
        if let Some(rendition) = made.renditions.first_mut() {
            rendition.objects.pop();
        }
        let stage = Work::of(&job).unwrap().stage().unwrap();
        record(&db, &job.lease, stage, id, FIRST, &made).await.unwrap();
    }
    let job = take_one(&db).await;
    let refused = publish(&db, &job.lease, id, FIRST).await;
    assert!(matches!(refused, Err(Error::Incomplete { recorded: 14, planned: 18 })), "{refused:?}");
    assert_eq!(video(&db, id).await.unwrap().state, VideoState::Processing);
}

async fn a_plan_is_recorded_once(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    let frozen = take_one(&db).await;
    db.write(PASS_TIME).bind(LEASE * 2).execute().await.unwrap();
    crate::endings::reap(&db).await.unwrap();
    inspect(&db).await;
    let late = record_plan(&db, &frozen.lease, id, &plan()).await.unwrap_err();
    assert!(late.lease_lost(), "{late}");
    assert_eq!(video(&db, id).await.unwrap().revision, Some(FIRST));
    work_off(&db).await;
    assert_eq!(video(&db, id).await.unwrap().state, VideoState::Ready);
}

async fn a_plan_without_work_is_published_at_once(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    let job = take_one(&db).await;
    let nothing = NewPlan { renditions: vec![], chunks: vec![], ..plan() };
    record_plan(&db, &job.lease, id, &nothing).await.unwrap();
    work_off(&db).await;
    assert_eq!(video(&db, id).await.unwrap().state, VideoState::Ready);
}

async fn warnings_add_up(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    inspect(&db).await;
    let jobs = take(&db, PIPELINE_QUEUE, 100).await;
    for job in &jobs[..2] {
        let mut made = output(&Work::of(job).unwrap(), 1);
        made.warnings = vec!["A frame was damaged.".to_owned()];
        record(&db, &job.lease, Stage::Encode, id, FIRST, &made).await.unwrap();
    }
    let warnings = video(&db, id).await.unwrap().warnings;
    assert_eq!(warnings, ["A frame was damaged.", "The sound is shorter than the picture."]);
}

testbed::on_both_databases!(
    a_source_becomes_a_video,
    chunks_that_end_together_publish_once,
    a_short_video_does_not_wait_for_a_long_one_of_another_owner,
    the_first_valid_result_wins,
    a_chunk_that_does_not_fit_changes_nothing,
    nothing_incomplete_is_published,
    a_plan_is_recorded_once,
    a_plan_without_work_is_published_at_once,
    warnings_add_up,
);

/// Jobs in a queue outlive the program that wrote them, so their form is a contract.
#[test]
fn payloads_keep_their_form() {
    let video = VideoId::new(1, &[0; 10]);
    let job = EncodeJob {
        video,
        revision: FIRST,
        segments: 2..4,
        rungs: vec![rendition("360p"), rendition("720p")],
        class: Class::Interactive,
    };
    let form = json!({
        "video": "00000000-0001-7000-8000-000000000000",
        "revision": 1,
        "segments": { "start": 2, "end": 4 },
        "rungs": ["360p", "720p"],
        "class": "interactive",
    });
    assert_eq!(serde_json::to_value(&job).unwrap(), form);
    let work = Work::parse("encode", &form.to_string()).unwrap();
    assert_eq!(work, Work::Encode(job));
    assert_eq!(work.dedup_key().unwrap(), format!("encode:{video}:1:2-4:360p+720p"));
    assert!(matches!(Work::parse("dance", "{}"), Err(Error::UnknownWork { .. })));
    assert!(matches!(Work::parse("encode", r#"{"video": "../.."}"#), Err(Error::UnknownWork { .. })));
}
