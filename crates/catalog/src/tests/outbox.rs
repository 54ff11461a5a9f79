//! The log of events, and their way to those who want to hear of them.

use std::{collections::HashSet, time::Duration};

use db::{Db, Timestamp};
use jobs::Job;
use testbed::Database;

use super::{
    LEASE, PASS_TIME, ann, inspect, new_user, new_video, open, take, take_one, unfinished, upload, work_off,
};
use crate::{
    Error, VideoState,
    accounts::create_user,
    administration,
    endings::{reap, reject, request_delete},
    events::{
        self, DeliverJob, Errand, Event, EventKind, Order, QUEUE, Scope,
        deliveries::{
            self, Attempt, Channels, Delivery, DeliveryState, Destination, Opening, Recipient, Verdict, Which,
        },
        webhooks::{self, Change, NewWebhook, Secret},
    },
    ids::{UserId, VideoId, WebhookId},
    videos::create,
    work::PIPELINE_QUEUE,
};

db::statements! {
    AGE_EVENTS { "UPDATE events SET created_at = created_at - $1" }
    END_OVERLAP { "UPDATE webhooks SET previous_until = " NOW " - 1" }
}

const CHANNELS: Channels = Channels { email: Vec::new(), amqp: false, cdn: false, failures: 3 };

async fn log_of(db: &Db, scope: Scope) -> Vec<Event> {
    events::page(db, scope, Order::OldestFirst, None, 1000).await.unwrap()
}

async fn kinds(db: &Db) -> Vec<&'static str> {
    log_of(db, Scope::All).await.iter().map(|event| event.kind.as_str()).collect()
}

async fn hook(db: &Db, number: u64, owner: Option<UserId>, wanted: &[EventKind]) -> WebhookId {
    let new = NewWebhook {
        id: WebhookId::new(number, &[4; 10]),
        owner,
        url: format!("https://receiver.example/{number}"),
        kinds: wanted.to_vec(),
        secret: Secret(format!("whsec_{number}")),
    };
    webhooks::create(db, &new).await.unwrap().id
}

/// Announces or replays everything that waits, and answers the deliveries that are ready then.
async fn spread(db: &Db, channels: &Channels) -> Vec<(Job, DeliverJob)> {
    let mut deliver = Vec::new();
    loop {
        let jobs = take(db, QUEUE, 100).await;
        if jobs.is_empty() {
            return deliver;
        }
        for job in jobs {
            match Errand::of(&job).unwrap() {
                Errand::Announce(announce) => {
                    deliveries::announce(db, &job.lease, announce.event, channels).await.map(drop).unwrap();
                }
                Errand::Replay(replay) => {
                    deliveries::replay(db, &job.lease, &replay, None, channels).await.unwrap();
                }
                Errand::Deliver(delivery) => deliver.push((job, delivery)),
                written @ (Errand::Letter(_) | Errand::Notice(_)) => {
                    panic!("nobody is written to here: {written:?}")
                }
            }
        }
    }
}

async fn finish(db: &Db, (job, delivery): &(Job, DeliverJob), verdict: Verdict) -> DeliveryState {
    let error = (verdict != Verdict::Delivered).then(|| "it answered 500".to_owned());
    let attempt = Attempt { at: 0, duration_ms: 7, status: Some(500), error };
    deliveries::record(db, &job.lease, delivery, attempt, verdict).await.unwrap()
}

async fn delivery(db: &Db, event: &Event, destination: Destination) -> Delivery {
    let all = deliveries::of_event(db, event.id).await.unwrap();
    all.into_iter().find(|delivery| delivery.destination == destination).unwrap()
}

