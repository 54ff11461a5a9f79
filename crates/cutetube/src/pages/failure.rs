//! What a page says when there is nothing to show.

use std::{borrow::Cow, error::Error};

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
};

/// A page instead of the one that was asked for.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    heading: &'static str,
    sentence: Cow<'static, str>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct FailurePage<'a> {
    frame: Frame,
    heading: &'a str,
    sentence: &'a str,
}

/// Anybody, at an address where nothing is: a page for people, a problem for programs.
pub(crate) async fn not_found(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        Failure::not_found().into_response()
    } else {
        Problem::not_found("there is nothing at this address").into_response()
    }
}

/// A page for people who follow an address that nobody here has written.
pub(crate) fn malformed() -> Response {
    Failure {
        status: StatusCode::BAD_REQUEST,
        heading: "This address is not one of ours",
        sentence: "It has characters in it that cannot be looked for.".into(),
    }
    .into_response()
}

/// A page for people who ask too often; `sentence` says when to come back.
pub(crate) fn too_many(sentence: String) -> Response {
    Failure {
        status: StatusCode::TOO_MANY_REQUESTS,
        heading: "That was a bit fast",
        sentence: sentence.into(),
    }
    .into_response()
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
            heading: "There is nothing here",
            sentence: "The video may have been deleted, or the address has a typing error in it.".into(),
        }
    }

    /// The cause goes to the log, never onto the page.
    pub(super) fn internal(error: &(dyn Error + 'static)) -> Self {
        Self {
            status: log_internal(error),
            heading: "Something went wrong on our side",
            sentence: "It has been logged. Please try again in a moment.".into(),
        }
    }

    /// Without a page, when it is pages that cannot be made.
    pub(super) fn into_bare_response(self) -> Response {
        (self.status, self.heading).into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { status, heading, sentence } = self;
        plain(status, &FailurePage { frame: Frame::anonymous(), heading, sentence: &sentence })
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
                heading: "This form came from another site",
                sentence: "Open it here and try again.".into(),
            },
            Unauthenticated::Scope(_) | Unauthenticated::NotAPerson | Unauthenticated::NotAnAdmin => Self {
                status: StatusCode::FORBIDDEN,
                heading: "This is not for you",
                sentence: "Log in as somebody who may do this.".into(),
            },
            Unauthenticated::Missing | Unauthenticated::Refused => Self {
                status: StatusCode::UNAUTHORIZED,
                heading: "Please log in",
                sentence: "You are not signed in any more.".into(),
            },
        }
    }
}
