//! What large uploads cost in memory. Alone in its process: other tests would be counted too.

#![expect(clippy::unwrap_used, reason = "a test fails where it fails")]

#[path = "api/app.rs"]
#[expect(dead_code, reason = "the API's tests need more of it")]
mod app;
#[path = "api/clips.rs"]
mod clips;

use std::time::Duration;

use app::TestApp;
use bytes::Bytes;
use clips::padded_clip;
use futures_util::stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, StatusCode};
use testbed::Database;

/// Three clients send 200 MB each at once; the whole process, clients included, stays small.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_uploads_cost_no_memory() {
    const LEN: u32 = 200 << 20;
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let before = resident_bytes();
    let uploads = (0..3).map(|_| {
        let (start, padding) = padded_clip(LEN);
        let zeros = Bytes::from_static(&[0; 1 << 16]);
        let rest =
            (0..padding).step_by(1 << 16).map(move |at| zeros.slice(..(padding - at).min(1 << 16) as usize));
        let pieces = std::iter::once(Bytes::from(start)).chain(rest).map(Ok::<_, std::io::Error>);
        let part = Part::stream_with_length(Body::wrap_stream(stream::iter(pieces)), u64::from(LEN))
            .file_name("a.mp4");
        app.upload(&token, Form::new().text("title", "T").part("video", part))
    });
    let mut peak = before;
    let done = futures_util::future::join_all(uploads);
    tokio::pin!(done);
    let answers = loop {
        tokio::select! {
            answers = &mut done => break answers,
            () = tokio::time::sleep(Duration::from_millis(20)) => peak = peak.max(resident_bytes()),
        }
    };
    for answer in answers {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
    let grown = peak.saturating_sub(before) >> 20;
    assert!(grown < 100, "the process grew by {grown} MB");
}

/// Of this process, as the kernel counts it.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
