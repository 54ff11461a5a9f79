//! `cutetube serve`

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, Environment, role_flag, search_path};
use crate::{AppState, config::Role, http, metrics, telemetry, videos, workers};

/// Serve pages, the API and media, and work on uploads.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigArgs,
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Which parts run in this process [default: all]
    #[arg(long, value_enum)]
    role: Option<Role>,
}

/// Work on uploads, and serve nothing: `serve --role worker`.
#[derive(Debug, Args)]
pub(super) struct Worker {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Worker {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        Serve { config: self.config, listen: None, role: Some(Role::Worker) }.run(env).await
    }
}

impl Serve {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let mut flags = Vec::new();
        flags.extend(self.listen.map(|listen| ("server.listen", listen.to_string())));
        flags.extend(self.role.map(role_flag));
        let search_path = search_path(&env);
        let config = self.config.load(env, flags)?;
        telemetry::init(&config.log)?;
        let state = AppState::open(config, &search_path).await?;
        run(state).await
    }
}

/// Runs the parts that the role names until the process is told to stop, or one of them cannot go on.
pub(super) async fn run(state: AppState) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut signals = Signals::new()?;
    let told_twice = async {
        signals.next().await;
        tracing::info!(
            "stopping: running requests are finished, and jobs handed back; a second signal is not so patient"
        );
        stop.cancel();
        signals.next().await;
    };
    tokio::select! {
        done = run_until(&state, &stop) => done,
        () = told_twice => anyhow::bail!("stopped by a second signal; jobs in hand wait until their leases run out"),
    }
}

async fn run_until(state: &AppState, stop: &CancellationToken) -> anyhow::Result<()> {
    let role = state.config.role;
    let web = async { if role == Role::Worker { Ok(()) } else { serve(state.clone(), stop.clone()).await } };
    let metrics = metrics::server::serve(state.clone(), stop.clone());
    tokio::try_join!(web, workers::run(state.clone(), stop.clone()), metrics)?;
    state.traces.flush().await;
    state.db.close().await;
    Ok(())
}

async fn serve(state: AppState, stop: CancellationToken) -> anyhow::Result<()> {
    let listen = state.config.server.listen;
    let transport = http::Transport::open(&state.config.server.tls)?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on `{listen}`"))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "listening on {}://{address}", transport.scheme());
    tokio::spawn(index_older(state.clone()));
    http::serve(state, listener, transport, stop).await;
    Ok(())
}

/// Not waited for: whoever looks for what is not indexed yet finds it a little later.
async fn index_older(state: AppState) {
    if let Err(error) = videos::actions::index_older(&state).await {
        http::log_internal(&error);
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
