//! A server of its own for each test.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use cutetube::{AppState, blobs::BlobStore, config::Config, http};
use db::Db;
use reqwest::{Client, RequestBuilder, Response, StatusCode, multipart};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::Database;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A running server with a data folder and a database of its own.
pub(crate) struct TestApp {
    pub(crate) url: String,
    pub(crate) client: Client,
    /// The server's own database, to look behind the scenes and to set them.
    pub(crate) db: Db,
    /// The server's own objects.
    pub(crate) blobs: BlobStore,
    /// Every path that its router has.
    pub(crate) paths: BTreeSet<String>,
    config: Config,
    folder: Arc<TempDir>,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
    database: Arc<Database>,
}

/// What a client gets to see.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) json: Value,
    text: String,
}

impl TestApp {
    pub(crate) async fn start(database: Database) -> Self {
        Self::start_with(database, |_| {}).await
    }

    /// With other settings than the defaults.
    pub(crate) async fn start_with(database: Database, change: impl FnOnce(&mut Config)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut config = Config { data: folder.path().to_owned(), ..Config::default() };
        config.database.url = Some(cutetube::config::Secret::new(database.url().to_owned()));
        config.role = cutetube::config::Role::Web;
        config.limits.rate = cutetube::config::RateLimits::Off;
        // Most tests want no letters among the jobs.
        config.accounts.verification = cutetube::config::Verification::Off;
        change(&mut config);
        Self::serve(config, folder, Arc::new(database)).await
    }

    /// Another server beside this one, on the same folder and database.
    pub(crate) async fn start_another(&self) -> Self {
        self.start_another_with(|_| {}).await
    }

    /// The same, with other settings.
    pub(crate) async fn start_another_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.config.clone();
        change(&mut config);
        Self::serve(config, self.folder.clone(), self.database.clone()).await
    }

    /// The same, at a later time.
    pub(crate) async fn start_another_after(&self, time: Duration) -> Self {
        Self::serve_ahead(self.config.clone(), self.folder.clone(), self.database.clone(), time).await
    }

    async fn serve(config: Config, folder: Arc<TempDir>, database: Arc<Database>) -> Self {
        Self::serve_ahead(config, folder, database, Duration::ZERO).await
    }

    async fn serve_ahead(
        config: Config,
        folder: Arc<TempDir>,
        database: Arc<Database>,
        ahead: Duration,
    ) -> Self {
        let db = Db::connect(&db::Settings::new(database.url().parse().unwrap())).await.unwrap();
        let blobs = BlobStore::open(&config.storage_url(), &config.storage.s3).unwrap();
        let state = AppState::open(config.clone(), "".as_ref()).await.unwrap().ahead(ahead);
        let paths = paths_of(&http::router(state.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let server = Some(tokio::spawn(http::serve(state, listener, http::Transport::PLAIN, stop.clone())));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new();
        Self { url, client, db, blobs, paths, config, folder, stop, server, database }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    pub(crate) async fn get_json(&self, path: &str) -> Answer {
        Answer::of(self.get(path).send().await.unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.post(path).json(&body).send().await.unwrap()).await
    }

    /// Makes an account and answers its access token.
    pub(crate) async fn sign_up(&self, username: &str) -> String {
        let answer = self.post_json("/api/v3/auth/signup/", sign_up_form(username)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json["user"]["token"]["access"].as_str().unwrap().to_owned()
    }

    /// Sends the form of an upload.
    pub(crate) async fn upload(&self, token: &str, form: multipart::Form) -> Answer {
        let request = self.post("/api/v3/vod/initiate-task/upload/").bearer_auth(token).multipart(form);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Names of all objects.
    pub(crate) async fn objects(&self) -> Vec<String> {
        self.blobs.list().await.unwrap()
    }

    /// Number of files of any kind in the blob folder, unfinished ones included.
    pub(crate) fn files(&self) -> usize {
        count_files(&self.folder.path().join("blobs"))
    }

    /// Hides in snapshots what differs from run to run.
    pub(crate) fn hide_what_differs(&self) -> insta::internals::SettingsBindDropGuard {
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(&self.url, "[server]");
        settings.add_filter(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "[token]");
        settings.add_filter("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]");
        settings.add_filter(r"1[78]\d{11}", "[time]");
        settings.bind_to_scope()
    }

    /// Stops the server in order, as a signal would.
    pub(crate) async fn shut_down(mut self) {
        self.stop.cancel();
        let server = self.server.take().unwrap();
        tokio::time::timeout(Duration::from_secs(30), server).await.unwrap().unwrap();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let status = response.status();
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}"));
        Self { status, json, text }
    }

    /// For snapshots: byte by byte.
    pub(crate) fn shown(&self) -> String {
        format!("{}\n{}", self.status, self.text)
    }
}

pub(crate) fn sign_up_form(username: &str) -> Value {
    json!({
        "username": username, "email": format!("{username}@example.org"),
        "password": "correct horse", "password2": "correct horse", "first_name": "Ada", "last_name": "Lovelace",
    })
}

/// A router tells its paths in its debugging output and nowhere else.
fn paths_of(router: &axum::Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let paths = text.split("RouteId(").filter_map(|piece| {
        let (number, rest) = piece.split_once("): \"")?;
        number.parse::<u32>().ok()?;
        Some(rest.split_once('"')?.0.to_owned())
    });
    paths.filter(|path| !path.contains("axum_fallback")).collect()
}

fn count_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => count_files(&entry.path()),
        false => 1,
    };
    entries.map(|entry| count(entry.unwrap())).sum()
}
