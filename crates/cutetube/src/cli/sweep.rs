//! `cutetube sweep`

use std::time::Duration;

use clap::Args;

use super::{ConfigArgs, Environment, print};
use crate::{
    blobs::BlobStore,
    journal::CatalogJournal,
    state::prepare_database,
    sweeping::{self, Mode, Swept},
    telemetry,
};

/// Remove from the store what no video needs, as workers do from time to time
#[derive(Debug, Args)]
pub(super) struct Sweep {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only tell what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Leave alone what is younger; less than a day is safe only while nothing is uploaded [default:
    /// storage.sweep_age_seconds]
    #[arg(long, value_name = "SECONDS")]
    older_than: Option<u64>,
}

impl Sweep {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let config = self.config.load(env, Vec::new())?;
        telemetry::init(&config.log)?;
        let db = prepare_database(&config).await?;
        let blobs = BlobStore::open(&config.storage_url(), &config.storage.s3)?
            .remembered_by(std::sync::Arc::new(CatalogJournal(db.clone())));
        let age = Duration::from_secs(self.older_than.unwrap_or(config.storage.sweep_age_seconds));
        let mode = if self.dry_run { Mode::OnlyTell } else { Mode::Remove };
        let swept = sweeping::sweep(&db, &blobs, age, mode).await?;
        db.close().await;
        tell(&swept, mode)
    }
}

fn tell(swept: &Swept, mode: Mode) -> anyhow::Result<()> {
    let Swept { objects, bytes, staged, uploads, foreign } = swept;
    let verb = match mode {
        Mode::Remove => "removed",
        Mode::OnlyTell => "would remove",
    };
    print(&format!(
        "{verb} {objects} objects, {staged} unfinished files and {uploads} unfinished uploads: {bytes} bytes"
    ))?;
    if *foreign > 0 {
        print(&format!("left alone {foreign} folders with names that are not cutetube's"))?;
    }
    Ok(())
}
