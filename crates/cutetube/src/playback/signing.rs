//! Tokens that open the media of one video for a while, to whoever holds the address they are part of.
//!
//! A token is bound to the video, its revision and its visibility: it opens nothing else, and nothing any more once
//! one of these changes. Its end is rounded up, so that the tokens that are made within a window are equal and caches
//! meet the same address again.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use catalog::{
    ids::{Revision, VideoId},
    videos::{Video, Visibility},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::{Delivery, Secret};

/// Makes tokens and checks them.
#[derive(Clone)]
pub(crate) struct PathSigner {
    keyed: Hmac<Sha256>,
    /// Seconds that a token lasts at least.
    lifetime: u64,
}

/// A token as an address carries it: when it ends, in seconds since 1970, and HMAC-SHA256 (RFC 2104).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathToken {
    expires: u64,
    tag: [u8; TAG_BYTES],
}

/// Text that is no token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoToken;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    video: VideoId,
    revision: Revision,
    visibility: Visibility,
}

const TAG_BYTES: usize = 32;
/// Keeps this key apart from every other that is made of the same secret.
const PURPOSE: &[u8] = b"cutetube: signed paths of media, version 1";
/// Windows in the time that a token lasts.
const WINDOWS: u64 = 12;

impl PathSigner {
    /// With a key of its own that is derived from `secret`.
    pub(crate) fn new(secret: &Secret, delivery: &Delivery) -> Self {
        let key = keyed(secret.expose().as_bytes()).chain_update(PURPOSE).finalize().into_bytes();
        Self { keyed: keyed(&key), lifetime: u64::from(delivery.signed_path_hours.get()) * 3600 }
    }

    /// A token for `scope`. `now` is in seconds since 1970.
    pub(crate) fn sign(&self, scope: Scope, now: u64) -> PathToken {
        let expires = self.end(now);
        let tag = self.mac(scope, expires).finalize().into_bytes().into();
        PathToken { expires, tag }
    }

    /// When an address ends that is made now: the same for everybody within a window.
    pub(crate) fn end(&self, now: u64) -> u64 {
        let window = self.lifetime / WINDOWS;
        let begun = now.checked_div(window).unwrap_or(now).saturating_add(1);
        begun.saturating_mul(window).saturating_add(self.lifetime)
    }

    /// For how many seconds from `now` the token still opens `scope`; `None` when it does not.
    pub(crate) fn check(&self, token: PathToken, scope: Scope, now: u64) -> Option<u64> {
        // Compares in a time that does not depend on where the two differ.
        self.mac(scope, token.expires).verify_slice(&token.tag).ok()?;
        token.expires.checked_sub(now).filter(|left| *left > 0)
    }

    /// Every part but the last has a fixed length, so that no two scopes are the same message.
    fn mac(&self, scope: Scope, expires: u64) -> Hmac<Sha256> {
        self.keyed
            .clone()
            .chain_update(scope.video.uuid().as_bytes())
            .chain_update(scope.revision.number().to_be_bytes())
            .chain_update(expires.to_be_bytes())
            .chain_update(scope.visibility.as_str())
    }
}

impl PathToken {
    /// When it ends, in seconds since 1970.
    pub(crate) fn expires(self) -> u64 {
        self.expires
    }
}

impl Scope {
    /// What is published of a video now.
    pub(crate) fn of(video: &Video) -> Option<Self> {
        let revision = video.published_revision?;
        Some(Self { video: video.id, revision, visibility: video.visibility })
    }
}

impl fmt::Display for PathToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.expires, BASE64_URL_SAFE_NO_PAD.encode(self.tag))
    }
}

/// Not the token itself: it would end up in a log.
impl fmt::Debug for PathToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl FromStr for PathToken {
    type Err = NoToken;

