//! The program as operators run it: processes over one data folder, one database and one store.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use catalog::{
    ids::Revision,
    outputs::{self, Contents},
};
use db::{Backend, Db, Settings};
use jobs::JobSummary;
use reqwest::{Client, Method, StatusCode, multipart};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::Database;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::clip;

/// Longest wait for anything: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(150);

/// What lasts longer than a process.
pub(crate) struct Platform {
    pub(crate) db: Db,
    pub(crate) client: Client,
    token: String,
    folder: TempDir,
    database: Database,
    settings: Vec<(&'static str, String)>,
    log: Arc<Mutex<String>>,
}

/// A running process of the program.
pub(crate) struct Process {
    child: Child,
    /// `http://…`; empty for one that only works.
    pub(crate) url: String,
}

/// A video as the API shows it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) state: String,
    pub(crate) json: Value,
}

/// The part that a process plays.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    All,
    Web,
    Worker,
}

impl Platform {
    pub(crate) async fn new(database: Database) -> Self {
        Self::with(database, &[]).await
    }

    /// With variables that are set for every process.
    pub(crate) async fn with(database: Database, settings: &[(&'static str, String)]) -> Self {
        let platform = Self::blank(database, settings).await;
        platform.db.migrate(catalog::MIGRATIONS).await.unwrap();
        platform
    }

    /// The same without a table in the database.
    pub(crate) async fn blank(database: Database, settings: &[(&'static str, String)]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("cutetube.toml"), clip::SETTINGS).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let db = Db::connect(&Settings::new(database.url().parse().unwrap())).await.unwrap();
        Self {
            db,
            client: Client::new(),
            token: String::new(),
            folder,
            database,
            settings: settings.to_vec(),
            log: Arc::default(),
        }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The data folder of another machine.
    pub(crate) fn data_of(&self, machine: &str) -> PathBuf {
        self.folder.path().join(machine)
    }

    /// From here on processes start without this variable.
    pub(crate) fn unset(&mut self, variable: &str) {
        self.settings.retain(|(name, _)| *name != variable);
    }

    /// From here on processes start with this variable.
    pub(crate) fn set(&mut self, variable: &'static str, value: String) {
        self.unset(variable);
        self.settings.push((variable, value));
    }

    /// Whether the database is one that several machines could share.
    pub(crate) fn is_on_a_server(&self) -> bool {
        self.db.backend() == Backend::Postgres
    }

    /// Whether any process has said this.
    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log.lock().unwrap().contains(text)
    }

    /// The program with the settings of this platform, for one command.
    pub(crate) fn command(&self) -> std::process::Command {
        let mut command = clip::program();
        command.current_dir(self.folder.path()).env("CUTETUBE_DATABASE__URL", self.database.url());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) async fn start(&self) -> Process {
        self.start_as(Role::All).await
    }

    /// Starts a process, and returns when it listens or takes jobs.
    pub(crate) async fn start_as(&self, role: Role) -> Process {
        self.start_through(role, clip::program()).await
    }

    /// The same with a command that ends up as the program.
    pub(crate) async fn start_through(&self, role: Role, command: std::process::Command) -> Process {
        self.start_on(role, command, &self.data()).await
    }

    /// The same on another data folder.
    pub(crate) async fn start_on(
        &self,
        role: Role,
        mut command: std::process::Command,
        data: &Path,
    ) -> Process {
        let (name, sign) = match role {
            Role::All => ("all", "listening on "),
            Role::Web => ("web", "listening on "),
            Role::Worker => ("worker", " takes jobs"),
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--role", name, "--data"]).arg(data);
        command.current_dir(self.folder.path()).env("CUTETUBE_DATABASE__URL", self.database.url());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        let mut child = Command::from(command)
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (announce, mut announced) = watch::channel(None);
        let log = self.log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, rest)) = line.split_once(sign) {
                    let _ =
                        announce.send(Some(rest.split_whitespace().next().unwrap_or_default().to_owned()));
                }
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let ready = timeout(PATIENCE, announced.wait_for(Option::is_some)).await;
        let url = ready.expect("it starts in time").expect("it starts").clone().unwrap();
        Process { child, url: if url.starts_with("http") { url } else { String::new() } }
    }

    /// Signs up, and uploads the clip. Answers the video's id.
    pub(crate) async fn upload(&mut self, process: &Process) -> String {
        self.upload_file(process, clip::file()).await
    }

    /// The same with another file.
    pub(crate) async fn upload_file(&mut self, process: &Process, file: Vec<u8>) -> String {
        let answer = self.send(process, file.into()).await.send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["data"]["video_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The request that uploads a file.
    pub(crate) async fn send(&mut self, process: &Process, file: reqwest::Body) -> reqwest::RequestBuilder {
        if self.token.is_empty() {
            self.sign_up(&process.url).await;
        }
        self.request_to_upload(&process.url, file)
    }

    fn request_to_upload(&self, server: &str, file: reqwest::Body) -> reqwest::RequestBuilder {
        let clip = multipart::Part::stream(file).file_name("clip.mp4");
        let form = multipart::Form::new().text("title", "Clip").part("video", clip);
        let url = format!("{server}/api/v3/vod/initiate-task/upload/");
        self.client.post(url).bearer_auth(&self.token).multipart(form)
    }

    /// Makes the account that owns everything.
    pub(crate) async fn sign_up(&mut self, server: &str) {
        let form = json!({
            "username": "ada", "email": "ada@example.org", "password": "correct horse",
            "password2": "correct horse", "first_name": "Ada", "last_name": "Lovelace",
        });
        let url = format!("{server}/api/v3/auth/signup/");
        let answer: Value = self.client.post(url).json(&form).send().await.unwrap().json().await.unwrap();
        self.token = answer["user"]["token"]["access"].as_str().unwrap().to_owned();
    }

    /// Who the owner is.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Tries to upload the clip.
    pub(crate) async fn send_clip(&self, server: &str) -> reqwest::Result<reqwest::Response> {
        let request = self.request_to_upload(server, clip::file().into());
        request.timeout(Duration::from_secs(30)).send().await?.error_for_status()
    }

    /// Sends a request without a body as the owner.
    pub(crate) async fn ask(&self, process: &Process, method: Method, path: &str) -> StatusCode {
        let request = self.client.request(method, format!("{}{path}", process.url));
        request.bearer_auth(&self.token).send().await.unwrap().status()
    }

    pub(crate) async fn see(&self, process: &Process, video: &str) -> Seen {
        let url = format!("{}/api/v5/videos/{video}", process.url);
        let json: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        Seen { state: json["state"].as_str().unwrap_or("gone").to_owned(), json }
    }

    /// Waits until processing has ended, and tells how.
    pub(crate) async fn ended(&self, process: &Process, video: &str) -> Seen {
        let mut listener = self.db.listen(jobs::CHANNEL).await.unwrap();
        let waiting = async {
            loop {
                let seen = self.see(process, video).await;
                if !matches!(seen.state.as_str(), "uploaded" | "processing") {
                    return seen;
                }
                listener.wait(Duration::from_millis(200)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("video `{video}` is stuck"))
    }

    /// Waits until the jobs of a video are as wanted.
    pub(crate) async fn until(&self, video: &str, mut wanted: impl FnMut(&[JobSummary]) -> bool) {
        let mut listener = self.db.listen(jobs::CHANNEL).await.unwrap();
        let group = catalog::work::group(video.parse().unwrap());
        let waiting = async {
            while !wanted(&jobs::group(&self.db, &group).await.unwrap()) {
                listener.wait(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the jobs get there");
    }

    /// Waits until every job has ended, those that carry events included.
    pub(crate) async fn until_idle(&self) {
        let mut listener = self.db.listen(jobs::CHANNEL).await.unwrap();
        let waiting = async {
            while jobs::unfinished(&self.db).await.unwrap() > 0 {
                listener.wait(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the jobs end");
    }

    /// The video plays, exactly; nothing is left over anywhere.
    pub(crate) async fn check_ready(&self, process: &Process, video: &str) {
        self.check_ready_in(process, video, &self.data().join("blobs")).await;
    }

    /// The same for a store elsewhere.
    pub(crate) async fn check_ready_in(&self, process: &Process, video: &str, blobs: &Path) {
        self.check_ready_with(process, video, async || clip::objects_below(blobs)).await;
    }

    /// The same for a store whose objects `look` tells.
    pub(crate) async fn check_ready_with(
        &self,
        process: &Process,
        video: &str,
        look: impl AsyncFnOnce() -> clip::Objects,
    ) {
        self.ended(process, video).await;
        self.check_made(process, video, &look().await).await;
        self.until_idle().await;
        assert_eq!(process.children(), Vec::<u32>::new());
    }

    /// The video plays, exactly, and of all that is stored it has what an undisturbed run makes, and no more.
    pub(crate) async fn check_made(&self, process: &Process, video: &str, objects: &clip::Objects) {
        let seen = self.see(process, video).await;
        assert_eq!(seen.state, "ready", "{}", seen.json);
        let revision = seen.json["playback"]["hls"].as_str().unwrap().rsplit('/').nth(1).unwrap().to_owned();
        let folder = format!("vod-media/{video}/{revision}/");
        let made = clip::made().iter().map(|name| format!("{folder}{name}"));
        let expected: BTreeSet<String> = made.chain([format!("sources/{video}/source.mp4")]).collect();
        let found = objects.keys().filter(|name| name.contains(video)).cloned().collect();
        assert_eq!(expected, found);
        self.check_recorded(video, &revision, objects).await;
        for (manifest, times) in ["dash", "hls"].into_iter().zip(clip::times()) {
            let url = seen.json["playback"][manifest].as_str().unwrap().to_owned();
            let decoded = tokio::task::spawn_blocking(move || clip::decoded_times(&url)).await.unwrap();
            assert_eq!(&decoded, times, "{manifest}");
        }
    }

    /// Every object that the catalogue has is the one that is stored.
    async fn check_recorded(&self, video: &str, revision: &str, objects: &clip::Objects) {
        let revision = Revision::new(revision.parse().unwrap()).unwrap();
        let contents: Contents<Value> =
            outputs::contents(&self.db, video.parse().unwrap(), revision).await.unwrap();
        let media = contents.renditions.iter().flat_map(|rendition| &rendition.objects);
        let media = media.map(|object| (&object.key, (object.bytes, object.sha256)));
        let images = contents.images.iter().map(|image| (&image.key, (image.bytes, image.sha256)));
        for (key, recorded) in media.chain(images) {
            assert_eq!(objects[key], recorded, "`{key}` is not what was recorded");
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "what the processes said helps to find out why")]
            let () = eprintln!("{}", self.log.lock().unwrap());
        }
    }
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Its ffmpeg processes.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    /// SIGKILL, after which its children are gone too.
    pub(crate) async fn kill(mut self) {
        let children = self.children();
        self.child.kill().await.unwrap();
        until(|| children.iter().all(|child| !is_alive(*child))).await;
    }

    /// SIGTERM; answers when it has ended, in order.
    pub(crate) async fn stop(self) {
        self.signal(Signal::TERM);
        self.ended().await;
    }

    /// Waits until it has ended, in order.
    pub(crate) async fn ended(mut self) {
        let ended = timeout(PATIENCE, self.wait()).await.expect("it ends");
        assert!(ended.success(), "{ended}");
    }

    /// Waits until it has ended, however it does.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// How many jobs of a kind are in a state.
pub(crate) fn count(jobs: &[JobSummary], kind: &str, state: jobs::State) -> usize {
    jobs.iter().filter(|job| job.kind == kind && job.state == state).count()
}

/// Waits for what another process is about to do, and does not tell of.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect("it happens");
}

/// Programs that have outlived the process that started them, and run. Where this process is their reaper they are its
/// children.
pub(crate) fn orphaned_programs() -> Vec<u32> {
    let name = |process: &u32| fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let mut children = children_of(std::process::id());
    children.retain(|child| ["ffmpeg", "ffprobe"].contains(&name(child).trim_end()));
    children
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes
        .filter(|process| stat(*process).is_some_and(|(state, of)| of == parent && state != "Z"))
        .collect()
}

fn is_alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z")
}

/// State and parent of a process (proc_pid_stat(5)); its name may hold anything.
fn stat(process: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
