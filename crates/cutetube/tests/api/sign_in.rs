//! Signing in, for those who guess and those who forge.

use std::time::{Duration, Instant};

use reqwest::{StatusCode, header};
use serde_json::json;
use testbed::Database;

use crate::app::{Answer, TestApp, sign_up_form};

testbed::on_both_databases!(whoever_guesses_is_slowed_down);

async fn log_in(app: &TestApp, credential: &str, password: &str) -> reqwest::Response {
    let body = json!({ "credential": credential, "password": password });
    app.post("/api/v3/auth/login/").json(&body).send().await.unwrap()
}

/// Attempts are counted, and requests as such are not.
fn count_attempts(config: &mut cutetube::config::Config) {
    config.limits.rate = cutetube::config::RateLimits::On;
    config.rates.sign_in.burst = 0;
}

async fn whoever_guesses_is_slowed_down(database: Database) {
    let app = TestApp::start_with(database, count_attempts).await;
    app.sign_up("ada").await;
    // The answers do not tell which of the two exists.
    for credential in ["ada", "nobody"] {
        let mut said = Vec::new();
        for _ in 0..7 {
            let answer = log_in(&app, credential, "wrong horse").await;
            let wait = answer.headers().get("retry-after").map(|wait| wait.to_str().unwrap().to_owned());
            said.push((answer.status(), wait));
        }
        let refused = said.iter().filter(|(status, _)| *status == StatusCode::BAD_REQUEST).count();
        assert!((6..=7).contains(&refused), "five are free, and the sixth blocks: {said:?}");
        for (status, wait) in said.iter().skip(refused) {
            assert_eq!((*status, wait.as_deref()), (StatusCode::TOO_MANY_REQUESTS, Some("1")), "{said:?}");
        }
    }
    let other = app.post_json("/api/v3/auth/signup/", sign_up_form("bob")).await;
    assert_eq!(other.status, StatusCode::OK);
    assert_eq!(
        log_in(&app, "bob", "correct horse").await.status(),
        StatusCode::OK,
        "others are not slowed down"
    );
}

/// A page that was open for a day is asked to renew its tokens, and one that was open for a year to log in.
#[tokio::test]
async fn tokens_end_with_their_time() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let tokens: serde_json::Value = log_in(&app, "ada", "correct horse").await.json().await.unwrap();
    let token = |kind: &str| tokens["user"]["token"][kind].as_str().unwrap().to_owned();
    for (hours, access, refresh) in [
        (0, StatusCode::OK, None),
        (24, StatusCode::UNAUTHORIZED, Some(StatusCode::OK)),
        (24 * 366, StatusCode::UNAUTHORIZED, Some(StatusCode::UNAUTHORIZED)),
    ] {
        let later = app.start_another_after(Duration::from_secs(hours * 3600)).await;
        let me = later.get("/api/v5/me").bearer_auth(token("access")).send().await.unwrap();
        assert_eq!(me.status(), access, "after {hours} hours");
        let body = json!({ "refresh": token("refresh") });
        if let Some(expected) = refresh {
            let renewed = later.post("/api/v5/auth/refresh").json(&body).send().await.unwrap();
            assert_eq!(renewed.status(), expected, "after {hours} hours");
        }
    }
}

