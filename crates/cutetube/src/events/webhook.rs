//! Posting to webhooks.

use std::time::Duration;

use catalog::events::webhooks::Secret;
use reqwest::{Client, StatusCode, Url, header, redirect};

use super::{
    courier::{Failure, Sent},
    message::Message,
    network::Border,
    signature,
};
use crate::{config::Events, outbound::NoAnswer, tls};

/// Posts events, and nothing into networks that are not allowed.
#[derive(Debug, Clone)]
pub(super) struct Poster {
    client: Client,
    border: Border,
}

const USER_AGENT: &str = concat!("CuteTube/", env!("CARGO_PKG_VERSION"), " (webhooks)");

impl Poster {
    pub(super) fn new(config: &Events) -> reqwest::Result<Self> {
        tls::provide();
        let border = Border::new(&config.allow_private_networks);
        let client = Client::builder()
            .dns_resolver(border.clone())
            // A proxy would resolve the name itself, and a redirection names another server.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(config.timeout_seconds))
            // Every request gets a connection to an address that was judged for it, and none that the receiver may
            // have closed in the meantime.
            .pool_max_idle_per_host(0)
            .user_agent(USER_AGENT)
            .build()?;
        Ok(Self { client, border })
    }

    /// Posts once. `now` is the time since 1970; receivers refuse what is signed with another time than theirs.
    pub(super) async fn post(
        &self,
        url: &str,
        secrets: &[Secret],
        message: &Message,
        now: Duration,
    ) -> Result<Sent, Failure> {
        let url: Url = url.parse().map_err(|_| Failure::hopeless("the URL cannot be read"))?;
        // The configuration may have changed since the webhook was made, and may change again.
        self.border.judge_text(&url).map_err(|refused| Failure::again(refused.to_string()))?;
        let (id, body) = (message.id.to_string(), message.to_bytes());
        let signatures = signature::signatures(secrets, &id, now.as_secs(), &body);
        let request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_secs())
            .header("webhook-signature", signatures)
            .body(body);
        // What the answer says beyond its status is not read: its length is the receiver's choice.
        match request.send().await {
            Ok(answer) => judge(answer.status()),
            Err(error) => Err(Failure::again(NoAnswer::from(error).to_string())),
        }
    }
}

/// What a receiver means by its answer.
pub(super) fn judge(status: StatusCode) -> Result<Sent, Failure> {
    let said = format!("it answered {status}");
    match status {
        status if status.is_success() => Ok(Sent { status: Some(status.as_u16()) }),
        StatusCode::GONE => Err(Failure::gone(said).with_status(status.as_u16())),
        status => Err(Failure::again(said).with_status(status.as_u16())),
    }
}
