//! Who gets the keys of a protected video, and what is written down of it.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use axum::http::HeaderMap;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use catalog::{
    ids::{UserId, VideoId},
    keys::{KeyClass, WrappedKey},
    videos::{Protection, Visibility},
};
use cutetube::{
    AppState,
    config::{Config, Role, Secret},
};
use hmac::{Hmac, Mac};
use reqwest::{Method, StatusCode, header, multipart};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testbed::{Database, LicenceServer, StubReply};

use crate::{
    app::{Answer, TestApp},
    backstage,
    clips::{CLIP, clip},
};

testbed::on_both_databases!(no_more_streams_than_an_account_may_have);

const MASTER: [u8; 32] = [0x4d; 32];
const SIGNING_SECRET: &str = "thirty-two bytes that sign tokens";
const CLASSES: [KeyClass; 3] = [KeyClass::Audio, KeyClass::Sd, KeyClass::Hd];

/// Everybody there is, and a server that knows its secrets from its settings.
struct Cast {
    app: TestApp,
    owner: String,
    admin: String,
    listed: String,
    stranger: String,
    owner_id: UserId,
}

impl Cast {
    async fn gather(database: Database) -> Self {
        Self::gather_with(database, |_| {}).await
    }

    async fn gather_with(database: Database, change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::start_with(database, |config| {
            config.drm.master_key = Some(Secret::new(hex::encode(MASTER)));
            config.accounts.signing_secret = Some(Secret::new(SIGNING_SECRET.to_owned()));
            change(config);
        })
        .await;
        let (owner, admin) = (app.sign_up("owner").await, app.sign_up("admin").await);
        let (listed, stranger) = (app.sign_up("listed").await, app.sign_up("stranger").await);
        backstage::promote(&app, "admin").await;
        let owner_id = backstage::user(&app, "owner").await;
        Self { app, owner, admin, listed, stranger, owner_id }
    }

    /// A protected video that plays. The bytes of its keys are all the same: 0x61, 0x62 and 0x63 for sound, SD and HD.
    async fn video(&self, visibility: Visibility) -> VideoId {
        let video = backstage::protected(&self.app, self.owner_id, visibility, Protection::Cbcs).await;
        let keys: Vec<_> = (0x61..).zip(CLASSES).map(|(byte, class)| wrapped(video, class, byte)).collect();
        catalog::keys::record(&self.app.db, video, &keys).await.unwrap();
        video
    }

    fn token_of(&self, who: &str) -> Option<&str> {
        match who {
            "nobody" => None,
            "owner" => Some(&self.owner),
            "admin" => Some(&self.admin),
            "listed" => Some(&self.listed),
            "stranger" => Some(&self.stranger),
            other => panic!("nobody is called {other}"),
        }
    }

