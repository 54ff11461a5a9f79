//! Servers of vendors: where licences are asked for, and keys.

use std::{collections::BTreeMap, fmt};

use packager::VendorSystem;
use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::Secret;

/// `drm.widevine.*`, `drm.playready.*`, `drm.fairplay.*`: a licence server. Without it, the system has no licences.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// Where licence requests are posted to: `https`, or `http` on this machine.
    pub url: String,
    /// Sent with each request, what proves that it is ours among them. [`Vendor::PLACEHOLDERS`] are filled in.
    #[serde(default, deserialize_with = "headers")]
    pub headers: BTreeMap<String, Secret>,
    /// How long an answer may take.
    #[serde(default = "Vendor::patience", deserialize_with = "seconds")]
    pub timeout_seconds: u64,
}

/// `drm.speke.*`: a key server that speaks SPEKE 2.0. Without it, keys are made here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speke {
    /// Where keys are asked for: `https`, or `http` on this machine, for they come in clear.
    pub url: String,
    /// Sent with each request, what proves that it is ours among them.
    #[serde(default, deserialize_with = "headers")]
    pub headers: BTreeMap<String, Secret>,
    /// How long an answer may take.
    #[serde(default = "Speke::patience", deserialize_with = "seconds")]
    pub timeout_seconds: u64,
    /// Which systems the vendor serves; the others are not offered with its keys.
    #[serde(default = "Speke::all_systems", deserialize_with = "systems")]
    pub systems: Vec<VendorSystem>,
}

impl Vendor {
    /// What stands for something else in a header: the id of the video, that of the user (nothing for somebody who has
    /// not signed in), the allowed classes of keys (`audio,sd,hd`), and how long the licence is good.
    pub const PLACEHOLDERS: [&str; 4] = ["{video}", "{user}", "{classes}", "{seconds}"];

    fn patience() -> u64 {
        10
    }

    /// The first setting that cannot work, and why. No value is repeated.
    pub(super) fn problem(&self, system: VendorSystem) -> Option<(&'static str, String)> {
        let [url, headers, timeout] = match system {
            VendorSystem::Widevine => {
                ["drm.widevine.url", "drm.widevine.headers", "drm.widevine.timeout_seconds"]
            }
            VendorSystem::PlayReady => {
                ["drm.playready.url", "drm.playready.headers", "drm.playready.timeout_seconds"]
            }
            VendorSystem::FairPlay => {
                ["drm.fairplay.url", "drm.fairplay.headers", "drm.fairplay.timeout_seconds"]
            }
        };
        let sentence = |key, found: Option<String>| found.map(|sentence| (key, sentence));
        sentence(url, url_problem(&self.url))
            .or_else(|| sentence(headers, headers_problem(&self.headers)))
            .or_else(|| sentence(headers, self.headers.values().find_map(placeholder_problem)))
            .or_else(|| sentence(timeout, timeout_problem(self.timeout_seconds)))
    }
}

impl Speke {
    fn patience() -> u64 {
        30
    }

    fn all_systems() -> Vec<VendorSystem> {
        VendorSystem::ALL.to_vec()
    }

    /// The first setting that cannot work, and why. No value is repeated.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let sentence = |key, found: Option<String>| found.map(|sentence| (key, sentence));
        let no_systems =
            self.systems.is_empty().then(|| "a key server is asked for one system at least".to_owned());
        sentence("drm.speke.url", url_problem(&self.url))
            .or_else(|| sentence("drm.speke.headers", headers_problem(&self.headers)))
            .or_else(|| sentence("drm.speke.timeout_seconds", timeout_problem(self.timeout_seconds)))
            .or_else(|| sentence("drm.speke.systems", no_systems))
    }
}

fn url_problem(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let sentence = match url {
        None => "this is no URL like `https://licences.example.org/proxy`",
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            "a user name and a password are shown with the URL: what proves who asks belongs into the headers"
        }
        Some(url) if url.scheme() == "http" && !is_this_machine(&url) => {
            "keys and licences travel over `https`, and over `http` on this machine only"
        }
        Some(_) => return None,
    };
    Some(sentence.to_owned())
}

