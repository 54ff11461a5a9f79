//! What clients do that do not mean well. Most of it is written to a socket by hand, since no library would send it.

use std::time::Duration;

use catalog::videos::Visibility;
use reqwest::{Method, StatusCode, header, multipart};
use testbed::Database;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    app::TestApp,
    backstage::{self, SOURCE, Situation},
    clips::{CLIP, clip},
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Everything that the server answers until it closes the connection.
async fn answers(app: &TestApp, request: &[u8]) -> String {
    let mut connection = connect(app).await;
    // The server may close before it has read everything.
    let _ = connection.write_all(request).await;
    rest(&mut connection).await
}

async fn rest(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset ends a connection as well as an end does.
    let _ = timeout(PATIENCE, connection.read_to_end(&mut answer)).await.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<u16> {
    answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer.split(' ').next().unwrap().parse().unwrap())
        .collect()
}

async fn public_video(app: &TestApp) -> String {
    app.sign_up("ada").await;
    let owner = backstage::user(app, "ada").await;
    backstage::video(app, owner, Visibility::Public, Situation::Ready).await.to_string()
}

#[tokio::test]
async fn no_path_leads_out_of_the_media() {
    let app = TestApp::start(Database::sqlite()).await;
    let id = public_video(&app).await;
    let long = "a".repeat(60_000);
    for path in [
        "/app/stream/../../signing-secret/".to_owned(),
        "/app/stream/..%2f..%2fsigning-secret/".to_owned(),
        "/app/stream/%2e%2e%2f%2e%2e%2ftest.db/".to_owned(),
        "/app/stream/%252e%252e%252ftest.db/".to_owned(),
        "/app/stream/..%5c..%5ctest.db/".to_owned(),
        "/app/stream/%c0%ae%c0%ae%c0%af/".to_owned(),
        format!("/app/stream/{id}%00/"),
        format!("/app/stream/{id}%2f/"),
        format!("/app/stream/{long}/"),
        format!("/app/v2/dash/{id}/..%2fmanifest.mpd"),
        format!("/app/v2/dash/{id}/1_..%2f..%2fposter.jpg"),
        format!("/app/v2/dash/{id}/1_.._.._poster.jpg"),
        format!("/app/v2/dash/{id}/1_audio_1.m4s%00.mp4"),
        format!("/app/v2/dash/{id}/1_audio_{long}.m4s"),
        format!("/app/v2/dash/..%2f..%2fsources%2f{id}/source.mp4"),
        format!("/vod-media/{id}/1/../../../sources/{id}/source.mp4"),
        format!("/vod-media/{id}/1/..%2f..%2f..%2fsources%2f{id}%2fsource.mp4"),
        format!("/vod-media//{id}/1/poster.jpg"),
        format!("/vod-media/{id}/1/%70oster.jpg"),
        format!("/vod-media/{id}/1/poster.jpg;x=y"),
        format!("/vod-media/{id}/18446744073709551617/poster.jpg"),
        format!("/vod-media/{id}/1/audio/{long}.m4s"),
        format!("/p/../vod-media/{id}/1/poster.jpg"),
        format!("/p/%2e%2e/vod-media/{id}/1/poster.jpg"),
        format!("/p/{long}/vod-media/{id}/1/poster.jpg"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = answers(&app, request.as_bytes()).await;
        assert_eq!(statuses(&answer), [404], "{}: {answer}", &path[..path.len().min(100)]);
    }
}

#[tokio::test]
async fn a_flood_of_ranges_costs_no_more_than_the_file() {
    let app = TestApp::start(Database::sqlite()).await;
    let path = format!("/app/stream/{}/", public_video(&app).await);
    let len = SOURCE.len();
    let many: Vec<_> = (0..10_000).map(|n| format!("{}-{}", n % len, n % len)).collect();
    for (ranges, status) in [
        (many.join(","), 200),
        (vec!["0-"; 17].join(","), 200),
        (vec!["0-"; 16].join(","), 206),
        (vec!["99-"; 16].join(","), 416),
        ("0-4,2-6,6-9,-27".to_owned(), 206),
        (vec![""; 10_000].join(","), 200),
    ] {
        let answer = app.get(&path).header("range", format!("bytes={ranges}")).send().await.unwrap();
        let shown = &ranges[..ranges.len().min(60)];
        assert_eq!(answer.status(), status, "{shown}");
        let body = answer.bytes().await.unwrap();
        assert!(body.len() <= len, "{shown}: {} bytes", body.len());
    }
}

/// A name is part of one header, whatever is in it.
#[tokio::test]
async fn a_file_name_does_not_become_a_header() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let names =
        ["a\"; filename=\"b.exe\".mp4", "é\u{202e}4pm.exe.mp4", "%0d%0aset-cookie: x=y.mp4", "..\\x;y=z.mp4"];
    for name in names {
        let part = multipart::Part::bytes(clip(CLIP)).file_name(name);
        let form = multipart::Form::new().text("title", "T").part("video", part);
        let uploaded = app.upload(&token, form).await;
        let id = uploaded.json["data"]["video_id"].as_str().unwrap_or_else(|| panic!("{name}: {uploaded:?}"));
        let answer = app.get(&format!("/app/stream/{id}/")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key("set-cookie"));
        let disposition = answer.headers()["content-disposition"].to_str().unwrap();
        assert_eq!(disposition.matches('"').count(), 2, "{disposition}");
        assert!(disposition.starts_with("inline; filename=\""), "{disposition}");
    }
}

