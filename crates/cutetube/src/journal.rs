//! The catalogue as the memory of the store.

use blobs::{Journal, JournalFuture};
use catalog::storage;
use db::Db;

use crate::blobs;

/// Remembers unfinished uploads in the catalogue.
#[derive(Clone)]
pub(crate) struct CatalogJournal(pub(crate) Db);

impl std::fmt::Debug for CatalogJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CatalogJournal")
    }
}

impl Journal for CatalogJournal {
    fn begun<'a>(&'a self, key: &'a str, id: &'a str) -> JournalFuture<'a> {
        Box::pin(async move { Ok(storage::upload_begun(&self.0, key, id).await?) })
    }

    fn touched<'a>(&'a self, id: &'a str) -> JournalFuture<'a> {
        Box::pin(async move { Ok(storage::upload_touched(&self.0, id).await?) })
    }

    fn ended<'a>(&'a self, id: &'a str) -> JournalFuture<'a> {
        Box::pin(async move { Ok(storage::upload_ended(&self.0, id).await?) })
    }
}
