//! A client that speaks tus, and no more of it than it is told.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use testbed::Database;

use crate::app::{Answer, TestApp};

pub(super) const UPLOADS: &str = "/api/v5/uploads";
pub(super) const BYTES: &str = "application/offset+octet-stream";

/// Somebody with an account, and a client that speaks tus.
pub(super) struct Tus {
    pub(super) app: TestApp,
    pub(super) token: String,
}

impl Tus {
    pub(super) async fn start() -> Self {
        Self::with(TestApp::start(Database::sqlite()).await).await
    }

    pub(super) async fn with(app: TestApp) -> Self {
        let token = app.sign_up("ada").await;
        Self { app, token }
    }

    pub(super) fn bare(&self, method: Method, url: &str) -> RequestBuilder {
        let url = if url.starts_with("http") { url.to_owned() } else { format!("{}{url}", self.app.url) };
        self.app.client.request(method, url).bearer_auth(&self.token)
    }

    pub(super) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.bare(method, url).header("tus-resumable", "1.0.0")
    }

    pub(super) fn post(&self) -> RequestBuilder {
        self.request(Method::POST, UPLOADS)
            .header("upload-metadata", metadata(&[("filename", "holiday.mp4")]))
    }

    pub(super) fn patch(&self, url: &str, offset: usize, bytes: impl Into<Body>) -> RequestBuilder {
        let request = self.request(Method::PATCH, url).header("upload-offset", offset);
        request.header("content-type", BYTES).body(bytes)
    }

    /// Begins an upload of so many bytes, and answers where it goes.
    pub(super) async fn begin(&self, length: usize) -> String {
        let answer = self.post().header("upload-length", length).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{answer:?}");
        said(&answer, "location").unwrap()
    }

    pub(super) async fn head(&self, url: &str) -> Response {
        self.request(Method::HEAD, url).send().await.unwrap()
    }

    /// How many bytes there are; `None` when there is no such upload.
    pub(super) async fn offset(&self, url: &str) -> Option<usize> {
        said(&self.head(url).await, "upload-offset").map(|offset| offset.parse().unwrap())
    }

    pub(super) async fn until_offset(&self, url: &str, offset: usize) {
        let waiting = async { while self.offset(url).await != Some(offset) {} };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it never gets there");
    }

    pub(super) async fn get(&self, url: &str) -> Value {
        Answer::of(self.bare(Method::GET, url).send().await.unwrap()).await.json
    }
}

pub(super) fn said(response: &Response, header: &str) -> Option<String> {
    response.headers().get(header).map(|value| value.to_str().unwrap().to_owned())
}

pub(super) fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value))).collect();
    pairs.join(",")
}
