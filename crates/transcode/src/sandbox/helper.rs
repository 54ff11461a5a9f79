//! The helper process: locks itself up step by step, then becomes the program.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Resource, Rlimit, Signal};

use super::{Confinement, Landlock, Limits, Priority, SandboxMode, StdinAccess, paths, syscalls};

/// Exit status of a helper that could not lock itself up.
pub const EXIT_NOT_CONFINED: u8 = 125;
/// Exit status of a helper whose program could not be started.
pub const EXIT_NOT_FOUND: u8 = 127;

/// The helper's `main`. `arguments` are those after [`HELPER_COMMAND`](super::HELPER_COMMAND).
///
/// On success it never returns: the process has become the program. Otherwise the reason is on standard error and the
/// exit status is [`EXIT_NOT_CONFINED`] or [`EXIT_NOT_FOUND`]. Call it before the process has a second thread.
pub fn exec_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Err(error) = confine_and_exec(arguments);
    // Nobody is left to tell when standard error is gone as well.
    let _ = writeln!(std::io::stderr(), "{}: {}", super::HELPER_COMMAND, chain(&error));
    ExitCode::from(match error {
        HelperError::Exec { .. } => EXIT_NOT_FOUND,
        _ => EXIT_NOT_CONFINED,
    })
}

#[derive(Debug, thiserror::Error)]
pub(super) enum HelperError {
    #[error("unknown option `{}`", .0.display())]
    Option(OsString),
    #[error("no program is named")]
    NoProgram,
    #[error("the server `{0}` ended before its child started")]
    Orphan(u32),
    #[error("could not {action}")]
    System { action: &'static str, source: rustix::io::Errno },
    #[error("could not apply the file rules")]
    Landlock(#[from] landlock::RulesetError),
    #[error("the sandbox is required, but this kernel has no Landlock")]
    NoLandlock,
    #[error("could not apply the system call filter")]
    Seccomp(#[from] syscalls::Error),
    #[error("could not start `{}`", .program.display())]
    Exec { program: OsString, source: std::io::Error },
}

/// The order matters: each step needs something that a later one takes away.
fn confine_and_exec(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<std::convert::Infallible, HelperError> {
    let (options, mut command) = Options::parse(arguments)?;
    let program = command.next().ok_or(HelperError::NoProgram)?;
    die_with(options.parent)?;
    close_fds::set_fds_cloexec(3, &options.keep);
    set_limits(&options.confinement.limits)?;
    set_priority(options.confinement.priority);
    rustix::thread::set_no_new_privs(true)
        .map_err(|source| HelperError::System { action: "give up privileges", source })?;
    lock(&options.confinement, &program)?;
    #[expect(clippy::disallowed_methods, reason = "this is the one place where a program is started")]
    let source = Command::new(&program).args(command).exec();
    Err(HelperError::Exec { program, source })
}

/// Asks to be killed when the thread that spawned us ends, then makes sure that it had not ended before.
fn die_with(parent: u32) -> Result<(), HelperError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|source| HelperError::System { action: "tie its life to the server's", source })?;
    let now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if u32::try_from(now) == Ok(parent) { Ok(()) } else { Err(HelperError::Orphan(parent)) }
}

fn set_limits(limits: &Limits) -> Result<(), HelperError> {
    let soft_and_hard = [
        (Resource::As, limits.address_space, limits.address_space),
        // SIGXCPU first, so that the parent can tell this limit from a kill; SIGKILL if that is ignored.
        (Resource::Cpu, limits.cpu_seconds, limits.cpu_seconds.saturating_add(2)),
        (Resource::Fsize, 0, 0),
        (Resource::Core, 0, 0),
        (Resource::Nofile, limits.open_files, limits.open_files),
    ];
    for (resource, soft, hard) in soft_and_hard {
        // A limit that is tighter already stays: raising it needs privileges.
        let ceiling = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Rlimit { current: Some(soft.min(ceiling)), maximum: Some(hard.min(ceiling)) };
        rustix::process::setrlimit(resource, limit)
            .map_err(|source| HelperError::System { action: "set a resource limit", source })?;
    }
    Ok(())
}

/// Niceness is kept by `exec` and handed on to every thread.
fn set_priority(priority: Priority) {
    match priority {
        Priority::Interactive => {}
        // A wish: where it is refused the run is only less polite.
        Priority::Background => _ = rustix::process::nice(BACKGROUND_NICENESS),
    }
}

/// A ninth of what the processor gives to those that are not nice, while they want it.
const BACKGROUND_NICENESS: i32 = 10;

fn lock(confinement: &Confinement, program: &OsStr) -> Result<(), HelperError> {
    match confinement.mode {
        SandboxMode::Off => Ok(()),
        SandboxMode::Require => {
            if paths::restrict(program, confinement.stdin)? == Landlock::Unavailable {
                return Err(HelperError::NoLandlock);
            }
            Ok(syscalls::restrict()?)
        }
        SandboxMode::BestEffort => {
            // `status` has told the operator at start what does not work here.
            let _ = paths::restrict(program, confinement.stdin);
            let _ = syscalls::restrict();
            Ok(())
        }
    }
}

/// What stands between [`HELPER_COMMAND`](super::HELPER_COMMAND) and `--`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) confinement: Confinement,
    /// The process whose child this must be.
    pub(super) parent: u32,
    /// Descriptors above 2 that the program gets.
    pub(super) keep: Vec<RawFd>,
}

impl Options {
    pub(super) fn to_arguments(&self) -> Vec<OsString> {
        let Confinement { mode, priority, stdin, limits } = self.confinement;
        let mut arguments: Vec<OsString> = vec![format!("--ppid={}", self.parent).into()];
        arguments.extend(self.keep.iter().map(|fd| OsString::from(format!("--keep={fd}"))));
        match mode {
            SandboxMode::Require => arguments.push("--sandbox=require".into()),
            SandboxMode::BestEffort => {}
            SandboxMode::Off => arguments.push("--sandbox=off".into()),
        }
        match priority {
            Priority::Interactive => {}
            Priority::Background => arguments.push("--background".into()),
        }
        match stdin {
            StdinAccess::Stream => {}
            StdinAccess::File => arguments.push("--ro-stdin".into()),
        }
        let Limits { address_space, cpu_seconds, open_files } = limits;
        arguments.push(format!("--rlimit-as={address_space}").into());
        arguments.push(format!("--rlimit-cpu={cpu_seconds}").into());
        arguments.push(format!("--rlimit-nofile={open_files}").into());
        arguments.push("--".into());
        arguments
    }

