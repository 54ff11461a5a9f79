//! The layer around every route, and what it answers instead of them.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use catalog::rates::Taken;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Class, Verdict};
use crate::{
    AppState,
    http::{ClientAddress, Problem, RecallableBody, is_original, wants_page},
    pages,
};

/// `429` in the original's shape.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct V3TooMany {
    /// Always 429.
    status_code: u16,
    /// Always `too-many-requests`.
    status: &'static str,
    data: V3Wait,
}

#[derive(Debug, Serialize, ToSchema)]
struct V3Wait {
    /// A sentence for the caller.
    message: String,
    #[schema(example = "12.34 seconds")]
    wait_time: String,
}

/// Lets a request pass if its client has a token left for it, and tells the client how many there are.
pub(crate) async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(class) = Class::of(request.method(), route, request.headers()) else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let client = match ClientAddress::from_request_parts(&mut parts, &state).await {
        Ok(client) => client,
        Err(problem) => return problem.into_response(),
    };
    let verdict = state.limiter.take(class, client.network()).await;
    let Some(verdict) = verdict else { return next.run(Request::from_parts(parts, body)).await };
    let mut response = match verdict.taken {
        Taken::Granted { .. } => next.run(Request::from_parts(parts, body)).await,
        Taken::Refused { wait } => {
            RecallableBody::new(&parts.headers, body).drain();
            refusal(parts.uri.path(), &parts.headers, class, wait)
        }
    };
    verdict.tell(response.headers_mut());
    response
}

/// In the words of whoever is asked.
fn refusal(path: &str, headers: &HeaderMap, class: Class, wait: Duration) -> Response {
    let wait_time = wait_time(wait);
    let sentence = format!("Too many requests. Try again in {wait_time}.");
    if is_original(path) {
        let data = V3Wait { message: sentence, wait_time };
        let body = V3TooMany { status_code: 429, status: "too-many-requests", data };
        (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
    } else if wants_page(path, headers) {
        pages::too_many(headers, sentence)
    } else {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, sentence).violating(class.name()).into_response()
    }
}

/// Long enough when it is waited for as it is written.
fn wait_time(wait: Duration) -> String {
    let hundredths = wait.as_micros().div_ceil(10_000);
    format!("{}.{:02} seconds", hundredths / 100, hundredths % 100)
}

impl Verdict {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11 §3, §4), and `Retry-After`.
    fn tell(self, headers: &mut HeaderMap) {
        let name = self.class.name();
        let (left, next) = match self.taken {
            Taken::Granted { left, next } => (left, next),
            Taken::Refused { wait } => {
                set(headers, header::RETRY_AFTER, &whole_seconds(wait).to_string());
                (0, wait)
            }
        };
        let window = whole_seconds(self.bucket.fill());
        let policy = format!("\"{name}\";q={};w={window}", self.bucket.burst());
        set(headers, HeaderName::from_static("ratelimit-policy"), &policy);
        let limit = format!("\"{name}\";r={left};t={}", whole_seconds(next));
        set(headers, HeaderName::from_static("ratelimit"), &limit);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("made of ASCII letters and digits"));
}

/// At least one.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_as_long_as_is_said_is_enough() {
        assert_eq!(wait_time(Duration::from_millis(12_340)), "12.34 seconds");
        assert_eq!(wait_time(Duration::from_micros(12_340_001)), "12.35 seconds");
        assert_eq!(wait_time(Duration::from_micros(1)), "0.01 seconds");
        assert_eq!(wait_time(Duration::from_secs(1200)), "1200.00 seconds");
        assert_eq!(whole_seconds(Duration::from_micros(12_000_001)), 13);
        assert_eq!(whole_seconds(Duration::ZERO), 1);
    }
}
