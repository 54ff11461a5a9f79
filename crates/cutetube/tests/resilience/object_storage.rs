//! Objects on another machine: nothing is shared but PostgreSQL and S3, and nothing is left behind or shown damaged.

use std::{path::Path, process::Command, time::Duration};

use bytes::Bytes;
use catalog::storage::stale_uploads;
use cutetube::{
    blobs::{BlobStore, StorageKey, Stored},
    config::{S3, Secret},
};
use futures_util::stream;
use jobs::State;
use reqwest::Body;
use rustix::process::Signal;
use testbed::{Database, S3Bucket};
use tokio::sync::mpsc;

use crate::{
    clip,
    platform::{Platform, Process, Role, count},
};

/// A bucket's view of the tests.
pub(crate) struct Store {
    pub(crate) bucket: S3Bucket,
    pub(crate) blobs: BlobStore,
}

impl Store {
    pub(crate) fn new() -> Self {
        let bucket = S3Bucket::shared();
        let settings = S3 {
            endpoint: Some(bucket.endpoint.clone()),
            access_key_id: Some(bucket.access_key_id.to_owned()),
            secret_access_key: Some(Secret::new(bucket.secret_access_key.to_owned())),
            ..S3::default()
        };
        let blobs = BlobStore::open(&bucket.url, &settings).unwrap();
        Self { bucket, blobs }
    }

    async fn platform(&self, database: Database) -> Platform {
        Platform::with(database, &self.bucket.environment()).await
    }

    pub(crate) async fn objects(&self) -> clip::Objects {
        let mut objects = clip::Objects::new();
        for name in self.blobs.list().await.unwrap() {
            let key: StorageKey = name.parse().unwrap();
            let Stored { len, sha256 } = self.blobs.fingerprint(&key).await.unwrap();
            objects.insert(name, (len, sha256));
        }
        objects
    }

    /// Whether the server keeps parts of the upload `id`.
    async fn keeps_parts_of(&self, id: &str) -> bool {
        let url = format!("{}{id}/", self.bucket.unfinished_uploads_url());
        reqwest::get(url).await.unwrap().status().is_success()
    }
}

/// A worker that has the addresses of both servers, ffmpeg, and no place to write to.
async fn worker_without_a_folder(platform: &Platform) -> Process {
    platform.start_on(Role::Worker, clip::program(), Path::new("/dev/null/nowhere")).await
}

/// Runs `cutetube sweep` beside everything else, and answers what it says.
pub(crate) fn sweep(platform: &Platform, flags: &[&str]) -> String {
    let mut command: Command = platform.command();
    let done = command.arg("sweep").args(flags).output().unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{complaints}");
    String::from_utf8(done.stdout).unwrap()
}

const FOREIGN: &str = "left alone 1 folders with names that are not cutetube's\n";
const NOTHING: &str = "removed 0 objects, 0 unfinished files and 0 unfinished uploads: 0 bytes\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_share_nothing_but_their_servers() {
    let store = Store::new();
    let mut platform = store.platform(Database::postgres()).await;
    let web = platform.start_as(Role::Web).await;
    let worker = worker_without_a_folder(&platform).await;
    let video = platform.upload(&web).await;
    platform.check_ready_with(&web, &video, async || store.objects().await).await;
    let kept = store.objects().await;
    // What attempts and videos of other days have left.
    let nobody = "00000000-0001-7000-8000-000000000000";
    for orphan in [
        format!("sources/{nobody}/source.mp4"),
        format!("vod-media/{nobody}/1/poster.jpg"),
        format!("vod-media/{video}/9/360p/1.m4s"),
    ] {
        store.blobs.put(&orphan.parse().unwrap(), vec![Bytes::from_static(b"orphan")]).await.unwrap();
    }
    assert_eq!(sweep(&platform, &[]), NOTHING, "they are young");
    let told = sweep(&platform, &["--older-than", "0"]);
    assert_eq!(told, "removed 3 objects, 0 unfinished files and 0 unfinished uploads: 18 bytes\n");
    assert_eq!(sweep(&platform, &["--older-than", "0"]), NOTHING);
    assert_eq!(store.objects().await, kept, "a sweep leaves what is needed");
    assert!(!platform.data().join("blobs").exists());
    worker.stop().await;
    web.stop().await;
}

