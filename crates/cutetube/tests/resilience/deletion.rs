//! Deleting a video that is in the making leaves nothing of it.

use std::{path::Path, time::Duration};

use jobs::State;
use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use testbed::Database;
use tokio::time::timeout;

use crate::{
    clip,
    platform::{Platform, Process, Role, count, until},
};

/// ffmpeg ends at the next heartbeat, which is 5 s away at most.
const HEARTBEAT: Duration = Duration::from_secs(5);

async fn delete(platform: &Platform, process: &Process, video: &str) -> StatusCode {
    platform.ask(process, Method::DELETE, &format!("/api/v5/videos/{video}")).await
}

pub(crate) async fn until_nothing_is_left(platform: &Platform) {
    until_nothing_is_left_in(platform, &platform.data().join("blobs")).await;
}

async fn until_nothing_is_left_in(platform: &Platform, blobs: &Path) {
    let mut listener = platform.db.listen(jobs::CHANNEL).await.unwrap();
    let waiting = async {
        while jobs::unfinished(&platform.db).await.unwrap() > 0 {
            listener.wait(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), waiting).await.expect("the deletion ends");
    assert_eq!(clip::objects_below(blobs), clip::Objects::new());
    // Nothing that was still on its way when the deletion ended comes back.
    tokio::task::yield_now().await;
    assert_eq!(clip::objects_below(blobs), clip::Objects::new());
}

async fn a_video_in_the_making_can_be_deleted(database: Database) {
    let mut platform = Platform::new(database).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    platform
        .until(&video, |jobs| count(jobs, "encode", State::Running) > 1 && !process.children().is_empty())
        .await;
    assert_eq!(delete(&platform, &process, &video).await, StatusCode::NO_CONTENT);
    assert_eq!(platform.see(&process, &video).await.state, "gone");
    assert_eq!(delete(&platform, &process, &video).await, StatusCode::NOT_FOUND);
    timeout(HEARTBEAT * 2, until(|| process.children().is_empty())).await.expect("ffmpeg ends");
    until_nothing_is_left(&platform).await;

    // The one that is killed in the middle of a deletion takes it up again.
    let video = platform.upload(&process).await;
    platform.until(&video, |jobs| count(jobs, "encode", State::Running) > 0).await;
    assert_eq!(delete(&platform, &process, &video).await, StatusCode::NO_CONTENT);
    process.kill().await;
    let process = platform.start().await;
    until_nothing_is_left(&platform).await;
    process.stop().await;
}

testbed::on_both_databases!(a_video_in_the_making_can_be_deleted);

/// Who deletes talks to one machine, others are at work, and nothing but the database and the store is between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_reaches_the_workers_of_other_machines() {
    let store = TempDir::new().unwrap();
    let settings = [
        ("CUTETUBE_STORAGE__URL", format!("file://{}", store.path().display())),
        ("CUTETUBE_ACCOUNTS__SIGNING_SECRET", "the same on every machine of a site".to_owned()),
        ("CUTETUBE_WORKERS__SLOTS", "1".to_owned()),
    ];
    let mut platform = Platform::with(Database::postgres(), &settings).await;
    let web = platform.start_on(Role::Web, clip::program(), &platform.data_of("web")).await;
    let workers = [
        platform.start_on(Role::Worker, clip::program(), &platform.data_of("one")).await,
        platform.start_on(Role::Worker, clip::program(), &platform.data_of("two")).await,
    ];
    let video = platform.upload(&web).await;
    platform
        .until(&video, |jobs| {
            count(jobs, "encode", State::Running) > 1
                && workers.iter().all(|worker| !worker.children().is_empty())
        })
        .await;
    assert_eq!(delete(&platform, &web, &video).await, StatusCode::NO_CONTENT);
    let ended = until(|| workers.iter().all(|worker| worker.children().is_empty()));
    timeout(HEARTBEAT * 2, ended).await.expect("ffmpeg ends");
    until_nothing_is_left_in(&platform, store.path()).await;
    for process in workers.into_iter().chain([web]) {
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_exists_and_has_failed_can_be_changed() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    let path = format!("/api/v5/videos/{video}");
    assert_eq!(platform.ask(&process, Method::POST, &format!("{path}/retry")).await, StatusCode::CONFLICT);
    for nothing in ["/api/v5/videos/nonsense", "/api/v5/videos/00000000-0001-7000-8000-000000000000"] {
        assert_eq!(platform.ask(&process, Method::DELETE, nothing).await, StatusCode::NOT_FOUND);
        assert_eq!(
            platform.ask(&process, Method::POST, &format!("{nothing}/retry")).await,
            StatusCode::NOT_FOUND
        );
    }
    let stranger = reqwest::Client::new();
    let answer = stranger.delete(format!("{}{path}", process.url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(delete(&platform, &process, &video).await, StatusCode::NO_CONTENT);
    process.stop().await;
}
