//! Another store, while everything goes on: what copies and what reads back is killed in the middle, again and again.

use std::{collections::BTreeMap, process::Stdio};

use catalog::scrubs;
use reqwest::StatusCode;
use testbed::Database;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::{
    clip,
    object_storage::{Store, sweep},
    platform::{Platform, Process},
    scrubs::{run, scrub},
};

/// Uploads and reads until it is stopped, and at least once; every answer has to be the one that came first. Answers what it
/// has uploaded.
async fn load(platform: &Platform, process: &Process, video: &str, stop: &CancellationToken) -> Vec<String> {
    /// More would keep the machine busy for long.
    const UPLOADS: usize = 2;
    let seen = platform.see(process, video).await;
    let folder = seen.json["playback"]["hls"].as_str().unwrap().trim_end_matches("master.m3u8").to_owned();
    let (mut uploaded, mut first) = (Vec::new(), BTreeMap::new());
    loop {
        if uploaded.len() < UPLOADS {
            let answer: serde_json::Value =
                platform.send_clip(&process.url).await.unwrap().json().await.unwrap();
            uploaded.push(answer["data"]["video_id"].as_str().unwrap().to_owned());
        }
        let original = format!("{}/app/stream/{video}/", process.url);
        let names = clip::made().iter().map(|name| format!("{folder}{name}"));
        for url in names.chain([original]) {
            let answer = platform.client.get(&url).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{url}");
            let found = clip::fingerprint(&answer.bytes().await.unwrap());
            assert_eq!(*first.entry(url.clone()).or_insert(found), found, "{url}");
        }
        if stop.is_cancelled() {
            return uploaded;
        }
    }
}

fn start(platform: &Platform, words: &[&str]) -> Child {
    let mut command = platform.command();
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Command::from(command).kill_on_drop(true).spawn().unwrap()
}

/// Kills a command with SIGKILL as soon as it has got on, or has come to its end.
async fn kill_when(mut child: Child, mut got_on: impl AsyncFnMut() -> bool) {
    while child.try_wait().unwrap().is_none() && !got_on().await {
        tokio::task::yield_now().await;
    }
    // One that has ended by itself cannot be killed.
    let _ = child.kill().await;
}

/// Copies with these words: killed four times on the way, and then to the end. Answers what was said at last.
async fn copy(platform: &Platform, store: &Store, words: &[&str]) -> String {
    for _ in 0..4 {
        let before = store.blobs.list().await.unwrap().len();
        let got_on = async || store.blobs.list().await.unwrap().len() > before + 8;
        kill_when(start(platform, words), got_on).await;
    }
    let said = run(platform, words).await;
    assert!(said.is_success, "{}{}", said.out, said.complaints);
    said.out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_moved_while_videos_are_uploaded_and_watched() {
    let store = Store::new();
    let [url, endpoint, _, key, secret] = store.bucket.environment();
    let mut platform = Platform::new(Database::sqlite()).await;
    let fallback = [
        ("CUTETUBE_STORAGE__FALLBACK__URL", url.1.clone()),
        ("CUTETUBE_STORAGE__FALLBACK__S3__ENDPOINT", endpoint.1.clone()),
        ("CUTETUBE_STORAGE__FALLBACK__S3__ACCESS_KEY_ID", key.1.clone()),
        ("CUTETUBE_STORAGE__FALLBACK__S3__SECRET_ACCESS_KEY", secret.1.clone()),
        ("CUTETUBE_TO_SECRET_ACCESS_KEY", secret.1.clone()),
    ];
    for (name, value) in fallback {
        platform.set(name, value);
    }
    let process = platform.start().await;
    let mut videos = vec![platform.upload(&process).await, platform.upload(&process).await];
    for video in &videos {
        assert_eq!(platform.ended(&process, video).await.state, "ready");
    }
    let watched = videos[0].clone();

    let to = ["--to", &url.1, "--to-endpoint", &endpoint.1, "--to-access-key-id", &key.1];
    let words = [&["storage", "migrate"][..], &to].concat();
    let stop = CancellationToken::new();
    let copying = async {
        copy(&platform, &store, &words).await;
        stop.cancel();
    };
    let (uploaded, ()) = tokio::join!(load(&platform, &process, &watched, &stop), copying);
    videos.extend(uploaded);

    // The process goes away in the middle of work, and comes back with the other store in front.
    process.kill().await;
    for (name, value) in store.bucket.environment() {
        platform.set(name, value);
    }
    let blobs = platform.data().join("blobs");
    platform.set("CUTETUBE_STORAGE__FALLBACK__URL", format!("file://{}", blobs.display()));
    let process = platform.start().await;
    let stop = CancellationToken::new();
    let copying = async {
        copy(&platform, &store, &["storage", "migrate"]).await;
        let all = scrubs::remaining(&platform.db).await.unwrap().videos;
        for _ in 0..2 {
            let child = start(&platform, &["scrub"]);
            let got_on = async || scrubs::remaining(&platform.db).await.unwrap().videos < all;
            kill_when(child, got_on).await;
        }
        let (report, is_success) = scrub(&platform, &[]).await;
        assert!(is_success, "{report}");
        stop.cancel();
    };
    let (uploaded, ()) = tokio::join!(load(&platform, &process, &watched, &stop), copying);
    videos.extend(uploaded);
    for video in &videos {
        assert_eq!(platform.ended(&process, video).await.state, "ready");
    }
    platform.until_idle().await;
    let said = run(&platform, &["storage", "migrate"]).await;
    assert!(!said.out.contains("in the making"), "{}", said.out);
    let said = run(&platform, &["storage", "migrate"]).await;
    assert!(said.out.starts_with("copied 0 objects, 0 bytes; "), "{}{}", said.out, said.complaints);
    process.stop().await;

    // Nothing needs the old one any more.
    platform.unset("CUTETUBE_STORAGE__FALLBACK__URL");
    std::fs::remove_dir_all(&blobs).unwrap();
    let process = platform.start().await;
    sweep(&platform, &["--older-than", "0"]);
    let objects = store.objects().await;
    for video in &videos {
        platform.check_made(&process, video, &objects).await;
    }
    let (report, is_success) = scrub(&platform, &[]).await;
    assert!(is_success, "{report}");
    assert_eq!(report["videos"], videos.len());
    process.stop().await;
}
