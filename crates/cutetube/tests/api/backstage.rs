//! Videos in whatever state a test wants, without a worker.

use std::time::Duration;

use bytes::Bytes;
use catalog::{
    Stage, accounts, endings,
    ids::{ProcessId, Revision, UserId, VideoId},
    names::{Description, SourceExtension, SourceName, Tags, Title},
    outputs::{self, NewPlan, NewRendition, Object, Output, Part, RenditionKind, RenditionOutput},
    videos::{self, NewVideo, Protection, Source, Visibility},
    work::{self, PIPELINE_QUEUE, Work},
};
use cutetube::blobs::{Flavour, MediaObject, StorageKey};
use jobs::{Claim, Job, WorkerId};

use crate::app::TestApp;

/// Where a video is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Situation {
    Ready,
    Processing,
    Failed,
    Deleted,
}

/// The file of a [`video`].
pub(crate) const SOURCE: &[u8] = b"the file as it was uploaded";
/// The only segment of a published video.
pub(crate) const SEGMENT: &[u8] = b"0123456789";
/// The DASH manifest of a published video.
pub(crate) const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">
  <SegmentTemplate timescale="1" initialization="../$RepresentationID$/init.mp4" media="../$RepresentationID$/$Number$.m4s">
    <SegmentTimeline/>
  </SegmentTemplate>
  <SegmentTemplate media="../storyboard/$Number$.jpg" duration="1"/>
</MPD>
"#;

/// The DASH manifest of a protected video.
const PROTECTED_MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">
  <Period>
    <AdaptationSet id="0">
      <dashif:Laurl licenseType="EME-1.0">/licences/clearkey</dashif:Laurl>
      <SegmentTemplate timescale="1" initialization="../$RepresentationID$/init.mp4" media="../$RepresentationID$/$Number$.m4s"/>
      <Representation id="360p" width="640" height="360"/>
    </AdaptationSet>
    <AdaptationSet id="1">
      <SegmentTemplate timescale="1" initialization="../$RepresentationID$/init.mp4" media="../$RepresentationID$/$Number$.m4s"/>
      <Representation id="720p" width="1280" height="720"/>
    </AdaptationSet>
  </Period>
</MPD>
"#;

/// The account of this name, which exists.
pub(crate) async fn user(app: &TestApp, name: &str) -> UserId {
    accounts::find_by_credential(&app.db, name).await.unwrap().unwrap().user.id
}

/// Makes somebody an administrator.
pub(crate) async fn promote(app: &TestApp, name: &str) {
    accounts::set_role(&app.db, user(app, name).await, accounts::Role::Admin).await.unwrap();
}

/// A new video with a source, in this state.
pub(crate) async fn video(
    app: &TestApp,
    owner: UserId,
    visibility: Visibility,
    situation: Situation,
) -> VideoId {
    let id = upload(app, owner, visibility, Protection::None).await;
    match situation {
        Situation::Ready => publish(app, id).await,
        Situation::Processing => drop(plan(app, id).await),
        Situation::Failed => endings::stop(&app.db, id, "It has no picture.").await.unwrap(),
        Situation::Deleted => endings::request_delete(&app.db, id).await.unwrap(),
    }
    id
}

/// A new video that plays, whose manifests are those of a protected one. It has no keys.
pub(crate) async fn protected(
    app: &TestApp,
    owner: UserId,
    visibility: Visibility,
    protection: Protection,
) -> VideoId {
    let id = upload(app, owner, visibility, protection).await;
    publish(app, id).await;
    let mut kid = *id.uuid().as_bytes();
    kid[15] ^= 0x62;
    let playlist = format!(
        "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"/licences/key/{}\",KEYFORMAT=\"identity\"\n",
        hex::encode(kid)
    );
    for (object, text) in [
        (MediaObject::Mpd(Flavour::Mp4), PROTECTED_MANIFEST.to_owned()),
        (
            MediaObject::Master(Flavour::Mp4),
            "#EXTM3U\n#EXT-X-STREAM-INF:RESOLUTION=640x360\n360p.m3u8\n".to_owned(),
        ),
        (MediaObject::Playlist(Flavour::Mp4, "360p".parse().unwrap()), playlist),
    ] {
        let key = StorageKey::Media { video: id, revision: Revision::FIRST, object };
        app.blobs.put(&key, vec![text.into()]).await.unwrap();
    }
    id
}

