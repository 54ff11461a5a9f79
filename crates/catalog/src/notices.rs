//! Letters about what happens around a person, and which of them they want.
//!
//! A notice is a job of the queue of events, enqueued in the transaction that it tells of. Whether its receiver wants it,
//! and what it says, is found out when it is sent: whoever turns letters off gets none that is still on its way, and of what
//! was taken away in the meantime nothing is told.

use std::collections::BTreeSet;

use db::{Db, Timestamp, Tx};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    accounts::{Standing, User},
    comments::Decision,
    events::EventKind,
    ids::{CommentId, ModerationId, UserId, VideoId},
    names::{Email, PersonName, Title, Username},
};

db::text_enum! {
    /// What letters are about that a person may do without. The names are part of the public interface.
    pub enum Topic {
        /// A video of theirs plays.
        Ready = "video_ready",
        /// A video of theirs will not play.
        Failed = "video_failed",
        /// What else becomes of their videos, where this site tells of it.
        Progress = "video_progress",
        /// Somebody says something below a video of theirs.
        Comment = "comment",
        /// Somebody answers them.
        Reply = "reply",
        /// What became of a comment that they have reported.
        Report = "report",
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Notice {
    /// For the owner of the video that it is below.
    Comment {
        /// What was said.
        comment: CommentId,
    },
    /// For whoever wrote the comment that it answers.
    Reply {
        /// What was answered.
        comment: CommentId,
    },
    /// For somebody who has reported a comment.
    Decided {
        /// Who has.
        user: UserId,
        /// What was decided about it.
        entry: ModerationId,
    },
}

/// What a notice says, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where to.
    pub email: Email,
    /// How to greet.
    pub first_name: PersonName,
    /// When it happened.
    pub at: Timestamp,
    /// Below which video.
    pub video: VideoId,
    /// What that is called; nothing when it is gone.
    pub title: Option<Title>,
    /// Who has said it.
    pub author: Username,
    /// What.
    pub text: String,
    /// What was decided about it.
    pub decision: Option<Decision>,
}

impl Topic {
    /// What a letter about an event of a video is about.
    pub fn of_event(kind: EventKind) -> Self {
        match kind {
            EventKind::Ready => Self::Ready,
            EventKind::Failed => Self::Failed,
            EventKind::Uploaded | EventKind::Processing | EventKind::Deleted | EventKind::Test => {
                Self::Progress
            }
        }
    }
}

impl Notice {
    /// What it is about.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Comment { .. } => Topic::Comment,
            Self::Reply { .. } => Topic::Reply,
            Self::Decided { .. } => Topic::Report,
        }
    }
}

/// What a person does not want letters about.
///
/// # Errors
/// Those of the database.
pub async fn unwanted(db: &Db, user: UserId) -> Result<BTreeSet<Topic>> {
    let topics: Vec<String> = db.read(UNWANTED).bind(user).values().await?;
    // Topics of another version of the program are not ours to show.
    Ok(topics.iter().filter_map(|topic| topic.parse().ok()).collect())
}

/// From here on a person wants letters about everything but this.
///
/// # Errors
/// Those of the database.
pub async fn choose(db: &Db, user: UserId, unwanted: &BTreeSet<Topic>) -> Result<()> {
    let mut tx = db.begin().await?;
    for topic in Topic::ALL {
        match unwanted.contains(topic) {
            true => tx.query(REFUSE).bind(user).bind(*topic).execute().await?,
            false => tx.query(WANT).bind(user).bind(*topic).execute().await?,
        };
    }
    Ok(tx.commit().await?)
}

/// Whether a person wants letters about this.
///
/// # Errors
/// Those of the database.
pub async fn is_wanted(db: &Db, user: UserId, topic: Topic) -> Result<bool> {
    Ok(db.read(IS_UNWANTED).bind(user).bind(topic).value::<u64>().await? == 0)
}

