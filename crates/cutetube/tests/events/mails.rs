use catalog::events::{self, EventKind, Order, Scope, deliveries};
use serde_json::Value;
use testbed::{Database, Mailbox};

use crate::server::Server;

testbed::on_both_databases!(owners_are_told_what_became_of_their_videos);

/// The server, and the mailbox that it sends to.
async fn start(database: Database) -> (Server, Mailbox) {
    start_with(database, &[]).await
}

/// The same, with further variables.
pub(crate) async fn start_with(database: Database, further: &[(&'static str, String)]) -> (Server, Mailbox) {
    let mailbox = tokio::task::spawn_blocking(Mailbox::start).await.unwrap();
    let mut settings = vec![
        ("CUTETUBE_SMTP__HOST", "127.0.0.1".to_owned()),
        ("CUTETUBE_SMTP__PORT", mailbox.port().to_string()),
        ("CUTETUBE_SMTP__TLS", "off".to_owned()),
        ("CUTETUBE_SMTP__FROM", "Videos <videos@example.org>".to_owned()),
    ];
    settings.extend_from_slice(further);
    (Server::start_with(database, &settings).await, mailbox)
}

pub(crate) async fn next(mut mailbox: Mailbox) -> (Mailbox, Value) {
    tokio::task::spawn_blocking(move || {
        let mail = serde_json::from_str(&mailbox.next_mail()).unwrap();
        (mailbox, mail)
    })
    .await
    .unwrap()
}

/// What came of the mail about the newest event.
async fn delivery(server: &Server, kind: EventKind) -> deliveries::Delivery {
    let page = events::page(&server.db, Scope::All, Order::NewestFirst, None, 1).await.unwrap();
    assert_eq!(page[0].kind, kind);
    deliveries::of_event(&server.db, page[0].id).await.unwrap().remove(0)
}

async fn owners_are_told_what_became_of_their_videos(database: Database) {
    let (mut server, mailbox) = start(database).await;
    server.sign_up("ada").await;
    let video = server.ready("ada").await;
    let (mailbox, mail) = next(mailbox).await;
    assert_eq!((&mail["from"], &mail["to"][0]), (&"videos@example.org".into(), &"ada@example.org".into()));
    let headers = &mail["headers"];
    assert_eq!(headers["Subject"], "“Höhlen & <b>Berge</b>” is ready");
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    server.until_carried().await;
    let told = delivery(&server, EventKind::Ready).await;
    assert_eq!(headers["Message-ID"], format!("<{}@example.org>", told.event));
    assert_eq!((told.state, told.attempts[0].status), (deliveries::DeliveryState::Delivered, Some(250)));
    let said = |kind: &str| mail["parts"][kind].as_str().unwrap().replace('\r', "");
    let hidden = |text: String| text.replace(&video.to_string(), "[id]");
    insta::assert_snapshot!("ready", hidden(format!("{}\n{}", said("text/plain"), said("text/html"))));

    server.failed("ada").await;
    let (_mailbox, mail) = next(mailbox).await;
    assert_eq!(mail["headers"]["Subject"], "“Höhlen & <b>Berge</b>” could not be processed");
    assert!(mail["parts"]["text/plain"].as_str().unwrap().contains("The file is damaged. Upload it again."));
}

#[tokio::test]
async fn a_server_that_says_later_is_asked_again_and_one_that_says_never_is_not() {
    let (mut server, mailbox) = start(Database::sqlite()).await;
    assert_eq!(server.doctor("mail").await, "ok    mail: 127.0.0.1 answers");
    assert_eq!(server.doctor("broker").await, "ok    broker: not configured");
    server.sign_up("later").await;
    server.failed("later").await;
    let (_mailbox, mail) = next(mailbox).await;
    assert_eq!(mail["to"][0], "later@example.org");
    server.until_carried().await;
    let told = delivery(&server, EventKind::Failed).await;
    let statuses: Vec<_> = told.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!((told.state, statuses), (deliveries::DeliveryState::Delivered, vec![Some(451), Some(250)]));

    server.sign_up("never").await;
    server.failed("never").await;
    server.until_carried().await;
    let told = delivery(&server, EventKind::Failed).await;
    assert_eq!((told.state, told.attempts.len()), (deliveries::DeliveryState::Dead, 1));
    let error = told.attempts[0].error.clone().unwrap();
    assert!(error.contains("there is no such mailbox"), "{error}");
}
