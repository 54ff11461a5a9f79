//! Which addresses this server may be told to send to.
//!
//! Whoever may add a webhook chooses where this server connects to. Without a rule that would open the networks behind
//! it to them: databases, metadata services of clouds, other people's machines. A name is resolved once for each
//! connection, the addresses are judged, and the connection is made to one of those and to no other: a name that
//! answers differently the next time gains nothing.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use tokio::net::lookup_host;

use crate::config::PrivateNetworks;

/// Judges addresses.
#[derive(Debug, Clone)]
pub(super) struct Border(Arc<PrivateNetworks>);

/// Why nothing is sent there: a sentence for whoever chose the address.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("`{0}` is not part of the public Internet, and this server does not send there")]
    Private(String),
    #[error("the name `{0}` cannot be resolved")]
    Unknown(String),
    #[error("this is no `http` or `https` URL of a server")]
    NotHttp,
    #[error("a URL with a user name or a password is not accepted")]
    Credentials,
}

impl Border {
    pub(super) fn new(allowed: &PrivateNetworks) -> Self {
        Self(Arc::new(allowed.clone()))
    }

    /// Judges everything about a URL that is known without a connection, and one look-up of its name.
    pub(super) async fn judge(&self, url: &Url) -> Result<(), Refused> {
        let host = self.judge_text(url)?;
        match host {
            Some(name) => self.resolve(&name).await.map(drop),
            None => Ok(()),
        }
    }

    /// Judges a URL by its text, and answers the name that is still to be resolved. An address needs no resolver, so
    /// the client does not ask ours about it.
    pub(super) fn judge_text(&self, url: &Url) -> Result<Option<String>, Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let host = url.host_str().ok_or(Refused::NotHttp)?;
        // The parser has brought every way to write an address into one form.
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) if self.is_allowed(address) => Ok(None),
            Ok(address) => Err(Refused::Private(address.to_string())),
            Err(_) => Ok(Some(host.to_owned())),
        }
    }

    /// The addresses of a name that may be connected to.
    async fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, Refused> {
        let found = lookup_host((name, 0)).await.map_err(|_| Refused::Unknown(name.to_owned()))?;
        let (allowed, refused): (Vec<_>, Vec<_>) = found.partition(|address| self.is_allowed(address.ip()));
        match (allowed.is_empty(), refused.is_empty()) {
            (true, true) => Err(Refused::Unknown(name.to_owned())),
            (true, false) => Err(Refused::Private(name.to_owned())),
            (false, _) => Ok(allowed),
        }
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        is_public(address)
            || match &*self.0 {
                PrivateNetworks::Refused => false,
                PrivateNetworks::Allowed => true,
                PrivateNetworks::Only(networks) => {
                    let true_address = embedded(address).unwrap_or(address);
                    networks.iter().any(|network| network.contains(&true_address))
                }
            }
    }
}

impl Resolve for Border {
    fn resolve(&self, name: Name) -> Resolving {
        let border = self.clone();
        Box::pin(async move {
            let addresses = Self::resolve(&border, name.as_str()).await?;
            Ok::<Addrs, _>(Box::new(addresses.into_iter()))
        })
    }
}

/// Whether everybody on the Internet reaches the same machine there.
fn is_public(address: IpAddr) -> bool {
    match embedded(address).unwrap_or(address) {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_UNICAST.contains(&address)
                && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped (RFC 4291, 2.5.5.2), or translated by the network (RFC 6052, 2.1).
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    let translated = NAT64.contains(&address).then(|| {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    });
    address.to_ipv4_mapped().or(translated).map(IpAddr::V4)
}

/// The IANA registry of special-purpose IPv4 addresses, multicast, and the relays of 6to4.
const NOT_PUBLIC_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// All that is routed between networks; what lies outside is local, multicast, or not given out.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Inside of that: protocol assignments with Teredo, documentation, 6to4 (which hides an IPv4 address), documentation.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// The well-known prefix: an IPv4 address follows.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn check(allowed: &PrivateNetworks, url: &str) -> Result<(), String> {
        let url = url.parse().map_err(|_| "no URL".to_owned())?;
        Border::new(allowed).judge(&url).await.map_err(|refused| refused.to_string())
    }

    #[tokio::test]
    async fn public_addresses_are_reached() {
        for host in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "[2606:4700::1111]",
            "[::ffff:1.1.1.1]",
            "[64:ff9b::1.1.1.1]",
        ] {
            let said = check(&PrivateNetworks::Refused, &format!("https://{host}/hook")).await;
            assert_eq!(said, Ok(()), "{host}");
        }
    }

    #[tokio::test]
    async fn private_addresses_are_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "127.0.0.1.",
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::127.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::1.1.1.1]",
            "[100::1]",
            "[2001::1]",
            "[2001:db8::1]",
            "[2002:7f00:1::]",
            "[3fff::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "１２７.０.０.１",
            "localhost",
            "LOCALHOST",
        ] {
            let said = check(&PrivateNetworks::Refused, &format!("https://{host}/hook")).await;
            assert!(said.is_err_and(|said| said.contains("public Internet")), "{host}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_judged_alike_in_whatever_it_is_wrapped(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            let translated = Ipv6Addr::from_bits(NAT64.addr().to_bits() | u128::from(bits));
            let expected = is_public(plain.into());
            prop_assert_eq!(is_public(plain.to_ipv6_mapped().into()), expected);
            prop_assert_eq!(is_public(translated.into()), expected);
            prop_assert!(!is_public(plain.to_ipv6_compatible().into()));
            // The standard library knows some of the special networks.
            prop_assert!(!expected || !(plain.is_private() || plain.is_loopback() || plain.is_link_local()));
            prop_assert!(!expected || !(plain.is_multicast() || plain.is_broadcast() || plain.is_unspecified()));
        }
    }

    #[tokio::test]
    async fn networks_can_be_allowed() {
        let some = PrivateNetworks::Only(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for (host, allowed) in [
            ("127.0.0.1", true),
            ("[::ffff:127.0.0.1]", true),
            ("[64:ff9b::127.0.0.1]", true),
            ("[fd12::1]", true),
            ("10.0.0.1", false),
            ("[::1]", false),
        ] {
            assert_eq!(check(&some, &format!("http://{host}/")).await.is_ok(), allowed, "{host}");
            assert!(check(&PrivateNetworks::Allowed, &format!("http://{host}/")).await.is_ok());
        }
    }

    #[tokio::test]
    async fn other_urls_are_refused_with_a_sentence() {
        let urls = [
            "ftp://1.1.1.1/",
            "file:///etc/passwd",
            "https://ada:secret@1.1.1.1/",
            "https://ada@1.1.1.1/",
            "https://no-such-host.invalid/",
        ];
        let mut said = Vec::new();
        for url in urls {
            said.push(check(&PrivateNetworks::Refused, url).await.unwrap_err());
        }
        insta::assert_snapshot!(said.join("\n"), @"
        this is no `http` or `https` URL of a server
        this is no `http` or `https` URL of a server
        a URL with a user name or a password is not accepted
        a URL with a user name or a password is not accepted
        the name `no-such-host.invalid` cannot be resolved
        ");
    }
}
