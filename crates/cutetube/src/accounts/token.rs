//! Signed tokens: JWT (RFC 7519) with HS256, and nothing but HS256 in the whole process.

use std::time::Duration;

use catalog::ids::{SessionId, UserId};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::ErrorKind,
    signature::{self, Signer, Verifier},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::config::{Accounts, Secret};

/// Issues and checks tokens.
#[derive(Clone)]
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    access: Duration,
    refresh: Duration,
}

/// What a token is good for; one kind is never accepted for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenKind {
    /// Sent with each request to the API.
    Access,
    /// Exchanged for an access token.
    Refresh,
    /// The cookie of a browser.
    Session,
}

/// Why a token is refused. The holder is not told which.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token is not one of ours")]
    Forged,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not for this use")]
    WrongKind,
}

/// Whom a token stands for, and the sign-in it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
}

/// RFC 7519 §4.1, and `typ` and `sid`.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    sid: SessionId,
    typ: TokenKind,
    iat: u64,
    exp: u64,
    jti: Uuid,
}

impl Tokens {
    /// Signs with `secret`, for as long as `accounts` says.
    pub(crate) fn new(secret: &Secret, accounts: &Accounts) -> Self {
        hs256_only();
        let secret = secret.expose().as_bytes();
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            access: Duration::from_secs(accounts.access_minutes.saturating_mul(60)),
            refresh: Duration::from_secs(accounts.refresh_days.saturating_mul(24 * 60 * 60)),
        }
    }

    /// How long a new token of this kind is accepted.
    pub(crate) fn lifetime(&self, kind: TokenKind) -> Duration {
        match kind {
            TokenKind::Access => self.access,
            TokenKind::Refresh | TokenKind::Session => self.refresh,
        }
    }

    /// A token for `subject`. `now` is in seconds since 1970; `id` tells tokens apart.
    pub(crate) fn issue(&self, kind: TokenKind, subject: Subject, now: u64, id: Uuid) -> String {
        let exp = now.saturating_add(self.lifetime(kind).as_secs());
        let Subject { user: sub, session: sid } = subject;
        let claims = Claims { sub, sid, typ: kind, iat: now, exp, jti: id };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("claims are plain data, and the key is one for HS256")
    }

    /// Whom `token` stands for, if it is one of ours, of this kind, and not expired.
    pub(crate) fn verify(&self, kind: TokenKind, token: &str, now: u64) -> Result<Subject, TokenError> {
        let mut rules = Validation::new(Algorithm::HS256);
        // Compared below with the caller's clock.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &rules)
            .map_err(|_| TokenError::Forged)?
            .claims;
        if claims.typ != kind {
            return Err(TokenError::WrongKind);
        }
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        Ok(Subject { user: claims.sub, session: claims.sid })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("access", &self.access).finish_non_exhaustive()
    }
}

/// Sees to it that this process knows no other algorithm, before anything is signed or verified.
pub(crate) fn hs256_only() {
    // Whoever comes second finds the provider installed, which is the same one.
    let _ = HS256_ONLY.install_default();
}

/// The library's own provider brings RSA, EC and Ed25519 along; a server that has only HS256 cannot be talked into
/// anything else.
static HS256_ONLY: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.as_bytes())?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(secret: &[u8]) -> jsonwebtoken::errors::Result<Self> {
        Hmac::new_from_slice(secret).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.clone().chain_update(message).verify_slice(tag).map_err(signature::Error::from_source)
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;
    use crate::config::Config;

    const NOW: u64 = 1_800_000_000;

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&Secret::new(secret.to_owned()), &Config::default().accounts)
    }

    fn ada() -> Subject {
        Subject { user: UserId::new(7, &[7; 10]), session: SessionId::new(8, &[8; 10]) }
    }

    #[test]
    fn a_token_is_good_for_its_kind_until_it_expires() {
        let tokens = tokens("one secret of thirty-two bytes ..");
        let access = tokens.issue(TokenKind::Access, ada(), NOW, Uuid::from_u128(1));
        assert_eq!(tokens.verify(TokenKind::Access, &access, NOW + 3599), Ok(ada()));
        assert_eq!(tokens.verify(TokenKind::Access, &access, NOW + 3600), Err(TokenError::Expired));
        assert_eq!(tokens.verify(TokenKind::Refresh, &access, NOW), Err(TokenError::WrongKind));
        assert_eq!(tokens.verify(TokenKind::Session, &access, NOW), Err(TokenError::WrongKind));
    }

    #[test]
    fn what_others_sign_is_refused() {
        let ours = tokens("one secret of thirty-two bytes ..");
        let theirs = tokens("another secret of thirty-two bytes");
        let token = theirs.issue(TokenKind::Access, ada(), NOW, Uuid::from_u128(1));
        assert_eq!(ours.verify(TokenKind::Access, &token, NOW), Err(TokenError::Forged));
        for text in ["", ".", "..", "a.b.c", "Bearer x"] {
            assert_eq!(ours.verify(TokenKind::Access, text, NOW), Err(TokenError::Forged));
        }
    }

    #[test]
    fn a_token_cannot_choose_how_it_is_checked() {
        let tokens = tokens("one secret of thirty-two bytes ..");
        let token = tokens.issue(TokenKind::Access, ada(), NOW, Uuid::from_u128(1));
        let (_, claims) = token.split_once('.').unwrap();
        let (claims, tag) = claims.split_once('.').unwrap();
        for algorithm in ["none", "None", "HS512", "RS256", "HS256 "] {
            let header = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#));
            for tag in ["", tag] {
                let forged = format!("{header}.{claims}.{tag}");
                assert_eq!(tokens.verify(TokenKind::Access, &forged, NOW), Err(TokenError::Forged));
            }
        }
    }
}
