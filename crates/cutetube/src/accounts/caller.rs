//! Who a request comes from: `Authorization: Bearer`, or the cookie of a page.
//!
//! A handler says by its extractor what it is for. [`Caller`] is a person who has signed in: what is about the account
//! itself. [`Reader`], [`Uploader`], [`Manager`] and [`Admin`] are also API tokens, if they have the scope; so a route
//! that says nothing is closed to tokens.

use std::borrow::Cow;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use axum_extra::extract::cookie::CookieJar;
use catalog::{
    accounts::{Role, User},
    ids::{SessionId, UserId},
    tokens::Scope,
};

use super::{
    TokenKind,
    actions::{self, AccountError},
    code::TOKEN_PREFIX,
};
use crate::{AppState, http::Problem, playback::BaseUrl};

/// Somebody who is known. As an extractor it refuses everybody who has not signed in, API tokens included, before the
/// body is read.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: User,
    pub(crate) proof: Proof,
}

/// How somebody proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// They signed in.
    Session(SessionId),
    /// A program has their token, for some uses.
    Token(Vec<Scope>),
}

/// Somebody who has signed in, and the sign-in. As an extractor it refuses what [`Caller`] refuses.
#[derive(Debug, Clone)]
pub(crate) struct SignedInCaller {
    pub(crate) user: User,
    pub(crate) session: SessionId,
}

/// Somebody who may be told what is theirs: signed in, or a token for `read`.
#[derive(Debug, Clone)]
pub(crate) struct Reader(pub(crate) Caller);

/// Somebody who sends videos: signed in, or a token for `upload`.
#[derive(Debug, Clone)]
pub(crate) struct Uploader(pub(crate) Caller);

/// Somebody who changes what is theirs: signed in, or a token for `manage`.
#[derive(Debug, Clone)]
pub(crate) struct Manager(pub(crate) Caller);

/// An administrator: signed in, or a token for `admin`.
#[derive(Debug, Clone)]
pub(crate) struct Admin(pub(crate) Caller);

/// Anybody. A token that is not good, or not for `read`, is as good as none.
#[derive(Debug, Clone)]
pub(crate) struct Visitor(pub(crate) Option<Caller>);

/// Name of the cookie that holds a session: with TLS one that neither another host of the domain nor anybody on the way
/// can set (RFC 6265bis, section 4.1.3.2).
pub(crate) fn session_cookie_name(over_tls: bool) -> &'static str {
    if over_tls { "__Host-session" } else { "session" }
}

/// Why a request has no caller.
#[derive(Debug)]
pub(crate) enum Unauthenticated {
    /// There is neither token nor cookie.
    Missing,
    /// There is one that is forged, expired, or whose session has ended.
    Refused,
    /// A page of another site sent it with our cookie.
    Foreign,
    /// The token is not for this use.
    Scope(Scope),
    /// A token, where only somebody who has signed in is listened to.
    NotAPerson,
    /// For administrators only.
    NotAnAdmin,
    /// We could not look.
    Internal(AccountError),
}

impl Caller {
    /// Refuses a token that is not for this; whoever has signed in may do all that their role may.
    fn with_scope(self, scope: Scope) -> Result<Self, Unauthenticated> {
        match &self.proof {
            Proof::Token(scopes) if !scopes.contains(&scope) => Err(Unauthenticated::Scope(scope)),
            Proof::Token(_) | Proof::Session(_) => Ok(self),
        }
    }

    /// Whether this is the person themselves, or somebody who manages everything.
    pub(crate) fn may_manage(&self, owner: UserId) -> bool {
        self.user.id == owner || self.is_admin()
    }

    /// Whether this is somebody who manages everything.
    pub(crate) fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }
}

impl From<SignedInCaller> for Caller {
    fn from(SignedInCaller { user, session }: SignedInCaller) -> Self {
        Self { user, proof: Proof::Session(session) }
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
        let caller = identify(parts, state).await?;
        match caller.proof {
            Proof::Session(_) => Ok(caller),
            Proof::Token(_) => Err(Unauthenticated::NotAPerson),
        }
    }
}

