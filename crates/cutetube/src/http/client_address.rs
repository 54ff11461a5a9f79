//! Where a request comes from, for whoever counts requests.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use super::Problem;
use crate::{AppState, config::Networks};

/// The address of the client, as far as it can be known without believing the client.
///
/// Proxies that [`trusted_proxies`](crate::config::Server::trusted_proxies) names are looked through: each adds who it
/// heard the request from, so the rightmost address that is not one of theirs is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(IpAddr);

/// Who is counted as one: an IPv4 address, or an IPv6 network of 64 bits, of which every household has one and every
/// machine can use all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientNetwork(IpAddr);

impl ClientAddress {
    /// Who sent a request that came from `peer` with these headers.
    ///
    /// A chain that ends in something that is no address names nobody: then it is the last proxy that is counted. So it
    /// is when both headers are there and name different clients: the proxies maintain one of them, and the other is
    /// what the client made up.
    fn of(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> Self {
        let peer = peer.to_canonical();
        if !trusted.contain(peer) {
            return Self(peer);
        }
        let named = |hops: Vec<Option<IpAddr>>| behind(peer, hops, trusted);
        match (x_forwarded_for(headers).map(named), forwarded(headers).map(named)) {
            (Some(one), Some(other)) if one != other => Self(peer),
            (Some(client), _) | (None, Some(client)) => Self(client),
            (None, None) => Self(peer),
        }
    }

    /// The address itself.
    pub(crate) fn ip(self) -> IpAddr {
        self.0
    }

    /// Who is counted together with it.
    pub(crate) fn network(self) -> ClientNetwork {
        const HOUSEHOLD: u128 = !0 << 64;
        ClientNetwork(match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & HOUSEHOLD)),
        })
    }
}

#[cfg(test)]
impl From<[u8; 4]> for ClientAddress {
    fn from(address: [u8; 4]) -> Self {
        Self(address.into())
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(_) => self.0.fmt(f),
            IpAddr::V6(_) => write!(f, "{}/64", self.0),
        }
    }
}

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let ConnectInfo(peer) = ConnectInfo::<SocketAddr>::from_request_parts(parts, state)
            .await
            .map_err(|missing| Problem::internal(&missing))?;
        Ok(Self::of(peer.ip(), &parts.headers, &state.config.server.trusted_proxies))
    }
}

/// The rightmost of `hops` that is no proxy of ours; the leftmost when all are.
fn behind(peer: IpAddr, hops: Vec<Option<IpAddr>>, trusted: &Networks) -> IpAddr {
    let mut last = peer;
    for hop in hops.into_iter().rev() {
        let Some(hop) = hop else { break };
        last = hop;
        if !trusted.contain(hop) {
            break;
        }
    }
    last
}

/// The hops of `X-Forwarded-For`, the nearest last; `None` for one that is no address.
fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let mut lines = headers.get_all("x-forwarded-for").iter().peekable();
    lines.peek()?;
    let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    Some(hops.map(|hop| address(hop.trim())).collect())
}

/// The hops of `Forwarded` (RFC 7239 §4), the nearest last; `None` for one that is hidden, unknown or malformed.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let mut lines = headers.get_all("forwarded").iter().peekable();
    lines.peek()?;
    let elements = lines.flat_map(|line| split_unquoted(line.to_str().unwrap_or_default(), ','));
    Some(elements.map(forwarded_for).collect())
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut nodes = split_unquoted(element, ';').into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    // A parameter must not come twice.
    let (node, None) = (nodes.next()?, nodes.next()) else { return None };
    let unquoted = node.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    address(unquoted.unwrap_or(node))
}

