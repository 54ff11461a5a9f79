//! What people say about videos, and what they like.

use catalog::videos::Visibility;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

/// Sends a body, or none, as whoever has the token; answers status and body.
async fn ask(app: &TestApp, method: Method, path: &str, token: &str, body: Value) -> (u16, Value) {
    let request = app.client.request(method, format!("{}{path}", app.url)).bearer_auth(token);
    let request = if body.is_null() { request } else { request.json(&body) };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

async fn people_talk_below_a_video(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let eve = app.sign_up("eve").await;
    let edith = app.sign_up("edith").await;
    backstage::promote(&app, "edith").await;
    let owner = backstage::user(&app, "ada").await;
    let video = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let below = format!("/api/v5/videos/{video}/comments");
    let say = async |token: &str, text: &str, parent: Value| {
        ask(&app, Method::POST, &below, token, json!({ "text": text, "reply_to": parent })).await
    };
    let id = |said: &(u16, Value)| said.1["id"].as_str().unwrap_or_else(|| panic!("{said:?}")).to_owned();

    let first = say(&bob, " <b>Where</b> is that?\r\nI mean the beach. ", Value::Null).await;
    assert_eq!((first.0, &first.1["text"]), (201, &json!("<b>Where</b> is that?\nI mean the beach.")));
    let answer = say(&ada, "In Rimini.", json!(id(&first))).await;
    assert_eq!((answer.0, &answer.1["author"]), (201, &json!("ada")));
    let deeper = say(&bob, "Thanks.", json!(id(&answer))).await;
    assert_eq!((deeper.0, deeper.1["detail"].as_str().unwrap().contains("cannot be answered")), (409, true));
    for (text, parent, status) in [
        ("", Value::Null, 422),
        ("  \n ", Value::Null, 422),
        (&"x".repeat(2001), Value::Null, 422),
        ("a\u{202e}b", Value::Null, 422),
        ("a", json!("nonsense"), 404),
        ("a", json!("0190a0b0-5b7e-7c3a-9d2f-3f6a1c2b4d5e"), 404),
    ] {
        let refused = say(&bob, text, parent).await;
        assert_eq!(refused.0, status, "{text:?}: {refused:?}");
    }
    let list = app.get_json(&below).await.json;
    assert_eq!((&list["count"], &list["open"], &list["next"]), (&json!(2), &json!(true), &Value::Null));
    assert_eq!(list["comments"][0]["answers"][0]["text"], "In Rimini.");

    let comment = format!("/api/v5/comments/{}", id(&first));
    let edited = ask(&app, Method::PATCH, &comment, &bob, json!({ "text": "Where is that beach?" })).await;
    assert_eq!((edited.0, edited.1["edited_at_ms"].is_i64()), (200, true));
    for (token, status) in [(&eve, 403), (&ada, 403), (&edith, 403)] {
        let refused = ask(&app, Method::PATCH, &comment, token, json!({ "text": "Forged" })).await;
        assert_eq!(refused.0, status, "{refused:?}");
    }
    let report = format!("{comment}/report");
    assert_eq!(ask(&app, Method::POST, &report, &eve, json!({ "reason": "Rude" })).await.0, 204);
    assert_eq!(ask(&app, Method::POST, &report, &eve, json!({ "reason": "" })).await.0, 422);
    assert_eq!(ask(&app, Method::DELETE, &comment, &eve, Value::Null).await.0, 403);

    // The owner takes away what is said below their video, and nobody can say more when they do not want to hear it.
    let open = format!("{below}/open");
    assert_eq!(ask(&app, Method::DELETE, &open, &ada, Value::Null).await.0, 204);
    assert_eq!(say(&bob, "More", Value::Null).await.0, 409);
    assert_eq!(ask(&app, Method::DELETE, &comment, &ada, Value::Null).await.0, 204);
    assert_eq!(app.get_json(&below).await.json["count"], 0, "its answers went with it");
    assert_eq!(ask(&app, Method::PUT, &open, &ada, Value::Null).await.0, 204);

    // What is private is nobody's to talk about.
    let said = say(&bob, "Once more", Value::Null).await;
    let video_path = format!("/api/v5/videos/{video}");
    assert_eq!(ask(&app, Method::PATCH, &video_path, &ada, json!({ "visibility": "private" })).await.0, 200);
    let comment = format!("/api/v5/comments/{}", id(&said));
    assert_eq!(app.get(&below).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(say(&bob, "And more", Value::Null).await.0, 404);
    assert_eq!(ask(&app, Method::PATCH, &comment, &bob, json!({ "text": "x" })).await.0, 404);
    assert_eq!(ask(&app, Method::DELETE, &comment, &edith, Value::Null).await.0, 204);
}

async fn people_like_a_video(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let owner = backstage::user(&app, "ada").await;
    let video = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let path = format!("/api/v5/videos/{video}/like");
    for (method, token, count, liked) in [
        (Method::PUT, &ada, 1, true),
        (Method::PUT, &ada, 1, true),
        (Method::PUT, &bob, 2, true),
        (Method::DELETE, &bob, 1, false),
        (Method::DELETE, &bob, 1, false),
    ] {
        assert_eq!(ask(&app, method, &path, token, Value::Null).await.0, 204);
        let seen = ask(&app, Method::GET, &path, token, Value::Null).await.1;
        assert_eq!(seen, json!({ "count": count, "liked": liked }));
    }
    assert_eq!(app.get_json(&path).await.json, json!({ "count": 1, "liked": false }));
}

/// Sends a form like a browser, and follows where it leads.
async fn send(app: &TestApp, path: &str, token: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
    let request = app.client.post(format!("{}{path}", app.url)).bearer_auth(token);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(serde_urlencoded::to_string(fields).unwrap()).send().await.unwrap();
    let (status, at) = (answer.status().as_u16(), answer.url().clone());
    let at = at.as_str().trim_start_matches(&app.url).to_owned();
    (status, at, answer.text().await.unwrap())
}

#[tokio::test]
async fn the_pages_need_no_scripts() {
    let app = TestApp::start(Database::sqlite()).await;
    let (ada, bob, edith) = (app.sign_up("ada").await, app.sign_up("bob").await, app.sign_up("edith").await);
    backstage::promote(&app, "edith").await;
    let owner = backstage::user(&app, "ada").await;
    let video = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let watch = format!("/watch/{video}");
    let post = format!("{watch}/comments");

    let (status, at, page) = send(&app, &post, &bob, &[("text", "<i>Where</i> is that?")]).await;
    assert_eq!((status, &at), (200, &watch));
    assert!(page.contains("&#60;i&#62;Where&#60;/i&#62; is that?") && page.contains("1 comment"), "{page}");
    let comment = page.split_once("id=\"comment-").unwrap().1.split('"').next().unwrap().to_owned();
    let path = format!("/comments/{comment}");
    let (_, _, page) = send(&app, &post, &ada, &[("text", "In Rimini."), ("reply_to", &comment)]).await;
    assert!(page.contains("2 comments") && page.contains("In Rimini."), "{page}");
    // Nothing that somebody typed is lost.
    let long = "x".repeat(2001);
    let (status, _, page) = send(&app, &post, &bob, &[("text", &long), ("reply_to", &comment)]).await;
    assert_eq!((status, page.contains(&long), page.contains(&comment)), (422, true, true));

    let (status, _, page) = send(&app, &format!("{watch}/like"), &bob, &[("liked", "yes")]).await;
    assert_eq!((status, page.contains("1 like")), (200, true));
    let (_, _, page) = send(&app, &path, &bob, &[("deed", "edit"), ("text", "Where is it?")]).await;
    assert!(page.contains("Where is it?") && page.contains("edited"), "{page}");
    assert_eq!(send(&app, &path, &ada, &[("deed", "edit"), ("text", "Forged")]).await.0, 403);
    assert_eq!(send(&app, &path, &ada, &[("deed", "edit"), ("text", "")]).await.0, 422);
    let (_, at, page) = send(&app, &path, &ada, &[("deed", "report"), ("text", "An advertisement")]).await;
    assert_eq!((at, page.contains("Thank you")), (format!("{path}?done=report"), true));

    let seen = app.get("/admin/comments").bearer_auth(&edith).send().await.unwrap().text().await.unwrap();
    assert!(seen.contains("An advertisement") && seen.contains("Our holiday"), "{seen}");
    let decide = format!("/admin/comments/{comment}");
    let (_, _, page) = send(&app, &decide, &edith, &[("decision", "removed")]).await;
    assert!(page.contains("Nobody has reported anything.") && page.contains("Where is it?"), "{page}");
    assert_eq!(app.get(&path).send().await.unwrap().status(), StatusCode::NOT_FOUND);

    let close = format!("/studio/{video}/comments");
    let (_, _, page) = send(&app, &close, &ada, &[("comments", "closed")]).await;
    assert!(page.contains("Open the comments"), "{page}");
    let (status, _, page) = send(&app, &post, &bob, &[("text", "Too late")]).await;
    assert_eq!((status, page.contains("Too late") && page.contains("are closed.")), (409, true), "{page}");
    let seen = app.get(&watch).send().await.unwrap().text().await.unwrap();
    assert!(seen.contains("The comments are closed."), "{seen}");
}

testbed::on_both_databases!(people_talk_below_a_video, people_like_a_video);
