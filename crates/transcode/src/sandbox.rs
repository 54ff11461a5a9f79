//! The cage around ffmpeg: what a child may reach, and the helper that locks it before the program starts.
//!
//! The server never starts ffmpeg itself. It starts its own binary again as
//! `/proc/self/exe __sandbox-exec OPTIONS -- PROGRAM ARGUMENTS…`; that helper ties its life to the server's, closes
//! every descriptor it was not told to keep, sets resource limits, gives up privileges for good, restricts itself
//! with Landlock and seccomp, and then becomes the program. All of it happens in a process of its own, in safe code.
//!
//! A binary that uses this crate calls [`exec_main`] first thing in `main` when its first argument is
//! [`HELPER_COMMAND`].
//!
//! What is left to a program in the cage: the descriptors it was handed, reading the program file and the shared
//! libraries, `stat`, memory and threads up to its limits. No other file, no socket, no other process.

mod helper;
mod paths;
mod syscalls;

use std::ffi::OsString;
use std::fmt;
use std::os::fd::RawFd;

pub use helper::{EXIT_NOT_CONFINED, EXIT_NOT_FOUND, exec_main};
pub use paths::Landlock;

/// First argument of the helper: `BINARY __sandbox-exec OPTIONS -- PROGRAM ARGUMENTS…`.
pub const HELPER_COMMAND: &str = "__sandbox-exec";

/// How much of the cage must hold. The rest of the recipe (descriptors, limits, parent-death signal, a closed
/// environment, format and protocol whitelists) applies in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SandboxMode {
    /// Landlock and seccomp, or the program is not started.
    Require,
    /// What the kernel offers. [`status`] tells what that is.
    #[default]
    BestEffort,
    /// Neither Landlock nor seccomp.
    Off,
}

/// Who is waiting for the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Somebody: normal scheduling.
    #[default]
    Interactive,
    /// Nobody in particular: nice to every [`Priority::Interactive`] run and to the server itself, and still getting on
    /// where the machine has other work without end. It needs no privilege.
    Background,
}

/// What standard input is, for the file rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StdinAccess {
    /// A pipe or nothing: needs no rule.
    #[default]
    Stream,
    /// A regular file, open for reading, which the program may open again as `/proc/self/fd/0` to seek in it.
    File,
}

/// Resource limits of one run (`setrlimit`). Written files and core dumps are always limited to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of address space. It counts thread stacks and allocator arenas, so it is several times what is resident.
    pub address_space: u64,
    /// Seconds of processor time over all threads.
    pub cpu_seconds: u64,
    /// Descriptors open at once.
    pub open_files: u64,
}

const MIB: u64 = 1 << 20;

impl Limits {
    /// For decoding pictures of `pixels` with `threads` threads in each codec and encoding a ladder from them.
    ///
    /// Measured address space of a four-rung ladder: 1,270 MiB at 1080p with 2 threads, 5,600 MiB with 16 threads;
    /// at 2160p 2,500 and 4,800 MiB. These limits are about twice that: they stop bombs, not large pictures.
    pub fn for_pictures(pixels: u64, threads: u32) -> Self {
        let threads = u64::from(threads.max(1));
        let per_thread = (320 * MIB).saturating_add(pixels.saturating_mul(16));
        let address_space = (1280 * MIB)
            .saturating_add(pixels.saturating_mul(256))
            .saturating_add(threads.saturating_mul(per_thread));
        Self { address_space, cpu_seconds: 4 * 3600, open_files: 256 }
    }

    /// For reading headers or encoding sound.
    pub fn small() -> Self {
        Self { address_space: 2048 * MIB, cpu_seconds: 1800, open_files: 256 }
    }
}

/// Everything the cage needs to know about one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// How much must hold.
    pub mode: SandboxMode,
    /// How it competes for the processor.
    pub priority: Priority,
    /// What standard input is.
    pub stdin: StdinAccess,
    /// Resource limits.
    pub limits: Limits,
}

impl Confinement {
    /// The helper's arguments for a child of process `parent` that keeps the descriptors `keep` beside 0, 1 and 2.
    pub(crate) fn helper_arguments(&self, parent: u32, keep: &[RawFd]) -> Vec<OsString> {
        helper::Options { confinement: *self, parent, keep: keep.to_vec() }.to_arguments()
    }
}

/// What this kernel, in this container, can enforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// File, network and signal rules.
    pub landlock: Landlock,
    /// `None` when the system call filter works, else why not.
    pub seccomp_failure: Option<String>,
}

impl Status {
    /// Whether [`SandboxMode::Require`] can be met.
    pub fn is_complete(&self) -> bool {
        self.landlock != Landlock::Unavailable && self.seccomp_failure.is_none()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.landlock {
            Landlock::Full => write!(f, "landlock: active")?,
            Landlock::Partial => write!(f, "landlock: active with the file rules this kernel knows")?,
            Landlock::Unavailable => write!(f, "landlock: not available")?,
        }
        match &self.seccomp_failure {
            None => write!(f, ", seccomp: active"),
            Some(reason) => write!(f, ", seccomp: not available ({reason})"),
        }
    }
}

/// Tries the real thing on a thread of its own, which ends right after: both mechanisms bind the calling thread only.
pub fn status() -> Status {
    let probe = || {
        let landlock =
            paths::restrict("/nonexistent".as_ref(), StdinAccess::Stream).unwrap_or(Landlock::Unavailable);
        let seccomp_failure = syscalls::restrict().err().map(|error| error.to_string());
        Status { landlock, seccomp_failure }
    };
    std::thread::Builder::new()
        .name("sandbox-probe".to_owned())
        .spawn(probe)
        .ok()
        .and_then(|thread| thread.join().ok())
        .unwrap_or_else(|| Status {
            landlock: Landlock::Unavailable,
            seccomp_failure: Some("no thread to try it on".to_owned()),
        })
}

/// Makes this process unreadable through `/proc/PID/mem` and `ptrace` to others of the same user.
///
/// A server calls it where [`status`] is not complete: a hostile program could otherwise read the server's memory.
/// The price is that the server leaves no core dump.
///
/// # Errors
/// When the kernel refuses.
pub fn hide_this_process() -> std::io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}
