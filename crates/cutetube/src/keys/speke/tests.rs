//! Key servers that answer, and key servers that do not.

use std::collections::BTreeMap;

use packager::{Header, KeyClass, KeyId, Licences, Protection, Scheme, SystemHeaders, VendorSystem};
use proptest::{prelude::*, sample::Index};
use testbed::{SpekeServer, SpekeTwist, StubReply};

use super::{
    AskedKey, CpixError, KeyRequest, KeyServer, KeyServerError, VendorKey,
    cpix::{self, HeaderProblem},
};
use crate::config::{Secret, Speke};

const SCHEMES: [Scheme; 2] = [Scheme::Cenc, Scheme::Cbcs];

fn asked(scheme: Scheme) -> KeyRequest {
    let key = |(class, last): (KeyClass, u8)| AskedKey {
        class,
        id: KeyId([0x10 + last; 16]),
        constant_iv: [0x20 + last; 16],
    };
    let keys = KeyClass::ALL.into_iter().zip(0..).map(key).collect();
    KeyRequest { content_id: "01-film & <more>".to_owned(), scheme, keys }
}

/// Asks the key server at this address for three keys.
async fn check(url: String, scheme: Scheme) -> Result<Vec<VendorKey>, KeyServerError> {
    let headers = BTreeMap::from([("Authorization".to_owned(), Secret::new("Bearer hush".to_owned()))]);
    let config = Speke { url, headers, timeout_seconds: 1, systems: VendorSystem::ALL.to_vec() };
    KeyServer::new(&config).unwrap().keys(&asked(scheme)).await
}

/// What is said of it, and whether it may pass.
fn told(answer: Result<Vec<VendorKey>, KeyServerError>) -> String {
    let error = answer.unwrap_err();
    let told = format!("{error} / {}", if error.may_pass() { "again" } else { "no" });
    let all = format!("{told} {error:?}");
    assert!(!all.contains("hush") && !all.contains("stub"), "{all}");
    for key in asked(Scheme::Cenc).keys {
        let key = SpekeServer::key(key.id.0);
        let digits = key.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
        assert!(!all.contains(&digits) && !all.contains(&format!("{key:?}")), "{all}");
    }
    told
}

/// What the stub has to give.
fn expected(request: &KeyRequest, systems: &[VendorSystem]) -> Vec<VendorKey> {
    let given = |system, has| if systems.contains(&system) { has } else { Header::Withheld };
    let fairplay = |id| match request.scheme {
        Scheme::Cbcs => Header::Given(SpekeServer::fairplay(id)),
        Scheme::Cenc => Header::Withheld,
    };
    let key = |asked: &AskedKey| {
        let id = asked.id.0;
        let widevine = given(VendorSystem::Widevine, Header::Given(SpekeServer::widevine(id)));
        let playready = given(VendorSystem::PlayReady, Header::Given(SpekeServer::playready(id)));
        let fairplay =
            if systems.contains(&VendorSystem::FairPlay) { fairplay(id) } else { Header::Withheld };
        let key = packager::Key::new(SpekeServer::key(id));
        let key = packager::ContentKey { id: asked.id, key, constant_iv: asked.constant_iv };
        VendorKey { class: asked.class, key, headers: SystemHeaders { widevine, playready, fairplay } }
    };
    request.keys.iter().map(key).collect()
}

#[test]
fn a_request_names_keys_systems_and_what_they_are_for() {
    insta::assert_snapshot!(cpix::request(&asked(Scheme::Cbcs), &VendorSystem::ALL));
    let cenc = cpix::request(&asked(Scheme::Cenc), &VendorSystem::ALL);
    assert!(!cenc.contains("explicitIV") && !cenc.contains("HLSSignalingData"), "{cenc}");
}

