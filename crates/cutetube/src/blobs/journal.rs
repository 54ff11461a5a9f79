//! Who remembers what was begun, for when this process cannot.

use std::{error::Error, future::Future, pin::Pin};

/// A list of multipart uploads that are on their way. A server keeps the parts of an upload that nobody finishes, and
/// does not show them among the objects.
pub trait Journal: std::fmt::Debug + Send + Sync {
    /// The upload `id` of the object `key` has begun; nothing is sent before this is recorded.
    fn begun<'a>(&'a self, key: &'a str, id: &'a str) -> JournalFuture<'a>;

    /// It goes on.
    fn touched<'a>(&'a self, id: &'a str) -> JournalFuture<'a>;

    /// The server does not have it any more: it is finished or given up.
    fn ended<'a>(&'a self, id: &'a str) -> JournalFuture<'a>;
}

/// What a [`Journal`] answers when it is done.
pub type JournalFuture<'a> =
    Pin<Box<dyn Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// Remembers nothing: for commands that nobody cleans up after.
#[derive(Debug)]
pub(super) struct NoJournal;

impl Journal for NoJournal {
    fn begun<'a>(&'a self, _key: &'a str, _id: &'a str) -> JournalFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn touched<'a>(&'a self, _id: &'a str) -> JournalFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn ended<'a>(&'a self, _id: &'a str) -> JournalFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}
