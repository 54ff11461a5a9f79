//! What all pages share: the bar at the top, and the headers.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};

use super::failure::Failure;
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    assets,
};

/// What the bar at the top of a page shows.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Name of who is signed in.
    pub(super) user: Option<String>,
    /// Whether they manage everything.
    pub(super) is_admin: bool,
    /// What is looked for.
    pub(super) sought: String,
    /// Whether there are styles and scripts.
    pub(super) has_assets: bool,
}

impl Frame {
    pub(super) fn new(visitor: &Visitor) -> Self {
        let user = visitor.0.as_ref().map(|caller| caller.user.username.to_string());
        let is_admin = visitor.0.as_ref().is_some_and(Caller::is_admin);
        Self { user, is_admin, sought: String::new(), has_assets: assets::are_built() }
    }

    /// For answers where nobody was asked who they are.
    pub(super) fn anonymous() -> Self {
        Self::new(&Visitor(None))
    }
}

/// Which sites may show a page inside one of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Embedding {
    /// This one only.
    Refused,
    /// All.
    Allowed,
}

/// Renders a page that no other site may show inside its own.
pub(super) fn page(state: &AppState, status: StatusCode, template: &impl Template) -> Response {
    answer(media_origin(state).as_deref(), Embedding::Refused, status, template)
}

/// Renders a page that is made to be shown inside others.
pub(super) fn embeddable(state: &AppState, template: &impl Template) -> Response {
    answer(media_origin(state).as_deref(), Embedding::Allowed, StatusCode::OK, template)
}

/// Renders a page that shows no media.
pub(super) fn plain(status: StatusCode, template: &impl Template) -> Response {
    answer(None, Embedding::Refused, status, template)
}

fn answer(
    media: Option<&str>,
    embedding: Embedding,
    status: StatusCode,
    template: &impl Template,
) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => return Failure::internal(&error).into_bare_response(),
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    // Who is signed in, and how far a video is, may change with every request.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    // A page of another site that opens one of ours holds nothing of it in hand, and ours need none of these.
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers
        .insert("permissions-policy", HeaderValue::from_static("camera=(), geolocation=(), microphone=()"));
    if let Ok(policy) = policy(media, embedding).parse() {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Everything comes from this server, and media from where they are delivered. No script or style is inline, so that
/// markup in a title stays harmless even if it were not escaped.
fn policy(media: Option<&str>, embedding: Embedding) -> String {
    let media = media.map(|origin| format!(" {origin}")).unwrap_or_default();
    let ancestors = match embedding {
        Embedding::Refused => "'self'",
        Embedding::Allowed => "*",
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:{media}; \
         media-src 'self' blob:{media}; connect-src 'self'{media}; worker-src 'self' blob:; \
         form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    )
}

/// Scheme and host of the CDN, if there is one.
fn media_origin(state: &AppState) -> Option<String> {
    origin(state.config.delivery.cdn_base_url.as_deref()?)
}

fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inline_is_allowed() {
        for embedding in [Embedding::Refused, Embedding::Allowed] {
            let policy = policy(Some("https://cdn.example.org"), embedding);
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }

    #[test]
    fn media_may_come_from_the_cdn_and_scripts_may_not() {
        let policy = policy(origin("https://cdn.example.org/videos").as_deref(), Embedding::Refused);
        assert!(policy.contains("connect-src 'self' https://cdn.example.org;"), "{policy}");
        assert!(policy.contains("script-src 'self';"), "{policy}");
    }
}
