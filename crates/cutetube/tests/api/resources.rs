use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::{Answer, TestApp},
    clips::{CLIP, Clip, clip},
};

testbed::on_both_databases!(
    videos_are_listed_changed_and_found,
    a_key_makes_one_video,
    a_change_that_comes_too_late_is_refused
);

fn form(title: &str) -> Form {
    let part = Part::bytes(clip(CLIP)).file_name("holiday.mp4");
    Form::new().text("title", title.to_owned()).text("tags", "sea, Rome").part("video", part)
}

fn create(app: &TestApp, token: &str, form: Form) -> RequestBuilder {
    app.post("/api/v5/videos").bearer_auth(token).multipart(form)
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

fn patch(app: &TestApp, token: &str, id: &str, change: &Value) -> RequestBuilder {
    let url = format!("{}/api/v5/videos/{id}", app.url);
    app.client.request(Method::PATCH, url).bearer_auth(token).json(change)
}

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

fn titles(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json["videos"].as_array().unwrap().iter().map(|video| video["title"].as_str().unwrap()).collect()
}

async fn videos_are_listed_changed_and_found(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let created = create(&app, &ada, form("Our holiday").text("visibility", "private")).send().await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    let video = Answer::of(created).await.json;
    let id = video["id"].as_str().unwrap();
    assert_eq!(location, format!("{}/api/v5/videos/{id}", app.url));
    assert_eq!(
        (&video["tags"], &video["visibility"], &video["owner"]["username"]),
        (&json!(["sea", "Rome"]), &json!("private"), &json!("ada"))
    );
    send(create(&app, &bob, form("Bob's holiday"))).await;

    let list = async |token: &str, query: &str| {
        send(app.get(&format!("/api/v5/videos?{query}")).bearer_auth(token)).await
    };
    assert_eq!(titles(&list(&ada, "").await), ["Our holiday"]);
    assert_eq!(titles(&list(&bob, "owner=me&state=uploaded&q=holi").await), ["Bob's holiday"]);
    assert!(titles(&list(&bob, "owner=ada").await).is_empty(), "it is private, and on its way");
    assert!(titles(&app.get_json("/api/v5/videos").await).is_empty());
    let unknown = list(&ada, "owner=ada@example.org").await;
    assert!(titles(&unknown).is_empty(), "an address says nothing");
    let wrong = list(&ada, "state=odd&limit=0&sort=best&after=x&min_seconds=-1").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let fields: Vec<_> = wrong.json["errors"].as_array().unwrap().iter().map(|e| &e["field"]).collect();
    assert_eq!(fields, ["after", "limit", "min_seconds", "sort", "state"]);
    assert_eq!(list(&ada, "odd=1").await.status, StatusCode::BAD_REQUEST);

    let found = send(app.get("/api/v5/search?q=rome%20hol").bearer_auth(&ada)).await.json;
    assert_eq!(found["results"][0]["video"]["id"], *id);
    assert_eq!(
        found["results"][0]["title"],
        json!([{"text": "Our ", "hit": false}, {"text": "holiday", "hit": true}])
    );
    let found = send(app.get("/api/v5/search?q=rome%20hol").bearer_auth(&bob)).await.json;
    assert_eq!(found["results"].as_array().unwrap().len(), 1, "everybody finds their own: {found}");
    assert_eq!(app.get_json("/api/v5/search?q=rome").await.json, json!({"results": [], "next": null}));
    assert_eq!(app.get_json("/api/v5/search").await.json["errors"][0]["field"], "q");

    let refused =
        send(patch(&app, &ada, id, &json!({"title": " ", "visibility": "odd", "tags": ["a\u{1}b"]}))).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields: Vec<_> = refused.json["errors"].as_array().unwrap().iter().map(|e| &e["field"]).collect();
    assert_eq!(fields, ["tags", "title", "visibility"]);
    let unknown = send(patch(&app, &ada, id, &json!({"titel": "x"}))).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(patch(&app, &bob, id, &json!({"title": "x"}))).await.status, StatusCode::NOT_FOUND);
    let changed = send(patch(&app, &ada, id, &json!({"visibility": "unlisted", "tags": []}))).await.json;
    assert_eq!((&changed["title"], &changed["tags"]), (&json!("Our holiday"), &json!([])));
    assert_eq!(send(patch(&app, &bob, id, &json!({"title": "x"}))).await.status, StatusCode::FORBIDDEN);
}

async fn a_change_that_comes_too_late_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let created = create(&app, &token, form("One")).send().await.unwrap();
    let first = etag(&created);
    let id = Answer::of(created).await.json["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v5/videos/{id}");
    let known = app.get(&path).header("if-none-match", &first).send().await.unwrap();
    assert_eq!((known.status(), etag(&known)), (StatusCode::NOT_MODIFIED, first.clone()));

    let change = json!({"title": "Two"});
    let second = patch(&app, &token, &id, &change).header("if-match", &first).send().await.unwrap();
    assert_eq!(second.status(), StatusCode::OK);
    assert_ne!(etag(&second), first);
    let late = send(patch(&app, &token, &id, &change).header("if-match", &first)).await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(late.json["type"], "urn:cutetube:error:changed");
    let deletion = app.client.delete(format!("{}{path}", app.url)).bearer_auth(&token);
    let late = deletion.header("if-match", &first).send().await.unwrap();
    assert_eq!(late.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(send(patch(&app, &token, &id, &change).header("if-match", "*")).await.status, StatusCode::OK);
    let seen = app.get(&path).header("if-none-match", &first).send().await.unwrap();
    assert_eq!(seen.status(), StatusCode::OK);
}

