//! Letters about accounts: what they say, and what their links do.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::{Database, Mailbox};

use crate::{
    mails::{next, start_with},
    server::Server,
};

testbed::on_both_databases!(letters_prove_an_address_and_reset_a_password);

/// The next letter: to whom, its subject, and the code in its link.
async fn letter(mailbox: Mailbox) -> (Mailbox, String, String, String) {
    let (mailbox, mail) = next(mailbox).await;
    let text = mail["parts"]["text/plain"].as_str().unwrap().to_owned();
    let code = code_in(&text);
    assert!(mail["parts"]["text/html"].as_str().unwrap().contains(&format!("#{code}")) || code.is_empty());
    let of = |value: &Value| value.as_str().unwrap().to_owned();
    (mailbox, of(&mail["to"][0]), of(&mail["headers"]["Subject"]), code)
}

/// What follows the `#` of a link.
fn code_in(text: &str) -> String {
    let after = text.split_once('#').map_or("", |(_, code)| code);
    after.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
}

async fn post(server: &Server, path: &str, token: &str, body: Value) -> StatusCode {
    server.ask(Method::POST, path, token, Some(body)).await.0
}

async fn letters_prove_an_address_and_reset_a_password(database: Database) {
    let required = [("CUTETUBE_ACCOUNTS__VERIFICATION", "required".to_owned())];
    let (server, mailbox) = start_with(database, &required).await;
    let token = server.sign_up("ada").await;
    let (mailbox, to, subject, code) = letter(mailbox).await;
    assert_eq!((to.as_str(), subject.as_str()), ("ada@example.org", "Confirm your address"));
    let (status, refused) = server.ask(Method::POST, "/api/v3/vod/initiate-task/upload/", &token, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        refused["data"]["detail"].as_str().unwrap().starts_with("Confirm your e-mail address"),
        "{refused}"
    );
    let verify = |code: String| post(&server, "/api/v5/auth/verify", "", json!({ "code": code }));
    assert_eq!(verify(code.clone()).await, StatusCode::NO_CONTENT);
    assert_eq!(verify(code).await, StatusCode::UNPROCESSABLE_ENTITY, "it was used");
    assert_eq!(server.get("/api/v5/me", &token).await["email_verified"], true);
    let (status, _) = server.ask(Method::POST, "/api/v3/vod/initiate-task/upload/", &token, None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "only the form is missing now");

    for email in ["nobody@example.org", "Ada@Example.org"] {
        let asked = post(&server, "/api/v5/auth/forgot", "", json!({ "email": email })).await;
        assert_eq!(asked, StatusCode::ACCEPTED);
    }
    let (mailbox, to, subject, code) = letter(mailbox).await;
    assert_eq!((to.as_str(), subject.as_str()), ("ada@example.org", "Choose another password"));
    let reset = |password: &str| {
        post(&server, "/api/v5/auth/reset", "", json!({ "code": code, "password": password }))
    };
    assert_eq!(
        reset("12345678").await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a refused password does not spend the code"
    );
    assert_eq!(reset("another horse").await, StatusCode::NO_CONTENT);
    assert_eq!(reset("a third horse").await, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = server.ask(Method::GET, "/api/v5/me", &token, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "every sign-in has ended");
    let (mailbox, _, subject, _) = letter(mailbox).await;
    assert_eq!(subject, "Your password was changed");

    let credentials = json!({ "credential": "ada", "password": "another horse" });
    let signed_in = server.post("/api/v3/auth/login/", "", credentials).await;
    let token = signed_in["user"]["token"]["access"].as_str().unwrap().to_owned();
    let change = json!({ "email": "ada@new.example", "password": "another horse" });
    assert_eq!(post(&server, "/api/v5/me/email", &token, change).await, StatusCode::ACCEPTED);
    let (mailbox, first, _, first_code) = letter(mailbox).await;
    let (_mailbox, second, _, second_code) = letter(mailbox).await;
    let mut to = [first.as_str(), second.as_str()];
    to.sort_unstable();
    assert_eq!(to, ["ada@example.org", "ada@new.example"], "both addresses are told");
    assert_eq!(server.get("/api/v5/me", &token).await["email"], "ada@example.org");
    let code = if first_code.is_empty() { second_code } else { first_code };
    assert_eq!(
        post(&server, "/api/v5/auth/verify", "", json!({ "code": code })).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(server.get("/api/v5/me", &token).await["email"], "ada@new.example");
}

#[tokio::test]
async fn without_a_mail_server_the_log_tells_the_link() {
    let offered = [("CUTETUBE_ACCOUNTS__VERIFICATION", "offered".to_owned())];
    let mut server = Server::start_with(Database::sqlite(), &offered).await;
    let token = server.sign_up("ada").await;
    let line = server.next_line_with("no mail server is configured").await;
    assert!(
        line.contains("https://videos.example.org/verify#") && line.contains("ada@example.org"),
        "{line}"
    );
    let verified = post(&server, "/api/v5/auth/verify", "", json!({ "code": code_in(&line) })).await;
    assert_eq!(verified, StatusCode::NO_CONTENT);
    assert_eq!(server.get("/api/v5/me", &token).await["email_verified"], true);
}

#[tokio::test]
async fn a_mail_server_that_says_later_is_asked_again() {
    let offered = [("CUTETUBE_ACCOUNTS__VERIFICATION", "offered".to_owned())];
    let (server, mailbox) = start_with(Database::sqlite(), &offered).await;
    server.sign_up("later").await;
    let (_mailbox, to, _, code) = letter(mailbox).await;
    assert_eq!(to, "later@example.org");
    assert_eq!(
        post(&server, "/api/v5/auth/verify", "", json!({ "code": code })).await,
        StatusCode::NO_CONTENT
    );
    server.until_carried().await;
    server.sign_up("never").await;
    server.until_carried().await;
}
