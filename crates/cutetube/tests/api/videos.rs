use reqwest::StatusCode;
use testbed::Database;

use crate::app::TestApp;

#[tokio::test]
async fn what_does_not_exist_is_said_in_the_words_of_each_api() {
    let app = TestApp::start(Database::sqlite()).await;
    let _hidden = app.hide_what_differs();
    let unknown = "01234567-89ab-7def-8123-456789abcdef";
    let mut said = Vec::new();
    for path in [
        format!("/api/v3/vod/metadata/stream/{unknown}/"),
        "/api/v3/vod/metadata/stream/..%2f..%2fx/".to_owned(),
        format!("/api/v5/videos/{unknown}"),
        "/api/v5/videos/%00".to_owned(),
        "/api/v3/vod/videos/all/".to_owned(),
        "/api/v3/vod/videos/all/?page=2".to_owned(),
        "/api/v3/vod/videos/all/?page=0".to_owned(),
        "/api/v3/vod/videos/all/?page=x".to_owned(),
    ] {
        said.push(format!("{path}: {}", app.get_json(&path).await.shown()));
    }
    insta::assert_snapshot!(said.join("\n\n"));
}

#[tokio::test]
async fn the_server_says_whether_it_lives_and_works() {
    let app = TestApp::start(Database::sqlite()).await;
    assert_eq!(app.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
    let ready = app.get_json("/readyz").await;
    assert_eq!((ready.status, ready.json["ready"].clone()), (StatusCode::OK, true.into()));
    app.shut_down().await;
}