/// Whatever is lost or changed before a video is published is made again.
async fn what_the_store_loses_is_made_again(database: Database) {
    let store = Store::new();
    let mut platform = store.platform(database).await;
    let web = platform.start_as(Role::Web).await;
    let worker = platform.start_as(Role::Worker).await;
    let video = platform.upload(&web).await;
    platform
        .until(&video, |jobs| {
            count(jobs, "encode", State::Done) > 1 && count(jobs, "publish", State::Ready) == 0
        })
        .await;
    worker.signal(Signal::STOP);
    let made = store.objects().await;
    let one = |end: &str| -> StorageKey {
        let name = made.keys().find(|name| name.ends_with(end)).unwrap_or_else(|| panic!("{end}: {made:?}"));
        name.parse().unwrap()
    };
    store.blobs.delete(&one("/1.m4s")).await.unwrap();
    store.blobs.put(&one("/poster.jpg"), vec![Bytes::from_static(b"no picture")]).await.unwrap();
    store.blobs.delete(&one("/mov/90p/init.mp4")).await.unwrap();
    worker.signal(Signal::CONT);
    platform.check_ready_with(&web, &video, async || store.objects().await).await;
    assert!(
        platform.logged("the store has lost or changed 2 objects"),
        "the third follows from what is recorded"
    );
    worker.stop().await;
    web.stop().await;
}

testbed::on_both_databases!(what_the_store_loses_is_made_again);

/// An upload that goes on until somebody stops it.
struct Endless {
    _pieces: mpsc::Sender<()>,
    answer: tokio::task::JoinHandle<()>,
}

async fn endless_upload(platform: &mut Platform, web: &Process) -> Endless {
    let (pieces, open) = mpsc::channel::<()>(1);
    let rest = stream::unfold((open, 0), |(mut open, sent)| async move {
        // After some parts there is no more for as long as the test lasts.
        if sent > 12 {
            open.recv().await;
        }
        Some((Ok::<_, std::io::Error>(Bytes::from(vec![0; 1 << 20])), (open, sent + 1)))
    });
    let start = stream::iter([Ok(Bytes::from(clip::file()))]);
    let body = Body::wrap_stream(futures_util::StreamExt::chain(start, rest));
    let request = platform.send(web, body).await;
    let answer = tokio::spawn(async move { drop(request.send().await) });
    Endless { _pieces: pieces, answer }
}

/// The id of the one upload that is recorded.
async fn recorded_upload(platform: &Platform) -> String {
    let waiting = async {
        loop {
            if let [upload] = &stale_uploads(&platform.db, Duration::ZERO).await.unwrap()[..] {
                return upload.upload.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the upload is recorded")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_cut_off_leaves_nothing() {
    let store = Store::new();
    let mut platform = store.platform(Database::sqlite()).await;
    let web = platform.start_as(Role::Web).await;
    let upload = endless_upload(&mut platform, &web).await;
    let id = recorded_upload(&platform).await;
    upload.answer.abort();
    let gone = async {
        while store.keeps_parts_of(&id).await
            || !stale_uploads(&platform.db, Duration::ZERO).await.unwrap().is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the upload is given up");
    assert_eq!(store.blobs.list().await.unwrap(), Vec::<String>::new());
    assert_eq!(sweep(&platform, &["--older-than", "0"]), NOTHING);
    web.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_to_a_killed_server_is_swept() {
    let store = Store::new();
    let mut platform = store.platform(Database::sqlite()).await;
    let web = platform.start_as(Role::Web).await;
    let _upload = endless_upload(&mut platform, &web).await;
    let id = recorded_upload(&platform).await;
    web.kill().await;
    assert!(store.keeps_parts_of(&id).await);
    assert_eq!(sweep(&platform, &[]), NOTHING, "it may still be going on");
    let told = sweep(&platform, &["--older-than", "0", "--dry-run"]);
    assert_eq!(told, "would remove 0 objects, 0 unfinished files and 1 unfinished uploads: 0 bytes\n");
    assert!(store.keeps_parts_of(&id).await);
    let told = sweep(&platform, &["--older-than", "0"]);
    assert_eq!(told, "removed 0 objects, 0 unfinished files and 1 unfinished uploads: 0 bytes\n");
    assert!(!store.keeps_parts_of(&id).await);
    assert_eq!(sweep(&platform, &["--older-than", "0"]), NOTHING);
}

/// The same in a folder: the file under another name is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_to_a_folder_of_a_killed_server_is_swept() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let web = platform.start_as(Role::Web).await;
    let _upload = endless_upload(&mut platform, &web).await;
    let blobs = platform.data().join("blobs");
    crate::platform::until(|| !clip::objects_below(&blobs).is_empty()).await;
    web.kill().await;
    assert_eq!(sweep(&platform, &[]), NOTHING);
    let told = sweep(&platform, &["--older-than", "0"]);
    assert!(told.starts_with("removed 0 objects, 1 unfinished files and 0 unfinished uploads: "), "{told}");
    assert_eq!(clip::objects_below(&blobs), clip::Objects::new());
    let foreign = blobs.join("vod-media/not-a-video");
    std::fs::create_dir_all(&foreign).unwrap();
    std::fs::write(foreign.join("file"), "somebody else's").unwrap();
    assert_eq!(sweep(&platform, &["--older-than", "0"]), format!("{NOTHING}{FOREIGN}"));
    assert!(foreign.join("file").exists());
}
