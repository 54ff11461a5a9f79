//! Who a request comes from: `Authorization: Bearer`, or the cookie of a page.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use axum_extra::extract::cookie::CookieJar;
use catalog::{
    accounts::{Role, User},
    ids::{SessionId, UserId},
};

use super::{
    TokenKind,
    actions::{self, AccountError},
};
use crate::{AppState, http::Problem};

/// Somebody who is signed in. As an extractor it refuses everybody else before the body is read.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: User,
    pub(crate) session: SessionId,
}

/// Somebody who manages everything. As an extractor it refuses everybody else before the body is read.
#[derive(Debug, Clone)]
pub(crate) struct Admin(pub(crate) Caller);

/// Anybody. A token that is not good is as good as none.
#[derive(Debug, Clone)]
pub(crate) struct Visitor(pub(crate) Option<Caller>);

/// Name of the cookie that holds a session.
pub(crate) const SESSION_COOKIE: &str = "session";

/// Why a request has no caller.
#[derive(Debug)]
pub(crate) enum Unauthenticated {
    /// There is neither token nor cookie.
    Missing,
    /// There is one that is forged, expired, or whose session has ended.
    Refused,
    /// A page of another site sent it with our cookie.
    Foreign,
    /// We could not look.
    Internal(AccountError),
}

impl Caller {
    /// Whether this is the person themselves, or somebody who manages everything.
    pub(crate) fn may_manage(&self, owner: UserId) -> bool {
        self.user.id == owner || self.is_admin()
    }

    /// Whether this is somebody who manages everything.
    pub(crate) fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }
}

impl Visitor {
    /// Whether this visitor is signed in as `owner`, or as somebody who manages everything.
    pub(crate) fn may_manage(&self, owner: UserId) -> bool {
        self.0.as_ref().is_some_and(|caller| caller.may_manage(owner))
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Unauthenticated;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Unauthenticated> {
        let (kind, token) = match bearer(&parts.headers) {
            Some(token) => (TokenKind::Access, token.to_owned()),
            None => {
                let jar = CookieJar::from_headers(&parts.headers);
                let cookie = jar.get(SESSION_COOKIE).ok_or(Unauthenticated::Missing)?;
                if !matches!(parts.method, Method::GET | Method::HEAD) && is_foreign(&parts.headers) {
                    return Err(Unauthenticated::Foreign);
                }
                (TokenKind::Session, cookie.value().to_owned())
            }
        };
        match actions::authenticate(state, kind, &token).await {
            Ok((user, session)) => Ok(Self { user, session }),
            Err(AccountError::Token(_) | AccountError::SessionEnded) => Err(Unauthenticated::Refused),
            Err(error) => Err(Unauthenticated::Internal(error)),
        }
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let caller = Caller::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        if caller.is_admin() {
            return Ok(Self(caller));
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "this is for administrators").into_response())
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Unauthenticated;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Unauthenticated> {
        match Caller::from_request_parts(parts, state).await {
            Ok(caller) => Ok(Self(Some(caller))),
            Err(Unauthenticated::Internal(error)) => Err(Unauthenticated::Internal(error)),
            Err(_) => Ok(Self(None)),
        }
    }
}

impl IntoResponse for Unauthenticated {
    fn into_response(self) -> Response {
        let refused = |detail| {
            let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        };
        match self {
            Self::Missing => refused("Authentication credentials were not provided."),
            Self::Refused => refused("Given token not valid for any token type"),
            Self::Foreign => {
                Problem::new(StatusCode::FORBIDDEN, "this request came from a page of another site")
                    .into_response()
            }
            Self::Internal(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// `Set-Cookie` that keeps a browser signed in for `seconds`; 0 signs it out.
pub(crate) fn session_cookie(token: &str, seconds: u64, over_tls: bool) -> HeaderValue {
    let secure = if over_tls { "; Secure" } else { "" };
    let text = format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).expect("tokens are letters, digits, `.`, `-` and `_`")
}

/// Refuses a form that a page of another site sent. For forms that work without being signed in.
pub(crate) fn refuse_foreign_forms(headers: &HeaderMap) -> Result<(), Unauthenticated> {
    if is_foreign(headers) { Err(Unauthenticated::Foreign) } else { Ok(()) }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Browsers say where a request comes from: `Sec-Fetch-Site`, older ones `Origin` only. A request with neither is not
/// a browser's form.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), _, _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, from)| from != host),
        (None, Some(_), None) => true,
        (None, None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &'static str)]) -> bool {
        is_foreign(
            &headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
        )
    }

    #[test]
    fn forms_of_other_sites_are_told_from_ours() {
        assert!(!check(&[("host", "a")]));
        assert!(!check(&[("host", "a"), ("origin", "http://a")]));
        assert!(!check(&[("host", "a"), ("sec-fetch-site", "same-origin"), ("origin", "https://proxy")]));
        assert!(check(&[("host", "a"), ("origin", "http://b")]));
        assert!(check(&[("host", "a"), ("origin", "null")]));
        assert!(check(&[("host", "a"), ("sec-fetch-site", "cross-site")]));
        assert!(check(&[("host", "a"), ("sec-fetch-site", "same-site"), ("origin", "http://a")]));
    }
}
