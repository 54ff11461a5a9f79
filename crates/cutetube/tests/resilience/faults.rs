//! Programs that do not do what they should, a machine that runs out of what it has: a retry or a sentence, and never a
//! stuck video.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use jobs::{JobSummary, State};
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;
use testbed::{Database, S3Bucket};

use crate::{
    clip,
    platform::{Platform, Process, Role, count, until},
};

/// Writes to every pipe that it is told to write to.
const GARBAGE: &str = r#"for argument; do case $argument in
    pipe:0) ;;
    pipe:*) echo "this is no video" >"/dev/fd/${argument#pipe:}" ;;
esac; done"#;

/// A video whose ffmpeg is this script ends failed, with a sentence. With the real ffmpeg it can be
/// processed after all.
async fn check(name: &str, script: Option<&str>) {
    let folder = TempDir::new().unwrap();
    let ffmpeg = folder.path().join("ffmpeg");
    if let Some(script) = script {
        fs::write(&ffmpeg, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&ffmpeg, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let settings = [
        ("CUTETUBE_WORKERS__FFMPEG", ffmpeg.to_str().unwrap().to_owned()),
        // A script needs its shell, which the sandbox does not allow.
        ("CUTETUBE_WORKERS__SANDBOX", "off".to_owned()),
        ("CUTETUBE_WORKERS__STALL_SECONDS", "1".to_owned()),
    ];
    let mut platform = Platform::with(Database::sqlite(), &settings).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    let seen = platform.ended(&process, &video).await;
    let error = seen.json["error"].as_str().unwrap();
    let sentence = ["picture", "sound"].iter().any(|what| {
        error.starts_with(&format!("The video could not be processed: encoding the {what} failed 5 times."))
    });
    assert!(sentence, "{name}: {error}");
    platform.until_idle().await;
    process.stop().await;

    platform.unset("CUTETUBE_WORKERS__FFMPEG");
    let process = platform.start().await;
    let retry = platform.ask(&process, Method::POST, &format!("/api/v5/videos/{video}/retry")).await;
    assert_eq!(retry, StatusCode::ACCEPTED);
    platform.check_ready(&process, &video).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ffmpeg_that_fails_never_leaves_a_video_stuck() {
    tokio::join!(
        check("missing", None),
        check("hangs", Some("exec sleep 1000")),
        check("fails", Some("echo 'out of luck' >&2; exit 1")),
        check("writes garbage", Some(GARBAGE)),
    );
}

/// Uploads go on being refused or taken, and a video that met the full store can be tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_fails_what_does_not_fit_and_nothing_else() {
    let storage = TempDir::new().unwrap();
    let Some(mount) = small_file_system(storage.path().to_str().unwrap()) else { return };
    let url = format!("file://{}", storage.path().display());
    let mut platform = Platform::with(Database::sqlite(), &[("CUTETUBE_STORAGE__URL", url)]).await;
    let mut process = platform.start_through(Role::All, mount).await;
    // The mount is the server's own; from here it is seen through the server.
    let store = format!("/proc/{}/root{}", process.id(), storage.path().display());
    let source = u64::try_from(clip::file().len()).unwrap();
    let ballast = usize::try_from(STORE_BYTES - source - ROOM_BYTES).unwrap();
    fs::write(format!("{store}/ballast"), vec![0; ballast]).unwrap();

    let video = platform.upload(&process).await;
    let seen = platform.ended(&process, &video).await;
    assert_eq!(seen.state, "failed", "{}", seen.json);
    assert!(platform.logged("there is no space left for"));
    assert!(process.is_running());
    assert_eq!(platform.ask(&process, Method::GET, "/healthz").await, StatusCode::OK);

    fs::remove_file(format!("{store}/ballast")).unwrap();
    let retry = platform.ask(&process, Method::POST, &format!("/api/v5/videos/{video}/retry")).await;
    assert_eq!(retry, StatusCode::ACCEPTED);
    platform.check_ready_in(&process, &video, store.as_ref()).await;
    process.stop().await;
}

/// An ffmpeg that somebody stops, that the kernel kills, or that gets no memory: its job is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ffmpeg_that_is_hurt_is_replaced() {
    let stall = ("CUTETUBE_WORKERS__STALL_SECONDS", "1".to_owned());
    let slots = ("CUTETUBE_WORKERS__SLOTS", "1".to_owned());
    let mut platform = Platform::with(Database::sqlite(), &[stall, slots]).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    let group = catalog::work::group(video.parse().unwrap());
    let small = MemoryGroup::make();
    let exhaust = |program| small.as_ref().is_some_and(|group| group.take(program));
    let kernel = small.as_ref().map(|_| &exhaust as &dyn Fn(u32) -> bool);
    // What may end well all the same comes last.
    let hurts = [Some(&freeze as &dyn Fn(u32) -> bool), Some(&kill), kernel, Some(&starve)];
    for (number, hurt) in hurts.into_iter().flatten().enumerate() {
        // Again and again: one that has all the memory it needs ends well without more, and then there may be no other.
        let replaced = |jobs: &[JobSummary]| {
            let failed =
                jobs.iter().map(|job| usize::try_from(job.failures).unwrap()).sum::<usize>() > number;
            if !failed && count(jobs, "encode", State::Running) > 0 {
                process.children().into_iter().for_each(|program| _ = hurt(program));
            }
            let encodes = jobs.iter().filter(|job| job.kind == "encode");
            let last = number + 1 == hurts.iter().flatten().count();
            failed || (last && encodes.clone().all(|job| job.state == State::Done))
        };
        platform.until(&video, replaced).await;
    }
    platform.check_ready(&process, &video).await;
    for job in jobs::group(&platform.db, &group).await.unwrap() {
        assert_eq!(job.state, State::Done, "{job:?}");
    }
    process.stop().await;
}

fn freeze(program: u32) -> bool {
    signal(program, Signal::STOP)
}

/// As the kernel does when a machine has no memory left.
fn kill(program: u32) -> bool {
    signal(program, Signal::KILL)
}

/// A container of the kernel's (cgroup, first or second version) whose programs are killed when they want more memory.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// `None`, and a word about it, where nobody may make one.
    fn make() -> Option<Self> {
        let name = format!("cutetube-test-{}", std::process::id());
        let versions = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        let made = versions.into_iter().find_map(|(root, limit)| {
            let group = Self(Path::new(root).join(&name));
            fs::create_dir(&group.0).ok()?;
            fs::write(group.0.join(limit), (1 << 20).to_string()).ok()?;
            Some(group)
        });
        if made.is_none() {
            #[expect(clippy::print_stderr, reason = "a test that could not be made says so")]
            let () = eprintln!("no memory group can be made here, and so none can be full");
        }
        made
    }

    fn take(&self, program: u32) -> bool {
        fs::write(self.0.join("cgroup.procs"), program.to_string()).is_ok()
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // One that still has programs in it stays, and is empty when they have ended.
        let _ = fs::remove_dir(&self.0);
    }
}