/// Parts of a list, where a separator between quotes separates nothing.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(|c| {
        let separates = c == separator && !is_quoted;
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = is_quoted && c == '\\' && !is_escaped;
        separates
    })
    .collect()
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = bracketed.unwrap_or(text).parse().ok();
    let address = bare.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Proxies are 10.0.0.0/8 and fd00::/8.
    fn check(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted = Networks::new(["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        ClientAddress::of(peer.parse().unwrap(), &map, &trusted).to_string()
    }

    const XFF: &str = "x-forwarded-for";
    const FORWARDED: &str = "forwarded";

    #[test]
    fn strangers_are_not_believed() {
        assert_eq!(check("198.51.100.7", &[(XFF, "192.0.2.1")]), "198.51.100.7");
        assert_eq!(check("198.51.100.7", &[(FORWARDED, "for=192.0.2.1")]), "198.51.100.7");
        assert_eq!(check("::ffff:198.51.100.7", &[]), "198.51.100.7");
    }

    #[test]
    fn proxies_are_looked_through_as_far_as_they_are_ours() {
        assert_eq!(check("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(check("::ffff:10.0.0.1", &[(XFF, "192.0.2.1")]), "192.0.2.1");
        assert_eq!(check("10.0.0.1", &[(XFF, "203.0.113.9, 192.0.2.1, 10.0.0.2")]), "192.0.2.1");
        assert_eq!(check("10.0.0.1", &[(XFF, "203.0.113.9"), (XFF, "192.0.2.1")]), "192.0.2.1");
        assert_eq!(check("10.0.0.1", &[(XFF, "10.0.0.3, 10.0.0.2")]), "10.0.0.3");
        assert_eq!(check("10.0.0.1", &[(XFF, "192.0.2.1, unknown, 10.0.0.2")]), "10.0.0.2");
        assert_eq!(check("10.0.0.1", &[(XFF, "192.0.2.1:4711")]), "192.0.2.1");
        assert_eq!(check("fd00::1", &[(XFF, "2001:db8::1")]), "2001:db8::1");
        assert_eq!(check("10.0.0.1", &[(XFF, "")]), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_as_the_rfc_says() {
        let forwarded = |value| check("10.0.0.1", &[(FORWARDED, value)]);
        assert_eq!(forwarded("for=192.0.2.1"), "192.0.2.1");
        assert_eq!(forwarded("For=\"[2001:db8::1]:4711\""), "2001:db8::1");
        assert_eq!(forwarded("for=203.0.113.9, for=192.0.2.1;proto=https;by=10.0.0.1"), "192.0.2.1");
        assert_eq!(forwarded("proto=https;host=\"a,b;for=1.1.1.1\" ; for=192.0.2.1:80"), "192.0.2.1");
        assert_eq!(forwarded("for=192.0.2.1, for=_hidden"), "10.0.0.1");
        assert_eq!(forwarded("for=192.0.2.1, for=unknown, for=10.0.0.2"), "10.0.0.2");
        assert_eq!(forwarded("for=192.0.2.1;for=192.0.2.2"), "10.0.0.1");
        assert_eq!(forwarded("for=\"192.0.2.1"), "10.0.0.1");
        assert_eq!(forwarded("host=\"\\\"\";for=192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn what_two_headers_disagree_about_is_not_believed() {
        let both = |one, other| check("10.0.0.1", &[(XFF, one), (FORWARDED, other)]);
        assert_eq!(both("192.0.2.1", "for=192.0.2.1"), "192.0.2.1");
        assert_eq!(both("192.0.2.1", "for=203.0.113.9"), "10.0.0.1");
        assert_eq!(both("192.0.2.1", "nothing"), "10.0.0.1");
    }

    #[test]
    fn a_household_is_counted_as_one() {
        let network =
            |text: &str| ClientAddress(text.parse::<IpAddr>().unwrap().to_canonical()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_it_cannot_be_somebody_else(
            made_up in proptest::collection::vec("[ -~]{0,40}", 0..4),
            forwarded in proptest::option::of("[ -~]{0,60}"),
        ) {
            // An honest proxy appends whom it heard the request from.
            let chain = made_up.iter().map(String::as_str).chain(["192.0.2.1"]).collect::<Vec<_>>().join(",");
            let mut headers = vec![(XFF, chain.as_str())];
            headers.extend(forwarded.as_deref().map(|value| (FORWARDED, value)));
            let seen = check("10.0.0.1", &headers);
            prop_assert!(seen == "192.0.2.1" || seen == "10.0.0.1", "{seen}");
        }
    }
}
