//! Which of a video's presentations a client should play: DASH or HLS, `mp4` or `mov`.

use axum::http::{HeaderMap, header};
use packager::Flavour;
use serde::Serialize;
use utoipa::ToSchema;

/// What a client tells about itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Client<'a> {
    /// `Sec-CH-UA-Platform` (User-Agent Client Hints §3.6), without its quotes.
    platform: Option<&'a str>,
    /// `User-Agent`
    agent: Option<&'a str>,
}

/// What it should play, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) protocol: Protocol,
    pub(super) flavour: Flavour,
    system: System,
    /// The header that named the system.
    source: Option<&'static str>,
}

/// How a manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Protocol {
    Dash,
    Hls,
}

/// Below the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Windows,
    MacOs,
    Linux,
    Android,
    /// iPhone, iPad and Apple TV: every browser there plays as Safari does.
    Ios,
    Other,
}

/// The header by which a client names its system, if it is asked to.
pub(super) const PLATFORM: &str = "sec-ch-ua-platform";

impl<'a> Client<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            platform: text(PLATFORM).map(|value| value.trim().trim_matches('"')),
            agent: text(header::USER_AGENT.as_str()),
        }
    }

    /// The original's choice of flavour: `mov` on macOS and Linux, else `mp4`. Apple's players take HLS, which they
    /// play without a script; all others DASH.
    pub(super) fn choose(self) -> Choice {
        let agent = self.agent.unwrap_or_default();
        let (system, source) = match (self.platform.and_then(System::of_hint), System::of_agent(agent)) {
            (Some(system), _) => (system, Some("Sec-CH-UA-Platform")),
            (None, Some(system)) => (system, Some("User-Agent")),
            (None, None) => (System::Other, None),
        };
        let flavour = match system {
            System::MacOs | System::Linux => Flavour::Mov,
            System::Windows | System::Android | System::Ios | System::Other => Flavour::Mp4,
        };
        let is_apple = match system {
            System::Ios => true,
            System::MacOs => is_safari(agent) || agent.contains("AppleCoreMedia"),
            System::Windows | System::Linux | System::Android | System::Other => false,
        };
        let protocol = if is_apple { Protocol::Hls } else { Protocol::Dash };
        Choice { protocol, flavour, system, source }
    }
}

impl Choice {
    /// A sentence for whoever wonders.
    pub(super) fn reason(&self) -> String {
        let flavour = match self.flavour {
            Flavour::Mp4 => "mp4",
            Flavour::Mov => "mov",
        };
        let system = match (self.source, self.system) {
            (None, _) => format!("nothing says what the client runs on, so it gets {flavour}"),
            (Some(header), System::Other) => {
                format!("{header} names no system we know, so it gets {flavour}")
            }
            (Some(header), system) => {
                format!("the client runs on {}, as {header} says, and gets {flavour}", system.name())
            }
        };
        let protocol = match self.protocol {
            Protocol::Hls => "Apple's players play HLS by themselves",
            Protocol::Dash => "DASH is for every player that is no Apple one",
        };
        format!("{system}; {protocol}")
    }
}

impl System {
    /// `None` when the browser hides it.
    fn of_hint(platform: &str) -> Option<Self> {
        match platform {
            "Windows" => Some(Self::Windows),
            "macOS" => Some(Self::MacOs),
            "Linux" => Some(Self::Linux),
            "Android" => Some(Self::Android),
            "iOS" => Some(Self::Ios),
            "" | "Unknown" => None,
            _ => Some(Self::Other),
        }
    }

    /// The first that is named counts: an iPhone is also `like Mac OS X`, and Android also `Linux`.
    fn of_agent(agent: &str) -> Option<Self> {
        const WORDS: [(&str, System); 12] = [
            ("Windows", System::Windows),
            ("iPhone", System::Ios),
            ("iPad", System::Ios),
            ("iPod", System::Ios),
            ("AppleTV", System::Ios),
            ("Apple TV", System::Ios),
            ("Android", System::Android),
            ("CrOS", System::Other),
            ("Macintosh", System::MacOs),
            ("Mac OS X", System::MacOs),
            ("Linux", System::Linux),
            ("X11", System::Linux),
        ];
        let named = WORDS.iter().find(|(word, _)| agent.contains(word)).map(|(_, system)| *system);
        named.or((!agent.is_empty()).then_some(Self::Other))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Windows => "Windows",
            Self::MacOs => "macOS",
            Self::Linux => "Linux",
            Self::Android => "Android",
            Self::Ios => "iOS",
            Self::Other => "something else",
        }
    }
}

