use reqwest::StatusCode;
use serde_json::json;
use testbed::Database;

use crate::app::{Answer, TestApp, sign_up_form};

testbed::on_both_databases!(signing_up_and_logging_in, refresh_tokens_are_good_once);

async fn signing_up_and_logging_in(database: Database) {
    let app = TestApp::start(database).await;
    let _hidden = app.hide_what_differs();
    let login = |credential, password| {
        app.post_json("/api/v3/auth/login/", json!({ "credential": credential, "password": password }))
    };
    let mut taken = sign_up_form("ADA");
    taken["email"] = "Ada@Example.org".into();
    let answers = [
        app.post_json("/api/v3/auth/signup/", sign_up_form("ada")).await,
        app.post_json("/api/v3/auth/signup/", taken).await,
        app.post_json("/api/v3/auth/signup/", json!({ "username": "bob", "password": "x" })).await,
        login("ADA", "correct horse").await,
        login("ada@example.org", "correct horse").await,
        login("ada", "wrong horse").await,
        login("nobody", "correct horse").await,
        app.post_json("/api/v3/auth/login/", json!({})).await,
        Answer::of(app.post("/api/v3/auth/login/").body("{").send().await.unwrap()).await,
    ];
    insta::assert_snapshot!("signing_up_and_logging_in", answers.map(|answer| answer.shown()).join("\n\n"));
}

async fn refresh_tokens_are_good_once(database: Database) {
    let app = TestApp::start(database).await;
    let signed_up = app.post_json("/api/v3/auth/signup/", sign_up_form("ada")).await;
    let token = |name: &str| signed_up.json["user"]["token"][name].as_str().unwrap().to_owned();
    let logout = |access: String| app.post("/api/v5/auth/logout").bearer_auth(access).send();
    let refresh = |refresh: String| app.post_json("/api/v5/auth/refresh", json!({ "refresh": refresh }));

    assert_eq!(refresh(token("access")).await.status, StatusCode::UNAUTHORIZED, "an access token is none");
    let next = refresh(token("refresh")).await;
    assert_eq!(next.status, StatusCode::OK);
    let access = next.json["access"].as_str().unwrap().to_owned();

    let stolen = refresh(token("refresh")).await;
    assert_eq!(stolen.status, StatusCode::UNAUTHORIZED);
    let rightful = refresh(next.json["refresh"].as_str().unwrap().to_owned()).await;
    assert_eq!(rightful.status, StatusCode::UNAUTHORIZED, "nobody can tell who the thief is");
    assert_eq!(logout(access).await.unwrap().status(), StatusCode::UNAUTHORIZED, "the session has ended");
}

#[tokio::test]
async fn logging_out_ends_all_tokens_of_the_sign_in() {
    let app = TestApp::start(Database::sqlite()).await;
    let access = app.sign_up("ada").await;
    let logout = || app.post("/api/v5/auth/logout").bearer_auth(&access).send();
    assert_eq!(logout().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(logout().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn forms_are_accepted_like_json() {
    let app = TestApp::start(Database::sqlite()).await;
    let fields = sign_up_form("ada");
    let pairs: Vec<(&String, &str)> =
        fields.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap())).collect();
    let body = serde_urlencoded::to_string(&pairs).unwrap();
    let request = app.post("/api/v3/auth/signup/").body(body);
    let answer =
        Answer::of(request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap())
            .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");

    let mut form = reqwest::multipart::Form::new();
    form = form.text("credential", "ada").text("password", "correct horse");
    let answer = Answer::of(app.post("/api/v3/auth/login/").multipart(form).send().await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn a_closed_server_makes_no_accounts() {
    let closed =
        |config: &mut cutetube::config::Config| config.accounts.signup = cutetube::config::Signup::Closed;
    let app = TestApp::start_with(Database::sqlite(), closed).await;
    let answer = app.post_json("/api/v3/auth/signup/", sign_up_form("ada")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}
