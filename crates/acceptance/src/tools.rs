//! The programs this crate starts, each with a deadline: ffmpeg, ffprobe and `cutetube` itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// What a program did.
#[derive(Debug)]
pub struct Outcome {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of it.
    pub stdout: Vec<u8>,
    /// All of it, invalid UTF-8 replaced.
    pub stderr: String,
}

/// How long `ffmpeg` and `ffprobe` may take on clips of a few seconds.
const MEDIA_TOOL_DEADLINE: Duration = Duration::from_secs(120);
/// What `timeout` exits with when the time is over.
const TIMED_OUT: i32 = 124;

/// Runs the program under test. `memory_kib` limits what each of its processes may allocate (`RLIMIT_DATA`), so
/// that a process which believes a declared size fails instead of slowing the machine down.
pub fn cutetube(
    args: &[&OsStr],
    directory: &Path,
    deadline: Duration,
    memory_kib: Option<u64>,
) -> Result<Outcome> {
    let binary = cutetube_binary()?;
    let limit = memory_kib.map_or("unlimited".to_owned(), |kib| kib.to_string());
    let script = format!("ulimit -S -d {limit}; exec \"$@\"");
    let seconds = deadline.as_secs().to_string();
    let mut all: Vec<&OsStr> = ["--kill-after=5", &seconds, "sh", "-c", &script, "sh"].map(OsStr::new).into();
    all.push(binary.as_os_str());
    all.extend(args);
    run("timeout", &all, directory)
}

/// Runs ffmpeg with errors only on stderr; the outcome is the caller's to judge.
pub fn ffmpeg<S: AsRef<OsStr>>(args: &[S], directory: &Path) -> Result<Outcome> {
    media_tool("ffmpeg", &["-hide_banner", "-nostdin", "-y", "-v", "error"], args, directory)
}

/// Runs ffmpeg, and whatever it says on stderr is an error.
pub fn ffmpeg_quiet<S: AsRef<OsStr>>(args: &[S], directory: &Path) -> Result<Vec<u8>> {
    let outcome = ffmpeg(args, directory)?;
    ensure!(outcome.code == Some(0), "ffmpeg exited with {:?}: {}", outcome.code, outcome.stderr.trim());
    ensure!(outcome.stderr.trim().is_empty(), "ffmpeg complained: {}", outcome.stderr.trim());
    Ok(outcome.stdout)
}

/// Runs ffprobe with `-of json`.
pub fn ffprobe<S: AsRef<OsStr>>(args: &[S], directory: &Path) -> Result<(serde_json::Value, String)> {
    let outcome = media_tool("ffprobe", &["-hide_banner", "-v", "error", "-of", "json"], args, directory)?;
    ensure!(outcome.code == Some(0), "ffprobe exited with {:?}: {}", outcome.code, outcome.stderr.trim());
    Ok((serde_json::from_slice(&outcome.stdout).context("ffprobe's JSON")?, outcome.stderr))
}

fn media_tool<S: AsRef<OsStr>>(
    program: &str,
    fixed: &[&str],
    args: &[S],
    directory: &Path,
) -> Result<Outcome> {
    let seconds = MEDIA_TOOL_DEADLINE.as_secs().to_string();
    let mut all: Vec<&OsStr> = vec![OsStr::new(&seconds), OsStr::new(program)];
    all.extend(fixed.iter().map(OsStr::new));
    all.extend(args.iter().map(AsRef::as_ref));
    run("timeout", &all, directory)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the product starts processes in `transcode`; this is its judge"
)]
fn run(program: &str, args: &[&OsStr], directory: &Path) -> Result<Outcome> {
    let mut command = Command::new(program);
    // The program reads its configuration from variables of this name: the caller's must not reach it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CUTETUBE_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(args)
        .current_dir(directory)
        .output()
        .with_context(|| format!("cannot start `{program}`"))?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(TIMED_OUT) {
        bail!("{args:?} was still running after its deadline; stderr: {}", stderr.trim());
    }
    Ok(Outcome { code: output.status.code(), stdout: output.stdout, stderr })
}

/// `CUTETUBE_BIN` where it is set (`make test` does), else a fresh build of the workspace's binary.
#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
fn cutetube_binary() -> Result<&'static Path> {
    static BINARY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let found = BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("CUTETUBE_BIN") {
            return Ok(PathBuf::from(path));
        }
        // The test executable lies in `target/PROFILE/deps`, the program in `target/PROFILE`.
        let test = std::env::current_exe().map_err(|error| error.to_string())?;
        let directory = test.parent().and_then(Path::parent).ok_or("no target folder")?;
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "cutetube", "--bin", "cutetube"])
            .status()
            .map_err(|error| error.to_string())?;
        let binary = directory.join("cutetube");
        if built.success() && binary.is_file() {
            Ok(binary)
        } else {
            Err(format!("`cargo build -p cutetube` did not make {}", binary.display()))
        }
    });
    found.as_deref().map_err(|reason| anyhow::anyhow!("{reason}"))
}
