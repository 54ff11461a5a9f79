//! Everything an operator can set, in one value.
//!
//! Sources, later ones winning: [`Config::default`], `cutetube.toml`, `CUTETUBE_…` variables (`__` separates
//! levels; a name ending in `_FILE` names a file that holds the value), command-line flags. A key that does not
//! exist is refused with the nearest one that does.

mod accounts;
mod delivery;
mod drm;
mod listing;
mod load;
mod networks;
mod outbound;
mod rates;
mod secret;
mod vendors;

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use transcode::settings::EncodeSettings;

pub use accounts::{Accounts, Quota, Signup, Verification};
pub use delivery::{CdnSigning, Delivery, Downloads, SigningScheme};
pub use drm::{Drm, LicencePolicy, PLAYREADY_TEST_SERVER, SourcesOfProtected};
pub use listing::{Origins, Setting};
pub(crate) use load::text_of_file;
pub use load::{ConfigError, RESERVED_VARIABLES, Sources, load};
pub use networks::Networks;
pub use outbound::{Amqp, Events, PrivateNetworks, Smtp, SmtpTls};
pub use rates::{Rate, Rates};
pub use secret::{Secret, master_key, master_key_file, replace_secret, signing_secret, signing_secret_file};
pub use vendors::{Speke, Vendor};

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of everything that is kept: the embedded database, local blobs, generated secrets.
    pub data: PathBuf,
    /// Which parts of the program run in this process.
    pub role: Role,
    /// Where the server listens and how the world calls it.
    pub server: Server,
    /// Where rows are kept.
    pub database: Database,
    /// Where objects are kept.
    pub storage: Storage,
    /// How viewers get media.
    pub delivery: Delivery,
    /// What a request or a video may cost.
    pub limits: Limits,
    /// How many requests one client may send.
    pub rates: Rates,
    /// What renditions are made.
    pub ladder: EncodeSettings,
    /// How much work is done at once, and with what.
    pub workers: Workers,
    /// Sign-up, tokens and sessions.
    pub accounts: Accounts,
    /// How videos are protected, and who gets their keys.
    pub drm: Drm,
    /// How people and programs hear of what happens to videos.
    pub events: Events,
    /// The mail server that messages to people go through.
    pub smtp: Smtp,
    /// The message broker that events are published to.
    pub amqp: Amqp,
    /// Who may read how much there is to do.
    pub metrics: Metrics,
    /// Where it is told what becomes of each upload.
    pub traces: Traces,
    /// What is logged, and how.
    pub log: Log,
    /// Where what differs from the defaults comes from.
    #[serde(skip)]
    pub origins: Origins,
}

/// Which parts of the program run in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// HTTP and workers.
    All,
    /// HTTP only.
    Web,
    /// Workers only.
    Worker,
}

/// `server.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What URLs in answers start with, e.g. `https://videos.example.org`. Without it, the request's `Host`.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-For` and `Forwarded` say where a request comes from. Nobody else is believed.
    pub trusted_proxies: Networks,
    /// How long running requests may take to finish after a signal to stop.
    pub drain_seconds: u64,
    /// TLS without a proxy in front.
    pub tls: Tls,
}

/// `server.tls.*`: both or neither. Files are read again when they change.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the certificate and those that lead to its authority.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
}

/// `database.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://…` or `postgres://…`. Without it, SQLite in the data folder.
    pub url: Option<Secret>,
    /// How long a starting process waits for a PostgreSQL server that does not answer yet.
    pub wait_seconds: u64,
}

/// `storage.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// `file://…`, or `s3://` with a bucket and a prefix in it. Without it, `blobs` in the data folder.
    pub url: Option<String>,
    /// How old something that no video needs has to be before workers remove it. An upload must be recorded by then.
    pub sweep_age_seconds: u64,
    /// How many days after its publication the uploaded file of a video is removed; 0 keeps it for ever. Without it the
    /// video can never be made again.
    pub source_days: u64,
    /// How an S3 server is reached.
    pub s3: S3,
    /// Where objects were before, while they are moved.
    pub fallback: Fallback,
}

/// `storage.fallback.*`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// Another store, as in `storage.url`: what is not there is read here, and what is deleted is deleted in both.
    pub url: Option<String>,
    /// How its server is reached.
    pub s3: S3,
}

/// `storage.s3.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// `https://…` or `http://…` of the server. Without it, that of Amazon for the region.
    pub endpoint: Option<String>,
    /// What requests are signed for; servers outside Amazon take any.
    pub region: String,
    /// Whether the bucket is in the path of a URL, or else in its host name.
    pub path_style: bool,
    /// Without it and its secret, the role of the machine is asked for, as machines at Amazon have one.
    pub access_key_id: Option<String>,
    /// Of `access_key_id`.
    pub secret_access_key: Option<Secret>,
    /// How long a request may go without progress.
    pub timeout_seconds: u64,
    /// How long a request is repeated while the server fails or cannot be reached.
    pub retry_seconds: u64,
}

