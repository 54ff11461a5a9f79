//! TLS of the server's own, asked by curl.

use std::process::Command;

use tempfile::TempDir;
use testbed::Database;

use crate::platform::Platform;

#[expect(clippy::disallowed_methods, reason = "somebody else's implementation")]
fn run(program: &str, folder: &TempDir, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() { text } else { format!("{}: {text}", done.status) }
}

/// A certificate of its own authority for `localhost`.
fn certificate(folder: &TempDir, name: &str) {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    let made = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ];
    run("openssl", folder, &made);
}

#[tokio::test]
async fn browsers_are_answered_over_tls_without_a_proxy() {
    let folder = TempDir::new().unwrap();
    certificate(&folder, "ours");
    certificate(&folder, "other");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let settings = [
        ("CUTETUBE_SERVER__TLS__CERTIFICATE", file("ours.pem")),
        ("CUTETUBE_SERVER__TLS__KEY", file("ours.key")),
    ];
    let mut platform = Platform::with(Database::sqlite(), &settings).await;
    let process = platform.start().await;
    let port = process.url.strip_prefix("https://127.0.0.1:").unwrap_or_else(|| panic!("{}", process.url));
    let ask = |options: &[&str], path: &str| {
        let url = format!("https://localhost:{port}{path}");
        let common = ["--silent", "--show-error", "--max-time", "60", "--resolve"];
        let to = format!("localhost:{port}:127.0.0.1");
        run("curl", &folder, &[&common[..], &[&to], options, &[&url]].concat())
    };
    let trusting = ["--cacert", "ours.pem"];
    for (version, options) in [
        ("2 200", &["--http2", "--tlsv1.3"][..]),
        ("1.1 200", &["--http1.1", "--tlsv1.2", "--tls-max", "1.2"]),
    ] {
        let told = ["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"];
        assert_eq!(ask(&[&trusting[..], options, &told].concat(), "/healthz"), version);
    }
    // What is only for TLS, or says where we are, says so.
    assert!(ask(&[&trusting[..], &["--head"]].concat(), "/login").contains("HTTP/2 200"));
    assert!(
        ask(&["--cacert", "other.pem"], "/healthz").starts_with("exit status: 60"),
        "an authority nobody knows"
    );
    let plain = format!("http://127.0.0.1:{port}/healthz");
    assert!(run("curl", &folder, &["--silent", "--max-time", "60", &plain]).starts_with("exit status: "));
    assert_eq!(ask(&trusting, "/healthz"), "ok\n", "who does not speak TLS harms nobody");
    process.stop().await;

    platform.set("CUTETUBE_SERVER__TLS__KEY", file("other.key"));
    let refused = platform.command().args(["serve", "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("is not the key of the certificate"), "{said}");
}
