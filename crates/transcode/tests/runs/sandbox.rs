//! What a program in the sandbox cannot do.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use libtest_mimic::Trial;
use rustix::io::FdFlags;
use transcode::process::ProcessError;
use transcode::sandbox::{SandboxMode, status};

use crate::support::{Input, ffmpeg, instead_of_ffmpeg, run, toolchain, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("sandbox::status_tells_what_works_here", status_tells_what_works_here),
        trial("sandbox::files_cannot_be_read", files_cannot_be_read),
        trial("sandbox::files_cannot_be_written", files_cannot_be_written),
        trial("sandbox::the_environment_is_empty", the_environment_is_empty),
        trial("sandbox::nothing_can_be_started", nothing_can_be_started),
        trial("sandbox::sockets_cannot_be_made", sockets_cannot_be_made),
        trial("sandbox::descriptors_do_not_leak", descriptors_do_not_leak),
        trial("sandbox::only_the_file_on_stdin_is_readable", only_the_file_on_stdin_is_readable),
        trial("sandbox::crafted_files_get_nothing", crafted_files_get_nothing),
        trial("sandbox::limits_hold", limits_hold),
        trial("sandbox::a_child_without_its_parent_is_refused", a_child_without_its_parent_is_refused),
    ]
}

/// The tests that expect a refusal need a kernel that can refuse: every supported one can.
async fn status_tells_what_works_here() {
    let status = status();
    assert!(status.is_complete(), "{status}");
    assert!(status.to_string().ends_with("seccomp: active"), "{status}");
    // The probe bound a thread that has ended, and nothing else.
    fs::read("/etc/hostname").expect("this process may still read files");
}

/// What `sh -c script` prints in the sandbox, and its standard error.
async fn shell(script: &str, mode: SandboxMode) -> (String, String) {
    let shell = instead_of_ffmpeg("/bin/bash", mode);
    let (written, ended) = run(&shell, &["-c", script], Input::NONE).await.expect("it runs");
    (String::from_utf8(written).expect("text"), ended.stderr)
}

async fn files_cannot_be_read() {
    let server = std::process::id();
    let secrets = ["/etc/passwd", "/etc/ssl/openssl.cnf", "/proc/self/environ", "/proc/cpuinfo", "/dev/zero"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("/proc/{server}/environ"), format!("/proc/{server}/maps")]);
    for secret in secrets {
        let (written, stderr) = cat(&secret, Input::NONE, SandboxMode::Require).await;
        assert_eq!(written, "", "{secret}");
        assert!(stderr.contains("Permission denied"), "{secret}: {stderr}");
    }
    assert!(cat("/etc/passwd", Input::NONE, SandboxMode::Off).await.0.starts_with("root:"));
}

/// What `cat path` prints in the sandbox, and its standard error.
async fn cat(path: &str, input: Input<'_>, mode: SandboxMode) -> (String, String) {
    let cat = instead_of_ffmpeg("/bin/cat", mode);
    let (written, ended) = run(&cat, &[path], input).await.expect("it runs");
    (String::from_utf8_lossy(&written).into_owned(), ended.stderr)
}

async fn files_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("written");
    let (_, stderr) = shell(&format!("echo x > {}", file.display()), SandboxMode::Require).await;
    assert!(!stderr.is_empty());
    assert!(!file.exists());
    // Without the kernel's help a file can be made, but not filled: the size limit is 0.
    shell(&format!("echo x > {}", file.display()), SandboxMode::Off).await;
    assert_eq!(fs::metadata(&file).expect("it exists").len(), 0);
}

async fn the_environment_is_empty() {
    let (written, _) =
        shell("echo \"$LC_ALL|$PATH_INFO|$HOME|$CARGO_MANIFEST_DIR|$PWD\"", SandboxMode::Require).await;
    assert_eq!(written, "C||||/\n");
}

async fn nothing_can_be_started() {
    let (written, _) = shell("/bin/echo started", SandboxMode::Off).await;
    assert_eq!(written, "started\n");
    let (written, stderr) = shell("(echo forked); /bin/echo started", SandboxMode::Require).await;
    assert_eq!(written, "");
    assert!(stderr.contains("fork"), "{stderr}");
    // Becoming another program is no way out either.
    let (written, _) = shell("exec /bin/echo replaced", SandboxMode::Require).await;
    assert_eq!(written, "");
}

async fn sockets_cannot_be_made() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    server.set_nonblocking(true).expect("non-blocking");
    let connect = format!("exec 9<>/dev/tcp/127.0.0.1/{port} && echo connected");
    assert_eq!(shell(&connect, SandboxMode::Off).await.0, "connected\n");
    server.accept().expect("the connection without a sandbox");
    assert_eq!(shell(&connect, SandboxMode::Require).await.0, "");
    assert!(server.accept().is_err(), "nobody came");
}

/// Descriptors of the server that anything made inheritable stop at the helper.
async fn descriptors_do_not_leak() {
    let secret = fs::File::open("/etc/passwd").expect("it exists");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::io::fcntl_setfd(&secret, FdFlags::empty()).expect("inheritable");
    rustix::io::fcntl_setfd(&socket, FdFlags::empty()).expect("inheritable");
    for mode in [SandboxMode::Off, SandboxMode::Require] {
        let (written, _) = shell(
            "for fd in {3..400}; do [ -e /proc/self/fd/$fd ] && [ $fd != 255 ] && echo $fd; done",
            mode,
        )
        .await;
        assert_eq!(written, "", "{mode:?}");
    }
}

