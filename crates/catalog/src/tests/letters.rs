//! Letters, and what their links do.

use std::time::Duration;

use db::Db;
use testbed::Database;

use super::{AGE_LINKS, ann, new_user, open, take};
use crate::{
    accounts::{
        Address, Admission, Decision, PasswordHash, Standing, User, admit_user, create_user, decide,
        find_by_credential, user,
    },
    events::{self, Errand},
    ids::SessionId,
    letters::{self, Addressed, Confirmation, Letter, MOST_PER_HOUR, Purpose},
    names::Email,
    sessions::{self, NewSession},
};

const HOUR: Duration = Duration::from_secs(3600);

async fn address(db: &Db, letter: &Letter, code: u8) -> Option<String> {
    let addressed = letters::address(db, letter, &[code; 32], HOUR).await.unwrap();
    addressed.map(|Addressed { email, .. }| email.to_string())
}

/// The letters that are to be sent.
async fn posted(db: &Db) -> Vec<Letter> {
    let letter = |job: &jobs::Job| match Errand::of(job).unwrap() {
        Errand::Letter(letter) => letter,
        other => panic!("{other:?}"),
    };
    take(db, events::QUEUE, 100).await.iter().map(letter).collect()
}

fn reset(email: &str) -> Letter {
    Letter::Reset { email: Email::parse(email).unwrap() }
}

async fn waiting(db: &Db) -> User {
    let admission = Admission { standing: Standing::Waiting, invite: None, address: Address::ToBeProved };
    admit_user(db, &new_user(1, "ann", "ann@example.org"), &admission).await.unwrap()
}

async fn an_address_is_proved_once(database: Database) {
    let db = open(&database).await;
    let person = waiting(&db).await;
    let confirm = Letter::Confirm { user: person.id };
    assert_eq!(posted(&db).await, [Letter::Confirm { user: person.id }]);
    assert_eq!(address(&db, &confirm, 1).await.as_deref(), Some("ann@example.org"));
    assert!(letters::is_good(&db, Purpose::Confirm, &[1; 32]).await.unwrap());
    assert!(!letters::is_good(&db, Purpose::Reset, &[1; 32]).await.unwrap());
    assert_eq!(letters::reset(&db, &[1; 32], &PasswordHash("x".to_owned())).await.unwrap(), None);

    let Confirmation::Confirmed(proved) = letters::confirm(&db, &[1; 32]).await.unwrap() else {
        panic!("the first use is fine")
    };
    assert!(proved.verified_at.is_some());
    assert_eq!(letters::confirm(&db, &[1; 32]).await.unwrap(), Confirmation::Unknown);
    assert_eq!(address(&db, &confirm, 2).await, None, "there is nothing left to prove");

    assert_eq!(decide(&db, person.id, Decision::Approve).await.unwrap().standing, Standing::Active);
    assert_eq!(posted(&db).await, [Letter::Approved { user: person.id }]);
}

async fn a_new_address_is_the_accounts_when_it_is_proved(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let to = |email: &str| Letter::ConfirmNew { user: person.id, email: Email::parse(email).unwrap() };
    assert_eq!(address(&db, &to("Ann@New.example"), 1).await.as_deref(), Some("Ann@New.example"));
    assert_eq!(address(&db, &to("other@example.org"), 2).await.as_deref(), Some("other@example.org"));
    assert_eq!(user(&db, person.id).await.unwrap().unwrap().email.as_str(), "ann@example.org");
    let Confirmation::Confirmed(moved) = letters::confirm(&db, &[1; 32]).await.unwrap() else {
        panic!("the address is free")
    };
    assert_eq!(moved.email.as_str(), "Ann@New.example");
    assert!(find_by_credential(&db, "ann@new.example").await.unwrap().is_some());
    assert_eq!(
        letters::confirm(&db, &[2; 32]).await.unwrap(),
        Confirmation::Unknown,
        "the older link is void"
    );

    address(&db, &to("bob@example.org"), 3).await.unwrap();
    create_user(&db, &new_user(2, "bob", "Bob@example.org")).await.unwrap();
    assert_eq!(letters::confirm(&db, &[3; 32]).await.unwrap(), Confirmation::Taken);
}

async fn a_reset_needs_a_fresh_link_and_ends_every_sign_in(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let session = NewSession {
        id: SessionId::new(1, &[4; 10]),
        user: person.id,
        device: "Firefox".to_owned(),
        token: [9; 32],
        lifetime: HOUR,
    };
    sessions::open(&db, &session).await.unwrap();
    crate::tokens::create(&db, &super::tokens::new_token(person.id, 1)).await.unwrap();
    let hash = PasswordHash("$new".to_owned());
    for code in [1, 2, 3] {
        assert_eq!(address(&db, &reset("ANN@example.org"), code).await.as_deref(), Some("ann@example.org"));
    }
    letters::withdraw(&db, &[3; 32]).await.unwrap();
    assert_eq!(letters::reset(&db, &[3; 32], &hash).await.unwrap(), None, "its letter was not sent");
    assert_eq!(
        letters::confirm(&db, &[1; 32]).await.unwrap(),
        Confirmation::Unknown,
        "it is for something else"
    );

    assert!(letters::reset(&db, &[1; 32], &hash).await.unwrap().unwrap().verified_at.is_some());
    assert_eq!(find_by_credential(&db, "ann").await.unwrap().unwrap().password_hash, hash);
    assert!(sessions::of_user(&db, person.id).await.unwrap().is_empty());
    assert!(crate::tokens::of_user(&db, person.id).await.unwrap().is_empty());
    assert_eq!(posted(&db).await, [Letter::PasswordChanged { user: person.id }]);
    for code in [1, 2] {
        assert_eq!(letters::reset(&db, &[code; 32], &hash).await.unwrap(), None, "one use ends them all");
    }
    address(&db, &reset("ann@example.org"), 4).await.unwrap();
    db.write(AGE_LINKS).bind(HOUR + HOUR).execute().await.unwrap();
    assert_eq!(letters::reset(&db, &[4; 32], &hash).await.unwrap(), None, "it is too old");
}

async fn nobody_is_flooded_and_nobody_unknown_is_written_to(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    assert_eq!(address(&db, &reset("nobody@example.org"), 100).await, None);
    for code in 0..u8::try_from(MOST_PER_HOUR).unwrap() {
        assert!(address(&db, &reset("ann@example.org"), code).await.is_some());
    }
    assert_eq!(address(&db, &reset("ann@example.org"), 101).await, None);
    assert!(address(&db, &Letter::Confirm { user: person.id }, 102).await.is_some(), "another kind");
    db.write(AGE_LINKS).bind(HOUR + HOUR).execute().await.unwrap();
    assert!(address(&db, &reset("ann@example.org"), 103).await.is_some());

    decide(&db, person.id, Decision::Suspend).await.unwrap();
    assert_eq!(address(&db, &reset("ann@example.org"), 104).await, None, "the account is shut");
    assert_eq!(letters::reset(&db, &[103; 32], &PasswordHash("x".to_owned())).await.unwrap(), None);
    db.write(AGE_LINKS).bind(HOUR * 48).execute().await.unwrap();
    assert!(letters::purge(&db).await.unwrap() > 0);
}

testbed::on_both_databases!(
    an_address_is_proved_once,
    a_new_address_is_the_accounts_when_it_is_proved,
    a_reset_needs_a_fresh_link_and_ends_every_sign_in,
    nobody_is_flooded_and_nobody_unknown_is_written_to,
);