/// Others have its words too, and one of their own.
fn is_safari(agent: &str) -> bool {
    let others = ["Chrome/", "Chromium/", "Edg/", "OPR/", "Firefox/"];
    agent.contains("Safari/")
        && agent.contains("Version/")
        && !others.iter().any(|other| agent.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBKIT: &str = "AppleWebKit/605.1.15 (KHTML, like Gecko)";

    fn check(platform: Option<&str>, agent: &str) -> String {
        let client = Client { platform, agent: (!agent.is_empty()).then_some(agent) };
        let choice = client.choose();
        format!("{:?} {:?}: {}", choice.protocol, choice.flavour, choice.reason())
    }

    #[test]
    fn each_client_gets_what_it_plays_best() {
        let chrome = |system: &str| {
            format!(
                "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
            )
        };
        let safari = |system: &str| format!("Mozilla/5.0 ({system}) {WEBKIT} Version/26.0 Safari/605.1.15");
        let table = [
            ("Chrome on Windows", Some("Windows"), chrome("Windows NT 10.0; Win64; x64")),
            (
                "Edge on Windows, no hints",
                None,
                format!("{} Edg/156.0.0.0", chrome("Windows NT 10.0; Win64; x64")),
            ),
            ("Chrome on macOS", Some("macOS"), chrome("Macintosh; Intel Mac OS X 10_15_7")),
            ("Chrome on Linux", Some("Linux"), chrome("X11; Linux x86_64")),
            (
                "Firefox on Linux",
                None,
                "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0".to_owned(),
            ),
            ("Chrome on Android", Some("Android"), chrome("Linux; Android 16; K")),
            (
                "Firefox on Android",
                None,
                "Mozilla/5.0 (Android 16; Mobile; rv:153.0) Gecko/153.0 Firefox/153.0".to_owned(),
            ),
            ("ChromeOS", Some("Chrome OS"), chrome("X11; CrOS x86_64 14541.0.0")),
            ("ChromeOS, no hints", None, chrome("X11; CrOS x86_64 14541.0.0")),
            ("Safari on macOS", None, safari("Macintosh; Intel Mac OS X 10_15_7")),
            ("Safari on iPhone", None, safari("iPhone; CPU iPhone OS 19_0 like Mac OS X")),
            (
                "Chrome on iPhone",
                None,
                format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) {WEBKIT} CriOS/156.0 Mobile/15E148 Safari/604.1"
                ),
            ),
            (
                "Apple TV",
                None,
                "AppleCoreMedia/1.0.0.22J (Apple TV; U; CPU OS 18_0 like Mac OS X; en_us)".to_owned(),
            ),
            ("QuickTime", None, "AppleCoreMedia/1.0.0 (Macintosh; U; Intel Mac OS X 14_0; en_us)".to_owned()),
            ("GNOME Web", None, safari("X11; Linux x86_64")),
            ("VLC", None, "VLC/3.0.21 LibVLC/3.0.21".to_owned()),
            ("ffmpeg", None, "Lavf/59.27.100".to_owned()),
            ("a hint against an agent", Some("Windows"), chrome("X11; Linux x86_64")),
            ("a hint that hides", Some("Unknown"), chrome("X11; Linux x86_64")),
            ("an unknown hint", Some("Haiku"), String::new()),
            ("nothing", None, String::new()),
        ];
        let said = table.map(|(who, platform, agent)| format!("{who}: {}", check(platform, &agent)));
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_hint_is_read_without_its_quotes() {
        let mut headers = HeaderMap::new();
        headers.insert(PLATFORM, "\"macOS\"".parse().unwrap());
        assert_eq!(Client::of(&headers).choose().flavour, Flavour::Mov);
    }
}
