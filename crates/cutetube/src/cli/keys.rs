//! `cutetube keys rotate` and `cutetube keys forget`

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use db::Backend;

use super::{Advised, ConfigArgs, Environment, print};
use crate::{
    ambient,
    config::{self, Config},
    keys::{
        master::MasterKeys,
        rotation::{self, Rotated},
    },
    state::prepare_database,
};

/// Look after what content keys are encrypted with
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Put all content keys under another master key: a new one, or the first of `drm.master_key`
    Rotate(Which),
    /// Remove the master keys that nothing is under any more from the data folder
    Forget(Which),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Keys {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        match self {
            Self::Rotate(which) => rotate(&which.config.load(env, Vec::new())?).await,
            Self::Forget(which) => forget(&which.config.load(env, Vec::new())?).await,
        }
    }
}

async fn rotate(config: &Config) -> anyhow::Result<()> {
    let db = prepare_database(config).await?;
    let (masters, next) = match &config.drm.master_key {
        Some(text) => (MasterKeys::parse(text).context("`drm.master_key`")?, CONFIGURED),
        None => {
            let masters = kept(config)?;
            let file = config::master_key_file(config);
            let masters = rotation::add_first(&file, masters)
                .with_context(|| format!("cannot write `{}`", file.display()))?;
            (masters, KEPT)
        }
    };
    let Rotated { moved, left } = rotation::rotate(&db, &masters).await?;
    db.close().await;
    print(&format!("{moved} keys are under the master key `{}` now, and {left} are not", masters.id()))?;
    print(next)
}

const CONFIGURED: &str = "When every process runs with this master key in front, and this command has moved what is left, \
                          the others can be taken out of `drm.master_key`.";
const KEPT: &str = "Back up `master-key` in the data folder now. The old ones stay in it until the server was started again \
                    and `cutetube keys forget` was run.";

async fn forget(config: &Config) -> anyhow::Result<()> {
    if config.drm.master_key.is_some() {
        bail!(Advised::new(
            "the master keys of this server are configured",
            "take those that are not used any more out of `drm.master_key`"
        ));
    }
    let masters = kept(config)?;
    let db = prepare_database(config).await?;
    let Rotated { moved, left } = rotation::rotate(&db, &masters).await?;
    db.close().await;
    if left > 0 {
        bail!(Advised::new(
            format!("{left} keys are still made under another master key"),
            "start the server again, and then repeat this command"
        ));
    }
    let file = config::master_key_file(config);
    let gone = rotation::keep_first(&file).with_context(|| format!("cannot write `{}`", file.display()))?;
    print(&format!(
        "{moved} keys were moved; {gone} master keys are forgotten, and `{}` is left",
        masters.id()
    ))
}

/// The master keys in the data folder.
fn kept(config: &Config) -> anyhow::Result<MasterKeys> {
    let url: db::Url = config.database_url().expose().parse()?;
    if url.backend() != Backend::Sqlite {
        bail!(Advised::new(
            "this server has no master key",
            "set `drm.master_key`; with a database that is shared, none is made"
        ));
    }
    let text = config::master_key(config, |bytes| bytes.copy_from_slice(&ambient::random::<32>()))?;
    MasterKeys::parse(&text)
        .with_context(|| format!("`{}` is damaged", config::master_key_file(config).display()))
}
