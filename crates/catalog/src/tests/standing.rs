//! What administrators decide about accounts, and invitations.

use std::time::Duration;

use db::Db;
use testbed::Database;

use super::{AGE_INVITES, ann, new_user, open, upload};
use crate::{
    Error,
    accounts::{
        Address, Admission, Decision, Filter, Role, Standing, User, admit_user, create_user, decide, page,
        set_role, user,
    },
    ids::{InviteId, SessionId, UserId},
    invites::{self, NewInvite},
    names::Label,
    sessions::{self, NewSession},
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

async fn names(db: &Db, filter: Filter<'_>, before: Option<UserId>, limit: u32) -> Vec<String> {
    let listed = page(db, &filter, before, limit).await.unwrap();
    listed.iter().map(|user| user.username.to_string()).collect()
}

async fn accounts_are_listed_newest_first_and_filtered(database: Database) {
    let db = open(&database).await;
    let mut people: Vec<User> = Vec::new();
    for (number, name) in ["ann", "bob", "cyd", "dan"].into_iter().enumerate() {
        let number = u64::try_from(number + 1).unwrap();
        let new = new_user(number, name, &format!("{name}@example.org"));
        people.push(create_user(&db, &new).await.unwrap());
    }
    set_role(&db, people[1].id, Role::Admin).await.unwrap();
    decide(&db, people[2].id, Decision::Suspend).await.unwrap();
    assert_eq!(names(&db, Filter::default(), None, 3).await, ["dan", "cyd", "bob"]);
    assert_eq!(names(&db, Filter::default(), Some(people[1].id), 3).await, ["ann"]);
    let admins = Filter { role: Some(Role::Admin), ..Filter::default() };
    assert_eq!(names(&db, admins, None, 9).await, ["bob"]);
    let shut = Filter { standing: Some(Standing::Suspended), ..Filter::default() };
    assert_eq!(names(&db, shut, None, 9).await, ["cyd"]);
    for (text, found) in [("AN@", vec!["dan"]), ("n@ex", vec!["dan", "ann"]), ("%", vec![]), ("a\0", vec![])]
    {
        let filter = Filter { text: Some(text), ..Filter::default() };
        assert_eq!(names(&db, filter, None, 9).await, found, "{text:?}");
    }
}

async fn decisions_need_the_right_standing(database: Database) {
    let db = open(&database).await;
    let person = ann(&db).await;
    let refused = decide(&db, person.id, Decision::Approve).await;
    assert!(matches!(refused, Err(Error::Standing(Standing::Active))), "{refused:?}");
    let session = NewSession {
        id: SessionId::new(1, &[4; 10]),
        user: person.id,
        device: String::new(),
        token: [1; 32],
        lifetime: WEEK,
    };
    sessions::open(&db, &session).await.unwrap();
    assert_eq!(decide(&db, person.id, Decision::Suspend).await.unwrap().standing, Standing::Suspended);
    assert!(sessions::of_user(&db, person.id).await.unwrap().is_empty(), "sign-ins have ended");
    let refused = crate::videos::create(&db, &super::new_video(&person, 1)).await;
    assert!(matches!(refused, Err(Error::Standing(Standing::Suspended))), "{refused:?}");
    assert_eq!(decide(&db, person.id, Decision::Restore).await.unwrap().standing, Standing::Active);
    upload(&db, 1).await;
    let nobody = decide(&db, UserId::new(99, &[0; 10]), Decision::Suspend).await;
    assert!(matches!(nobody, Err(Error::NoUser)), "{nobody:?}");
}

async fn invite(db: &Db, number: u8, uses: u32) {
    let inviter = match page(db, &Filter::default(), None, 1).await.unwrap().pop() {
        Some(someone) => someone,
        None => ann(db).await,
    };
    let new = NewInvite {
        id: InviteId::new(u64::from(number), &[6; 10]),
        hash: [number; 32],
        note: Label::parse("The film club").unwrap(),
        role: Role::Viewer,
        created_by: inviter.id,
        uses,
        lifetime: WEEK,
    };
    invites::create(db, &new).await.unwrap();
}

async fn join(db: &Db, number: u64, name: &str, code: u8) -> Result<User, Error> {
    let admission =
        Admission { standing: Standing::Active, invite: Some([code; 32]), address: Address::Taken };
    admit_user(db, &new_user(number, name, &format!("{name}@example.org")), &admission).await
}

async fn an_invitation_makes_as_many_accounts_as_it_says(database: Database) {
    let db = open(&database).await;
    invite(&db, 1, 2).await;
    assert_eq!(join(&db, 10, "bob", 1).await.unwrap().role, Role::Viewer);
    let taken = join(&db, 11, "BOB", 1).await;
    assert!(matches!(taken, Err(Error::Fields(_))), "{taken:?}");
    assert_eq!(invites::list(&db).await.unwrap()[0].uses, 1, "what makes no account is no use");
    let both = tokio::join!(join(&db, 12, "cyd", 1), join(&db, 13, "dan", 1));
    let made = [&both.0, &both.1].iter().filter(|joined| joined.is_ok()).count();
    assert_eq!(made, 1, "{both:?}");
    assert!(matches!(join(&db, 14, "eve", 1).await, Err(Error::NoInvite)));
    assert!(matches!(join(&db, 15, "fay", 7).await, Err(Error::NoInvite)));
    assert!(invites::list(&db).await.unwrap().is_empty());

    invite(&db, 2, 1).await;
    assert!(invites::revoke(&db, InviteId::new(2, &[6; 10])).await.unwrap());
    assert!(matches!(join(&db, 16, "gus", 2).await, Err(Error::NoInvite)));
    invite(&db, 3, 1).await;
    db.write(AGE_INVITES).bind(WEEK + WEEK).execute().await.unwrap();
    assert!(matches!(join(&db, 17, "hal", 3).await, Err(Error::NoInvite)));
    assert_eq!(invites::purge(&db).await.unwrap(), 2);
    assert!(user(&db, UserId::new(17, &[1; 10])).await.unwrap().is_none());
}

testbed::on_both_databases!(
    accounts_are_listed_newest_first_and_filtered,
    decisions_need_the_right_standing,
    an_invitation_makes_as_many_accounts_as_it_says,
);
