use catalog::events::{
    self, Order, Scope,
    deliveries::{self, Delivery, DeliveryState, Destination},
};
use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties, Consumer, ExchangeKind,
    message::Delivery as Received,
    options::{
        BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use serde_json::Value;
use testbed::{Database, Forwarder};
use tokio::time::timeout;

use crate::server::{PATIENCE, Server, loopback};

testbed::on_both_databases!(events_are_published_under_their_names);

/// Somebody who listens to the broker.
struct Listener {
    consumer: Consumer,
    _connection: Connection,
}

impl Listener {
    async fn start(exchange: &str, key: &str) -> Self {
        let port = testbed::rabbitmq_port();
        let url = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let none = FieldTable::default;
        channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, none()).await.unwrap();
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, none()).await.unwrap();
        let name = queue.name().clone();
        let bind = QueueBindOptions::default();
        channel.queue_bind(name.clone(), exchange.into(), key.into(), bind, none()).await.unwrap();
        let consumer =
            channel.basic_consume(name, "".into(), BasicConsumeOptions::default(), none()).await.unwrap();
        Self { consumer, _connection: connection }
    }

    async fn next(&mut self) -> Received {
        let received = timeout(PATIENCE, self.consumer.next()).await.expect("an event is published");
        let received = received.unwrap().unwrap();
        received.ack(BasicAckOptions::default()).await.unwrap();
        received
    }
}

/// A server that publishes to `exchange`, through a wire of its own.
async fn start(database: Database, exchange: &str, patience: u64) -> (Server, Forwarder) {
    let port = tokio::task::spawn_blocking(testbed::rabbitmq_port).await.unwrap();
    let wire = Forwarder::start(loopback(port)).await;
    let settings = [
        ("CUTETUBE_AMQP__URL", format!("amqp://guest:guest@{}/%2f", wire.address())),
        ("CUTETUBE_AMQP__EXCHANGE", exchange.to_owned()),
        ("CUTETUBE_EVENTS__TIMEOUT_SECONDS", patience.to_string()),
        ("CUTETUBE_EVENTS__RETRY_SECONDS", format!("{:?}", [1; 50])),
    ];
    (Server::start_with(database, &settings).await, wire)
}

async fn newest(server: &Server) -> Delivery {
    let page = events::page(&server.db, Scope::All, Order::NewestFirst, None, 1).await.unwrap();
    let all = deliveries::of_event(&server.db, page[0].id).await.unwrap();
    all.into_iter().find(|delivery| delivery.destination == Destination::Amqp).unwrap()
}

/// Waits for an attempt that failed.
async fn until_failed(server: &Server) {
    let mut listener = server.db.listen(jobs::CHANNEL).await.unwrap();
    let waiting = async {
        loop {
            let page = events::page(&server.db, Scope::All, Order::NewestFirst, None, 1).await.unwrap();
            let all = deliveries::of_event(&server.db, page[0].id).await.unwrap();
            if all.iter().any(|delivery| delivery.attempts.iter().any(|attempt| attempt.error.is_some())) {
                return;
            }
            listener.wait(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("an attempt fails");
}

async fn events_are_published_under_their_names(database: Database) {
    let exchange = if database.url().starts_with("sqlite") { "one-machine" } else { "many-machines" };
    let (mut server, _wire) = start(database, exchange, 30).await;
    let mut listener = Listener::start(exchange, "video.ready").await;
    server.sign_up("ada").await;
    server.ready("ada").await;
    let received = listener.next().await;
    assert_eq!(received.routing_key.as_str(), "video.ready");
    let properties = &received.properties;
    assert_eq!(properties.delivery_mode(), &Some(2), "persistent");
    let event: Value = serde_json::from_slice(&received.data).unwrap();
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), event["id"].as_str().unwrap());
    assert_eq!((&event["type"], &event["data"]["state"]), (&"video.ready".into(), &"ready".into()));
    server.until_carried().await;
    assert_eq!(newest(&server).await.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_broker_that_is_away_gets_its_events_when_it_is_back() {
    let (mut server, wire) = start(Database::sqlite(), "outages", 5).await;
    let mut listener = Listener::start("outages", "#").await;
    server.sign_up("ada").await;
    let well = "ok    broker: takes messages for the exchange `outages`";
    assert_eq!(server.doctor("broker").await, well);
    wire.cut();
    let ill = server.doctor("broker").await;
    assert!(ill.starts_with("wrong broker: the broker cannot be used: "), "{ill}");
    server.upload("ada").await;
    until_failed(&server).await;
    wire.mend();
    assert_eq!(listener.next().await.routing_key.as_str(), "video.uploaded");
    server.until_carried().await;
    let delivery = newest(&server).await;
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert!(delivery.attempts.len() >= 2, "{delivery:?}");

    // The connection stands, and dies without a confirmation.
    wire.stall();
    server.upload("ada").await;
    until_failed(&server).await;
    wire.cut();
    wire.mend();
    assert_eq!(listener.next().await.routing_key.as_str(), "video.uploaded");
    server.until_carried().await;
    assert_eq!(newest(&server).await.state, DeliveryState::Delivered);
}
