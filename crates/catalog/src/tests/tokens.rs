//! API tokens.

use std::time::Duration;

use testbed::Database;

use super::{AGE_TOKENS, ann, new_user, open};
use crate::{
    Error,
    accounts::create_user,
    ids::{ApiTokenId, UserId},
    names::Label,
    tokens::{self, NewToken, Scope},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn new_token(user: UserId, number: u8) -> NewToken {
    NewToken {
        id: ApiTokenId::new(u64::from(number), &[5; 10]),
        user,
        name: Label::parse("The build server").unwrap(),
        prefix: format!("cutetube_{number}"),
        scopes: vec![Scope::Read, Scope::Upload],
        hash: [number; 32],
        lifetime: Some(DAY),
    }
}

async fn a_token_stands_for_its_owner_until_it_ends(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let made = tokens::create(&db, &new_token(person.id, 1)).await.unwrap();
    let forever = NewToken { lifetime: None, ..new_token(person.id, 2) };
    assert_eq!(tokens::create(&db, &forever).await.unwrap().expires_at, None);
    assert_eq!(made.used_at, None);

    let (token, user) = tokens::authenticate(&db, &[1; 32]).await.unwrap().unwrap();
    assert_eq!((token.id, token.scopes, user), (made.id, vec![Scope::Read, Scope::Upload], person.clone()));
    assert!(tokens::authenticate(&db, &[9; 32]).await.unwrap().is_none());
    let used = |tokens: &[tokens::Token]| tokens.iter().map(|token| token.used_at).collect::<Vec<_>>();
    let listed = tokens::of_user(&db, person.id).await.unwrap();
    let first_use = used(&listed)[0].expect("a use is written down");
    assert_eq!(used(&listed)[1], None);
    tokens::authenticate(&db, &[1; 32]).await.unwrap().unwrap();
    assert_eq!(used(&tokens::of_user(&db, person.id).await.unwrap())[0], Some(first_use), "but not each");

    db.write(AGE_TOKENS).bind(DAY + DAY).execute().await.unwrap();
    assert!(tokens::authenticate(&db, &[1; 32]).await.unwrap().is_none(), "it has ended");
    assert!(tokens::authenticate(&db, &[2; 32]).await.unwrap().is_some());
    assert_eq!(tokens::of_user(&db, person.id).await.unwrap().len(), 1);
    assert_eq!(tokens::purge(&db).await.unwrap(), 1);
}

async fn a_token_is_taken_back_by_its_owner_only(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let stranger = create_user(&db, &new_user(2, "bob", "bob@example.org")).await.unwrap();
    let made = tokens::create(&db, &new_token(person.id, 1)).await.unwrap();
    assert!(!tokens::revoke(&db, stranger.id, made.id).await.unwrap());
    assert!(tokens::revoke(&db, person.id, made.id).await.unwrap());
    assert!(!tokens::revoke(&db, person.id, made.id).await.unwrap());
    assert!(tokens::authenticate(&db, &[1; 32]).await.unwrap().is_none());
}

async fn nobody_has_more_tokens_than_there_may_be(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    for number in 1..=u8::try_from(tokens::MOST).unwrap() {
        tokens::create(&db, &new_token(person.id, number)).await.unwrap();
    }
    let one_more = tokens::create(&db, &new_token(person.id, 200)).await;
    assert!(matches!(one_more, Err(Error::TooManyTokens(tokens::MOST))), "{one_more:?}");
    let nobody = tokens::create(&db, &new_token(UserId::new(99, &[0; 10]), 201)).await;
    assert!(matches!(nobody, Err(Error::NoUser)), "{nobody:?}");
}

testbed::on_both_databases!(
    a_token_stands_for_its_owner_until_it_ends,
    a_token_is_taken_back_by_its_owner_only,
    nobody_has_more_tokens_than_there_may_be,
);
