//! What a store loses of videos that play is found, and made again.

use std::{fs, path::PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::Value;
use testbed::Database;

use crate::{
    clip,
    object_storage::sweep,
    platform::{Platform, Process},
};

/// What a command says, and whether it ended well.
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) complaints: String,
    pub(crate) is_success: bool,
}

/// Runs the program with these words, beside everything else.
pub(crate) async fn run(platform: &Platform, words: &[&str]) -> Said {
    let mut command = platform.command();
    command.args(words);
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Said {
        out: String::from_utf8(done.stdout).unwrap(),
        complaints: String::from_utf8(done.stderr).unwrap(),
        is_success: done.status.success(),
    }
}

/// What `scrub --json` reports.
pub(crate) async fn scrub(platform: &Platform, flags: &[&str]) -> (Value, bool) {
    let said = run(platform, &[&["scrub", "--json"], flags].concat()).await;
    let report = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.complaints));
    (report, said.is_success)
}

/// The objects of each damaged video and what became of them, as lines.
fn lines(report: &Value, videos: &[&str]) -> String {
    let mut lines = Vec::new();
    for damaged in report["damaged"].as_array().unwrap() {
        lines.push(format!(
            "{} {}",
            damaged["video"].as_str().unwrap(),
            damaged["outcome"].as_str().unwrap()
        ));
        for object in damaged["objects"].as_array().unwrap() {
            let key = object["key"].as_str().unwrap();
            lines.push(format!("  {key} {}", object["problem"].as_str().unwrap()));
        }
    }
    let mut text = lines.join("\n");
    for (number, video) in videos.iter().enumerate() {
        text = text.replace(video, &format!("[{number}]"));
    }
    text
}

async fn ready(platform: &mut Platform, process: &Process) -> String {
    let video = platform.upload(process).await;
    assert_eq!(platform.ended(process, &video).await.state, "ready");
    video
}

fn spoil(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_of_a_video_that_plays_is_made_again() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let process = platform.start().await;
    let (one, two) = (ready(&mut platform, &process).await, ready(&mut platform, &process).await);
    let (report, is_success) = scrub(&platform, &[]).await;
    assert!(is_success, "{report}");
    assert_eq!(report["videos"], 2);
    let objects = u64::try_from(2 * (clip::made().len() + 1)).unwrap();
    assert_eq!(report["objects"], objects, "every object is read");

    let blobs = platform.data().join("blobs");
    let media = |video: &str, name: &str| blobs.join(format!("vod-media/{video}/1/{name}"));
    fs::remove_file(media(&one, "90p/2.m4s")).unwrap();
    spoil(&media(&one, "mov/master.m3u8"));
    spoil(&media(&one, "poster.jpg"));
    fs::remove_file(media(&two, "audio/1.m4s")).unwrap();
    spoil(&blobs.join(format!("sources/{two}/source.mp4")));
    let (report, is_success) = scrub(&platform, &[]).await;
    assert!(!is_success);
    let videos = [one.as_str(), two.as_str()];
    insta::assert_snapshot!(lines(&report, &videos), @r"
    [0] found
      vod-media/[0]/1/90p/2.m4s missing
      vod-media/[0]/1/mov/master.m3u8 changed
      vod-media/[0]/1/poster.jpg changed
    [1] found
      sources/[1]/source.mp4 changed
      vod-media/[1]/1/audio/1.m4s missing
    ");
    let (report, is_success) = scrub(&platform, &["--repair", "--videos", &one]).await;
    assert!(is_success, "{report}");
    assert_eq!(report["damaged"][0]["revision"], 2);
    assert!(lines(&report, &videos).starts_with("[0] made-again\n"), "{report}");
    sweep(&platform, &["--older-than", "0"]);
    platform.check_ready(&process, &one).await;

    let said = run(&platform, &["scrub", "--repair"]).await;
    assert!(!said.is_success);
    let told = said.out.replace(&two, "[1]");
    assert!(told.contains("video `[1]`, Clip: its uploaded file is damaged, too"), "{told}");
    assert_eq!(platform.see(&process, &two).await.state, "ready", "what is left of it is served");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_file_is_read_back_as_it_was_uploaded() {
    let settings = [("CUTETUBE_DRM__DEFAULT", "cbcs".to_owned())];
    let mut platform = Platform::with(Database::sqlite(), &settings).await;
    let process = platform.start().await;
    let video = ready(&mut platform, &process).await;
    platform.until_idle().await;
    assert!(scrub(&platform, &[]).await.1);
    let blobs = platform.data().join("blobs");
    let poster = blobs.join(format!("vod-media/{video}/1/poster.jpg"));
    fs::remove_file(poster).unwrap();
    let (report, is_success) = scrub(&platform, &["--repair"]).await;
    assert!(is_success, "{report}");
    assert!(lines(&report, &[&video]).starts_with("[0] made-again"), "{report}");
    spoil(&blobs.join(format!("sources/{video}/source.sealed")));
    let (report, is_success) = scrub(&platform, &["--repair"]).await;
    assert!(!is_success);
    insta::assert_snapshot!(lines(&report, &[&video]), @r"
    [0] lost
      sources/[0]/source.sealed changed
    ");
    process.stop().await;
}

/// Whoever does not keep files for ever has videos that play, and nothing to make them from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploaded_file_goes_after_its_time() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let process = platform.start().await;
    let video = ready(&mut platform, &process).await;
    let file = platform.data().join(format!("blobs/sources/{video}/source.mp4"));
    let address = format!("/app/stream/{video}/");
    assert_eq!(platform.ask(&process, Method::GET, &address).await, StatusCode::OK);
    let told = sweep(&platform, &["--source-days", "1"]);
    assert!(!told.contains("let go"), "{told}");
    let told = sweep(&platform, &["--source-days", "0", "--dry-run"]);
    assert!(told.ends_with("would let go of the uploaded files of 1 videos\n"), "{told}");
    assert!(file.exists());
    let told = sweep(&platform, &["--source-days", "0"]);
    assert!(told.starts_with("removed 1 objects, "), "{told}");
    assert!(told.ends_with("let go of the uploaded files of 1 videos\n"), "{told}");
    assert!(!file.exists());
    assert_eq!(platform.ask(&process, Method::GET, &address).await, StatusCode::NOT_FOUND);
    let seen = platform.see(&process, &video).await;
    assert_eq!(seen.state, "ready");
    let url = seen.json["playback"]["hls"].as_str().unwrap().to_owned();
    let decoded = tokio::task::spawn_blocking(move || clip::decoded_times(&url)).await.unwrap();
    assert_eq!(&decoded, &clip::times()[1]);
    assert!(scrub(&platform, &[]).await.1, "nothing is missed that is not to be there");
    fs::remove_file(platform.data().join(format!("blobs/vod-media/{video}/1/90p/1.m4s"))).unwrap();
    let said = run(&platform, &["scrub", "--repair"]).await;
    assert!(said.out.contains("its uploaded file was not kept"), "{}", said.out);
    process.stop().await;
}
