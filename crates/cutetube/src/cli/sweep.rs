//! `cutetube sweep`

use std::time::Duration;

use clap::Args;

use super::{ConfigArgs, Environment, print};
use crate::{
    state::{open_store, prepare_database},
    sweeping::{self, Ages, Mode, Swept},
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
    /// Remove the uploaded files of videos that were published this many days ago, 0 for all that play; such a video can
    /// never be made again [default: storage.source_days, where 0 keeps them]
    #[arg(long, value_name = "DAYS")]
    source_days: Option<u64>,
}

impl Sweep {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let config = self.config.load(env, Vec::new())?;
        telemetry::init(&config.log)?;
        let db = prepare_database(&config).await?;
        let blobs = open_store(&config, &db)?;
        let mut ages = Ages::of(&config.storage);
        if let Some(seconds) = self.older_than {
            ages.unneeded = Duration::from_secs(seconds);
        }
        if let Some(days) = self.source_days {
            ages.sources = Some(Ages::days(days));
        }
        let mode = if self.dry_run { Mode::OnlyTell } else { Mode::Remove };
        let swept = sweeping::sweep(&db, &blobs, ages, mode).await?;
        db.close().await;
        tell(&swept, mode)
    }
}

fn tell(swept: &Swept, mode: Mode) -> anyhow::Result<()> {
    let Swept { objects, bytes, staged, uploads, foreign, sources } = swept;
    let verb = match mode {
        Mode::Remove => "removed",
        Mode::OnlyTell => "would remove",
    };
    print(&format!(
        "{verb} {objects} objects, {staged} unfinished files and {uploads} unfinished uploads: {bytes} bytes"
    ))?;
    if *sources > 0 {
        let verb = match mode {
            Mode::Remove => "let go",
            Mode::OnlyTell => "would let go",
        };
        print(&format!("{verb} of the uploaded files of {sources} videos"))?;
    }
    if *foreign > 0 {
        print(&format!("left alone {foreign} folders with names that are not cutetube's"))?;
    }
    Ok(())
}
