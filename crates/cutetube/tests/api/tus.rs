//! Resumable uploads: each thing that tus 1.0.0 says a server MUST do, and what this one does with the bytes.

mod client;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use catalog::{
    ids::UploadId,
    resumable::{self, Kind, NewUpload, Piece, Terms, Turn},
};
use cutetube::blobs::StorageKey;
use futures_util::stream;
use reqwest::{Body, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use testbed::Database;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};

use self::client::{BYTES, Tus, UPLOADS, metadata, said};
use crate::{
    app::{Answer, TestApp},
    backstage,
    clips::{CLIP, Clip, clip, padded_clip},
};

testbed::on_both_databases!(
    an_upload_in_pieces_becomes_a_video,
    parts_become_a_video_in_the_order_of_the_list,
    what_a_killed_server_has_left_becomes_a_video,
);

fn file() -> Vec<u8> {
    clip(CLIP)
}

async fn an_upload_in_pieces_becomes_a_video(database: Database) {
    let tus = Tus::with(TestApp::start(database).await).await;
    // Longer than one piece of the store.
    let (head, padding) = padded_clip(6 << 20);
    let file = [head, vec![0x7e; padding as usize]].concat();
    let described = metadata(&[("filename", "a.MOV"), ("title", "Our holiday"), ("visibility", "unlisted")]);
    let request = tus.request(Method::POST, UPLOADS).header("upload-metadata", &described);
    let begun = request.header("upload-length", file.len()).send().await.unwrap();
    let url = said(&begun, "location").unwrap();
    let state = tus.get(&url).await;
    assert_eq!(
        (&state["state"], &state["offset"], &state["video"]),
        (&"receiving".into(), &0.into(), &Value::Null)
    );

    let (first, second) = file.split_at(5_000_000);
    let answer = tus.patch(&url, 0, first.to_vec()).send().await.unwrap();
    assert_eq!((answer.status(), said(&answer, "cutetube-video")), (StatusCode::NO_CONTENT, None));
    assert_eq!(tus.app.files(), 2, "two pieces");
    // Another node goes on.
    let other = tus.app.start_another().await;
    let there = url.replace(&tus.app.url, &other.url);
    let answer = tus.patch(&there, 5_000_000, second.to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{answer:?}");
    let id = said(&answer, "cutetube-video").unwrap();

    let video = catalog::videos::video(&tus.app.db, id.parse().unwrap()).await.unwrap();
    assert_eq!(video.source.sha256, Some(Sha256::digest(&file).into()));
    assert_eq!((video.title.as_str(), video.visibility.as_str()), ("Our holiday", "unlisted"));
    assert_eq!(video.source.key, format!("sources/{id}/source.mov"));
    let done = tus.get(&url).await;
    assert_eq!((&done["state"], &done["video"]["id"]), (&"done".into(), &Value::from(id.clone())), "{done}");
    assert!(done["video"]["process"].as_str().unwrap().ends_with(&video.process.to_string()));
    // An answer that was lost is given again, and makes no other video.
    let again = tus.patch(&url, file.len(), "").send().await.unwrap();
    assert_eq!(said(&again, "cutetube-video"), Some(id.clone()));
    let more = tus.patch(&url, file.len(), "more").send().await.unwrap();
    assert_eq!(more.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(tus.app.get_json("/api/v5/videos?owner=ada").await.json["videos"], Value::Array(vec![]));
    until(async || tus.app.objects().await == [format!("sources/{id}/source.mov")]).await;
    tus.request(Method::DELETE, &url).send().await.unwrap();
    assert!(catalog::videos::video(&tus.app.db, video.id).await.is_ok(), "a video outlives its upload");
}

/// "The `Tus-Version` response header MUST be…", "MUST contain `Tus-Version`", "the Server MUST ignore the header".
#[tokio::test]
async fn options_tell_what_is_spoken() {
    let tus = Tus::start().await;
    for url in [UPLOADS, "/api/v5/uploads/anything"] {
        let request = tus.app.client.request(Method::OPTIONS, format!("{}{url}", tus.app.url));
        let answer = request.header("tus-resumable", "0.2.2").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(said(&answer, "tus-version").unwrap(), "1.0.0");
        let extensions = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation";
        assert_eq!(said(&answer, "tus-extension").unwrap(), extensions);
        assert_eq!(said(&answer, "tus-checksum-algorithm").unwrap(), "sha1,sha256");
        assert_eq!(said(&answer, "tus-max-size").unwrap(), (20_u64 << 30).to_string());
    }
}

/// "MUST be included in every request and response", "MUST respond with 412 … and MUST include `Tus-Version`", "MUST NOT
/// process the request".
#[tokio::test]
async fn another_version_is_refused_and_nothing_done() {
    let tus = Tus::start().await;
    let url = tus.begin(10).await;
    for version in [None, Some("0.2.2"), Some("1.0.0, 0.2.2")] {
        let with = |request: RequestBuilder| match version {
            Some(version) => request.header("tus-resumable", version),
            None => request,
        };
        let patch = tus.bare(Method::PATCH, &url).header("upload-offset", 0).header("content-type", BYTES);
        let post = tus.bare(Method::POST, UPLOADS).header("upload-length", 1);
        let all = [patch.body("hello"), post, tus.bare(Method::HEAD, &url), tus.bare(Method::DELETE, &url)];
        for request in all {
            let answer = with(request).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::PRECONDITION_FAILED);
            assert_eq!(said(&answer, "tus-version").unwrap(), "1.0.0");
            assert_eq!(said(&answer, "tus-resumable").unwrap(), "1.0.0");
        }
    }
    assert_eq!(tus.offset(&url).await, Some(0));
    let anybody = tus.app.client.patch(&url).send().await.unwrap();
    assert_eq!(anybody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(said(&anybody, "tus-resumable").unwrap(), "1.0.0");
}

/// "MUST always include the `Upload-Offset` header", "MUST include the `Upload-Length` header", "MUST prevent … caching",
/// "responses to `HEAD` requests MUST include the `Upload-Metadata` header and its value".
#[tokio::test]
async fn head_tells_how_far_it_is() {
    let tus = Tus::start().await;
    let url = tus.begin(11).await;
    for (offset, bytes) in [(0, "\0\0\0\x20ft"), (6, "")] {
        tus.patch(&url, offset, bytes).send().await.unwrap();
        let answer = tus.head(&url).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(said(&answer, "upload-offset").unwrap(), "6");
        assert_eq!(said(&answer, "upload-length").unwrap(), "11");
        assert_eq!(said(&answer, "cache-control").unwrap(), "no-store");
        assert_eq!(said(&answer, "upload-metadata").unwrap(), metadata(&[("filename", "holiday.mp4")]));
        assert_eq!(said(&answer, "tus-resumable").unwrap(), "1.0.0");
        assert_eq!(said(&answer, "upload-defer-length"), None);
    }
    for nothing in ["/api/v5/uploads/x", "/api/v5/uploads/00000000-0000-7000-8000-000000000000"] {
        let answer = tus.head(nothing).await;
        assert_eq!((answer.status(), said(&answer, "upload-offset")), (StatusCode::NOT_FOUND, None));
        assert_eq!(tus.patch(nothing, 0, "x").send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
}

/// "MUST be equal to the current offset", "MUST respond with the `409 Conflict` status without modifying", "MUST
/// acknowledge … with the `204 No Content` status", "MUST include the `Upload-Offset` header".
#[tokio::test]
async fn bytes_are_added_where_the_others_end() {
    let tus = Tus::start().await;
    let url = tus.begin(20).await;
    let first = tus.patch(&url, 0, "\0\0\0\x20ftyp").send().await.unwrap();
    assert_eq!(first.status(), StatusCode::NO_CONTENT);
    assert_eq!(said(&first, "upload-offset").unwrap(), "8");
    for wrong in [0, 7, 9] {
        let answer = tus.patch(&url, wrong, "more").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT);
        assert_eq!(tus.offset(&url).await, Some(8));
    }
    let second = tus.patch(&url, 8, "isom").send().await.unwrap();
    assert_eq!(said(&second, "upload-offset").unwrap(), "12");
    let form = tus.request(Method::PATCH, &url).header("upload-offset", 12).body("more");
    assert_eq!(form.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let nowhere = tus.request(Method::PATCH, &url).header("content-type", BYTES).body("more");
    assert_eq!(nowhere.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let too_much = tus.patch(&url, 12, "more than there can be").send().await.unwrap();
    assert_eq!(too_much.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let chunks = ["more than ", "there can be"].map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
    let unmeasured = tus.patch(&url, 12, Body::wrap_stream(stream::iter(chunks))).send().await.unwrap();
    assert_eq!(unmeasured.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(tus.offset(&url).await, Some(12));
}

/// "MUST be interpreted as the request's method", "The actual method of the request MUST be ignored".
#[tokio::test]
async fn a_method_can_be_said_in_a_header() {
    let tus = Tus::start().await;
    let url = tus.begin(20).await;
    let instead = |method, actual| tus.request(actual, &url).header("x-http-method-override", method);
    let patch = instead("PATCH", Method::POST).header("upload-offset", 0).header("content-type", BYTES);
    let patched = patch.body("\0\0\0\x20ftyp").send().await.unwrap();
    assert_eq!(
        (patched.status(), said(&patched, "upload-offset").unwrap().as_str()),
        (StatusCode::NO_CONTENT, "8")
    );
    let head = instead("HEAD", Method::POST).send().await.unwrap();
    assert_eq!(said(&head, "upload-offset").unwrap(), "8");
    assert_eq!(instead("PUT", Method::POST).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let delete = instead("DELETE", Method::PATCH).send().await.unwrap();
    assert_eq!(delete.status(), StatusCode::NO_CONTENT);
    assert_eq!(tus.offset(&url).await, None);
}

/// "MUST include one of the following headers", "MUST respond with the `413`", "MUST acknowledge … with the `201 Created`
/// status", "MUST set the `Location` header".
#[tokio::test]
async fn an_upload_begins_with_its_length() {
    let tus =
        Tus::with(TestApp::start_with(Database::sqlite(), |config| config.limits.upload_bytes = 1000).await)
            .await;
    for (headers, status) in [
        (&[][..], 400),
        (&[("upload-length", "a")], 400),
        (&[("upload-length", "-1")], 400),
        (&[("upload-length", "1"), ("upload-defer-length", "1")], 400),
        (&[("upload-defer-length", "2")], 400),
        (&[("upload-length", "1001")], 413),
        (&[("upload-length", "0")], 422),
        (&[("upload-length", "1000")], 201),
    ] {
        let request = headers.iter().fold(tus.post(), |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{headers:?}");
        assert_eq!(said(&answer, "location").is_some(), status == 201);
    }
}

/// "The Server MUST set `Upload-Defer-Length: 1` in all responses to `HEAD`", "Once set the length MUST NOT be changed".
#[tokio::test]
async fn a_length_can_be_said_later_and_once() {
    let tus = Tus::start().await;
    let file = file();
    let begun = tus.post().header("upload-defer-length", 1).send().await.unwrap();
    let url = said(&begun, "location").unwrap();
    tus.patch(&url, 0, file[..100].to_vec()).send().await.unwrap();
    let head = tus.head(&url).await;
    assert_eq!(
        (said(&head, "upload-defer-length").as_deref(), said(&head, "upload-length")),
        (Some("1"), None)
    );
    let short = tus.patch(&url, 100, "").header("upload-length", 99).send().await.unwrap();
    assert_eq!(short.status(), StatusCode::BAD_REQUEST);
    let set = tus.patch(&url, 100, "").header("upload-length", file.len()).send().await.unwrap();
    assert_eq!(set.status(), StatusCode::NO_CONTENT);
    let head = tus.head(&url).await;
    assert_eq!(said(&head, "upload-length"), Some(file.len().to_string()));
    assert_eq!(said(&head, "upload-defer-length"), None);
    let changed = tus.patch(&url, 100, "").header("upload-length", file.len() + 1).send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::BAD_REQUEST);
    let last = tus.patch(&url, 100, file[100..].to_vec()).send().await.unwrap();
    assert!(said(&last, "cutetube-video").is_some(), "{last:?}");
}

/// "MUST include the `Upload-Offset` header in the response and MUST set its value to the offset of the upload".
#[tokio::test]
async fn bytes_can_come_with_the_creation() {
    let tus = Tus::start().await;
    let file = file();
    let with = |bytes: Vec<u8>| {
        tus.post().header("upload-length", file.len()).header("content-type", BYTES).body(bytes)
    };
    let some = with(file[..100].to_vec()).send().await.unwrap();
    assert_eq!((some.status(), said(&some, "upload-offset").as_deref()), (StatusCode::CREATED, Some("100")));
    assert_eq!(tus.offset(&said(&some, "location").unwrap()).await, Some(100));
    let all = with(file.clone()).send().await.unwrap();
    assert_eq!(said(&all, "upload-offset"), Some(file.len().to_string()));
    assert!(said(&all, "cutetube-video").is_some());
    let form = tus.post().header("upload-length", 5).body("hello").send().await.unwrap();
    assert_eq!(form.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// "MUST be included in every `PATCH` response", "MUST be included in the response to the initial `POST`", "MUST be in RFC
/// 7231 datetime format".
#[tokio::test]
async fn uploads_say_when_they_expire() {
    let tus = Tus::start().await;
    let begun = tus.post().header("upload-length", 20).send().await.unwrap();
    let url = said(&begun, "location").unwrap();
    let patched = tus.patch(&url, 0, "\0\0\0\x20ftyp").send().await.unwrap();
    for answer in [&begun, &patched, &tus.head(&url).await] {
        let date = said(answer, "upload-expires").unwrap();
        let left = httpdate::parse_http_date(&date)
            .unwrap()
            .duration_since(httpdate::parse_http_date(&said(answer, "date").unwrap()).unwrap());
        let left = left.unwrap().as_secs();
        assert!((86_395..=86_405).contains(&left), "{left}");
    }
    // A server where they expire at once.
    let hasty = tus.app.start_another_with(|config| config.limits.resumable_hours = 0).await;
    tus.patch(&url.replace(&tus.app.url, &hasty.url), 8, "more").send().await.unwrap();
    assert_eq!(tus.head(&url).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(tus.patch(&url, 12, "more").send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

/// "the Server MUST verify the uploaded chunk", "the uploaded chunk MUST be discarded, and the upload and its offset MUST
/// NOT be updated", "MUST support at least the SHA1 checksum algorithm".
#[tokio::test]
async fn bytes_that_are_not_those_of_their_checksum_are_discarded() {
    let tus = Tus::start().await;
    let (head, padding) = padded_clip(9 << 20);
    let file = [head, vec![0; padding as usize]].concat();
    let url = tus.begin(file.len()).await;
    let half = 5 << 20;
    let sha256 = |bytes: &[u8]| format!("sha256 {}", STANDARD.encode(Sha256::digest(bytes)));
    for (sum, status) in [
        ("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=".to_owned(), 460),
        (sha256(b"else"), 460),
        ("md5 Kq5sNclPz7QV2+lfQIuc6R7oRu0=".to_owned(), 400),
        ("sha1".to_owned(), 400),
    ] {
        let answer =
            tus.patch(&url, 0, file[..half].to_vec()).header("upload-checksum", sum).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(tus.offset(&url).await, Some(0));
        assert_eq!(tus.app.files(), 0);
    }
    let right = tus.patch(&url, 0, file[..half].to_vec()).header("upload-checksum", sha256(&file[..half]));
    assert_eq!(said(&right.send().await.unwrap(), "upload-offset"), Some(half.to_string()));
    let wrong =
        tus.patch(&url, half, file[half..].to_vec()).header("upload-checksum", sha256(b"")).send().await;
    assert_eq!(wrong.unwrap().status().as_u16(), 460);
    let right = tus.patch(&url, half, file[half..].to_vec()).header("upload-checksum", sha256(&file[half..]));
    assert!(said(&right.send().await.unwrap(), "cutetube-video").is_some());

    let small = tus.post().header("upload-length", 11).header("content-type", BYTES);
    let small = small
        .header("upload-concat", "partial")
        .header("upload-checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=");
    assert_eq!(small.body("hello world").send().await.unwrap().status(), StatusCode::CREATED);
}

/// "MUST respond with the `204 No Content` status confirming that the upload was terminated".
#[tokio::test]
async fn an_upload_can_be_ended() {
    let tus = Tus::start().await;
    let url = tus.begin(20).await;
    tus.patch(&url, 0, "\0\0\0\x20ftyp").send().await.unwrap();
    assert_eq!(tus.app.files(), 1);
    let ended = tus.request(Method::DELETE, &url).send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert_eq!(tus.app.files(), 0);
    for method in [Method::HEAD, Method::DELETE] {
        assert_eq!(tus.request(method, &url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(tus.patch(&url, 8, "more").send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

/// "MUST be concatenated as per the order specified in the list", "MUST be the sum of the length of all partial uploads",
/// "MUST respond with the `403 Forbidden` status to `PATCH`", "MUST include the `Upload-Concat` header and its value",
/// "metadata SHALL NOT be transferred".
async fn parts_become_a_video_in_the_order_of_the_list(database: Database) {
    let tus = Tus::with(TestApp::start(database).await).await;
    let file = file();
    let (first, second) = file.split_at(file.len() / 3);
    let part = async |bytes: &[u8]| {
        let request = tus.request(Method::POST, UPLOADS).header("upload-concat", "partial");
        let request = request.header("upload-metadata", metadata(&[("title", "A part")]));
        let begun = request.header("upload-length", bytes.len()).send().await.unwrap();
        assert_eq!(begun.status(), StatusCode::CREATED);
        said(&begun, "location").unwrap()
    };
    let (two, one) = tokio::join!(part(second), part(first));
    let list = format!("final;{} {two}", one.strip_prefix(&tus.app.url).unwrap());
    let join = || tus.post().header("upload-concat", &list);
    tus.patch(&one, 0, first.to_vec()).send().await.unwrap();
    assert_eq!(join().send().await.unwrap().status(), StatusCode::CONFLICT, "a part is not complete");
    let done = tus.patch(&two, 0, second.to_vec()).send().await.unwrap();
    assert_eq!(said(&done, "cutetube-video"), None, "a part is no video");
    let head = tus.head(&two).await;
    assert_eq!(said(&head, "upload-concat").as_deref(), Some("partial"));
    assert_eq!(said(&head, "upload-offset"), Some(second.len().to_string()));
    assert_eq!(tus.get(&two).await["state"], "complete");
    let long = join().header("upload-length", file.len()).send().await.unwrap();
    assert_eq!(long.status(), StatusCode::BAD_REQUEST);

    let joined = join().send().await.unwrap();
    assert_eq!(joined.status(), StatusCode::CREATED, "{joined:?}");
    let url = said(&joined, "location").unwrap();
    let id = said(&joined, "cutetube-video").unwrap();
    let video = catalog::videos::video(&tus.app.db, id.parse().unwrap()).await.unwrap();
    assert_eq!(video.source.sha256, Some(Sha256::digest(&file).into()));
    assert_eq!(video.title.as_str(), "holiday", "what was said of a part is not said of the whole");
    let head = tus.head(&url).await;
    assert_eq!(said(&head, "upload-concat").as_deref(), Some(list.as_str()));
    assert_eq!(said(&head, "upload-length"), Some(file.len().to_string()));
    assert_eq!(said(&head, "upload-offset"), Some(file.len().to_string()));
    for closed in [&url, &one] {
        let offset = tus.offset(closed).await.unwrap();
        assert_eq!(tus.patch(closed, offset, "").send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    let again = join().send().await.unwrap();
    assert_eq!(said(&again, "location"), Some(url), "an answer that was lost is given again");
    let backwards = format!("final;{two} {one}");
    let other = tus.post().header("upload-concat", backwards).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::CONFLICT);
    until(async || tus.app.objects().await == [format!("sources/{id}/source.mp4")]).await;
}

/// "The Server SHOULD always attempt to store as much of the received data as possible."
#[tokio::test]
async fn what_comes_before_a_connection_breaks_is_kept() {
    let tus = Tus::start().await;
    let (head, padding) = padded_clip(6 << 20);
    let file = [head, vec![0; padding as usize]].concat();
    let url = tus.begin(file.len()).await;
    let mut at = 0;
    for sent in [1000, 5 << 20] {
        let address = tus.app.url.strip_prefix("http://").unwrap();
        let mut connection = TcpStream::connect(address).await.unwrap();
        let path = url.strip_prefix(&tus.app.url).unwrap();
        let request = format!(
            "PATCH {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ntus-resumable: 1.0.0\r\n\
             upload-offset: {at}\r\ncontent-type: {BYTES}\r\ncontent-length: {}\r\n\r\n",
            tus.token,
            file.len() - at
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        connection.write_all(&file[at..at + sent]).await.unwrap();
        connection.shutdown().await.unwrap();
        drop(connection);
        at += sent;
        tus.until_offset(&url, at).await;
    }
    let last = tus.patch(&url, at, file[at..].to_vec()).send().await.unwrap();
    let id = said(&last, "cutetube-video").unwrap();
    let video = catalog::videos::video(&tus.app.db, id.parse().unwrap()).await.unwrap();
    assert_eq!(video.source.sha256, Some(Sha256::digest(&file).into()));
}

#[tokio::test]
async fn one_request_at_a_time_adds_to_an_upload() {
    let tus = Tus::start().await;
    let file = file();
    let url = tus.begin(file.len()).await;
    let (bytes, coming) = mpsc::channel::<std::io::Result<Bytes>>(1);
    let body = stream::unfold(coming, |mut coming| async { Some((coming.recv().await?, coming)) });
    let first = tokio::spawn(tus.patch(&url, 0, Body::wrap_stream(body)).send());
    bytes.send(Ok(Bytes::from(file[..100].to_vec()))).await.unwrap();
    let second = || tus.patch(&url, 0, file.clone()).send();
    until(async || tus.app.files() == 1).await;
    assert_eq!(second().await.unwrap().status(), StatusCode::LOCKED);
    assert_eq!(tus.offset(&url).await, Some(0));
    drop(bytes);
    assert_eq!(said(&first.await.unwrap().unwrap(), "upload-offset").as_deref(), Some("100"));
    assert_eq!(second().await.unwrap().status(), StatusCode::CONFLICT);
    let last = tus.patch(&url, 100, file[100..].to_vec()).send().await.unwrap();
    assert!(said(&last, "cutetube-video").is_some());
}

#[tokio::test]
async fn an_upload_is_its_owners_alone() {
    let mut tus = Tus::start().await;
    let url = tus.begin(20).await;
    let ada = std::mem::replace(&mut tus.token, tus.app.sign_up("bob").await);
    for method in [Method::HEAD, Method::GET, Method::DELETE] {
        assert_eq!(tus.request(method, &url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(tus.patch(&url, 0, "\0\0\0\x20ftyp").send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let part = tus.post().header("upload-concat", format!("final;{url}")).send().await.unwrap();
    assert_eq!(part.status(), StatusCode::CONFLICT);
    // A page of another site cannot use a cookie, whatever method it really sends.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let signed_in = client
        .post(format!("{}/login", tus.app.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("credential=bob&password=correct+horse")
        .send()
        .await
        .unwrap();
    let cookie = said(&signed_in, "set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let foreign = |method: Method| {
        let request = client.request(method, &url).header("cookie", &cookie).header("tus-resumable", "1.0.0");
        request.header("sec-fetch-site", "cross-site").header("x-http-method-override", "DELETE")
    };
    for method in [Method::GET, Method::POST] {
        assert_eq!(foreign(method).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    tus.token = ada;
    assert_eq!(tus.offset(&url).await, Some(0));
}

#[tokio::test]
async fn what_is_no_video_is_refused_with_a_sentence_and_leaves_nothing() {
    let tus = Tus::start().await;
    for (pairs, fields) in [
        (&[][..], "filename"),
        (&[("filename", "a.txt")], "filename"),
        (&[("filename", "a.mp4"), ("title", "a\u{0}b"), ("visibility", "secret")], "title visibility"),
        (&[("filename", "a.mp4"), ("protection", "rot13")], "protection"),
    ] {
        let request = tus.request(Method::POST, UPLOADS).header("upload-metadata", metadata(pairs));
        let answer = Answer::of(request.header("upload-length", 9).send().await.unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        let named: Vec<_> =
            answer.json["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
        assert_eq!(named.join(" "), fields);
    }
    let text = "This is a text, whatever its name says.".repeat(10).into_bytes();
    let sound = clip(Clip { handler: b"soun", ..CLIP });
    for (file, sent) in [(&text, 50), (&sound, sound.len()), (&text[..5].to_vec(), 5)] {
        let url = tus.begin(file.len()).await;
        let answer = Answer::of(tus.patch(&url, 0, file[..sent].to_vec()).send().await.unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        assert_eq!(answer.json["errors"][0]["field"], "video");
        let refused = tus.get(&url).await;
        assert_eq!((&refused["state"], &refused["video"]), (&"refused".into(), &Value::Null));
        assert!(refused["error"].as_str().unwrap().ends_with('.'), "{refused}");
        until(async || tus.app.files() == 0).await;
    }
}

#[tokio::test]
async fn what_does_not_fit_is_kept_until_there_is_room() {
    let file = file();
    let bytes = file.len() as u64;
    let tus = Tus::with(
        TestApp::start_with(Database::sqlite(), move |config| config.accounts.quota.bytes = bytes + 100)
            .await,
    )
    .await;
    let refused = tus.post().header("upload-length", file.len() + 101).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let (one, two) = (tus.begin(file.len()).await, tus.begin(file.len()).await);
    tus.patch(&one, 0, file[..60].to_vec()).send().await.unwrap();
    let last = tus.patch(&two, 0, file.clone()).send().await.unwrap();
    assert!(said(&last, "cutetube-video").is_some(), "{last:?}");
    let full = Answer::of(tus.patch(&one, 60, file[60..].to_vec()).send().await.unwrap()).await;
    assert_eq!(full.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(full.json["detail"].as_str().unwrap().contains("Delete videos"), "{full:?}");
    assert_eq!(tus.offset(&one).await, Some(60), "what came before is kept");
}

/// All bytes are here, and the process that was to make the video of them is gone.
async fn what_a_killed_server_has_left_becomes_a_video(database: Database) {
    let tus = Tus::with(TestApp::start(database).await).await;
    let file = file();
    let owner = backstage::user(&tus.app, "ada").await;
    let id = UploadId::new(1, &[7; 10]);
    let terms = Terms {
        everybody: catalog::quotas::Limits::default(),
        longest: 1 << 20,
        lifetime: Duration::from_secs(3600),
    };
    let new = NewUpload {
        id,
        owner,
        kind: Kind::Whole,
        length: Some(file.len() as u64),
        metadata: metadata(&[("filename", "a.mp4")]),
        concat: None,
    };
    resumable::create(&tus.app.db, &new, &terms).await.unwrap();
    let turn = Turn { upload: id, writer: id.uuid() };
    resumable::begin(&tus.app.db, turn, owner, 0, None, &terms).await.unwrap();
    let key = StorageKey::Piece { upload: id, name: 5 };
    tus.app.blobs.put(&key, vec![file.clone().into()]).await.unwrap();
    let piece = Piece { object_key: key.to_string(), bytes: file.len() as u64 };
    resumable::append(&tus.app.db, turn, 0, &[piece], &terms).await.unwrap();
    resumable::release(&tus.app.db, turn).await.unwrap();

    let _restarted = tus.app.start_another().await;
    let url = format!("{UPLOADS}/{id}");
    until(async || tus.get(&url).await["state"] == "done").await;
    let made = tus.get(&url).await["video"]["id"].as_str().unwrap().to_owned();
    let video = catalog::videos::video(&tus.app.db, made.parse().unwrap()).await.unwrap();
    assert_eq!(video.source.sha256, Some(Sha256::digest(&file).into()));
    until(async || tus.app.objects().await == [format!("sources/{made}/source.mp4")]).await;
}

/// Waits for what a background task is about to do.
async fn until(mut happened: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !happened().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it never happened");
}
