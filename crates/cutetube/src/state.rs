//! What every request and every job may reach.

use std::{ffi::OsStr, fmt, ops::Deref, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use db::{Backend, Db};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use transcode::{
    sandbox::SandboxMode,
    toolchain::{MissingProgram, Toolchain},
};

use crate::{
    accounts::{Passwords, Tokens},
    admin::{self, actions::Overview},
    ambient::{self, Clock},
    blobs::BlobStore,
    config::{self, Config, Role, Sandbox, Secret},
    http::Streams,
    journal::CatalogJournal,
    keys::Keys,
    licences::{PlaybackTokens, Vendors},
    limits::Limiter,
    live::Live,
    metrics::Metrics,
    playback::{CdnSigner, Downloads, Hot, PathSigner},
    processes::actions::{self as processes, LiveProcesses},
    telemetry::Traces,
    views::ViewerHasher,
};

/// Shared by all handlers and workers of a process. Cheap to clone: each layer and handler of a request has its own.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What there is one of in a process.
#[derive(Clone)]
pub struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) db: Db,
    pub(crate) blobs: BlobStore,
    /// What of it many ask for.
    pub(crate) hot: Hot,
    /// What protected videos are encrypted with.
    pub(crate) keys: Keys,
    pub(crate) passwords: Passwords,
    pub(crate) tokens: Arc<Tokens>,
    /// When tokens end.
    pub(crate) clock: Clock,
    /// What players show when they ask for licences.
    pub(crate) playback_tokens: PlaybackTokens,
    /// Who makes licences for other protection systems than our own.
    pub(crate) vendors: Arc<Vendors>,
    /// Opens media that are not for everybody.
    pub(crate) paths: PathSigner,
    /// Tells viewers apart.
    pub(crate) viewers: ViewerHasher,
    /// Makes addresses that a CDN checks.
    pub(crate) cdn: Option<CdnSigner>,
    /// Files that are put together of segments.
    pub(crate) downloads: Downloads,
    /// Cancelled when requests that still run are not waited for any longer.
    pub(crate) cut_off: CancellationToken,
    /// One permit for each upload that is received at once.
    pub(crate) upload_slots: Arc<Semaphore>,
    /// One permit for each picture that is looked at at once.
    pub(crate) picture_slots: Arc<Semaphore>,
    /// One permit for each poster that is made at once.
    pub(crate) poster_slots: Arc<Semaphore>,
    /// Counts the requests of clients.
    pub(crate) limiter: Limiter,
    /// Event streams of this process.
    pub(crate) streams: Streams,
    /// What they tell of processes.
    pub(crate) processes: LiveProcesses,
    /// And of the whole queue.
    pub(crate) overview: Live<(), Overview>,
    /// What this process counts.
    pub(crate) metrics: Metrics,
    /// Whom it tells what becomes of uploads.
    pub(crate) traces: Traces,
    /// ffmpeg and ffprobe, or the one that is missing: a process that serves only does without.
    pub(crate) toolchain: Result<Arc<Toolchain>, MissingProgram>,
}

