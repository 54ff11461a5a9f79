//! Errors of `/api/v5` and of everything that is no API of its own: RFC 9457 problem details.

use std::borrow::Cow;

use axum::{
    Json,
    extract::rejection::{JsonRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use catalog::names::FieldErrors;
use serde::Serialize;
use utoipa::ToSchema;

/// A problem-details answer (RFC 9457). `docs/errors.md` lists every `type`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    status_code: StatusCode,
    /// Which kind of problem; stable, for programs.
    #[serde(rename = "type")]
    #[schema(value_type = String, format = "uri", example = "urn:cutetube:error:not-found")]
    kind: ProblemType,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    title: &'static str,
    /// A sentence for the caller.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
    /// The fields of the request that are at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// The limits of `RateLimit-Policy` that were exceeded.
    #[serde(rename = "violated-policies", skip_serializing_if = "Vec::is_empty")]
    violated_policies: Vec<&'static str>,
    /// In seconds, when it may go better later.
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// A field of a body, or a parameter of a query, and what is wrong with it.
#[derive(Debug, Serialize, ToSchema)]
struct FieldProblem {
    #[schema(value_type = String)]
    field: Cow<'static, str>,
    /// A sentence.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
}

/// Every `type` there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum ProblemType {
    #[serde(rename = "urn:cutetube:error:bad-request")]
    BadRequest,
    #[serde(rename = "urn:cutetube:error:unauthenticated")]
    Unauthenticated,
    #[serde(rename = "urn:cutetube:error:forbidden")]
    Forbidden,
    #[serde(rename = "urn:cutetube:error:not-found")]
    NotFound,
    #[serde(rename = "urn:cutetube:error:method-not-allowed")]
    MethodNotAllowed,
    #[serde(rename = "urn:cutetube:error:timeout")]
    Timeout,
    #[serde(rename = "urn:cutetube:error:conflict")]
    Conflict,
    #[serde(rename = "urn:cutetube:error:changed")]
    Changed,
    #[serde(rename = "urn:cutetube:error:too-large")]
    TooLarge,
    #[serde(rename = "urn:cutetube:error:unsupported-media-type")]
    UnsupportedMediaType,
    #[serde(rename = "urn:cutetube:error:invalid")]
    Invalid,
    /// The one that the draft of the `RateLimit` fields registers (§5.1).
    #[serde(rename = "https://iana.org/assignments/http-problem-types#quota-exceeded")]
    QuotaExceeded,
    #[serde(rename = "urn:cutetube:error:internal")]
    Internal,
    #[serde(rename = "urn:cutetube:error:unavailable")]
    Unavailable,
    #[serde(rename = "urn:cutetube:error:no-space")]
    NoSpace,
}

impl Problem {
    /// With a sentence for the caller.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status_code: status,
            kind: ProblemType::of(status),
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error"),
            detail: detail.into(),
            errors: Vec::new(),
            violated_policies: Vec::new(),
            retry_after: None,
        }
    }

    /// 404
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 422: the request was understood, and these fields of it are refused.
    pub fn invalid(errors: &FieldErrors) -> Self {
        Self::naming(StatusCode::UNPROCESSABLE_ENTITY, "Some fields are refused; `errors` says why.", errors)
    }

    /// 400: these parameters of the query are refused.
    pub fn malformed(errors: &FieldErrors) -> Self {
        Self::naming(StatusCode::BAD_REQUEST, "Some parameters are refused; `errors` says why.", errors)
    }

    /// 400: this parameter of the query is refused.
    pub(crate) fn parameter(name: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail).field(name)
    }

    fn naming(status: StatusCode, detail: &'static str, errors: &FieldErrors) -> Self {
        let named = |(field, sentences): (&str, &[String])| FieldProblem {
            field: field.to_owned().into(),
            detail: sentences.join(" ").into(),
        };
        Self { errors: errors.iter().map(named).collect(), ..Self::new(status, detail) }
    }

    /// 500, or 503 when it may well go better soon: the cause goes to the log, never to the caller.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        match log_internal(error) {
            StatusCode::SERVICE_UNAVAILABLE => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again in a moment")
            }
            status => Self::new(status, "something went wrong on our side; it has been logged"),
        }
    }

    /// Says when to come back, in seconds.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Names the field that the sentence is about.
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.errors.push(FieldProblem { field: field.into(), detail: self.detail.clone() });
        self
    }

    /// Names the limit that was exceeded.
    pub(crate) fn violating(mut self, policy: &'static str) -> Self {
        self.violated_policies.push(policy);
        self
    }
}

impl ProblemType {
    /// Statuses and types go together, so that whoever looks at one of them knows the other.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::Timeout,
            StatusCode::CONFLICT | StatusCode::LOCKED => Self::Conflict,
            StatusCode::PRECONDITION_FAILED => Self::Changed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Self::Invalid,
            StatusCode::TOO_MANY_REQUESTS => Self::QuotaExceeded,
            StatusCode::INSUFFICIENT_STORAGE => Self::NoSpace,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_server_error() => Self::Internal,
            _ => Self::BadRequest,
        }
    }
}

/// A body that is no JSON, or not what is wanted.
impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

/// A query that is not what is wanted.
impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status_code;
        let in_a_moment = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5);
        let retry_after = self.retry_after.or(in_a_moment);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Logs an error once, with its causes, and tells how to answer: 503 when the database was busy or out of reach,
/// which passes, and 500 for everything else.
pub(crate) fn log_internal(error: &(dyn std::error::Error + 'static)) -> StatusCode {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        causes.push(error.to_string());
        next = error.source();
    }
    tracing::error!(error = causes.join(": "), "a request failed");
    if db::is_transient(error) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a type tells what it means.
    #[test]
    fn every_type_is_documented() {
        let documented = include_str!("../../../../docs/errors.md");
        for status in (400..600).map(|code| StatusCode::from_u16(code).unwrap()) {
            let kind = serde_json::to_value(ProblemType::of(status)).unwrap();
            let kind = kind.as_str().unwrap();
            assert!(documented.contains(&format!("`{kind}`")), "docs/errors.md does not know {kind}");
        }
    }
}
