//! Uploads in pieces, to servers that are killed while they receive them.

use std::{sync::OnceLock, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use catalog::ids::VideoId;
use cutetube::blobs::{BlobStore, StorageKey, Stored};
use futures_util::{StreamExt, stream};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use testbed::Database;
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    clip,
    object_storage::{Store, sweep},
    platform::{Platform, Process, Role},
};

const MIB: usize = 1 << 20;
/// More than one request brings before its server is killed.
const FILE: usize = 64 * MIB;
/// What a request brings before something happens to it.
const BROUGHT: usize = 12 * MIB;
/// What of it may be lost with a process that is killed: what is not recorded yet.
const LOST: usize = 8 * MIB;
const PATIENCE: Duration = Duration::from_secs(60);

/// The clip, and behind it a box of nothing.
fn file() -> Bytes {
    static FILE_OF_ALL: OnceLock<Bytes> = OnceLock::new();
    let make = || {
        let mut file = clip::file();
        let rest = FILE - file.len();
        file.extend_from_slice(&u32::try_from(rest).unwrap().to_be_bytes());
        file.extend_from_slice(b"free");
        file.extend((0..rest - 8).map(|at| u8::try_from(at / 4096 % 251).unwrap()));
        Bytes::from(file)
    };
    FILE_OF_ALL.get_or_init(make).clone()
}

/// An upload, at whichever server.
struct Upload<'a> {
    platform: &'a Platform,
    path: String,
}

impl<'a> Upload<'a> {
    async fn begin(platform: &'a Platform, server: &Process) -> Self {
        let request = platform.client.post(format!("{}/api/v5/uploads", server.url));
        let request = request.bearer_auth(platform.token()).header("tus-resumable", "1.0.0");
        let name = format!("filename {}", STANDARD.encode("clip.mp4"));
        let answer =
            request.header("upload-metadata", name).header("upload-length", FILE).send().await.unwrap();
        let location = said(&answer, "location").unwrap();
        Self { platform, path: location.strip_prefix(&server.url).unwrap().to_owned() }
    }

    fn request(&self, server: &Process, method: Method) -> RequestBuilder {
        let request = self.platform.client.request(method, format!("{}{}", server.url, self.path));
        request.bearer_auth(self.platform.token()).header("tus-resumable", "1.0.0")
    }

    fn patch(&self, server: &Process, offset: usize, body: impl Into<Body>) -> RequestBuilder {
        let request = self.request(server, Method::PATCH).header("upload-offset", offset);
        request.header("content-type", "application/offset+octet-stream").body(body)
    }

    async fn offset(&self, server: &Process) -> usize {
        let answer = self.request(server, Method::HEAD).send().await.unwrap();
        said(&answer, "upload-offset").unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
    }

