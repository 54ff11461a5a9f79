//! `cutetube publish`

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use futures_util::TryStreamExt;
use reqwest::{
    Client, RequestBuilder, Url,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::{Advised, print};
use crate::{
    progress::{Progress, Unit},
    tls,
};

/// Upload a video to a running server.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The video, .mp4 or .mov
    file: PathBuf,
    /// The server
    #[arg(long, value_name = "URL", env = "CUTETUBE_SERVER_URL", default_value = "http://127.0.0.1:8080")]
    server: Url,
    /// Its title [default: the file's name]
    #[arg(long)]
    title: Option<String>,
    /// What it is about
    #[arg(long, default_value = "")]
    description: String,
    /// E-mail address or user name to log in with
    #[arg(long, env = "CUTETUBE_CREDENTIAL")]
    credential: Option<String>,
    /// Password to log in with; the variable keeps it out of the list of processes
    #[arg(long, env = "CUTETUBE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Make the account first, if the user name is free, with this e-mail address
    #[arg(long, value_name = "EMAIL")]
    sign_up: Option<String>,
    /// Stay until the video plays, and show how far it is
    #[arg(long)]
    wait: bool,
}

/// Between two looks at how far the video is.
const POLL: Duration = Duration::from_millis(500);

impl Publish {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        tls::provide();
        let server = Server { client: Client::new(), url: self.server.clone() };
        let token = self.token(&server).await?;
        let id = self.upload(&server, &token).await?;
        let video = server.video(&id, &token).await?;
        print(&format!("watch {}", text(&video, "/watch")))?;
        if self.wait {
            let ready = server.wait(&id, &token).await?;
            print(&format!("dash  {}", text(&ready, "/playback/dash")))?;
            print(&format!("hls   {}", text(&ready, "/playback/hls")))?;
        }
        Ok(())
    }

    async fn token(&self, server: &Server) -> anyhow::Result<String> {
        let (Some(credential), Some(password)) = (&self.credential, &self.password) else {
            let hint = "set CUTETUBE_CREDENTIAL and CUTETUBE_PASSWORD, or give --credential and --password";
            return Err(Advised::new("nobody to log in as", hint).into());
        };
        if let Some(email) = &self.sign_up {
            let form = json!({
                "username": credential, "email": email, "password": password, "password2": password,
                "first_name": credential, "last_name": credential,
            });
            let (status, answer) = server.send(server.post("/api/v3/auth/signup/").json(&form)).await?;
            let taken = !answer["user"]["detail"]["username"].is_null();
            if !status.is_success() && !taken {
                bail!("the server refused the account: {}", answer["user"]["detail"]);
            }
        }
        let form = json!({ "credential": credential, "password": password });
        let (status, answer) = server.send(server.post("/api/v3/auth/login/").json(&form)).await?;
        match answer["user"]["token"]["access"].as_str() {
            Some(token) if status.is_success() => Ok(token.to_owned()),
            _ => Err(Advised::new(
                format!("the server did not let `{credential}` in: {}", answer["user"]["detail"]),
                "--sign-up EMAIL makes the account first",
            )
            .into()),
        }
    }

    /// Streams the file; answers the video's id.
    async fn upload(&self, server: &Server, token: &str) -> anyhow::Result<String> {
        let shown = self.file.display();
        let file =
            tokio::fs::File::open(&self.file).await.with_context(|| format!("cannot open `{shown}`"))?;
        let len = file.metadata().await?.len();
        let name = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();

        let mut progress = Progress::new("uploading", len, Unit::Bytes);
        let mut sent = 0;
        let bytes = ReaderStream::with_capacity(file, 1 << 18).inspect_ok(move |bytes| {
            sent += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            progress.set(sent, "");
        });
        let form = Form::new()
            .text("title", self.title.clone().unwrap_or(stem))
            .text("description", self.description.clone())
            .part("video", Part::stream_with_length(reqwest::Body::wrap_stream(bytes), len).file_name(name));
        let request = server.post("/api/v5/videos").bearer_auth(token).multipart(form);
        let (status, answer) = server.send(request).await?;
        match answer["id"].as_str() {
            Some(id) if status.is_success() => Ok(id.to_owned()),
            _ => bail!("the server refused `{shown}` ({status}): {}", reason(&answer)),
        }
    }
}

struct Server {
    client: Client,
    url: Url,
}

impl Server {
    fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.at(path))
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<(reqwest::StatusCode, Value)> {
        let answer = request.send().await.map_err(|error| {
            let sentence = format!("the server at `{}` did not answer: {}", self.url, root_cause(&error));
            Advised::new(sentence, "is `cutetube serve` running there? --server names another one")
        })?;
        let status = answer.status();
        let body = answer.bytes().await.context("the server's answer broke off")?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    async fn video(&self, id: &str, token: &str) -> anyhow::Result<Value> {
        let request = self.client.get(self.at(&format!("/api/v5/videos/{id}"))).bearer_auth(token);
        let (status, video) = self.send(request).await?;
        if !status.is_success() {
            bail!("the server does not know the video `{id}` ({status})");
        }
        Ok(video)
    }

    /// Until the video plays or has failed.
    async fn wait(&self, id: &str, token: &str) -> anyhow::Result<Value> {
        let mut progress = Progress::new("processing", 100, Unit::Percent);
        loop {
            let video = self.video(id, token).await?;
            match text(&video, "/state") {
                "ready" => {
                    progress.finish();
                    return Ok(video);
                }
                "failed" => bail!("the video failed: {}", text(&video, "/error")),
                _ => progress.set(video["percent"].as_u64().unwrap_or(0), ""),
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// What is wrong with a field says more than that there is one.
fn reason(problem: &Value) -> &str {
    let of_field = text(problem, "/errors/0/detail");
    if of_field.is_empty() { text(problem, "/detail") } else { of_field }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