/// As in a machine or a container without memory to spare.
fn starve(program: u32) -> bool {
    limit(program, Resource::As, 1 << 20)
}

fn signal(process: u32, signal: Signal) -> bool {
    kill_process(Pid::from_raw(process.try_into().unwrap()).unwrap(), signal).is_ok()
}

fn limit(process: u32, resource: Resource, to: u64) -> bool {
    let process = Pid::from_raw(process.try_into().unwrap());
    let Rlimit { maximum, .. } = getrlimit(resource);
    prlimit(process, resource, Rlimit { current: Some(to), maximum }).is_ok()
}

/// A server that may not open another file refuses or waits, and goes on by itself as soon as it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_descriptors_goes_on_when_it_has_some() {
    let mut platform = Platform::new(Database::sqlite()).await;
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    platform.until(&video, |jobs| count(jobs, "encode", State::Running) > 0).await;
    assert!(limit(process.id(), Resource::Nofile, 8), "the limit can be set");
    until(|| platform.logged("Too many open files")).await;
    assert!(limit(process.id(), Resource::Nofile, 1024));
    platform.check_ready(&process, &video).await;
    assert_eq!(platform.ask(&process, Method::GET, "/readyz").await, StatusCode::OK);
    process.stop().await;
}

/// A server that only serves, and a worker beside it that encodes.
struct Apart {
    platform: Platform,
    web: Process,
    worker: Process,
    video: String,
}

impl Apart {
    async fn encoding() -> Self {
        let mut platform = Platform::new(Database::sqlite()).await;
        let web = platform.start_as(Role::Web).await;
        let worker = platform.start_as(Role::Worker).await;
        let video = platform.upload(&web).await;
        platform.until(&video, |jobs| count(jobs, "encode", State::Running) > 0).await;
        Self { platform, web, worker, video }
    }
}

/// The same for a server that only serves: nobody is let in for a while, and the workers beside it do not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_server_without_descriptors_lets_people_in_again() {
    let Apart { platform, web, worker, video } = Apart::encoding().await;
    assert!(limit(web.id(), Resource::Nofile, 8), "the limit can be set");
    // Somebody new, who has no connection yet.
    let visitor = tokio::spawn(reqwest::Client::new().get(format!("{}/healthz", web.url)).send());
    until(|| platform.logged("a connection was not accepted")).await;
    platform.until(&video, |jobs| count(jobs, "publish", State::Done) > 0).await;
    assert!(limit(web.id(), Resource::Nofile, 1024));
    assert_eq!(visitor.await.unwrap().unwrap().status(), StatusCode::OK, "whoever waited is answered");
    platform.check_ready(&web, &video).await;
    worker.stop().await;
    web.stop().await;
}

