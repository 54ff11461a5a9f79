//! Rules for source files.

use super::{File, Finding};

/// A longer file is a review question; the answer is written here.
const MAX_LINES: usize = 600;
const LONG_FILES: &[(&str, &str)] = &[];

/// Text that must not appear in Rust code, and why.
const BANNED: &[(&str, &str)] = &[
    (
        concat!("#[", "allow("),
        "write `#[expect(lint, reason = \"…\")]`: it says why, and when it is no longer needed",
    ),
    (
        concat!("#!", "[allow("),
        "write `#![expect(lint, reason = \"…\")]`: it says why, and when it is no longer needed",
    ),
    (concat!("#[", "ignore"), "a test that does not run tests nothing"),
];

/// Words that stand for work not done.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

const SQL: &[&str] = &["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "UPDATE "];
/// `db` writes SQL for one table only: the migration runner's own. `testbed` asks its servers how they are.
const SQL_CRATES: &[&str] = &["crates/db/", "crates/jobs/", "crates/catalog/", "crates/testbed/", "xtask/"];

const SPAWN: &[&str] = &[concat!("Command", "::new("), concat!("tokio", "::process")];
/// Tests and benches drive whole programs and real servers from outside.
const SPAWN_CRATES: &[&str] =
    &["crates/transcode/", "crates/acceptance/", "crates/testbed/", "bench/", "xtask/"];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        length(file, &mut findings);
        opening(file, &mut findings);
        banned(file, &mut findings);
        sql(file, &mut findings);
        spawning(file, &mut findings);
    }
    for file in files.iter().filter(|file| is_code(&file.path)) {
        unfinished(file, &mut findings);
    }
    findings
}

fn length(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > MAX_LINES && !LONG_FILES.iter().any(|(path, _)| *path == file.path) {
        findings.push(Finding::new(&file.path, 0, format!("{lines} lines; the budget is {MAX_LINES}")));
    }
}

fn opening(file: &File, findings: &mut Vec<Finding>) {
    if file.path.ends_with("/src/lib.rs") && !file.text.starts_with("//!") {
        findings.push(Finding::new(
            &file.path,
            1,
            "a crate opens with `//!` and what it deliberately does not do",
        ));
    }
}

fn banned(file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in code_lines(&file.text) {
        for (text, why) in BANNED.iter().filter(|(text, _)| line.contains(text)) {
            findings.push(Finding::new(&file.path, number, format!("`{text}`: {why}")));
        }
    }
}

fn sql(file: &File, findings: &mut Vec<Finding>) {
    if SQL_CRATES.iter().any(|wall| file.path.starts_with(wall)) {
        return;
    }
    for (number, line) in code_lines(&file.text) {
        if SQL
            .iter()
            .any(|verb| line.split(['"', '#']).skip(1).any(|text| text.trim_start().starts_with(verb)))
        {
            findings.push(Finding::new(&file.path, number, "SQL is written in `jobs` and `catalog` only"));
        }
    }
}

fn spawning(file: &File, findings: &mut Vec<Finding>) {
    if SPAWN_CRATES.iter().any(|wall| file.path.starts_with(wall)) || is_test(&file.path) {
        return;
    }
    for (number, line) in code_lines(production(&file.text)) {
        if SPAWN.iter().any(|spawn| line.contains(spawn)) {
            findings.push(Finding::new(&file.path, number, "processes are started in `transcode` only"));
        }
    }
}

fn unfinished(file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(&file.text) {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(word) = words.find(|word| UNFINISHED.contains(word)) {
            findings.push(Finding::new(&file.path, number, format!("`{word}`: do it, or write an issue")));
        }
    }
}

fn is_code(path: &str) -> bool {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("rs" | "ts" | "mjs" | "css" | "html" | "toml")) || path.starts_with("scripts/")
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/benches/")
}

/// What stands before the tests at the end of a file.
fn production(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |at| text.get(..at).unwrap_or(text))
}

/// Lines with their numbers, without those that are comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    numbered(text).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules broken by one file, as `line: first words`.
    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        assert_eq!(findings("crates/x/src/lib.rs", "//! Does not do I/O.\npub fn f() {}\n"), [""; 0]);
    }

    #[test]
    fn a_long_file_is_found() {
        let text = "fn f() {}\n".repeat(MAX_LINES + 1);
        assert_eq!(findings("crates/x/src/a.rs", &text), ["crates/x/src/a.rs: 601 lines; the budget is 600"]);
    }

    #[test]
    fn a_crate_without_opening_is_found() {
        assert_eq!(findings("crates/x/src/lib.rs", "pub fn f() {}").len(), 1);
        assert_eq!(findings("crates/x/src/a.rs", "pub fn f() {}").len(), 0);
    }

    #[test]
    fn banned_attributes_are_found_in_code_but_not_in_comments() {
        assert_eq!(findings("crates/x/src/a.rs", concat!("#[", "allow(dead_code)]")).len(), 1);
        assert_eq!(findings("crates/x/src/a.rs", concat!("    #[", "ignore = \"slow\"]")).len(), 1);
        assert_eq!(findings("crates/x/src/a.rs", concat!("// never #[", "allow(…)]")).len(), 0);
    }

    #[test]
    fn sql_is_found_outside_its_crates() {
        let query = r#"let q = "SELECT id FROM videos";"#;
        assert_eq!(findings("crates/cutetube/src/a.rs", query).len(), 1);
        assert_eq!(findings("crates/catalog/src/a.rs", query).len(), 0);
        assert_eq!(findings("crates/cutetube/src/a.rs", r#"say("choose: SELECT a file")"#).len(), 0);
    }

    #[test]
    fn spawning_is_found_outside_transcode_and_tests() {
        let spawn = concat!("let c = Command", "::new(\"ffmpeg\");");
        assert_eq!(findings("crates/cutetube/src/a.rs", spawn).len(), 1);
        assert_eq!(findings("crates/transcode/src/a.rs", spawn).len(), 0);
        assert_eq!(findings("crates/cutetube/tests/a.rs", spawn).len(), 0);
        let in_tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{spawn}\n}}\n");
        assert_eq!(findings("crates/cutetube/src/a.rs", &in_tests).len(), 0);
    }

    #[test]
    fn unfinished_work_is_found_as_a_word() {
        assert_eq!(findings("web/src/a.ts", concat!("// TO", "DO: later")).len(), 1);
        assert_eq!(findings("web/src/a.ts", concat!("const MASTO", "DON = 1")).len(), 0);
    }
}
