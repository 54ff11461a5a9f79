//! Answers in the language that whoever asks reads best.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::Language;

/// Around the routes of pages.
pub(crate) async fn negotiate(request: Request, next: Next) -> Response {
    let language = Language::asked_for(request.headers());
    let response = language.scope(next.run(request)).await;
    language.told_by(response)
}

/// For a page that is made outside of these routes, for whoever sent `headers`.
pub(crate) fn answer(headers: &HeaderMap, make: impl FnOnce() -> Response) -> Response {
    let language = Language::asked_for(headers);
    language.told_by(language.sync_scope(make))
}

impl Language {
    /// Says of an answer that has texts in which language they are, and that others may get them in another.
    fn told_by(self, mut response: Response) -> Response {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| WITH_TEXTS.iter().any(|other| kind.starts_with(other))) {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.tag()));
            headers.append(header::VARY, HeaderValue::from_name(header::ACCEPT_LANGUAGE));
        }
        response
    }
}

/// Pages and feeds.
const WITH_TEXTS: [&str; 2] = ["text/html", "application/rss+xml"];
