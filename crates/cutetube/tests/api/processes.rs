//! How an upload is followed, without a worker: the tests play one.

use std::time::Duration;

use catalog::{endings, work::PIPELINE_QUEUE};
use jobs::{Claim, Job, WorkerId};
use reqwest::{
    Response, StatusCode, header,
    multipart::{Form, Part},
};
use serde_json::Value;
use testbed::Database;
use tokio::time::timeout;

use crate::{
    app::TestApp,
    clips::{CLIP, clip},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// An event as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) json: Value,
}

/// Reads events until one passes `wanted`; `None` when the stream ends before.
pub(crate) async fn until(stream: &mut Response, wanted: impl Fn(&Value) -> bool) -> Option<Event> {
    let mut text = String::new();
    loop {
        let chunk = timeout(PATIENCE, stream.chunk()).await.expect("something comes").unwrap()?;
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((block, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(|value| value.trim_start().to_owned())
            };
            if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                let json: Value = serde_json::from_str(&data).unwrap();
                if wanted(&json) {
                    return Some(Event { id, json });
                }
            }
            text = rest.to_owned();
        }
    }
}

pub(crate) async fn upload(app: &TestApp, token: &str) -> (String, String) {
    let file = Part::bytes(clip(CLIP)).file_name("clip.mp4");
    let answer = app.upload(token, Form::new().text("title", "Clip").part("video", file)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let text = |name: &str| answer.json["data"][name].as_str().unwrap().to_owned();
    (text("video_id"), text("process_id"))
}

async fn follow(app: &TestApp, process: &str, last: Option<&str>) -> Response {
    let request = app.get(&format!("/api/v5/processes/{process}/events"));
    let request = match last {
        Some(id) => request.header("last-event-id", id),
        None => request,
    };
    request.send().await.unwrap()
}

pub(crate) async fn take(app: &TestApp) -> Job {
    let worker = WorkerId("w".to_owned());
    let lease = Duration::from_secs(20);
    let claim =
        Claim { worker: &worker, queue: PIPELINE_QUEUE, kinds: &[], min_priority: i64::MIN, limit: 1, lease };
    jobs::claim(&app.db, &claim).await.unwrap().pop().expect("a job is ready")
}

#[tokio::test]
async fn an_upload_is_followed_under_its_process_id() {
    let app = TestApp::start(Database::sqlite()).await;
    let _hidden = app.hide_what_differs();
    let token = app.sign_up("ada").await;
    let (_, process) = upload(&app, &token).await;
    insta::assert_snapshot!(app.get_json(&format!("/api/v5/processes/{process}")).await.shown());
    let unknown = app.get_json("/api/v5/processes/01234567-89ab-7def-8123-456789abcdef").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get_json("/api/v5/processes/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn each_change_is_told_once_also_to_who_comes_back() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let (_, process) = upload(&app, &token).await;
    let mut stream = follow(&app, &process, None).await;
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    let waiting = until(&mut stream, |_| true).await.unwrap();
    assert_eq!(waiting.json["waiting"]["reason"], "no-worker");

    let job = take(&app).await;
    let running = until(&mut stream, |_| true).await.unwrap();
    assert_eq!(running.json["waiting"], Value::Null);

    // The connection breaks off, the video fails, and the client comes back.
    drop(stream);
    endings::reject(&app.db, &job.lease, "It is no video.").await.unwrap();
    let mut stream = follow(&app, &process, Some(&running.id)).await;
    let failed = until(&mut stream, |_| true).await.unwrap();
    assert_eq!((&failed.json["state"], &failed.json["error"]), (&"failed".into(), &"It is no video.".into()));
    assert_eq!(until(&mut stream, |_| true).await, None, "nothing follows the end");

    // Who has seen the end is told to stay away; who has not, is told it.
    assert_eq!(follow(&app, &process, Some(&failed.id)).await.status(), StatusCode::NO_CONTENT);
    let mut stream = follow(&app, &process, Some(&waiting.id)).await;
    assert_eq!(until(&mut stream, |_| true).await, Some(failed.clone()));

    // Another try is another life, though it ends for the same reason.
    let (video, path) = (failed.json["video"]["id"].as_str().unwrap(), "retry");
    let retried =
        app.post(&format!("/api/v5/videos/{video}/{path}")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(retried.status(), StatusCode::ACCEPTED);
    let mut stream = follow(&app, &process, Some(&failed.id)).await;
    assert_eq!(until(&mut stream, |_| true).await.unwrap().json["state"], "uploaded");
    let job = take(&app).await;
    endings::reject(&app.db, &job.lease, "It is no video.").await.unwrap();
    let again = until(&mut stream, |json| json["state"] == "failed").await.unwrap();
    assert_ne!(again.id, failed.id);
    app.shut_down().await;
}

#[tokio::test]
async fn any_node_goes_on_where_another_stopped() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let (_, process) = upload(&app, &token).await;
    let mut stream = follow(&app, &process, None).await;
    let seen = until(&mut stream, |_| true).await.unwrap();
    let other = app.start_another().await;
    let mut there = follow(&other, &process, Some(&seen.id)).await;
    take(&app).await;
    let here = until(&mut stream, |_| true).await.unwrap();
    let next = until(&mut there, |_| true).await.unwrap();
    assert_eq!(next.id, here.id, "the first node's event is not told again, and the next one is the same");
    assert_ne!(next.json["events"], here.json["events"], "URLs are those of the node that is asked");
}

#[tokio::test]
async fn a_stream_ends_with_its_video_and_with_the_server() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let (video, process) = upload(&app, &token).await;
    let mut stream = follow(&app, &process, None).await;
    until(&mut stream, |_| true).await.unwrap();
    let deleted = app.client.delete(format!("{}/api/v5/videos/{video}", app.url)).bearer_auth(&token);
    assert_eq!(deleted.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(until(&mut stream, |_| true).await, None);
    assert_eq!(follow(&app, &process, None).await.status(), StatusCode::NOT_FOUND);

    let (_, process) = upload(&app, &token).await;
    let mut stream = follow(&app, &process, None).await;
    until(&mut stream, |_| true).await.unwrap();
    // Well within the time that running requests are given.
    timeout(Duration::from_secs(10), app.shut_down()).await.expect("open streams do not keep a server");
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.limits.event_streams = 2).await;
    let token = app.sign_up("ada").await;
    let (_, process) = upload(&app, &token).await;
    let first = follow(&app, &process, None).await;
    let _second = follow(&app, &process, None).await;
    let refused = follow(&app, &process, None).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "30");
    drop(first);
    let come_back = async {
        while follow(&app, &process, None).await.status() != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, come_back).await.expect("a stream that broke off makes room");
}