/// And for one that only works: what it cannot start is tried again, and no attempt of the video is lost for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_descriptors_goes_on_when_it_has_some() {
    let Apart { platform, web, worker, video } = Apart::encoding().await;
    assert!(limit(worker.id(), Resource::Nofile, 8), "the limit can be set");
    until(|| platform.logged("Too many open files")).await;
    assert_eq!(
        platform.ask(&web, Method::GET, "/readyz").await,
        StatusCode::OK,
        "the server does not notice"
    );
    assert!(limit(worker.id(), Resource::Nofile, 1024));
    platform.check_ready(&web, &video).await;
    worker.stop().await;
    web.stop().await;
}

/// A video that has to be rewritten is copied to the folder of temporary files first, where there may be no room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_folder_of_temporary_files_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let temporary = folder.path().to_str().unwrap();
    let Some(mount) = small_file_system(temporary) else { return };
    let bucket = S3Bucket::shared();
    let settings: Vec<_> =
        bucket.environment().into_iter().chain([("TMPDIR", temporary.to_owned())]).collect();
    let mut platform = Platform::with(Database::sqlite(), &settings).await;
    let process = platform.start_through(Role::All, mount).await;
    let ballast = format!("/proc/{}/root{temporary}/ballast", process.id());
    // It ends when there is no byte left.
    fs::write(&ballast, vec![0; usize::try_from(2 * STORE_BYTES).unwrap()]).unwrap_err();

    let video = platform.upload_file(&process, clip::to_be_rewritten()).await;
    until(|| platform.logged("there is no space left for `a temporary copy of")).await;
    assert_ne!(platform.see(&process, &video).await.state, "failed", "it is put off, and not given up");
    fs::remove_file(&ballast).unwrap();
    let seen = platform.ended(&process, &video).await;
    assert_eq!(seen.state, "ready", "{}", seen.json);
    process.stop().await;
}

/// SQLite's own disk is full: nothing is lost, people are told, and work goes on by itself when there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_database_is_waited_for() {
    let disk = TempDir::new().unwrap();
    let Some(mount) = small_file_system(disk.path().to_str().unwrap()) else { return };
    // Seen by the server alone, whose mount it is; the platform's own database stays empty.
    let url = format!("sqlite://{}/cutetube.db", disk.path().display());
    let mut platform = Platform::with(Database::sqlite(), &[("CUTETUBE_DATABASE__URL", url)]).await;
    let process = platform.start_through(Role::All, mount).await;
    let ballast = format!("/proc/{}/root{}/ballast", process.id(), disk.path().display());
    let video = platform.upload(&process).await;
    // It ends when there is no byte left.
    let full = fs::write(&ballast, vec![0; usize::try_from(STORE_BYTES).unwrap()]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    until(|| platform.logged("the disk of the database is full")).await;
    assert_eq!(platform.ask(&process, Method::GET, "/healthz").await, StatusCode::OK);
    assert_eq!(
        platform.ask(&process, Method::DELETE, &format!("/api/v5/videos/{video}")).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    fs::remove_file(&ballast).unwrap();
    let seen = platform.ended(&process, &video).await;
    assert_eq!(seen.state, "ready", "{}", seen.json);
    process.stop().await;
}

const STORE_BYTES: u64 = 16 << 20;
/// What is left beside the source: less than its renditions need.
const ROOM_BYTES: u64 = 128 << 10;

/// The program in a mount namespace of its own with a small file system at `path`; `None`, and a word about it, where that
/// is not allowed.
fn small_file_system(path: &str) -> Option<Command> {
    let script = format!(r#"mount -t tmpfs -o size={STORE_BYTES} tmpfs "$0" && exec "$@""#);
    let namespace = |arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "a server with a file system of its own")]
        let mut command = Command::new("unshare");
        command.args(arguments).args(["sh", "-c", &script, path]);
        command
    };
    let allowed = |arguments: &&&[&str]| {
        let tried = namespace(arguments).arg("true").output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--user", "--map-root-user"]];
    let Some(arguments) = ways.iter().find(allowed) else {
        #[expect(clippy::print_stderr, reason = "a test that could not be made says so")]
        let () = eprintln!("no file system can be mounted here, and so none can be full");
        return None;
    };
    let mut command = namespace(arguments);
    command.arg(clip::program().get_program());
    Some(command)
}
