//! Accounts and sessions.

use std::time::Duration;

use testbed::Database;

use super::{AGE_SESSIONS, ann, new_user, open};
use crate::{
    Error,
    accounts::{
        self, PasswordHash, Role, create_user, find_by_credential, set_password, set_role, user, users,
    },
    ids::{SessionId, UserId},
    sessions::{self, NewSession, Rotation},
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

async fn a_name_and_an_address_belong_to_one_account(database: Database) {
    let db = open(&database).await;
    let first = ann(&db).await;
    assert_eq!(
        (first.username.as_str(), first.email.as_str(), first.role),
        ("ann", "ann@example.org", Role::Creator)
    );
    for (username, email, taken) in [
        ("ANN", "b@example.org", vec!["username"]),
        ("bob", "Ann@Example.org", vec!["email"]),
        ("Ann", "ANN@EXAMPLE.ORG", vec!["email", "username"]),
    ] {
        let error = create_user(&db, &new_user(2, username, email)).await.unwrap_err();
        let Error::Fields(fields) = &error else { panic!("{error}") };
        assert_eq!(fields.iter().map(|(field, _)| field).collect::<Vec<_>>(), taken);
    }
    assert_eq!(accounts::count(&db).await.unwrap(), 1);
    let bob = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    let found = users(&db, &[first.id, bob.id, UserId::new(3, &[0; 10])]).await.unwrap();
    assert_eq!(found.len(), 2);
}

async fn sign_ups_that_come_together_get_one_answer_each(database: Database) {
    let db = open(&database).await;
    let sign_up = |number| {
        let db = db.clone();
        tokio::spawn(async move { create_user(&db, &new_user(number, "ann", "ann@example.org")).await })
    };
    let results = tokio::join!(sign_up(1), sign_up(2), sign_up(3), sign_up(4));
    let results = [results.0.unwrap(), results.1.unwrap(), results.2.unwrap(), results.3.unwrap()];
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(Error::Fields(_)))), "{results:?}");
}

async fn people_are_found_by_name_or_address_in_any_case(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    for credential in ["ann", "ANN", " ann ", "ann@example.org", "Ann@EXAMPLE.org"] {
        let found = find_by_credential(&db, credential).await.unwrap().unwrap();
        assert_eq!(found.user, person);
        assert_eq!(found.password_hash.0, "$argon2id$…");
        assert!(!format!("{found:?}").contains("argon2"));
    }
    for credential in ["", "an", "ann@", "a\0nn", "' OR 1=1 --", &"a".repeat(10_000)] {
        assert!(find_by_credential(&db, credential).await.unwrap().is_none());
    }
    assert_eq!(set_role(&db, person.id, Role::Admin).await.unwrap().role, Role::Admin);
    set_password(&db, person.id, &PasswordHash("new".to_owned()), None).await.unwrap();
    assert_eq!(find_by_credential(&db, "ann").await.unwrap().unwrap().password_hash.0, "new");
    let nobody = UserId::new(99, &[0; 10]);
    assert!(matches!(set_role(&db, nobody, Role::Admin).await, Err(Error::NoUser)));
    assert!(user(&db, nobody).await.unwrap().is_none());
    assert_eq!(user(&db, person.id).await.unwrap().unwrap().role, Role::Admin);
}

fn sign_in(user: UserId, number: u8) -> NewSession {
    NewSession {
        id: SessionId::new(u64::from(number), &[4; 10]),
        user,
        device: "Firefox\n on Debian".to_owned(),
        token: [number; 32],
        lifetime: WEEK,
    }
}

async fn a_token_is_used_once_and_a_stolen_one_ends_the_session(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let session = sessions::open(&db, &sign_in(person.id, 1)).await.unwrap();
    assert_eq!(session.device, "Firefox on Debian");
    let Rotation::Rotated(rotated) = sessions::rotate(&db, &[1; 32], &[2; 32], WEEK).await.unwrap() else {
        panic!("the first use is fine")
    };
    assert_eq!(rotated.id, session.id);
    let other = sessions::open(&db, &sign_in(person.id, 9)).await.unwrap();
    assert!(matches!(sessions::rotate(&db, &[1; 32], &[3; 32], WEEK).await.unwrap(), Rotation::Reused(_)));
    assert_eq!(sessions::rotate(&db, &[2; 32], &[4; 32], WEEK).await.unwrap(), Rotation::Unknown);
    assert!(sessions::session(&db, session.id).await.unwrap().is_none());
    let open: Vec<_> = sessions::of_user(&db, person.id).await.unwrap().iter().map(|open| open.id).collect();
    assert_eq!(open, [other.id], "sessions on other devices go on");
    assert_eq!(sessions::rotate(&db, &[77; 32], &[78; 32], WEEK).await.unwrap(), Rotation::Unknown);
}

async fn of_two_uses_at_once_one_counts(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    sessions::open(&db, &sign_in(person.id, 1)).await.unwrap();
    let uses = tokio::join!(
        sessions::rotate(&db, &[1; 32], &[2; 32], WEEK),
        sessions::rotate(&db, &[1; 32], &[3; 32], WEEK),
    );
    let rotated =
        [uses.0.unwrap(), uses.1.unwrap()].iter().filter(|used| matches!(used, Rotation::Rotated(_))).count();
    assert_eq!(rotated, 1);
}

async fn sessions_end_when_they_should(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let stranger = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    for number in 1..=4 {
        sessions::open(&db, &sign_in(person.id, number)).await.unwrap();
    }
    let first = sign_in(person.id, 1).id;
    assert!(!sessions::close(&db, stranger.id, first).await.unwrap(), "it is somebody else's");
    assert!(sessions::close(&db, person.id, first).await.unwrap());
    assert!(!sessions::close(&db, person.id, first).await.unwrap());
    assert_eq!(sessions::close_all(&db, person.id).await.unwrap(), 3);
    assert_eq!(sessions::purge(&db).await.unwrap(), 4);
    sessions::open(&db, &sign_in(person.id, 5)).await.unwrap();
    db.write(AGE_SESSIONS).bind(WEEK + WEEK).execute().await.unwrap();
    assert_eq!(sessions::rotate(&db, &[5; 32], &[6; 32], WEEK).await.unwrap(), Rotation::Unknown);
    assert!(sessions::of_user(&db, person.id).await.unwrap().is_empty());
    assert_eq!(sessions::purge(&db).await.unwrap(), 1);
}

testbed::on_both_databases!(
    a_name_and_an_address_belong_to_one_account,
    sign_ups_that_come_together_get_one_answer_each,
    people_are_found_by_name_or_address_in_any_case,
    a_token_is_used_once_and_a_stolen_one_ends_the_session,
    of_two_uses_at_once_one_counts,
    sessions_end_when_they_should,
);