    /// The options, and what follows `--`.
    fn parse<I: IntoIterator<Item = OsString>>(arguments: I) -> Result<(Self, I::IntoIter), HelperError> {
        let mut arguments = arguments.into_iter();
        let mut options = Self {
            confinement: Confinement {
                mode: SandboxMode::BestEffort,
                priority: Priority::Interactive,
                stdin: StdinAccess::Stream,
                limits: Limits::small(),
            },
            parent: 0,
            keep: Vec::new(),
        };
        loop {
            let argument = arguments.next().ok_or(HelperError::NoProgram)?;
            if argument == "--" {
                options.keep.sort_unstable();
                return Ok((options, arguments));
            }
            options.set(&argument).ok_or(HelperError::Option(argument))?;
        }
    }

    fn set(&mut self, argument: &OsStr) -> Option<()> {
        let argument = argument.to_str()?;
        let confinement = &mut self.confinement;
        match argument.split_once('=').unwrap_or((argument, "")) {
            ("--ppid", pid) => self.parent = pid.parse().ok()?,
            ("--keep", fd) => self.keep.push(fd.parse().ok()?),
            ("--sandbox", "require") => confinement.mode = SandboxMode::Require,
            ("--sandbox", "off") => confinement.mode = SandboxMode::Off,
            ("--background", "") => confinement.priority = Priority::Background,
            ("--ro-stdin", "") => confinement.stdin = StdinAccess::File,
            ("--rlimit-as", bytes) => confinement.limits.address_space = bytes.parse().ok()?,
            ("--rlimit-cpu", seconds) => confinement.limits.cpu_seconds = seconds.parse().ok()?,
            ("--rlimit-nofile", count) => confinement.limits.open_files = count.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    use super::*;

    fn any_options() -> impl Strategy<Value = Options> {
        let mode =
            prop_oneof![Just(SandboxMode::Require), Just(SandboxMode::BestEffort), Just(SandboxMode::Off)];
        let priority = prop_oneof![Just(Priority::Interactive), Just(Priority::Background)];
        let stdin = prop_oneof![Just(StdinAccess::Stream), Just(StdinAccess::File)];
        let keep = prop::collection::btree_set(3..4096_i32, 0..12);
        (mode, priority, stdin, any::<(u64, u64, u64, u32)>(), keep).prop_map(
            |(mode, priority, stdin, (address_space, cpu_seconds, open_files, parent), keep)| Options {
                confinement: Confinement {
                    mode,
                    priority,
                    stdin,
                    limits: Limits { address_space, cpu_seconds, open_files },
                },
                parent,
                keep: keep.into_iter().collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn arguments_round_trip(options in any_options()) {
            let command = ["/usr/bin/ffmpeg", "--", "-i"].map(OsString::from);
            let arguments = options.to_arguments().into_iter().chain(command.clone());
            let (parsed, rest) = Options::parse(arguments).expect("our own arguments");
            assert_eq!(parsed, options);
            assert_eq!(rest.collect::<Vec<_>>(), command);
        }
    }

    #[test]
    fn unknown_options_are_refused() {
        for argument in ["--keep=x", "--sandbox=best-effort-ish", "--background=1", "-v"] {
            let outcome = Options::parse([argument, "--", "true"].map(OsString::from));
            assert!(matches!(outcome, Err(HelperError::Option(_))), "{argument}");
        }
    }

    #[test]
    fn a_command_is_required() {
        assert!(matches!(Options::parse([OsString::from("--ppid=1")]), Err(HelperError::NoProgram)));
    }
}
