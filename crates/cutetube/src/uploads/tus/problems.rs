//! What a client is told when nothing is added to an upload.

use axum::http::StatusCode;
use catalog::{Error, resumable::Refusal};

use super::super::{Rejection, v5};
use crate::{blobs::BlobError, http::Problem};

/// In a sentence that says what to do next.
pub(super) fn of_catalog(error: Error) -> Problem {
    let refusal = match error {
        Error::Upload(refusal) => refusal,
        Error::Exceeded(exceeded) => return v5::problem(exceeded.into()),
        Error::NoUser => return forbidden("This account may not be used any more.".to_owned()),
        error => return Problem::internal(&error),
    };
    match refusal {
        Refusal::Unknown(_) => unknown(),
        Refusal::TooMany(most) => forbidden(format!(
            "You have {most} unfinished uploads, and may have no more. Finish or delete some, or wait until they expire."
        )),
        Refusal::Busy | Refusal::TurnLost => Problem::new(
            StatusCode::LOCKED,
            "Another request adds to this upload. When it has ended, ask how far it has come, and go on.",
        )
        .retry_after(1),
        Refusal::Offset { received } => Problem::new(
            StatusCode::CONFLICT,
            format!("The upload has {received} bytes: the next one is `Upload-Offset: {received}`."),
        ),
        Refusal::Length => Problem::new(
            StatusCode::BAD_REQUEST,
            "The upload has another length, or more bytes than that already. It cannot be changed.",
        ),
        Refusal::TooLong { longest } => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The file is larger than the {longest} bytes that are allowed here."),
        ),
        Refusal::TooManyPieces(_) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The upload came in too many small requests. Begin it again, with larger ones.",
        ),
        Refusal::Closed => forbidden(
            "Nothing can be added to this upload: it is made of parts, has become part of another, or was refused."
                .to_owned(),
        ),
        Refusal::NoPart(id) => Problem::new(
            StatusCode::CONFLICT,
            format!("`{id}` is no part of yours that is complete and was not used yet."),
        ),
    }
}

pub(super) fn of_store(error: BlobError) -> Problem {
    let is_outage = error.is_outage();
    let rejection = Rejection::from(error);
    match rejection.status {
        StatusCode::INSUFFICIENT_STORAGE => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "The server has no space left. What has come is kept: go on later.",
        ),
        _ if is_outage => {
            rejection.log_fault();
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The server cannot store anything at the moment. What has come is kept: go on in a moment.",
            )
        }
        _ => v5::problem(rejection),
    }
}

pub(super) fn unknown() -> Problem {
    Problem::not_found("There is no such upload, or not any more. Begin it again.")
}

pub(super) fn too_long() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "The request has more bytes than the upload lacks. Ask how many it has, and send the rest.",
    )
}

fn forbidden(sentence: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, sentence)
}