async fn every_change_is_logged_once_with_what_it_was(database: Database) {
    let db = open(&database).await;
    let id = upload(&db, 1).await.id;
    work_off(&db).await;
    let doomed = upload(&db, 2).await.id;
    let job = take_one(&db).await;
    reject(&db, &job.lease, "The file is empty.").await.unwrap();
    assert!(reject(&db, &job.lease, "late").await.is_err());
    request_delete(&db, id).await.unwrap();
    assert!(request_delete(&db, id).await.is_err());
    let log = log_of(&db, Scope::All).await;
    assert_eq!(
        kinds(&db).await,
        [
            "video.uploaded",
            "video.processing",
            "video.ready",
            "video.uploaded",
            "video.failed",
            "video.deleted"
        ]
    );
    assert!(log.iter().enumerate().all(|(position, event)| event.seq == position as u64 + 1), "{log:?}");
    let failed = log[4].video.clone().unwrap();
    assert_eq!(
        (failed.id, failed.state, failed.error.as_deref()),
        (doomed, VideoState::Failed, Some("The file is empty."))
    );
    assert!(log[2].video.as_ref().unwrap().published_revision.is_some());
    assert_eq!(log[5].video.as_ref().unwrap().title, "Video 1", "the log outlives the video");
    work_off(&db).await;
    assert_eq!(log_of(&db, Scope::All).await, log);
    assert_eq!(events::event(&db, log[4].id).await.unwrap().as_ref(), Some(&log[4]));
}

/// The reason and the event are there together or not at all, also when nobody lives to tell.
async fn a_dead_chunk_is_told_with_its_death(database: Database) {
    let db = open(&database).await;
    upload(&db, 1).await;
    inspect(&db).await;
    let poisonous = take_one(&db).await;
    for attempt in 1..=poisonous.max_attempts {
        assert!(!kinds(&db).await.contains(&"video.failed"), "attempt {attempt}");
        db.write(PASS_TIME).bind(LEASE * 2).execute().await.unwrap();
        reap(&db).await.unwrap();
        if attempt < poisonous.max_attempts {
            assert_eq!(take_one(&db).await.lease.id, poisonous.lease.id);
        }
    }
    let log = log_of(&db, Scope::All).await;
    assert_eq!(kinds(&db).await, ["video.uploaded", "video.processing", "video.failed"]);
    assert!(log[2].video.clone().unwrap().error.unwrap().contains("encoding the picture failed 25 times"));
    assert_eq!(unfinished(&db).await, 0);
}

async fn whoever_reads_on_from_a_number_misses_nothing(database: Database) {
    let db = open(&database).await;
    let owner = ann(&db).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 1..=40 {
        let (db, new) = (db.clone(), new_video(&owner, number));
        writers.spawn(async move { create(&db, &new).await.unwrap() });
    }
    let (mut read, mut last) = (0, None);
    while read < 40 {
        let page = events::page(&db, Scope::All, Order::OldestFirst, last, 3).await.unwrap();
        read += page.len();
        last = page.last().map(|event| event.seq).or(last);
        tokio::task::yield_now().await;
    }
    assert_eq!(last, Some(40));
    writers.join_all().await;
}

async fn everybody_hears_what_they_asked_for(database: Database) {
    let db = open(&database).await;
    let first = upload(&db, 1).await;
    let other = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    let all = hook(&db, 1, Some(first.owner), &[]).await;
    let deleted = hook(&db, 2, Some(first.owner), &[EventKind::Deleted]).await;
    let everybodys = hook(&db, 3, None, &[]).await;
    hook(&db, 4, Some(other.id), &[]).await;
    let off = hook(&db, 5, Some(first.owner), &[]).await;
    webhooks::change(&db, off, &Change { enabled: Some(false), ..Change::default() }).await.unwrap();

    let channels = Channels { email: vec![EventKind::Ready], amqp: true, cdn: false, failures: 3 };
    let went = spread(&db, &channels).await;
    let destinations: HashSet<_> = went.iter().map(|(_, delivery)| delivery.destination).collect();
    assert_eq!(
        destinations,
        HashSet::from([Destination::Webhook(all), Destination::Webhook(everybodys), Destination::Amqp]),
        "an upload is not told by mail"
    );
    assert!(!destinations.contains(&Destination::Webhook(deleted)));
    let to_all = went.iter().find(|(_, one)| one.destination == Destination::Webhook(all)).unwrap();
    let log = log_of(&db, Scope::Owner(first.owner)).await;
    assert_eq!(log.len(), 1);
    assert_eq!(log_of(&db, Scope::Owner(other.id)).await, []);
    let Opening::Send(event, Recipient::Webhook { url, secrets }) =
        deliveries::open(&db, &to_all.1).await.unwrap()
    else {
        panic!("it is to be sent")
    };
    assert_eq!((*event, url.as_str()), (log[0].clone(), "https://receiver.example/1"));
    assert_eq!(secrets, [Secret("whsec_1".to_owned())]);
}

