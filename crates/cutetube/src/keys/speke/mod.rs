//! Keys from an external key server, through [SPEKE 2.0]: one document each way ([`cpix`]).
//!
//! [SPEKE 2.0]: https://docs.aws.amazon.com/speke/latest/documentation/the-speke-api-v2.html

mod cpix;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use packager::VendorSystem;
use reqwest::{
    StatusCode,
    header::{self, HeaderMap, HeaderValue},
};

pub(crate) use cpix::{AskedKey, CpixError, KeyRequest, VendorKey};

use crate::{
    config::Speke,
    outbound::{NoAnswer, Remote},
};

/// A key server, as the operator names it.
#[derive(Debug, Clone)]
pub(crate) struct KeyServer {
    remote: Remote,
    systems: Vec<VendorSystem>,
}

/// Why there are no keys. Nothing of what was sent or received is in it but key ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyServerError {
    #[error("the key server gives no keys: {0}")]
    NoAnswer(NoAnswer),
    #[error("the key server gives no keys: it answered `{0}`")]
    Failing(StatusCode),
    #[error("what the key server answered cannot be used: {0}")]
    Broken(CpixError),
    #[error("the key server refuses this server: it answered `{0}`; see `drm.speke`")]
    Refused(StatusCode),
}

const VERSION: &str = "2.0";
const VERSION_HEADER: &str = "x-speke-version";

impl KeyServer {
    pub(crate) fn new(config: &Speke) -> anyhow::Result<Self> {
        let patience = Duration::from_secs(config.timeout_seconds);
        let remote = Remote::new(&config.url, &config.headers, patience)?;
        Ok(Self { remote, systems: config.systems.clone() })
    }

    /// Asks once. Asked again for the same ids, a key server answers the same keys.
    pub(crate) async fn keys(&self, request: &KeyRequest) -> Result<Vec<VendorKey>, KeyServerError> {
        let document = cpix::request(request, &self.systems);
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/xml")),
            (header::ACCEPT, HeaderValue::from_static("application/xml")),
            (header::HeaderName::from_static(VERSION_HEADER), HeaderValue::from_static(VERSION)),
        ]);
        let answer = self
            .remote
            .post(headers, str::to_owned, Bytes::from(document), cpix::MAX_LEN)
            .await
            .map_err(KeyServerError::NoAnswer)?;
        match answer.status {
            StatusCode::OK => {}
            status if may_pass(status) => return Err(KeyServerError::Failing(status)),
            status => return Err(KeyServerError::Refused(status)),
        }
        if answer.header(VERSION_HEADER).is_some_and(|version| version.trim() != VERSION) {
            return Err(KeyServerError::Broken(CpixError::Version));
        }
        let document = str::from_utf8(&answer.body).map_err(|_| KeyServerError::Broken(CpixError::NotXml))?;
        cpix::parse(document, request, &self.systems).map_err(KeyServerError::Broken)
    }
}

impl KeyServerError {
    /// Whether asking again may help: nobody has refused anything.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// Whether a server that answered this may answer otherwise later.
fn may_pass(status: StatusCode) -> bool {
    let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    // Success other than 200 is no document, and nobody's refusal.
    status.is_success() || status.is_server_error() || busy.contains(&status)
}
