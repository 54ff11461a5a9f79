use catalog::ids::{Revision, VideoId};
use cutetube::blobs::MediaObject;
use reqwest::{Method, Response, StatusCode, multipart};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, put},
    clips::{CLIP, clip},
};

testbed::on_both_databases!(a_published_video_is_served);

/// An uploaded video, published.
async fn publish(app: &TestApp, token: &str) -> VideoId {
    let part = multipart::Part::bytes(clip(CLIP)).file_name("a.mp4");
    let answer =
        app.upload(token, multipart::Form::new().text("title", "Our holiday").part("video", part)).await;
    let video: VideoId = answer.json["data"]["video_id"].as_str().unwrap().parse().unwrap();
    backstage::publish(app, video).await;
    video
}

async fn a_published_video_is_served(database: Database) {
    let app = TestApp::start_with(database, |config| {
        config.delivery.cdn_base_url = Some("https://cdn.example.org/".to_owned());
    })
    .await;
    let _hidden = app.hide_what_differs();
    let token = app.sign_up("ada").await;
    let id = publish(&app, &token).await;
    insta::assert_snapshot!(
        "a_published_video",
        [
            app.get_json(&format!("/api/v5/videos/{id}")).await.shown(),
            app.get_json(&format!("/api/v3/vod/metadata/stream/{id}/")).await.shown(),
            app.get_json("/api/v3/vod/videos/all/").await.shown(),
            app.objects().await.join("\n"),
        ]
        .join("\n\n")
    );
    let waiting = jobs::depths(&app.db).await.unwrap();
    assert!(waiting.iter().all(|depth| depth.queue == "events"), "{waiting:?}");
}

const EARLIER: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
const LATER: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

#[tokio::test]
async fn ranges_and_conditions_are_answered_as_http_says() {
    let app = TestApp::start(Database::sqlite()).await;
    let _hidden = app.hide_what_differs();
    let token = app.sign_up("ada").await;
    let path = format!("/vod-media/{}/1/audio/1.m4s", publish(&app, &token).await);
    let known = app.get(&path).send().await.unwrap();
    let told = |name: &str| known.headers()[name].to_str().unwrap().to_owned();
    let (tag, date) = (told("etag"), told("last-modified"));
    let weak = format!("W/{tag}");
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[("range", "bytes=0-0")],
        &[("range", "bytes=3-")],
        &[("range", "bytes=-2")],
        &[("range", "bytes=0-99")],
        &[("range", "bytes=10-")],
        &[("range", "bytes=0-1,8-9")],
        &[("range", "lines=1-2")],
        &[("range", "bytes=2-3"), ("if-range", &tag)],
        &[("range", "bytes=2-3"), ("if-range", "\"other\"")],
        &[("range", "bytes=2-3"), ("if-range", &weak)],
        &[("range", "bytes=2-3"), ("if-range", &date)],
        &[("range", "bytes=2-3"), ("if-range", LATER)],
        &[("range", "bytes=5-8,0-3,2-4")],
        &[("if-none-match", &tag)],
        &[("if-none-match", &weak)],
        &[("if-none-match", "\"other\", *")],
        &[("if-none-match", "\"other\"")],
        &[("if-match", &tag)],
        &[("if-match", "\"other\"")],
        &[("if-match", &weak)],
        &[("if-modified-since", &date)],
        &[("if-modified-since", EARLIER)],
        &[("if-modified-since", &date), ("if-none-match", "\"other\"")],
        &[("if-unmodified-since", EARLIER)],
        &[("if-unmodified-since", &date)],
        &[("origin", "https://elsewhere.example.org")],
    ];
    let mut said = Vec::new();
    let hidden = |headers: &[(&str, &str)]| format!("{headers:?}").replace(&date, "[date]");
    for method in [Method::GET, Method::HEAD] {
        for headers in cases {
            let request = app.client.request(method.clone(), format!("{}{path}", app.url));
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            said.push(format!(
                "{method} {}\n{}",
                hidden(headers),
                shown(request.send().await.unwrap()).await
            ));
        }
    }
    insta::assert_snapshot!(said.join("\n\n"));
}

