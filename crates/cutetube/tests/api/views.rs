//! How often videos are watched, and who is told.

use catalog::videos::Visibility;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

testbed::on_both_databases!(a_viewer_counts_once);

async fn a_viewer_counts_once(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let owner = backstage::user(&app, "ada").await;
    let other = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let id = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let path = format!("/api/v5/videos/{id}/views");
    let home = async || app.get("/").send().await.unwrap().text().await.unwrap();
    assert!(!home().await.contains("Most watched"));

    let watch = async |agent: &str, token: Option<&str>| {
        let request = app.post(&path).header("user-agent", agent);
        let request = token.into_iter().fold(request, RequestBuilder::bearer_auth);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    };
    for agent in ["phone", "desk", "phone"] {
        watch(agent, None).await;
        watch(agent, Some(&bob)).await;
    }
    let told: Value = app.get(&path).bearer_auth(&ada).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["total"], 3, "two browsers, and one account on both: {told}");
    assert_eq!(told["days"].as_array().unwrap().len(), 1);
    assert_eq!(told["days"][0]["views"], json!(3));
    assert_eq!(told["days"][0]["date"].as_str().unwrap().len(), "2026-11-28".len());

    for page in ["/", "/search?q=holi", "/u/ada", &format!("/watch/{id}")] {
        let html = app.get(page).send().await.unwrap().text().await.unwrap();
        assert!(html.contains("3 views"), "{page}: {html}");
    }
    let home = home().await;
    let (before, after) = home.split_once("Newest videos").unwrap();
    assert!(before.contains("Most watched") && !before.contains(&other.to_string()), "{home}");
    assert!(after.contains(&other.to_string()));
    let studio = app.get(&format!("/studio/{id}")).bearer_auth(&ada).send().await.unwrap();
    assert!(studio.text().await.unwrap().contains("3 views in all."));
}
