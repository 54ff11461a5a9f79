//! Connections: HTTP/1.1 and HTTP/2 on one port, and how long a client may take to ask and to listen.
//!
//! A client that sends its headers a byte at a time costs a connection for as long as it likes, so there is a time by
//! which a request has to be complete up to its body. What a body may take is up to whoever reads it. A client that
//! reads its answers a byte at a time is let go in [`Connection`].

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo, http::Request, response::Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt, service_fn};

use super::{connection::Connection, pace::Pace, tls::Transport};
use crate::config::Limits;

/// How long clients are waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Until the headers of a request are there, the first ones from when the client connects.
    headers: Duration,
    /// While the client reads.
    reading: Pace,
}

impl Patience {
    pub(crate) fn of(limits: &Limits) -> Self {
        Self { headers: Duration::from_secs(limits.header_seconds), reading: Pace::of_answers(limits) }
    }
}

/// Answers on `listener` until `stop`; resolves when every request that was begun by then is answered.
pub(crate) async fn run(
    app: impl App,
    listener: TcpListener,
    transport: Transport,
    patience: Patience,
    stop: CancellationToken,
) {
    let connections = GracefulShutdown::new();
    let builder = builder(patience.headers);
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                let guest = Guest { stream, peer, watcher: connections.watcher() };
                tokio::spawn(serve(builder.clone(), app.clone(), transport.clone(), guest, patience));
            }
            // The client went away, or there are too many open files. The latter passes when connections end.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                stop.run_until_cancelled(tokio::time::sleep(AFTER_A_FAILURE)).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// What answers requests, a router for instance.
pub(crate) trait App:
    Service<Request<Body>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<A> App for A where
    A: Service<Request<Body>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

const AFTER_A_FAILURE: Duration = Duration::from_millis(100);

fn builder(patience: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    // Whoever does not answer a ping is gone.
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(patience)
        .keep_alive_timeout(patience)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST_BYTES);
    builder
}

/// Requests that one HTTP/2 connection may have open at once.
const STREAMS: u32 = 128;
const HEADER_LIST_BYTES: u32 = 32 << 10;

/// Somebody who has connected.
struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    watcher: Watcher,
}

async fn serve(
    builder: Builder<TokioExecutor>,
    app: impl App,
    transport: Transport,
    Guest { stream, peer, watcher }: Guest,
    patience: Patience,
) {
    // Answers are written in pieces that are as large as they get: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let has_asked = Arc::new(AtomicBool::new(false));
    let asked = has_asked.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request)
    });
    let entering = transport.enter(Connection::new(stream, patience.reading));
    let stream = match tokio::time::timeout(patience.headers, entering).await {
        Ok(Ok(stream)) => TokioIo::new(stream),
        Ok(Err(error)) => {
            tracing::debug!(peer = %peer, error = &error as &dyn std::error::Error, "a handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!(peer = %peer, "a client connected and did not finish its handshake");
            return;
        }
    };
    let connection = builder.serve_connection(stream, TowerToHyperService::new(service));
    let connection = watcher.watch(connection.into_owned());
    // Before a first line there is no version of HTTP, and no timer of that version.
    let never_asks = async {
        tokio::time::sleep(patience.headers).await;
        if has_asked.load(Ordering::Relaxed) {
            std::future::pending::<Infallible>().await;
        }
    };
    tokio::select! {
        // What goes wrong with a connection is the client's business.
        ended = connection => if let Err(error) = ended {
            tracing::debug!(peer = %peer, error, "a connection ended early");
        },
        () = never_asks => tracing::debug!(peer = %peer, "a client connected and did not ask"),
    }
}
