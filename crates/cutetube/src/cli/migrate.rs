//! `cutetube migrate`

use clap::Args;

use super::{ConfigArgs, Environment, print};
use crate::{state::open_database, telemetry};

/// Bring the tables up to date, as `serve` does when it starts.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Migrate {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let config = self.config.load(env, Vec::new())?;
        telemetry::init(&config.log)?;
        let db = open_database(&config).await?;
        let ran = db.migrate(catalog::MIGRATIONS).await?;
        db.close().await;
        print(&format!("{ran} of {} migrations were missing", catalog::MIGRATIONS.len()))
    }
}
