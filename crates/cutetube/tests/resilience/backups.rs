//! Everything is lost but a backup.

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{StatusCode, multipart};
use serde_json::{Value, json};
use testbed::{Database, S3Bucket};

use crate::{
    clip,
    object_storage::Store,
    platform::{Platform, Process, Role},
    scrubs::{run, scrub},
};

/// A platform with somebody who has a video for everybody, one that is protected, and one that waits for a worker.
struct Filled {
    platform: Platform,
    plain: String,
    protected: String,
    waiting: String,
}

/// What viewers get of a video: by name, the bytes of its manifests and segments.
type Served = BTreeMap<String, Vec<u8>>;

async fn fill(mut platform: Platform) -> Filled {
    let process = platform.start().await;
    let plain = platform.upload(&process).await;
    let part = multipart::Part::bytes(clip::file()).file_name("clip.mp4");
    let form = multipart::Form::new().text("title", "Secret").text("protection", "cbcs").part("video", part);
    let request = platform.client.post(format!("{}/api/v4/drm/vod/initiate-task/upload/", process.url));
    let answer = request.bearer_auth(platform.token()).multipart(form).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let protected = answer["data"]["video_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    for video in [&plain, &protected] {
        assert_eq!(platform.ended(&process, video).await.state, "ready");
    }
    platform.until_idle().await;
    process.stop().await;
    let web = platform.start_as(Role::Web).await;
    let waiting = platform.upload(&web).await;
    web.stop().await;
    Filled { platform, plain, protected, waiting }
}

