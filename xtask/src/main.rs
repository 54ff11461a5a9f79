//! Tasks of the repository itself: `cargo xtask tidy` tests what no compiler tests.
//!
//! What it deliberately does not do: build, install or start anything. `Makefile` and `scripts/` do.

mod tidy;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("tidy") => run_tidy(),
        _ => {
            writeln!(std::io::stderr(), "usage: cargo xtask tidy")?;
            Ok(ExitCode::from(2))
        }
    }
}

fn run_tidy() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository");
    let findings = tidy::check(root)?;
    for finding in &findings {
        writeln!(std::io::stderr(), "{finding}")?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
