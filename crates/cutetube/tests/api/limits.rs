use cutetube::config::{Config, Networks, Rate, RateLimits};
use reqwest::{
    RequestBuilder, Response, StatusCode,
    multipart::{Form, Part},
};
use serde_json::Value;
use testbed::Database;

use crate::{
    app::TestApp,
    clips::{CLIP, clip},
};

testbed::on_both_databases!(the_originals_limits_are_the_defaults, headers_of_strangers_count_for_nothing);

fn on(config: &mut Config) {
    config.limits.rate = RateLimits::On;
}

fn upload(app: &TestApp, path: &str, token: &str) -> RequestBuilder {
    let part = Part::bytes(clip(CLIP)).file_name("holiday.mp4");
    app.post(path).bearer_auth(token).multipart(Form::new().text("title", "T").part("video", part))
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// How many of several requests like this pass before one is refused.
async fn passed(request: impl Fn() -> RequestBuilder, most: usize) -> usize {
    for number in 0..most {
        if request().send().await.unwrap().status() == StatusCode::TOO_MANY_REQUESTS {
            return number;
        }
    }
    most
}

async fn the_originals_limits_are_the_defaults(database: Database) {
    let app = TestApp::start_with(database, on).await;
    let token = app.sign_up("ada").await;
    let v3 = "/api/v3/vod/initiate-task/upload/";
    // Who is not signed in takes nobody's turn.
    assert_eq!(app.post(v3).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let first = upload(&app, v3, &token).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::CREATED);
    assert_eq!(header(&first, "ratelimit-policy"), "\"upload\";q=1;w=1200");
    assert!(header(&first, "ratelimit").starts_with("\"upload\";r=0;t=1"), "{first:?}");

    let second = upload(&app, "/api/v4/drm/vod/initiate-task/upload/", &token).send().await.unwrap();
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    let retry_after: u64 = header(&second, "retry-after").parse().unwrap();
    assert!((1100..=1200).contains(&retry_after));
    assert_eq!(header(&second, "ratelimit"), format!("\"upload\";r=0;t={retry_after}"));
    let body: Value = second.json().await.unwrap();
    assert_eq!(body["status_code"], 429);
    assert_eq!(body["status"], "too-many-requests");
    let wait = body["data"]["wait_time"].as_str().unwrap();
    let seconds: f64 = wait.strip_suffix(" seconds").unwrap().parse().unwrap();
    assert!(seconds <= 1200.0 && seconds > 1100.0, "{wait}");
    assert!(body["data"]["message"].as_str().unwrap().contains(wait), "{body}");

    let path = "/api/v3/vod/metadata/stream/0190a0b0-0000-7000-8000-000000000000/";
    assert_eq!(passed(|| app.get(path), 5).await, 3);
    let refused = app.get(path).send().await.unwrap();
    assert_eq!(header(&refused, "ratelimit-policy"), "\"metadata\";q=3;w=60");
    // Everything else goes on.
    assert_eq!(app.get("/").send().await.unwrap().status(), StatusCode::OK);
    let more = upload(&app, "/upload", &token).send().await.unwrap();
    assert_eq!(more.status(), StatusCode::OK, "the page has a limit of its own, and leads to the video");
}

async fn headers_of_strangers_count_for_nothing(database: Database) {
    let app = TestApp::start_with(database, on).await;
    let path = "/api/v3/vod/metadata/stream/0190a0b0-0000-7000-8000-000000000000/";
    let number = std::cell::Cell::new(0);
    let spoofed = |header: &'static str, prefix: &str| {
        number.set(number.get() + 1);
        app.get(path).header(header, format!("{prefix}192.0.2.{}", number.get()))
    };
    assert_eq!(passed(|| spoofed("x-forwarded-for", ""), 10).await, 3);
    assert_eq!(passed(|| spoofed("forwarded", "for="), 10).await, 0);
    assert_eq!(passed(|| spoofed("x-real-ip", ""), 10).await, 0);
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_its_own() {
    let trusting = |config: &mut Config| {
        on(config);
        config.server.trusted_proxies = Networks::new(["127.0.0.0/8".parse().unwrap()]);
    };
    let app = TestApp::start_with(Database::sqlite(), trusting).await;
    let path = "/api/v3/vod/metadata/stream/0190a0b0-0000-7000-8000-000000000000/";
    let from = |client: &str| app.get(path).header("x-forwarded-for", client);
    assert_eq!(passed(|| from("192.0.2.1"), 10).await, 3);
    assert_eq!(passed(|| from("192.0.2.2"), 10).await, 3);
    // What a client has made up stands before what the proxy knows.
    assert_eq!(passed(|| from("203.0.113.9, 192.0.2.2"), 10).await, 0);
    assert_eq!(passed(|| from("2001:db8::1"), 10).await, 3);
    assert_eq!(passed(|| from("2001:db8::ffff"), 10).await, 0, "a household is one client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_one_server_count_together() {
    let app = TestApp::start_with(Database::postgres(), on).await;
    let other = app.start_another().await;
    let path = "/api/v3/vod/metadata/stream/0190a0b0-0000-7000-8000-000000000000/";
    assert_eq!(passed(|| app.get(path), 2).await, 2);
    assert_eq!(passed(|| other.get(path), 5).await, 1);
}

#[tokio::test]
async fn a_refusal_speaks_the_language_of_who_asks() {
    let strict = |config: &mut Config| {
        on(config);
        config.rates.read = Rate { burst: 1, refill_ms: 60_000 };
    };
    let app = TestApp::start_with(Database::sqlite(), strict).await;
    assert_eq!(app.get("/").send().await.unwrap().status(), StatusCode::OK);
    let page = app.get("/").header("accept", "text/html").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(page.text().await.unwrap().contains("Try again in"));
    let problem = app.get("/api/v5/nothing").send().await.unwrap();
    assert_eq!(problem.headers()["content-type"], "application/problem+json");
    let problem: Value = problem.json().await.unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["violated-policies"], serde_json::json!(["read"]));
    // Machines that look after this one are always answered.
    assert_eq!(app.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_single_limit_can_be_off() {
    let open = |config: &mut Config| {
        on(config);
        config.rates.metadata = Rate { burst: 0, refill_ms: 20_000 };
    };
    let app = TestApp::start_with(Database::sqlite(), open).await;
    let path = "/api/v3/vod/metadata/stream/0190a0b0-0000-7000-8000-000000000000/";
    assert_eq!(passed(|| app.get(path), 10).await, 10);
}
