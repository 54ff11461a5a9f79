//! From an uploaded file to a presentation that plays, one file per stage:
//! [`inspect`] → [`blueprint`] → [`encode`] (per chunk) and [`sound`] → [`publish`].
//!
//! A stage reads the source through byte ranges, writes finished objects to a [`Shelf`], and returns plain data about
//! them. It touches no database and knows no queue: `workers` wraps stages into jobs, [`export`] runs them one after
//! the other into a folder, [`package`] puts renditions there that exist already.

pub(crate) mod blob_source;
pub(crate) mod blueprint;
pub(crate) mod captions;
pub(crate) mod decrypt;
pub(crate) mod encode;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod ledger;
pub(crate) mod normalise;
pub(crate) mod package;
pub(crate) mod prepare;
pub(crate) mod publish;
pub(crate) mod sealing;
pub(crate) mod shelf;
pub(crate) mod sound;
pub(crate) mod tenure;
pub(crate) mod verdict;
pub(crate) mod verify;

pub(crate) use shelf::Shelf;
pub(crate) use tenure::Tenure;

use std::{error::Error, io};

use futures_util::future::Either;
use rustix::io::Errno;
use transcode::process::ProcessError;
use transcode::runner::RunError;

use crate::blobs::BlobError;

/// How a stage ends when it does not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// May succeed when tried again: the machine, the store or a process failed.
    #[error("{what}")]
    Retry {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Will never succeed with this file.
    #[error("{0}")]
    Reject(Rejection),
    /// Somebody asked for the stage to stop.
    #[error("stopped on request")]
    Cancelled,
}

/// What a machine runs out of because of everything that runs on it: descriptors, memory, processes.
const SHORTAGES: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN];

/// Why a file cannot become a video: a sentence for the person who uploaded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection(String);

impl Rejection {
    /// `sentence` starts with a capital letter, ends with a full stop and says what to do.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl StageError {
    pub(crate) fn retry(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Retry { what, source: source.into() }
    }

    /// Whether the store or the machine failed, and not this work: it says nothing about the next attempt.
    pub(crate) fn is_outage(&self) -> bool {
        let Self::Retry { source, .. } = self else { return false };
        let first: &(dyn Error + 'static) = source.as_ref();
        std::iter::successors(Some(first), |error| (**error).source()).any(|error| {
            let system = error.downcast_ref::<io::Error>();
            // An error that was made into one of the system's is not a link of its chain.
            let inner =
                system.and_then(io::Error::get_ref).and_then(|error| error.downcast_ref::<BlobError>());
            let store = error.downcast_ref::<BlobError>().or(inner);
            let system = system.and_then(io::Error::raw_os_error);
            store.is_some_and(BlobError::is_outage)
                || system.map(Errno::from_raw_os_error).is_some_and(|errno| SHORTAGES.contains(&errno))
        })
    }

    /// The end of what the program said that failed, where it was one.
    pub(crate) fn stderr(&self) -> Option<&str> {
        let Self::Retry { source, .. } = self else { return None };
        source.downcast_ref::<ProcessError>()?.stderr()
    }

    pub(crate) fn reject(sentence: impl Into<String>) -> Self {
        Self::Reject(Rejection::new(sentence))
    }
}

/// Runs what makes something and what stores it, and returns when both have ended: nothing is being written then. The
/// first to fail says why; it takes the other's channel with it, which ends that one too.
async fn both_to_the_end<A, B>(
    make: impl Future<Output = Result<A, StageError>>,
    store: impl Future<Output = Result<B, StageError>>,
) -> Result<(A, B), StageError> {
    let (make, store) = (std::pin::pin!(make), std::pin::pin!(store));
    match futures_util::future::select(make, store).await {
        Either::Left((made, store)) => {
            let stored = store.await;
            Ok((made?, stored?))
        }
        Either::Right((stored, make)) => {
            let made = make.await;
            let stored = stored?;
            Ok((made?, stored))
        }
    }
}

/// The bytes of the source could not be had.
fn unreadable(error: io::Error) -> StageError {
    StageError::retry("cannot read the source", error)
}

impl From<ProcessError> for StageError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Cancelled { .. } => Self::Cancelled,
            error => Self::retry("a media process failed", error),
        }
    }
}

impl From<RunError> for StageError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Process(error) => error.into(),
            error => Self::retry("a media process failed", error),
        }
    }
}

impl From<BlobError> for StageError {
    fn from(error: BlobError) -> Self {
        Self::retry("the object store failed", error)
    }
}
