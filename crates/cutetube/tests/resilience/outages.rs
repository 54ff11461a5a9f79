//! The database goes away and comes back.

use jobs::State;
use reqwest::{Method, StatusCode};
use testbed::{Database, PgServer};
use tokio::task::block_in_place;

use crate::platform::{Platform, count, until};

/// However long it takes: a chunk that is finished meanwhile is recorded afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_database_costs_no_finished_work() {
    let server = block_in_place(PgServer::start);
    let mut platform = Platform::with(Database::behind(server.address()), &[]).await;
    let process = platform.start().await;
    assert_eq!(platform.ask(&process, Method::GET, "/readyz").await, StatusCode::OK);
    let video = platform.upload(&process).await;
    platform
        .until(&video, |jobs| count(jobs, "encode", State::Running) > 0 && !process.children().is_empty())
        .await;
    block_in_place(|| server.kill());
    until(|| platform.logged("the database is asked again for job")).await;
    // By now leases run out, or have done.
    for path in ["/readyz", &format!("/api/v5/videos/{video}")] {
        let answer = platform.ask(&process, Method::GET, path).await;
        assert_eq!(answer, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert_eq!(platform.ask(&process, Method::GET, "/healthz").await, StatusCode::OK);
    block_in_place(|| server.restart());
    platform.check_ready(&process, &video).await;
    assert_eq!(platform.ask(&process, Method::GET, "/readyz").await, StatusCode::OK);
    let group = catalog::work::group(video.parse().unwrap());
    for job in jobs::group(&platform.db, &group).await.unwrap() {
        assert_eq!((job.state, job.failures), (State::Done, 0), "{job:?}");
        let unfinished = platform.logged(&format!("job `{}` is lost: its work stops", job.id));
        if platform.logged(&format!("the database is asked again for job `{}`", job.id)) && !unfinished {
            assert_eq!(job.attempt, 1, "{job:?}");
        }
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_starting_process_waits_for_its_database() {
    let server = block_in_place(PgServer::start);
    let platform = Platform::with(Database::behind(server.address()), &[]).await;
    block_in_place(|| server.kill());
    let bring_it_up = async {
        until(|| platform.logged("does not answer yet")).await;
        block_in_place(|| server.restart());
    };
    let (process, ()) = tokio::join!(platform.start(), bring_it_up);
    assert_eq!(platform.ask(&process, Method::GET, "/readyz").await, StatusCode::OK);
    process.stop().await;
}
