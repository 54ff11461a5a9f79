//! Lists of networks.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// Networks like `10.0.0.0/8`, or single addresses. In a variable: one, or a list as TOML writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// These.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether `address` is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NetworksVisitor)
    }
}

struct NetworksVisitor;

impl<'de> Visitor<'de> for NetworksVisitor {
    type Value = Networks;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of networks like `10.0.0.0/8`")
    }

    fn visit_str<E: Error>(self, one: &str) -> Result<Networks, E> {
        Ok(Networks(vec![network(one)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Networks, A::Error> {
        let mut networks = Vec::new();
        while let Some(one) = list.next_element::<String>()? {
            networks.push(network(&one)?);
        }
        Ok(Networks(networks))
    }
}

/// A network, or an address, which is a network of one.
pub(super) fn network<E: Error>(text: &str) -> Result<IpNet, E> {
    let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    parsed.map_err(|_| E::custom(format!("`{text}` is no network like `10.0.0.0/8`")))
}
