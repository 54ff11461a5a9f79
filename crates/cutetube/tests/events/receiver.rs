//! A receiver of webhooks.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::AbortHandle, time::timeout};

use crate::server::PATIENCE;

/// Listens on a loopback port, answers what it is told to, and hands on what it was sent.
pub(crate) struct Receiver {
    pub(crate) url: String,
    plan: Plan,
    requests: mpsc::UnboundedReceiver<Request>,
    serving: AbortHandle,
}

/// What it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16),
    Redirect(String),
    /// Nothing, for ever.
    Never,
}

type Plan = Arc<Mutex<VecDeque<Reply>>>;

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::start_on("127.0.0.1").await
    }

    /// Under this name of this machine.
    pub(crate) async fn start_on(host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let url = format!("http://{host}:{}/hook", listener.local_addr().unwrap().port());
        let (sender, requests) = mpsc::unbounded_channel();
        let plan = Plan::default();
        let app = Router::new().route("/hook", post(receive)).with_state((plan.clone(), sender));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }).abort_handle();
        Self { url, plan, requests, serving }
    }

    /// The next answers; after them it is 200.
    pub(crate) fn answer(&self, replies: impl IntoIterator<Item = Reply>) {
        self.plan.lock().unwrap().extend(replies);
    }

    pub(crate) async fn next(&mut self) -> Request {
        timeout(PATIENCE, self.requests.recv()).await.expect("an event arrives").unwrap()
    }

    /// Whether nothing was sent that [`next`](Self::next) has not seen.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }
}

async fn receive(
    State((plan, sender)): State<(Plan, mpsc::UnboundedSender<Request>)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let reply = plan.lock().unwrap().pop_front().unwrap_or(Reply::Status(200));
    sender.send(Request { headers, body }).unwrap();
    match reply {
        Reply::Status(code) => {
            (StatusCode::from_u16(code).unwrap(), Bytes::from(vec![b'x'; 1 << 16])).into_response()
        }
        Reply::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Reply::Never => std::future::pending().await,
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// For a program that checks the signature.
    pub(crate) fn to_be_checked(&self, secret: &str) -> Value {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: Value =
            names.iter().map(|name| ((*name).to_owned(), Value::from(self.header(name)))).collect();
        json!({ "secret": secret, "headers": headers, "body": self.body })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