/// A person who wants a letter about such an event of a video of theirs, or why nobody is written to.
pub(crate) async fn who_wants(
    db: &Db,
    owner: UserId,
    kind: EventKind,
) -> Result<std::result::Result<User, &'static str>> {
    let Some(user) = crate::accounts::user(db, owner).await? else { return Ok(Err("the account is gone")) };
    let is_wanted = is_wanted(db, owner, Topic::of_event(kind)).await?;
    Ok(if is_wanted { Ok(user) } else { Err("the owner wants no such letters") })
}

/// What there is to say now; nothing when nobody wants it, or it was taken away.
///
/// # Errors
/// Those of the database.
pub async fn open(db: &Db, notice: &Notice) -> Result<Option<Told>> {
    let (user, said) = match notice {
        Notice::Comment { comment } => match db.read(COMMENT).bind(comment).first::<Said>().await? {
            Some(said) => (said.owner_id, said),
            None => return Ok(None),
        },
        Notice::Reply { comment } => match db.read(COMMENT).bind(comment).first::<Said>().await? {
            Some(said) => (said.answered_id, said),
            None => return Ok(None),
        },
        Notice::Decided { user, entry } => match db.read(DECISION).bind(entry).first::<Said>().await? {
            Some(said) => (Some(*user), said),
            None => return Ok(None),
        },
    };
    let Some(user) = user else { return Ok(None) };
    let user = crate::accounts::user(db, user).await?.filter(|user: &User| user.standing == Standing::Active);
    let Some(user) = user else { return Ok(None) };
    if !is_wanted(db, user.id, notice.topic()).await? {
        return Ok(None);
    }
    Ok(Some(Told {
        email: user.email,
        first_name: user.first_name,
        at: said.at,
        video: said.video_id,
        title: said.title,
        author: said.author,
        text: said.text,
        decision: said.decision,
    }))
}

/// Has it told when the transaction is committed.
pub(crate) async fn post(tx: &mut Tx, notice: Notice) -> Result<()> {
    jobs::enqueue(tx, notice.into_job()).await?;
    Ok(())
}

db::row! {
    struct Said {
        owner_id: Option<UserId>,
        answered_id: Option<UserId>,
        video_id: VideoId,
        title: Option<Title>,
        author: Username,
        text: String,
        decision: Option<Decision>,
        at: Timestamp,
    }
}

db::statements! {
    UNWANTED { "SELECT topic FROM unwanted_letters WHERE user_id = $1" }
    IS_UNWANTED { "SELECT count(*) FROM unwanted_letters WHERE user_id = $1 AND topic = $2" }
    REFUSE {
        "INSERT INTO unwanted_letters (user_id, topic) VALUES ($1, $2) ON CONFLICT (user_id, topic) DO NOTHING"
    }
    WANT { "DELETE FROM unwanted_letters WHERE user_id = $1 AND topic = $2" }
    COMMENT {
        "SELECT videos.owner_id, answered.author_id AS answered_id, comments.video_id, videos.title,
             users.username AS author, comments.text, CAST(NULL AS TEXT) AS decision, comments.created_at AS at
         FROM comments
         JOIN videos ON videos.id = comments.video_id AND videos.state <> 'deleting'
         JOIN users ON users.id = comments.author_id
         LEFT JOIN comments AS answered ON answered.id = comments.parent_id
         WHERE comments.id = $1"
    }
    DECISION {
        "SELECT CAST(NULL AS " [sqlite "BLOB" postgres "UUID"] ") AS owner_id,
             CAST(NULL AS " [sqlite "BLOB" postgres "UUID"] ") AS answered_id,
             moderations.video_id, videos.title, moderations.author, moderations.text, moderations.decision,
             moderations.decided_at AS at
         FROM moderations LEFT JOIN videos ON videos.id = moderations.video_id AND videos.state <> 'deleting'
         WHERE moderations.id = $1"
    }
}
