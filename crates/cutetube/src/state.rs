//! What every request and every job may reach.

use std::sync::Arc;

use crate::{blobs::BlobStore, config::Config};

/// Shared by all handlers and workers of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    pub(crate) config: Arc<Config>,
    pub(crate) blobs: BlobStore,
}

impl AppState {
    /// Opens everything that `config` names.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let blobs = BlobStore::open(&config.storage_url())?;
        Ok(Self { config: Arc::new(config), blobs })
    }
}
