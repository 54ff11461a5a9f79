//! One program, from its start to the end of its last byte.
//!
//! [`spawn`] starts a program in the [sandbox] with pipes for what it reads and writes. The caller
//! takes the pipes and drives them **at the same time** as [`Child::wait`], for instance with `tokio::try_join!`: a
//! program stops for ever when one of its pipes is full and nobody reads it, or when it is fed to the end before it
//! is read. Dropping the future, or the child, kills the program; it is always reaped.

mod activity;
mod spawner;

use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{self, Confinement, StdinAccess};
use crate::toolchain::{Program, Toolchain};
use activity::Activity;
pub use activity::Patience;
use spawner::Reaped;

/// A program to start.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// Where the programs and the helper are.
    pub toolchain: &'a Toolchain,
    /// Which of them to run.
    pub program: Program,
    /// Its arguments. Outputs are named `pipe:N` by the numbers of `outputs`.
    pub arguments: Vec<OsString>,
    /// What it may use. [`Confinement::stdin`] is set from `stdin`.
    pub confinement: Confinement,
    /// What it reads.
    pub stdin: Stdin,
    /// What it writes.
    pub outputs: OutputPipes,
}

/// What a program finds on descriptor 0.
#[derive(Debug)]
pub enum Stdin {
    /// A pipe: see [`Child::take_input`].
    Feed,
    /// A regular file, open for reading only. The program may seek in it as `/proc/self/fd/0`.
    File(File),
}

/// Pipes that a program writes to, under the same descriptor numbers here and there.
#[derive(Debug)]
pub struct OutputPipes {
    read_ends: Vec<pipe::Receiver>,
    write_ends: Vec<OwnedFd>,
    stdout: Option<OwnedFd>,
}

impl OutputPipes {
    /// Opens `count` pipes of up to 1 MiB each. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn open(count: usize) -> io::Result<Self> {
        let mut pipes = Self { read_ends: Vec::new(), write_ends: Vec::new(), stdout: None };
        for _ in 0..count {
            let (read_end, write_end) = open_pipe()?;
            pipes.read_ends.push(pipe::Receiver::from_owned_fd(read_end)?);
            pipes.write_ends.push(write_end);
        }
        Ok(pipes)
    }

    /// Standard output alone, for programs that cannot write elsewhere. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn standard_output() -> io::Result<Self> {
        let (read_end, write_end) = open_pipe()?;
        let read_ends = vec![pipe::Receiver::from_owned_fd(read_end)?];
        Ok(Self { read_ends, write_ends: Vec::new(), stdout: Some(write_end) })
    }

    /// The N of `pipe:N`, in the order of opening.
    pub fn numbers(&self) -> Vec<RawFd> {
        self.write_ends.iter().map(AsRawFd::as_raw_fd).collect()
    }
}

/// Starts a program. It runs with `LC_ALL=C` as its whole environment, in `/`, in a process group of its own.
///
/// # Errors
/// [`ProcessError::Spawn`] when no process, pipe or thread is to be had. A missing program shows when the child ends.
pub async fn spawn(invocation: Invocation<'_>) -> Result<Child, ProcessError> {
    let Invocation { toolchain, program, arguments, mut confinement, stdin, outputs } = invocation;
    let program = toolchain.path(program).display().to_string();
    let spawn_failed = |source| ProcessError::Spawn { program: program.clone(), source };
    let OutputPipes { read_ends, write_ends, stdout } = outputs;

    let (input, stdin) = match stdin {
        Stdin::Feed => {
            let (read_end, write_end) = open_pipe().map_err(spawn_failed)?;
            confinement.stdin = StdinAccess::Stream;
            (Some(pipe::Sender::from_owned_fd(write_end).map_err(spawn_failed)?), Stdio::from(read_end))
        }
        Stdin::File(file) => {
            confinement.stdin = StdinAccess::File;
            (None, Stdio::from(file))
        }
    };
    let (stderr, stderr_write_end) = open_pipe().map_err(spawn_failed)?;
    let stderr = pipe::Receiver::from_owned_fd(stderr).map_err(spawn_failed)?;

    let keep: Vec<RawFd> = write_ends.iter().map(AsRawFd::as_raw_fd).collect();
    #[expect(clippy::disallowed_methods, reason = "this is the one place where a process is started")]
    let mut command = Command::new(&toolchain.helper);
    command
        .arg(sandbox::HELPER_COMMAND)
        .args(confinement.helper_arguments(std::process::id(), &keep))
        .arg(&program)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .process_group(0)
        .stdin(stdin)
        .stdout(stdout.map_or_else(Stdio::null, Stdio::from))
        .stderr(stderr_write_end);
    let (pid, reaped) = spawner::spawn(command, write_ends).await.map_err(spawn_failed)?;

    let activity = Arc::new(Activity::default());
    let input = input.map(|pipe| Input { pipe, activity: activity.clone() });
    let outputs = read_ends
        .into_iter()
        .map(|pipe| Output { pipe, buffer: vec![0; READ_SIZE], activity: activity.clone() })
        .collect();
    Ok(Child { program, pid, reaped, input, outputs, stderr, activity })
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    program: String,
    pid: u32,
    reaped: Reaped,
    input: Option<Input>,
    outputs: Vec<Output>,
    stderr: pipe::Receiver,
    activity: Arc<Activity>,
}

