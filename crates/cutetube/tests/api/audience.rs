//! How much of videos is watched, as players tell it, and who sees the sums.

use catalog::videos::Visibility;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

testbed::on_both_databases!(sums_are_for_the_owner);

async fn sums_are_for_the_owner(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let owner = backstage::user(&app, "ada").await;
    let id = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let (report, sums) = (format!("/api/v5/videos/{id}/audience"), format!("/api/v5/videos/{id}/statistics"));
    let page = async || {
        let answer = app.get(&format!("/studio/{id}/statistics")).bearer_auth(&ada).send().await.unwrap();
        answer.text().await.unwrap()
    };
    assert!(page().await.contains("Nobody has watched it in the last 30 days."));

    let tell = async |body: Value| app.post(&report).json(&body).send().await.unwrap().status().as_u16();
    assert_eq!(tell(json!({ "begins": true, "played_ms": 1500, "parts": [0, 1, 1, 49] })).await, 204);
    assert_eq!(tell(json!({ "begins": false, "played_ms": 500, "parts": [2] })).await, 204);
    // What cannot be is passed over, or refused.
    assert_eq!(tell(json!({ "begins": true, "played_ms": u32::MAX, "parts": [0, 50, 255] })).await, 204);
    for odd in [
        json!({}),
        json!({ "begins": true, "played_ms": -1, "parts": [] }),
        json!({ "begins": true, "played_ms": 1, "parts": [256] }),
        json!({ "begins": true, "played_ms": 1, "parts": [], "viewer": "ada" }),
        json!([]),
    ] {
        assert_eq!(tell(odd.clone()).await, 422, "{odd}");
    }
    let many = vec![0; 2000];
    assert_eq!(tell(json!({ "begins": true, "played_ms": 1, "parts": many })).await, 413);
    let foreign = app.post(&report).header("sec-fetch-site", "cross-site");
    let foreign = foreign.json(&json!({ "begins": true, "played_ms": 1, "parts": [] }));
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    for (situation, status) in [(Situation::Processing, 409), (Situation::Deleted, 404)] {
        let other = backstage::video(&app, owner, Visibility::Public, situation).await;
        let request = app.post(&format!("/api/v5/videos/{other}/audience"));
        let request = request.json(&json!({ "begins": true, "played_ms": 1, "parts": [] }));
        assert_eq!(request.send().await.unwrap().status().as_u16(), status);
    }

    let told: Value = app.get(&sums).bearer_auth(&ada).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["playbacks"], 2);
    assert_eq!(
        told["played_seconds"],
        json!(2.0 + 12.0 * 3600.0),
        "nobody plays for longer between two reports"
    );
    let days = told["days"].as_array().unwrap();
    assert_eq!((days.len(), &days[29]["playbacks"]), (30, &json!(2)));
    let parts = told["parts"].as_array().unwrap();
    let watched: Vec<_> = parts.iter().map(|part| part["playbacks"].as_u64().unwrap()).collect();
    assert_eq!((parts.len(), watched[0], watched[1], watched[2], watched[49]), (50, 2, 1, 1, 1));
    assert_eq!((&parts[1]["percent"], &parts[3]["percent"]), (&json!(50.0), &json!(0.0)));
    let few: Value =
        app.get(&format!("{sums}?days=1")).bearer_auth(&ada).send().await.unwrap().json().await.unwrap();
    assert_eq!(few["days"].as_array().unwrap().len(), 1);
    assert_eq!(app.get(&format!("{sums}?days=x")).bearer_auth(&ada).send().await.unwrap().status(), 400);
    assert_eq!(app.get(&sums).bearer_auth(&bob).send().await.unwrap().status(), 403);
    let page = page().await;
    assert!(
        page.contains("played 2 times, for 12:00:02 in all") && page.contains("How far people watch"),
        "{page}"
    );
}