async fn attempts_are_kept_until_it_arrives_or_is_given_up(database: Database) {
    let db = open(&database).await;
    let owner = upload(&db, 1).await.owner;
    let id = hook(&db, 1, Some(owner), &[]).await;
    let mut went = spread(&db, &CHANNELS).await;
    let event = log_of(&db, Scope::All).await.remove(0);
    for expected in [DeliveryState::Pending, DeliveryState::Pending, DeliveryState::Dead] {
        let again = Verdict::Again(Duration::ZERO);
        assert_eq!(finish(&db, &went[0], again).await, expected);
        let seen = delivery(&db, &event, Destination::Webhook(id)).await;
        assert_eq!((seen.state, seen.next_at.is_some()), (expected, expected == DeliveryState::Pending));
        went = spread(&db, &CHANNELS).await;
    }
    assert!(went.is_empty());
    let seen = deliveries::of_webhook(&db, id, None, 10).await.unwrap();
    assert_eq!((seen.len(), seen[0].attempts.len(), seen[0].attempts[2].status), (1, 3, Some(500)));

    assert_eq!(
        deliveries::request_replay(&db, Scope::All, None, Which::One(event.id), None).await.unwrap(),
        1
    );
    let went = spread(&db, &CHANNELS).await;
    assert_eq!(finish(&db, &went[0], Verdict::Delivered).await, DeliveryState::Delivered);
    let seen = delivery(&db, &event, Destination::Webhook(id)).await;
    assert_eq!((seen.state, seen.attempts.len(), seen.event), (DeliveryState::Delivered, 4, event.id));
    assert!(spread(&db, &CHANNELS).await.is_empty());
}

async fn a_replay_brings_all_since_a_time_and_overtakes_what_waits(database: Database) {
    let db = open(&database).await;
    let owner = upload(&db, 1).await.owner;
    let id = hook(&db, 1, Some(owner), &[]).await;
    hook(&db, 2, None, &[]).await;
    for number in 2..=120 {
        upload(&db, number).await;
    }
    let waiting = spread(&db, &Channels { amqp: true, ..CHANNELS }).await;
    assert_eq!(waiting.len(), 3 * 120, "two webhooks and the broker");
    let since = Which::Since(log_of(&db, Scope::All).await[0].created_at);
    let asked = deliveries::request_replay(&db, Scope::Owner(owner), None, since, Some(owner)).await.unwrap();
    assert_eq!(asked, 120);
    let mut again = Vec::new();
    while again.len() < 120 {
        again.extend(spread(&db, &Channels { amqp: true, ..CHANNELS }).await);
    }
    assert!(again.iter().all(|(_, delivery)| delivery.destination == Destination::Webhook(id)));
    assert!(again.iter().all(|(_, delivery)| delivery.run == 2));
    // What was on its way before finds that it is late.
    let late = waiting.iter().find(|(_, one)| one.destination == Destination::Webhook(id)).unwrap();
    assert!(matches!(deliveries::open(&db, &late.1).await.unwrap(), Opening::Skip(_)));
    deliveries::skip(&db, &late.0.lease, &late.1, "late").await.unwrap();
    let fresh = again.iter().find(|(_, one)| one.event == late.1.event).unwrap();
    assert!(matches!(deliveries::open(&db, &fresh.1).await.unwrap(), Opening::Send(..)));

    let future = Which::Since(Timestamp::from_unix_micros(i64::MAX));
    assert_eq!(deliveries::request_replay(&db, Scope::All, None, future, None).await.unwrap(), 0);
}

