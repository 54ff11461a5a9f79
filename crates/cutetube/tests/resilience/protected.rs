//! Protected videos: what is stored, what is not, and what survives.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::Path,
};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use catalog::keys::WrappedKey;
use jobs::State;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Database, SpekeServer, StubReply};

use crate::{
    clip,
    platform::{Platform, Process, count},
};

/// Bytes that are looked for.
const NEEDLE: usize = 16;

/// A server that is killed in the middle, and started again. What is stored afterwards is what was planned, encrypted; the
/// keys open it, frame by frame; and neither they nor a piece of the file are anywhere.
async fn check(scheme: &str) {
    let default = ("CUTETUBE_DRM__DEFAULT", scheme.to_owned());
    let mut platform = Platform::with(Database::sqlite(), &[default]).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    platform.until(&video, |jobs| count(jobs, "encode", State::Running) > 0).await;
    process.kill().await;
    let process = platform.start().await;
    let seen = platform.ended(&process, &video).await;
    assert_eq!(seen.state, "ready", "{}", seen.json);
    assert_eq!(seen.json["protection"], scheme);
    platform.until_idle().await;

    let blobs = platform.data().join("blobs");
    let revision = seen.json["playback"]["hls"].as_str().unwrap().rsplit('/').nth(1).unwrap().to_owned();
    let made = clip::made().iter().map(|name| format!("vod-media/{video}/{revision}/{name}"));
    let expected: BTreeSet<String> = made.chain([format!("sources/{video}/source.sealed")]).collect();
    assert_eq!(clip::objects_below(&blobs).into_keys().collect::<BTreeSet<_>>(), expected);

    let keys = keys(&platform, &video).await;
    assert_eq!(keys.keys().map(String::as_str).collect::<Vec<_>>(), ["audio", "hd", "sd", "source"]);
    let mut needles: HashSet<[u8; NEEDLE]> = HashSet::new();
    for (_, key) in keys.values() {
        let texts = [hex::encode(key), hex::encode_upper(key), BASE64_STANDARD.encode(key)];
        needles.insert(*key);
        needles.extend(texts.iter().map(|text| *text.as_bytes().first_chunk().unwrap()));
    }
    assert_eq!(found_below(&platform.data(), &needles), Vec::<String>::new(), "a key");
    let pieces = needles_of(&clip::file());
    assert_eq!(found_below(&blobs, &pieces), Vec::<String>::new(), "a piece of the file");
    for needle in &needles {
        assert!(!platform.logged(&String::from_utf8_lossy(needle)), "a key is in the log");
    }

    let clear = decrypted(&platform, &blobs.join(format!("vod-media/{video}/{revision}")), &keys);
    for (manifest, times) in ["mp4/manifest.mpd", "master.m3u8"].into_iter().zip(clip::times()) {
        let path = clear.path().join("clear").join(manifest);
        assert_eq!(&clip::decoded_times(path.to_str().unwrap()), times, "{manifest}");
    }
    rotate(&platform, &process, &seen.json, &keys).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_in_the_clear_with_cenc() {
    check("cenc").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_in_the_clear_with_cbcs() {
    check("cbcs").await;
}

/// Whoever does not want to keep what was uploaded has nothing of it once it plays; whoever does has it as it came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_uploaded_file_goes_or_stays_as_it_is_wanted() {
    for (wanted, kept) in [("delete", None), ("keep", Some("source.mp4"))] {
        let settings =
            [("CUTETUBE_DRM__DEFAULT", "cbcs".to_owned()), ("CUTETUBE_DRM__SOURCES", wanted.to_owned())];
        let mut platform = Platform::with(Database::sqlite(), &settings).await;
        let process = platform.start().await;
        let video = platform.upload(&process).await;
        assert_eq!(platform.ended(&process, &video).await.state, "ready");
        platform.until_idle().await;
        let sources = format!("sources/{video}/");
        let names = clip::objects_below(&platform.data().join("blobs")).into_keys();
        let left: Vec<_> = names.filter_map(|name| Some(name.strip_prefix(&sources)?.to_owned())).collect();
        assert_eq!(left, Vec::from_iter(kept), "{wanted}");
        process.stop().await;
    }
}

/// Keys of a key server that fails at first: what it gives in the end encrypts the video, and what it says of them is told
/// to players. One that refuses ends the video, with a sentence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_server_is_waited_for_and_its_refusal_is_final() {
    let server = SpekeServer::start().await;
    let settings = [("CUTETUBE_DRM__DEFAULT", "cbcs".to_owned()), ("CUTETUBE_DRM__SPEKE__URL", server.url())];
    let mut platform = Platform::with(Database::sqlite(), &settings).await;
    let process = platform.start().await;
    server.reply(StubReply::Status(500));
    let video = platform.upload(&process).await;
    server.heard(1).await;
    server.reply(StubReply::Normal);
    let seen = platform.ended(&process, &video).await;
    assert_eq!(seen.state, "ready", "{}", seen.json);
    assert!(platform.logged("the key server gives no keys"), "its failure is in the log");
    let keys = keys(&platform, &video).await;
    for (class, (id, key)) in keys.iter().filter(|(class, _)| *class != "source") {
        assert_eq!(*key, SpekeServer::key(*id), "{class}");
    }
    let (sound, _) = keys["audio"];
    let manifest = seen.json["playback"]["dash"].as_str().unwrap();
    let manifest = platform.client.get(manifest).send().await.unwrap().text().await.unwrap();
    assert!(manifest.contains(&BASE64_STANDARD.encode(SpekeServer::playready(sound))), "{manifest}");
    let clear = decrypted(&platform, &platform.data().join(format!("blobs/vod-media/{video}/1")), &keys);
    let path = clear.path().join("clear/mp4/manifest.mpd");
    assert_eq!(&clip::decoded_times(path.to_str().unwrap()), &clip::times()[0]);

    server.reply(StubReply::Status(403));
    let refused = platform.upload(&process).await;
    let seen = platform.ended(&process, &refused).await;
    assert_eq!(seen.state, "failed");
    assert!(seen.json["error"].as_str().unwrap().contains("key server"), "{}", seen.json);
    process.stop().await;
}

