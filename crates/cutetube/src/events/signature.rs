//! Signing as [Standard Webhooks] does, version 1: HMAC-SHA256 over id, time and body.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

use base64::{Engine, engine::general_purpose::STANDARD};
use catalog::events::webhooks::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const PREFIX: &str = "whsec_";

/// A secret of these random bytes; the specification asks for 24 to 64.
pub(super) fn secret(random: &[u8; 32]) -> Secret {
    Secret(format!("{PREFIX}{}", STANDARD.encode(random)))
}

/// The value of `webhook-signature`: one signature for each secret, separated by spaces. `timestamp` is in seconds since
/// 1970.
pub(super) fn signatures(secrets: &[Secret], id: &str, timestamp: u64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets.iter().map(|secret| sign(secret, id, timestamp, body)).collect();
    signatures.join(" ")
}

fn sign(Secret(secret): &Secret, id: &str, timestamp: u64, body: &[u8]) -> String {
    let encoded = secret.strip_prefix(PREFIX).unwrap_or(secret);
    // Only `secret` makes secrets; one that somebody has put into the database by hand signs as what it says.
    let key = STANDARD.decode(encoded).unwrap_or_else(|_| secret.clone().into_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of every length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn it_signs_as_the_specification_does() {
        let secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let said = signatures(
            std::slice::from_ref(&secret),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(said, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs_for_itself() {
        let (one, two) = (secret(&[1; 32]), secret(&[2; 32]));
        let both = signatures(&[one.clone(), two.clone()], "id", 1, b"body");
        assert_eq!(
            both,
            format!("{} {}", signatures(&[one], "id", 1, b"body"), signatures(&[two], "id", 1, b"body"))
        );
        assert!(secret(&[7; 32]).0.starts_with("whsec_BwcHBwcH"));
    }
}
