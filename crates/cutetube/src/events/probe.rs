//! Asking the servers that events go through whether they are there.

use std::time::Duration;

use anyhow::Context;

use super::{broker::Broker, mail::Mailer};
use crate::config::Config;

/// Whether the mail server answers, and accepts the account; in a few words.
pub(crate) async fn mail_server(config: &Config) -> anyhow::Result<String> {
    let Some(mailer) = Mailer::new(&config.smtp, patience(config))? else {
        return Ok("not configured".to_owned());
    };
    mailer.probe().await?;
    Ok(format!("{} answers", config.smtp.host.as_deref().unwrap_or_default()))
}

/// Whether the broker lets us declare the exchange; in a few words.
pub(crate) async fn broker(config: &Config) -> anyhow::Result<String> {
    let Some(broker) = Broker::new(&config.amqp, patience(config))? else {
        return Ok("not configured".to_owned());
    };
    broker.probe().await.context("the broker cannot be used")?;
    Ok(format!("takes messages for the exchange `{}`", config.amqp.exchange))
}

fn patience(config: &Config) -> Duration {
    Duration::from_secs(config.events.timeout_seconds)
}