    async fn ask(&self, method: Method, path: &str, who: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.app.client.request(method, format!("{}{path}", self.app.url));
        if let Some(token) = self.token_of(who) {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn set_policy(&self, video: VideoId, policy: Value) {
        let path = format!("/api/v5/videos/{video}/licence-policy");
        let (status, told) = self.ask(Method::PUT, &path, "owner", Some(policy)).await;
        assert_eq!(status, StatusCode::OK, "{told}");
    }

    /// The playback token that somebody is handed out with the video.
    async fn pass(&self, video: VideoId, who: &str) -> String {
        let (status, told) = self.ask(Method::GET, &format!("/api/v5/videos/{video}"), who, None).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        told["token"].as_str().unwrap().to_owned()
    }

    /// Asks for the keys with these bytes, and answers those that came, or the sentence.
    async fn licence(
        &self,
        token: Option<&str>,
        video: VideoId,
        bytes: &[u8],
    ) -> Result<Vec<u8>, (u16, String)> {
        let kids: Vec<_> = bytes.iter().map(|byte| BASE64URL.encode(kid(video, *byte))).collect();
        let request = self.app.post("/licences/clearkey").json(&json!({ "kids": kids, "type": "temporary" }));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = Answer::of(request.send().await.unwrap()).await;
        if answer.status != StatusCode::OK {
            return Err((answer.status.as_u16(), answer.json["detail"].as_str().unwrap().to_owned()));
        }
        let keys = answer.json["keys"].as_array().unwrap().iter().map(|key| {
            assert_eq!(key["kty"], "oct");
            let secret = BASE64URL.decode(key["k"].as_str().unwrap()).unwrap();
            assert_eq!(secret, [secret[0]; 16]);
            assert_eq!(BASE64URL.decode(key["kid"].as_str().unwrap()).unwrap(), kid(video, secret[0]));
            secret[0]
        });
        Ok(keys.collect())
    }

    /// The newest entry of the log: why it was refused, if it was, and the keys.
    async fn logged(&self) -> (Option<String>, Vec<String>) {
        let (_, page) = self.ask(Method::GET, "/api/v5/admin/licences?limit=1", "admin", None).await;
        let entry = &page["entries"][0];
        assert_eq!(entry["granted"], entry["refusal"].is_null(), "{entry}");
        assert_eq!(entry["address"], "127.0.0.1");
        let classes =
            entry["classes"].as_array().unwrap().iter().map(|class| class.as_str().unwrap().to_owned());
        (entry["refusal"].as_str().map(str::to_owned), classes.collect())
    }
}

fn kid(video: VideoId, byte: u8) -> [u8; 16] {
    let mut id = *video.uuid().as_bytes();
    id[15] ^= byte;
    id
}

/// As the server keeps it: what is stored today has to be readable for ever.
fn wrapped(video: VideoId, class: KeyClass, byte: u8) -> WrappedKey {
    let (key_id, iv, nonce, uuid) = (kid(video, byte), [7; 16], [byte; 12], video.uuid());
    let bound =
        [&b"cutetube: content key, version 1"[..], uuid.as_bytes(), &key_id, &iv, class.as_str().as_bytes()];
    let cipher = Aes256Gcm::new_from_slice(&MASTER).unwrap();
    let sealed = cipher.encrypt(&nonce.into(), Payload { msg: &[byte; 16], aad: &bound.concat() }).unwrap();
    let master_key = hex::encode(Sha256::digest(MASTER))[..12].to_owned();
    WrappedKey {
        video,
        class,
        key_id,
        master_key,
        wrapped: [&nonce[..], &sealed].concat(),
        iv,
        headers: None,
    }
}

/// A playback token as the server would sign it, with these claims.
fn signed(claims: &Value) -> String {
    let mac = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).unwrap();
    let key = mac(SIGNING_SECRET.as_bytes())
        .chain_update("cutetube: playback tokens, version 1")
        .finalize()
        .into_bytes();
    let header = BASE64URL.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
    let message = format!("{header}.{}", BASE64URL.encode(claims.to_string()));
    let tag = mac(&key).chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", BASE64URL.encode(tag))
}

#[tokio::test]
async fn the_rules_say_who_gets_keys() {
    let cast = Cast::gather(Database::sqlite()).await;
    let people = ["nobody", "stranger", "listed", "owner", "admin"];
    for (audience, visibility, expected) in [
        ("viewers", Visibility::Public, [None; 5]),
        ("viewers", Visibility::Unlisted, [None; 5]),
        ("accounts", Visibility::Public, [Some("not-signed-in"), None, None, None, None]),
        ("entitled", Visibility::Public, [Some("not-signed-in"), Some("not-entitled"), None, None, None]),
    ] {
        let video = cast.video(visibility).await;
        cast.set_policy(video, json!({ "audience": audience })).await;
        let list = format!("/api/v5/videos/{video}/entitlements/listed");
        assert_eq!(cast.ask(Method::PUT, &list, "owner", None).await.0, StatusCode::NO_CONTENT);
        for (who, refusal) in people.into_iter().zip(expected) {
            let token = cast.pass(video, who).await;
            let licence = cast.licence(Some(&token), video, &[0x61, 0x63]).await;
            let (logged, classes) = cast.logged().await;
            assert_eq!(logged.as_deref(), refusal, "{who}, {audience}");
            match refusal {
                None => {
                    assert_eq!(licence, Ok(vec![0x61, 0x63]), "{who}, {audience}");
                    assert_eq!(classes, ["audio", "hd"]);
                }
                Some(refusal) => {
                    let (status, sentence) = licence.unwrap_err();
                    let word = if refusal == "not-entitled" { "list" } else { "Log in" };
                    assert!(status == 403 && sentence.contains(word), "{who}, {audience}: {sentence}");
                    assert_eq!(classes, Vec::<String>::new());
                }
            }
        }
    }
    cast.app.shut_down().await;
}

/// Tokens end when what they are for does.
#[tokio::test]
async fn a_token_opens_nothing_that_its_holder_may_not_see_any_more() {
    let cast = Cast::gather(Database::sqlite()).await;
    let video = cast.video(Visibility::Public).await;
    let (stranger, owner) = (cast.pass(video, "stranger").await, cast.pass(video, "owner").await);
    let path = format!("/api/v5/videos/{video}");
    cast.ask(Method::PATCH, &path, "owner", Some(json!({ "visibility": "private" }))).await;
    assert_eq!(cast.licence(Some(&stranger), video, &[0x62]).await.unwrap_err().0, 403);
    assert_eq!(cast.logged().await.0.as_deref(), Some("not-visible"));
    assert_eq!(cast.licence(Some(&owner), video, &[0x62]).await, Ok(vec![0x62]));
    cast.ask(Method::DELETE, &path, "owner", None).await;
    assert_eq!(cast.licence(Some(&owner), video, &[0x62]).await.unwrap_err().0, 403);
    cast.app.shut_down().await;
}

#[tokio::test]
async fn a_token_has_to_be_ours_for_this_video_and_in_time() {
    let cast = Cast::gather(Database::sqlite()).await;
    let (video, other) = (cast.video(Visibility::Public).await, cast.video(Visibility::Public).await);
    let user = backstage::user(&cast.app, "stranger").await;
    let claims = |exp: u64, aud: &str| json!({ "vid": video, "sub": user, "jti": other, "cls": ["audio", "sd", "hd"], "aud": aud, "exp": exp });
    let good = signed(&claims(4_000_000_000, "licences"));
    assert_eq!(
        cast.licence(Some(&good), video, &[0x61]).await,
        Ok(vec![0x61]),
        "as it is signed here, so there"
    );
    let over = signed(&claims(1_700_000_000, "licences"));
    let elsewhere = signed(&claims(4_000_000_000, "elsewhere"));
    let none = format!("{}.{}.", BASE64URL.encode(r#"{"alg":"none"}"#), good.split('.').nth(1).unwrap());
    for (token, status, refusal) in [
        (None, 401, "no-token"),
        (Some("nonsense"), 401, "no-token"),
        (Some(cast.stranger.as_str()), 401, "no-token"),
        (Some(elsewhere.as_str()), 401, "no-token"),
        (Some(none.as_str()), 401, "no-token"),
        (Some(over.as_str()), 401, "expired"),
    ] {
        assert_eq!(cast.licence(token, video, &[0x61]).await.unwrap_err().0, status, "{token:?}");
        assert_eq!(cast.logged().await.0.as_deref(), Some(refusal), "{token:?}");
    }
    assert_eq!(cast.licence(Some(&good), other, &[0x61]).await.unwrap_err().0, 403, "keys of another video");
    assert_eq!(cast.logged().await.0.as_deref(), Some("other-video"));
    assert_eq!(cast.licence(Some(&good), video, &[0x61, 0x70]).await.unwrap_err().0, 403, "keys of no video");

    for body in ["", "{}", r#"{"kids":[]}"#, r#"{"kids":["AAAA"]}"#] {
        let request = cast.app.post("/licences/clearkey").bearer_auth(&good).body(body);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(cast.logged().await.0.as_deref(), Some("malformed"));
    }
    cast.app.shut_down().await;
}

#[tokio::test]
async fn who_may_have_small_pictures_gets_no_keys_for_large_ones() {
    let cast = Cast::gather(Database::sqlite()).await;
    let video = cast.video(Visibility::Public).await;
    cast.set_policy(video, json!({ "max_height": 576 })).await;
    let token = cast.pass(video, "stranger").await;
    assert_eq!(cast.licence(Some(&token), video, &[0x61, 0x62, 0x63]).await, Ok(vec![0x61, 0x62]));
    assert_eq!(cast.licence(Some(&token), video, &[0x63]).await.unwrap_err().0, 403);
    assert_eq!(cast.logged().await.0.as_deref(), Some("resolution"));
    let owner = cast.pass(video, "owner").await;
    assert_eq!(cast.licence(Some(&owner), video, &[0x63]).await, Ok(vec![0x63]), "it is theirs");

    let manifest = |url: String| {
        let request = cast.app.client.get(url);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let path = format!("{}/vod-media/{video}/1/mp4/manifest.mpd", cast.app.url);
    for (url, is_named) in [
        (path.clone(), false),
        (format!("{path}?token={token}"), false),
        (format!("{path}?token={owner}"), true),
        (format!("{}/app/v2/dash/{video}/manifest.mpd?token={token}", cast.app.url), false),
    ] {
        assert_eq!(manifest(url.clone()).await.contains("720p"), is_named, "{url}");
    }
    cast.app.shut_down().await;
}

async fn no_more_streams_than_an_account_may_have(database: Database) {
    let cast = Cast::gather(database).await;
    let video = cast.video(Visibility::Public).await;
    let path = format!("/api/v5/videos/{video}/licence-policy");
    let (status, told) = cast.ask(Method::PUT, &path, "owner", Some(json!({ "max_streams": 1 }))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "nobody can be counted who has no account: {told}");
    cast.set_policy(video, json!({ "max_streams": 1, "audience": "accounts" })).await;

    let (first, second) = (cast.pass(video, "stranger").await, cast.pass(video, "stranger").await);
    let other = cast.pass(video, "listed").await;
    assert_eq!(cast.licence(Some(&first), video, &[0x61]).await, Ok(vec![0x61]));
    assert_eq!(
        cast.licence(Some(&first), video, &[0x62]).await,
        Ok(vec![0x62]),
        "one player asks several times"
    );
    let (status, sentence) = cast.licence(Some(&second), video, &[0x61]).await.unwrap_err();
    assert!(status == 403 && sentence.contains("at once"), "{sentence}");
    assert_eq!(cast.logged().await.0.as_deref(), Some("too-many-streams"));
    assert_eq!(
        cast.licence(Some(&other), video, &[0x61]).await,
        Ok(vec![0x61]),
        "others are counted for themselves"
    );

    let renewal = format!("/api/v5/videos/{video}/playback?token={first}");
    let (_, told) = cast.ask(Method::GET, &renewal, "stranger", None).await;
    let renewed = told["token"].as_str().unwrap();
    assert_eq!(cast.licence(Some(renewed), video, &[0x61]).await, Ok(vec![0x61]), "it is the same player");

    let say = |method: Method, token: &str| {
        let url = format!("{}/licences/streams", cast.app.url);
        let request = cast.app.client.request(method, url).bearer_auth(token);
        async move { request.send().await.unwrap().status() }
    };
    assert_eq!(say(Method::POST, &second).await, StatusCode::NOT_FOUND);
    assert_eq!(say(Method::POST, &first).await, StatusCode::NO_CONTENT);
    assert_eq!(say(Method::DELETE, &second).await, StatusCode::NO_CONTENT);
    assert_eq!(cast.licence(Some(&second), video, &[0x61]).await.unwrap_err().0, 403);
    assert_eq!(say(Method::DELETE, renewed).await, StatusCode::NO_CONTENT);
    assert_eq!(cast.licence(Some(&second), video, &[0x61]).await, Ok(vec![0x61]));
    assert_eq!(say(Method::POST, "nonsense").await, StatusCode::UNAUTHORIZED);
    cast.app.shut_down().await;
}

/// A player that is told nothing but an address of a manifest finds everything there.
#[tokio::test]
async fn manifests_lead_to_licences() {
    let cast = Cast::gather(Database::sqlite()).await;
    let video = cast.video(Visibility::Public).await;
    let metadata = format!("/api/v4/drm/vod/metadata/stream/{video}/");
    let (status, told) = cast.ask(Method::GET, &metadata, "nobody", None).await;
    assert_eq!(status, StatusCode::OK);
    let told = &told["data"]["data"];
    let url = &cast.app.url;
    assert_eq!(told["protection"], "cbcs");
    assert_eq!(told["licences"], json!({ "clearkey": format!("{url}/licences/clearkey") }));
    let token = told["token"].as_str().unwrap();
    assert_eq!(cast.licence(Some(token), video, &[0x61]).await, Ok(vec![0x61]));

    let fetch = |url: &str| {
        let request = cast.app.client.get(url);
        async move {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            (answer.headers().clone(), answer.text().await.unwrap())
        }
    };
    let caching = |headers: &HeaderMap| headers[header::CACHE_CONTROL.as_str()].to_str().unwrap().to_owned();
    let (headers, mpd) = fetch(told["mp4_s3_mpd_url"].as_str().unwrap()).await;
    assert_eq!(caching(&headers), "private, no-cache");
    assert!(mpd.contains(&format!(">{url}/licences/clearkey?token={token}<")), "{mpd}");
    let (_, told) = cast.ask(Method::GET, &format!("/api/v5/videos/{video}"), "nobody", None).await;
    let token = told["token"].as_str().unwrap();
    let (_, master) = fetch(told["playback"]["hls"].as_str().unwrap()).await;
    assert!(master.contains(&format!("\n360p.m3u8?token={token}\n")), "{master}");
    let (headers, flat) = fetch(&format!("{url}/app/v2/dash/{video}/1_master.m3u8?token={token}")).await;
    assert_eq!(caching(&headers), "private, no-cache");
    assert!(flat.contains(&format!("\n1_360p.m3u8?token={token}\n")), "{flat}");
    let (_, flat) = fetch(&format!("{url}/app/v2/dash/{video}/1_mp4_manifest.mpd?token={token}")).await;
    assert!(flat.contains(&format!(">{url}/licences/clearkey?token={token}<")), "{flat}");
    let (_, playlist) = fetch(&format!("{url}/vod-media/{video}/1/360p.m3u8?token={token}")).await;
    let key = format!("{url}/licences/key/{}?token={token}", hex::encode(kid(video, 0x62)));
    assert!(playlist.contains(&format!("URI=\"{key}\"")), "{playlist}");
    let answer = cast.app.client.get(&key).send().await.unwrap();
    assert_eq!(caching(answer.headers()), "no-store");
    assert_eq!(&*answer.bytes().await.unwrap(), [0x62; 16]);
    assert_eq!(
        fetch(&format!("{url}/vod-media/{video}/1/360p.m3u8?token=a%22b")).await.1.matches("token").count(),
        0
    );
    cast.app.shut_down().await;
}

#[tokio::test]
async fn a_protected_video_is_not_to_be_had_in_one_piece() {
    let cast = Cast::gather(Database::sqlite()).await;
    let video = cast.video(Visibility::Public).await;
    for who in ["nobody", "owner", "admin"] {
        let (status, _) = cast.ask(Method::GET, &format!("/app/stream/{video}/"), who, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{who}");
    }
    let (_, told) = cast.ask(Method::GET, &format!("/api/v5/videos/{video}/playback"), "owner", None).await;
    assert_eq!(told["progressive"], Value::Null);
    let listed = |path: &'static str| cast.ask(Method::GET, path, "nobody", None);
    assert_eq!(listed("/api/v3/vod/videos/all/").await.1["data"]["count"], 0);
    assert_eq!(listed("/api/v4/drm/vod/videos/all/").await.1["data"]["count"], 1);
    cast.app.shut_down().await;
}

#[tokio::test]
async fn uploads_say_how_they_are_to_be_protected() {
    let cast = Cast::gather(Database::sqlite()).await;
    let form = |protection: &'static str| {
        let file = multipart::Part::bytes(clip(CLIP)).file_name("holiday.mp4");
        let form = multipart::Form::new().text("title", "Our holiday").text("duration", "00:00:02");
        form.text("protection", protection).part("video", file)
    };
    for (protection, expected) in [("none", "none"), ("cenc", "cenc"), ("cbcs", "cbcs"), ("", "none")] {
        let request = cast.app.post("/api/v4/drm/vod/initiate-task/upload/").bearer_auth(&cast.owner);
        let answer = Answer::of(request.multipart(form(protection)).send().await.unwrap()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let id = answer.json["data"]["video_id"].as_str().unwrap();
        let (_, told) = cast.ask(Method::GET, &format!("/api/v5/videos/{id}"), "owner", None).await;
        assert_eq!(told["protection"], expected);
        assert_eq!(told["token"], Value::Null, "it does not play yet");
    }
    let request = cast.app.post("/api/v4/drm/vod/initiate-task/upload/").bearer_auth(&cast.owner);
    let answer = Answer::of(request.multipart(form("rot13")).send().await.unwrap()).await;
    assert_eq!(
        (answer.status, &answer.json["data"]["error_key"]),
        (StatusCode::BAD_REQUEST, &json!("protection"))
    );
    cast.app.shut_down().await;
}

/// Where several servers may share a database, each would make a master key for itself that the others do not have.
#[tokio::test]
async fn without_a_master_key_nothing_is_protected() {
    let database = Database::postgres();
    let mut config = Config { role: Role::Web, ..Config::default() };
    config.data = tempfile::tempdir().unwrap().path().to_owned();
    config.database.url = Some(Secret::new(database.url().to_owned()));
    config.drm.default = Protection::Cbcs;
    let error = AppState::open(config, "".as_ref()).await.unwrap_err();
    assert!(error.to_string().contains("`drm.master_key`"), "{error:#}");

    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let form = |protection: &'static str| {
        let file = multipart::Part::bytes(clip(CLIP)).file_name("holiday.mp4");
        multipart::Form::new().text("title", "A").text("protection", protection).part("video", file)
    };
    let answer = app.upload(&token, form("cbcs")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json["data"]["detail"].as_str().unwrap().contains("drm.master_key"), "{answer:?}");
    assert_eq!(app.upload(&token, form("none")).await.status, StatusCode::CREATED);
    app.shut_down().await;
}

#[tokio::test]
async fn owners_decide_and_nobody_else() {
    let cast = Cast::gather(Database::sqlite()).await;
    let video = cast.video(Visibility::Public).await;
    let policy = format!("/api/v5/videos/{video}/licence-policy");
    let list = format!("/api/v5/videos/{video}/entitlements");
    for (who, status) in [("nobody", 401), ("stranger", 403), ("owner", 200), ("admin", 200)] {
        let asked = [
            cast.ask(Method::GET, &policy, who, None).await,
            cast.ask(Method::PUT, &policy, who, Some(json!({ "audience": "entitled" }))).await,
            cast.ask(Method::GET, &list, who, None).await,
        ];
        assert!(asked.iter().all(|(found, _)| found.as_u16() == status), "{who}: {asked:?}");
    }
    let (_, told) = cast.ask(Method::GET, &policy, "owner", None).await;
    let server =
        json!({ "audience": "entitled", "max_height": null, "max_streams": null, "licence_seconds": 43_200 });
    assert_eq!(told["effective"], server);
    assert_eq!(told["own"]["licence_seconds"], Value::Null);
    for wrong in [
        json!({ "audience": "everybody" }),
        json!({ "max_height": 0 }),
        json!({ "max_streams": 1, "audience": "viewers" }),
        json!({ "licence_seconds": 1 }),
    ] {
        let (status, told) = cast.ask(Method::PUT, &policy, "owner", Some(wrong)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
    }
    for (name, method, status) in [
        ("listed?seconds=60", Method::PUT, 204),
        ("LISTED", Method::PUT, 204),
        ("no-such-name", Method::PUT, 404),
        ("a%00b", Method::PUT, 404),
        ("stranger", Method::DELETE, 404),
        ("listed", Method::DELETE, 204),
    ] {
        let found = cast.ask(method, &format!("{list}/{name}"), "owner", None).await;
        assert_eq!(found.0.as_u16(), status, "{name}: {}", found.1);
    }
    for (who, status) in [("nobody", 401), ("owner", 403), ("admin", 200)] {
        let found = cast.ask(Method::GET, "/api/v5/admin/licences", who, None).await;
        assert_eq!(found.0.as_u16(), status, "{who}");
    }
    cast.app.shut_down().await;
}

/// Other systems have their licences from their vendors; who gets one is decided here.
#[tokio::test]
async fn licences_of_vendors_are_for_those_who_may_have_them() {
    let vendor = LicenceServer::start().await;
    let headers = r#"X-Rights: {"video":"{video}","keys":"{classes}","seconds":{seconds}}"#;
    let settings = json!({ "url": vendor.url(), "headers": headers });
    let cast = Cast::gather_with(Database::sqlite(), |config| {
        config.drm.widevine = Some(serde_json::from_value(settings).unwrap());
        config.drm.clearkey = false;
    })
    .await;
    let video = cast.video(Visibility::Public).await;
    let (_, told) = cast.ask(Method::GET, &format!("/api/v5/videos/{video}"), "nobody", None).await;
    let url = format!("{}/licences/widevine", cast.app.url);
    assert_eq!(told["licences"], json!({ "widevine": url }));
    let ask = |token: Option<&str>, body: &'static [u8]| {
        let request = cast.app.client.post(&url).body(body).header("cookie", "session=secret");
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        async move { request.send().await.unwrap() }
    };
    let token = told["token"].as_str().unwrap();
    let answer = ask(Some(token), b"challenge").await;
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(&*answer.bytes().await.unwrap(), b"egnellahc");
    assert_eq!(cast.logged().await, (None, CLASSES.map(|class| class.to_string()).to_vec()));
    let heard = vendor.heard(1).await.remove(0).head;
    assert!(
        heard.contains(&format!(r#"{{"video":"{video}","keys":"audio,sd,hd","seconds":43200}}"#)),
        "{heard}"
    );
    assert!(!heard.contains("secret") && !heard.contains(token), "{heard}");

    assert_eq!(ask(None, b"challenge").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask(Some(token), b"").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(cast.logged().await.0.as_deref(), Some("malformed"));
    vendor.reply(StubReply::Status(500));
    assert_eq!(ask(Some(token), b"challenge").await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(cast.logged().await.0.as_deref(), Some("vendor"));
    assert_eq!(cast.licence(Some(token), video, &[0x61]).await.unwrap_err().0, 404, "no keys from here");
    cast.app.shut_down().await;
}

/// Players of other pages ask, with headers that browsers ask about first.
#[tokio::test]
async fn any_page_may_ask() {
    let cast = Cast::gather(Database::sqlite()).await;
    let request = cast
        .app
        .client
        .request(Method::OPTIONS, format!("{}/licences/clearkey", cast.app.url))
        .header(header::ORIGIN, "https://elsewhere.example.org")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let allowed = answer.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
    cast.app.shut_down().await;
}
