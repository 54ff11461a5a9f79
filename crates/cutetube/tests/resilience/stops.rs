//! SIGTERM: jobs are given back at once, and go on at the next start.

use jobs::State;
use testbed::Database;

use crate::platform::{Platform, count};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_hands_its_jobs_back() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    platform
        .until(&video, |jobs| count(jobs, "encode", State::Running) > 0 && !process.children().is_empty())
        .await;
    process.stop().await;
    let group = catalog::work::group(video.parse().unwrap());
    for job in jobs::group(&platform.db, &group).await.unwrap() {
        assert_ne!(job.state, State::Running, "{job:?}");
        assert_eq!(
            job.attempt,
            u32::from(job.state == State::Done),
            "an attempt that was given back does not count: {job:?}"
        );
    }
    let process = platform.start().await;
    platform.check_ready(&process, &video).await;
    for job in jobs::group(&platform.db, &group).await.unwrap() {
        assert_eq!((job.state, job.attempt), (State::Done, 1), "{job:?}");
    }
    process.stop().await;
}
