//! Playback tokens: what a player shows when it asks for a licence. JWT (RFC 7519) with HS256 and a key of its own.
//!
//! A token is bound to a video, a viewer and a player. It says which keys its holder may be given at most; whether they
//! are given is decided when they are asked for.

use std::fmt;

use axum::{extract::Query, http::Uri};
use catalog::{
    ids::{StreamId, UserId, VideoId},
    keys::KeyClass,
    licences::Stream,
};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    accounts::hs256_only,
    config::{Drm, Secret},
};

/// Issues and checks playback tokens.
#[derive(Clone)]
pub(crate) struct PlaybackTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// In seconds.
    lifetime: u64,
}

/// A token as it is handed out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PlaybackToken {
    text: String,
    /// When it ends, in seconds since 1970.
    expires: u64,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Viewing {
    /// What is watched.
    #[serde(rename = "vid")]
    pub(crate) video: VideoId,
    /// By whom; nobody who has signed in without.
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<UserId>,
    /// In which player.
    #[serde(rename = "jti")]
    pub(crate) stream: StreamId,
    /// Keys that may be given at most.
    #[serde(rename = "cls")]
    pub(crate) classes: Vec<KeyClass>,
    /// The largest pictures that manifests may name, by their shorter side.
    #[serde(rename = "max", default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_height: Option<u32>,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefused {
    #[error("the playback token is not one of ours")]
    Forged,
    /// It still tells which player it is of.
    #[error("the playback token has expired")]
    Expired(Viewing),
}

/// The token in the query of an address, for players that send no headers.
#[derive(Default, Deserialize)]
struct TokenQuery {
    token: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(flatten)]
    viewing: Viewing,
    aud: String,
    exp: u64,
}

const AUDIENCE: &str = "licences";
/// Keeps this key apart from every other that is made of the same secret.
const PURPOSE: &[u8] = b"cutetube: playback tokens, version 1";

impl PlaybackTokens {
    /// With a key of its own that is derived from `secret`.
    pub(crate) fn new(secret: &Secret, drm: &Drm) -> Self {
        hs256_only();
        let keyed = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
        let keyed = keyed.expect("a key of HMAC may have any length").chain_update(PURPOSE);
        let key = keyed.finalize().into_bytes();
        Self {
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            lifetime: drm.token_minutes.saturating_mul(60),
        }
    }

    /// A token that says this. `now` is in seconds since 1970.
    pub(crate) fn issue(&self, viewing: Viewing, now: u64) -> PlaybackToken {
        let expires = now.saturating_add(self.lifetime);
        let claims = Claims { viewing, aud: AUDIENCE.to_owned(), exp: expires };
        let text = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("claims are plain data, and the key is one for HS256");
        PlaybackToken { text, expires }
    }

    /// What a token says, if it is one of ours that has not ended.
    pub(crate) fn verify(&self, text: &str, now: u64) -> Result<Viewing, TokenRefused> {
        let mut rules = Validation::new(Algorithm::HS256);
        // Compared below with the caller's clock.
        rules.validate_exp = false;
        rules.set_audience(&[AUDIENCE]);
        let claims = jsonwebtoken::decode::<Claims>(text, &self.decoding, &rules)
            .map_err(|_| TokenRefused::Forged)?
            .claims;
        if claims.exp <= now {
            return Err(TokenRefused::Expired(claims.viewing));
        }
        Ok(claims.viewing)
    }

    /// Which player a token is of that is one of ours, whether it has ended or not.
    pub(crate) fn player(&self, text: &str, now: u64) -> Option<Viewing> {
        match self.verify(text, now) {
            Ok(viewing) | Err(TokenRefused::Expired(viewing)) => Some(viewing),
            Err(TokenRefused::Forged) => None,
        }
    }
}

/// What the query of an address has as a token.
pub(crate) fn in_query(uri: &Uri) -> Option<String> {
    Query::<TokenQuery>::try_from_uri(uri).ok()?.0.token
}

impl Viewing {
    /// What is counted for the account that watches; nobody counts what nobody is signed in for.
    pub(crate) fn counted(&self) -> Option<Stream> {
        Some(Stream { id: self.stream, user: self.user?, video: self.video })
    }
}

impl PlaybackToken {
    /// For the one who may have it.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    /// When it ends, in seconds since 1970.
    pub(crate) fn expires(&self) -> u64 {
        self.expires
    }
}

impl fmt::Debug for PlaybackTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaybackTokens").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// Not the token itself: it would end up in a log.
impl fmt::Debug for PlaybackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaybackToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use catalog::ids::SessionId;
    use uuid::Uuid;

    use super::*;
    use crate::{
        accounts::{Subject, TokenKind, Tokens},
        config::Config,
    };

    const NOW: u64 = 1_800_000_000;
    const SECRET: &str = "one secret of thirty-two bytes ..";

    fn tokens(secret: &str) -> PlaybackTokens {
        PlaybackTokens::new(&Secret::new(secret.to_owned()), &Config::default().drm)
    }

    fn viewing() -> Viewing {
        Viewing {
            video: VideoId::new(1, &[1; 10]),
            user: Some(UserId::new(2, &[2; 10])),
            stream: StreamId::new(3, &[3; 10]),
            classes: vec![KeyClass::Audio, KeyClass::Sd],
            max_height: Some(576),
        }
    }

    #[test]
    fn a_token_says_what_it_was_made_for_until_it_ends() {
        let tokens = tokens(SECRET);
        for viewing in [viewing(), Viewing { user: None, ..viewing() }] {
            let token = tokens.issue(viewing.clone(), NOW);
            assert_eq!(token.expires(), NOW + 3600);
            assert_eq!(tokens.verify(token.expose(), NOW + 3599), Ok(viewing.clone()));
            let late = tokens.verify(token.expose(), NOW + 3600);
            assert_eq!(late, Err(TokenRefused::Expired(viewing)));
        }
    }

    #[test]
    fn what_others_sign_is_refused_and_so_is_what_we_sign_for_something_else() {
        let ours = tokens(SECRET);
        let theirs = tokens("another secret of thirty-two bytes").issue(viewing(), NOW);
        let access = Tokens::new(&Secret::new(SECRET.to_owned()), &Config::default().accounts).issue(
            TokenKind::Access,
            Subject { user: UserId::new(2, &[2; 10]), session: SessionId::new(3, &[3; 10]) },
            NOW,
            Uuid::from_u128(1),
        );
        let token = ours.issue(viewing(), NOW).expose().to_owned();
        let changed = token.replacen('.', ".A", 1);
        for text in ["", ".", "a.b.c", theirs.expose(), &access, &changed, &token[1..]] {
            assert_eq!(ours.verify(text, NOW), Err(TokenRefused::Forged), "{text}");
        }
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        let token = tokens(SECRET).issue(viewing(), NOW);
        assert!(!format!("{token:?}").contains(token.expose()));
    }
}
