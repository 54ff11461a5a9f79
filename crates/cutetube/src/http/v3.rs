//! The original's envelope, `{"data": …}`, with its fields in the original's order.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Whatever v3 and v4 answer outside of accounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct V3<T> {
    data: T,
}

/// An error of v3 and v4.
#[derive(Debug)]
pub(crate) struct V3Error {
    pub(crate) status: StatusCode,
    /// A sentence for the caller.
    pub(crate) detail: String,
    /// The field at fault.
    pub(crate) error_key: Option<&'static str>,
}

/// `data` of an error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct V3ErrorBody {
    /// Always `error`.
    status: &'static str,
    /// A sentence for the caller.
    detail: String,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_key: Option<&'static str>,
}

/// What the original says when it is to blame.
pub(crate) const OUR_FAULT: &str = "It's not you, It's Us. Unexpected error occurred.";

impl<T> V3<T> {
    pub(crate) fn new(data: T) -> Self {
        Self { data }
    }
}

impl V3Error {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), error_key: None }
    }

    /// 500 or 503: the cause goes to the log, never to the caller.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(super::log_internal(error), OUR_FAULT)
    }
}

impl<T: Serialize> IntoResponse for V3<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

impl IntoResponse for V3Error {
    fn into_response(self) -> Response {
        let body = V3ErrorBody { status: "error", detail: self.detail, error_key: self.error_key };
        (self.status, V3::new(body)).into_response()
    }
}