#[tokio::test]
async fn head_says_what_get_would_say() {
    let app = TestApp::start(Database::sqlite()).await;
    let id = public_video(&app).await;
    for path in [
        format!("/app/stream/{id}/"),
        format!("/app/v2/dash/{id}/manifest.mpd"),
        format!("/app/v2/dash/{id}/1_audio_1.m4s"),
        format!("/vod-media/{id}/1/poster.jpg"),
        format!("/vod-media/{id}/1/nothing.jpg"),
        format!("/watch/{id}"),
        format!("/api/v5/videos/{id}"),
        "/healthz".to_owned(),
    ] {
        let mut said = Vec::new();
        for method in [Method::GET, Method::HEAD] {
            let answer =
                app.client.request(method.clone(), format!("{}{path}", app.url)).send().await.unwrap();
            let status = answer.status();
            let mut headers = answer.headers().clone();
            for different in [header::DATE, header::HeaderName::from_static("x-request-id")] {
                headers.remove(different);
            }
            let mut headers: Vec<_> =
                headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            headers.sort();
            assert!(method == Method::GET || answer.bytes().await.unwrap().is_empty(), "{path}");
            said.push((status, headers));
        }
        assert_eq!(said[0], said[1], "{path}");
    }
}

/// A request whose end two readers would see in different places is not read on from.
#[tokio::test]
async fn a_request_of_unclear_length_ends_the_connection() {
    let app = TestApp::start(Database::sqlite()).await;
    let smuggled = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for (what, headers) in [
        ("two lengths", "content-length: 0\r\ncontent-length: 36\r\n"),
        ("a list of lengths", "content-length: 0, 36\r\n"),
        ("a length with a sign", "content-length: +0\r\n"),
        ("a length in hexadecimal", "content-length: 0x0\r\n"),
        ("a length that is none", "content-length: \r\n"),
        ("a length beyond all numbers", "content-length: 99999999999999999999999\r\n"),
        ("a length and chunks", "content-length: 36\r\ntransfer-encoding: chunked\r\n"),
        ("chunks and a length", "transfer-encoding: chunked\r\ncontent-length: 36\r\n"),
        ("an unknown coding", "transfer-encoding: xchunked\r\n"),
        ("chunks that are not the last coding", "transfer-encoding: chunked, identity\r\n"),
        ("a space before the colon", "transfer-encoding : chunked\r\n"),
        ("a folded header", "x: a\r\n transfer-encoding: chunked\r\n"),
        ("a bare line feed", "x: a\ntransfer-encoding : chunked\r\n"),
        ("a control character", "x: a\0b\r\n"),
    ] {
        let answer = answers(&app, posted(headers, &format!("0\r\n\r\n{smuggled}")).as_bytes()).await;
        assert!(statuses(&answer).len() <= 1 && !answer.contains("200 OK"), "{what}: {answer}");
    }
    // What follows a request of clear length is another request.
    let clear = posted("transfer-encoding: chunked\r\n", &format!("0\r\n\r\n{smuggled}"));
    assert_eq!(statuses(&answers(&app, clear.as_bytes()).await), [422, 200]);
    for (what, body) in [
        ("a chunk that is too long to count", "FFFFFFFFFFFFFFFFF\r\n"),
        ("a chunk of negative length", "-1\r\n"),
        ("a chunk whose length is none", "x\r\n"),
        ("a chunk without its end", "1\r\naGET / HTTP/1.1\r\n\r\n"),
    ] {
        let request = posted("transfer-encoding: chunked\r\n", &format!("{body}{smuggled}"));
        let answer = answers(&app, request.as_bytes()).await;
        assert!(statuses(&answer).len() <= 1 && !answer.contains("200 OK"), "{what}: {answer}");
    }
}

/// A form that the server reads to its end before it answers.
fn posted(headers: &str, body: &str) -> String {
    let kind = "content-type: application/x-www-form-urlencoded";
    format!("POST /login HTTP/1.1\r\nhost: x\r\n{kind}\r\n{headers}\r\n{body}")
}

