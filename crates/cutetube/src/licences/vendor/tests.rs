//! Vendors that answer, and vendors that do not.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use testbed::{LicenceServer, StubReply};

use super::*;
use crate::config::Secret;

const HEADERS: [(&str, &str); 2] = [
    ("Authorization", "Bearer hush"),
    ("X-Custom", "{\"v\":\"{video}\",\"u\":\"{user}\",\"k\":\"{classes}\",\"s\":{seconds}}"),
];

fn granted() -> Granted {
    Granted {
        video: "01-film".to_owned(),
        user: Some("ada".to_owned()),
        classes: vec![KeyClass::Audio, KeyClass::Sd],
        seconds: 3600,
    }
}

fn request(body: &[u8]) -> LicenceRequest {
    LicenceRequest {
        body: Bytes::copy_from_slice(body),
        content_type: Some("application/x-test".to_owned()),
        soap_action: Some("\"http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense\"".to_owned()),
        granted: granted(),
    }
}

/// The same server for every system but FairPlay, which has none.
fn vendors(url: String) -> Vendors {
    let headers = HEADERS.map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
    let vendor = Vendor { url, headers: BTreeMap::from(headers), timeout_seconds: 1 };
    Vendors::new([(VendorSystem::Widevine, &vendor), (VendorSystem::PlayReady, &vendor)]).unwrap()
}

async fn check(
    url: String,
    system: VendorSystem,
    request: LicenceRequest,
) -> Result<VendorAnswer, VendorError> {
    vendors(url).forward(system, request).await
}

#[tokio::test]
async fn a_request_goes_where_the_operator_says_with_what_the_operator_says() {
    let server = LicenceServer::start().await;
    let plain = LicenceRequest { content_type: None, soap_action: None, ..request(b"\x08\x04") };
    let odd = LicenceRequest {
        content_type: Some("a\r\nX-Injected: 1".to_owned()),
        soap_action: Some("ü".to_owned()),
        granted: Granted { user: None, video: "a\"\r\n{user}".to_owned(), ..granted() },
        ..request(b"odd")
    };
    for (system, request) in [
        (VendorSystem::Widevine, request(b"challenge")),
        (VendorSystem::PlayReady, request(b"<soap/>")),
        (VendorSystem::PlayReady, plain),
        (VendorSystem::Widevine, odd),
    ] {
        let backwards: Vec<u8> = request.body.iter().rev().copied().collect();
        let answer = check(server.url(), system, request).await.unwrap();
        assert_eq!(answer, VendorAnswer { content_type: BINARY, body: Bytes::from(backwards) });
    }
    let head = |head: String| {
        let mut lines: Vec<String> = head
            .lines()
            .filter(|line| !line.to_ascii_lowercase().starts_with("host:"))
            .map(|line| line.replace(env!("CARGO_PKG_VERSION"), "VERSION"))
            .collect();
        lines.sort();
        lines.join("\n")
    };
    let heard: Vec<String> = server.heard(4).await.into_iter().map(|request| head(request.head)).collect();
    insta::assert_snapshot!(heard.join("\n"));
}

#[tokio::test]
async fn how_a_vendor_fails_is_a_sentence() {
    let (mut server, elsewhere) = (LicenceServer::start().await, LicenceServer::start().await);
    let mut said = Vec::new();
    let mut say = |answer: Result<VendorAnswer, VendorError>| {
        let error = answer.unwrap_err();
        let sentence = error.to_string();
        assert!(!format!("{sentence}{error:?}").contains("hush"));
        said.push(sentence);
    };
    let known = vendors(server.url());
    let served = VendorSystem::ALL.map(|system| known.serve(system));
    assert_eq!(served, [true, true, false]);
    for reply in [
        StubReply::Status(500),
        StubReply::Status(429),
        StubReply::Stall,
        StubReply::Endless,
        StubReply::Status(401),
        StubReply::Status(204),
        StubReply::Redirect(elsewhere.url()),
    ] {
        server.reply(reply);
        say(check(server.url(), VendorSystem::Widevine, request(b"challenge")).await);
    }
    let heard = server.heard(7).await.len();
    say(check(server.url(), VendorSystem::Widevine, request(&vec![0; MAX_REQUEST + 1])).await);
    say(check(server.url(), VendorSystem::Widevine, request(b"")).await);
    say(check(server.url(), VendorSystem::FairPlay, request(b"challenge")).await);
    assert_eq!(server.heard(7).await.len(), heard, "what is not forwarded is not sent");
    server.stop().await;
    say(check(server.url(), VendorSystem::Widevine, request(b"challenge")).await);
    assert!(elsewhere.heard(0).await.is_empty());
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn the_longest_request_passes() {
    let server = LicenceServer::start().await;
    let answer = check(server.url(), VendorSystem::Widevine, request(&vec![7; MAX_REQUEST])).await.unwrap();
    assert_eq!(answer.body.len(), MAX_REQUEST);
}

/// Whoever waits for one vendor keeps nobody from another.
#[tokio::test]
async fn a_slow_vendor_has_only_so_many_requests() {
    let (slow, other) = (LicenceServer::start().await, LicenceServer::start().await);
    slow.reply(StubReply::Stall);
    let vendor = |url| Vendor { url, headers: BTreeMap::new(), timeout_seconds: 60 };
    let (widevine, playready) = (vendor(slow.url()), vendor(other.url()));
    let vendors = [(VendorSystem::Widevine, &widevine), (VendorSystem::PlayReady, &playready)];
    let vendors = Arc::new(Vendors::new(vendors).unwrap());
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let vendors = vendors.clone();
        waiting.spawn(async move { vendors.forward(VendorSystem::Widevine, request(b"challenge")).await });
    }
    slow.heard(AT_ONCE).await;
    let refused = vendors.forward(VendorSystem::Widevine, request(b"challenge")).await;
    assert_eq!(refused, Err(VendorError::Busy(VendorSystem::Widevine)));
    assert!(vendors.forward(VendorSystem::PlayReady, request(b"challenge")).await.is_ok());
    // Players that go away make room.
    slow.reply(StubReply::Normal);
    waiting.shutdown().await;
    assert!(vendors.forward(VendorSystem::Widevine, request(b"challenge")).await.is_ok());
}

#[test]
fn a_page_is_not_passed_on_as_one() {
    for (sent, passed) in [
        (Some("text/xml; charset=utf-8"), "text/xml"),
        (Some("Application/JSON"), "application/json"),
        (Some("text/html"), BINARY),
        (Some("image/svg+xml"), BINARY),
        (Some(""), BINARY),
        (None, BINARY),
    ] {
        assert_eq!(safe_type(sent), passed);
    }
}

proptest! {
    #[test]
    fn what_is_filled_in_stays_in_its_place(video: String, user: Option<String>, seconds: u64, classes in proptest::sample::subsequence(KeyClass::ALL.to_vec(), 0..4)) {
        let granted = Granted { video, user, classes, seconds };
        let filled = granted.fill("a{video}b\"{user}\"{classes}{seconds}{other}{{video}");
        prop_assert!(HeaderValue::try_from(&filled).is_ok() && filled.is_ascii());
        let classes: Vec<&str> = granted.classes.iter().map(|class| class.as_str()).collect();
        let (video, user) = (plain(&granted.video), plain(granted.user.as_deref().unwrap_or("")));
        let classes = classes.join(",");
        prop_assert_eq!(&filled, &format!("a{video}b\"{user}\"{classes}{seconds}{{other}}{{{video}"));
        let harmless = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%-_.".contains(&byte));
        prop_assert!(harmless(&video) && harmless(&user));
    }
}