async fn upload(app: &TestApp, owner: UserId, visibility: Visibility, protection: Protection) -> VideoId {
    let (millis, random) = (1_700_000_000_000, rand::random());
    let id = VideoId::new(millis, &random);
    let key = StorageKey::Source { video: id, extension: SourceExtension::Mp4 };
    let stored = app.blobs.put(&key, vec![Bytes::from_static(SOURCE)]).await.unwrap();
    let new = NewVideo {
        id,
        process: ProcessId::new(millis, &random),
        owner,
        title: Title::parse("Our holiday").unwrap(),
        description: Description::parse("Sun").unwrap(),
        claimed_duration: None,
        visibility,
        tags: Tags::default(),
        protection,
        source: Source {
            name: SourceName::of_file("Our \"holiday\".mp4"),
            extension: SourceExtension::Mp4,
            key: key.to_string(),
            bytes: stored.len,
            sha256: Some(stored.sha256),
        },
    };
    videos::create(&app.db, &new).await.unwrap();
    id
}

/// Takes an uploaded video through the stages as workers would, with objects that a test can read.
pub(crate) async fn publish(app: &TestApp, video: VideoId) {
    let revision = plan(app, video).await;
    let job = take(app, video).await;
    let Work::Audio(audio) = Work::of(&job).unwrap() else { panic!("{job:?}") };
    let name = MediaObject::Segment("audio".parse().unwrap(), 1);
    let stored = put(app, video, revision, name, SEGMENT).await;
    let objects = [Part::Init, Part::Media(0)].map(|part| Object { part, ..stored.clone() }).to_vec();
    let made = RenditionOutput {
        id: audio.rendition,
        codecs: "mp4a.40.2".to_owned(),
        sample_entry: vec![1],
        objects,
    };
    let output = Output { renditions: vec![made], ..Output::default() };
    outputs::record(&app.db, &job.lease, Stage::Audio, video, revision, &output).await.unwrap();
    for (name, content) in [
        (MediaObject::Mpd(Flavour::Mp4), MANIFEST.as_bytes()),
        (MediaObject::Master(Flavour::Mp4), b"#EXTM3U\n"),
        (MediaObject::Poster, b"jpeg"),
    ] {
        put(app, video, revision, name, content).await;
    }
    let job = take(app, video).await;
    outputs::publish(&app.db, &job.lease, video, revision).await.unwrap();
}

/// Puts an object of a revision where it belongs.
pub(crate) async fn put(
    app: &TestApp,
    video: VideoId,
    revision: Revision,
    object: MediaObject,
    content: &'static [u8],
) -> Object {
    let key = StorageKey::Media { video, revision, object };
    let stored = app.blobs.put(&key, vec![Bytes::from_static(content)]).await.unwrap();
    let (bytes, sha256) = (stored.len, stored.sha256);
    Object {
        part: Part::Init,
        key: key.to_string(),
        bytes,
        sha256,
        iframe_bytes: None,
        start: 0,
        duration: 48_000,
    }
}

async fn plan(app: &TestApp, video: VideoId) -> Revision {
    let sound = NewRendition {
        id: "audio".parse().unwrap(),
        kind: RenditionKind::Audio,
        size: None,
        bitrate: 128_000,
        timescale: 48_000,
        segments: 1,
    };
    let plan = NewPlan {
        document: (),
        measured_duration: Duration::from_millis(2_040),
        warnings: Vec::new(),
        renditions: vec![sound],
        chunks: Vec::new(),
    };
    let inspect = take(app, video).await;
    outputs::record_plan(&app.db, &inspect.lease, video, &plan).await.unwrap()
}

/// The next job of this video. Those of others are taken too, and nobody misses them.
async fn take(app: &TestApp, video: VideoId) -> Job {
    let worker = WorkerId("test".to_owned());
    let lease = Duration::from_secs(60);
    let claim = Claim {
        worker: &worker,
        queue: PIPELINE_QUEUE,
        kinds: &[],
        min_priority: i64::MIN,
        limit: 1000,
        lease,
    };
    let jobs = jobs::claim(&app.db, &claim).await.unwrap();
    let group = Some(work::group(video));
    jobs.into_iter().find(|job| job.group == group).expect("a job is ready")
}