fn is_this_machine(url: &Url) -> bool {
    match url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']')) {
        Some("localhost") => true,
        Some(host) => host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// Headers that say how a request is to be read are not for somebody else to set.
const OWN_HEADERS: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "soapaction",
    "transfer-encoding",
    "upgrade",
    "x-speke-version",
];

fn headers_problem(headers: &BTreeMap<String, Secret>) -> Option<String> {
    headers.iter().find_map(|(name, value)| {
        if HeaderName::try_from(name).is_err() {
            return Some(format!("`{}` is no name of a header", name.escape_default()));
        }
        if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Some(format!("`{name}` is set by this server itself"));
        }
        let is_text = value.expose().is_ascii() && HeaderValue::try_from(value.expose()).is_ok();
        (!is_text).then(|| format!("what `{name}` is set to cannot be sent: a header is one line of ASCII"))
    })
}

/// A word in braces that stands for nothing is a slip. Braces around anything else may be JSON.
fn placeholder_problem(value: &Secret) -> Option<String> {
    let words = value.expose().split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let mut unknown = words.map(|(word, _)| word).filter(|word| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && !Vendor::PLACEHOLDERS.iter().any(|known| known.trim_matches(['{', '}']) == *word)
    });
    unknown.next().map(|_| {
        let known = Vendor::PLACEHOLDERS.join("`, `");
        format!("one of the words in braces stands for nothing; what can be filled in are `{known}`")
    })
}

fn timeout_problem(seconds: u64) -> Option<String> {
    (seconds == 0).then(|| "a server needs a second at least".to_owned())
}

/// A table, or lines like `Authorization: Bearer …`: a variable holds text.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Secret>, D::Error> {
    struct Headers;

    impl<'de> Visitor<'de> for Headers {
        type Value = BTreeMap<String, Secret>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a table of headers, or lines like `Authorization: Bearer …`")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Self::Value, A::Error> {
            let mut headers = BTreeMap::new();
            while let Some((name, value)) = table.next_entry()? {
                headers.insert(name, value);
            }
            Ok(headers)
        }

        fn visit_str<E: Error>(self, lines: &str) -> Result<Self::Value, E> {
            let header = |line: &str| {
                let (name, value) = line.split_once(':')?;
                Some((name.trim().to_owned(), Secret::new(value.trim().to_owned())))
            };
            let lines = lines.lines().filter(|line| !line.trim().is_empty());
            let parsed: Option<_> = lines.map(header).collect();
            // The line itself may be a token.
            parsed.ok_or_else(|| E::custom("one of the lines is not like `Authorization: Bearer …`"))
        }
    }

    deserializer.deserialize_any(Headers)
}

/// A list, or names with commas between them.
fn systems<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<VendorSystem>, D::Error> {
    struct Systems;

    impl<'de> Visitor<'de> for Systems {
        type Value = Vec<VendorSystem>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("some of `widevine`, `playready` and `fairplay`")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut systems = Vec::new();
            while let Some(name) = list.next_element::<String>()? {
                systems.push(system(&name)?);
            }
            Ok(once(systems))
        }

        fn visit_str<E: Error>(self, names: &str) -> Result<Self::Value, E> {
            names.split(',').map(str::trim).map(system).collect::<Result<_, _>>().map(once)
        }
    }

    fn once(mut systems: Vec<VendorSystem>) -> Vec<VendorSystem> {
        systems.sort_unstable();
        systems.dedup();
        systems
    }

    fn system<E: Error>(name: &str) -> Result<VendorSystem, E> {
        let found = VendorSystem::ALL.into_iter().find(|system| system.as_str() == name);
        found.ok_or_else(|| E::custom(format!("`{name}` is none of `widevine`, `playready` and `fairplay`")))
    }

    deserializer.deserialize_any(Systems)
}

/// A number, or its digits.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Seconds;

    impl Visitor<'_> for Seconds {
        type Value = u64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a number of seconds")
        }

        fn visit_u64<E: Error>(self, seconds: u64) -> Result<u64, E> {
            Ok(seconds)
        }

        fn visit_i64<E: Error>(self, seconds: i64) -> Result<u64, E> {
            u64::try_from(seconds).map_err(|_| E::custom("seconds are not negative"))
        }

        fn visit_str<E: Error>(self, digits: &str) -> Result<u64, E> {
            digits.parse().map_err(|_| E::custom(format!("`{digits}` is no number of seconds")))
        }
    }

    deserializer.deserialize_any(Seconds)
}

