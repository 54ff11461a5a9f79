//! Licence requests of players, forwarded to the vendors that the operator names.
//!
//! Whoever calls this has judged who asks and for what. A request goes to the configured address with the configured
//! headers; of what the client sent, the body, its type and its SOAP action go with it, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use packager::{KeyClass, VendorSystem};
use reqwest::{
    StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    config::Vendor,
    outbound::{NoAnswer, Remote},
};

/// The licence servers there are.
#[derive(Debug)]
pub(crate) struct Vendors(Vec<Route>);

#[derive(Debug)]
struct Route {
    system: VendorSystem,
    remote: Remote,
    /// One permit for each request that is under way.
    permits: Semaphore,
}

/// A request of a player that may have what it asks for.
#[derive(Debug, Clone)]
pub(crate) struct LicenceRequest {
    /// In a form that is between the player's system and its vendor.
    pub(crate) body: Bytes,
    /// As the client sent it.
    pub(crate) content_type: Option<String>,
    /// As the client sent it; PlayReady.
    pub(crate) soap_action: Option<String>,
    /// What headers may tell the vendor.
    pub(crate) granted: Granted,
}

/// What was granted, and to whom: for the placeholders in headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) video: String,
    /// Nobody, when the viewer has not signed in.
    pub(crate) user: Option<String>,
    pub(crate) classes: Vec<KeyClass>,
    pub(crate) seconds: u64,
}

/// What a vendor answered, when that is a licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VendorAnswer {
    /// A type that no browser runs.
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

/// Why there is no licence: sentences for the viewer. The log has the cause already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VendorError {
    #[error("this server gives no licences for `{0}`")]
    NotConfigured(VendorSystem),
    #[error("a licence request has `1` to `{MAX_REQUEST}` bytes")]
    RequestLength,
    #[error("the licence server for `{0}` has too much to do; try again in a few seconds")]
    Busy(VendorSystem),
    #[error("the licence server for `{0}` does not answer; try again in a few seconds")]
    NoAnswer(VendorSystem),
    #[error("the licence server for `{0}` gives no licence for this")]
    Refused(VendorSystem),
}

const MAX_REQUEST: usize = 64 << 10;
const MAX_ANSWER: usize = 1 << 20;

/// Requests to one vendor that are under way at once: one that is slow holds no more memory and sockets than these take.
const AT_ONCE: usize = 64;

/// Of a header that a client may set.
const MAX_HEADER: usize = 200;

const BINARY: &str = "application/octet-stream";
/// Types of answers that are passed on by name.
const TYPES: [&str; 5] = [BINARY, "application/json", "text/plain", "text/xml", "application/xml"];

impl Vendors {
    pub(crate) fn new<'a>(
        vendors: impl IntoIterator<Item = (VendorSystem, &'a Vendor)>,
    ) -> anyhow::Result<Self> {
        let route = |(system, vendor): (VendorSystem, &Vendor)| {
            let patience = Duration::from_secs(vendor.timeout_seconds);
            let remote = Remote::new(&vendor.url, &vendor.headers, patience)?;
            Ok(Route { system, remote, permits: Semaphore::new(AT_ONCE) })
        };
        vendors.into_iter().map(route).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Whether there is a server for this.
    pub(crate) fn serve(&self, system: VendorSystem) -> bool {
        self.route(system).is_some()
    }

    /// Asks the vendor once.
    pub(crate) async fn forward(
        &self,
        system: VendorSystem,
        request: LicenceRequest,
    ) -> Result<VendorAnswer, VendorError> {
        let route = self.route(system).ok_or(VendorError::NotConfigured(system))?;
        if !(1..=MAX_REQUEST).contains(&request.body.len()) {
            return Err(VendorError::RequestLength);
        }
        let Ok(_permit) = route.permits.try_acquire() else {
            tracing::warn!(licence.system = %system, "the licence server for `{system}` has `{AT_ONCE}` requests to answer already");
            return Err(VendorError::Busy(system));
        };
        let begun = Instant::now();
        let headers = client_headers(system, &request);
        let fill = |value: &str| request.granted.fill(value);
        let answer = route.remote.post(headers, fill, request.body, MAX_ANSWER).await;
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let warn = |cause: &str| {
            tracing::warn!(licence.system = %system, duration_ms, "the licence server for `{system}` gave no licence: {cause}");
        };
        match answer {
            Ok(answer) if answer.status == StatusCode::OK => Ok(VendorAnswer {
                content_type: safe_type(answer.header(header::CONTENT_TYPE.as_str())),
                body: Bytes::copy_from_slice(&answer.body),
            }),
            Ok(answer) => {
                warn(&format!("it answered `{}`", answer.status));
                let may_pass = answer.status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&answer.status);
                Err(if may_pass { VendorError::NoAnswer(system) } else { VendorError::Refused(system) })
            }
            Err(cause) => {
                warn(&cause.to_string());
                Err(match cause {
                    NoAnswer::TimedOut | NoAnswer::Broken(_) => VendorError::NoAnswer(system),
                    NoAnswer::TooLong(_) => VendorError::Refused(system),
                })
            }
        }
    }

    fn route(&self, system: VendorSystem) -> Option<&Route> {
        self.0.iter().find(|route| route.system == system)
    }
}

impl Granted {
    /// The value of a header, its placeholders replaced.
    fn fill(&self, value: &str) -> String {
        let classes: Vec<&str> = self.classes.iter().map(|class| class.as_str()).collect();
        let values = [
            plain(&self.video),
            plain(self.user.as_deref().unwrap_or_default()),
            classes.join(","),
            self.seconds.to_string(),
        ];
        let mut filled = String::with_capacity(value.len());
        let mut rest = value;
        // From left to right and once: what was filled in is not looked at again.
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let known = Vendor::PLACEHOLDERS.iter().zip(&values);
            let found = known.filter_map(|(name, value)| Some((value, after.strip_prefix(name.get(1..)?)?)));
            rest = match found.into_iter().next() {
                Some((value, after)) => {
                    filled.push_str(value);
                    after
                }
                None => {
                    filled.push('{');
                    after
                }
            };
        }
        filled.push_str(rest);
        filled
    }
}

/// Text that ends neither a header nor a string inside of one: other than letters, digits, `-`, `_` and `.`, bytes are
/// written as in URLs.
fn plain(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Of what the client said, what the vendor is told.
fn client_headers(system: VendorSystem, request: &LicenceRequest) -> HeaderMap {
    let value = |text: &Option<String>| {
        let text = text.as_deref().filter(|text| text.len() <= MAX_HEADER && text.is_ascii())?;
        HeaderValue::try_from(text).ok()
    };
    let default = match system {
        VendorSystem::PlayReady => "text/xml; charset=utf-8",
        VendorSystem::Widevine | VendorSystem::FairPlay => BINARY,
    };
    let content_type = value(&request.content_type).unwrap_or(HeaderValue::from_static(default));
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
    if let (VendorSystem::PlayReady, Some(action)) = (system, value(&request.soap_action)) {
        headers.insert(HeaderName::from_static("soapaction"), action);
    }
    headers
}

/// The vendor's type when it is one of those that licences have: a page from somebody else is not shown as ours.
fn safe_type(content_type: Option<&str>) -> &'static str {
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(essence)).unwrap_or(BINARY)
}

#[cfg(test)]
mod tests;
