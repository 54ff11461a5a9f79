//! Posters that owners choose: who may, what is refused, and where they are seen. What is made of a picture, `e2e/` and the
//! tests of `transcode` see: here no program looks at any.

use std::time::Duration;

use catalog::{
    ids::VideoId,
    posters::{self, Poster},
    videos::{Protection, Visibility},
};
use cutetube::blobs::StorageKey;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

testbed::on_both_databases!(a_chosen_poster_is_shown_everywhere, what_is_no_poster_is_refused);

/// As if a program had made it.
async fn choose(app: &TestApp, video_id: VideoId, name: u64, content: &'static [u8]) -> StorageKey {
    let key = StorageKey::Poster { video: video_id, name };
    let stored = app.blobs.put(&key, vec![content.into()]).await.unwrap();
    let (object_key, bytes, sha256) = (key.to_string(), stored.len, stored.sha256);
    let moment = Some(Duration::from_millis(1500));
    let chosen = Poster { video_id, object_key, bytes, sha256, moment };
    posters::choose(&app.db, &chosen, name).await.unwrap();
    key
}

async fn told(app: &TestApp, id: VideoId, token: &str) -> Value {
    let request = app.get(&format!("/api/v5/videos/{id}")).bearer_auth(token);
    request.send().await.unwrap().json().await.unwrap()
}

async fn a_chosen_poster_is_shown_everywhere(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let owner = backstage::user(&app, "ada").await;
    for visibility in [Visibility::Public, Visibility::Unlisted, Visibility::Private] {
        let id = backstage::video(&app, owner, visibility, Situation::Ready).await;
        let made = told(&app, id, &token).await["poster"].as_str().unwrap().to_owned();
        assert!(made.ends_with("/1/poster.jpg"), "{made}");
        let key = choose(&app, id, 0x1234, b"first").await;
        let first = told(&app, id, &token).await["poster"].as_str().unwrap().to_owned();
        assert!(first.ends_with(&format!("/{key}")), "{first}");
        assert_eq!(first.contains("/p/"), visibility != Visibility::Public, "{first}");
        let answer = app.client.get(&first).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "image/jpeg");
        assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        assert_eq!(answer.text().await.unwrap(), "first");
        // By its bare name it is for those who may see the video.
        let bare = app.get(&format!("/{key}")).send().await.unwrap().status();
        assert_eq!(bare == StatusCode::OK, visibility == Visibility::Public);
        let name = key.to_string();
        for page in [
            format!("/watch/{id}"),
            format!("/studio/{id}"),
            format!("/studio/{id}/poster"),
            "/studio".to_owned(),
        ] {
            let html = app.get(&page).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
            assert!(html.contains(&name), "{page}: {html}");
        }
        if visibility == Visibility::Public {
            for page in ["/", "/u/ada", "/u/ada/feed.xml"] {
                let text = app.get(page).send().await.unwrap().text().await.unwrap();
                assert!(text.contains(&name), "{page}: {text}");
            }
        }

        let second = choose(&app, id, 0x5678, b"second").await;
        let path = format!("/api/v5/videos/{id}/poster");
        let withdraw =
            || app.client.request(Method::DELETE, format!("{}{path}", app.url)).bearer_auth(&token);
        assert_eq!(withdraw().send().await.unwrap().status(), StatusCode::NO_CONTENT);
        assert!(app.blobs.head(&second).await.is_err(), "nobody needs it");
        assert_eq!(app.client.get(&first).send().await.unwrap().status(), 404, "it is not shown any more");
        assert_eq!(withdraw().send().await.unwrap().status(), StatusCode::NO_CONTENT);
        let again = told(&app, id, &token).await;
        assert!(again["poster"].as_str().unwrap().ends_with("/1/poster.jpg"));
    }
}

async fn what_is_no_poster_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let owner = backstage::user(&app, "ada").await;
    let id = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let protected = backstage::protected(&app, owner, Visibility::Public, Protection::Cenc).await;
    let send = async |id: VideoId, bytes: Vec<u8>| {
        let url = format!("{}/api/v5/videos/{id}/poster", app.url);
        app.client.put(url).bearer_auth(&token).body(bytes).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(id, b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()).await, 415);
    assert_eq!(send(id, vec![0xff; (8 << 20) + 1]).await, 413);

    let take = async |id: VideoId, at: Value| {
        let url = format!("{}/api/v5/videos/{id}/poster", app.url);
        let request = app.client.post(url).bearer_auth(&token).json(&json!({ "at_seconds": at }));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for at in [json!(-1), json!(1e300), json!("1"), Value::Null] {
        assert_eq!(take(id, at.clone()).await.0, 422, "{at}");
    }
    let (status, said) = take(id, json!(60)).await;
    assert!(status == 422 && said.contains("The video ends after 2.0 seconds"), "{said}");
    let (status, said) = take(protected, json!(1)).await;
    assert!(status == 409 && said.contains("Send a picture instead."), "{said}");
    let page = app.get(&format!("/studio/{protected}/poster")).bearer_auth(&token).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("This video is protected.") && !page.contains("Take this moment"), "{page}");

    let form = reqwest::multipart::Form::new()
        .part("picture", reqwest::multipart::Part::bytes(b"a text".to_vec()).file_name("poster.png"));
    let request = app.post(&format!("/studio/{id}/poster/picture")).bearer_auth(&token).multipart(form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(answer.text().await.unwrap().contains("Only pictures in JPEG, PNG or WebP"));
    let form = |at: &str| {
        let body = serde_urlencoded::to_string([("at", at)]).unwrap();
        let request = app.post(&format!("/studio/{id}/poster")).bearer_auth(&token);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let answer = form("<soon>").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let html = answer.text().await.unwrap();
    assert!(html.contains("Type a time such as 1:30") && !html.contains("<soon>"), "{html}");
    assert_eq!(posters::of(&app.db, id).await.unwrap(), None);
}