async fn a_receiver_that_is_gone_or_off_hears_no_more(database: Database) {
    let db = open(&database).await;
    let owner = upload(&db, 1).await.owner;
    let id = hook(&db, 1, Some(owner), &[]).await;
    upload(&db, 2).await;
    let went = spread(&db, &CHANNELS).await;
    assert_eq!(finish(&db, &went[0], Verdict::Gone).await, DeliveryState::Dead);
    let disabled = webhooks::webhook(&db, id).await.unwrap();
    assert_eq!((disabled.enabled, disabled.disabled_reason.as_deref()), (false, Some("it answered 500")));
    let Opening::Skip(reason) = deliveries::open(&db, &went[1].1).await.unwrap() else { panic!("it is off") };
    deliveries::skip(&db, &went[1].0.lease, &went[1].1, reason).await.unwrap();
    upload(&db, 3).await;
    assert!(spread(&db, &CHANNELS).await.is_empty());

    let on = Change { enabled: Some(true), ..Change::default() };
    assert_eq!(webhooks::change(&db, id, &on).await.unwrap().disabled_reason, None);
    upload(&db, 4).await;
    let went = spread(&db, &CHANNELS).await;
    webhooks::delete(&db, id).await.unwrap();
    assert!(matches!(deliveries::open(&db, &went[0].1).await.unwrap(), Opening::Skip(_)));
    // A receiver that vanished while it was written to changes nothing.
    finish(&db, &went[0], Verdict::Delivered).await;
    assert!(matches!(webhooks::delete(&db, id).await, Err(Error::NoWebhook(_))));
    assert!(spread(&db, &CHANNELS).await.is_empty());
}

async fn a_new_secret_signs_beside_the_old_one_for_a_while(database: Database) {
    let db = open(&database).await;
    let owner = upload(&db, 1).await.owner;
    let id = hook(&db, 1, Some(owner), &[]).await;
    let went = spread(&db, &CHANNELS).await;
    let secrets = || async {
        match deliveries::open(&db, &went[0].1).await.unwrap() {
            Opening::Send(_, Recipient::Webhook { secrets, .. }) => secrets,
            other => panic!("{other:?}"),
        }
    };
    webhooks::rotate(&db, id, &Secret("whsec_new".to_owned()), Duration::from_secs(60)).await.unwrap();
    assert_eq!(secrets().await, [Secret("whsec_new".to_owned()), Secret("whsec_1".to_owned())]);
    db.write(END_OVERLAP).execute().await.unwrap();
    assert_eq!(secrets().await, [Secret("whsec_new".to_owned())]);
    assert!(!format!("{:?}", secrets().await).contains("new"));
}

async fn a_test_goes_to_its_webhook_only(database: Database) {
    let db = open(&database).await;
    let owner = ann(&db).await.id;
    let id = hook(&db, 1, None, &[EventKind::Failed]).await;
    hook(&db, 2, Some(owner), &[]).await;
    let event = deliveries::send_test(&db, id, owner, 3).await.unwrap();
    assert_eq!((event.kind, event.video.clone()), (EventKind::Test, None));
    let went = spread(&db, &CHANNELS).await;
    assert_eq!(went.len(), 1);
    assert_eq!(went[0].1.destination, Destination::Webhook(id));
    let none = deliveries::request_replay(&db, Scope::All, None, Which::One(event.id), None).await.unwrap();
    assert_eq!(none, 0);
}

async fn a_person_has_so_many_webhooks_and_no_more(database: Database) {
    let db = open(&database).await;
    let owner = ann(&db).await.id;
    for number in 1..=u64::from(webhooks::MOST) {
        hook(&db, number, Some(owner), &[]).await;
    }
    let one_more = NewWebhook {
        id: WebhookId::new(99, &[4; 10]),
        owner: Some(owner),
        url: "https://receiver.example".to_owned(),
        kinds: Vec::new(),
        secret: Secret("whsec_99".to_owned()),
    };
    let refused = webhooks::create(&db, &one_more).await;
    assert!(matches!(refused, Err(Error::TooManyWebhooks(20))), "{refused:?}");
    assert_eq!(webhooks::list(&db, Scope::Owner(owner)).await.unwrap().len(), 20);
    let nobody = NewWebhook { owner: Some(UserId::new(9, &[9; 10])), ..one_more };
    assert!(matches!(webhooks::create(&db, &nobody).await, Err(Error::NoUser)));
}

