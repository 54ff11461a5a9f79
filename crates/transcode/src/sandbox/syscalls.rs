//! seccomp: the system calls a media program needs, and nothing else.
//!
//! Anything outside the list answers `ENOSYS`, which programs and libraries take as "this kernel is older than that".
//! Reading and decoding fifty-eight jobs over twenty-one formats gave the same bytes with and without this list.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// Why the filter is not in place.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The filter cannot be built, or this processor architecture has no list.
    #[error("no filter for this architecture")]
    Build(#[from] BackendError),
    /// The kernel did not take it.
    #[error("the kernel refused the filter")]
    Apply(#[from] seccompiler::Error),
}

/// Restricts the calling thread, and everything it becomes, to the list.
pub(super) fn restrict() -> Result<(), Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    // `clone3` keeps its flags in memory, where a filter cannot see them; `ENOSYS` sends callers back to `clone`.
    // This filter goes first: the second one refuses to install a third.
    apply_filter(&compile(
        [(libc::SYS_clone3, vec![])].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(NOT_IMPLEMENTED),
        arch,
    )?)?;
    apply_filter(&compile(allowed()?, SeccompAction::Errno(NOT_IMPLEMENTED), SeccompAction::Allow, arch)?)?;
    Ok(())
}

const NOT_IMPLEMENTED: u32 = libc::ENOSYS.unsigned_abs();

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
    arch: TargetArch,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()
}

/// Allowed whatever the arguments.
const PLAIN: &[i64] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_munlock,
    // Descriptors already held; opening is below.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_dup,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_fadvise64,
    // Threads, time, signals.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_getcpu,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Who and where am I.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrandom,
    // libnuma's constructor, which x265 pulls in.
    libc::SYS_get_mempolicy,
    // Once, when the helper becomes the program; Landlock limits it to the program and its loader.
    libc::SYS_execve,
    // Answered by the first filter.
    libc::SYS_clone3,
];

/// Calls that newer architectures no longer have.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[i64] = &[
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[i64] = &[];

fn allowed() -> Result<Rules, BackendError> {
    let mut rules: Rules = PLAIN.iter().chain(LEGACY).map(|&call| (call, vec![])).collect();
    rules.insert(libc::SYS_openat, vec![masked(2, Width::Dword, WRITING, 0)?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![masked(1, Width::Dword, WRITING, 0)?]);
    // Nothing is writable and executable at once, and nothing becomes executable later.
    rules.insert(
        libc::SYS_mmap,
        vec![masked(2, Width::Dword, EXECUTE, 0)?, masked(2, Width::Dword, WRITE | EXECUTE, EXECUTE)?],
    );
    rules.insert(libc::SYS_mprotect, vec![masked(2, Width::Dword, EXECUTE, 0)?]);
    // Threads, but no processes and no namespaces.
    rules.insert(libc::SYS_clone, vec![masked(0, Width::Qword, THREAD | NAMESPACES, THREAD)?]);
    // Limits of its own may be asked, not set: the new limit is a null pointer.
    rules.insert(
        libc::SYS_prlimit64,
        vec![SeccompRule::new(vec![
            Condition::new(0, Width::Dword, Compare::Eq, 0)?,
            Condition::new(2, Width::Qword, Compare::Eq, 0)?,
        ])?],
    );
    // Thread and mapping names; libcap's constructor asks for the bounding set.
    rules.insert(
        libc::SYS_prctl,
        one_of(0, [libc::PR_SET_NAME, libc::PR_GET_NAME, SET_MAPPING_NAME, libc::PR_CAPBSET_READ])?,
    );
    rules.insert(libc::SYS_ioctl, one_of(1, [TERMINAL_ATTRIBUTES, TERMINAL_SIZE, BYTES_TO_READ])?);
    rules.insert(
        libc::SYS_fcntl,
        one_of(
            1,
            [
                libc::F_DUPFD,
                libc::F_DUPFD_CLOEXEC,
                libc::F_GETFD,
                libc::F_SETFD,
                libc::F_GETFL,
                libc::F_GETPIPE_SZ,
            ],
        )?,
    );
    // So that `abort` ends with its own signal.
    rules.insert(libc::SYS_tgkill, one_of(2, [libc::SIGABRT])?);
    Ok(rules)
}

/// Bits of `open` that create or change a file. `O_TMPFILE` contains `O_DIRECTORY`, which reading a folder needs.
const WRITING: u64 = bits(
    libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | (libc::O_TMPFILE & !libc::O_DIRECTORY),
);
const WRITE: u64 = bits(libc::PROT_WRITE);
const EXECUTE: u64 = bits(libc::PROT_EXEC);
const THREAD: u64 = bits(libc::CLONE_THREAD);
const NAMESPACES: u64 = bits(
    libc::CLONE_NEWUSER
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP,
);
/// `PR_SET_VMA` (linux/prctl.h).
const SET_MAPPING_NAME: i32 = 0x5356_4d41;
/// `TCGETS`, `TIOCGWINSZ` and `FIONREAD` (asm-generic/ioctls.h), the same on every architecture listed here; their
/// type in `libc` differs with the C library.
const TERMINAL_ATTRIBUTES: i32 = 0x5401;
const TERMINAL_SIZE: i32 = 0x5413;
const BYTES_TO_READ: i32 = 0x541b;

/// A C flag word as the kernel's comparison sees it.
#[expect(clippy::as_conversions, reason = "`From` is not const; this widens")]
const fn bits(flags: i32) -> u64 {
    flags.cast_unsigned() as u64
}

fn masked(argument: u8, width: Width, mask: u64, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![Condition::new(argument, width, Compare::MaskedEq(mask), value)?])
}

fn one_of<const N: usize>(argument: u8, values: [i32; N]) -> Result<Vec<SeccompRule>, BackendError> {
    values
        .iter()
        .map(|&value| {
            SeccompRule::new(vec![Condition::new(argument, Width::Dword, Compare::Eq, bits(value))?])
        })
        .collect()
}
