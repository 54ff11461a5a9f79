//! `cutetube storage migrate`

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{Advised, ConfigArgs, Environment, print};
use crate::{
    blobs::BlobStore,
    config::{self, Config, S3, Secret},
    journal::CatalogJournal,
    moving::{Move, Moved, Target},
    progress::{Progress, Unit},
    state::prepare_database,
    telemetry,
};

/// Look after where objects are kept
#[derive(Debug, Subcommand)]
pub(super) enum Storage {
    /// Copy every object to another store, and read each back; or, with `storage.fallback`, from there to `storage.url`
    Migrate(Migrate),
}

#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    config: ConfigArgs,
    /// The other store: `file://` and a folder, or `s3://`, a bucket and a prefix [default: from `storage.fallback` to
    /// `storage.url`]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Its server [default: Amazon's for the region]
    #[arg(long, value_name = "URL", requires = "to")]
    to_endpoint: Option<String>,
    /// What requests to it are signed for
    #[arg(long, value_name = "REGION", requires = "to", default_value = "us-east-1")]
    to_region: String,
    /// Whether the bucket is in the path of its URLs, or else in the host name
    #[arg(long, value_name = "BOOL", requires = "to", default_value_t = true, action = clap::ArgAction::Set)]
    to_path_style: bool,
    /// The key for it; without it, the role of the machine is asked for
    #[arg(long, value_name = "ID", requires = "to")]
    to_access_key_id: Option<String>,
    /// The secret of the key; the variable keeps it out of the list of processes
    #[arg(long, value_name = "SECRET", env = "CUTETUBE_TO_SECRET_ACCESS_KEY", hide_env_values = true)]
    to_secret_access_key: Option<String>,
    /// A file with that secret
    #[arg(long, value_name = "FILE", env = "CUTETUBE_TO_SECRET_ACCESS_KEY_FILE")]
    to_secret_access_key_file: Option<PathBuf>,
}

impl Storage {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        match self {
            Self::Migrate(migrate) => migrate.run(env).await,
        }
    }
}

impl Migrate {
    async fn run(mut self, env: Environment) -> anyhow::Result<()> {
        let config = std::mem::replace(&mut self.config, ConfigArgs { config: None, data: None })
            .load(env, Vec::new())?;
        telemetry::init(&config.log)?;
        let storage = &config.storage;
        let (from, to, target) = match (&self.to, &storage.fallback.url) {
            (Some(to), _) => {
                let from = BlobStore::open(&config.storage_url(), &storage.s3)?;
                let to = BlobStore::open(to, &self.s3(&config)?).context("the store to copy to")?;
                // Who reads there when something is missing here may soon write there, too.
                let target = if self.to == storage.fallback.url { Target::InUse } else { Target::Idle };
                (from, to, target)
            }
            (None, Some(fallback)) => {
                let from = BlobStore::open(fallback, &storage.fallback.s3).context("`storage.fallback`")?;
                (from, BlobStore::open(&config.storage_url(), &storage.s3)?, Target::InUse)
            }
            (None, None) => bail!(Advised::new(
                "there is nowhere to copy to",
                "name the other store with `--to`, or the one that objects come from as `storage.fallback.url`"
            )),
        };
        let db = prepare_database(&config).await?;
        let to = to.remembered_by(Arc::new(CatalogJournal(db.clone())));
        let moving = Move { db: &db, from: &from, to: &to, target };
        let mut progress = Progress::new("copying", moving.amount().await?.bytes, Unit::Bytes);
        let mut advance = |bytes| progress.advance(bytes);
        let moved = moving.all(&mut advance).await?;
        progress.finish();
        db.close().await;
        tell(&moved)
    }

    fn s3(&self, config: &Config) -> anyhow::Result<S3> {
        let secret = match (&self.to_secret_access_key, &self.to_secret_access_key_file) {
            (Some(secret), _) => Some(secret.clone()),
            (None, Some(file)) => {
                let text = config::text_of_file(file);
                Some(text.with_context(|| format!("cannot read `{}`", file.display()))?)
            }
            (None, None) => None,
        };
        let S3 { timeout_seconds, retry_seconds, .. } = config.storage.s3;
        Ok(S3 {
            endpoint: self.to_endpoint.clone(),
            region: self.to_region.clone(),
            path_style: self.to_path_style,
            access_key_id: self.to_access_key_id.clone(),
            secret_access_key: secret.map(Secret::new),
            timeout_seconds,
            retry_seconds,
        })
    }
}

fn tell(moved: &Moved) -> anyhow::Result<()> {
    let Moved { copied, bytes, there, later, lost } = moved;
    print(&format!("copied {copied} objects, {bytes} bytes; {there} were there already"))?;
    if *later > 0 {
        print(&format!("{later} objects belong to videos in the making: repeat this when they are ready"))?;
    }
    for lost in lost {
        print(&format!("not copied: {lost}"))?;
    }
    if moved.is_complete() {
        return Ok(());
    }
    bail!(Advised::new(
        format!("{} objects were not copied", lost.len()),
        "`cutetube scrub` says which videos they are of, and can have them made again"
    ))
}
