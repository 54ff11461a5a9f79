//! The program from the command line: what it prints, and with which status it ends.

#![expect(clippy::unwrap_used, reason = "a test fails where it fails")]

use std::process::Command;

/// Runs the program in an empty folder and shows status, standard output and standard error.
fn check(arguments: &[&str], env: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    run(arguments, env, folder.path())
}

fn run(arguments: &[&str], env: &[(&str, &str)], folder: &std::path::Path) -> String {
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    let mut program = Command::new(env!("CARGO_BIN_EXE_cutetube"));
    program.args(arguments).current_dir(folder).env_clear().env("PATH", "/nowhere");
    let done = program.envs(env.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    format!("{}\n{}{}", done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

#[test]
fn the_configuration_is_listed_without_secrets() {
    let secret = ("CUTETUBE_DATABASE__URL", "postgres://u:hunter2@h/d");
    insta::assert_snapshot!(check(&["config", "check"], &[secret]));
}

#[test]
fn mistakes_are_told_in_a_sentence_with_a_hint() {
    insta::assert_snapshot!(
        [
            check(&["config", "check"], &[("CUTETUBE_LIMITS__RAET", "off")]),
            check(&["config", "check"], &[("CUTETUBE_CONFIG", "missing.toml")]),
            check(&["publish", "film.mp4"], &[]),
            check(
                &["publish", "film.mp4", "--server", "http://127.0.0.1:1"],
                &[("CUTETUBE_CREDENTIAL", "ada"), ("CUTETUBE_PASSWORD", "correct horse")]
            ),
            check(&["inspect", "film.mp4"], &[]),
            check(&["user", "promote", "nobody"], &[]),
            check(&["user", "add", "a b", "--email", "a@b.org"], &[("CUTETUBE_PASSWORD", "correct horse")]),
        ]
        .join("\n")
    );
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [&["bogus"][..], &[], &["serve", "--role", "boss"], &["publish"]] {
        assert!(check(arguments, &[]).starts_with("2\n"), "{arguments:?}");
    }
    assert!(check(&["--version"], &[]).starts_with("0\ncutetube "));
}

#[test]
fn accounts_are_made_and_promoted() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"[1-9]\d* of \d+ migrations", "all migrations");
    settings.add_filter(r"0 of \d+ migrations", "no migrations");
    let _hidden = settings.bind_to_scope();
    let password = [("CUTETUBE_PASSWORD", "correct horse")];
    let add = ["user", "add", "ada", "--email", "ada@example.org"];
    insta::assert_snapshot!(
        [
            run(&["migrate"], &[], folder.path()),
            run(&["migrate"], &[], folder.path()),
            run(&add, &password, folder.path()),
            run(&add, &password, folder.path()),
            run(&["user", "promote", "ada"], &[], folder.path()),
        ]
        .join("\n")
    );
}

#[test]
fn what_is_stored_is_looked_after() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = "00000000-0001-7000-8000-000000000000";
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r#"at path "[^"]*""#, "at [path]");
    let _hidden = settings.bind_to_scope();
    insta::assert_snapshot!(
        [
            run(&["scrub"], &[], folder.path()),
            run(&["scrub", "--json"], &[], folder.path()),
            run(&["scrub", "--repair", "--videos", nobody], &[], folder.path()),
            run(&["storage", "migrate"], &[], folder.path()),
            run(&["storage", "migrate", "--to", "ftp://elsewhere"], &[], folder.path()),
            run(&["storage", "migrate", "--to", "file://new"], &[], folder.path()),
            run(&["backup", "backup.tar.zst"], &[], folder.path()),
            run(&["backup", "backup.tar.zst"], &[], folder.path()),
            run(&["backup", "nowhere/backup.tar.zst"], &[], folder.path()),
            run(&["restore", "backup.tar.zst"], &[], folder.path()),
            run(&["restore", "backup.tar.zst", "--data", "other"], &[], folder.path()),
            run(&["restore", "missing.tar.zst"], &[], folder.path()),
            run(&["restore", "data/cutetube.db", "--data", "third"], &[], folder.path()),
        ]
        .join("\n")
    );
}

/// Without ffmpeg everything else is still looked at.
#[test]
fn the_doctor_looks_at_everything() {
    let said = check(&["doctor"], &[]);
    let parts: Vec<_> = said.lines().filter_map(|line| line.split(':').next()).collect();
    insta::assert_snapshot!(parts.join("\n"));
}

#[test]
fn the_doctor_says_what_is_wrong_with_a_store() {
    let bucket = testbed::S3Bucket::shared();
    let about_the_store = |change: (&str, &str)| {
        let right = bucket.environment();
        let mut env: Vec<_> = right.iter().map(|(name, value)| (*name, value.as_str())).collect();
        env.push(change);
        let said = check(&["doctor"], &env);
        let lines = said.lines().skip_while(|line| !line.contains(" storage: "));
        lines.take_while(|line| !line.contains(" disk: ")).collect::<Vec<_>>().join("\n")
    };
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("probe/[0-9a-f]{16}", "probe/[name]");
    settings.add_filter(r"s3://test/\d+", "s3://test/[prefix]");
    let _hidden = settings.bind_to_scope();
    insta::assert_snapshot!(
        [
            about_the_store(("NOTHING", "changed")),
            about_the_store(("CUTETUBE_STORAGE__S3__SECRET_ACCESS_KEY", "wrong")),
            about_the_store(("CUTETUBE_STORAGE__S3__ACCESS_KEY_ID", "nobody")),
            about_the_store(("CUTETUBE_STORAGE__URL", "s3://missing")),
            about_the_store(("CUTETUBE_STORAGE__URL", "s3://")),
        ]
        .join("\n")
    );
}
