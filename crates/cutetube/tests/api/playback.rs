//! The file itself (v1), flat names (v2), signed paths, and the choice between what there is.

use catalog::videos::Visibility;
use cutetube::config::{S3, Secret};
use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, SEGMENT, SOURCE, Situation},
};

testbed::on_both_databases!(media_of_a_private_video_are_for_whoever_has_the_address);

async fn published(app: &TestApp, visibility: Visibility) -> String {
    let owner = backstage::user(app, "ada").await;
    backstage::video(app, owner, visibility, Situation::Ready).await.to_string()
}

fn header_of(answer: &Response, name: impl header::AsHeaderName) -> &str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn get(app: &TestApp, url: &str) -> Response {
    app.client.get(url).send().await.unwrap()
}

/// Everything that a player needs follows from one address, without a cookie or a header.
async fn media_of_a_private_video_are_for_whoever_has_the_address(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let id = published(&app, Visibility::Private).await;
    let request = app.get(&format!("/api/v5/videos/{id}")).bearer_auth(&token).send().await.unwrap();
    let told: Value = request.json().await.unwrap();
    let dash = told["playback"]["dash"].as_str().unwrap();
    assert!(dash.starts_with(&format!("{}/p/", app.url)), "{dash}");

    let manifest = get(&app, dash).await;
    assert_eq!(manifest.status(), StatusCode::OK);
    assert_eq!(header_of(&manifest, header::CACHE_CONTROL), "private, no-cache");
    assert_eq!(header_of(&manifest, header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    let beside = dash.strip_suffix("mp4/manifest.mpd").unwrap();
    let segment = get(&app, &format!("{beside}audio/1.m4s")).await;
    let caching = header_of(&segment, header::CACHE_CONTROL).to_owned();
    let seconds: u64 = caching
        .strip_prefix("private, max-age=")
        .and_then(|rest| rest.strip_suffix(", immutable"))
        .unwrap_or_else(|| panic!("{caching}"))
        .parse()
        .unwrap();
    assert!((12 * 3600..=13 * 3600).contains(&seconds), "{seconds}");
    assert_eq!(&*segment.bytes().await.unwrap(), SEGMENT);

    let poster = get(&app, told["poster"].as_str().unwrap()).await;
    assert_eq!(poster.status(), StatusCode::OK);
    let again = app.get(&format!("/api/v5/videos/{id}")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(again.json::<Value>().await.unwrap()["playback"], told["playback"], "caches meet it again");
}

#[tokio::test]
async fn an_address_that_was_tampered_with_leads_nowhere() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let (id, other) =
        (published(&app, Visibility::Private).await, published(&app, Visibility::Private).await);
    let request = app.get(&format!("/api/v5/videos/{id}/playback")).bearer_auth(&token).send().await.unwrap();
    let told: Value = request.json().await.unwrap();
    let path = told["manifests"]["dash"].as_str().unwrap().strip_prefix(&app.url).unwrap().to_owned();
    let signed = path.strip_prefix("/p/").unwrap().split_once('/').unwrap().0.to_owned();
    let (expires, tag) = signed.split_once('.').unwrap();
    let later = u64::from_str_radix(expires, 16).unwrap() + 3600;
    let with = |token: &str| path.replace(&signed, token);
    assert_eq!(app.get(&path).send().await.unwrap().status(), StatusCode::OK);
    for wrong in [
        with(&format!("{later:x}.{tag}")),
        with(&format!("{expires}.{}", "A".repeat(43))),
        with(&format!("{expires}.{}", &tag[..42])),
        with(expires),
        with("."),
        with("0.0"),
        with(&signed.replace('.', "%2e")),
        path.replace(&id, &other),
        path.replace("/1/mp4/", "/2/mp4/"),
        path.replace("/vod-media/", "/sources/"),
        path.replace("/vod-media/", "//vod-media/"),
        format!("/p/{signed}/api/v5/videos/{id}"),
        format!("/p/{signed}/watch/{id}"),
    ] {
        for request in [app.get(&wrong), app.get(&wrong).bearer_auth(&token)] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wrong}");
        }
    }
}