/// Whatever an answer says the first time it says again, but for the names of the request and of the moment; and it is
/// given up with what it stands on.
#[tokio::test]
async fn what_is_answered_from_memory_is_what_the_handlers_say() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let id = publish(&app, &token).await;
    let paths = ["mp4/manifest.mpd", "audio/1.m4s"].map(|object| format!("/vod-media/{id}/1/{object}"));
    let ask = async |path: &str, encoding: &str| {
        let answer = app.get(path).header("accept-encoding", encoding).send().await.unwrap();
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove("date");
        let is_named = headers.remove("x-request-id").is_some();
        (status, format!("{headers:?}"), answer.bytes().await.unwrap(), is_named)
    };
    for path in &paths {
        for encoding in ["identity", "gzip"] {
            let (first, again) = (ask(path, encoding).await, ask(path, encoding).await);
            assert!(first.3 && !again.3, "only what the handlers have answered has an id of its own");
            assert_eq!((first.0, first.1, first.2), (again.0, again.1, again.2), "{path} {encoding}");
        }
        let part = app.get(path).header("range", "bytes=0-3").send().await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        let head = app.client.head(format!("{}{path}", app.url)).send().await.unwrap();
        assert_eq!(head.bytes().await.unwrap().len(), 0);
    }
    let change = |visibility: &str| {
        let request = app.client.patch(format!("{}/api/v5/videos/{id}", app.url)).bearer_auth(&token);
        request.json(&serde_json::json!({ "visibility": visibility })).header("if-match", "*").send()
    };
    assert_eq!(change("private").await.unwrap().status(), StatusCode::OK);
    for path in &paths {
        assert_eq!(ask(path, "gzip").await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(change("public").await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask(&paths[1], "gzip").await.0, StatusCode::OK);
}

#[tokio::test]
async fn each_kind_of_object_has_its_type_and_its_caching() {
    let app = TestApp::start(Database::sqlite()).await;
    let _hidden = app.hide_what_differs();
    let token = app.sign_up("ada").await;
    let id = publish(&app, &token).await;
    let mut said = Vec::new();
    for object in ["mp4/manifest.mpd", "master.m3u8", "audio/1.m4s", "poster.jpg"] {
        let answer = app.get(&format!("/vod-media/{id}/1/{object}")).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        said.push(format!("{object}: {}, {}", header("content-type"), header("cache-control")));
    }
    insta::assert_snapshot!(said.join("\n"), @"
    mp4/manifest.mpd: application/dash+xml, public, max-age=5, must-revalidate
    master.m3u8: application/vnd.apple.mpegurl, public, max-age=5, must-revalidate
    audio/1.m4s: audio/mp4, public, max-age=31536000, immutable
    poster.jpg: image/jpeg, public, max-age=31536000, immutable
    ");
}

#[tokio::test]
async fn only_published_objects_exist() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let id = publish(&app, &token).await;
    let other = MediaObject::Poster;
    put(&app, id, Revision::FIRST.next(), other, b"unpublished").await;
    for path in [
        format!("/vod-media/{id}/2/poster.jpg"),
        format!("/vod-media/{id}/1/audio/2.m4s"),
        format!("/vod-media/{id}/1/audio/01.m4s"),
        format!("/vod-media/{id}/1/"),
        format!("/vod-media/{id}/1/../1/poster.jpg"),
        format!("/vod-media/{id}/1/..%2f1%2fposter.jpg"),
        format!("/vod-media/{id}/1/%70oster.jpg"),
        format!("/vod-media/{}/1/poster.jpg", id.to_string().to_uppercase()),
        format!("/vod-media/sources/{id}/source.mp4"),
        format!("/sources/{id}/source.mp4"),
        "/vod-media/..%2f..%2fcutetube.db".to_owned(),
        "/vod-media/%00".to_owned(),
    ] {
        // Not through `reqwest`, which tidies paths.
        assert_eq!(raw_status(&app, &path).await, 404, "{path}");
    }
}

async fn raw_status(app: &TestApp, path: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut connection =
        tokio::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn shown(answer: Response) -> String {
    const EVERYWHERE: [&str; 5] =
        ["date", "x-request-id", "x-content-type-options", "referrer-policy", "content-security-policy"];
    let status = answer.status();
    let headers: Vec<_> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !EVERYWHERE.contains(&name.as_str()))
        .map(|(name, value)| match name.as_str() {
            "last-modified" => "last-modified: [date]".to_owned(),
            name => format!("{name}: {}", value.to_str().unwrap()),
        })
        .collect();
    let body = answer.text().await.unwrap().replace('\r', "");
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
    format!("{status}\n{}\n{body}", headers.join("\n")).trim_end().to_owned()
}
