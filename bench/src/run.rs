//! Runs whole commands and asks the operating system what they cost.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};

/// What one or several commands cost, child processes included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall_seconds: f64,
    /// User and system time.
    pub(crate) cpu_seconds: f64,
}

impl std::ops::Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        Cost {
            wall_seconds: self.wall_seconds + other.wall_seconds,
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
        }
    }
}

/// Runs a program to its end; its output is read and dropped unless it fails.
pub(crate) fn run<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S]) -> anyhow::Result<Cost> {
    let cpu_before = children_cpu_seconds()?;
    let start = Instant::now();
    run_with(Path::new(program.as_ref()), args, &[])?;
    let wall_seconds = start.elapsed().as_secs_f64();
    Ok(Cost { wall_seconds, cpu_seconds: children_cpu_seconds()? - cpu_before })
}

/// The same with variables of its environment; answers what it has said.
pub(crate) fn run_with<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    variables: &[(&str, &str)],
) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "a benchmark compares whole processes")]
    let output = Command::new(program)
        .args(args)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", program.display()))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Time of all children that have ended and been waited for, theirs included.
fn children_cpu_seconds() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// One contestant's name and what each round cost.
pub(crate) struct Contestant<'a> {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn Fn() -> anyhow::Result<Cost> + 'a>,
}

/// Runs all contestants in turn, `rounds` times after one warm-up, and returns each one's costs.
pub(crate) fn rounds(contestants: &[Contestant<'_>], rounds: usize) -> anyhow::Result<Vec<Vec<Cost>>> {
    let mut costs = vec![Vec::new(); contestants.len()];
    for round in 0..=rounds {
        for (contestant, costs) in contestants.iter().zip(&mut costs) {
            let cost = (contestant.run)().with_context(|| contestant.name)?;
            progress(&format!(
                "round {round}: {:34} wall {:7.2} s  cpu {:7.2} s",
                contestant.name, cost.wall_seconds, cost.cpu_seconds
            ));
            if round > 0 || rounds == 0 {
                costs.push(cost);
            }
        }
    }
    Ok(costs)
}

/// The middle value; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(middle(values.len().saturating_sub(1) / 2), middle(values.len() / 2))
}

#[expect(clippy::print_stderr, reason = "progress of a long run, for the person who started it")]
pub(crate) fn progress(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::print_stdout, reason = "the result, to be kept in bench/RESULTS.md")]
pub(crate) fn report(line: &str) {
    println!("{line}");
}