async fn a_key_makes_one_video(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let keyed = |token: &str, key: &str, form| create(&app, token, form).header("idempotency-key", key);
    let first = send(keyed(&ada, "\"k\"", form("One"))).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let again = send(keyed(&ada, "k", form("One"))).await;
    assert_eq!((again.status, &again.json["id"]), (StatusCode::CREATED, &first.json["id"]));
    let other = send(keyed(&ada, "k", form("Two"))).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.json["errors"][0]["field"], "Idempotency-Key");
    let file = Part::bytes(clip(Clip { moov_first: false, ..CLIP })).file_name("holiday.mp4");
    let other = Form::new().text("title", "One").text("tags", "sea, Rome").part("video", file);
    assert_eq!(send(keyed(&ada, "k", other)).await.status, StatusCode::UNPROCESSABLE_ENTITY, "another file");
    let bobs = send(keyed(&bob, "k", form("One"))).await;
    assert_ne!(bobs.json["id"], first.json["id"], "keys are everybody's own");
    assert_eq!(app.objects().await.len(), 2, "nothing of the others is kept");

    // What failed is not remembered.
    let bad = Form::new().text("title", "Three").part("video", Part::bytes(&b"no"[..]).file_name("a.mp4"));
    assert_eq!(send(keyed(&ada, "n", bad)).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(keyed(&ada, "n", form("Three"))).await.status, StatusCode::CREATED);
    for key in ["", "a b", "é", &"x".repeat(256)] {
        let refused = send(create(&app, &ada, form("x")).header("idempotency-key", key.as_bytes())).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{key}");
    }
}

/// A form whose file stops in the middle until `rest` says how it goes on.
fn stopping(rest: impl Future<Output = Vec<u8>> + Send + 'static) -> Form {
    let file = clip(CLIP);
    let half = Bytes::from(file[..file.len() / 2].to_vec());
    let pieces = stream::iter([half]).chain(stream::once(rest.map(Bytes::from))).map(Ok::<_, std::io::Error>);
    let part = Part::stream(reqwest::Body::wrap_stream(pieces)).file_name("holiday.mp4");
    Form::new().text("title", "One").part("video", part)
}

/// Until there is one file, finished or not. Who has begun to write one holds the key of the request.
async fn one_file(app: &TestApp) {
    let waiting = async {
        while app.files() != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("there is one file");
}

#[tokio::test]
async fn two_requests_with_one_key_at_once_make_one_video() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let keyed = |form| create(&app, &token, form).header("idempotency-key", "k");
    let (sender, waiting) = tokio::sync::oneshot::channel();
    let first = tokio::spawn(send(keyed(stopping(async move { waiting.await.unwrap() }))));
    one_file(&app).await;
    let second = send(keyed(form("One"))).await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{second:?}");
    let file = clip(CLIP);
    sender.send(file[file.len() / 2..].to_vec()).unwrap();
    assert_eq!(first.await.unwrap().status, StatusCode::CREATED);
}

/// Whoever hangs up in the middle of a file comes again with the same key, and does not wait for the first request.
#[tokio::test]
async fn whoever_hangs_up_comes_again_with_the_same_key() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let keyed = |form| create(&app, &token, form).header("idempotency-key", "k");
    // A connection of its own, which goes with the request.
    let first = tokio::spawn(send(keyed(stopping(std::future::pending()))));
    one_file(&app).await;
    assert_eq!(send(keyed(form("One"))).await.status, StatusCode::CONFLICT);
    first.abort();
    let asking = async {
        loop {
            let answer = send(keyed(form("One"))).await;
            if answer.status != StatusCode::CONFLICT {
                return answer;
            }
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the key is let go of");
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    assert_eq!(app.objects().await.len(), 1);
    // Nothing is left of the first.
    one_file(&app).await;
}

#[tokio::test]
async fn texts_of_people_stay_texts() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let script = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let created = send(create(&app, &token, form(script))).await.json;
    let id = created["id"].as_str().unwrap();
    let change = json!({"description": script, "tags": [script.get(..25)]});
    assert_eq!(send(patch(&app, &token, id, &change)).await.status, StatusCode::OK);
    for path in [
        "/",
        &format!("/watch/{id}"),
        &format!("/embed/{id}"),
        "/search?q=%3Cscript%3Ealert(1)%3C/script%3E&channel=%22%3E%3Cimg%20src=x",
        "/u/ada",
        "/studio?q=script",
        &format!("/studio/{id}"),
        &format!("/studio/delete?id={id}"),
        "/doc/",
    ] {
        let page = app.get(path).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{path}: {page}");
    }
    for path in [&format!("/api/v5/videos/{id}"), "/api/v5/search?q=script", "/api/v5/videos?owner=me"] {
        let answer = app.get(path).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
    // What cannot be seen, or turns the text around it, is refused in a sentence.
    for hidden in ["a\u{1}b", "a\u{202e}b", "a\u{200b}b", "a\u{7}b", "a\u{2066}b"] {
        let refused = send(patch(&app, &token, id, &json!({"title": hidden}))).await;
        assert_eq!(refused.json["errors"][0]["detail"], "Control characters are not allowed.", "{hidden:?}");
    }
}
