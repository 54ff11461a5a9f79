//! SIGTERM: jobs are given back at once, whatever they do, and go on at the next start; requests are finished.

use std::time::Duration;

use jobs::State;
use rustix::process::Signal;
use testbed::Database;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    clip,
    kills::Moment,
    platform::{Platform, Process, until},
};

/// When the process is asked to stop.
const MOMENTS: [Moment; 6] = [
    Moment::Uploaded,
    Moment::Inspecting,
    Moment::Encoding(0),
    Moment::Sound,
    Moment::Encoding(2),
    Moment::Publishing,
];

async fn a_stopped_server_hands_its_jobs_back(database: Database) {
    let mut platform = Platform::new(database).await;
    let mut process = platform.start().await;
    let video = platform.upload(&process).await;
    let group = catalog::work::group(video.parse().unwrap());
    for moment in MOMENTS {
        platform.until(&video, |jobs| moment.is_here(jobs, &process)).await;
        process.stop().await;
        for job in jobs::group(&platform.db, &group).await.unwrap() {
            assert_ne!(job.state, State::Running, "{moment:?}: {job:?}");
            assert_eq!(
                (job.attempt, job.failures),
                (u32::from(job.state == State::Done), 0),
                "{moment:?}: an attempt that was given back does not count: {job:?}"
            );
        }
        process = platform.start().await;
    }
    platform.check_ready(&process, &video).await;
    for job in jobs::group(&platform.db, &group).await.unwrap() {
        assert_eq!((job.state, job.attempt), (State::Done, 1), "{job:?}");
    }
    process.stop().await;
}

testbed::on_both_databases!(a_stopped_server_hands_its_jobs_back);

/// An upload whose second half has not been sent.
struct HalfSent {
    wire: TcpStream,
    rest: Vec<u8>,
}

impl HalfSent {
    async fn new(platform: &mut Platform, process: &Process) -> Self {
        platform.sign_up(&process.url).await;
        let host = process.url.strip_prefix("http://").unwrap();
        let mut body = b"--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nClip\r\n--b\r\n\
            Content-Disposition: form-data; name=\"video\"; filename=\"clip.mp4\"\r\n\r\n"
            .to_vec();
        body.extend(clip::file());
        body.extend(b"\r\n--b--\r\n");
        let head = format!(
            "POST /api/v3/vod/initiate-task/upload/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            platform.token(),
            body.len()
        );
        let rest = body.split_off(body.len() / 2);
        let mut wire = TcpStream::connect(host).await.unwrap();
        wire.write_all(head.as_bytes()).await.unwrap();
        wire.write_all(&body).await.unwrap();
        // The file is begun: the server is in the middle of it.
        until(|| clip::objects_below(&platform.data().join("blobs")).len() == 1).await;
        Self { wire, rest }
    }

    async fn answer(mut self) -> String {
        let mut answer = String::new();
        // A connection that is cut off has said what it had to say.
        let _ = self.wire.read_to_string(&mut answer).await;
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_under_way_is_finished() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let process = platform.start().await;
    let mut upload = HalfSent::new(&mut platform, &process).await;
    process.signal(Signal::TERM);
    until(|| platform.logged("stopping:")).await;
    upload.wire.write_all(&std::mem::take(&mut upload.rest)).await.unwrap();
    let answer = upload.answer().await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    process.ended().await;
    let process = platform.start().await;
    let video = answer.split("\"video_id\":\"").nth(1).unwrap().split('"').next().unwrap();
    platform.check_ready(&process, video).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_stalls_is_not_waited_for_and_leaves_nothing() {
    let drain = ("CUTETUBE_SERVER__DRAIN_SECONDS", "1".to_owned());
    let mut platform = Platform::with(Database::sqlite(), &[drain]).await;
    let process = platform.start().await;
    let upload = HalfSent::new(&mut platform, &process).await;
    process.signal(Signal::TERM);
    let (answer, ()) = tokio::join!(upload.answer(), process.ended());
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(clip::objects_below(&platform.data().join("blobs")), clip::Objects::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_is_not_patient() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let mut process = platform.start().await;
    let upload = HalfSent::new(&mut platform, &process).await;
    process.signal(Signal::TERM);
    until(|| platform.logged("stopping:")).await;
    assert!(process.is_running());
    process.signal(Signal::INT);
    let status = timeout(Duration::from_secs(10), process.wait()).await.expect("it ends at once");
    assert_eq!(status.code(), Some(1));
    drop(upload);
}
