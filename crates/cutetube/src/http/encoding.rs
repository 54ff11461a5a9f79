//! Which forms of a body a client takes.

use axum::http::{HeaderMap, header};

/// Whether `Accept-Encoding` lists `encoding` without `q=0` (RFC 9110 §12.5.3).
pub(crate) fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let listed = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let is_refused = parts
            .filter_map(|parameter| parameter.strip_prefix("q="))
            .any(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
        is_it && !is_refused
    })
}
