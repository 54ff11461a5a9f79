//! Errors of `/api/v5` and of everything that is no API of its own: RFC 9457 problem details.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// A problem-details answer (RFC 9457); `type` is always `about:blank`, so `title` is the status' phrase.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    status_code: StatusCode,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    title: &'static str,
    /// A sentence for the caller.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
    /// The field of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl Problem {
    /// With a sentence for the caller.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status_code: status,
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error"),
            detail: detail.into(),
            field: None,
        }
    }

    /// 404
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
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

    /// Names the field at fault.
    pub fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status_code;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
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