/// Another master key, while a server runs that has never heard of it: it goes on giving licences.
async fn rotate(platform: &Platform, process: &Process, video: &Value, keys: &Keys) {
    let file = platform.data().join("master-key");
    let before = fs::read_to_string(&file).unwrap();
    run(platform, &["keys", "rotate", "--data"]);
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(after.split_whitespace().nth(1), Some(before.trim()), "the old one is kept at first");
    for (class, (id, key)) in keys.iter().filter(|(class, _)| *class != "source") {
        let request = platform.client.post(format!("{}/licences/clearkey", process.url));
        let token = video["token"].as_str().unwrap();
        let kid = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(id);
        let answer = request.bearer_auth(token).json(&json!({ "kids": [kid] })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{class}");
        let licence: Value = answer.json().await.unwrap();
        let given = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(licence["keys"][0]["k"].as_str().unwrap());
        assert_eq!(given.unwrap(), key, "{class}");
    }
    run(platform, &["keys", "forget", "--data"]);
    let last = fs::read_to_string(&file).unwrap();
    assert_eq!(last.split_whitespace().collect::<Vec<_>>(), [after.split_whitespace().next().unwrap()]);
    assert_eq!(self::keys(platform, video["id"].as_str().unwrap()).await, *keys);
}

fn run(platform: &Platform, words: &[&str]) {
    let done = platform.command().args(words).arg(platform.data()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// By class: id and key.
type Keys = BTreeMap<String, ([u8; 16], [u8; 16])>;

/// The keys of a video in the clear, by the master key in the data folder.
async fn keys(platform: &Platform, video: &str) -> Keys {
    let text = fs::read_to_string(platform.data().join("master-key")).unwrap();
    let master: [u8; 32] = hex::decode(text.split_whitespace().next().unwrap()).unwrap().try_into().unwrap();
    let rows = catalog::keys::of_video(&platform.db, video.parse().unwrap()).await.unwrap();
    let open = |row: &WrappedKey| {
        let (uuid, class) = (row.video.uuid(), row.class.as_str());
        let bound = [
            &b"cutetube: content key, version 1"[..],
            uuid.as_bytes(),
            &row.key_id,
            &row.iv,
            class.as_bytes(),
        ];
        let (nonce, sealed) = row.wrapped.split_first_chunk::<12>().unwrap();
        let payload = Payload { msg: sealed, aad: &bound.concat() };
        let key = Aes256Gcm::new(&master.into()).decrypt(&(*nonce).into(), payload).unwrap();
        (class.to_owned(), (row.key_id, key.try_into().unwrap()))
    };
    rows.iter().map(open).collect()
}

/// Pieces of the media of a file, from its first third to its last.
fn needles_of(file: &[u8]) -> HashSet<[u8; NEEDLE]> {
    let piece = |at: usize| *file[at..].first_chunk().unwrap();
    let pieces = (1..60).map(|part| piece(file.len() / 64 * part));
    // Runs of one byte are everywhere.
    pieces.filter(|piece| piece.iter().collect::<HashSet<_>>().len() > NEEDLE / 2).collect()
}

/// The files that have one of these in them.
fn found_below(folder: &Path, needles: &HashSet<[u8; NEEDLE]>) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_below(&path, needles));
        } else if fs::read(&path).unwrap().windows(NEEDLE).any(|window| needles.contains(window)) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// What `cutetube decrypt` makes of a folder, in `clear`.
fn decrypted(platform: &Platform, folder: &Path, keys: &Keys) -> TempDir {
    let clear = TempDir::new().unwrap();
    let file = clear.path().join("keys.txt");
    let line = |(id, key): &([u8; 16], [u8; 16])| format!("{}:{}\n", hex::encode(id), hex::encode(key));
    let lines = keys.iter().filter(|(class, _)| *class != "source").map(|(_, key)| line(key));
    fs::write(&file, lines.collect::<String>()).unwrap();
    let mut command = platform.command();
    command.arg("decrypt").arg(folder).arg("--out").arg(clear.path().join("clear"));
    let done = command.arg("--key-file").arg(&file).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    clear
}
