//! API tokens, and what each route wants of one.

use std::collections::BTreeMap;

use catalog::accounts::{self, Role};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::Database;

use crate::app::{Answer, TestApp};

testbed::on_both_databases!(a_token_is_shown_once_and_good_for_its_scopes);

async fn make(app: &TestApp, token: &str, scopes: &[&str]) -> Value {
    let body = json!({ "name": "The build server", "scopes": scopes, "days": 1 });
    let request = app.post("/api/v5/tokens").bearer_auth(token).json(&body);
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json
}

async fn secret(app: &TestApp, token: &str, scopes: &[&str]) -> String {
    make(app, token, scopes).await["secret"].as_str().unwrap().to_owned()
}

async fn a_token_is_shown_once_and_good_for_its_scopes(database: Database) {
    let app = TestApp::start(database).await;
    let person = app.sign_up("ada").await;
    let made = make(&app, &person, &["read", "read"]).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with(made["prefix"].as_str().unwrap()) && secret.len() > 50, "{made}");
    assert_eq!(made["scopes"], json!(["read"]));
    let me = |token: &str| app.get("/api/v5/me").bearer_auth(token).send();
    assert_eq!(me(secret).await.unwrap().status(), StatusCode::OK);
    assert_eq!(me(&format!("{secret}x")).await.unwrap().status(), StatusCode::UNAUTHORIZED);

    let list = || async {
        let response = app.get("/api/v5/tokens").bearer_auth(&person).send().await.unwrap();
        response.text().await.unwrap()
    };
    let listed = list().await;
    assert!(!listed.contains(secret) && listed.contains(r#""used_at_ms":1"#), "{listed}");
    for (body, field) in [
        (json!({ "name": " ", "scopes": ["read"] }), "name"),
        (json!({ "name": "x", "scopes": [] }), "scopes"),
        (json!({ "name": "x", "scopes": ["root"] }), "scopes"),
        (json!({ "name": "x", "scopes": ["read"], "days": 0 }), "days"),
        (json!({ "name": "x", "scopes": ["read"], "days": 4000 }), "days"),
    ] {
        let request = app.post("/api/v5/tokens").bearer_auth(&person).json(&body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status, &answer.json["errors"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)),
            "{body}"
        );
    }
    let path = format!("{}/api/v5/tokens/{}", app.url, made["id"].as_str().unwrap());
    let end = || app.client.delete(&path).bearer_auth(&person).send();
    assert_eq!(end().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(end().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(me(secret).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

/// Of every documented route: without the scope that it states no token is let in, and a route that states none wants a
/// person.
#[tokio::test]
async fn every_route_wants_the_scope_that_it_states() {
    let app = TestApp::start(Database::sqlite()).await;
    let person = app.sign_up("ada").await;
    let user = accounts::find_by_credential(&app.db, "ada").await.unwrap().unwrap().user;
    accounts::set_role(&app.db, user.id, Role::Admin).await.unwrap();
    let document = app.get_json("/doc/openapi.json").await.json;
    let all = ["read", "upload", "manage", "admin"];
    let (mut tokens, mut tried) = (BTreeMap::new(), 0);
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let security = operation["security"].as_array().cloned().unwrap_or_default();
            // Where anybody may come, a token without the scope is as good as none.
            if security.is_empty() || security.contains(&json!({})) {
                continue;
            }
            // What a playback token opens, no other does.
            let Some(scopes) = security[0]["bearer"].as_array() else { continue };
            let wanted: Vec<&str> = scopes.iter().map(|scope| scope.as_str().unwrap()).collect();
            let others: Vec<&str> = all.into_iter().filter(|scope| !wanted.contains(scope)).collect();
            let token = match tokens.get(&others) {
                Some(token) => token,
                None => {
                    let token = secret(&app, &person, &others).await;
                    tokens.entry(others.clone()).or_insert(token)
                }
            };
            let url = format!("{}{}", app.url, path.replace(['{', '}'], ""));
            let method: Method = method.to_uppercase().parse().unwrap();
            let response = app.client.request(method, url).bearer_auth(token).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} with a token for {others:?}");
            let documented = !operation["responses"]["403"].is_null();
            assert!(documented, "{path} does not document that it refuses tokens without its scope");
            let challenge = response.headers().get("www-authenticate").cloned();
            match wanted.first() {
                Some(scope) => {
                    let challenge = challenge.unwrap().to_str().unwrap().to_owned();
                    assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{path}: {challenge}");
                    let detail = Answer::of(response).await.json["detail"].clone();
                    assert!(detail.as_str().unwrap().contains(&format!("`{scope}`")), "{path}: {detail}");
                }
                None => assert!(challenge.is_none(), "{path}"),
            }
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried} routes want to know who asks");
}

#[tokio::test]
async fn without_the_scope_an_administrators_token_is_no_administrators() {
    let app = TestApp::start(Database::sqlite()).await;
    let person = app.sign_up("ada").await;
    let stranger = app.sign_up("bob").await;
    let hook =
        app.post("/api/v5/webhooks").bearer_auth(&stranger).json(&json!({ "url": "https://192.0.2.1/" }));
    let _ = hook.send().await.unwrap();
    let user = accounts::find_by_credential(&app.db, "ada").await.unwrap().unwrap().user;
    accounts::set_role(&app.db, user.id, Role::Admin).await.unwrap();
    let role_of = async |token: String| {
        let answer = Answer::of(app.get("/api/v5/me").bearer_auth(token).send().await.unwrap()).await;
        answer.json["role"].clone()
    };
    assert_eq!(role_of(person.clone()).await, "admin");
    assert_eq!(role_of(secret(&app, &person, &["read", "manage"]).await).await, "creator");
    assert_eq!(role_of(secret(&app, &person, &["read", "admin"]).await).await, "admin");
    let overview = |token: String| app.get("/api/v5/admin/users").bearer_auth(token).send();
    let of_stranger = secret(&app, &stranger, &["admin"]).await;
    assert_eq!(
        overview(of_stranger).await.unwrap().status(),
        StatusCode::FORBIDDEN,
        "the scope makes no administrator"
    );
    assert_eq!(overview(secret(&app, &person, &["admin"]).await).await.unwrap().status(), StatusCode::OK);
}
