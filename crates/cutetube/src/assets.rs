//! What pages load beside their HTML: scripts, styles and the icon that `web/` was built into, embedded.
//!
//! One hash over all of it is in every URL, so that browsers and caches may keep what they have for ever, and scripts
//! may import each other by relative names.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};

use crate::{
    AppState,
    http::{Problem, accepts},
};

/// `/assets/{revision}/{name}`
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/assets/{revision}/{name}", get(asset))
}

/// The path of a file of `web/dist/`, such as `site.css`.
pub(crate) fn url(name: &str) -> String {
    format!("/assets/{}/{name}", ASSETS.revision)
}

/// Whether `web/` was built when this program was.
pub(crate) fn are_built() -> bool {
    !ASSETS.files.is_empty()
}

static ASSETS: LazyLock<Assets> =
    LazyLock::new(|| Assets::new(include!(concat!(env!("OUT_DIR"), "/assets.rs"))));

/// Anybody.
async fn asset(Path((revision, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    ASSETS.answer(&revision, &name, &headers)
}

/// The files of one build: name and bytes; `name.br` and `name.gz` are the compressed forms of `name`.
struct Assets {
    files: &'static [(&'static str, &'static [u8])],
    revision: String,
}

/// How a body is compressed, as `Content-Encoding` writes it, and the ending of such a file's name.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For a page of another build of the program, which runs beside this one during an update.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

impl Assets {
    fn new(files: &'static [(&'static str, &'static [u8])]) -> Self {
        let mut hash = Sha256::new();
        for (name, bytes) in files {
            hash.update(name);
            hash.update(Sha256::digest(bytes));
        }
        let digest = hash.finalize();
        let revision = hex::encode(digest.iter().take(8).copied().collect::<Vec<u8>>());
        Self { files, revision }
    }

    fn answer(&self, revision: &str, name: &str, headers: &HeaderMap) -> Response {
        let (Some(kind), Some(plain)) = (content_type(name), self.file(name)) else {
            return Problem::not_found("there is nothing at this address").into_response();
        };
        let packed = ENCODINGS
            .into_iter()
            .filter(|(encoding, _)| accepts(headers, encoding))
            .find_map(|(encoding, ending)| Some((encoding, self.file(&format!("{name}{ending}"))?)));
        let (encoding, body) = packed.map_or((None, plain), |(encoding, bytes)| (Some(encoding), bytes));
        let tag = format!("\"{}-{}\"", self.revision, encoding.unwrap_or("plain"));

        let mut response = if is_known(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        };
        let answer = response.headers_mut();
        if let Some(encoding) = encoding {
            answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        answer.insert(header::CACHE_CONTROL, if revision == self.revision { FOR_EVER } else { ASK_AGAIN });
        answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        answer.insert(header::ETAG, tag.parse().expect("a hash and a word are a header's value"));
        response
    }

    fn file(&self, name: &str) -> Option<&'static [u8]> {
        self.files.iter().find(|(other, _)| *other == name).map(|(_, bytes)| *bytes)
    }
}

/// By the ending of the name; compressed forms are no files of their own.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// Whether the client has this already (RFC 9110 §13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|item| item.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &[u8])] =
        &[("a.css", b"plain"), ("a.css.br", b"br"), ("a.css.gz", b"gz"), ("b.js", b"small")];

    /// Status, body and the headers that matter of an answer to a request with these headers.
    fn check(path: &str, headers: &[(&'static str, &str)]) -> (u16, Option<String>, String) {
        let assets = Assets::new(FILES);
        let (revision, name) = path.split_once('/').unwrap();
        let revision = if revision == "now" { assets.revision.clone() } else { revision.to_owned() };
        let headers = headers.iter().map(|(name, value)| {
            let value = value.replace("{revision}", &assets.revision);
            (name.parse().unwrap(), value.parse().unwrap())
        });
        let response = assets.answer(&revision, name, &headers.collect());
        let text =
            |name: header::HeaderName| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        (
            response.status().as_u16(),
            text(header::CONTENT_ENCODING),
            text(header::CACHE_CONTROL).unwrap_or_default(),
        )
    }

    #[test]
    fn the_smallest_form_that_is_accepted_is_sent() {
        let encoding = |accept| check("now/a.css", &[("accept-encoding", accept)]).1;
        assert_eq!(encoding("gzip, deflate, br").as_deref(), Some("br"));
        assert_eq!(encoding("gzip;q=0.5").as_deref(), Some("gzip"));
        assert_eq!(encoding("br;q=0, GZIP").as_deref(), Some("gzip"));
        assert_eq!(encoding("identity"), None);
        assert_eq!(check("now/b.js", &[("accept-encoding", "br")]).1, None);
    }

    #[test]
    fn only_the_present_revision_is_kept_for_ever() {
        assert_eq!(check("now/a.css", &[]).2, "public, max-age=31536000, immutable");
        assert_eq!(check("old/a.css", &[]).2, "no-cache");
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        assert_eq!(check("now/a.css", &[("if-none-match", "\"x\", W/\"{revision}-plain\"")]).0, 304);
        assert_eq!(check("now/a.css", &[("if-none-match", "\"x\"")]).0, 200);
    }

    #[test]
    fn other_names_are_not_found() {
        for path in ["now/c.css", "now/a.css.br", "now/.css", "now/..%2fa.css"] {
            assert_eq!(check(path, &[]).0, 404, "{path}");
        }
    }

    #[test]
    fn the_revision_changes_with_every_byte() {
        assert_ne!(Assets::new(FILES).revision, Assets::new(&[("a.css", b"plaim")]).revision);
        assert_ne!(Assets::new(&[("a", b"bc")]).revision, Assets::new(&[("ab", b"c")]).revision);
    }
}
