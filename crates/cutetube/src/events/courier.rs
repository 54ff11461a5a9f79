//! The jobs of the queue of events: find out who wants to hear of one, and bring it there.

use std::{fmt, time::Duration};

use catalog::{
    endings,
    events::{
        DeliverJob, Errand, Event,
        deliveries::{self, Attempt, Channels, DeliveryState, Opening, Recipient, Verdict},
    },
    ids::UserId,
};
use jobs::{Backoff, Job};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{broker::Broker, mail::Mailer, message::Message, purge::Purger, webhook::Poster};
use crate::{AppState, ambient, playback::BaseUrl};

/// Carries events out, with what this process is configured for.
pub(crate) struct Courier {
    pub(super) state: AppState,
    poster: Poster,
    pub(super) mailer: Option<Mailer>,
    broker: Option<Broker>,
    purger: Option<Purger>,
    channels: Channels,
}

/// It has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// What a webhook or a mail server answered.
    pub(super) status: Option<u16>,
}

/// It has not arrived, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    sentence: String,
    status: Option<u16>,
    outlook: Outlook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlook {
    /// It may pass.
    Again,
    /// It will not pass.
    Hopeless,
    /// The receiver wants no more.
    Gone,
}

impl Courier {
    pub(crate) fn new(state: AppState) -> anyhow::Result<Self> {
        let config = &state.config;
        let patience = Duration::from_secs(config.events.timeout_seconds);
        let mailer = Mailer::new(&config.smtp, patience)?;
        let broker = Broker::new(&config.amqp, patience)?;
        let purger = Purger::new(&config.delivery, patience)?;
        let channels = channels(&state);
        Ok(Self { poster: Poster::new(&config.events)?, mailer, broker, purger, channels, state })
    }

    /// Runs a job to whatever end.
    pub(crate) async fn perform(&self, job: &Job, cancel: &CancellationToken, stop: &CancellationToken) {
        let outcome = tokio::select! {
            outcome = self.work(job) => outcome,
            () = cancel.cancelled() => {
                // What was being sent may arrive, and is sent again under the same id.
                if stop.is_cancelled() { endings::release(&self.state.db, &job.lease).await } else { Ok(()) }
            }
        };
        let ended = match outcome {
            Err(error) if !error.lease_lost() => self.put_off(job, &error).await,
            outcome => outcome,
        };
        match ended {
            Err(error) if !error.lease_lost() => {
                tracing::error!(job.id = %job.lease.id, error = &error as &dyn std::error::Error, "job `{}` could not be ended", job.lease.id);
            }
            _ => {}
        }
    }

    async fn work(&self, job: &Job) -> catalog::Result<()> {
        let db = &self.state.db;
        match Errand::of(job)? {
            Errand::Announce(announce) => {
                deliveries::announce(db, &job.lease, announce.event, &self.channels).await?;
            }
            Errand::Replay(replay) => {
                let asked_by: Option<UserId> = job.owner.parse().ok();
                deliveries::replay(db, &job.lease, &replay, asked_by, &self.channels).await?;
            }
            Errand::Deliver(delivery) => match deliveries::open(db, &delivery).await? {
                Opening::Skip(reason) => deliveries::skip(db, &job.lease, &delivery, reason).await?,
                Opening::Send(event, recipient) => self.deliver(job, &delivery, &event, &recipient).await?,
            },
            Errand::Letter(letter) => self.write(job, &letter).await?,
            Errand::Notice(notice) => self.tell(job, &notice).await?,
        }
        Ok(())
    }

