//! What a page says when there is nothing to show.

use std::error::Error;

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    frame::{Frame, plain},
    typed::address,
};
use crate::{
    accounts::Unauthenticated,
    http::{Problem, log_internal},
    texts::{self, Text, filters, text},
};

/// A page instead of the one that was asked for.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    heading: Text,
    sentence: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct FailurePage {
    frame: Frame,
    heading: Text,
    sentence: String,
}

/// Anybody, at an address where nothing is: a page for people, a problem for programs.
pub(crate) async fn not_found(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        texts::answer(&headers, || Failure::not_found().into_response())
    } else {
        Problem::not_found("there is nothing at this address").into_response()
    }
}

/// A page for people who follow an address that nobody here has written.
pub(crate) fn malformed(headers: &HeaderMap) -> Response {
    let failure = || Failure {
        status: StatusCode::BAD_REQUEST,
        heading: text("failure-malformed"),
        sentence: text("failure-malformed-why").to_string(),
    };
    texts::answer(headers, || failure().into_response())
}

/// A page for people who ask too often; `sentence` says when to come back.
pub(crate) fn too_many(headers: &HeaderMap, sentence: String) -> Response {
    let failure =
        || Failure { status: StatusCode::TOO_MANY_REQUESTS, heading: text("failure-too-many"), sentence };
    texts::answer(headers, || failure().into_response())
}

/// Where somebody logs in who comes back to `next` then.
pub(super) fn log_in(next: &str) -> String {
    address("/login", &[("next", next)])
}

/// What whoever has not signed in is answered: without a sign-in that counts, they are sent to [`log_in`].
pub(super) fn to_log_in(refused: Unauthenticated, next: &str) -> Response {
    match refused {
        Unauthenticated::Missing | Unauthenticated::Refused => Redirect::to(&log_in(next)).into_response(),
        refused => Failure::from(refused).into_response(),
    }
}

impl Failure {
    /// Also for what exists but is not this visitor's to see.
    pub(super) fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            heading: text("failure-nothing"),
            sentence: text("failure-nothing-why").to_string(),
        }
    }

    /// The cause goes to the log, never onto the page.
    pub(super) fn internal(error: &(dyn Error + 'static)) -> Self {
        Self {
            status: log_internal(error),
            heading: text("failure-internal"),
            sentence: text("failure-internal-why").to_string(),
        }
    }

    /// Without a page, when it is pages that cannot be made.
    pub(super) fn into_bare_response(self) -> Response {
        (self.status, self.heading.to_string()).into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { status, heading, sentence } = self;
        plain(status, &FailurePage { frame: Frame::anonymous(), heading, sentence })
    }
}

impl From<catalog::Error> for Failure {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NoVideo(_) | catalog::Error::NoJob(_) => Self::not_found(),
            error => Self::internal(&error),
        }
    }
}

impl From<Unauthenticated> for Failure {
    fn from(refused: Unauthenticated) -> Self {
        match refused {
            Unauthenticated::Internal(error) => Self::internal(&error),
            Unauthenticated::Foreign => Self {
                status: StatusCode::FORBIDDEN,
                heading: text("failure-foreign"),
                sentence: text("failure-foreign-why").to_string(),
            },
            Unauthenticated::Scope(_) | Unauthenticated::NotAPerson | Unauthenticated::NotAnAdmin => Self {
                status: StatusCode::FORBIDDEN,
                heading: text("failure-not-yours"),
                sentence: text("failure-not-yours-why").to_string(),
            },
            Unauthenticated::Missing | Unauthenticated::Refused => Self {
                status: StatusCode::UNAUTHORIZED,
                heading: text("failure-signed-out"),
                sentence: text("failure-signed-out-why").to_string(),
            },
        }
    }
}
