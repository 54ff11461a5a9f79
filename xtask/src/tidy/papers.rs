//! Rules for what the repository says about itself.

use super::{File, Finding};

const MAX_ARCHITECTURE_LINES: usize = 300;

/// Hosts and folders of one machine or another: a clone elsewhere has neither.
const FOREIGN: &[&str] = &[
    concat!("registry.npmjs", ".org"),
    concat!("registry.yarnpkg", ".com"),
    concat!("files.python", "hosted.org"),
    concat!("/home", "/"),
    concat!("/root", "/"),
    concat!("/Users", "/"),
];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    architecture(files, &mut findings);
    decisions(files, &mut findings);
    commands(files, &mut findings);
    ci(files, &mut findings);
    foreign(files, &mut findings);
    findings
}

/// ARCHITECTURE.md stays short, mentions every crate, and names only paths that exist.
fn architecture(files: &[File], findings: &mut Vec<Finding>) {
    const PATH: &str = "ARCHITECTURE.md";
    let Some(map) = find(files, PATH, findings) else { return };
    let lines = map.text.lines().count();
    if lines > MAX_ARCHITECTURE_LINES {
        findings.push(Finding::new(
            PATH,
            0,
            format!("{lines} lines; the budget is {MAX_ARCHITECTURE_LINES}"),
        ));
    }
    for manifest in files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let folder = manifest.path.trim_end_matches("/Cargo.toml");
        if !map.text.contains(&format!("`{folder}/`")) {
            findings.push(Finding::new(PATH, 0, format!("does not mention `{folder}/`")));
        }
    }
    for (number, code) in inline_code(&map.text) {
        if looks_like_path(code) && !exists(files, code) {
            findings.push(Finding::new(PATH, number, format!("`{code}` does not exist")));
        }
    }
}

/// docs/decisions/NNNN-title.md, numbered from 0001 without a gap or a double.
fn decisions(files: &[File], findings: &mut Vec<Finding>) {
    let mut paths: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("docs/decisions/"))
        .filter(|name| name.ends_with(".md"))
        .collect();
    paths.sort_unstable();
    for (index, name) in paths.iter().enumerate() {
        let expected = format!("{:04}-", index + 1);
        if !name.starts_with(&expected) {
            let rule = format!("the next decision's number is {}", expected.trim_end_matches('-'));
            findings.push(Finding::new(&format!("docs/decisions/{name}"), 0, rule));
            return;
        }
    }
}

/// Every `make name` that the documents tell people to type is a target of the Makefile.
fn commands(files: &[File], findings: &mut Vec<Finding>) {
    let Some(makefile) = find(files, "Makefile", findings) else { return };
    for file in
        files.iter().filter(|file| file.path.ends_with(".md") && !file.path.contains("docs/decisions/"))
    {
        for (number, line) in numbered(&file.text) {
            for target in make_targets(line) {
                if !makefile.text.lines().any(|line| line.starts_with(&format!("{target}:"))) {
                    let rule = format!("`make {target}` is not a target of the Makefile");
                    findings.push(Finding::new(&file.path, number, rule));
                }
            }
        }
    }
}

/// CI runs the test command of the README and nothing else.
fn ci(files: &[File], findings: &mut Vec<Finding>) {
    const PATH: &str = ".ci/run";
    let (Some(ci), Some(readme)) = (find(files, PATH, findings), find(files, "README.md", findings)) else {
        return;
    };
    let command = ci.text.lines().find_map(|line| line.strip_prefix("exec "));
    let in_readme = |command: &str| {
        readme.text.lines().any(|line| line.split('#').next().unwrap_or("").trim() == command)
    };
    if !command.is_some_and(in_readme) {
        findings.push(Finding::new(PATH, 0, "runs another command than README.md tells"));
    }
}

fn foreign(files: &[File], findings: &mut Vec<Finding>) {
    for file in files {
        for (number, line) in numbered(&file.text) {
            if let Some(text) = FOREIGN.iter().find(|text| line.contains(**text)) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("`{text}` belongs to one machine or network"),
                ));
            }
        }
    }
}

fn find<'a>(files: &'a [File], path: &str, findings: &mut Vec<Finding>) -> Option<&'a File> {
    let found = files.iter().find(|file| file.path == path);
    if found.is_none() {
        findings.push(Finding::new(path, 0, "is missing"));
    }
    found
}

/// Code spans with the number of their line, outside fenced blocks.
fn inline_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    numbered(text)
        .filter(move |(_, line)| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
        .flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |code| (number, code)))
}

/// Paths are written from the repository's root and end in `/` or in a file's extension.
fn looks_like_path(code: &str) -> bool {
    let plain = code.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let rooted =
        ["crates/", "web/", "e2e/", "bench/", "fuzz/", "xtask/", "deploy/", "docs/", "scripts/", ".ci/"];
    plain && rooted.iter().any(|root| code.starts_with(root))
}

fn exists(files: &[File], path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
}

/// The names after `make` at the start of a line or of a code span.
fn make_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').flat_map(|part| part.trim_start().strip_prefix("make ")).filter_map(|rest| {
        let name = rest.split_whitespace().next()?;
        name.chars().all(|c| c.is_ascii_lowercase() || c == '-').then_some(name)
    })
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &[(&str, &str)] = &[
        ("ARCHITECTURE.md", "The program is `crates/cutetube/`, its door `crates/cutetube/src/lib.rs`.\n"),
        ("crates/cutetube/Cargo.toml", ""),
        ("crates/cutetube/src/lib.rs", ""),
        ("docs/decisions/0001-one.md", ""),
        ("docs/decisions/0002-two.md", ""),
        ("Makefile", "test: ## Every test\n"),
        ("README.md", "```sh\nmake test   # all of it\n```\n"),
        (".ci/run", "exec make test\n"),
    ];

    /// The findings after one file of a sound repository is replaced, or one is added.
    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let others = SOUND.iter().filter(|(other, _)| *other != path).map(|(path, text)| file(path, text));
        let files: Vec<File> = others.chain([file(path, text)]).collect();
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_repository_has_no_findings() {
        assert_eq!(findings("docs/extra.md", "Type `make test`, or make demo of it."), [""; 0]);
    }

    #[test]
    fn a_path_that_is_gone_is_found() {
        let text = "`crates/cutetube/` and\n`crates/cutetube/src/gone.rs`";
        assert_eq!(
            findings("ARCHITECTURE.md", text),
            ["ARCHITECTURE.md:2: `crates/cutetube/src/gone.rs` does not exist"]
        );
    }

    #[test]
    fn a_crate_without_mention_is_found() {
        assert_eq!(
            findings("crates/new/Cargo.toml", ""),
            ["ARCHITECTURE.md: does not mention `crates/new/`"]
        );
    }

    #[test]
    fn a_gap_in_the_decisions_is_found() {
        assert_eq!(
            findings("docs/decisions/0004-four.md", ""),
            ["docs/decisions/0004-four.md: the next decision's number is 0003"]
        );
    }

    #[test]
    fn a_command_without_target_is_found() {
        assert_eq!(
            findings("CONTRIBUTING.md", "Run `make tests`."),
            ["CONTRIBUTING.md:1: `make tests` is not a target of the Makefile"]
        );
    }

    #[test]
    fn another_command_in_ci_is_found() {
        assert_eq!(findings(".ci/run", "exec make check\n").len(), 1);
    }

    #[test]
    fn a_registry_in_a_lockfile_is_found() {
        let text = concat!("\"resolved\": \"https://registry.npmjs", ".org/x.tgz\"");
        assert_eq!(findings("web/package-lock.json", text).len(), 1);
    }
}