/// All that is stored of what is published of a video, as viewers fetch it.
async fn served(platform: &Platform, process: &Process, video: &str) -> Served {
    let seen = platform.see(process, video).await;
    assert_eq!(seen.state, "ready", "{}", seen.json);
    let manifest = seen.json["playback"]["hls"].as_str().unwrap();
    let folder = manifest.split('?').next().unwrap().trim_end_matches("master.m3u8");
    let mut served = Served::new();
    for name in clip::made() {
        let answer = platform.client.get(format!("{folder}{name}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        // Manifests of a protected video hold a token of their viewer.
        let is_personal =
            seen.json["protection"] != "none" && (name.ends_with("m3u8") || name.ends_with("mpd"));
        if !is_personal {
            served.insert(name.clone(), answer.bytes().await.unwrap().to_vec());
        }
    }
    served
}

/// The key for the sound of a protected video.
async fn key(platform: &Platform, process: &Process, video: &str) -> String {
    let rows = catalog::keys::of_video(&platform.db, video.parse().unwrap()).await.unwrap();
    let sound = rows.iter().find(|row| row.class == catalog::keys::KeyClass::Audio).unwrap();
    let seen = platform.see(process, video).await;
    let request = platform.client.post(format!("{}/licences/clearkey", process.url));
    let kids = json!({ "kids": [BASE64_URL_SAFE_NO_PAD.encode(sound.key_id)] });
    let answer = request.bearer_auth(seen.json["token"].as_str().unwrap()).json(&kids).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let licence: Value = answer.json().await.unwrap();
    licence["keys"][0]["k"].as_str().unwrap().to_owned()
}

async fn signs_in(platform: &Platform, process: &Process) -> bool {
    let form = json!({ "credential": "ada", "password": "correct horse" });
    let request = platform.client.post(format!("{}/api/v3/auth/login/", process.url));
    request.json(&form).send().await.unwrap().status().is_success()
}

/// Makes a backup while a server runs, and restores it where there is nothing.
async fn check(filled: Filled, mut empty: Platform) {
    let Filled { platform, plain, protected, waiting } = filled;
    let web = platform.start_as(Role::Web).await;
    let before = [served(&platform, &web, &plain).await, served(&platform, &web, &protected).await];
    let content_key = key(&platform, &web, &protected).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.tar.zst");
    let words = ["backup", "--with-objects", file.to_str().unwrap()];
    let said = run(&platform, &words).await;
    assert!(said.is_success, "{}", said.complaints);
    let again = run(&platform, &words).await;
    assert!(again.complaints.contains("is there already"), "{}", again.complaints);
    web.stop().await;

    refuses_what_is_damaged(&empty, &file).await;
    let said = run(&empty, &["restore", file.to_str().unwrap()]).await;
    assert!(said.is_success, "{}", said.complaints);
    assert!(said.out.contains(" 0 are not right\n"), "{}", said.out);
    let again = run(&empty, &["restore", file.to_str().unwrap()]).await;
    assert!(!again.is_success);
    assert!(again.complaints.starts_with("error: the database is not empty\nhint: "), "{}", again.complaints);

    let master_key = empty.data().join("master-key");
    if empty.is_on_a_server() && master_key.exists() {
        empty.set("CUTETUBE_DRM__MASTER_KEY_FILE", master_key.display().to_string());
    }
    let process = empty.start().await;
    assert!(signs_in(&empty, &process).await);
    let mine = empty.client.get(format!("{}/api/v5/me", process.url)).bearer_auth(platform.token());
    assert_eq!(mine.send().await.unwrap().status(), StatusCode::OK, "who was signed in still is");
    let after = [served(&empty, &process, &plain).await, served(&empty, &process, &protected).await];
    assert!(before == after, "every byte is the same");
    assert_eq!(key(&empty, &process, &protected).await, content_key);
    let seen = empty.ended(&process, &waiting).await;
    assert_eq!(seen.state, "ready", "{}", seen.json);
    let (report, is_success) = scrub(&empty, &[]).await;
    assert!(is_success, "{report}");
    assert_eq!(report["videos"], 3);
    let found = format!("{}/api/v5/search?q=secret", process.url);
    let found: Value = empty.client.get(found).send().await.unwrap().json().await.unwrap();
    assert_eq!(found["results"][0]["video"]["id"], protected, "what is looked for is found");
    process.stop().await;
}

async fn refuses_what_is_damaged(empty: &Platform, file: &Path) {
    let damaged = file.with_extension("damaged");
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() * 2 / 3;
    bytes[at] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let said = run(empty, &["restore", damaged.to_str().unwrap()]).await;
    assert!(!said.is_success);
    assert!(said.complaints.contains("is no complete backup"), "{}", said.complaints);
    assert!(!empty.data().join("signing-secret").exists(), "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_back_as_a_file() {
    let filled = fill(Platform::new(Database::sqlite()).await).await;
    check(filled, Platform::blank(Database::sqlite(), &[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_back_on_a_server() {
    let filled = fill(Platform::new(Database::sqlite()).await).await;
    check(filled, Platform::blank(Database::postgres(), &[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_come_back_on_servers() {
    let secrets = [
        ("CUTETUBE_DRM__MASTER_KEY", "42".repeat(32)),
        ("CUTETUBE_ACCOUNTS__SIGNING_SECRET", "correct horse battery staple stable".to_owned()),
    ];
    let settings = |bucket: &S3Bucket| [&bucket.environment()[..], &secrets[..]].concat();
    let (old, new) = (Store::new(), Store::new());
    let filled = fill(Platform::with(Database::postgres(), &settings(&old.bucket)).await).await;
    check(filled, Platform::blank(Database::postgres(), &settings(&new.bucket)).await).await;
    assert!(!new.blobs.list().await.unwrap().is_empty());
}

/// Where the objects are somewhere else, the restored database says which are missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_are_not_in_a_backup_are_missed() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    assert_eq!(platform.ended(&process, &video).await.state, "ready");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.tar.zst");
    let said = run(&platform, &["backup", file.to_str().unwrap()]).await;
    assert!(said.is_success, "{}", said.complaints);
    process.stop().await;
    let empty = Platform::blank(Database::sqlite(), &[]).await;
    let said = run(&empty, &["restore", file.to_str().unwrap()]).await;
    assert!(said.is_success, "{}", said.complaints);
    let objects = clip::made().len() + 1;
    let all = format!("of {objects} that are needed {objects} are not right\n");
    assert!(said.out.contains(&all), "{}", said.out);
    assert!(said.out.contains(&format!("`sources/{video}/source.mp4` is not in the store")), "{}", said.out);
}