    /// Waits until nobody else adds to it, and answers where to go on.
    async fn turn(&self, server: &Process) -> usize {
        let waiting = async {
            loop {
                let offset = self.offset(server).await;
                if self.patch(server, offset, "").send().await.unwrap().status() == StatusCode::NO_CONTENT {
                    return offset;
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("a request that is gone is not waited for")
    }

    /// A request that brings some bytes, and then nothing for as long as it lasts; returns when most of them are recorded.
    async fn stalling(&self, server: &Process, offset: usize) -> JoinHandle<()> {
        let bytes = file().slice(offset..offset + BROUGHT);
        let pieces =
            (0..BROUGHT / MIB).map(move |at| Ok::<_, std::io::Error>(bytes.slice(at * MIB..(at + 1) * MIB)));
        let body = Body::wrap_stream(stream::iter(pieces).chain(stream::pending()));
        let request = self.patch(server, offset, body);
        let request = tokio::spawn(async move { drop(request.send().await) });
        let waiting = async { while self.offset(server).await < offset + BROUGHT - LOST {} };
        timeout(PATIENCE, waiting).await.expect("bytes are recorded as they come");
        request
    }

    /// Brings the rest, and answers the video.
    async fn finish(&self, server: &Process) -> VideoId {
        let offset = self.turn(server).await;
        let answer = self.patch(server, offset, file().slice(offset..)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{answer:?}");
        self.video(server).await
    }

    async fn video(&self, server: &Process) -> VideoId {
        let waiting = async {
            loop {
                let state: Value =
                    self.request(server, Method::GET).send().await.unwrap().json().await.unwrap();
                if let Some(id) = state["video"]["id"].as_str() {
                    return id.parse().unwrap();
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("what is whole becomes a video")
    }
}

fn said(answer: &Response, header: &str) -> Option<String> {
    answer.headers().get(header).map(|value| value.to_str().unwrap().to_owned())
}

/// The file is the one that was sent, and nothing else is left.
async fn check(platform: &Platform, blobs: &BlobStore, video: VideoId) {
    let source = catalog::videos::video(&platform.db, video).await.unwrap().source;
    let sent = Stored { len: FILE as u64, sha256: Sha256::digest(file()).into() };
    assert_eq!((source.bytes, source.sha256), (sent.len, Some(sent.sha256)));
    let key: StorageKey = source.key.parse().unwrap();
    assert_eq!(blobs.fingerprint(&key).await.unwrap(), sent);
    let waiting = async {
        while blobs.list().await.unwrap() != [source.key.clone()] {
            // What was in the store and not recorded when a server was killed.
            sweep(platform, &["--older-than", "0"]);
        }
    };
    timeout(PATIENCE, waiting).await.expect("the pieces are removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_where_its_server_was_killed() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let mut server = platform.start_as(Role::Web).await;
    platform.sign_up(&server.url).await;
    let upload = Upload::begin(&platform, &server).await;
    let mut at = 0;
    for is_killed in [true, false, true, false, true] {
        let request = upload.stalling(&server, at).await;
        if is_killed {
            server.kill().await;
            server = platform.start_as(Role::Web).await;
        }
        request.abort();
        let now = upload.turn(&server).await;
        assert!(now >= at + BROUGHT - LOST, "{at} {now}");
        at = now;
    }
    let video = upload.finish(&server).await;
    let blobs = BlobStore::export(&platform.data().join("blobs")).unwrap();
    check(&platform, &blobs, video).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_at_another_node() {
    let store = Store::new();
    let mut settings = store.bucket.environment().to_vec();
    settings.push(("CUTETUBE_ACCOUNTS__SIGNING_SECRET", "a secret that all nodes have in common".to_owned()));
    let mut platform = Platform::with(Database::postgres(), &settings).await;
    let node = async |platform: &Platform, name: &str| {
        platform.start_on(Role::Web, clip::program(), &platform.data_of(name)).await
    };
    let mut one = node(&platform, "one").await;
    let mut two = node(&platform, "two").await;
    platform.sign_up(&one.url).await;
    let upload = Upload::begin(&platform, &one).await;
    let mut at = 0;
    for name in ["three", "four", "five"] {
        let request = upload.stalling(&one, at).await;
        one.kill().await;
        request.abort();
        let now = upload.turn(&two).await;
        assert!(now >= at + BROUGHT - LOST, "{at} {now}");
        at = now;
        one = std::mem::replace(&mut two, node(&platform, name).await);
    }
    let video = upload.finish(&one).await;
    assert_eq!(upload.video(&two).await, video);
    check(&platform, &store.blobs, video).await;
    one.stop().await;
    two.stop().await;
}

/// An upload that nobody goes on with is removed, and not before.
async fn an_abandoned_upload_is_swept(database: Database) {
    let mut platform = Platform::new(database).await;
    let server = platform.start_as(Role::Web).await;
    platform.sign_up(&server.url).await;
    let upload = Upload::begin(&platform, &server).await;
    let answer = upload.patch(&server, 0, file().slice(..5 * MIB)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let nothing = "removed 0 objects, 0 unfinished files and 0 unfinished uploads: 0 bytes\n";
    assert_eq!(sweep(&platform, &["--older-than", "0"]), nothing, "it may be gone on with");
    assert_eq!(upload.offset(&server).await, 5 * MIB);
    let path = upload.path;
    server.stop().await;

    platform.set("CUTETUBE_LIMITS__RESUMABLE_HOURS", "0".to_owned());
    let server = platform.start_as(Role::Web).await;
    let upload = Upload { platform: &platform, path };
    upload.patch(&server, 5 * MIB, "").send().await.unwrap();
    let swept = sweep(&platform, &[]);
    assert_eq!(
        swept,
        format!("removed 0 objects, 0 unfinished files and 1 unfinished uploads: {} bytes\n", 5 * MIB)
    );
    let blobs = BlobStore::export(&platform.data().join("blobs")).unwrap();
    assert_eq!(blobs.list().await.unwrap(), Vec::<String>::new());
    let gone = upload.request(&server, Method::HEAD).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    server.stop().await;
}

testbed::on_both_databases!(an_abandoned_upload_is_swept);