    /// Accepts exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, NoToken> {
        let (expires, tag) = text.split_once('.').ok_or(NoToken)?;
        let expires = u64::from_str_radix(expires, 16).map_err(|_| NoToken)?;
        let mut bytes = [0; TAG_BYTES];
        match BASE64_URL_SAFE_NO_PAD.decode_slice(tag, &mut bytes) {
            Ok(TAG_BYTES) => {}
            _ => return Err(NoToken),
        }
        let token = Self { expires, tag: bytes };
        if token.to_string() == text { Ok(token) } else { Err(NoToken) }
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of HMAC may have any length")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const HOUR: u64 = 3600;

    fn signer(secret: &str) -> PathSigner {
        let signed_path_hours = NonZeroU32::new(12).unwrap();
        let delivery = Delivery { signed_path_hours, ..Delivery::default() };
        PathSigner::new(&Secret::new(secret.to_owned()), &delivery)
    }

    fn scope() -> Scope {
        Scope {
            video: VideoId::new(7, &[7; 10]),
            revision: Revision::FIRST,
            visibility: Visibility::Unlisted,
        }
    }

    #[test]
    fn a_token_lasts_twelve_to_thirteen_hours_and_is_the_same_for_an_hour() {
        let signer = signer("one secret of thirty-two bytes ..");
        let start = NOW / HOUR * HOUR;
        let token = signer.sign(scope(), start);
        assert_eq!(signer.sign(scope(), start + HOUR - 1), token);
        assert_ne!(signer.sign(scope(), start + HOUR), token);
        assert_eq!(signer.check(token, scope(), start), Some(13 * HOUR));
        assert_eq!(signer.check(token, scope(), start + 13 * HOUR - 1), Some(1));
        assert_eq!(signer.check(token, scope(), start + 13 * HOUR), None);
        assert_eq!(signer.check(token, scope(), u64::MAX), None);
    }

    #[test]
    fn a_token_opens_what_it_was_made_for_and_nothing_else() {
        let ours = signer("one secret of thirty-two bytes ..");
        let token = ours.sign(scope(), NOW);
        let others = [
            Scope { video: VideoId::new(8, &[7; 10]), ..scope() },
            Scope { revision: Revision::FIRST.next(), ..scope() },
            Scope { visibility: Visibility::Private, ..scope() },
        ];
        for other in others {
            assert_eq!(ours.check(token, other, NOW), None, "{other:?}");
        }
        assert_eq!(signer("another secret of thirty-two bytes").check(token, scope(), NOW), None);
        let longer = PathToken { expires: token.expires + 1, ..token };
        assert_eq!(ours.check(longer, scope(), NOW), None);
    }

    #[test]
    fn the_key_is_not_the_secret() {
        let secret = "one secret of thirty-two bytes ..";
        let bare = PathSigner { keyed: keyed(secret.as_bytes()), lifetime: 12 * HOUR };
        assert_eq!(signer(secret).check(bare.sign(scope(), NOW), scope(), NOW), None);
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        let token = signer("one secret of thirty-two bytes ..").sign(scope(), NOW);
        let (_, tag) = token.to_string().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(!format!("{token:?}").contains(&tag));
    }

    proptest! {
        #[test]
        fn text_is_read_as_it_is_written_and_in_no_other_way(expires: u64, tag: [u8; TAG_BYTES], at in 0usize..60, c in any::<char>()) {
            let token = PathToken { expires, tag };
            let text = token.to_string();
            prop_assert_eq!(text.parse::<PathToken>(), Ok(token));
            let changed: String =
                text.chars().enumerate().map(|(position, old)| if position == at { c } else { old }).collect();
            if changed != text {
                prop_assert_ne!(changed.parse::<PathToken>(), Ok(token));
            }
        }

        #[test]
        fn no_flipped_bit_passes(bit in 0..TAG_BYTES * 8) {
            let signer = signer("one secret of thirty-two bytes ..");
            let mut token = signer.sign(scope(), NOW);
            token.tag[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(signer.check(token, scope(), NOW), None);
        }
    }
}
