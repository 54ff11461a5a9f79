//! `cutetube healthcheck`

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Client, Response, Url, redirect};

use super::{Advised, ConfigArgs, Environment, print};
use crate::{
    config::{Config, Role},
    tls,
};

/// Ask a running process on this machine whether it lives.
///
/// It is asked at `/healthz`, where the configuration says that it listens; a process that only works, and has
/// `metrics.listen`, is asked there. The status is 0 when it answers. For containers, which have no curl.
#[derive(Debug, Args)]
pub(super) struct HealthCheck {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to ask instead, e.g. http://127.0.0.1:8080/readyz
    #[arg(long)]
    url: Option<Url>,
}

/// What shows that a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// That it answers. Metrics are kept to whoever has the token, and need a database that may be away: a process that
    /// says so lives.
    Answer,
    /// That it answers with success.
    Success,
}

/// Who asks, asks again soon.
const PATIENCE: Duration = Duration::from_secs(4);

impl HealthCheck {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let (url, proof) = match self.url {
            Some(url) => (url, Proof::Success),
            None => place(&self.config.load(env, Vec::new())?)?,
        };
        let status = ask(&url).await.with_context(|| format!("nobody answers at `{url}`"))?.status();
        if proof == Proof::Success && !status.is_success() {
            bail!("`{url}` answers {status}");
        }
        print(&format!("`{url}` answers {status}"))
    }
}

async fn ask(url: &Url) -> reqwest::Result<Response> {
    tls::provide();
    // A proxy for the world beyond does not lead to this machine.
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(PATIENCE).build()?;
    client.get(url.clone()).send().await
}

/// Where a process with this configuration can be asked.
fn place(config: &Config) -> anyhow::Result<(Url, Proof)> {
    let (listen, path, proof) = match (config.role, config.metrics.listen) {
        (Role::All | Role::Web, _) => (config.server.listen, "healthz", Proof::Success),
        (Role::Worker, Some(listen)) => (listen, "metrics", Proof::Answer),
        (Role::Worker, None) => {
            let sentence = "a process that only works listens nowhere";
            return Err(Advised::new(sentence, "set `metrics.listen`, e.g. to `127.0.0.1:9464`").into());
        }
    };
    Ok((format!("http://{}/{path}", reachable(listen)).parse()?, proof))
}

/// What listens on all addresses of this machine listens on its loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(address) if address.ip().is_unspecified() => ([127, 0, 0, 1], address.port()).into(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => {
            (std::net::Ipv6Addr::LOCALHOST, address.port()).into()
        }
        listen => listen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(role: Role, server: &str, metrics: Option<&str>) -> String {
        let mut config = Config { role, ..Config::default() };
        config.server.listen = server.parse().unwrap();
        config.metrics.listen = metrics.map(|listen| listen.parse().unwrap());
        place(&config).map_or_else(|error| error.to_string(), |(url, proof)| format!("{url} {proof:?}"))
    }

    #[test]
    fn a_process_is_asked_where_it_listens() {
        let said = [
            asked(Role::All, "0.0.0.0:8080", None),
            asked(Role::Web, "[::]:80", Some("127.0.0.1:9464")),
            asked(Role::Web, "192.0.2.1:8080", None),
            asked(Role::Worker, "0.0.0.0:8080", Some("0.0.0.0:9464")),
            asked(Role::Worker, "0.0.0.0:8080", None),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        http://127.0.0.1:8080/healthz Success
        http://[::1]/healthz Success
        http://192.0.2.1:8080/healthz Success
        http://127.0.0.1:9464/metrics Answer
        a process that only works listens nowhere
        ");
    }
}