async fn only_the_file_on_stdin_is_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let (given, neighbour) = (folder.path().join("given"), folder.path().join("neighbour"));
    fs::write(&given, "given\n").expect("a file");
    fs::write(&neighbour, "neighbour\n").expect("a file");
    let given_file = Input::File(&given);
    let (written, stderr) = cat("/proc/self/fd/0", given_file, SandboxMode::Require).await;
    assert_eq!(written, "given\n", "{stderr}");
    let (written, _) = cat(&neighbour.display().to_string(), given_file, SandboxMode::Require).await;
    assert_eq!(written, "");
    let shell = instead_of_ffmpeg("/bin/bash", SandboxMode::Require);
    run(&shell, &["-c", "echo x > /proc/self/fd/0"], given_file).await.expect("it runs");
    assert_eq!(fs::read(&given).expect("still there"), b"given\n");
}

/// Playlists that name another user's video. With everything allowed on the command line they show its pictures;
/// the sandbox alone has to stop them.
async fn crafted_files_get_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret.ts");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=5:duration=1", "-c:v", "mpeg2video"], &secret);
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/secret.ts", server.local_addr().expect("an address"));
    server.set_nonblocking(true).expect("non-blocking");

    for (name, text) in crafted_files(&secret.display().to_string()) {
        let file = folder.path().join("upload.mp4");
        fs::write(&file, text).expect("a file");
        let open = decode(&file, SandboxMode::Off).await;
        // This shows that the file would work; the DASH demuxer is not in every build.
        assert!(open > 0 || name == "dash", "{name}: the crafted file is harmless");
        assert_eq!(decode(&file, SandboxMode::Require).await, 0, "{name}: it read its neighbour");
    }
    for (name, text) in crafted_files(&url) {
        let file = folder.path().join("upload.mp4");
        fs::write(&file, text).expect("a file");
        assert_eq!(decode(&file, SandboxMode::Require).await, 0, "{name}");
        assert!(server.accept().is_err(), "{name}: it reached the network");
    }
}

/// Files that make ffmpeg open `target`.
pub(crate) fn crafted_files(target: &str) -> [(&'static str, String); 3] {
    [
        ("hls", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n")),
        ("concat", format!("ffconcat version 1.0\nfile '{target}'\n")),
        (
            "dash",
            format!(
                "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
                 mediaPresentationDuration=\"PT1S\"><Period><AdaptationSet mimeType=\"video/mp4\">\
                 <Representation id=\"0\" bandwidth=\"1\"><BaseURL>{target}</BaseURL></Representation>\
                 </AdaptationSet></Period></MPD>"
            ),
        ),
    ]
}

/// Bytes of pictures that ffmpeg makes of `file` with every demuxer and protocol allowed.
async fn decode(file: &Path, mode: SandboxMode) -> usize {
    let arguments = [
        "-nostdin",
        "-v",
        "error",
        "-protocol_whitelist",
        "file,http,tcp,crypto,data",
        "-i",
        "/proc/self/fd/0",
        "-an",
        "-f",
        "rawvideo",
        "pipe:1",
    ];
    // HLS and concat refuse odd names unless told otherwise; each demuxer rejects the options of the other.
    let mut most = 0;
    for extra in
        [&["-allowed_extensions", "ALL", "-f", "hls"][..], &["-safe", "0", "-f", "concat"], &["-f", "dash"]]
    {
        let arguments = [extra, &arguments[..]].concat();
        let (written, _) = run(&toolchain(mode), &arguments, Input::File(file)).await.expect("it runs");
        most = most.max(written.len());
    }
    most
}

async fn limits_hold() {
    let dd = instead_of_ffmpeg("/bin/dd", SandboxMode::Off);
    let (_, ended) = run(&dd, &["if=/dev/zero", "bs=16G", "count=1"], Input::NONE).await.expect("it runs");
    assert!(ended.stderr.contains("memory exhausted"), "{}", ended.stderr);
    let (written, _) = shell("ulimit -c; ulimit -f; ulimit -n", SandboxMode::Off).await;
    assert_eq!(written, "0\n0\n256\n");
    let (written, _) = shell("ulimit -Sn 1024 || ulimit -n", SandboxMode::Require).await;
    assert_eq!(written, "256\n", "a limit cannot be raised");
}

async fn a_child_without_its_parent_is_refused() {
    #[expect(clippy::disallowed_methods, reason = "the helper is the thing under test")]
    let outcome = std::process::Command::new("/proc/self/exe")
        .args([transcode::sandbox::HELPER_COMMAND, "--ppid=1", "--", "/bin/true"])
        .output()
        .expect("it runs");
    assert_eq!(outcome.status.code(), Some(i32::from(transcode::sandbox::EXIT_NOT_CONFINED)));
    let missing = instead_of_ffmpeg("/nonexistent/ffmpeg", SandboxMode::Require);
    let error = run(&missing, &[], Input::NONE).await.expect_err("it is missing");
    assert!(matches!(error, ProcessError::NotStarted { .. }), "{error}");
    assert!(error.hint().expect("a hint").contains("install ffmpeg"));
}
