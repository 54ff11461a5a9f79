//! Captions: what there is of them, what is found by them, and when manifests are to be written again.

use testbed::Database;

use super::{ann, complete, encode, new_video, open, take_one, work_off};
use crate::{
    Error,
    browse::Filter,
    captions::{self, Kind, Language, NewTrack, Progress, Spoken, Written},
    ids::{Revision, VideoId},
    names::Label,
    outputs::Recorded,
    search::{Terms, Viewer, search},
    videos::create,
    work::{CaptionsJob, Work},
};

pub(super) fn track(language: &str, label: &str, said: &[(u64, &str)]) -> NewTrack {
    NewTrack {
        language: Language::parse(language).unwrap(),
        label: Label::parse(label).unwrap(),
        kind: Kind::Subtitles,
        content: format!("WEBVTT {said:?}"),
        spoken: said
            .iter()
            .map(|(start_millis, said)| Spoken { start_millis: *start_millis, said: (*said).to_owned() })
            .collect(),
    }
}

async fn said(db: &db::Db, typed: &str) -> Option<(u64, String)> {
    let terms = Terms::parse(typed).unwrap();
    let videos = search(db, Viewer::Anybody, &terms, &Filter::default(), 10, 0).await.unwrap();
    let ids: Vec<VideoId> = videos.iter().map(|video| video.id).collect();
    let spoken = captions::spoken(db, &ids, &terms).await.unwrap();
    spoken.into_values().next().map(|Spoken { start_millis, said }| (start_millis, said))
}

async fn what_is_said_is_found_with_its_moment(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = create(&db, &new_video(&ann, 1)).await.unwrap().id;
    create(&db, &new_video(&ann, 2)).await.unwrap();
    work_off(&db).await;
    let english = [
        (1000, "Where is the Höhle?"),
        (62_000, "In the mountains, near the old mill."),
        (70_000, "The mill!"),
    ];
    captions::set(&db, video, &track("en", "English", &english)).await.unwrap();
    captions::set(&db, video, &track("de", "Deutsch", &[(2000, "Wo ist die Mühle?")])).await.unwrap();

    assert_eq!(said(&db, "hohle").await, Some((1000, "Where is the Höhle?".to_owned())));
    assert_eq!(
        said(&db, "old mill").await.map(|(at, _)| at),
        Some(62_000),
        "the moment with most of the words"
    );
    assert_eq!(
        said(&db, "muhl").await.map(|(at, _)| at),
        Some(2000),
        "in any language, the last word unfinished"
    );
    assert_eq!(
        said(&db, "video mountains ").await.map(|(at, _)| at),
        Some(62_000),
        "beside words of the title"
    );
    assert_eq!(said(&db, "volcano").await, None);

    let narrowed = |has_captions| Filter { has_captions, ..Filter::default() };
    let terms = Terms::parse("video").unwrap();
    for (has_captions, count) in [(false, 2), (true, 1)] {
        let found = search(&db, Viewer::Anybody, &terms, &narrowed(has_captions), 10, 0).await.unwrap();
        assert_eq!(found.len(), count);
    }
    assert!(captions::remove(&db, video, &Language::parse("en").unwrap()).await.unwrap());
    assert!(!captions::remove(&db, video, &Language::parse("en").unwrap()).await.unwrap());
    assert_eq!(said(&db, "mountains").await, None, "what was taken away is not found");
    assert_eq!(captions::of(&db, video).await.unwrap().len(), 1);
}

async fn a_language_has_one_track_and_names_differ(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = create(&db, &new_video(&ann, 1)).await.unwrap().id;
    let first = captions::set(&db, video, &track("en", "English", &[(0, "a")])).await.unwrap();
    let second = captions::set(&db, video, &track("en", "English", &[(0, "b")])).await.unwrap();
    assert!(second.number > first.number, "a file name never stands for other captions");
    let refused = captions::set(&db, video, &track("de", "English", &[(0, "c")])).await.unwrap_err();
    assert!(matches!(&refused, Error::Fields(errors) if !errors.get("label").is_empty()), "{refused}");
    let unknown = VideoId::new(99, &[0; 10]);
    let refused = captions::set(&db, unknown, &track("de", "Deutsch", &[(0, "c")])).await.unwrap_err();
    assert!(matches!(refused, Error::NoVideo(_)), "{refused}");
    let edition = captions::edition(&db, video).await.unwrap();
    assert_eq!((edition.number, edition.tracks.len()), (2, 1), "what was refused changed nothing");
    assert_eq!(edition.tracks[0].0, second);
    let found = captions::find(&db, video, &second.language).await.unwrap().unwrap();
    assert_eq!(found.1, "WEBVTT [(0, \"b\")]");
}

/// Every change of a video that plays is a job; what comes in while one runs is another.
async fn manifests_catch_up(database: Database) {
    let db = open(&database).await;
    let ann = ann(&db).await;
    let video = create(&db, &new_video(&ann, 1)).await.unwrap().id;
    captions::set(&db, video, &track("en", "English", &[(0, "a")])).await.unwrap();
    encode(&db).await;
    // The manifests of the first edition are written; before they are published there is a second one.
    let revision = Revision::FIRST;
    captions::record_presentation(&db, video, revision, &"what was made", 1).await.unwrap();
    captions::set(&db, video, &track("de", "Deutsch", &[(0, "b")])).await.unwrap();
    let publish = take_one(&db).await;
    complete(&db, &publish, 1).await.unwrap();
    let progress = async || captions::progress(&db, video).await.unwrap();
    assert_eq!(progress().await, Progress { edition: 2, shown: Some(1) });

    let job = take_one(&db).await;
    assert_eq!(Work::of(&job).unwrap(), Work::Captions(CaptionsJob { video, edition: 2 }));
    let document = |key: &str| Recorded { key: key.to_owned(), bytes: 1, sha256: [7; 32] };
    let written = |edition, removed: &[&str]| Written {
        edition,
        documents: vec![document("a.mpd"), document("text-2.vtt")],
        removed: removed.iter().map(|key| (*key).to_owned()).collect(),
    };
    captions::set(&db, video, &track("fr", "Français", &[(0, "c")])).await.unwrap();
    captions::show(&db, &job.lease, video, revision, &written(2, &[])).await.unwrap();
    assert_eq!(progress().await, Progress { edition: 3, shown: Some(1) }, "there is a third one by now");
    // The job of the third edition, and one that comes after the second.
    for _ in 0..2 {
        let job = take_one(&db).await;
        captions::show(&db, &job.lease, video, revision, &written(3, &["text-1.vtt"])).await.unwrap();
        let again = captions::show(&db, &job.lease, video, revision, &written(3, &[])).await.unwrap_err();
        assert!(again.lease_lost(), "{again}");
    }
    assert_eq!(progress().await, Progress { edition: 3, shown: Some(3) });
    assert!(super::take(&db, crate::work::PIPELINE_QUEUE, 9).await.is_empty(), "nothing is left to do");
    let mut tx = db.snapshot().await.unwrap();
    let recorded = crate::outputs::recorded(&mut tx, video, revision).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(recorded.contains(&document("text-2.vtt")));
    assert_eq!(
        captions::presentation::<String>(&db, video, revision).await.unwrap().unwrap(),
        "what was made"
    );
}

testbed::on_both_databases!(
    what_is_said_is_found_with_its_moment,
    a_language_has_one_track_and_names_differ,
    manifests_catch_up
);