impl Child {
    /// Process id, which is also its process group's.
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// The pipe to feed; `None` when standard input is a file, or the second time.
    pub fn take_input(&mut self) -> Option<Input> {
        self.input.take()
    }

    /// The pipes to read, in the order in which they were opened; empty the second time.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Something that tells the stall detection when it is us who make the program wait.
    pub fn hold(&self) -> Hold {
        Hold(self.activity.clone())
    }

    /// Waits for the end of the program and of its standard error, and kills it when that takes too long.
    ///
    /// A program that fails by itself is no error here: whether its output counts is for the caller to decide.
    /// In every case the process is gone when this returns.
    ///
    /// # Errors
    /// [`ProcessError::Cancelled`], [`ProcessError::Stalled`], and what the helper reports when it could not start the
    /// program.
    pub async fn wait(
        mut self,
        patience: Patience,
        cancel: &CancellationToken,
    ) -> Result<Ended, ProcessError> {
        let mut tail = Tail::default();
        let verdict = {
            let ended = async { tokio::join!(self.reaped.status(), tail.fill(&mut self.stderr)).0 };
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(ProcessError::Cancelled { program: self.program.clone() }),
                status = ended => Ok(status),
                idle = self.activity.stalled(self.pid, patience) => Err(ProcessError::Stalled {
                    program: self.program.clone(),
                    idle,
                    stderr: String::new(),
                }),
            }
        };
        match verdict {
            Ok(status) => {
                let status =
                    status.map_err(|source| ProcessError::Spawn { program: self.program.clone(), source })?;
                Ended { program: self.program.clone(), status, stderr: tail.text() }.started()
            }
            Err(mut error) => {
                self.reaped.kill();
                // A process in an uninterruptible system call dies later; it is reaped then.
                let _ = tokio::time::timeout(REAP_PATIENCE, self.reaped.status()).await;
                if let ProcessError::Stalled { stderr, .. } = &mut error {
                    *stderr = tail.text();
                }
                Err(error)
            }
        }
    }
}

const REAP_PATIENCE: Duration = Duration::from_secs(5);

/// The writing end of a program's standard input. Dropping it ends the input.
#[derive(Debug)]
pub struct Input {
    pipe: pipe::Sender,
    activity: Arc<Activity>,
}

/// Whether a program still listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// It may want more.
    Taken,
    /// It has closed its input: it has all it needs, or has ended. Which of the two, its output tells.
    Closed,
}

impl Input {
    /// Writes all of `bytes`, at the pace at which the program reads.
    ///
    /// # Errors
    /// Only what is not a closed pipe.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<Fed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.pipe.write(rest).await {
                Ok(count) => {
                    self.activity.moved(count);
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Fed::Closed),
                Err(error) => return Err(error),
            }
        }
        Ok(Fed::Taken)
    }
}

/// The reading end of one of a program's outputs.
#[derive(Debug)]
pub struct Output {
    pipe: pipe::Receiver,
    buffer: Vec<u8>,
    activity: Arc<Activity>,
}

impl Output {
    /// The next bytes, or `None` at the end.
    ///
    /// # Errors
    /// Reading a pipe does not fail in ordinary life.
    pub async fn read(&mut self) -> io::Result<Option<&[u8]>> {
        let count = self.pipe.read(&mut self.buffer).await?;
        self.activity.moved(count);
        Ok(self.buffer.get(..count).filter(|bytes| !bytes.is_empty()))
    }
}

/// Marks the time in which the program waits for us, so that it is not taken for stalled.
#[derive(Debug, Clone)]
pub struct Hold(Arc<Activity>);

impl Hold {
    /// Runs `future` (the delivery of a result, the reading of a source) with the stall clock stopped.
    /// [`Patience::silence`] still bounds it.
    pub async fn during<T>(&self, future: impl Future<Output = T>) -> T {
        let _held = self.0.held();
        future.await
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    program: String,
    /// For ffmpeg, success proves nothing.
    pub status: ExitStatus,
    /// The last 8 KiB of standard error, without control characters.
    pub stderr: String,
}

impl Ended {
    /// The failure of a program whose exit status says so.
    ///
    /// # Errors
    /// [`ProcessError::LimitExceeded`] or [`ProcessError::Failed`].
    pub fn success(self) -> Result<Self, ProcessError> {
        if self.status.success() { Ok(self) } else { Err(self.into_failure()) }
    }

    /// The limit that ended it or made it fail, as far as that shows.
    pub fn exceeded(&self) -> Option<&'static str> {
        match self.status.signal() {
            Some(libc::SIGXCPU) => Some("processor time"),
            Some(libc::SIGXFSZ) => Some("written files"),
            _ if self.stderr.contains("Cannot allocate memory") => Some("memory"),
            _ => None,
        }
    }

    /// An error for an output that is not what was asked for, whatever the exit status says.
    pub fn into_failure(self) -> ProcessError {
        let limit = self.exceeded();
        let Self { program, status, stderr } = self;
        match limit {
            Some(limit) => ProcessError::LimitExceeded { program, limit, stderr },
            None => ProcessError::Failed { program, status, stderr },
        }
    }

