//! Requests to servers that the operator names: key servers, and licence servers of vendors.
//!
//! Where they lead is never a client's choice. They follow no redirection and use no proxy of the environment, all of
//! an exchange has one time limit, and no answer is read beyond what was agreed.

use std::{collections::BTreeMap, error::Error as _, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use reqwest::{
    Client, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use zeroize::Zeroizing;

use crate::{config::Secret, tls};

/// A server, and what proves to it who asks.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    client: Client,
    url: Url,
    headers: Vec<(HeaderName, Secret)>,
}

/// What it said.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Forgotten when it is dropped. Empty unless the status says success: nobody reads the rest.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer. No URL and nothing that was sent or received is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("it did not answer in time")]
    TimedOut,
    /// With the cause that says most.
    #[error("{0}")]
    Broken(String),
    #[error("its answer is longer than `{0}` bytes")]
    TooLong(usize),
}

const USER_AGENT: &str = concat!("CuteTube/", env!("CARGO_PKG_VERSION"));

impl Remote {
    pub(crate) fn new(
        url: &str,
        headers: &BTreeMap<String, Secret>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        tls::provide();
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(patience)
            .user_agent(USER_AGENT)
            .build()?;
        let named = headers.iter().map(|(name, value)| Ok((HeaderName::try_from(name)?, value.clone())));
        let headers: anyhow::Result<_> = named.collect();
        Ok(Self {
            client,
            url: url.parse().context("the URL cannot be read")?,
            headers: headers.context("there is a header without a proper name")?,
        })
    }

    /// Posts once. `fill` makes of each configured value what is sent; `own` headers are sent as they are. At most
    /// `most` bytes are taken as an answer.
    pub(crate) async fn post(
        &self,
        own: HeaderMap,
        fill: impl Fn(&str) -> String,
        body: Bytes,
        most: usize,
    ) -> Result<Answer, NoAnswer> {
        let mut headers = HeaderMap::new();
        for (name, secret) in &self.headers {
            let mut value = HeaderValue::try_from(fill(secret.expose()))
                .map_err(|_| NoAnswer::Broken(format!("the header `{name}` cannot be sent")))?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        headers.extend(own);
        let request = self.client.post(self.url.clone()).headers(headers).body(body);
        let mut response = request.send().await?;
        let mut answer = Answer {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: Zeroizing::default(),
        };
        if answer.status.is_success() {
            while let Some(chunk) = response.chunk().await? {
                if answer.body.len().saturating_add(chunk.len()) > most {
                    return Err(NoAnswer::TooLong(most));
                }
                answer.body.extend_from_slice(&chunk);
            }
        }
        Ok(answer)
    }
}

impl Answer {
    /// A header, when it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        // The innermost cause, and not the outermost: that has the URL, which may hold a secret.
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        Self::Broken(causes.last().map_or_else(|| "it could not be reached".to_owned(), ToString::to_string))
    }
}
