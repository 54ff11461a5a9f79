//! Who may read metrics: whoever has the token; without one, only processes on this machine.

use std::net::SocketAddr;

use axum::http::HeaderMap;

use crate::{accounts::bearer, config::Config};

/// By which door a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// The server for everybody.
    Public,
    /// The listener for metrics.
    Own,
}

/// Why metrics are not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is a token, and the request does not have it.
    Token,
    /// There is none, and the client is not on this machine, or a proxy may stand before it.
    Elsewhere,
}

/// What a proxy adds to a request. Only that they are there is looked at: what they say, anybody may have written.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// Whether the client at `peer` may read metrics.
///
/// A proxy on this machine brings requests of the whole world from the loopback address. So without a token the public
/// door is closed as soon as `server.public_url` says that there is a world, or a header says that there is a proxy.
pub(super) fn check(
    config: &Config,
    door: Door,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    if let Some(token) = &config.metrics.token {
        let is_it = bearer(headers).is_some_and(|given| token.is(given));
        return if is_it { Ok(()) } else { Err(Refusal::Token) };
    }
    let is_published = door == Door::Public && config.server.public_url.is_some();
    let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
    let is_here = peer.ip().to_canonical().is_loopback();
    if is_here && !is_published && !is_forwarded { Ok(()) } else { Err(Refusal::Elsewhere) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const HERE: &str = "127.0.0.1:5000";
    const ELSEWHERE: &str = "192.0.2.1:5000";

    /// Asked from `peer` with these headers.
    fn asked(
        config: &Config,
        door: Door,
        peer: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<(), Refusal> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        check(config, door, peer.parse().unwrap(), &headers)
    }

    #[test]
    fn without_a_token_only_this_machine_is_told() {
        let config = Config::default();
        for door in [Door::Public, Door::Own] {
            assert_eq!(asked(&config, door, HERE, &[]), Ok(()));
            assert_eq!(asked(&config, door, "[::1]:5000", &[]), Ok(()));
            assert_eq!(asked(&config, door, "[::ffff:127.0.0.1]:5000", &[]), Ok(()));
            assert_eq!(asked(&config, door, ELSEWHERE, &[]), Err(Refusal::Elsewhere));
            // What a header says of the client is not believed, in neither direction.
            assert_eq!(
                asked(&config, door, ELSEWHERE, &[("x-forwarded-for", "127.0.0.1")]),
                Err(Refusal::Elsewhere)
            );
            assert_eq!(
                asked(&config, door, HERE, &[("x-forwarded-for", "127.0.0.1")]),
                Err(Refusal::Elsewhere)
            );
        }
        let mut published = Config::default();
        published.server.public_url = Some("https://videos.example.org".to_owned());
        assert_eq!(asked(&published, Door::Public, HERE, &[]), Err(Refusal::Elsewhere));
        assert_eq!(asked(&published, Door::Own, HERE, &[]), Ok(()));
    }

    #[test]
    fn a_token_opens_from_everywhere_and_nothing_else_does() {
        let mut config = Config::default();
        config.metrics.token = Some(Secret::new("a long and secret word".to_owned()));
        let right = ("authorization", "Bearer a long and secret word");
        assert_eq!(asked(&config, Door::Public, ELSEWHERE, &[right, ("via", "proxy")]), Ok(()));
        assert_eq!(asked(&config, Door::Public, HERE, &[]), Err(Refusal::Token));
        assert_eq!(
            asked(&config, Door::Own, HERE, &[("authorization", "Bearer a long")]),
            Err(Refusal::Token)
        );
        assert_eq!(asked(&config, Door::Own, HERE, &[("authorization", "Basic YTpi")]), Err(Refusal::Token));
    }
}