/// What is announced and does not come is no upload.
#[tokio::test]
async fn a_body_shorter_than_announced_leaves_nothing() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let file = clip(CLIP);
    let part = "--b\r\ncontent-disposition: form-data; name=\"video\"; filename=\"a.mp4\"\r\n\r\n";
    let head = format!(
        "POST /api/v3/vod/initiate-task/upload/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\n\r\n{part}",
        part.len() + file.len() + 1000
    );
    let mut connection = connect(&app).await;
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&file).await.unwrap();
    connection.shutdown().await.unwrap();
    let answer = rest(&mut connection).await;
    assert!(!answer.contains(" 201 "), "{answer}");
    assert_eq!(app.objects().await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_does_not_ask_is_let_go() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.limits.header_seconds = 1).await;
    let beginnings = [
        "",
        "G",
        "GET / HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for beginning in beginnings {
        let mut connection = connect(&app).await;
        connection.write_all(beginning.as_bytes()).await.unwrap();
        let answer = rest(&mut connection).await;
        assert!(!answer.contains("200 OK"), "{beginning}: {answer}");
    }
    // After an answer, too.
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /hea";
    assert_eq!(statuses(&answers(&app, request.as_bytes()).await)[0], 200);
}

/// A byte now and then does not keep a connection open.
#[tokio::test]
async fn headers_that_drip_are_not_waited_for() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.limits.header_seconds = 1).await;
    let mut connection = connect(&app).await;
    connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let dripping = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            if connection.write_all(b"x: y\r\n").await.is_err() {
                return;
            }
        }
    };
    timeout(PATIENCE, dripping).await.expect("the server closes");
}

/// Neither who takes nothing of an answer, nor who takes a little now and then, keeps a connection and what is written
/// to it.
#[tokio::test]
async fn whoever_hardly_reads_is_let_go() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.limits.answer_stall_seconds = 1;
        config.limits.least_bytes_per_second = 100 << 20;
    })
    .await;
    for bytes_at_once in [0, 1, 100_000] {
        let mut connection = connect(&app).await;
        // More than the kernel keeps for both ends.
        let requests = "GET /doc/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(500);
        connection.write_all(requests.as_bytes()).await.unwrap();
        let mut taken = vec![0; bytes_at_once];
        let reading = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            loop {
                ticks.tick().await;
                let is_over = connection.read_exact(&mut taken).await.is_err();
                if is_over || connection.write_all(b"x").await.is_err() {
                    return;
                }
            }
        };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{bytes_at_once} at once is enough"));
    }
}

#[tokio::test]
async fn a_form_that_does_not_come_is_not_waited_for() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.limits.request_seconds = 1).await;
    for (path, kind) in [
        ("/login", "application/x-www-form-urlencoded"),
        ("/api/v3/auth/login/", "application/json"),
        ("/api/v5/auth/refresh", "application/json"),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: 100\r\n\r\n{{"
        );
        let mut connection = connect(&app).await;
        connection.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(statuses(&rest(&mut connection).await), [503], "{path}");
    }
}

#[tokio::test]
async fn ten_thousand_fields_are_refused() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let field = |n: u32| format!("--b\r\ncontent-disposition: form-data; name=\"f{n}\"\r\n\r\nx\r\n");
    let parts: String = (0..10_000).map(field).collect::<String>() + "--b--\r\n";
    let pairs = (0..10_000).map(|n| format!("f{n}=x")).collect::<Vec<_>>().join("&");
    for (path, kind, body) in [
        ("/api/v3/vod/initiate-task/upload/", "multipart/form-data; boundary=b", &parts),
        ("/api/v3/auth/signup/", "multipart/form-data; boundary=b", &parts),
        ("/api/v3/auth/signup/", "application/x-www-form-urlencoded", &pairs),
    ] {
        let request = app.post(path).bearer_auth(&token).header("content-type", kind).body(body.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path} {kind}");
        let said = answer.text().await.unwrap();
        assert!(said.contains("too many fields"), "{path} {kind}: {said}");
    }
}

/// Five gigabytes in a field that is no file, of which the server takes a little.
#[tokio::test]
async fn a_huge_field_is_cut_off_early() {
    const ANNOUNCED: u64 = 5 << 30;
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    for field in ["title", "description", "nobody_asked"] {
        let head = format!(
            "POST /api/v3/vod/initiate-task/upload/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: multipart/form-data; boundary=b\r\ncontent-length: {ANNOUNCED}\r\n\r\n\
             --b\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n"
        );
        let connection = connect(&app).await;
        let (mut reader, mut writer) = connection.into_split();
        writer.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'a'; 1 << 16];
        let sending = async {
            let mut sent = 0;
            while sent < ANNOUNCED && writer.write_all(&piece).await.is_ok() {
                sent += piece.len() as u64;
            }
            sent
        };
        let mut answer = [0; 12];
        let (sent, read) = timeout(PATIENCE, async { tokio::join!(sending, reader.read_exact(&mut answer)) })
            .await
            .expect("the server does not take five gigabytes");
        read.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400", "{field}");
        assert!(sent < 200 << 20, "{field}: {} MB", sent >> 20);
    }
    assert_eq!(app.objects().await, Vec::<String>::new());
}