/// A server with another secret, as an attacker would run it to make tokens.
#[tokio::test]
async fn tokens_of_another_server_open_nothing() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let other = app
        .start_another_with(|config| {
            config.accounts.signing_secret =
                Some(Secret::new("another secret of thirty-two bytes".to_owned()));
        })
        .await;
    let id = published(&app, Visibility::Unlisted).await;
    let told = |answer: Value| answer["playback"]["dash"].as_str().unwrap().to_owned();
    let ours = told(app.get_json(&format!("/api/v5/videos/{id}")).await.json);
    let theirs = told(other.get_json(&format!("/api/v5/videos/{id}")).await.json);
    assert_ne!(ours.replace(&app.url, ""), theirs.replace(&other.url, ""));
    assert_eq!(get(&app, &ours).await.status(), StatusCode::OK);
    assert_eq!(get(&app, &theirs.replace(&other.url, &app.url)).await.status(), StatusCode::NOT_FOUND);
    drop(token);
}

/// An address that a player was given is good for its time, and for nobody afterwards; a new one is given then.
#[tokio::test]
async fn an_address_ends_with_its_time() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let id = published(&app, Visibility::Unlisted).await;
    let told = async |app: &TestApp| {
        let answer = app.get_json(&format!("/api/v5/videos/{id}")).await.json;
        answer["playback"]["dash"].as_str().unwrap().strip_prefix(&app.url).unwrap().to_owned()
    };
    let manifest = told(&app).await;
    let segment = manifest.replace("mp4/manifest.mpd", "audio/1.m4s");
    for (hours, status) in [(0, StatusCode::OK), (11, StatusCode::OK), (13, StatusCode::NOT_FOUND)] {
        let later = app.start_another_after(std::time::Duration::from_secs(hours * 3600)).await;
        for path in [&manifest, &segment] {
            assert_eq!(later.get(path).send().await.unwrap().status(), status, "after {hours} hours: {path}");
        }
        let anew = told(&later).await;
        assert_eq!(later.get(&anew).send().await.unwrap().status(), StatusCode::OK, "after {hours} hours");
    }
}

/// Whoever has the link may watch; nobody finds it.
#[tokio::test]
async fn an_unlisted_video_is_in_no_list() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let (public, unlisted) =
        (published(&app, Visibility::Public).await, published(&app, Visibility::Unlisted).await);
    for list in ["/", "/app/stream/", "/api/v3/vod/videos/all/"] {
        let text = app.get(list).send().await.unwrap().text().await.unwrap();
        assert!(text.contains(&public) && !text.contains(&unlisted), "{list}: {text}");
    }
    for page in ["watch", "embed"] {
        let text =
            async |id: &str| app.get(&format!("/{page}/{id}")).send().await.unwrap().text().await.unwrap();
        assert!(text(&unlisted).await.contains("noindex"), "{page}");
        assert!(text(&unlisted).await.contains("data-dash=\"/p/"), "{page}");
        assert!(!text(&public).await.contains("noindex"), "{page}");
        assert!(text(&public).await.contains("data-dash=\"/vod-media/"), "{page}");
    }
}

#[tokio::test]
async fn what_is_not_public_comes_from_this_server() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.delivery.cdn_base_url = Some("https://cdn.example.org/".to_owned());
    })
    .await;
    app.sign_up("ada").await;
    let public = published(&app, Visibility::Public).await;
    let unlisted = published(&app, Visibility::Unlisted).await;
    let told = async |id: &str, field: &str| {
        let answer = app.get_json(&format!("/api/v3/vod/metadata/stream/{id}/")).await;
        answer.json["data"]["data"][field].as_str().unwrap().to_owned()
    };
    for field in ["mp4_gcore_cdn_mpd_url", "mov_gcore_cdn_mpd_url"] {
        assert!(told(&public, field).await.starts_with("https://cdn.example.org/vod-media/"));
        assert!(told(&unlisted, field).await.starts_with(&format!("{}/p/", app.url)));
    }
}

