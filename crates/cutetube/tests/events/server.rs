//! The program as operators run it: a process that serves and carries events, and has no ffmpeg.

use std::{fs, net::SocketAddr, process::Stdio, time::Duration};

use catalog::{
    accounts::{self, Role},
    endings,
    ids::{ProcessId, VideoId},
    names::{Description, SourceExtension, SourceName, Tags, Title},
    outputs::{self, NewPlan},
    videos::{self, NewVideo, Protection, Source, Visibility},
    work::{PIPELINE_QUEUE, Work},
};
use db::{Db, Settings};
use jobs::{Claim, Job, WorkerId};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::Database;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

/// Longest wait for anything: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A platform, and the process that runs it while it runs.
pub(crate) struct Server {
    pub(crate) db: Db,
    url: String,
    client: Client,
    folder: TempDir,
    database: Database,
    settings: Vec<(&'static str, String)>,
    process: Option<Child>,
    videos: u64,
    /// What the process has said since it listened.
    said: Option<mpsc::UnboundedReceiver<String>>,
}

/// Receivers are on this machine, and failures are tried again at once.
const SETTINGS: [(&str, &str); 5] = [
    ("CUTETUBE_ACCOUNTS__VERIFICATION", "off"),
    ("CUTETUBE_EVENTS__ALLOW_PRIVATE_NETWORKS", r#"["127.0.0.0/8", "::1/128"]"#),
    ("CUTETUBE_EVENTS__RETRY_SECONDS", "[0, 0, 0, 0, 0, 0]"),
    ("CUTETUBE_SERVER__PUBLIC_URL", "https://videos.example.org"),
    ("CUTETUBE_LIMITS__RATE", "off"),
];

impl Server {
    pub(crate) async fn start(database: Database) -> Self {
        Self::start_with(database, &[]).await
    }

    /// With variables that win over [`SETTINGS`].
    pub(crate) async fn start_with(database: Database, settings: &[(&'static str, String)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let db = Db::connect(&Settings::new(database.url().parse().unwrap())).await.unwrap();
        db.migrate(catalog::MIGRATIONS).await.unwrap();
        let mut server = Self {
            db,
            url: String::new(),
            client: Client::new(),
            folder: TempDir::new().unwrap(),
            database,
            settings: SETTINGS.map(|(name, value)| (name, value.to_owned())).to_vec(),
            process: None,
            videos: 0,
            said: None,
        };
        server.settings.extend_from_slice(settings);
        server.run().await;
        server
    }

    /// Ends the process with SIGKILL, wherever it is.
    pub(crate) async fn kill(&mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }

    /// Starts the process, when it does not run.
    pub(crate) async fn run(&mut self) {
        let mut child = self
            .program()
            .args(["serve", "--role", "web", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, url)) = line.split_once("listening on ") {
                    return url.split_whitespace().next().unwrap().to_owned();
                }
            }
            panic!("it ended before it listened")
        };
        self.url = timeout(PATIENCE, listening).await.expect("it starts in time");
        let (tell, said) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                // Most tests do not listen.
                let _ = tell.send(line);
            }
        });
        self.said = Some(said);
        self.process = Some(child);
    }

    /// The next line of the log with this text.
    pub(crate) async fn next_line_with(&mut self, text: &str) -> String {
        let said = self.said.as_mut().expect("it has been started");
        let searching = async {
            loop {
                let line = said.recv().await.expect("the process runs");
                if line.contains(text) {
                    return line;
                }
            }
        };
        timeout(PATIENCE, searching).await.expect("it is said in time")
    }

    /// From here on processes start with this variable.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.settings.push((name, value.to_owned()));
    }

    /// The program with this platform's settings, and none of the tester's own.
    pub(crate) fn program(&self) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut program = Command::new(env!("CARGO_BIN_EXE_cutetube"));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CUTETUBE_"))
        {
            program.env_remove(name);
        }
        program.current_dir(self.folder.path()).env("CUTETUBE_DATABASE__URL", self.database.url());
        program.env("CUTETUBE_DATA", self.folder.path().join("data"));
        program.env("CUTETUBE_LIMITS__RATE", "off");
        program.envs(self.settings.iter().map(|(name, value)| (name, value)));
        program
    }

    /// What `cutetube doctor` finds about a part.
    pub(crate) async fn doctor(&self, part: &str) -> String {
        let done = self.program().arg("doctor").output().await.unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        let line = said.lines().find(|line| line.contains(&format!(" {part}: ")));
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// Makes an account with the address `{username}@example.org`, and answers its access token.
    pub(crate) async fn sign_up(&self, username: &str) -> String {
        let form = json!({
            "username": username, "email": format!("{username}@example.org"), "password": "correct horse",
            "password2": "correct horse", "first_name": "Ada", "last_name": "Lovelace",
        });
        let answer = self.ask(Method::POST, "/api/v3/auth/signup/", "", Some(form)).await;
        answer.1["user"]["token"]["access"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    pub(crate) async fn promote(&self, username: &str) {
        let found = accounts::find_by_credential(&self.db, username).await.unwrap().unwrap();
        accounts::set_role(&self.db, found.user.id, Role::Admin).await.unwrap();
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Value {
        let (status, json) = self.ask(Method::GET, path, token, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {json}");
        json
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Value {
        let (status, json) = self.ask(Method::POST, path, token, Some(body)).await;
        assert!(status.is_success(), "{path}: {status} {json}");
        json
    }

    /// Makes a webhook for all events of its owner, and answers it with its secret.
    pub(crate) async fn hook(&self, token: &str, url: &str) -> Value {
        self.post("/api/v5/webhooks", token, json!({ "url": url })).await
    }

    /// What came of the deliveries to a webhook, the newest event first.
    pub(crate) async fn deliveries(&self, token: &str, hook: &Value) -> Vec<Value> {
        let path = format!("/api/v5/webhooks/{}/deliveries", hook["id"].as_str().unwrap());
        self.get(&path, token).await["deliveries"].as_array().unwrap().clone()
    }

    /// A video whose upload is complete.
    pub(crate) async fn upload(&mut self, username: &str) -> VideoId {
        self.videos += 1;
        let id = VideoId::new(self.videos, &[7; 10]);
        let owner = accounts::find_by_credential(&self.db, username).await.unwrap().unwrap();
        let new = NewVideo {
            id,
            process: ProcessId::new(self.videos, &[8; 10]),
            owner: owner.user.id,
            title: Title::parse("Höhlen & <b>Berge</b>").unwrap(),
            description: Description::parse("").unwrap(),
            tags: Tags::default(),
            claimed_duration: None,
            visibility: Visibility::Public,
            protection: Protection::None,
            source: Source {
                name: SourceName::of_file("clip.mp4"),
                extension: SourceExtension::Mp4,
                key: format!("sources/{id}/source.mp4"),
                bytes: 1,
                sha256: None,
            },
        };
        videos::create(&self.db, &new).await.unwrap().id
    }

    /// A video that plays, as far as the catalogue is concerned.
    pub(crate) async fn ready(&mut self, username: &str) -> VideoId {
        let id = self.upload(username).await;
        let nothing = NewPlan {
            document: json!({}),
            measured_duration: Duration::from_secs(5),
            warnings: Vec::new(),
            renditions: Vec::new(),
            chunks: Vec::new(),
        };
        outputs::record_plan(&self.db, &self.claim().await.lease, id, &nothing).await.unwrap();
        let job = self.claim().await;
        let Work::Publish(publish) = Work::of(&job).unwrap() else { panic!("{job:?}") };
        outputs::publish(&self.db, &job.lease, id, publish.revision).await.unwrap();
        id
    }

    /// A video that failed.
    pub(crate) async fn failed(&mut self, username: &str) -> VideoId {
        let id = self.upload(username).await;
        let lease = self.claim().await.lease;
        endings::reject(&self.db, &lease, "The file is damaged. Upload it again.").await.unwrap();
        id
    }

    async fn claim(&self) -> Job {
        let worker = WorkerId("test".to_owned());
        let claim = Claim {
            worker: &worker,
            queue: PIPELINE_QUEUE,
            kinds: &[],
            min_priority: i64::MIN,
            limit: 1,
            lease: PATIENCE,
        };
        jobs::claim(&self.db, &claim).await.unwrap().pop().unwrap()
    }

    /// Waits until everything that was to be carried has arrived or was given up.
    pub(crate) async fn until_carried(&self) {
        let mut listener = self.db.listen(jobs::CHANNEL).await.unwrap();
        let waiting = async {
            let is_open = |depth: &jobs::Depth| {
                depth.queue == "events" && matches!(depth.state, jobs::State::Ready | jobs::State::Running)
            };
            while jobs::depths(&self.db).await.unwrap().iter().any(is_open) {
                listener.wait(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("everything is carried");
    }
}

/// Code blocks of a language in the documentation.
pub(crate) fn documented(language: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Runs `code` with `input` on its standard input, and answers what it prints.
pub(crate) async fn run(program: &str, arguments: &[&str], input: &Value) -> String {
    #[expect(clippy::disallowed_methods, reason = "what the documentation shows")]
    let mut command = Command::new(program);
    command.args(arguments).arg(input.to_string()).stdin(Stdio::null());
    let done = command.output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
