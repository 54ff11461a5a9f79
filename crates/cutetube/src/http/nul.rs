//! NUL, the one character that no database keeps, refused where requests come in.
//!
//! Paths and queries are looked at here, for every route. Bodies are looked at where they are read: in
//! [`Body`](super::Body) and [`Fields`](super::Fields); the texts of an upload's form allow no control characters at all.

use axum::{
    extract::Request,
    http::{StatusCode, Uri, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use catalog::names::FieldErrors;
use percent_encoding::percent_decode_str;

use super::{Problem, RecallableBody, V3Error, is_original, wants_page};
use crate::pages;

/// What the original's framework says, too.
pub(super) const NO_NUL: &str = "Null characters are not allowed.";

/// Answers 404 when the path is no text without NUL, and 400 when the query has one.
pub(super) async fn refuse(request: Request, next: Next) -> Response {
    let errors = parameters_with_nul(request.uri());
    let leads_somewhere = is_text(request.uri().path());
    if leads_somewhere && errors.is_empty() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    RecallableBody::new(&parts.headers, body).drain();
    match leads_somewhere {
        true => malformed(&parts, &errors),
        false => nothing_there(parts).await,
    }
}

fn is_text(path: &str) -> bool {
    percent_decode_str(path).decode_utf8().is_ok_and(|path| !path.contains('\0'))
}

fn parameters_with_nul(uri: &Uri) -> FieldErrors {
    let pairs: Vec<(String, String)> =
        uri.query().and_then(|query| serde_urlencoded::from_str(query).ok()).unwrap_or_default();
    let mut errors = FieldErrors::default();
    for (name, value) in pairs {
        if name.contains('\0') || value.contains('\0') {
            errors.add(&name.replace('\0', "\u{fffd}"), NO_NUL);
        }
    }
    errors
}

async fn nothing_there(parts: Parts) -> Response {
    match is_original(parts.uri.path()) {
        true => V3Error::new(StatusCode::NOT_FOUND, "There is nothing at this address.").into_response(),
        false => pages::not_found(parts.headers).await,
    }
}

fn malformed(parts: &Parts, errors: &FieldErrors) -> Response {
    let path = parts.uri.path();
    if is_original(path) {
        V3Error::new(StatusCode::BAD_REQUEST, NO_NUL).into_response()
    } else if wants_page(path, &parts.headers) {
        pages::malformed(&parts.headers)
    } else {
        Problem::malformed(errors).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_a_path() {
        for path in ["/", "/watch/a%20b", "/watch/%C3%A9", "/watch/%2500", "/watch/%"] {
            assert!(is_text(path), "{path}");
        }
        for path in ["/%00", "/watch/a%00b", "/watch/%ff", "/watch/%C3", "/watch/%c0%80"] {
            assert!(!is_text(path), "{path}");
        }
    }

    #[test]
    fn parameters_are_named() {
        let check = |query: &str| parameters_with_nul(&format!("/?{query}").parse().unwrap()).to_string();
        assert_eq!(check("a=1&b=%2500&c=%ff&d"), "");
        let said = check("a=%00&b=x&c%00=1&d=x%00");
        assert_eq!(said.matches(NO_NUL).count(), 3, "{said}");
        for name in ["a:", "c\u{fffd}:", "d:"] {
            assert!(said.contains(name), "{said}");
        }
    }
}
