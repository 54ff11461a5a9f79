//! Videos in flight while everything they need is killed, frozen and cut off in turn: all of them end ready and exact,
//! and nothing else is left.
//!
//! `make test` runs a short form, `make soak` a long one. The schedule follows from its seed and is printed; what a
//! fault meets depends on the machine.

mod schedule;
mod site;

use std::{collections::BTreeSet, time::Duration};

use catalog::{
    VideoState,
    ids::Revision,
    videos::{self, Listing, Video},
    work::PIPELINE_QUEUE,
};
use jobs::{Filter, JobSummary, State};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    object_storage::sweep,
    platform::{Platform, orphaned_programs, until},
};
use schedule::{Fault, MANY, ONE, schedule};
use site::Site;

/// Jobs of a clip: inspection, five chunks, sound, publication.
const JOBS: usize = 8;

/// Nothing takes this long, whatever has happened to it.
const STUCK: Duration = Duration::from_secs(150);

const LOOK: Duration = Duration::from_millis(200);

/// How much is done to how many.
struct Plan {
    videos: usize,
    faults: Vec<Fault>,
    seed: u64,
}

impl Plan {
    /// `CUTETUBE_SOAK_VIDEOS`, `CUTETUBE_SOAK_FAULTS` and `CUTETUBE_SOAK_SEED`, or the short form.
    fn of(faults: &[Fault], videos: usize, count: usize) -> Self {
        let seed = setting("CUTETUBE_SOAK_SEED").unwrap_or(1);
        let size = |name, short| setting(name).map_or(short, |size| size.try_into().unwrap());
        Self {
            videos: size("CUTETUBE_SOAK_VIDEOS", videos),
            faults: schedule(faults, size("CUTETUBE_SOAK_FAULTS", count), seed),
            seed,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_machines_lose_nothing() {
    let plan = Plan::of(MANY, 4, 7);
    let (platform, site) = Site::many().await;
    soak(platform, site, plan).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_process_loses_nothing() {
    let plan = Plan::of(ONE, 3, 4);
    let (platform, site) = Site::one().await;
    soak(platform, site, plan).await;
}

async fn soak(platform: Platform, mut site: Site, plan: Plan) {
    // What loses its parent becomes a child of this process, and is found in the end.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let Plan { videos, faults, seed } = plan;
    let began = Instant::now();
    say(&format!("{videos} videos, {} faults, CUTETUBE_SOAK_SEED={seed}", faults.len()));
    let url = site.url();
    let mut dice = StdRng::seed_from_u64(seed);
    let hurting = async {
        for (number, fault) in faults.iter().enumerate() {
            until_done(&platform, (number + 1) * videos * JOBS / (faults.len() + 2)).await;
            say(&format!("{:4} s: {fault}", began.elapsed().as_secs()));
            site.hurt(&platform, *fault, &mut dice).await;
        }
    };
    let (uploads, ()) = tokio::join!(upload_all(&platform, &url, videos), hurting);
    until_idle(&platform).await;
    platform.until_idle().await;
    say(&format!("{:4} s: everything has ended", began.elapsed().as_secs()));

    let made = check_catalogue(&platform, &uploads).await;
    // What an upload that broke off has left is nobody's.
    say(sweep(&platform, &["--older-than", "0"]).trim_end());
    let objects = site.objects(&platform).await;
    let videos: Vec<String> = made.iter().map(|video| video.id.to_string()).collect();
    let orphan = objects.keys().find(|name| !videos.iter().any(|video| name.contains(video)));
    assert_eq!(orphan, None, "after a sweep everything belongs to a video");
    for video in &made {
        platform.check_made(site.server(), &video.id.to_string(), &objects).await;
    }
    site.stop().await;
    until(|| orphaned_programs().is_empty()).await;
    say(&format!(
        "{:4} s: {} videos are exact, {} objects as recorded",
        began.elapsed().as_secs(),
        made.len(),
        objects.len()
    ));
}

/// What came of the uploads.
struct Uploads {
    /// Those that were answered.
    taken: BTreeSet<String>,
    /// How many were not answered, or with an error: any of them may have been recorded all the same.
    unanswered: usize,
}

/// Half of the videos at once, the others as work is done. Like a person, it tries again until somebody takes it.
async fn upload_all(platform: &Platform, server: &str, videos: usize) -> Uploads {
    let mut uploads = Uploads { taken: BTreeSet::new(), unanswered: 0 };
    for number in 0..videos {
        until_done(platform, (number.saturating_sub(videos / 2)) * JOBS).await;
        loop {
            let answer = async { platform.send_clip(server).await?.json::<Value>().await };
            if let Ok(answer) = answer.await {
                uploads.taken.insert(answer["data"]["video_id"].as_str().unwrap().to_owned());
                break;
            }
            uploads.unanswered += 1;
            sleep(LOOK).await;
        }
    }
    uploads
}

/// Every video is ready at its first go, every job was done, and each video was published once.
async fn check_catalogue(platform: &Platform, uploads: &Uploads) -> Vec<Video> {
    let videos = videos::page(&platform.db, Listing::All, 1, 10_000).await.unwrap().videos;
    let known: BTreeSet<String> = videos.iter().map(|video| video.id.to_string()).collect();
    assert!(known.is_superset(&uploads.taken), "what was answered is there");
    assert!(known.len() <= uploads.taken.len() + uploads.unanswered, "and nothing that nobody sent");
    let jobs = all_jobs(platform).await;
    for video in &videos {
        assert_eq!(video.state, VideoState::Ready, "{video:?}");
        let first = Some(Revision::FIRST);
        assert_eq!((video.revision, video.published_revision), (first, first), "{video:?}");
        let group = catalog::work::group(video.id);
        let own: Vec<&JobSummary> =
            jobs.iter().filter(|job| job.job_group.as_ref() == Some(&group)).collect();
        assert_eq!(own.len(), JOBS, "{own:?}");
        assert_eq!(own.iter().filter(|job| job.kind == "publish").count(), 1, "{own:?}");
    }
    let undone: Vec<&JobSummary> = jobs.iter().filter(|job| job.state != State::Done).collect();
    assert!(undone.is_empty(), "{undone:?}");
    let attempts: u32 = jobs.iter().map(|job| job.attempt).sum();
    let failures: u32 = jobs.iter().map(|job| job.failures).sum();
    say(&format!(
        "{} jobs were done in {attempts} attempts, {failures} of which failed; {} uploads were sent again",
        jobs.len(),
        uploads.unanswered
    ));
    videos
}

/// Waits until this many jobs are done, or there is nothing to do.
async fn until_done(platform: &Platform, wanted: usize) {
    watch(platform, |jobs| {
        let done = count(jobs, State::Done);
        done >= wanted || done > 0 && done == jobs.len()
    })
    .await;
}

async fn until_idle(platform: &Platform) {
    watch(platform, |jobs| count(jobs, State::Ready) + count(jobs, State::Running) == 0).await;
}

/// Looks at the jobs until they are as wanted, as long as something is done.
async fn watch(platform: &Platform, wanted: impl Fn(&[JobSummary]) -> bool) {
    let mut last = (0, Instant::now());
    loop {
        let jobs = all_jobs(platform).await;
        if wanted(&jobs) {
            return;
        }
        let done = count(&jobs, State::Done);
        if done != last.0 {
            last = (done, Instant::now());
        }
        assert!(last.1.elapsed() < STUCK, "nothing is done any more: {jobs:#?}");
        sleep(LOOK).await;
    }
}

/// Every job of every video; events have jobs too, but nothing waits for those. The test's own connection meets the same faults.
async fn all_jobs(platform: &Platform) -> Vec<JobSummary> {
    let of_videos = Filter { queue: Some(PIPELINE_QUEUE), ..Filter::default() };
    let began = Instant::now();
    loop {
        match jobs::list(&platform.db, &of_videos, None, 10_000).await {
            Ok(jobs) => return jobs,
            Err(error) => assert!(db::is_transient(&error) && began.elapsed() < STUCK, "{error:?}"),
        }
        sleep(LOOK).await;
    }
}

fn count(jobs: &[JobSummary], state: State) -> usize {
    jobs.iter().filter(|job| job.state == state).count()
}

#[expect(clippy::disallowed_methods, reason = "how long to test is the tester's choice")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[expect(
    clippy::print_stderr,
    reason = "what happened is what one wants to know of a test that takes minutes"
)]
fn say(line: &str) {
    eprintln!("soak: {line}");
}
