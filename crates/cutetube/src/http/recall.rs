//! Refusing a request while its body is still on the way.
//!
//! A server that answers early and closes the connection makes the kernel send a reset, and the client may never see
//! the answer (RFC 9112 §9.6). So what still comes is read and dropped for a while, after the answer is sent.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// A request body that can be taken back from whoever reads it.
#[derive(Debug, Clone)]
pub(crate) struct RecallableBody {
    stream: Arc<Mutex<BodyDataStream>>,
    /// Who asks first whether to send (`Expect: 100-continue`) is told no, and sends nothing.
    comes_unasked: bool,
}

/// How long a refused client may go on sending.
const PATIENCE: Duration = Duration::from_secs(5);
/// And how much: more than what is on the way when the answer is sent.
const MOST_DROPPED: usize = 64 << 20;

/// Around a handler that may refuse what is sent before all of it has come: whoever sends too much reads why.
pub(crate) async fn drain_refused(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = RecallableBody::new(&parts.headers, body);
    let response = next.run(Request::from_parts(parts, body.body())).await;
    if response.status().is_client_error() {
        body.drain();
    }
    response
}

impl RecallableBody {
    /// The body of a request with these headers.
    pub(crate) fn new(headers: &HeaderMap, body: Body) -> Self {
        Self {
            stream: Arc::new(Mutex::new(body.into_data_stream())),
            comes_unasked: !headers.contains_key(header::EXPECT),
        }
    }

    /// A body to hand on; it shares what is read.
    pub(crate) fn body(&self) -> Body {
        Body::from_stream(self.clone())
    }

    /// Reads and drops what still comes, if anything does, in the background, for a short time.
    pub(crate) fn drain(self) {
        if !self.comes_unasked {
            return;
        }
        let rest = async {
            let mut dropped = 0;
            let mut pieces = self;
            while let Some(Ok(piece)) = pieces.next().await
                && dropped < MOST_DROPPED
            {
                dropped += piece.len();
            }
        };
        tokio::spawn(tokio::time::timeout(PATIENCE, rest));
    }
}

impl Stream for RecallableBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        body.poll_next_unpin(context)
    }
}