/// `limits.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Whether requests are counted per client at all.
    pub rate: RateLimits,
    /// Largest video file, in bytes.
    pub upload_bytes: u64,
    /// Uploads that are received at once; more are asked to come back.
    pub concurrent_uploads: usize,
    /// How many hours an upload that comes in pieces is kept after the last of them, before it is removed unfinished.
    pub resumable_hours: u64,
    /// Event streams that are open at once; more are asked to come back.
    pub event_streams: usize,
    /// How long an upload may go without a byte.
    pub upload_stall_seconds: u64,
    /// How long a client may go without taking a byte of an answer.
    pub answer_stall_seconds: u64,
    /// What a client has to send of an upload, or to take of an answer, on average over one of these times, while the
    /// server waits for it; 0 sets no limit.
    pub least_bytes_per_second: u64,
    /// How long a client may take to send the headers of a request, and to begin one.
    pub header_seconds: u64,
    /// How long any other request may take to be answered.
    pub request_seconds: u64,
}

/// `limits.rate`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateLimits {
    /// Requests are limited per client.
    On,
    /// No request is refused for coming too soon.
    Off,
}

/// `workers.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// Jobs run at once in this process; 0 takes one per core.
    pub slots: usize,
    /// How many jobs of one user may run at once, on all workers together; 0 sets no limit. Give all workers the same.
    pub jobs_per_owner: u32,
    /// How long ffmpeg may do nothing before it is stopped and its job tried again.
    pub stall_seconds: u64,
    /// How ffmpeg is confined.
    pub sandbox: Sandbox,
    /// Absolute path of the program. Without it, the one in `PATH`.
    pub ffmpeg: Option<PathBuf>,
    /// Absolute path of the program. Without it, the one in `PATH`.
    pub ffprobe: Option<PathBuf>,
}

/// `workers.sandbox`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// Refuse to encode when the kernel cannot confine.
    Require,
    /// Confine as far as the kernel can.
    BestEffort,
    /// Do not confine.
    Off,
}

/// `metrics.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// A listener of its own for `/metrics`, e.g. `127.0.0.1:9464`: what processes need that only work.
    pub listen: Option<SocketAddr>,
    /// What a client sends as `Authorization: Bearer …`. Without it, only processes on this machine are answered.
    pub token: Option<Secret>,
}

/// `traces.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// Where a collector takes OTLP over HTTP, e.g. `http://127.0.0.1:4318/v1/traces`. Without it, nothing is told.
    pub otlp_url: Option<String>,
    /// What is sent as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// What the collector knows this installation by (`service.name`).
    pub service_name: String,
}

/// `log.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// `tracing` directives, e.g. `info,cutetube=debug`.
    pub filter: String,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line for each event.
    Human,
    /// One JSON object for each event.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./data"),
            role: Role::All,
            server: Server {
                listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
                public_url: None,
                trusted_proxies: Networks::default(),
                drain_seconds: 20,
                tls: Tls::default(),
            },
            database: Database { url: None, wait_seconds: 60 },
            storage: Storage {
                url: None,
                sweep_age_seconds: 24 * 3600,
                source_days: 0,
                s3: S3::default(),
                fallback: Fallback::default(),
            },
            delivery: Delivery::default(),
            limits: Limits {
                rate: RateLimits::On,
                upload_bytes: 20 << 30,
                concurrent_uploads: 64,
                resumable_hours: 24,
                event_streams: 1000,
                upload_stall_seconds: 60,
                answer_stall_seconds: 60,
                least_bytes_per_second: 1024,
                header_seconds: 30,
                request_seconds: 30,
            },
            rates: Rates::default(),
            ladder: EncodeSettings::default(),
            workers: Workers {
                slots: 0,
                jobs_per_owner: 0,
                stall_seconds: 60,
                sandbox: Sandbox::BestEffort,
                ffmpeg: None,
                ffprobe: None,
            },
            accounts: Accounts::default(),
            drm: Drm::default(),
            events: Events::default(),
            smtp: Smtp::default(),
            amqp: Amqp::default(),
            metrics: Metrics { listen: None, token: None },
            traces: Traces { otlp_url: None, token: None, service_name: "cutetube".to_owned() },
            log: Log { format: LogFormat::Human, filter: "info".to_owned() },
            origins: Origins::default(),
        }
    }
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: "us-east-1".to_owned(),
            path_style: true,
            access_key_id: None,
            secret_access_key: None,
            timeout_seconds: 60,
            retry_seconds: 60,
        }
    }
}

impl Config {
    /// `database.url`, or SQLite in the data folder.
    pub fn database_url(&self) -> Secret {
        match &self.database.url {
            Some(url) => url.clone(),
            None => Secret::new(format!("sqlite://{}", self.data.join("cutetube.db").display())),
        }
    }

    /// `storage.url`, or `blobs` in the data folder.
    pub fn storage_url(&self) -> String {
        match &self.storage.url {
            Some(url) => url.clone(),
            None => format!("file://{}", self.data.join("blobs").display()),
        }
    }
}
