//! Telling a CDN what to forget. CDNs differ in how they are told, so this is one request in a form of ours, for a small
//! function or script that knows the CDN.

use std::time::Duration;

use reqwest::{Client, redirect};
use serde::Serialize;

use super::{
    courier::{Failure, Sent},
    webhook,
};
use crate::{
    config::{Delivery, Secret},
    outbound::NoAnswer,
    tls,
};

/// Posts to `delivery.purge_url`. The operator chose it, so it may be anywhere.
pub(super) struct Purger {
    client: Client,
    url: String,
    token: Option<Secret>,
    cdn: Option<String>,
}

/// What the CDN has of a video.
#[derive(Serialize)]
struct Purge {
    /// Everything whose address begins so.
    prefixes: [String; 2],
}

impl Purger {
    /// `None` when nobody is to be told.
    pub(super) fn new(delivery: &Delivery, patience: Duration) -> reqwest::Result<Option<Self>> {
        let Some(url) = delivery.purge_url.clone() else { return Ok(None) };
        tls::provide();
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(patience).build()?;
        let cdn = delivery.cdn_base_url.clone();
        Ok(Some(Self { client, url, token: delivery.purge_token.clone(), cdn }))
    }

    /// Asks once to have a video forgotten.
    pub(super) async fn forget(&self, video: &str) -> Result<Sent, Failure> {
        let cdn = self.cdn.as_deref().unwrap_or_default().trim_end_matches('/');
        let folders = ["vod-media", "app/v2/dash"];
        let purge = Purge { prefixes: folders.map(|folder| format!("{cdn}/{folder}/{video}/")) };
        let mut request = self.client.post(&self.url).json(&purge);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        match request.send().await {
            Ok(answer) => webhook::judge(answer.status()),
            Err(error) => Err(Failure::again(NoAnswer::from(error).to_string())),
        }
    }
}
