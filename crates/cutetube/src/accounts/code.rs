//! Secrets that are handed out once and kept by their hash only: API tokens, invitations, links in letters.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::ambient;

/// A secret of 256 random bits. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code(String);

/// What API tokens begin with, so that they are recognised where they do not belong.
pub(crate) const TOKEN_PREFIX: &str = "cutetube_";

/// Characters of a token that its owner may see again.
const SHOWN: usize = TOKEN_PREFIX.len() + 6;

/// Nothing longer can be a code.
const LONGEST: usize = 100;

impl Code {
    /// A new one for a link or an invitation.
    pub(crate) fn new() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(ambient::random::<32>()))
    }

    /// A new one for an API token.
    pub(crate) fn token() -> Self {
        Self(format!("{TOKEN_PREFIX}{}", Self::new().0))
    }

    /// One that somebody typed, or that came in a form.
    pub(crate) fn typed(text: &str) -> Option<Self> {
        let text = text.trim();
        let plausible =
            !text.is_empty() && text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_graphic());
        plausible.then(|| Self(text.to_owned()))
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// Its first characters, which are no secret.
    pub(crate) fn prefix(&self) -> String {
        self.0.chars().take(SHOWN).collect()
    }

    /// The text, for whom it is for.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_differ_and_do_not_show_themselves() {
        let (one, other) = (Code::token(), Code::token());
        assert_ne!(one.hash(), other.hash());
        assert_eq!(one.expose().len(), TOKEN_PREFIX.len() + 43);
        assert!(one.expose().starts_with(&one.prefix()) && one.prefix().len() == SHOWN);
        assert_eq!(format!("{one:?}"), "Code(…)");
        assert_eq!(Code::typed(&format!(" {}\n", one.expose())), Some(one));
        for text in ["", " ", "a b", "ä", &"x".repeat(101)] {
            assert_eq!(Code::typed(text), None, "{text:?}");
        }
    }
}
