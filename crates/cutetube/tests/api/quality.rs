//! What players tell, and what administrators see of it.

use catalog::videos::Visibility;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

testbed::on_both_databases!(what_players_tell_is_seen_by_administrators);

fn report(video: &str, startup: Option<u32>) -> Value {
    json!({
        "playback": "a2f4c6e8-0a1b-4c2d-8e3f-5a6b7c8d9e0f", "video": video, "height": 360, "startup_ms": startup,
        "played_ms": 9000, "rebuffers": 1, "rebuffering_ms": 1000, "switches": 1, "errors": 0,
    })
}

async fn tell(app: &TestApp, report: &Value, from: &str) -> StatusCode {
    let request = app.client.post(format!("{}/api/v5/quality", app.url)).header("sec-fetch-site", from);
    request.json(report).send().await.unwrap().status()
}

async fn what_players_tell_is_seen_by_administrators(database: Database) {
    let app = TestApp::start(database).await;
    app.sign_up("ada").await;
    let admin = app.sign_up("edith").await;
    backstage::promote(&app, "edith").await;
    let owner = backstage::user(&app, "ada").await;
    let video = backstage::video(&app, owner, Visibility::Private, Situation::Ready).await.to_string();

    assert_eq!(tell(&app, &report(&video, Some(250)), "cross-site").await, StatusCode::FORBIDDEN);
    for (told, status) in [
        (report(&video, None), StatusCode::NO_CONTENT),
        (report(&video, Some(250)), StatusCode::NO_CONTENT),
        // Whoever asks about a video that there is not learns nothing.
        (report("00000000-0001-7000-8000-000000000000", Some(1)), StatusCode::NO_CONTENT),
        (report("nonsense", Some(1)), StatusCode::NO_CONTENT),
        (json!({ "playback": 1 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!("x".repeat(4000)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(tell(&app, &told, "same-origin").await, status, "{told}");
    }

    let seen = app.get("/api/v5/admin/quality?days=1").bearer_auth(&admin).send().await.unwrap();
    let seen: Value = seen.json().await.unwrap();
    let [day] = seen["days"].as_array().unwrap().as_slice() else { panic!("{seen}") };
    assert_eq!((&day["playbacks"], &day["started"]), (&json!(1), &json!(1)), "{seen}");
    assert_eq!(day["startup_seconds"], json!({ "p50": 0.25, "p95": 0.25 }));
    assert_eq!(day["rebuffering_seconds"], 1.0);
    assert_eq!(seen["rungs"][0]["height"], 360);
    assert_eq!(
        (&seen["videos"][0]["id"], &seen["videos"][0]["title"]),
        (&json!(video), &json!("Our holiday"))
    );
    for path in ["/api/v5/admin/quality?days=x", "/api/v5/admin/quality?video=x"] {
        let answer = app.get(path).bearer_auth(&admin).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    for path in ["/admin/quality", "/admin/quality?days=7", &format!("/admin/quality?video={video}")] {
        let page = app.get(path).bearer_auth(&admin).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        let text = page.text().await.unwrap();
        assert!(text.contains("360p") && text.contains("Our holiday") && text.contains("0.25 s"), "{text}");
    }
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be_kept() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.delivery.quality_days = 0).await;
    let admin = app.sign_up("edith").await;
    backstage::promote(&app, "edith").await;
    let owner = backstage::user(&app, "edith").await;
    let video = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await.to_string();
    assert_eq!(tell(&app, &report(&video, Some(250)), "same-origin").await, StatusCode::NO_CONTENT);
    let seen = app.get("/api/v5/admin/quality").bearer_auth(&admin).send().await.unwrap();
    assert_eq!(seen.json::<Value>().await.unwrap(), json!({ "days": [], "rungs": [], "videos": [] }));
}
