//! Who may have a file, and when. What is in it, `tests/resilience/downloads.rs` looks at.

use catalog::videos::{Protection, Visibility};
use cutetube::config::Downloads;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, SOURCE, Situation},
};

testbed::on_both_databases!(the_owner_decides_who_has_files);

/// The addresses that are told of a video's files, to the holder of this token or to anybody.
async fn told(app: &TestApp, id: &str, token: Option<&str>) -> Vec<String> {
    let request = app.get(&format!("/api/v5/videos/{id}"));
    let request = token.into_iter().fold(request, RequestBuilder::bearer_auth);
    let video: Value = request.send().await.unwrap().json().await.unwrap();
    let files = video["downloadable"].as_array().unwrap();
    files.iter().map(|file| file["url"].as_str().unwrap().to_owned()).collect()
}

async fn status(app: &TestApp, url: &str, token: Option<&str>) -> u16 {
    let request = app.client.get(url);
    let request = token.into_iter().fold(request, RequestBuilder::bearer_auth);
    request.send().await.unwrap().status().as_u16()
}

async fn allow(app: &TestApp, id: &str, token: &str, rule: &str) -> Value {
    let request = app.client.patch(format!("{}/api/v5/videos/{id}", app.url)).bearer_auth(token);
    request.json(&json!({ "downloads": rule })).send().await.unwrap().json().await.unwrap()
}

async fn the_owner_decides_who_has_files(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let other = app.sign_up("bob").await;
    let owner = backstage::user(&app, "ada").await;
    for visibility in [Visibility::Public, Visibility::Unlisted, Visibility::Private] {
        let id = backstage::video(&app, owner, visibility, Situation::Ready).await.to_string();
        // Nobody has said anything: the owner has it, by who they are, and nobody else.
        let [own] = told(&app, &id, Some(&token)).await.try_into().unwrap();
        assert_eq!(own, format!("{}/download/{id}/1/original.mp4", app.url));
        assert_eq!(status(&app, &own, Some(&token)).await, 200);
        assert_eq!(status(&app, &own, Some(&other)).await, 404);
        assert_eq!(status(&app, &own, None).await, 404);

        let changed = allow(&app, &id, &token, "original_too").await;
        assert_eq!(changed["downloads"], "original_too");
        let [shared] = told(&app, &id, Some(&token)).await.try_into().unwrap();
        assert_eq!(shared.contains("/p/"), visibility != Visibility::Public, "{shared}");
        assert_eq!(status(&app, &shared, None).await, 200, "{visibility}");
        assert_eq!(status(&app, &own, None).await, if visibility == Visibility::Public { 200 } else { 404 });
        if visibility != Visibility::Private {
            assert_eq!(told(&app, &id, None).await, std::slice::from_ref(&shared));
        }

        // Renditions are not the original.
        allow(&app, &id, &token, "renditions").await;
        assert_eq!(status(&app, &shared, None).await, 404);
        assert_eq!(status(&app, &own, Some(&token)).await, 200);
        let refused = allow(&app, &id, &token, "everything").await;
        assert_eq!(refused["errors"][0]["field"], "downloads", "{refused}");
    }
}

#[tokio::test]
async fn the_configuration_speaks_for_owners_who_say_nothing() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.delivery.downloads = Downloads::OriginalToo;
    })
    .await;
    let token = app.sign_up("ada").await;
    let owner = backstage::user(&app, "ada").await;
    let id = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await.to_string();
    let [url] = told(&app, &id, None).await.try_into().unwrap();
    let answer = app.client.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let called = "attachment; filename=\"Our _holiday_.mp4\"; filename*=UTF-8''Our%20%22holiday%22.mp4";
    assert_eq!(answer.headers()["content-disposition"], called);
    assert_eq!(&*answer.bytes().await.unwrap(), SOURCE);
    assert_eq!(allow(&app, &id, &token, "none").await["downloads"], "none");
    assert_eq!(status(&app, &url, None).await, 404);
    assert_eq!(told(&app, &id, None).await, Vec::<String>::new());
    allow(&app, &id, &token, "default").await;
    assert_eq!(status(&app, &url, None).await, 200);
    for nothing in ["/1/original.mov", "/2/original.mp4", "/1/360p.mp4", "/1/audio.mp4"] {
        let url = url.replace("/1/original.mp4", nothing);
        assert_eq!(status(&app, &url, Some(&token)).await, 404, "{url}");
    }
}

#[tokio::test]
async fn nobody_has_a_protected_video() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.delivery.downloads = Downloads::OriginalToo;
    })
    .await;
    let token = app.sign_up("ada").await;
    let owner = backstage::user(&app, "ada").await;
    let id = backstage::protected(&app, owner, Visibility::Public, Protection::Cenc).await.to_string();
    assert_eq!(told(&app, &id, Some(&token)).await, Vec::<String>::new());
    for file in ["original.mp4", "360p.mp4", "360p.mov"] {
        let url = format!("{}/download/{id}/1/{file}", app.url);
        assert_eq!(status(&app, &url, Some(&token)).await, 404, "{file}");
    }
}