async fn a_delivery_whose_workers_all_vanish_is_dead(database: Database) {
    let db = open(&database).await;
    let owner = upload(&db, 1).await.owner;
    let id = hook(&db, 1, Some(owner), &[]).await;
    let mut went = spread(&db, &CHANNELS).await;
    // Only the upload's own job is in the way.
    take(&db, PIPELINE_QUEUE, 10).await;
    for _ in 0..went[0].0.max_attempts {
        db.write(PASS_TIME).bind(LEASE * 2).execute().await.unwrap();
        reap(&db).await.unwrap();
        went = spread(&db, &CHANNELS).await;
    }
    assert!(went.is_empty());
    let seen = deliveries::of_webhook(&db, id, None, 10).await.unwrap();
    assert_eq!(seen[0].state, DeliveryState::Dead);
    assert_eq!(seen[0].attempts[0].error.as_deref(), Some("the worker stopped answering in every attempt"));
}

async fn a_delivery_that_is_cancelled_is_skipped(database: Database) {
    let db = open(&database).await;
    let owner = upload(&db, 1).await.owner;
    let id = hook(&db, 1, Some(owner), &[]).await;
    let went = spread(&db, &CHANNELS).await;
    administration::cancel(&db, went[0].0.lease.id, "Nobody reads this.").await.unwrap();
    let seen = deliveries::of_webhook(&db, id, None, 10).await.unwrap();
    assert_eq!(seen[0].state, DeliveryState::Skipped);
    assert_eq!(seen[0].attempts[0].error.as_deref(), Some("an administrator stopped it"));
}

async fn old_events_are_forgotten_with_their_deliveries(database: Database) {
    let db = open(&database).await;
    let owner = upload(&db, 1).await.owner;
    let id = hook(&db, 1, Some(owner), &[]).await;
    let went = spread(&db, &CHANNELS).await;
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(events::purge(&db, day, 100).await.unwrap(), 0);
    db.write(AGE_EVENTS).bind(day * 2).execute().await.unwrap();
    assert_eq!(events::purge(&db, day, 100).await.unwrap(), 1);
    assert!(matches!(deliveries::open(&db, &went[0].1).await.unwrap(), Opening::Skip(_)));
    assert!(deliveries::of_webhook(&db, id, None, 10).await.unwrap().is_empty());
    finish(&db, &went[0], Verdict::Delivered).await;
    assert!(spread(&db, &CHANNELS).await.is_empty());
}

testbed::on_both_databases!(
    every_change_is_logged_once_with_what_it_was,
    a_dead_chunk_is_told_with_its_death,
    whoever_reads_on_from_a_number_misses_nothing,
    everybody_hears_what_they_asked_for,
    attempts_are_kept_until_it_arrives_or_is_given_up,
    a_replay_brings_all_since_a_time_and_overtakes_what_waits,
    a_receiver_that_is_gone_or_off_hears_no_more,
    a_new_secret_signs_beside_the_old_one_for_a_while,
    a_test_goes_to_its_webhook_only,
    a_person_has_so_many_webhooks_and_no_more,
    a_delivery_whose_workers_all_vanish_is_dead,
    a_delivery_that_is_cancelled_is_skipped,
    old_events_are_forgotten_with_their_deliveries,
);

/// Jobs in a queue outlive the program that wrote them, so their form is a contract.
#[test]
fn payloads_keep_their_form() {
    let webhook = WebhookId::new(1, &[0; 10]);
    let job = DeliverJob { event: 7, destination: Destination::Webhook(webhook), run: 2 };
    let form = serde_json::json!({
        "event": 7, "destination": "webhook:00000000-0001-7000-8000-000000000000", "run": 2,
    });
    assert_eq!(serde_json::to_value(&job).unwrap(), form);
    assert_eq!(Errand::parse("deliver", &form.to_string()).unwrap(), Errand::Deliver(job));
    assert!(matches!(
        Errand::parse("deliver", r#"{"destination": "pigeon"}"#),
        Err(Error::UnknownWork { .. })
    ));
    let video = VideoId::new(1, &[0; 10]);
    assert_eq!(
        crate::ids::EventId::derived(video.uuid(), 7),
        crate::ids::EventId::derived(video.uuid(), 7),
        "the id follows from the video and the number"
    );
}