#[tokio::test]
async fn the_file_is_sent_as_it_was_uploaded() {
    check_the_file(TestApp::start(Database::sqlite()).await).await;
}

/// What the store answers is passed on piece by piece; what clients see is the same.
#[tokio::test]
async fn the_file_is_sent_from_s3_as_from_a_disk() {
    let bucket = testbed::S3Bucket::shared();
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.storage.url = Some(bucket.url.clone());
        config.storage.s3 = S3 {
            endpoint: Some(bucket.endpoint.clone()),
            access_key_id: Some(bucket.access_key_id.to_owned()),
            secret_access_key: Some(Secret::new(bucket.secret_access_key.to_owned())),
            ..S3::default()
        };
    })
    .await;
    check_the_file(app).await;
}

async fn check_the_file(app: TestApp) {
    app.sign_up("ada").await;
    let path = format!("/app/stream/{}/", published(&app, Visibility::Public).await);
    let whole = app.get(&path).send().await.unwrap();
    let tag = header_of(&whole, header::ETAG).to_owned();
    let date = header_of(&whole, header::LAST_MODIFIED).to_owned();
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(header_of(&whole, header::CONTENT_TYPE), "video/mp4");
    assert_eq!(header_of(&whole, header::ACCEPT_RANGES), "bytes");
    assert_eq!(header_of(&whole, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(header_of(&whole, header::CACHE_CONTROL), "private, no-cache");
    assert_eq!(
        header_of(&whole, header::CONTENT_DISPOSITION),
        "inline; filename=\"Our _holiday_.mp4\"; filename*=UTF-8''Our%20%22holiday%22.mp4"
    );
    assert_eq!(&*whole.bytes().await.unwrap(), SOURCE);

    for (headers, status, range, body) in [
        (vec![("range", "bytes=4-7")], 206, "bytes 4-7/27", Some(&SOURCE[4..8])),
        (vec![("range", "bytes=-8")], 206, "bytes 19-26/27", Some(&SOURCE[19..])),
        (vec![("range", "bytes=27-")], 416, "bytes */27", None),
        (vec![("range", "bytes=0-1,5-6")], 206, "", None),
        (vec![("range", "bytes=4-7"), ("if-range", &tag)], 206, "bytes 4-7/27", Some(&SOURCE[4..8])),
        (vec![("range", "bytes=4-7"), ("if-range", &date)], 206, "bytes 4-7/27", Some(&SOURCE[4..8])),
        (vec![("range", "bytes=4-7"), ("if-range", "\"other\"")], 200, "", Some(SOURCE)),
        (vec![("if-none-match", &tag)], 304, "", Some(b"")),
        (vec![("if-modified-since", &date)], 304, "", Some(b"")),
    ] {
        let request =
            headers.iter().fold(app.get(&path), |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{headers:?}");
        assert_eq!(header_of(&answer, header::CONTENT_RANGE), range, "{headers:?}");
        let sent = answer.bytes().await.unwrap();
        match body {
            Some(body) => assert_eq!(&*sent, body, "{headers:?}"),
            None if status == 206 => {
                let sent = String::from_utf8_lossy(&sent);
                let parts = ["bytes 0-1/27\r\n\r\nth\r\n", "bytes 5-6/27\r\n\r\nil\r\n"];
                assert!(parts.iter().all(|part| sent.contains(part)), "{sent}");
            }
            None => {}
        }
    }
}

#[tokio::test]
async fn a_flat_manifest_names_segments_that_are_there() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let folder = format!("{}/app/v2/dash/{}/", app.url, published(&app, Visibility::Public).await);
    let manifest = get(&app, &format!("{folder}manifest.mpd")).await;
    assert_eq!(header_of(&manifest, header::CONTENT_TYPE), "application/dash+xml");
    assert_eq!(header_of(&manifest, header::CACHE_CONTROL), "public, max-age=5, must-revalidate");
    let tag = header_of(&manifest, header::ETAG).to_owned();
    insta::assert_snapshot!(manifest.text().await.unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <MPD xmlns="urn:mpeg:dash:schema:mpd:2011">
      <SegmentTemplate timescale="1" initialization="1_$RepresentationID$_init.mp4" media="1_$RepresentationID$_$Number$.m4s">
        <SegmentTimeline/>
      </SegmentTemplate>
      <SegmentTemplate media="1_storyboard_$Number$.jpg" duration="1"/>
    </MPD>
    "#);
    let request = app.client.get(format!("{folder}manifest.mpd")).header(header::IF_NONE_MATCH, tag);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    let segment = get(&app, &format!("{folder}1_audio_1.m4s")).await;
    assert_eq!(header_of(&segment, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    assert_eq!(&*segment.bytes().await.unwrap(), SEGMENT);
    assert_eq!(get(&app, &format!("{folder}2_audio_1.m4s")).await.status(), StatusCode::NOT_FOUND);
}

/// Old clients know the manifest's address and resolve what it names, without a header of their own.
#[tokio::test]
async fn a_flat_manifest_of_an_unlisted_video_leads_through_signed_paths() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let id = published(&app, Visibility::Unlisted).await;
    let address: reqwest::Url = format!("{}/app/v2/dash/{id}/manifest.mpd", app.url).parse().unwrap();
    let manifest = get(&app, address.as_str()).await;
    assert_eq!(header_of(&manifest, header::CACHE_CONTROL), "private, no-cache");
    let text = manifest.text().await.unwrap();
    let media = text.split("media=\"").nth(1).unwrap().split_once('"').unwrap().0;
    let segment = media.replace("$RepresentationID$", "audio").replace("$Number$", "1");
    let segment = address.join(&segment).unwrap();
    assert!(segment.path().starts_with("/p/"), "{segment}");
    let answer = get(&app, segment.as_str()).await;
    assert_eq!(answer.status(), StatusCode::OK, "{segment}");
    let signed = segment.join("manifest.mpd").unwrap();
    let beside = get(&app, signed.as_str()).await.text().await.unwrap();
    assert!(beside.contains("media=\"1_$RepresentationID$_$Number$.m4s\""), "{beside}");
}

#[tokio::test]
async fn each_client_is_told_what_to_play() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let id = published(&app, Visibility::Public).await;
    let path = format!("/api/v5/videos/{id}/playback");
    let answer = app.get(&path).header("sec-ch-ua-platform", "\"macOS\"").send().await.unwrap();
    assert_eq!(answer.headers()["accept-ch"], "Sec-CH-UA-Platform");
    assert!(header_of(&answer, header::VARY).starts_with("Sec-CH-UA-Platform, User-Agent"));
    let told: Value = answer.json().await.unwrap();
    assert_eq!((&told["protocol"], &told["flavour"]), (&"dash".into(), &"mov".into()));
    assert_eq!(told["url"], format!("{}/vod-media/{id}/1/mov/manifest.mpd", app.url));
    assert_eq!(told["progressive"], format!("{}/app/stream/{id}/", app.url));
    assert_eq!(told["expires_at_ms"], Value::Null);

    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/26.0 Safari/604.1";
    let told: Value = app.get(&path).header("user-agent", phone).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["url"], format!("{}/vod-media/{id}/1/master.m3u8", app.url));
}

/// Players on pages of other sites ask first.
#[tokio::test]
async fn any_site_may_play_what_it_has_the_address_of() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let id = published(&app, Visibility::Unlisted).await;
    let dash = app.get_json(&format!("/api/v5/videos/{id}")).await.json["playback"]["dash"].clone();
    for url in [dash.as_str().unwrap().to_owned(), format!("{}/app/stream/{id}/", app.url)] {
        let preflight = app
            .client
            .request(reqwest::Method::OPTIONS, &url)
            .header("origin", "https://elsewhere.example.org")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "range");
        let answer = preflight.send().await.unwrap();
        assert_eq!(header_of(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "*", "{url}");
        assert!(header_of(&answer, header::ACCESS_CONTROL_ALLOW_HEADERS).contains("range"), "{url}");
        assert!(!answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
