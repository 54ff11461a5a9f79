//! Landlock: the files a program may open, and that it may reach no network, socket or foreign process.

use std::ffi::OsStr;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};

use super::StdinAccess;

/// How much of the rules the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landlock {
    /// Files, TCP, abstract sockets and signals.
    Full,
    /// Files (and what else this kernel's version knows); seccomp covers the rest.
    Partial,
    /// The kernel has no Landlock, or it is disabled.
    Unavailable,
}

/// Where the dynamic loader finds libraries. Execution rights cover mapping them.
const LIBRARIES: &[&str] = &["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64"];

/// The loader's index of libraries outside its default folders.
const LOADER_CACHE: &[&str] = &["/etc/ld.so.cache"];

/// Restricts the calling thread, and everything it becomes, to `program`, the libraries and standard input.
///
/// Paths that do not exist are left out. A kernel without Landlock is reported in the result, not as an error.
pub(super) fn restrict(program: &OsStr, stdin: StdinAccess) -> Result<Landlock, RulesetError> {
    let abi = ABI::V6;
    let run = AccessFs::ReadFile | AccessFs::Execute;
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(LIBRARIES, run))?
        .add_rules(path_beneath_rules(LOADER_CACHE, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules([program], run))?;
    let ruleset = match stdin {
        StdinAccess::Stream => ruleset,
        // The rule is tied to the open file itself: no path is looked up, so nothing can be swapped underneath.
        StdinAccess::File => ruleset.add_rule(PathBeneath::new(std::io::stdin(), AccessFs::ReadFile))?,
    };
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::Unavailable,
    })
}
