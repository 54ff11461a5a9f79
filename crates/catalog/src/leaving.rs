//! How accounts go: at once for everybody else, and for good when the last of their videos has gone.

use db::{Db, Tx};
use jobs::{Lease, NewJob};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    accounts::Standing,
    endings,
    ids::{UserId, VideoId},
    work::{Class, UPKEEP_QUEUE},
};

/// Kind of the job that takes an account away.
pub const KIND: &str = "leave";

/// Take an account away, with [`carry_out`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveJob {
    /// The account.
    pub user: UserId,
}

/// Nobody can sign in to the account from here on, by whatever means, and a job deletes its videos and then the
/// account. Asked twice, it does nothing more.
///
/// # Errors
/// [`Error::NoUser`].
pub async fn request(db: &Db, user: UserId) -> Result<()> {
    let mut tx = db.begin().await?;
    let standing: Option<Standing> = tx.query(LOCK).bind(user).first_value().await?;
    if standing.ok_or(Error::NoUser)? == Standing::Leaving {
        return Ok(());
    }
    tx.query(LEAVE).bind(user).execute().await?;
    for statement in [END_SESSIONS, END_TOKENS, END_LINKS, END_WEBHOOKS, END_PICTURE] {
        tx.query(statement).bind(user).execute().await?;
    }
    let payload = serde_json::to_value(LeaveJob { user }).expect("an id is always JSON");
    let job = NewJob::new(UPKEEP_QUEUE, KIND, &payload)
        .owner(user.to_string())
        .priority(Class::Background.priority())
        .max_attempts(100)
        .max_failures(20);
    jobs::enqueue(&mut tx, job).await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes the videos of an account that leaves, and the account itself when it has none any more; otherwise the last
/// deletion takes it along. Ends the job; interrupted, it goes on where it was.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn carry_out(db: &Db, lease: &Lease, user: UserId) -> Result<()> {
    const AT_ONCE: u32 = 100;
    loop {
        let videos: Vec<VideoId> = db.read(VIDEOS).bind(user).bind(AT_ONCE).values().await?;
        if videos.is_empty() {
            break;
        }
        for video in videos {
            match endings::request_delete(db, video).await {
                // Its owner, or an administrator, was faster.
                Ok(()) | Err(Error::NoVideo(_) | Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let mut tx = db.begin().await?;
    jobs::settle(&mut tx, lease).await?;
    forget_if_bare(&mut tx, user).await?;
    tx.commit().await?;
    Ok(())
}

/// Removes the account when it leaves and has no video left. Its name and its address are free again.
pub(crate) async fn forget_if_bare(tx: &mut Tx, user: UserId) -> Result<()> {
    // Of two that remove the last two videos the second waits here, and sees that both are gone.
    let leaves = tx.query(LOCK).bind(user).first_value().await? == Some(Standing::Leaving);
    if leaves {
        tx.query(FORGET).bind(user).execute().await?;
    }
    Ok(())
}

db::statements! {
    LOCK { "SELECT standing FROM users WHERE id = $1" FOR_UPDATE }
    /// No password has an empty hash.
    LEAVE { "UPDATE users SET standing = 'leaving', password_hash = '' WHERE id = $1" }
    END_SESSIONS { "DELETE FROM sessions WHERE user_id = $1" }
    END_TOKENS { "DELETE FROM api_tokens WHERE user_id = $1" }
    END_LINKS { "DELETE FROM account_links WHERE user_id = $1" }
    END_WEBHOOKS { "DELETE FROM webhooks WHERE owner_id = $1" }
    /// The object is nobody's from then on, and a sweep removes it.
    END_PICTURE { "DELETE FROM profile_pictures WHERE user_id = $1" }
    VIDEOS { "SELECT id FROM videos WHERE owner_id = $1 AND state <> 'deleting' ORDER BY id LIMIT $2" }
    FORGET {
        "DELETE FROM users WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM videos WHERE owner_id = $1)"
    }
}