impl AppState {
    /// Opens everything that `config` names, and brings the tables up to date. Programs are looked for in the
    /// folders of `search_path`, the value of `PATH`.
    pub async fn open(config: Config, search_path: &OsStr) -> anyhow::Result<Self> {
        let secret = match config.role {
            // Who serves nobody signs nothing, and needs no folder to keep a secret in.
            Role::Worker => Secret::new(hex::encode(ambient::random::<32>())),
            Role::All | Role::Web => signing_secret(&config)?,
        };
        let db = prepare_database(&config).await?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self(Arc::new(Shared {
            streams: Streams::new(config.limits.event_streams),
            processes: processes::live(db.clone()),
            blobs: open_store(&config, &db)?,
            hot: Hot::new(&config.delivery),
            cdn: CdnSigner::new(&config.delivery.signing)?,
            overview: admin::actions::live(db.clone()),
            metrics: Metrics::new(),
            traces: Traces::open(&config.traces)?,
            limiter: Limiter::new(&config, &db),
            db,
            keys: Keys::open(&config)?,
            passwords: Passwords::new(cores)?,
            tokens: Arc::new(Tokens::new(&secret, &config.accounts)),
            clock: Clock::default(),
            vendors: Arc::new(Vendors::new(config.drm.vendors())?),
            playback_tokens: PlaybackTokens::new(&secret, &config.drm),
            paths: PathSigner::new(&secret, &config.delivery),
            viewers: ViewerHasher::new(&secret),
            downloads: Downloads::default(),
            cut_off: CancellationToken::new(),
            upload_slots: Arc::new(Semaphore::new(config.limits.concurrent_uploads)),
            picture_slots: Arc::new(Semaphore::new(PICTURES_AT_ONCE)),
            poster_slots: Arc::new(Semaphore::new(POSTERS_AT_ONCE)),
            toolchain: locate_toolchain(&config, search_path).map(Arc::new),
            config: Arc::new(config),
        })))
    }

    /// The same for a server whose clock goes ahead, so that a test sees tokens end without waiting for it.
    pub fn ahead(self, by: Duration) -> Self {
        Self(Arc::new(Shared { clock: Clock::ahead(by), ..Arc::unwrap_or_clone(self.0) }))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Each takes a process, for less than a second.
const PICTURES_AT_ONCE: usize = 2;
/// Each takes a process, for about a second.
const POSTERS_AT_ONCE: usize = 2;

/// Connects to `database.url` and brings the tables up to date. A server that does not answer, or may not write, is
/// asked again for `database.wait_seconds`: it may be starting too, or about to be promoted.
pub(crate) async fn prepare_database(config: &Config) -> anyhow::Result<Db> {
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + Duration::from_secs(config.database.wait_seconds);
    let mut pause = Duration::from_millis(250);
    loop {
        let attempt = async {
            let db = open_database(config).await?;
            db.migrate(catalog::MIGRATIONS).await?;
            anyhow::Ok(db)
        };
        let error = match attempt.await {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let url: db::Url = config.database_url().expose().parse()?;
        // A file is there or it is not.
        if url.backend() == Backend::Sqlite || !db::is_transient(error.as_ref()) || left.is_zero() {
            return Err(error);
        }
        tracing::warn!(
            error = format!("{error:#}"),
            "`{url}` does not answer yet; it is waited for, for another {} s",
            left.as_secs()
        );
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects to `database.url`; SQLite's folder is made when it is missing.
pub(crate) async fn open_database(config: &Config) -> anyhow::Result<Db> {
    let url = config.database_url();
    if let Some(folder) = url.expose().strip_prefix("sqlite://").and_then(|path| Path::new(path).parent()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    }
    Ok(Db::connect(&db::Settings::new(url.expose().parse()?)).await?)
}

/// The store that `storage.*` names, over the one that objects are moved from.
pub(crate) fn open_store(config: &Config, db: &Db) -> anyhow::Result<BlobStore> {
    let storage = &config.storage;
    let store = BlobStore::open(&config.storage_url(), &storage.s3)?
        .remembered_by(Arc::new(CatalogJournal(db.clone())));
    match &storage.fallback.url {
        None => Ok(store),
        Some(url) => {
            let older = BlobStore::open(url, &storage.fallback.s3).context("`storage.fallback`")?;
            Ok(store.over(older))
        }
    }
}

/// The programs that `workers.*` names.
pub(crate) fn locate_toolchain(config: &Config, search_path: &OsStr) -> Result<Toolchain, MissingProgram> {
    let mode = match config.workers.sandbox {
        Sandbox::Require => SandboxMode::Require,
        Sandbox::BestEffort => SandboxMode::BestEffort,
        Sandbox::Off => SandboxMode::Off,
    };
    let (ffmpeg, ffprobe) = (config.workers.ffmpeg.clone(), config.workers.ffprobe.clone());
    if let (Some(ffmpeg), Some(ffprobe)) = (ffmpeg, ffprobe) {
        return Ok(Toolchain { ffmpeg, ffprobe, helper: Toolchain::THIS_BINARY.into(), sandbox: mode });
    }
    let found = Toolchain::locate(search_path, mode)?;
    let workers = &config.workers;
    Ok(Toolchain {
        ffmpeg: workers.ffmpeg.clone().unwrap_or(found.ffmpeg),
        ffprobe: workers.ffprobe.clone().unwrap_or(found.ffprobe),
        ..found
    })
}

fn signing_secret(config: &Config) -> anyhow::Result<Secret> {
    config::signing_secret(config, |bytes| bytes.copy_from_slice(&ambient::random::<32>()))
        .context("there is no secret to sign tokens with")
}
