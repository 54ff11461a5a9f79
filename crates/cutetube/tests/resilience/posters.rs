//! A poster that an owner chose: it outlives what it was taken from, everything that looks after the store knows it, and it
//! goes when nobody needs it.

use std::fs;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    deletion::until_nothing_is_left,
    object_storage::sweep,
    platform::{Platform, Process},
    scrubs::{run, scrub},
};

/// Takes a moment as the poster, and answers the key of its object.
async fn take(platform: &Platform, process: &Process, video: &str, seconds: f64) -> String {
    let request = platform.client.post(format!("{}/api/v5/videos/{video}/poster", process.url));
    let request = request.bearer_auth(platform.token()).json(&json!({ "at_seconds": seconds }));
    let answer: Value = request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    assert_eq!(answer["at_seconds"], json!(seconds));
    let (_, key) = answer["poster"].as_str().unwrap().split_once("/vod-media/").unwrap();
    format!("vod-media/{key}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chosen_poster_is_looked_after() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    assert_eq!(platform.ended(&process, &video).await.state, "ready");
    let blobs = platform.data().join("blobs");
    let first = take(&platform, &process, &video, 1.0).await;
    let poster = take(&platform, &process, &video, 0.5).await;
    assert!(!blobs.join(&first).exists() && blobs.join(&poster).exists());
    // A server was killed between writing an object and showing it.
    fs::write(blobs.join(format!("vod-media/{video}/posters/{:016x}.jpg", 1)), b"jpeg").unwrap();
    assert!(sweep(&platform, &["--older-than", "0"]).starts_with("removed 1 objects, "));

    // It is read back and put into backups with everything else, and stays when everything else is made again.
    let whole = scrub(&platform, &[]).await;
    assert!(whole.1, "{}", whole.0);
    let backup = async |name: &str| {
        let file = platform.data().join(name);
        run(&platform, &["backup", "--with-objects", file.to_str().unwrap()]).await
    };
    let said = backup("whole.tar.zst").await;
    assert!(said.is_success, "{}", said.complaints);
    fs::remove_file(blobs.join(format!("vod-media/{video}/1/90p/1.m4s"))).unwrap();
    let (report, is_success) = scrub(&platform, &["--repair"]).await;
    assert!(is_success, "{report}");
    assert!(sweep(&platform, &["--older-than", "0"]).starts_with("removed "));
    let seen = platform.see(&process, &video).await;
    assert!(seen.json["poster"].as_str().unwrap().ends_with(&poster), "{}", seen.json);
    assert_eq!(platform.ask(&process, Method::GET, &format!("/{poster}")).await, StatusCode::OK);

    // Lost, it cannot be made again: the one is shown that was made with the video.
    fs::remove_file(blobs.join(&poster)).unwrap();
    let said = backup("lacking.tar.zst").await;
    assert!(format!("{}{}", said.out, said.complaints).contains(&poster), "{}", said.complaints);
    let (report, is_success) = scrub(&platform, &[]).await;
    assert!(!is_success && report["damaged"][0]["objects"][0]["part"] == "poster", "{report}");
    let (report, is_success) = scrub(&platform, &["--repair"]).await;
    assert!(is_success && report["damaged"][0]["outcome"] == "poster-withdrawn", "{report}");
    let seen = platform.see(&process, &video).await;
    assert!(seen.json["poster"].as_str().unwrap().ends_with("/2/poster.jpg"), "{}", seen.json);

    take(&platform, &process, &video, 0.0).await;
    let deleted = platform.ask(&process, Method::DELETE, &format!("/api/v5/videos/{video}")).await;
    assert_eq!(deleted, StatusCode::NO_CONTENT);
    until_nothing_is_left(&platform).await;
    process.stop().await;
}