#[tokio::test]
async fn a_key_server_is_asked_and_believed() {
    let server = SpekeServer::start().await;
    for scheme in SCHEMES {
        let keys = check(server.url(), scheme).await.unwrap();
        assert_eq!(keys, expected(&asked(scheme), &VendorSystem::ALL));
        assert_eq!(check(server.url(), scheme).await.unwrap(), keys);
        assert!(!format!("{keys:?}").contains(&format!("{:?}", SpekeServer::key([0x10; 16]))));
    }
    let heard = server.heard(4).await;
    assert!(heard.iter().all(|request| request.header("authorization") == Some("Bearer hush")));
    assert!(heard.iter().all(|request| request.head.starts_with("POST /speke/v2.0/copyProtection ")));
}

#[tokio::test]
async fn what_it_gives_is_signalled_and_what_it_leaves_out_is_not_guessed() {
    let server = SpekeServer::start().await;
    let keys = check(server.url(), Scheme::Cbcs).await.unwrap();
    let id = keys[2].key.id.0;
    let headers = keys.iter().map(|key| (key.class, key.headers.clone())).collect();
    let contents = keys.into_iter().map(|key| (key.class, key.key)).collect();
    let protection = Protection::with_headers(Scheme::Cbcs, contents, Licences::default(), headers);
    let told = &protection.signalling().keys[&KeyClass::Hd];
    assert_eq!(told.widevine, Some(SpekeServer::widevine(id)));
    assert_eq!(told.playready, Some(SpekeServer::playready(id)));
    assert_eq!(told.fairplay, Some(SpekeServer::fairplay(id)));

    server.twist(Some(SpekeTwist::OwnVectors));
    let keys = check(server.url(), Scheme::Cbcs).await.unwrap();
    assert!(keys.iter().all(|key| key.key.constant_iv == SpekeServer::vector(key.key.id.0)));

    server.twist(Some(SpekeTwist::NoHeaders));
    let keys = check(server.url(), Scheme::Cbcs).await.unwrap();
    assert!(keys.iter().all(|key| key.headers == SystemHeaders::default()));

    server.twist(Some(SpekeTwist::NoSystems));
    let keys = check(server.url(), Scheme::Cbcs).await.unwrap();
    let none =
        SystemHeaders { widevine: Header::Withheld, playready: Header::Withheld, fairplay: Header::Withheld };
    assert!(keys.iter().all(|key| key.headers == none));

    server.twist(Some(SpekeTwist::NoVectors));
    assert_eq!(
        check(server.url(), Scheme::Cenc).await.unwrap(),
        expected(&asked(Scheme::Cenc), &VendorSystem::ALL)
    );
}

