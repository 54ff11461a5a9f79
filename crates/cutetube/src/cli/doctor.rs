//! `cutetube doctor`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use tokio_util::sync::CancellationToken;
use transcode::{
    examine::examine,
    process::Patience,
    runner::Runner,
    sandbox::{self, Priority},
    toolchain::{MissingProgram, Toolchain},
};

use super::{Advised, ConfigArgs, Environment, hint_of, print, search_path, sentence};
use crate::{
    blobs::BlobStore,
    config::{Config, S3, Sandbox},
    events::probe,
    state::{locate_toolchain, open_database},
};

/// Try everything the server needs, and say what is wrong.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    config: ConfigArgs,
}

/// What a check found: a few words when all is well.
type Finding = anyhow::Result<String>;

/// Less than this is worth a word.
const LITTLE_SPACE: u64 = 2 << 30;

impl Doctor {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let search_path = search_path(&env);
        let config = self.config.load(env, Vec::new())?;
        let toolchain = locate_toolchain(&config, &search_path);
        let ffmpeg = match &toolchain {
            Ok(toolchain) => ffmpeg(toolchain).await,
            Err(missing) => Err(missing.clone().into()),
        };
        let findings = [
            ("ffmpeg", ffmpeg),
            ("sandbox", confinement(config.workers.sandbox)),
            ("database", database(&config).await),
            ("storage", storage(&config).await),
            ("disk", disk(&working_folder(&config))),
            ("mail", probe::mail_server(&config).await),
            ("broker", probe::broker(&config).await),
        ];
        let mut failed = 0;
        for (part, finding) in findings {
            match finding {
                Ok(words) => print(&format!("ok    {part}: {words}"))?,
                Err(error) => {
                    failed += 1;
                    print(&format!("wrong {part}: {}", sentence(&error)))?;
                    if let Some(hint) = error.chain().find_map(hint_of) {
                        print(&format!("      hint: {hint}"))?;
                    }
                }
            }
        }
        match failed {
            0 => Ok(()),
            _ if toolchain.is_err() => {
                Err(Advised::new("not everything is well", MissingProgram::HINT).into())
            }
            _ => bail!("not everything is well"),
        }
    }
}

/// Asks both programs, in the sandbox that the pipeline uses.
async fn ffmpeg(toolchain: &Toolchain) -> Finding {
    let (patience, cancel) = (Patience::default(), CancellationToken::new());
    let runner = Runner { toolchain, priority: Priority::Interactive, patience, cancel: &cancel };
    let found = examine(&runner).await?;
    if !found.missing.is_empty() {
        bail!("version {} lacks `{}`", found.version, found.missing.join("`, `"));
    }
    let (ffmpeg, ffprobe) = (toolchain.ffmpeg.display(), toolchain.ffprobe.display());
    Ok(format!("version {} at {ffmpeg}, {ffprobe}", found.version))
}

fn confinement(wanted: Sandbox) -> Finding {
    let status = sandbox::status();
    match wanted {
        Sandbox::Off => Ok(format!("off by configuration ({status})")),
        Sandbox::Require if !status.is_complete() => bail!("required, but this kernel cannot: {status}"),
        Sandbox::Require | Sandbox::BestEffort => Ok(status.to_string()),
    }
}

async fn database(config: &Config) -> Finding {
    let db = open_database(config).await?;
    db.ping().await?;
    let backend = format!("{:?}", db.backend());
    db.close().await;
    Ok(format!("{backend} answers"))
}

async fn storage(config: &Config) -> Finding {
    let url = config.storage_url();
    // Who asks wants to know now.
    let s3 = S3 { timeout_seconds: 10, retry_seconds: 3, ..config.storage.s3.clone() };
    let store = BlobStore::open(&url, &s3)?;
    let does = format!("writes, reads, cuts, lists, uploads in parts and deletes at {url}");
    let fallback = &config.storage.fallback;
    let Some(older) = &fallback.url else {
        store.examine().await?;
        return Ok(does);
    };
    let s3 = S3 { timeout_seconds: 10, retry_seconds: 3, ..fallback.s3.clone() };
    store.over(BlobStore::open(older, &s3).context("`storage.fallback`")?).examine().await?;
    Ok(format!("{does}, over {older}"))
}

/// The data folder; where everything is kept on other machines, that of temporary files, where sources are copied to
/// that have to be rewritten.
fn working_folder(config: &Config) -> PathBuf {
    match config.storage.url.as_deref().is_some_and(|url| url.starts_with("s3://")) && !config.data.exists() {
        true => std::env::temp_dir(),
        false => config.data.clone(),
    }
}

fn disk(folder: &Path) -> Finding {
    let found =
        rustix::fs::statvfs(folder).with_context(|| format!("cannot look at `{}`", folder.display()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free < LITTLE_SPACE {
        bail!("only {} MB are free in `{}`", free >> 20, folder.display());
    }
    Ok(format!("{} GB free in {}", free >> 30, folder.display()))
}