/// With a wide margin, because the machine has other things to do: without the decoy hash the ratio is about a hundred.
#[tokio::test]
async fn it_takes_as_long_whether_the_account_exists_or_not() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..9 {
        for (credential, times) in ["ada", "nobody"].into_iter().zip(&mut times) {
            let began = Instant::now();
            assert_eq!(log_in(&app, credential, "wrong horse").await.status(), StatusCode::BAD_REQUEST);
            times.push(began.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let ratio =
        known.max(unknown).as_secs_f64() / known.min(unknown).max(Duration::from_micros(1)).as_secs_f64();
    assert!(ratio < 3.0, "known {known:?}, unknown {unknown:?}");
}

#[tokio::test]
async fn the_original_style_of_refreshing_spends_the_token_too() {
    let app = TestApp::start(Database::sqlite()).await;
    let signed_up = app.post_json("/api/v3/auth/signup/", sign_up_form("ada")).await;
    let first = signed_up.json["user"]["token"]["refresh"].clone();
    let refresh = |token| app.post_json("/api/v3/auth/token/refresh/", json!({ "refresh": token }));
    let next = refresh(first.clone()).await;
    assert_eq!(next.status, StatusCode::OK, "{next:?}");
    assert_eq!(refresh(first).await.status, StatusCode::UNAUTHORIZED, "a token that comes twice is refused");
    let rightful = next.json["user"]["token"]["refresh"].clone();
    assert_eq!(refresh(rightful).await.status, StatusCode::UNAUTHORIZED, "and ends the sign-in");
    assert_eq!(refresh(json!(null)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_kind_of_token_is_never_taken_for_another() {
    let app = TestApp::start(Database::sqlite()).await;
    let signed_up = app.post_json("/api/v3/auth/signup/", sign_up_form("ada")).await;
    let token = |name: &str| signed_up.json["user"]["token"][name].as_str().unwrap().to_owned();
    let with_cookie = |value: String| {
        app.get("/api/v5/me")
            .header(header::COOKIE, format!("session={value}; __Host-session={value}"))
            .send()
    };
    let me = |value: String| app.get("/api/v5/me").bearer_auth(value).send();
    assert_eq!(me(token("access")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(me(token("refresh")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    for name in ["access", "refresh"] {
        assert_eq!(with_cookie(token(name)).await.unwrap().status(), StatusCode::UNAUTHORIZED, "{name}");
    }
    let (_, claims) = token("access").split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let claims = claims.split_once('.').unwrap().0.to_owned();
    // {"alg":"none"}, without and with a signature.
    for forged in [format!("eyJhbGciOiJub25lIn0.{claims}."), format!("eyJhbGciOiJub25lIn0.{claims}.x")] {
        assert_eq!(me(forged).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
}

/// Over TLS the cookie is one that only this host can have set, and answers say that it is never to be without TLS.
#[tokio::test]
async fn over_tls_the_cookie_is_this_hosts_alone() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.server.public_url = Some("https://videos.example.org".to_owned());
    })
    .await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = sign_up_form("ada");
    let page = client.post(format!("{}/signup", app.url)).json(&form).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::SEE_OTHER);
    assert_eq!(page.headers()["strict-transport-security"], "max-age=31536000");
    let cookie = page.headers()["set-cookie"].to_str().unwrap();
    let (pair, rest) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with("__Host-session="), "{cookie}");
    for word in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(rest.contains(word), "{cookie}");
    }
    let me =
        |cookie: String| client.get(format!("{}/api/v5/me", app.url)).header(header::COOKIE, cookie).send();
    assert_eq!(me(pair.to_owned()).await.unwrap().status(), StatusCode::OK);
    let tossed = pair.replace("__Host-session", "session");
    assert_eq!(me(tossed).await.unwrap().status(), StatusCode::UNAUTHORIZED, "a subdomain can set that one");
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let app = TestApp::start(Database::sqlite()).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let page = client.post(format!("{}/signup", app.url)).json(&sign_up_form("ada")).send().await.unwrap();
    let cookie = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    for path in
        ["/account/end-sessions", "/account/delete", "/logout", "/api/v5/auth/logout", "/api/v5/me/password"]
    {
        for (name, value) in
            [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")]
        {
            let request = client.post(format!("{}{path}", app.url)).header(header::COOKIE, &cookie);
            let answer = request.header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
    }
    for path in ["/login", "/signup", "/forgot", "/reset", "/verify"] {
        let request = client.post(format!("{}{path}", app.url)).header("origin", "https://evil.example");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{path}");
    }
    let me =
        client.get(format!("{}/api/v5/me", app.url)).header(header::COOKIE, &cookie).send().await.unwrap();
    assert_eq!(me.status(), StatusCode::OK, "nothing has changed");
}

#[tokio::test]
async fn asking_for_a_letter_tells_nothing_about_accounts() {
    let app = TestApp::start_with(Database::sqlite(), count_attempts).await;
    app.sign_up("ada").await;
    let forgot = |email: &str| app.post("/api/v5/auth/forgot").json(&json!({ "email": email })).send();
    let mut answers = Vec::new();
    for email in ["ada@example.org", "nobody@example.org"] {
        let answer = forgot(email).await.unwrap();
        answers.push((answer.status(), answer.text().await.unwrap()));
    }
    assert_eq!(answers[0].0, StatusCode::ACCEPTED);
    assert_eq!(answers[0], answers[1]);
    let letters = jobs::depths(&app.db).await.unwrap();
    let letters: u64 = letters.iter().filter(|depth| depth.kind == "letter").map(|depth| depth.jobs).sum();
    assert_eq!(letters, 2, "the same work is done for both");
    for _ in 0..5 {
        forgot("ada@example.org").await.unwrap();
    }
    let flooded = forgot("ada@example.org").await.unwrap();
    assert_eq!(flooded.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(flooded.headers().contains_key("retry-after"));
    for (path, body) in [
        ("/api/v5/auth/reset", json!({ "code": "guessed", "password": "another horse" })),
        ("/api/v5/auth/verify", json!({ "code": "guessed" })),
    ] {
        let answer = Answer::of(app.post(path).json(&body).send().await.unwrap()).await;
        assert_eq!(
            (answer.status, &answer.json["errors"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("code")),
            "{path}"
        );
    }
}
