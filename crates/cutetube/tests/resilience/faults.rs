//! Programs that do not do what they should, and a store that is full: a sentence, and never a stuck video.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use testbed::Database;

use crate::{
    clip,
    platform::{Platform, Role},
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
    let Some(mount) = small_file_system(storage.path().to_str().unwrap()) else {
        #[expect(clippy::print_stderr, reason = "a test that could not be made says so")]
        let () = eprintln!("no file system can be mounted here, and so none can be full");
        return;
    };
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

const STORE_BYTES: u64 = 16 << 20;
/// What is left beside the source: less than its renditions need.
const ROOM_BYTES: u64 = 128 << 10;

/// The program in a mount namespace of its own with a small file system at `path`; `None` where that is not allowed.
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
    let arguments = ways.iter().find(allowed)?;
    let mut command = namespace(arguments);
    command.arg(clip::program().get_program());
    Some(command)
}
