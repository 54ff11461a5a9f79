//! A whole platform: processes of the program under test over one database and one folder of objects.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use catalog::videos::{self, Video};
use db::Db;
use tempfile::TempDir;
use testbed::{Database, PgServer};
use tokio::runtime::Runtime;

use crate::Cli;
use crate::run::{progress, run_with};

/// The processes, and what lies below them. Dropping it ends them.
pub(crate) struct Platform {
    program: PathBuf,
    folder: TempDir,
    database: Database,
    db: Db,
    /// The one that is uploaded to first.
    processes: Vec<Child>,
    url: String,
}

/// A process of a platform.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// Serves and encodes.
    All,
    /// Serves only.
    Web,
    /// Encodes only.
    Worker,
}

/// How a process encodes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effort {
    /// Chunks at once; `None` is the default of the program, one for each core.
    pub(crate) slots: Option<u32>,
    /// Threads of each encoder; `None` is the default of the program.
    pub(crate) threads: Option<u32>,
}

impl Platform {
    /// Starts `parts`, the first of which serves, on PostgreSQL or on SQLite.
    pub(crate) async fn start(
        program: &Path,
        scratch: &Path,
        postgres: Option<&PgServer>,
        parts: &[Part],
        effort: Effort,
    ) -> anyhow::Result<Self> {
        let folder = TempDir::new_in(scratch)?;
        let database = postgres.map_or_else(Database::sqlite, Database::on);
        let db = Db::connect(&db::Settings::new(database.url().parse()?)).await?;
        db.migrate(catalog::MIGRATIONS).await?;
        let program = program.canonicalize().with_context(|| format!("no `{}`", program.display()))?;
        let mut platform = Self { program, folder, database, db, processes: Vec::new(), url: String::new() };
        for part in parts {
            let said = platform.spawn(*part, effort)?;
            if platform.url.is_empty() {
                platform.url = said;
            }
        }
        ensure!(platform.url.starts_with("http"), "no process serves");
        Ok(platform)
    }

    /// One process that does everything, and a video that plays; answers also the folder of its media, below `blobs`.
    pub(crate) fn playing(cli: &Cli, runtime: &Runtime, clip: &Path) -> anyhow::Result<(Self, String)> {
        let starting = Self::start(&cli.cutetube, &cli.scratch, None, &[Part::All], Effort::default());
        let platform = runtime.block_on(starting)?;
        let id = platform.upload(clip, "viewer")?;
        progress("making the ladder");
        runtime.block_on(platform.seconds_until_ready(id))?;
        Ok((platform, format!("vod-media/{id}/1")))
    }

    /// Uploads `file` as `user`, who is signed up at the first time, and answers the video's id.
    pub(crate) fn upload(&self, file: &Path, user: &str) -> anyhow::Result<catalog::ids::VideoId> {
        let email = format!("{user}@example.org");
        let file = file.to_str().context("a path in UTF-8")?;
        let arguments = ["publish", file, "--server", &self.url, "--sign-up", &email];
        let said = run_with(
            &self.program,
            &arguments,
            &[("CUTETUBE_CREDENTIAL", user), ("CUTETUBE_PASSWORD", "correct horse battery")],
        )?;
        let id = said.split_whitespace().find_map(|word| word.rsplit_once("/watch/"));
        Ok(id.context("`publish` names no page")?.1.parse()?)
    }

    /// Seconds from the end of the upload until the video can be watched, by the database's clock.
    pub(crate) async fn seconds_until_ready(&self, id: catalog::ids::VideoId) -> anyhow::Result<f64> {
        loop {
            let Video { state, error, created_at, ready_at, .. } = videos::video(&self.db, id).await?;
            if let Some(error) = error {
                bail!("the video is {}: {error}", state.as_str());
            }
            if let Some(ready_at) = ready_at {
                return Ok((ready_at.unix_micros() - created_at.unix_micros()) as f64 / 1e6);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A line of `/proc/{pid}/status` of the process that was started first.
    pub(crate) fn status_kilobytes(&self, name: &str) -> anyhow::Result<u64> {
        let pid = self.processes.first().map(Child::id).context("a process serves")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("the kernel tells")?;
        Ok(line.trim_matches([':', ' ', '\t']).split(' ').next().unwrap_or_default().parse()?)
    }

    /// The folder of all objects.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.folder.path().join("blobs")
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// Answers what the process says when it has started: where it listens, or who it is.
    fn spawn(&mut self, part: Part, effort: Effort) -> anyhow::Result<String> {
        let (role, sign) = match part {
            Part::All => ("all", "listening on "),
            Part::Web => ("web", "listening on "),
            Part::Worker => ("worker", " takes jobs"),
        };
        let data = self.folder.path().join(format!("data-{}", self.processes.len()));
        #[expect(clippy::disallowed_methods, reason = "a benchmark compares whole processes")]
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--role", role, "--data"])
            .arg(data)
            .current_dir(self.folder.path())
            .env("CUTETUBE_DATABASE__URL", self.database.url())
            .env("CUTETUBE_STORAGE__URL", format!("file://{}", self.blobs().display()))
            .env("CUTETUBE_LIMITS__RATE", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for (name, value) in
            [("CUTETUBE_WORKERS__SLOTS", effort.slots), ("CUTETUBE_LADDER__THREADS", effort.threads)]
        {
            command.envs(value.map(|value| (name, value.to_string())));
        }
        let mut child = command.spawn()?;
        let mut log = BufReader::new(child.stderr.take().context("the log is piped")?).lines();
        self.processes.push(child);
        let mut said = String::new();
        for line in log.by_ref() {
            let line = line?;
            if let Some((_, rest)) = line.split_once(sign) {
                // Read to its end, so that the process never waits for its log.
                std::thread::spawn(move || log.for_each(drop));
                return Ok(rest.split_whitespace().next().unwrap_or_default().to_owned());
            }
            said = line;
        }
        bail!("`cutetube serve` has ended: {said}")
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended already, which is all that is wanted.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
