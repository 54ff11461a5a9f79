//! What `/api/v5` tags a video with (RFC 9110 §8.8.3), and what clients say with these tags (§13.1).

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};

/// Two parts: the version of what people edit, and a hash of everything else that is shown.
///
/// A change is refused when the version has changed since, and not when a video has been processed a little further in
/// the meantime: nobody's change is overwritten by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntityTag {
    version: u64,
    rest: String,
}

/// What `If-Match` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// There is no such header, or it takes any version.
    Any,
    /// One of these versions; tags that are none of ours match nothing.
    Versions(Vec<u64>),
}

impl EntityTag {
    /// Of a video at this version; `shown` is whatever else an answer depends on.
    pub(super) fn new(version: u64, shown: &[u8]) -> Self {
        let mut rest = hex::encode(Sha256::digest(shown));
        rest.truncate(16);
        Self { version, rest }
    }

    /// Whether `If-None-Match` names it: the client has this answer already.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        let own = self.to_string();
        let known = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own;
        tags(headers, header::IF_NONE_MATCH).is_some_and(|tags| tags.into_iter().any(known))
    }

    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("made of digits, letters and a hyphen")
    }
}

impl IfMatch {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(tags) = tags(headers, header::IF_MATCH) else { return Self::Any };
        if tags.contains(&"*") {
            return Self::Any;
        }
        // A weak tag never matches here (§13.1.1).
        let version = |tag: &str| {
            let (version, _) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
            version.parse().ok()
        };
        Self::Versions(tags.into_iter().filter_map(version).collect())
    }

    /// Whether a video at this version is one that is asked for.
    pub(super) fn allows(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}-{}\"", self.version, self.rest)
    }
}

/// The tags of a header, whole, over all its lines.
fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&str>> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    Some(lines.flat_map(|line| line.to_str().unwrap_or_default().split(',')).map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &'static str) -> IfMatch {
        IfMatch::of(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(value))]))
    }

    #[test]
    fn only_the_version_decides_about_changes() {
        assert_eq!(IfMatch::of(&HeaderMap::new()), IfMatch::Any);
        assert_eq!(if_match("*"), IfMatch::Any);
        let seen = EntityTag::new(7, b"half done");
        let now = EntityTag::new(7, b"done");
        assert_ne!(seen, now);
        let headers = HeaderMap::from_iter([(header::IF_MATCH, seen.header())]);
        assert!(IfMatch::of(&headers).allows(7) && !IfMatch::of(&headers).allows(8));
        assert_eq!(if_match("\"7-0\", \"9-1\""), IfMatch::Versions(vec![7, 9]));
        assert_eq!(if_match("W/\"7-0\", nonsense, \"x\", \"-1-0\""), IfMatch::Versions(vec![]));
    }

    #[test]
    fn the_whole_tag_decides_about_answers() {
        let tag = EntityTag::new(7, b"done");
        let none_match = |value: &str| {
            tag.is_known(&HeaderMap::from_iter([(header::IF_NONE_MATCH, value.parse().unwrap())]))
        };
        assert!(none_match(&tag.to_string()) && none_match(&format!("\"x\", W/{tag}")) && none_match("*"));
        assert!(!none_match(&EntityTag::new(7, b"half done").to_string()) && !none_match(""));
        assert!(!tag.is_known(&HeaderMap::new()));
    }
}