#[tokio::test]
async fn what_a_key_server_says_wrong_is_told_apart() {
    let server = SpekeServer::start().await;
    let mut said = Vec::new();
    for twist in [
        SpekeTwist::MissingKey,
        SpekeTwist::ExtraKey,
        SpekeTwist::DoubleKey,
        SpekeTwist::ShortKeys,
        SpekeTwist::SameKeys,
        SpekeTwist::EncryptedKeys,
        SpekeTwist::OtherContent,
        SpekeTwist::OtherVersion,
        SpekeTwist::OtherScheme,
        SpekeTwist::NoVectors,
        SpekeTwist::ForeignHeaders,
        SpekeTwist::OtherKeys,
        SpekeTwist::NoBase64,
        SpekeTwist::NoSense,
        SpekeTwist::CutBoxes,
        SpekeTwist::DocumentType,
    ] {
        server.twist(Some(twist));
        said.push(told(check(server.url(), Scheme::Cbcs).await));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn what_a_key_server_does_wrong_is_told_apart() {
    let (mut server, elsewhere) = (SpekeServer::start().await, SpekeServer::start().await);
    let mut said = Vec::new();
    for reply in [
        StubReply::Status(500),
        StubReply::Status(503),
        StubReply::Status(429),
        StubReply::Status(408),
        StubReply::Status(204),
        StubReply::Garbage,
        StubReply::Endless,
        StubReply::Stall,
        StubReply::Status(400),
        StubReply::Status(401),
        StubReply::Status(403),
        StubReply::Status(404),
        StubReply::Status(422),
        StubReply::Redirect(elsewhere.url()),
    ] {
        server.reply(reply);
        said.push(told(check(server.url(), Scheme::Cenc).await));
    }
    server.stop().await;
    said.push(told(check(server.url(), Scheme::Cenc).await));
    insta::assert_snapshot!(said.join("\n"));
    assert!(elsewhere.heard(0).await.is_empty());
}

#[test]
fn a_header_is_one_that_its_system_can_take() {
    use HeaderProblem::{Empty, NotBase64, NotObject, NotPssh, NotSignalling, OtherKey, OtherSystem};
    for (system, twist, expected) in [
        (VendorSystem::Widevine, SpekeTwist::ForeignHeaders, OtherSystem),
        (VendorSystem::Widevine, SpekeTwist::OtherKeys, OtherKey),
        (VendorSystem::Widevine, SpekeTwist::NoBase64, NotBase64),
        (VendorSystem::Widevine, SpekeTwist::NoSense, Empty),
        (VendorSystem::Widevine, SpekeTwist::CutBoxes, NotPssh),
        (VendorSystem::PlayReady, SpekeTwist::ForeignHeaders, OtherSystem),
        (VendorSystem::PlayReady, SpekeTwist::OtherKeys, OtherKey),
        (VendorSystem::PlayReady, SpekeTwist::NoSense, NotObject),
        (VendorSystem::PlayReady, SpekeTwist::CutBoxes, NotPssh),
        (VendorSystem::FairPlay, SpekeTwist::ForeignHeaders, NotSignalling),
        (VendorSystem::FairPlay, SpekeTwist::NoBase64, NotBase64),
        (VendorSystem::FairPlay, SpekeTwist::NoSense, NotSignalling),
    ] {
        let request = asked(Scheme::Cbcs);
        let answer = SpekeServer::answer(&cpix::request(&request, &[system]), Some(twist)).unwrap();
        let problem = CpixError::NoHeader { id: request.keys[0].id, system, problem: expected };
        assert_eq!(cpix::parse(&answer, &request, &[system]), Err(problem), "{twist:?}");
    }
}

#[test]
fn a_header_from_a_playlist_is_one_that_can_stand_in_a_playlist() {
    let request = asked(Scheme::Cbcs);
    let systems = [VendorSystem::FairPlay];
    let answer = SpekeServer::answer(&cpix::request(&request, &systems), None).unwrap();
    let with_tag = |tag: &str| {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let uri = SpekeServer::fairplay(request.keys[0].id.0);
        let good = format!(
            "#EXT-X-STUB:1\r\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"{uri}\",KEYFORMATVERSIONS=\"1\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\r\n"
        );
        let good = BASE64_STANDARD.encode(good);
        assert!(answer.contains(&good));
        let changed = answer.replace(&good, &BASE64_STANDARD.encode(tag));
        cpix::parse(&changed, &request, &systems).map(|keys| keys[0].headers.fairplay.clone())
    };
    let format = "KEYFORMAT=\"com.apple.streamingkeydelivery\"";
    for (tag, uri) in [
        (format!("#EXT-X-KEY:{format},URI=\"skd://a,b=c\",METHOD=SAMPLE-AES"), "skd://a,b=c"),
        (format!("\n\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,{format},IV=0x1,URI=\"skd://a\"\n"), "skd://a"),
        (
            format!(
                "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:x\",KEYFORMAT=\"x\"\n#EXT-X-KEY:URI=\"skd://b\",{format}"
            ),
            "skd://b",
        ),
    ] {
        assert_eq!(with_tag(&tag), Ok(Header::Given(uri.to_owned())), "{tag}");
    }
    for tag in [
        "skd://a".to_owned(),
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,{format}"),
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a b\",{format}"),
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://ä\",{format}"),
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a,{format}"),
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"https://a\",{format}"),
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://{}\",{format}", "a".repeat(2000)),
    ] {
        assert!(matches!(with_tag(&tag), Err(CpixError::NoHeader { .. })), "{tag}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    let request = asked(Scheme::Cenc);
    let check = |text: &str| cpix::parse(text, &request, &[]).unwrap_err();
    let deep = "<a>".repeat(100_000);
    let declared = "<c xmlns:a='b' ".repeat(1000);
    for (text, expected) in [
        ("", CpixError::NotCpix),
        ("keys", CpixError::NotCpix),
        ("<CPIX version='2.3'/>", CpixError::NotCpix),
        ("<CPIX xmlns='urn:dashif:org:cpix'>", CpixError::Version),
        ("<CPIX xmlns='urn:dashif:org:cpix' version='2.3'>", CpixError::OtherContent),
        ("<c:CPIX xmlns='urn:dashif:org:cpix' version='2.3'/>", CpixError::NotCpix),
        (&deep, CpixError::NotCpix),
        (&declared, CpixError::NotXml),
        (&" ".repeat(cpix::MAX_LEN + 1), CpixError::TooLong),
        ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", CpixError::DocumentType),
    ] {
        assert_eq!(check(text), expected, "{}", text.get(..60).unwrap_or(text));
    }
    let answer = SpekeServer::answer(&cpix::request(&request, &VendorSystem::ALL), None).unwrap();
    let nested = answer.replace("<c:DRMSystemList>", &format!("{deep}<c:DRMSystemList>"));
    assert_eq!(check(&nested), CpixError::NotXml);
    assert_eq!(check(&answer.replace("</c:CPIX>", "")), CpixError::NotXml);
    assert_eq!(check(&format!("{answer}{answer}")), CpixError::NotCpix);
    assert_eq!(check(&answer.replace("<PlainValue>", "<PlainValue>&#65;")), CpixError::NotXml);
    assert_eq!(check(&answer.replacen("kid='1", "kid='x", 1)), CpixError::NoKeyId);
}

fn requests() -> impl Strategy<Value = (KeyRequest, Vec<VendorSystem>)> {
    let ids = proptest::collection::btree_set(any::<[u8; 16]>(), 3);
    let classes = proptest::sample::subsequence(KeyClass::ALL.to_vec(), 1..4);
    let systems = proptest::sample::subsequence(VendorSystem::ALL.to_vec(), 1..4);
    (ids, classes, systems, "\\PC{1,40}", any::<bool>(), any::<[u8; 16]>()).prop_filter_map(
        "FairPlay alone has nothing to say with `cenc`",
        |(ids, classes, systems, content_id, cbcs, constant_iv)| {
            let scheme = SCHEMES[usize::from(cbcs)];
            let key = |(class, id)| AskedKey { class, id: KeyId(id), constant_iv };
            let keys = classes.into_iter().zip(ids).map(key).collect();
            let has_system = cbcs || systems != [VendorSystem::FairPlay];
            has_system.then_some((KeyRequest { content_id, scheme, keys }, systems))
        },
    )
}

proptest! {
    #[test]
    fn every_request_is_one_that_is_answered((request, systems) in requests()) {
        let answer = SpekeServer::answer(&cpix::request(&request, &systems), None);
        let answer = answer.map_err(TestCaseError::fail)?;
        prop_assert_eq!(cpix::parse(&answer, &request, &systems), Ok(expected(&request, &systems)));
    }

    /// Whatever happens to an answer on its way, a key that is believed is the one that was given, or the answer was
    /// changed inside of it.
    #[test]
    fn no_answer_makes_the_reader_panic(
        (request, systems) in requests(),
        changes in proptest::collection::vec((any::<Index>(), any::<char>()), 1..6),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let answer = SpekeServer::answer(&cpix::request(&request, &systems), None).unwrap();
        let mut letters: Vec<char> = answer.chars().collect();
        for (at, letter) in changes {
            let at = at.index(letters.len());
            letters[at] = letter;
        }
        if let Some(cut) = cut {
            letters.truncate(cut.index(letters.len()));
        }
        let changed: String = letters.into_iter().collect();
        if let Ok(keys) = cpix::parse(&changed, &request, &systems) {
            prop_assert_eq!(keys.len(), request.keys.len());
            prop_assert!(keys.iter().zip(&request.keys).all(|(key, asked)| key.key.id == asked.id));
        }
    }
}
