//! What becomes of work when the account behind it goes, or has no room for what comes out.

use jobs::{JobSummary, State};
use reqwest::{Method, StatusCode};
use serde_json::json;
use testbed::Database;

use crate::{
    clip,
    platform::{Platform, count},
};

testbed::on_both_databases!(an_account_leaves_in_the_middle_of_its_video);

/// The video goes with its account, the account with its video, and neither waits for the work to be finished.
async fn an_account_leaves_in_the_middle_of_its_video(database: Database) {
    let mut platform = Platform::new(database).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    platform
        .until(&video, |jobs| count(jobs, "encode", State::Running) > 1 && !process.children().is_empty())
        .await;
    let url = format!("{}/api/v5/me/deletion", process.url);
    let leaving = platform.client.post(url).bearer_auth(platform.token());
    let answer = leaving.json(&json!({ "password": "correct horse" })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    platform.until_idle().await;
    assert_eq!(platform.see(&process, &video).await.state, "gone");
    assert_eq!(clip::objects_below(&platform.data().join("blobs")), clip::Objects::new());
    assert_eq!(process.children(), Vec::<u32>::new());
    let known = catalog::accounts::find_by_credential(&platform.db, "ada").await.unwrap();
    assert!(known.is_none(), "the account goes when its videos have gone");
    // The name is free again.
    platform.sign_up(&process.url).await;
    process.stop().await;
}

/// How long a video is, is known when it has been looked at: what somebody claims counts for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_video_that_does_not_fit_into_the_minutes_fails() {
    let settings = [("CUTETUBE_ACCOUNTS__QUOTA__MINUTES", "1".to_owned())];
    let mut platform = Platform::with(Database::sqlite(), &settings).await;
    let process = platform.start().await;
    let is_planned = |jobs: &[JobSummary]| jobs.iter().any(|job| job.kind == "encode");
    let first = platform.upload(&process).await;
    platform.until(&first, is_planned).await;
    // Forty seconds are used, and twenty are left: another one may be sent, and does not fit.
    let second = platform.upload(&process).await;
    let seen = platform.ended(&process, &second).await;
    assert_eq!(seen.state, "failed");
    let sentence = seen.json["error"].as_str().unwrap();
    assert!(sentence.starts_with("Your account may hold 1 minutes of video"), "{sentence}");

    // When there is room, it is made after all.
    let path = format!("/api/v5/videos/{first}");
    assert_eq!(platform.ask(&process, Method::DELETE, &path).await, StatusCode::NO_CONTENT);
    platform.until_idle().await;
    let path = format!("/api/v5/videos/{second}/retry");
    assert_eq!(platform.ask(&process, Method::POST, &path).await, StatusCode::ACCEPTED);
    platform.until(&second, is_planned).await;
    process.stop().await;
}
