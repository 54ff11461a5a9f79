//! What the tests share: a toolchain, runs to the end, clips.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use tokio_util::sync::CancellationToken;
use transcode::process::{Ended, Fed, Invocation, OutputPipes, Patience, ProcessError, Stdin, spawn};
use transcode::sandbox::{Confinement, Limits, Priority, SandboxMode, StdinAccess};
use transcode::toolchain::{Program, Toolchain};

/// An asynchronous test.
pub(crate) fn trial<F: Future<Output = ()> + 'static>(
    name: impl Into<String>,
    body: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outcome =
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), body()).await });
        Ok(outcome?)
    })
}

/// The real programs.
pub(crate) fn toolchain(sandbox: SandboxMode) -> Toolchain {
    #[expect(clippy::disallowed_methods, reason = "a test is a shell of its own")]
    let path = std::env::var_os("PATH").expect("`PATH` is set");
    Toolchain::locate(&path, sandbox).expect("ffmpeg is installed")
}

/// Another program in ffmpeg's place.
pub(crate) fn instead_of_ffmpeg(program: &str, sandbox: SandboxMode) -> Toolchain {
    Toolchain {
        ffmpeg: program.into(),
        ffprobe: program.into(),
        helper: Toolchain::THIS_BINARY.into(),
        sandbox,
    }
}

pub(crate) fn confinement(sandbox: SandboxMode) -> Confinement {
    Confinement {
        mode: sandbox,
        priority: Priority::Interactive,
        stdin: StdinAccess::Stream,
        limits: Limits::for_pictures(1920 * 1080, 2),
    }
}

pub(crate) const PATIENCE: Patience =
    Patience { stall: Duration::from_secs(30), silence: Duration::from_secs(60) };

pub(crate) fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// Runs ffmpeg's stand-in of `toolchain` to its end: what it wrote to standard output, and how it ended.
pub(crate) async fn run(
    toolchain: &Toolchain,
    arguments: &[&str],
    input: Input<'_>,
) -> Result<(Vec<u8>, Ended), ProcessError> {
    let stdin = match input {
        Input::Bytes(_) => Stdin::Feed,
        Input::File(path) => Stdin::File(File::open(path).expect("the file exists")),
    };
    let invocation = Invocation {
        toolchain,
        program: Program::Ffmpeg,
        arguments: words(arguments),
        confinement: confinement(toolchain.sandbox),
        stdin,
        outputs: OutputPipes::standard_output().expect("a pipe"),
    };
    let mut child = spawn(invocation).await?;
    let pipe = child.take_input();
    let mut output = child.take_outputs().remove(0);
    let cancel = CancellationToken::new();
    let feed = async {
        if let (Some(mut pipe), Input::Bytes(bytes)) = (pipe, input) {
            let (Fed::Taken | Fed::Closed) =
                pipe.write(bytes).await.expect("a pipe takes bytes or is closed");
        }
    };
    let read = async {
        let mut written = Vec::new();
        while let Some(bytes) = output.read().await.expect("a pipe is readable") {
            written.extend_from_slice(bytes);
        }
        written
    };
    let ((), written, ended) = tokio::join!(feed, read, child.wait(PATIENCE, &cancel));
    Ok((written, ended?))
}

/// What a program finds on standard input.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
}

impl Input<'_> {
    pub(crate) const NONE: Self = Self::Bytes(b"");
}

/// Makes a file with ffmpeg, outside of the sandbox.
pub(crate) fn ffmpeg(arguments: &[&str], output: &Path) {
    #[expect(clippy::disallowed_methods, reason = "a test's own clips are made directly")]
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments)
        .arg(output)
        .output()
        .expect("ffmpeg is installed");
    assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
}

/// What ffmpeg writes to standard output, outside of the sandbox.
pub(crate) fn ffmpeg_output(arguments: &[&str]) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "a second opinion comes from ffmpeg itself")]
    let run = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments)
        .arg("pipe:1")
        .output()
        .expect("ffmpeg is installed");
    assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

/// Presentation times of the shown video frames as plain ffprobe reports them, in ticks.
pub(crate) fn ffprobe_times(path: &Path) -> Vec<i64> {
    #[expect(clippy::disallowed_methods, reason = "a second opinion comes from ffprobe itself")]
    let run = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    let text = String::from_utf8(run.stdout).expect("text");
    // Side data of a frame leaves commas and empty lines behind.
    let times = text.lines().map(|line| line.trim_end_matches(',')).filter(|line| !line.is_empty());
    times.map(|time| time.parse().expect("a time in ticks")).collect()
}