    /// Tells a failure of the helper from one of the program.
    fn started(self) -> Result<Self, ProcessError> {
        let code = self.status.code().and_then(|code| u8::try_from(code).ok());
        let reason = self.stderr.lines().rev().find_map(|line| line.strip_prefix(sandbox::HELPER_COMMAND));
        let Some(reason) = reason.map(|reason| reason.trim_start_matches([':', ' ']).to_owned()) else {
            return Ok(self);
        };
        match code {
            Some(sandbox::EXIT_NOT_CONFINED) => {
                Err(ProcessError::NotConfined { program: self.program, reason })
            }
            Some(sandbox::EXIT_NOT_FOUND) => Err(ProcessError::NotStarted { program: self.program, reason }),
            _ => Ok(self),
        }
    }
}

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The helper could not be started.
    #[error("could not start a process for `{program}`")]
    Spawn {
        /// Path of the program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The program is missing, or is not one.
    #[error("`{program}` could not be started: {reason}")]
    NotStarted {
        /// Path of the program.
        program: String,
        /// What the helper said.
        reason: String,
    },
    /// The sandbox could not be built.
    #[error("`{program}` was not started because it could not be confined: {reason}")]
    NotConfined {
        /// Path of the program.
        program: String,
        /// What the helper said.
        reason: String,
    },
    /// It did nothing for too long and was killed.
    #[error("`{program}` did nothing for {} s and was stopped", .idle.as_secs())]
    Stalled {
        /// Path of the program.
        program: String,
        /// For how long.
        idle: Duration,
        /// End of its standard error.
        stderr: String,
    },
    /// Somebody asked for it to be stopped.
    #[error("`{program}` was stopped on request")]
    Cancelled {
        /// Path of the program.
        program: String,
    },
    /// It wanted more than it may have.
    #[error("`{program}` went over its limit of {limit}")]
    LimitExceeded {
        /// Path of the program.
        program: String,
        /// Of what.
        limit: &'static str,
        /// End of its standard error.
        stderr: String,
    },
    /// It ended without doing its work.
    #[error("`{program}` ended with {status}: {}", last_line(.stderr))]
    Failed {
        /// Path of the program.
        program: String,
        /// Exit code or signal. It may be success.
        status: ExitStatus,
        /// End of its standard error.
        stderr: String,
    },
    /// A pipe failed.
    #[error("the pipes of `{program}` failed")]
    Pipe {
        /// Path of the program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ProcessError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotStarted { .. } => Some(crate::toolchain::MissingProgram::HINT),
            Self::NotConfined { .. } => {
                Some("use a kernel with Landlock, or set `sandbox` to `best-effort` to go on without it")
            }
            _ => None,
        }
    }

    /// The end of the program's standard error, where there is one.
    pub fn stderr(&self) -> Option<&str> {
        match self {
            Self::Stalled { stderr, .. }
            | Self::LimitExceeded { stderr, .. }
            | Self::Failed { stderr, .. } => Some(stderr),
            _ => None,
        }
    }
}

fn last_line(stderr: &str) -> &str {
    stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing")
}

/// Enough for one line of reasons and the lines before it.
const TAIL_SIZE: usize = 8 * 1024;
const READ_SIZE: usize = 256 * 1024;
const PIPE_SIZE: usize = 1 << 20;

/// The last bytes of a stream of any length.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    async fn fill(&mut self, stream: &mut pipe::Receiver) {
        let mut buffer = [0; 4096];
        // A failing pipe only costs us the rest of the text.
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            self.push(buffer.get(..count).unwrap_or_default());
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let excess = self.bytes.len().saturating_sub(TAIL_SIZE);
        self.bytes.drain(..excess);
    }

    /// What a file makes ffmpeg print may hold anything; a log line may not.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes)
            .replace('\r', "\n")
            .chars()
            .filter(|c| *c == '\n' || !c.is_control())
            .collect()
    }
}

/// A close-on-exec pipe, as large as an unprivileged process may have it: fewer switches between us and the program.
fn open_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC)?;
    // The system's default of 64 KiB does as well, only slower.
    let _ = fcntl_setpipe_size(&write_end, PIPE_SIZE);
    Ok((read_end, write_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_end() {
        let mut tail = Tail::default();
        for line in 0..10_000 {
            tail.push(format!("line {line}\n").as_bytes());
        }
        let text = tail.text();
        assert!(text.ends_with("line 9998\nline 9999\n"));
        assert!(text.len() <= TAIL_SIZE);
    }

    #[test]
    fn the_tail_is_safe_to_log() {
        let mut tail = Tail::default();
        tail.push(b"\x1b[31mtitle\x07: \xff\rnext\n");
        assert_eq!(tail.text(), "[31mtitle: \u{fffd}\nnext\n");
    }

    #[test]
    fn an_error_shows_the_last_line() {
        assert_eq!(last_line("a\nb\n\n"), "b");
        assert_eq!(last_line("\n"), "it said nothing");
    }
}