#[cfg(test)]
mod tests {
    use figment::{
        Figment,
        providers::{Format, Toml},
    };

    use super::*;

    fn vendor(toml: &str) -> Result<Vendor, String> {
        let vendor: Vendor =
            Figment::from(Toml::string(toml)).extract().map_err(|error| error.to_string())?;
        match vendor.problem(VendorSystem::Widevine) {
            Some((key, problem)) => Err(format!("{key}: {problem}")),
            None => Ok(vendor),
        }
    }

    fn speke(toml: &str) -> Result<Speke, String> {
        let speke: Speke = Figment::from(Toml::string(toml)).extract().map_err(|error| error.to_string())?;
        match speke.problem() {
            Some((key, problem)) => Err(format!("{key}: {problem}")),
            None => Ok(speke),
        }
    }

    #[test]
    fn text_of_a_variable_says_the_same_as_a_table() {
        let table = vendor(
            "url = 'https://v.example.org/'\ntimeout_seconds = 7\n\
             [headers]\nAuthorization = 'Bearer a:b'\nX-Video = '{\"id\":\"{video}\",\"for\":{seconds}}'",
        )
        .unwrap();
        let text = vendor(
            "url = 'https://v.example.org/'\ntimeout_seconds = '7'\n\
             headers = \"\"\"\nAuthorization: Bearer a:b\n\nX-Video: {\"id\":\"{video}\",\"for\":{seconds}}\n\"\"\"",
        )
        .unwrap();
        assert_eq!(table.headers, text.headers);
        assert_eq!((table.timeout_seconds, text.timeout_seconds), (7, 7));
        assert_eq!(text.headers["Authorization"].expose(), "Bearer a:b");
        assert!(!format!("{text:?}").contains("Bearer"));
        let plain = vendor("url = 'http://127.0.0.1:1/'").unwrap();
        assert_eq!((plain.headers.len(), plain.timeout_seconds), (0, 10));

        let one = speke("url = 'http://[::1]:1/'\nsystems = 'fairplay, widevine'").unwrap();
        let other = speke("url = 'https://k.example.org'\nsystems = ['widevine', 'fairplay']").unwrap();
        assert_eq!(one.systems, other.systems);
        assert_eq!(speke("url = 'http://localhost/'").unwrap().systems, VendorSystem::ALL);
    }

    #[test]
    fn what_cannot_work_is_said_without_the_secret() {
        let of_vendor = [
            "url = 'licences'",
            "url = 'ftp://v.example.org/'",
            "url = 'https://me:hush@v.example.org/'",
            "url = 'http://10.0.0.1/'",
            "url = 'http://localhost.example.org/'",
            "url = 'https://v/'\nheaders = 'hush'",
            "url = 'https://v/'\nheaders = { 'X Y' = 'hush' }",
            "url = 'https://v/'\nheaders = { Host = 'hush' }",
            "url = 'https://v/'\nheaders = { X = \"hush\\nhush\" }",
            "url = 'https://v/'\nheaders = { X = 'hüsh' }",
            "url = 'https://v/'\nheaders = { X = 'hush {video} {vide}' }",
            "url = 'https://v/'\ntimeout_seconds = 0",
            "url = 'https://v/'\ntoken = 'hush'",
        ]
        .map(|toml| vendor(toml).unwrap_err());
        let of_speke = [
            "url = 'http://keys.example.org/'",
            "url = 'https://k/'\ntimeout_seconds = 'soon'",
            "url = 'https://k/'\nsystems = []",
            "url = 'https://k/'\nsystems = 'widewine'",
        ]
        .map(|toml| speke(toml).unwrap_err());
        let said = [&of_vendor[..], &of_speke].concat().join("\n");
        assert!(!said.contains("hush"), "{said}");
        insta::assert_snapshot!(said);
    }
}
