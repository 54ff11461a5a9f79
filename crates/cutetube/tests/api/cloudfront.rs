//! Addresses that Amazon CloudFront checks, checked as it documents: with the public key alone.

use std::{fs, process::Command};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use catalog::videos::Visibility;
use cutetube::config::{Secret, SigningScheme};
use reqwest::Url;
use serde_json::Value;
use tempfile::TempDir;
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

fn openssl(folder: &TempDir, arguments: &str) -> bool {
    #[expect(clippy::disallowed_methods, reason = "somebody else's implementation")]
    let mut openssl = Command::new("openssl");
    openssl.args(arguments.split(' ')).current_dir(folder.path()).output().unwrap().status.success()
}

/// Amazon writes `-`, `_` and `~` for `+`, `=` and `/`.
fn decoded(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text.replace('-', "+").replace('_', "=").replace('~', "/")).unwrap()
}

#[tokio::test]
async fn an_address_for_cloudfront_is_signed_for_its_folder_until_it_ends() {
    let folder = TempDir::new().unwrap();
    assert!(openssl(&folder, "genrsa -out private.pem 2048"));
    assert!(openssl(&folder, "rsa -in private.pem -pubout -out public.pem"));
    let private = fs::read_to_string(folder.path().join("private.pem")).unwrap();
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.delivery.cdn_base_url = Some("https://d111.cloudfront.net".to_owned());
        config.delivery.signing.scheme = SigningScheme::Cloudfront;
        config.delivery.signing.key_pair_id = Some("K2JCJMDEHXQW5F".to_owned());
        config.delivery.signing.private_key = Some(Secret::new(private));
    })
    .await;
    let token = app.sign_up("ada").await;
    let owner = backstage::user(&app, "ada").await;
    let id = backstage::video(&app, owner, Visibility::Private, Situation::Ready).await;
    let seen = app.get(&format!("/api/v5/videos/{id}")).bearer_auth(&token).send().await.unwrap();
    let seen: Value = seen.json().await.unwrap();
    let address: Url = seen["playback"]["dash"].as_str().unwrap().parse().unwrap();
    assert_eq!(address.host_str(), Some("d111.cloudfront.net"), "{seen}");

    let value = |name: &str| address.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!(
        (value("Key-Pair-Id").as_str(), value("Hash-Algorithm").as_str()),
        ("K2JCJMDEHXQW5F", "SHA256")
    );
    let policy = decoded(&value("Policy"));
    let check = |policy: &[u8]| {
        fs::write(folder.path().join("policy"), policy).unwrap();
        fs::write(folder.path().join("signature"), decoded(&value("Signature"))).unwrap();
        openssl(&folder, "dgst -sha256 -verify public.pem -signature signature policy")
    };
    assert!(check(&policy), "it is not what the key has signed");
    assert!(!check(&[&policy[..], b" "].concat()), "something else is not");

    let policy: Value = serde_json::from_slice(&policy).unwrap();
    let statement = &policy["Statement"][0];
    let resource = statement["Resource"].as_str().unwrap();
    let covered = resource.strip_suffix('*').unwrap();
    assert!(address.as_str().starts_with(covered) && covered.contains(&id.to_string()), "{policy} {address}");
    assert!(statement["Condition"]["DateLessThan"]["AWS:EpochTime"].as_u64().unwrap() > 1_700_000_000);
}
