use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::Database;
use tokio::time::timeout;

use crate::{
    receiver::{Receiver, Reply, Request},
    server::{PATIENCE, Server, documented, run},
};

testbed::on_both_databases!(an_event_arrives_signed_and_is_recorded, a_killed_process_sends_again);

/// Whether the receivers of the documentation accept what was sent: one in Python, one in JavaScript.
async fn accepted(request: &Request, secret: &str) -> [bool; 2] {
    let input = request.to_be_checked(secret);
    let python = format!(
        "{}\nimport json, sys\none = json.loads(sys.argv[1])\n\
         print(verify(one['secret'], one['headers'], one['body'].encode()))",
        documented("python")
    );
    let script = format!(
        "{}\nconst one = JSON.parse(process.argv[1]);\n\
         console.log(verify(one.secret, one.headers, Buffer.from(one.body)));",
        documented("js")
    );
    let said = [
        run("python3", &["-c", &python], &input).await,
        run("node", &["--input-type=module", "-e", &script], &input).await,
    ];
    said.map(|said| said.parse::<bool>().unwrap_or(said == "True"))
}

fn statuses(delivery: &Value) -> Vec<Value> {
    delivery["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].clone()).collect()
}

async fn an_event_arrives_signed_and_is_recorded(database: Database) {
    let mut server = Server::start(database).await;
    let mut receiver = Receiver::start().await;
    let ada = server.sign_up("ada").await;
    let hook = server.hook(&ada, &receiver.url).await;
    let secret = hook["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    let id = hook["id"].as_str().unwrap();
    assert_eq!(
        server.get(&format!("/api/v5/webhooks/{id}"), &ada).await["secret"],
        Value::Null,
        "shown once"
    );

    let video = server.ready("ada").await;
    let (first, second, third) = (receiver.next().await, receiver.next().await, receiver.next().await);
    let mut all = [first.json(), second.json(), third.json()];
    all.sort_by_key(|event| event["timestamp"].as_str().unwrap().to_owned());
    let kinds: Vec<_> = all.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(["video.uploaded", "video.processing", "video.ready"].iter().all(|kind| kinds.contains(kind)));
    assert_eq!(first.header("webhook-id"), first.json()["id"].as_str().unwrap());
    assert_eq!(accepted(&first, &secret).await, [true; 2]);
    let changed = Request { body: first.body.replace("video", "viedo"), ..first.clone() };
    assert_eq!(accepted(&changed, &secret).await, [false; 2]);
    assert_eq!(accepted(&first, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").await, [false; 2]);

    server.until_carried().await;
    let ready = all.iter().find(|event| event["type"] == "video.ready").unwrap();
    assert_eq!(ready["data"]["watch"], format!("https://videos.example.org/watch/{video}"));
    assert!(
        ready["data"]["playback"]["dash"]
            .as_str()
            .unwrap()
            .starts_with("https://videos.example.org/vod-media/")
    );
    let mut seen = server.get(&format!("/api/v5/events/{}", ready["id"].as_str().unwrap()), &ada).await;
    let deliveries = seen.as_object_mut().unwrap().remove("deliveries").unwrap();
    assert_eq!(&seen, ready, "the API shows what was sent");
    assert_eq!((&deliveries[0]["state"], statuses(&deliveries[0])), (&json!("delivered"), vec![json!(200)]));

    // While a secret is changed, both are good.
    let rotated = server.post(&format!("/api/v5/webhooks/{id}/rotate"), &ada, json!({})).await;
    server.post(&format!("/api/v5/webhooks/{id}/test"), &ada, json!({})).await;
    let test = receiver.next().await;
    assert_eq!((&test.json()["type"], &test.json()["data"]), (&json!("webhook.test"), &json!({})));
    for good in [&secret, rotated["secret"].as_str().unwrap()] {
        assert_eq!(accepted(&test, good).await, [true; 2]);
    }

    // The log is read from its beginning, and from where the reader stopped.
    let page = server.get("/api/v5/events?order=oldest&limit=2", &ada).await;
    assert_eq!(page["events"][1]["type"], "video.processing");
    let next = page["next"].as_str().unwrap();
    let page = server.get(&format!("/api/v5/events?order=oldest&after={next}"), &ada).await;
    let kinds: Vec<_> =
        page["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["video.ready", "webhook.test"]);
    let newest = server.get("/api/v5/events?limit=1", &ada).await;
    assert_eq!((&newest["events"][0]["type"], newest["next"].is_string()), (&json!("webhook.test"), true));
}

/// The receiver has the event and has not answered when the process dies; nobody can know, so it is sent again.
async fn a_killed_process_sends_again(database: Database) {
    let mut server = Server::start(database).await;
    let mut receiver = Receiver::start().await;
    let ada = server.sign_up("ada").await;
    let hook = server.hook(&ada, &receiver.url).await;
    receiver.answer([Reply::Never]);
    server.upload("ada").await;
    let first = receiver.next().await;
    server.kill().await;
    server.run().await;
    let second = receiver.next().await;
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    server.until_carried().await;
    let deliveries = server.deliveries(&ada, &hook).await;
    assert_eq!(statuses(&deliveries[0]), [json!(200)], "what the dead process did is not known");
}

#[tokio::test]
async fn failures_are_tried_again_and_redirections_are_not_followed() {
    let mut server = Server::start(Database::sqlite()).await;
    let (mut receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let hook = server.hook(&ada, &receiver.url).await;
    receiver.answer([Reply::Status(500), Reply::Redirect(elsewhere.url.clone()), Reply::Status(429)]);
    server.upload("ada").await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(receiver.next().await.header("webhook-id").to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "the same event has the same id");
    server.until_carried().await;
    let delivery = server.deliveries(&ada, &hook).await.remove(0);
    assert_eq!(statuses(&delivery), [json!(500), json!(302), json!(429), json!(200)]);
    assert_eq!(delivery["attempts"][0]["error"], "it answered 500 Internal Server Error");
    assert_eq!((&delivery["state"], delivery["attempts"][3]["error"].is_null()), (&json!("delivered"), true));
    assert!(elsewhere.is_idle());
}

#[tokio::test]
async fn what_was_given_up_is_seen_and_can_be_delivered_again() {
    let settings = [("CUTETUBE_EVENTS__RETRY_SECONDS", "[0]".to_owned())];
    let mut server = Server::start_with(Database::sqlite(), &settings).await;
    let mut receiver = Receiver::start().await;
    let ada = server.sign_up("ada").await;
    let hook = server.hook(&ada, &receiver.url).await;
    receiver.answer([Reply::Status(503), Reply::Status(503)]);
    server.upload("ada").await;
    let first = receiver.next().await;
    server.until_carried().await;
    assert_eq!(server.deliveries(&ada, &hook).await[0]["state"], "dead");
    receiver.next().await;

    let event = first.header("webhook-id").to_owned();
    let path = format!("/api/v5/events/{event}/replay");
    assert_eq!(server.post(&path, &ada, json!({ "webhook": hook["id"] })).await["events"], 1);
    assert_eq!(receiver.next().await.header("webhook-id"), event);
    server.until_carried().await;
    let delivery = server.deliveries(&ada, &hook).await.remove(0);
    assert_eq!((&delivery["state"], statuses(&delivery).len()), (&json!("delivered"), 3));

    // All since a time, through the API and from the command line.
    server.upload("ada").await;
    receiver.next().await;
    server.until_carried().await;
    assert_eq!(server.post("/api/v5/events/replay", &ada, json!({ "since_ms": 0 })).await["events"], 2);
    assert_ne!(receiver.next().await.header("webhook-id"), receiver.next().await.header("webhook-id"));
    server.until_carried().await;
    let done = server.program().args(["events", "replay", "--since", "1h"]).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "2 events are delivered again\n", "{done:?}");
    receiver.next().await;
    receiver.next().await;
    server.until_carried().await;
    assert!(receiver.is_idle());
}

#[tokio::test]
async fn a_receiver_that_says_gone_hears_no_more() {
    let mut server = Server::start(Database::sqlite()).await;
    let mut receiver = Receiver::start().await;
    let ada = server.sign_up("ada").await;
    let hook = server.hook(&ada, &receiver.url).await;
    receiver.answer([Reply::Status(410)]);
    server.upload("ada").await;
    receiver.next().await;
    server.until_carried().await;
    let path = format!("/api/v5/webhooks/{}", hook["id"].as_str().unwrap());
    let disabled = server.get(&path, &ada).await;
    assert_eq!(
        (&disabled["enabled"], &disabled["disabled_reason"]),
        (&json!(false), &json!("it answered 410 Gone"))
    );
    server.upload("ada").await;
    server.until_carried().await;
    assert!(receiver.is_idle());
    let (status, enabled) = server.ask(Method::PATCH, &path, &ada, Some(json!({ "enabled": true }))).await;
    assert_eq!((status, &enabled["disabled_reason"]), (StatusCode::OK, &Value::Null));
    server.upload("ada").await;
    receiver.next().await;
}

/// Eight slots, and one person's receiver that never answers: everybody else is told at once.
#[tokio::test]
async fn a_receiver_that_never_answers_keeps_nobody_waiting() {
    let settings = [
        ("CUTETUBE_EVENTS__TIMEOUT_SECONDS", "3600".to_owned()),
        ("CUTETUBE_EVENTS__RETRY_SECONDS", "[]".to_owned()),
    ];
    let mut server = Server::start_with(Database::sqlite(), &settings).await;
    let (mut slow, mut fast) = (Receiver::start().await, Receiver::start().await);
    let (ada, bob) = (server.sign_up("ada").await, server.sign_up("bob").await);
    let hook = server.hook(&ada, &slow.url).await;
    server.hook(&bob, &fast.url).await;
    slow.answer(vec![Reply::Never; 100]);
    for _ in 0..30 {
        server.upload("ada").await;
    }
    slow.next().await;
    server.upload("bob").await;
    fast.next().await;
    let path = format!("/api/v5/webhooks/{}/deliveries?limit=100", hook["id"].as_str().unwrap());
    let known = async || server.get(&path, &ada).await["deliveries"].as_array().unwrap().clone();
    let announced = async { while known().await.len() < 30 {} };
    timeout(PATIENCE, announced).await.expect("slow deliveries keep no event from being announced");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_failure() {
    let settings = [("CUTETUBE_EVENTS__TIMEOUT_SECONDS", "1".to_owned())];
    let mut server = Server::start_with(Database::sqlite(), &settings).await;
    let mut receiver = Receiver::start().await;
    let ada = server.sign_up("ada").await;
    let hook = server.hook(&ada, &receiver.url).await;
    receiver.answer([Reply::Never]);
    server.upload("ada").await;
    assert_eq!(receiver.next().await.body, receiver.next().await.body);
    server.until_carried().await;
    let delivery = server.deliveries(&ada, &hook).await.remove(0);
    assert_eq!(delivery["attempts"][0]["error"], "it did not answer in time");
    assert_eq!(statuses(&delivery), [Value::Null, json!(200)]);
}

#[tokio::test]
async fn nothing_is_sent_into_private_networks() {
    let mut server = Server::start(Database::sqlite()).await;
    let (by_name, by_address) = (Receiver::start_on("localhost").await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let hooks = [server.hook(&ada, &by_name.url).await, server.hook(&ada, &by_address.url).await];
    server.kill().await;

    // What was accepted once is judged again whenever it is connected to.
    server.set("CUTETUBE_EVENTS__ALLOW_PRIVATE_NETWORKS", "false");
    server.set("CUTETUBE_EVENTS__RETRY_SECONDS", "[]");
    server.run().await;
    server.upload("ada").await;
    server.until_carried().await;
    for hook in hooks {
        let delivery = server.deliveries(&ada, &hook).await.remove(0);
        let error = delivery["attempts"][0]["error"].as_str().unwrap();
        assert!(
            error.ends_with("is not part of the public Internet, and this server does not send there"),
            "{error}"
        );
        assert_eq!(delivery["state"], "dead");
    }
    assert!(by_name.is_idle() && by_address.is_idle());

    for url in [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "ftp://example.org/",
        "not a URL",
    ] {
        let (status, said) =
            server.ask(Method::POST, "/api/v5/webhooks", &ada, Some(json!({ "url": url }))).await;
        assert_eq!(
            (status, &said["errors"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("url")),
            "{url}: {said}"
        );
    }
}

#[tokio::test]
async fn everybody_sees_their_own_and_administrators_all() {
    let mut server = Server::start(Database::sqlite()).await;
    let (mut own, mut global) = (Receiver::start().await, Receiver::start().await);
    let (ada, bob, root) =
        (server.sign_up("ada").await, server.sign_up("bob").await, server.sign_up("root").await);
    server.promote("root").await;
    let hook = server.hook(&ada, &own.url).await;
    let everybodys = json!({ "url": global.url, "events": ["video.deleted"], "scope": "all" });
    let refused = server.ask(Method::POST, "/api/v5/webhooks", &ada, Some(everybodys.clone())).await;
    assert_eq!(refused.0, StatusCode::FORBIDDEN);
    server.post("/api/v5/webhooks", &root, everybodys).await;

    let video = server.upload("ada").await;
    let event = own.next().await.header("webhook-id").to_owned();
    let (status, _) = server.ask(Method::DELETE, &format!("/api/v5/videos/{video}"), &ada, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(global.next().await.json()["data"]["state"], "deleted");
    own.next().await;
    server.until_carried().await;
    assert!(global.is_idle(), "it asked for deletions only");

    let mine = format!("/api/v5/webhooks/{}", hook["id"].as_str().unwrap());
    for path in [mine.clone(), format!("{mine}/deliveries"), format!("/api/v5/events/{event}")] {
        assert_eq!(server.ask(Method::GET, &path, &bob, None).await.0, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(server.ask(Method::GET, &path, "", None).await.0, StatusCode::UNAUTHORIZED, "{path}");
        server.get(&path, &root).await;
    }
    let replay = format!("/api/v5/events/{event}/replay");
    assert_eq!(server.ask(Method::POST, &replay, &bob, Some(json!({}))).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/api/v5/events", &bob).await["events"], json!([]));
    assert_eq!(server.get("/api/v5/webhooks", &bob).await["webhooks"], json!([]));
    assert_eq!(server.get("/api/v5/webhooks", &root).await["webhooks"].as_array().unwrap().len(), 2);
    let ours = server.get(&format!("/api/v5/events/{event}"), &ada).await;
    assert_eq!(
        ours["deliveries"].as_array().unwrap().len(),
        1,
        "of an administrator's webhook nothing is told"
    );
    assert_eq!(server.ask(Method::DELETE, &mine, &ada, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(server.ask(Method::GET, &mine, &ada, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_cannot_be_understood_is_said() {
    let server = Server::start(Database::sqlite()).await;
    let ada = server.sign_up("ada").await;
    let mut said = Vec::new();
    for body in [
        json!({}),
        json!({ "url": 7 }),
        json!({ "url": "https://1.1.1.1/", "event": [] }),
        json!({ "url": "https://1.1.1.1/", "events": ["video.danced"] }),
        json!({ "url": "https://1.1.1.1/", "events": ["webhook.test"] }),
        json!({ "url": format!("https://1.1.1.1/{}", "x".repeat(2000)) }),
    ] {
        let (status, answer) = server.ask(Method::POST, "/api/v5/webhooks", &ada, Some(body)).await;
        said.push(format!("{}: {}", status.as_u16(), answer["detail"].as_str().unwrap()));
    }
    for path in ["/api/v5/events?limit=0", "/api/v5/events?order=odd", "/api/v5/events?after=x"] {
        let (status, answer) = server.ask(Method::GET, path, &ada, None).await;
        said.push(format!("{}: {}", status.as_u16(), answer["detail"].as_str().unwrap()));
    }
    insta::assert_snapshot!(said.join("\n"));
}

/// A CDN hears of deletions and of nothing else, and again when it fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cdn_is_told_what_to_forget() {
    let mut receiver = Receiver::start().await;
    let settings = [
        ("CUTETUBE_DELIVERY__CDN_BASE_URL", "https://cdn.example.org/".to_owned()),
        ("CUTETUBE_DELIVERY__PURGE_URL", receiver.url.clone()),
        ("CUTETUBE_DELIVERY__PURGE_TOKEN", "a word".to_owned()),
    ];
    let mut server = Server::start_with(Database::sqlite(), &settings).await;
    let ada = server.sign_up("ada").await;
    let video = server.ready("ada").await;
    server.until_carried().await;
    assert!(receiver.is_idle());
    receiver.answer([Reply::Status(503)]);
    server.ask(Method::DELETE, &format!("/api/v5/videos/{video}"), &ada, None).await;
    for _ in 0..2 {
        let told = receiver.next().await;
        assert_eq!(told.header("authorization"), "Bearer a word");
        let prefixes = ["vod-media", "app/v2/dash"];
        let prefixes = prefixes.map(|folder| format!("https://cdn.example.org/{folder}/{video}/"));
        assert_eq!(told.json(), json!({ "prefixes": prefixes }));
    }
    server.until_carried().await;
}
