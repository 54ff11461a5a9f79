//! What administrators see and decide, and that nobody else does.

use catalog::{accounts, endings, videos::Visibility};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::{Answer, TestApp},
    backstage::{self, Situation},
    processes::{take, until, upload},
};

/// Makes an administrator and answers the access token.
async fn administrator(app: &TestApp) -> String {
    let token = app.sign_up("edith").await;
    let user = accounts::find_by_credential(&app.db, "edith").await.unwrap().unwrap().user;
    accounts::set_role(&app.db, user.id, accounts::Role::Admin).await.unwrap();
    token
}

async fn ask(app: &TestApp, method: Method, path: &str, token: &str) -> (StatusCode, Value) {
    let request = app.client.request(method, format!("{}/api/v5/admin/{path}", app.url)).bearer_auth(token);
    let response = request.send().await.unwrap();
    if response.status() == StatusCode::NO_CONTENT {
        return (response.status(), Value::Null);
    }
    let answer = Answer::of(response).await;
    (answer.status, answer.json)
}

#[tokio::test]
async fn only_administrators_are_let_in() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    for (method, path) in [
        (Method::GET, "overview"),
        (Method::GET, "events"),
        (Method::GET, "jobs"),
        (Method::GET, "jobs/1"),
        (Method::POST, "jobs/1/retry"),
        (Method::POST, "jobs/1/cancel"),
        (Method::POST, "jobs/1/expedite"),
        (Method::POST, "queues/pipeline/pause"),
        (Method::POST, "queues/pipeline/resume"),
        (Method::GET, "statistics"),
        (Method::GET, "storage"),
        (Method::GET, "configuration"),
        (Method::GET, "videos/01234567-89ab-7def-8123-456789abcdef"),
    ] {
        let (status, _) = ask(&app, method.clone(), path, &token).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        let anonymous = app.client.request(method, format!("{}/api/v5/admin/{path}", app.url)).send().await;
        assert_eq!(anonymous.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [
        "/admin",
        "/admin/jobs",
        "/admin/jobs/1",
        "/admin/jobs/videos/1",
        "/admin/storage",
        "/admin/configuration",
    ] {
        let page = app.get(path).bearer_auth(&token).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{path}");
        let page = app.get(path).send().await.unwrap();
        assert_eq!(page.url().path(), "/login", "{path}");
    }
}

#[tokio::test]
async fn the_configuration_is_shown_without_secrets() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.metrics.token = Some(cutetube::config::Secret::new("hunter2".to_owned()));
    })
    .await;
    let token = administrator(&app).await;
    let (status, shown) = ask(&app, Method::GET, "configuration", &token).await;
    assert_eq!(status, StatusCode::OK);
    let value = |key: &str| {
        let settings = shown["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["key"] == key).unwrap()["value"].clone()
    };
    assert_eq!((value("limits.rate"), value("metrics.token")), ("\"off\"".into(), "\"…\"".into()));
    assert_eq!(value("smtp.host"), Value::Null);
    let page =
        app.get("/admin/configuration").bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<code>limits.rate</code>") && page.contains("not set"), "{page}");
    assert!(!format!("{shown}{page}").contains("hunter2"));
}

