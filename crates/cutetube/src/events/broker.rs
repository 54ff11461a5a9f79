//! Publishing to RabbitMQ, or whatever speaks AMQP 0-9-1.

use std::time::Duration;

use anyhow::Context;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
    options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions},
    types::FieldTable,
    uri::AMQPUri,
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    courier::{Failure, Sent},
    message::Message,
};
use crate::{config::Amqp, tls};

/// Publishes over one connection, which is made when it is needed and made again when it broke.
pub(super) struct Broker {
    uri: AMQPUri,
    exchange: String,
    patience: Duration,
    open: Mutex<Option<Open>>,
}

/// The channel lives as long as its connection.
#[derive(Clone)]
struct Open {
    channel: Channel,
    _connection: std::sync::Arc<Connection>,
}

/// Kept on disk by queues that are durable (AMQP 0-9-1, `delivery-mode`).
const PERSISTENT: u8 = 2;

impl Broker {
    /// `None` when no broker is configured.
    pub(super) fn new(config: &Amqp, patience: Duration) -> anyhow::Result<Option<Self>> {
        let Some(url) = &config.url else { return Ok(None) };
        tls::provide();
        // The parser's own words may repeat the password.
        let uri = url.expose().parse().ok().context("`amqp.url` cannot be read")?;
        Ok(Some(Self { uri, exchange: config.exchange.clone(), patience, open: Mutex::default() }))
    }

    /// Publishes under the event's name, and waits until the broker has taken charge of it.
    pub(super) async fn publish(&self, message: &Message) -> Result<Sent, Failure> {
        let outcome = match timeout(self.patience, self.try_publish(message)).await {
            Ok(Ok(Confirmation::Nack(_))) => Err("the broker refused it".to_owned()),
            Ok(Ok(_)) => Ok(Sent { status: None }),
            Ok(Err(error)) => Err(format!("the broker could not be told: {error}")),
            Err(_) => Err("the broker did not answer in time".to_owned()),
        };
        if outcome.is_err() {
            // Whatever is wrong with the connection, the next attempt begins with a new one.
            self.open.lock().await.take();
        }
        outcome.map_err(Failure::again)
    }

    /// Connects and declares the exchange.
    pub(super) async fn probe(&self) -> anyhow::Result<()> {
        timeout(self.patience, self.channel()).await.context("it does not answer")??;
        Ok(())
    }

    /// Nobody may be listening, which is no failure: the event is published, not addressed. So it is not `mandatory`.
    async fn try_publish(&self, message: &Message) -> lapin::Result<Confirmation> {
        let channel = self.channel().await?;
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(message.id.to_string().into())
            .with_type(message.kind.as_str().into())
            .with_app_id("cutetube".into());
        let exchange = self.exchange.as_str();
        let routing_key = message.kind.as_str();
        let options = BasicPublishOptions::default();
        channel
            .basic_publish(exchange.into(), routing_key.into(), options, &message.to_bytes(), properties)
            .await?
            .await
    }

    async fn channel(&self) -> lapin::Result<Channel> {
        let mut open = self.open.lock().await;
        if let Some(Open { channel, .. }) = open.as_ref().filter(|open| open.channel.status().connected()) {
            return Ok(channel.clone());
        }
        let properties = ConnectionProperties::default().with_connection_name("cutetube".into());
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let name = self.exchange.as_str();
        channel.exchange_declare(name.into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let _connection = std::sync::Arc::new(connection);
        Ok(open.insert(Open { channel, _connection }).channel.clone())
    }
}
