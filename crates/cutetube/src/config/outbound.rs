//! What the server sends to others: webhooks, mails, messages.

use std::fmt;

use catalog::events::EventKind;
use ipnet::IpNet;
use lapin::uri::AMQPUri;
use lettre::message::Mailbox;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use super::{Config, Secret, networks::network};

/// `events.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Deliveries made at once by this process; 0 makes none here.
    pub slots: usize,
    /// How long the log of events is kept.
    pub keep_days: u64,
    /// How long to wait after each failed attempt; after the one that follows the last of them a delivery is given up.
    pub retry_seconds: Vec<u64>,
    /// How long a receiver may take for all of one attempt.
    pub timeout_seconds: u64,
    /// How long the secret before a new one is still signed with.
    pub rotation_hours: u64,
    /// Which networks webhooks may be in that are not part of the public Internet.
    pub allow_private_networks: PrivateNetworks,
}

/// `events.allow_private_networks`: `false`, `true`, or the networks that are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateNetworks {
    /// None.
    Refused,
    /// All.
    Allowed,
    /// These.
    Only(Vec<IpNet>),
}

/// `smtp.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// The mail server. Without it, no mail is sent.
    pub host: Option<String>,
    /// Its port: 587, or 465 with `tls = "implicit"`.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// The account to send with, if the server wants one.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// What mails are from, e.g. `Videos <videos@example.org>`.
    pub from: Option<String>,
    /// Which events are told to the owner of the video.
    pub events: Vec<EventKind>,
}

/// `smtp.tls`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Begins in clear, and is refused when it cannot be protected.
    Starttls,
    /// From the first byte.
    Implicit,
    /// Not at all; for a server on the same machine.
    Off,
}

/// `amqp.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amqp {
    /// `amqp://…` or `amqps://…`. Without it, nothing is published.
    pub url: Option<Secret>,
    /// The topic exchange to publish to; it is declared durable.
    pub exchange: String,
}

impl Default for Events {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        Self {
            slots: 8,
            keep_days: 30,
            // Dense while a receiver restarts, sparse while it is repaired: 23 h 42 min in all.
            retry_seconds: vec![
                5,
                30,
                2 * MINUTE,
                10 * MINUTE,
                30 * MINUTE,
                HOUR,
                2 * HOUR,
                4 * HOUR,
                8 * HOUR,
                8 * HOUR,
            ],
            timeout_seconds: 15,
            rotation_hours: 24,
            allow_private_networks: PrivateNetworks::Refused,
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            host: None,
            port: 587,
            tls: SmtpTls::Starttls,
            username: None,
            password: None,
            from: None,
            events: vec![EventKind::Ready, EventKind::Failed],
        }
    }
}

impl Default for Amqp {
    fn default() -> Self {
        Self { url: None, exchange: "cutetube".to_owned() }
    }
}

impl Config {
    /// The first setting of these that cannot work, and why.
    pub(super) fn outbound_problem(&self) -> Option<(&'static str, String)> {
        self.events.problem().or_else(|| self.smtp.problem()).or_else(|| self.amqp.problem())
    }
}

impl Events {
    fn problem(&self) -> Option<(&'static str, String)> {
        const MOST_RETRIES: usize = 50;
        let said = |key, sentence: &str| Some((key, sentence.to_owned()));
        match self {
            Self { retry_seconds, .. } if retry_seconds.len() > MOST_RETRIES => {
                said("events.retry_seconds", "there may be 50 waits at most")
            }
            Self { keep_days: 0, .. } => said("events.keep_days", "events are kept for a day at least"),
            Self { timeout_seconds: 0, .. } => {
                said("events.timeout_seconds", "a receiver needs a second at least")
            }
            _ => None,
        }
    }
}

impl Smtp {
    fn problem(&self) -> Option<(&'static str, String)> {
        let said = |key, sentence: &str| Some((key, sentence.to_owned()));
        let from = self.from.as_deref().map(str::parse::<Mailbox>);
        match (&self.host, from) {
            (_, Some(Err(_))) => said("smtp.from", "this is no address like `Videos <videos@example.org>`"),
            (Some(_), None) => said("smtp.from", "`smtp.host` needs an address to send from"),
            _ if self.username.is_some() != self.password.is_some() => {
                said("smtp.password", "`smtp.username` and `smtp.password` go together")
            }
            _ => None,
        }
    }
}

impl Amqp {
    /// What the URL says is never repeated: it holds a password.
    fn problem(&self) -> Option<(&'static str, String)> {
        let said = |key, sentence: &str| Some((key, sentence.to_owned()));
        match &self.url {
            Some(url) if url.expose().parse::<AMQPUri>().is_err() => {
                said("amqp.url", "this is no URL like `amqp://user:password@host:5672/vhost`")
            }
            _ if self.exchange.is_empty() || self.exchange.len() > 127 => {
                said("amqp.exchange", "an exchange has a name of 1 to 127 bytes")
            }
            _ => None,
        }
    }
}

impl Serialize for PrivateNetworks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Refused => serializer.serialize_bool(false),
            Self::Allowed => serializer.serialize_bool(true),
            Self::Only(networks) => serializer.collect_seq(networks.iter().map(ToString::to_string)),
        }
    }
}

impl<'de> Deserialize<'de> for PrivateNetworks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PrivateNetworksVisitor)
    }
}

struct PrivateNetworksVisitor;

impl<'de> Visitor<'de> for PrivateNetworksVisitor {
    type Value = PrivateNetworks;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("true, false, or a list of networks like `10.0.0.0/8`")
    }

    fn visit_bool<E: Error>(self, all: bool) -> Result<PrivateNetworks, E> {
        Ok(if all { PrivateNetworks::Allowed } else { PrivateNetworks::Refused })
    }

    fn visit_str<E: Error>(self, one: &str) -> Result<PrivateNetworks, E> {
        Ok(PrivateNetworks::Only(vec![network(one)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PrivateNetworks, A::Error> {
        let mut networks = Vec::new();
        while let Some(one) = list.next_element::<String>()? {
            networks.push(network(&one)?);
        }
        Ok(PrivateNetworks::Only(networks))
    }
}