async fn what_videos_take_up_is_summed_up(database: Database) {
    let app = TestApp::start(database).await;
    let token = administrator(&app).await;
    app.sign_up("ada").await;
    let owner = backstage::user(&app, "ada").await;
    let (_, empty) = ask(&app, Method::GET, "storage", &token).await;
    assert_eq!((&empty["parts"], &empty["videos"], &empty["next"]), (&json!([]), &json!([]), &Value::Null));
    for _ in 0..3 {
        backstage::video(&app, owner, Visibility::Private, Situation::Ready).await;
    }
    let (status, all) = ask(&app, Method::GET, "storage", &token).await;
    assert_eq!(status, StatusCode::OK);
    let bytes = all["videos"][0]["media_bytes"].as_u64().unwrap();
    assert!(bytes > 0 && all["videos"][0]["owner"] == "ada", "{all}");
    assert_eq!(
        (&all["owners"][0]["videos"], &all["owners"][0]["media_bytes"]),
        (&json!(3), &json!(3 * bytes))
    );
    let (_, first) = ask(&app, Method::GET, "storage?order=source&limit=2", &token).await;
    let next = first["next"].as_str().unwrap();
    let (_, second) =
        ask(&app, Method::GET, &format!("storage?order=source&limit=2&after={next}"), &token).await;
    let ids = |page: &Value| {
        page["videos"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    let together = [ids(&first), ids(&second)].concat();
    assert_eq!((together.len(), &second["next"]), (3, &Value::Null));
    for wrong in ["order=size", "after=here", "after=1.2"] {
        assert_eq!(
            ask(&app, Method::GET, &format!("storage?{wrong}"), &token).await.0,
            StatusCode::BAD_REQUEST
        );
    }
    let page = app.get("/admin/storage?order=newest").bearer_auth(&token).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("Our holiday") && page.contains("aria-current"), "{page}");
}

async fn a_job_is_followed_through_the_decisions_about_it(database: Database) {
    let app = TestApp::start(database).await;
    let admin = administrator(&app).await;
    let token = app.sign_up("ada").await;
    let mut events = app.get("/api/v5/admin/events").bearer_auth(&admin).send().await.unwrap();
    let idle = until(&mut events, |_| true).await.unwrap();
    assert_eq!(idle.json["queues"][1]["ready"], 0);

    let (status, _) = ask(&app, Method::POST, "queues/pipeline/pause", &admin).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (video, _) = upload(&app, &token).await;
    let seen = until(&mut events, |json| json["queues"][1]["ready"] == 1).await.unwrap();
    assert!(seen.json["queues"][1]["paused_at_ms"].is_i64(), "{}", seen.json);
    assert_eq!(ask(&app, Method::POST, "queues/pipline/pause", &admin).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&app, Method::POST, "queues/pipeline/resume", &admin).await.0, StatusCode::NO_CONTENT);

    let (_, page) = ask(&app, Method::GET, "jobs?state=ready&kind=inspect", &admin).await;
    let id = page["jobs"][0]["id"].as_i64().unwrap();
    assert_eq!((&page["jobs"][0]["video"], &page["next"]), (&video.clone().into(), &Value::Null));
    assert_eq!(ask(&app, Method::GET, "jobs?state=done", &admin).await.1["jobs"], Value::Array(Vec::new()));
    assert_eq!(ask(&app, Method::GET, "jobs?state=odd", &admin).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&app, Method::GET, "jobs?limit=x", &admin).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&app, Method::GET, "jobs/999", &admin).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&app, Method::POST, &format!("jobs/{id}/retry"), &admin).await.0, StatusCode::CONFLICT);

    let job = take(&app).await;
    endings::reject(&app.db, &job.lease, "It is no video.").await.unwrap();
    let seen = until(&mut events, |json| json["dead"] != Value::Array(Vec::new())).await.unwrap();
    assert_eq!(
        (&seen.json["dead"][0]["id"], &seen.json["dead"][0]["error"]),
        (&id.into(), &"It is no video.".into())
    );
    let (status, job) = ask(&app, Method::POST, &format!("jobs/{id}/retry"), &admin).await;
    assert_eq!(
        (status, &job["state"]),
        (StatusCode::OK, &"dead".into()),
        "the job stays; the video has a new one"
    );

    let (_, work) = ask(&app, Method::GET, &format!("videos/{video}"), &admin).await;
    assert_eq!((&work["state"], work["pieces"].as_array().unwrap().len()), (&"uploaded".into(), 1), "{work}");
    let new = work["pieces"][0]["job"]["id"].as_i64().unwrap();
    let (status, job) = ask(&app, Method::POST, &format!("jobs/{new}/cancel"), &admin).await;
    assert_eq!((status, &job["state"]), (StatusCode::OK, &"cancelled".into()));
    let answer = app.get_json(&format!("/api/v5/videos/{video}")).await;
    assert_eq!(answer.json["state"], "failed");
    assert_eq!(
        ask(&app, Method::POST, &format!("jobs/{new}/expedite"), &admin).await.0,
        StatusCode::CONFLICT
    );

    let (_, statistics) = ask(&app, Method::GET, "statistics?span=24h", &admin).await;
    assert_eq!((&statistics["bucket_seconds"], &statistics["ended"][0]["dead"]), (&3600.into(), &1.into()));
    let last = statistics["begins_ms"].as_array().unwrap().last().cloned();
    assert_eq!(last.as_ref(), Some(&statistics["ended"][0]["begins_ms"]), "both count buckets alike");
    assert_eq!(ask(&app, Method::GET, "statistics?span=1y", &admin).await.0, StatusCode::BAD_REQUEST);
    app.shut_down().await;
}

testbed::on_both_databases!(
    a_job_is_followed_through_the_decisions_about_it,
    what_videos_take_up_is_summed_up
);
