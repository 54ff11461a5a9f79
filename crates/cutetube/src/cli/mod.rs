//! The command line: what can be asked for, and how failure is told.

mod backup;
mod check_config;
mod decrypt;
mod doctor;
mod events;
mod healthcheck;
mod inspect;
mod key_args;
mod keys;
mod migrate;
mod openapi;
mod package;
mod publish;
mod scrub;
mod serve;
mod storage;
mod sweep;
mod transcode;
mod user;

use std::{ffi::OsString, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::blobs::BlobError;
use crate::config::{self, Config, ConfigError, Role, Sources};

/// Video on demand from one program: upload, transcode, package, stream.
#[derive(Debug, Parser)]
#[command(name = "cutetube", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve pages, the API and media, and work on uploads
    Serve(serve::Serve),
    /// Work on uploads, and serve nothing: `serve --role worker`
    Worker(serve::Worker),
    /// Make the whole ladder of a video in a static folder, without a server or a database
    Transcode(transcode::Transcode),
    /// Package renditions that exist already for DASH and HLS, without encoding anything
    Package(package::Package),
    /// Undo encryption with the keys, for tests and support
    Decrypt(decrypt::Decrypt),
    /// Upload a video to a running server
    Publish(publish::Publish),
    /// Show what a file's index says, without reading its media
    Inspect(inspect::Inspect),
    /// Bring the tables up to date, as `serve` does when it starts
    Migrate(migrate::Migrate),
    /// Remove from the store what no video needs, as workers do from time to time
    Sweep(sweep::Sweep),
    /// Read back every object that is recorded, and say which are lost or damaged
    Scrub(scrub::Scrub),
    /// Look after where objects are kept
    #[command(subcommand)]
    Storage(storage::Storage),
    /// Put the database, the secrets beside it, and a list of all objects into one file, while everything runs
    Backup(backup::Backup),
    /// Restore a backup into a database that is empty, of whichever kind
    Restore(backup::Restore),
    /// Try everything the server needs, and say what is wrong
    Doctor(doctor::Doctor),
    /// Ask a running process on this machine whether it lives
    #[command(name = "healthcheck")]
    HealthCheck(healthcheck::HealthCheck),
    /// Make accounts and change what they may do
    #[command(subcommand)]
    User(user::User),
    /// Look after what content keys are encrypted with
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Deliver events again
    #[command(subcommand)]
    Events(events::Events),
    /// Print the API's description, OpenAPI 3.1
    Openapi(openapi::OpenApi),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Refuse what is wrong, else list every setting with its value
    Check(check_config::CheckConfig),
}

/// Where the configuration comes from; taken by every command that needs one.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file [default: cutetube.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "CUTETUBE_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of everything that is kept [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl ConfigArgs {
    fn load(self, env: Environment, mut flags: Vec<(&'static str, String)>) -> Result<Config, ConfigError> {
        flags.extend(self.data.map(|data| ("data", data.display().to_string())));
        config::load(&Sources { file: self.config, env, flags })
    }
}

/// Variables whose name and value are text.
type Environment = Vec<(String, String)>;

/// Runs the command of `args` and tells how it went: 0, 1 for a failure, 2 for a wrong command line.
pub fn main(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is told when standard error is closed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let env = env
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match run(cli.command, env.collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, &mut std::io::stderr());
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, env: Environment) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run(env).await,
            Command::Worker(worker) => worker.run(env).await,
            Command::Transcode(transcode) => transcode.run(env).await,
            Command::Package(package) => package.run().await,
            Command::Decrypt(decrypt) => decrypt.run(),
            Command::Publish(publish) => publish.run().await,
            Command::Inspect(inspect) => inspect.run().await,
            Command::Migrate(migrate) => migrate.run(env).await,
            Command::Sweep(sweep) => sweep.run(env).await,
            Command::Scrub(scrub) => scrub.run(env).await,
            Command::Storage(storage) => storage.run(env).await,
            Command::Backup(backup) => backup.run(env).await,
            Command::Restore(restore) => restore.run(env).await,
            Command::Doctor(doctor) => doctor.run(env).await,
            Command::HealthCheck(check) => check.run(env).await,
            Command::User(user) => user.run(env).await,
            Command::Keys(keys) => keys.run(env).await,
            Command::Events(events) => events.run(env).await,
            Command::Openapi(openapi) => openapi.run(),
            Command::Config(ConfigCommand::Check(check)) => check.run(env),
        }
    });
    // Threads that wait for a disk which does not answer are not waited for.
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome
}

/// One sentence, then what to do about it.
fn report(error: &anyhow::Error, to: &mut impl Write) {
    let sentence = sentence(error);
    let hint = error.chain().find_map(hint_of);
    let _ = writeln!(to, "error: {sentence}");
    if let Some(hint) = hint {
        let _ = writeln!(to, "hint: {hint}");
    }
}

/// An error with its causes, those left out that it has told already.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

fn hint_of(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(advised) = error.downcast_ref::<Advised>() {
        return Some(advised.hint.clone());
    }
    if let Some(hint) = error.downcast_ref::<BlobError>().and_then(BlobError::hint) {
        return Some(hint.to_owned());
    }
    error.downcast_ref::<ConfigError>().and_then(ConfigError::hint)
}

/// A failure that somebody can do something about.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
struct Advised {
    sentence: String,
    hint: String,
}

impl Advised {
    fn new(sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), hint: hint.into() }
    }
}

/// The folders that programs are looked for in.
fn search_path(env: &Environment) -> OsString {
    env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.into()).unwrap_or_default()
}

fn role_flag(role: Role) -> (&'static str, String) {
    let name = match role {
        Role::All => "all",
        Role::Web => "web",
        Role::Worker => "worker",
    };
    ("role", name.to_owned())
}

/// Prints `text` on standard output; a closed pipe is the reader's way to say it has seen enough.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