impl FromRequestParts<AppState> for SignedInCaller {
    type Rejection = Unauthenticated;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Unauthenticated> {
        let Caller { user, proof } = identify(parts, state).await?;
        match proof {
            Proof::Session(session) => Ok(Self { user, session }),
            Proof::Token(_) => Err(Unauthenticated::NotAPerson),
        }
    }
}

macro_rules! for_scope {
    ($($extractor:ident: $scope:expr),*) => {$(
        impl FromRequestParts<AppState> for $extractor {
            type Rejection = Unauthenticated;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Unauthenticated> {
                identify(parts, state).await?.with_scope($scope).map(Self)
            }
        }
    )*};
}
for_scope!(Reader: Scope::Read, Uploader: Scope::Upload, Manager: Scope::Manage);

impl FromRequestParts<AppState> for Admin {
    type Rejection = Unauthenticated;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Unauthenticated> {
        let caller = identify(parts, state).await?.with_scope(Scope::Admin)?;
        if caller.is_admin() { Ok(Self(caller)) } else { Err(Unauthenticated::NotAnAdmin) }
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Unauthenticated;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Unauthenticated> {
        match Reader::from_request_parts(parts, state).await {
            Ok(Reader(caller)) => Ok(Self(Some(caller))),
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
        let forbidden =
            |detail: Cow<'static, str>| Problem::new(StatusCode::FORBIDDEN, detail).into_response();
        match self {
            Self::Missing => refused("Authentication credentials were not provided."),
            Self::Refused => refused("Given token not valid for any token type"),
            Self::Foreign => forbidden("this request came from a page of another site".into()),
            Self::NotAPerson => {
                forbidden("this is for people who have signed in, and for no API token".into())
            }
            Self::NotAnAdmin => forbidden("this is for administrators".into()),
            Self::Scope(scope) => {
                let mut response = forbidden(format!("this needs a token with the scope `{scope}`").into());
                // RFC 6750, section 3.1.
                let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
                if let Ok(challenge) = HeaderValue::try_from(challenge) {
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                }
                response
            }
            Self::Internal(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// `Set-Cookie` that keeps a browser signed in for `seconds`; 0 signs it out.
pub(crate) fn session_cookie(token: &str, seconds: u64, over_tls: bool) -> HeaderValue {
    let (name, secure) = (session_cookie_name(over_tls), if over_tls { "; Secure" } else { "" });
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).expect("tokens are letters, digits, `.`, `-` and `_`")
}

/// Refuses a form that a page of another site sent. For forms that work without being signed in.
pub(crate) fn refuse_foreign_forms(headers: &HeaderMap) -> Result<(), Unauthenticated> {
    if is_foreign(headers) { Err(Unauthenticated::Foreign) } else { Ok(()) }
}

/// Whoever it is, for whatever use.
async fn identify(parts: &Parts, state: &AppState) -> Result<Caller, Unauthenticated> {
    let found = match bearer(&parts.headers) {
        Some(token) if token.starts_with(TOKEN_PREFIX) => actions::authenticate_token(state, token).await,
        Some(token) => actions::authenticate(state, TokenKind::Access, token).await,
        None => {
            let over_tls = BaseUrl::configured(&state.config).is_some_and(|base| base.is_secure());
            let jar = CookieJar::from_headers(&parts.headers);
            let cookie = jar.get(session_cookie_name(over_tls)).ok_or(Unauthenticated::Missing)?;
            if !matches!(parts.method, Method::GET | Method::HEAD) && is_foreign(&parts.headers) {
                return Err(Unauthenticated::Foreign);
            }
            actions::authenticate(state, TokenKind::Session, cookie.value()).await
        }
    };
    match found {
        Ok(caller) => Ok(caller),
        Err(AccountError::Token(_) | AccountError::SessionEnded) => Err(Unauthenticated::Refused),
        Err(error) => Err(Unauthenticated::Internal(error)),
    }
}

/// What `Authorization: Bearer` carries.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Browsers say where a request comes from: `Sec-Fetch-Site`, older ones `Origin` only. A request with neither is not
/// a browser's form.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
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
    fn with_tls_the_cookie_is_this_hosts_alone() {
        let cookie = session_cookie("a.b.c", 60, true);
        assert_eq!(cookie, "__Host-session=a.b.c; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
        assert_eq!(
            session_cookie("a.b.c", 60, false),
            "session=a.b.c; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"
        );
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
