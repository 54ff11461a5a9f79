//! The repository's own rules: each check takes what is in the repository as values and returns findings.

mod papers;
mod sources;
mod walls;

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// Everything that is wrong in the repository at `root`.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = tracked_files(root)?;
    let metadata = cargo_metadata(root)?;
    let mut findings = sources::check(&files);
    findings.extend(papers::check(&files));
    findings.extend(walls::check(&metadata));
    Ok(findings)
}

/// One tracked text file; `path` is relative to the repository, with `/`.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// One broken rule. `line` counts from 1; 0 stands for the whole file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    rule: String,
}

impl Finding {
    fn new(path: &str, line: usize, rule: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule: rule.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.rule),
            line => write!(f, "{}:{line}: {}", self.path, self.rule),
        }
    }
}

/// Tracked files and new ones that git does not ignore, as far as they are text and still there.
fn tracked_files(root: &Path) -> anyhow::Result<Vec<File>> {
    let listed = output(root, "git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn cargo_metadata(root: &Path) -> anyhow::Result<serde_json::Value> {
    let text = output(root, "cargo", &["metadata", "--format-version", "1", "--locked"])?;
    serde_json::from_str(&text).context("cargo metadata is not JSON")
}

#[expect(clippy::disallowed_methods, reason = "git and cargo know what is in the repository; no media here")]
fn output(root: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .with_context(|| format!("cannot start `{program}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{program} {}` failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
