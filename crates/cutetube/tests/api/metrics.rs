//! What Prometheus reads, read by a parser that is not ours.

use openmetrics_parser::openmetrics::parse_openmetrics;
use reqwest::{StatusCode, header};
use testbed::Database;

use crate::{app::TestApp, processes::upload};

async fn metrics_are_what_a_parser_understands(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    upload(&app, &token).await;
    let answer = app.get("/metrics").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = answer.text().await.unwrap();
    let parsed = parse_openmetrics(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));

    let documented = include_str!("../../../../docs/metrics.md");
    for (name, family) in &parsed.families {
        let is_documented = ["", "_total"].iter().any(|end| documented.contains(&format!("`{name}{end}`")));
        assert!(is_documented, "`{name}` is not in docs/metrics.md");
        assert!(!family.help.is_empty(), "`{name}` has no help");
    }
    assert!(
        text.contains("cutetube_jobs{queue=\"pipeline\",kind=\"inspect\",state=\"ready\"} 1\n"),
        "{text}"
    );
    for begin in [
        "cutetube_queue_oldest_ready_seconds{queue=\"pipeline\"} ",
        "cutetube_workers 0",
        "process_open_fds ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(begin)), "{begin}\n{text}");
    }
    app.shut_down().await;
}

#[tokio::test]
async fn a_token_or_this_machine_and_nothing_in_between() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.metrics.token = Some(cutetube::config::Secret::new("a secret word".to_owned()));
    })
    .await;
    assert_eq!(app.get("/metrics").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let with = app.get("/metrics").bearer_auth("a secret word").send().await.unwrap();
    assert_eq!(with.status(), StatusCode::OK);

    let app = TestApp::start(Database::sqlite()).await;
    let through_a_proxy = app.get("/metrics").header("x-forwarded-for", "127.0.0.1").send().await.unwrap();
    assert_eq!(through_a_proxy.status(), StatusCode::FORBIDDEN);
}

testbed::on_both_databases!(metrics_are_what_a_parser_understands);