    async fn deliver(
        &self,
        job: &Job,
        delivery: &DeliverJob,
        event: &Event,
        recipient: &Recipient,
    ) -> catalog::Result<()> {
        let db = &self.state.db;
        let message = Message::new(event, &self.state.config);
        let begun = Instant::now();
        let skip = |reason| deliveries::skip(db, &job.lease, delivery, reason);
        let outcome = match recipient {
            Recipient::Webhook { url, secrets } => {
                self.poster.post(url, secrets, &message, ambient::unix_time()).await
            }
            Recipient::Email { address, first_name } => match &self.mailer {
                Some(mailer) => {
                    let base = BaseUrl::of_letters(&self.state.config);
                    mailer.send(&message, event.created_at, address, first_name, &base).await
                }
                None => return skip("no mail server is configured").await,
            },
            Recipient::Amqp => match &self.broker {
                Some(broker) => broker.publish(&message).await,
                None => return skip("no message broker is configured").await,
            },
            Recipient::Cdn => match (&self.purger, message.video()) {
                (Some(purger), Some(video)) => purger.forget(video).await,
                _ => return skip("no `delivery.purge_url` is configured").await,
            },
        };
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (attempt, verdict) = match outcome {
            Ok(Sent { status }) => (Attempt { at: 0, duration_ms, status, error: None }, Verdict::Delivered),
            Err(Failure { sentence, status, outlook }) => {
                let verdict = match outlook {
                    Outlook::Again => Verdict::Again(self.wait_after(job.failures)),
                    Outlook::Hopeless => Verdict::Hopeless,
                    Outlook::Gone => Verdict::Gone,
                };
                (Attempt { at: 0, duration_ms, status, error: Some(sentence) }, verdict)
            }
        };
        let reason = attempt.error.clone().unwrap_or_default();
        let (id, to) = (event.id, delivery.destination);
        match deliveries::record(db, &job.lease, delivery, attempt, verdict).await? {
            DeliveryState::Dead => {
                tracing::warn!(event.id = %id, "event `{id}` was not brought to `{to}`: {reason}");
            }
            state => tracing::debug!(event.id = %id, duration_ms, "event `{id}` to `{to}`: {state} {reason}"),
        }
        Ok(())
    }

    /// Up to a tenth more than configured, so that deliveries which failed together do not come back together.
    pub(super) fn wait_after(&self, failures: u32) -> Duration {
        let waits = &self.state.config.events.retry_seconds;
        let position = usize::try_from(failures).unwrap_or(usize::MAX);
        let wait = Duration::from_secs(waits.get(position).or(waits.last()).copied().unwrap_or_default());
        wait.saturating_add(wait.mul_f64(ambient::jitter() / 10.0))
    }

    /// The database, or another version's job: nothing that a receiver has to do with.
    async fn put_off(&self, job: &Job, error: &catalog::Error) -> catalog::Result<()> {
        tracing::warn!(job.id = %job.lease.id, job.kind, "job `{}` failed: {error}", job.lease.id);
        let delay = Backoff::default().delay(job.failures + 1, ambient::jitter());
        endings::retry(&self.state.db, &job.lease, &error.to_string(), delay).await.map(drop)
    }
}

/// What there is beside webhooks, as this process is configured.
pub(super) fn channels(state: &AppState) -> Channels {
    let config = &state.config;
    let retries = u32::try_from(config.events.retry_seconds.len()).unwrap_or(u32::MAX);
    Channels {
        email: if config.smtp.host.is_some() { config.smtp.events.clone() } else { Vec::new() },
        amqp: config.amqp.url.is_some(),
        cdn: config.delivery.purge_url.is_some(),
        failures: retries.saturating_add(1),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Failure {
    /// Whether another attempt would be in vain.
    pub(super) fn is_hopeless(&self) -> bool {
        self.outlook != Outlook::Again
    }

    /// It may pass.
    pub(super) fn again(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), status: None, outlook: Outlook::Again }
    }

    /// It will not pass.
    pub(super) fn hopeless(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), status: None, outlook: Outlook::Hopeless }
    }

    /// The receiver wants no more.
    pub(super) fn gone(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), status: None, outlook: Outlook::Gone }
    }

    /// With what was answered.
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }
}
