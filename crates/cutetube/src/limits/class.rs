//! Which requests are counted together.

use axum::http::{HeaderMap, Method, header};
use catalog::rates::Bucket;

use crate::config::Rates;

/// A kind of request; each client has a bucket for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Metadata,
    Upload,
    Send,
    Piece,
    Read,
    Write,
    SignIn,
}

impl Class {
    /// Of a request to a route of this pattern; `None` for what is not counted: media, which is as cheap as it is
    /// frequent, what the platform's own machines ask, and what costs nothing.
    pub(super) fn of(method: &Method, route: Option<&str>, headers: &HeaderMap) -> Option<Self> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match (method.as_str(), route.unwrap_or_default()) {
            ("OPTIONS", _) => None,
            (_, "/healthz" | "/readyz" | "/metrics") => None,
            (_, route) if MEDIA.iter().any(|prefix| route.starts_with(prefix)) => None,
            (_, route) if is_read && original(route).is_some_and(|rest| rest.starts_with("/metadata/")) => {
                Some(Self::Metadata)
            }
            ("POST", route) if original(route) == Some("/initiate-task/upload/") => {
                // Who is nobody is refused, and may still be somebody later.
                let may_be_somebody =
                    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(header::COOKIE);
                Some(if may_be_somebody { Self::Upload } else { Self::Write })
            }
            ("POST", "/upload" | "/api/v5/videos" | "/api/v5/uploads" | "/account/picture")
            | ("PUT", "/api/v5/me/picture") => Some(Self::Send),
            ("PATCH" | "POST", "/api/v5/uploads/{id}") => Some(Self::Piece),
            (_, route) if !is_read && SIGN_IN.iter().any(|prefix| route.starts_with(prefix)) => {
                Some(Self::SignIn)
            }
            _ if is_read => Some(Self::Read),
            _ => Some(Self::Write),
        }
    }

    /// What clients know it by; also what its buckets are named with.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Upload => "upload",
            Self::Send => "send",
            Self::Piece => "piece",
            Self::Read => "read",
            Self::Write => "write",
            Self::SignIn => "sign-in",
        }
    }

    /// `None` for no limit.
    pub(super) fn bucket(self, rates: &Rates) -> Option<Bucket> {
        let rate = match self {
            Self::Metadata => rates.metadata,
            Self::Upload => rates.upload,
            Self::Send => rates.send,
            Self::Piece => rates.piece,
            Self::Read => rates.read,
            Self::Write => rates.write,
            Self::SignIn => rates.sign_in,
        };
        rate.bucket()
    }
}

const MEDIA: [&str; 6] = ["/vod-media/", "/download/", "/app/", "/assets/", "/p/", "/pictures/"];

const SIGN_IN: [&str; 8] =
    ["/api/v3/auth/", "/api/v5/auth/", "/login", "/signup", "/forgot", "/reset", "/verify", "/logout"];

/// What is below the videos of the original's API.
fn original(route: &str) -> Option<&str> {
    ["/api/v3/vod", "/api/v4/drm/vod"].iter().find_map(|prefix| route.strip_prefix(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, route: &str) -> String {
        let mut headers = HeaderMap::new();
        let anonymous = Class::of(method, Some(route), &headers);
        headers.insert(header::AUTHORIZATION, "Bearer x".parse().unwrap());
        let somebody = Class::of(method, Some(route), &headers);
        let name = |class: Option<Class>| class.map_or("-", Class::name);
        match anonymous == somebody {
            true => format!("{method} {route}: {}", name(somebody)),
            false => format!("{method} {route}: {}, without credentials {}", name(somebody), name(anonymous)),
        }
    }

    #[test]
    fn requests_are_counted_where_they_belong() {
        let said = [
            check(&Method::GET, "/api/v3/vod/metadata/stream/{video_id}/"),
            check(&Method::GET, "/api/v4/drm/vod/metadata/stream/{video_id}/"),
            check(&Method::POST, "/api/v3/vod/initiate-task/upload/"),
            check(&Method::POST, "/api/v4/drm/vod/initiate-task/upload/"),
            check(&Method::GET, "/api/v3/vod/videos/all/"),
            check(&Method::POST, "/api/v3/auth/login/"),
            check(&Method::POST, "/api/v5/videos"),
            check(&Method::GET, "/api/v5/videos"),
            check(&Method::PATCH, "/api/v5/videos/{id}"),
            check(&Method::POST, "/api/v5/auth/refresh"),
            check(&Method::POST, "/upload"),
            check(&Method::POST, "/api/v5/uploads"),
            check(&Method::PUT, "/api/v5/me/picture"),
            check(&Method::DELETE, "/api/v5/me/picture"),
            check(&Method::GET, "/pictures/{user}/{name}"),
            check(&Method::PATCH, "/api/v5/uploads/{id}"),
            check(&Method::POST, "/api/v5/uploads/{id}"),
            check(&Method::HEAD, "/api/v5/uploads/{id}"),
            check(&Method::DELETE, "/api/v5/uploads/{id}"),
            check(&Method::POST, "/login"),
            check(&Method::GET, "/login"),
            check(&Method::HEAD, "/watch/{id}"),
            check(&Method::GET, "/vod-media/{*object}"),
            check(&Method::GET, "/app/stream/{id}/"),
            check(&Method::GET, "/download/{id}/{revision}/{file}"),
            check(&Method::GET, "/healthz"),
            check(&Method::OPTIONS, "/api/v5/videos"),
            check(&Method::GET, ""),
        ];
        insta::assert_snapshot!(said.join("\n"), @"
        GET /api/v3/vod/metadata/stream/{video_id}/: metadata
        GET /api/v4/drm/vod/metadata/stream/{video_id}/: metadata
        POST /api/v3/vod/initiate-task/upload/: upload, without credentials write
        POST /api/v4/drm/vod/initiate-task/upload/: upload, without credentials write
        GET /api/v3/vod/videos/all/: read
        POST /api/v3/auth/login/: sign-in
        POST /api/v5/videos: send
        GET /api/v5/videos: read
        PATCH /api/v5/videos/{id}: write
        POST /api/v5/auth/refresh: sign-in
        POST /upload: send
        POST /api/v5/uploads: send
        PUT /api/v5/me/picture: send
        DELETE /api/v5/me/picture: write
        GET /pictures/{user}/{name}: -
        PATCH /api/v5/uploads/{id}: piece
        POST /api/v5/uploads/{id}: piece
        HEAD /api/v5/uploads/{id}: read
        DELETE /api/v5/uploads/{id}: write
        POST /login: sign-in
        GET /login: read
        HEAD /watch/{id}: read
        GET /vod-media/{*object}: -
        GET /app/stream/{id}/: -
        GET /download/{id}/{revision}/{file}: -
        GET /healthz: -
        OPTIONS /api/v5/videos: -
        GET : read
        ");
    }
}
