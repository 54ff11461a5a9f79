//! What people say about videos: comments, and one level of answers to them.
//!
//! Who may do what is decided above; here it is seen to that an answer answers a comment of the same video, and that
//! nobody says anything where the owner wants to hear no more.

use db::{Db, Timestamp, Tx};

use crate::{
    Error, Result,
    ids::{self, CommentId, ModerationId, UserId, VideoId},
    names::{CommentText, Title, Username},
    notices::{self, Notice},
};

db::row! {
    /// A comment, or an answer to one.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Comment {
        /// Its id; newer ones sort after older ones.
        pub id: CommentId,
        /// What it is about.
        pub video_id: VideoId,
        /// Who says it.
        pub author_id: UserId,
        /// What they are called.
        pub author: Username,
        /// Where their picture is in the blob store.
        pub picture: Option<String>,
        /// What it answers.
        pub parent_id: Option<CommentId>,
        /// What is said.
        pub text: CommentText,
        /// When.
        pub created_at: Timestamp,
        /// When it was said otherwise for the last time.
        pub edited_at: Option<Timestamp>,
    }
}

/// A comment with what was answered, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// What was said.
    pub comment: Comment,
    /// What was answered; at most [`MOST_ANSWERS`] are told of.
    pub answers: Vec<Comment>,
}

/// A comment to be made.
#[derive(Debug, Clone)]
pub struct NewComment {
    /// Its id.
    pub id: CommentId,
    /// What it is about.
    pub video: VideoId,
    /// Who says it.
    pub author: UserId,
    /// What it answers.
    pub parent: Option<CommentId>,
    /// What is said.
    pub text: CommentText,
}

/// Why nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such comment, or not any more.
    #[error("there is no comment `{0}`")]
    Unknown(CommentId),
    /// The owner wants to hear no more.
    #[error("the comments of this video are closed")]
    Closed,
    /// An answer is answered by another one beside it.
    #[error("an answer cannot be answered; answer the comment that it is below")]
    Answer,
    /// A comment has as many answers as one may have.
    #[error("a comment may have `{0}` answers at most")]
    TooManyAnswers(u32),
}

db::row! {
    /// A comment that somebody found something wrong with.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Reported {
        /// Which.
        pub id: CommentId,
        /// What it is about.
        pub video_id: VideoId,
        /// What that is called.
        pub title: Title,
        /// Who says it.
        pub author: Username,
        /// What is said.
        pub text: CommentText,
        /// How many have reported it.
        pub reports: u64,
        /// What one of them found wrong.
        pub reason: String,
        /// When it was reported first.
        pub reported_at: Timestamp,
    }
}

db::text_enum! {
    /// What administrators decide about a comment.
    pub enum Decision {
        /// It is gone.
        Removed = "removed",
        /// It may stay, whoever has reported it.
        Kept = "kept",
    }
}

db::row! {
    /// What was decided about a comment.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Moderation {
        /// Its id.
        pub id: ModerationId,
        /// Who decided; nobody when their account is gone.
        pub moderator: Option<Username>,
        /// What.
        pub decision: Decision,
        /// Who had said it.
        pub author: String,
        /// About which video.
        pub video_id: VideoId,
        /// What.
        pub text: String,
        /// When it was decided.
        pub decided_at: Timestamp,
    }
}

/// Answers to one comment.
pub const MOST_ANSWERS: u32 = 200;
/// Comments of one page.
pub const MOST_LISTED: u32 = 100;

/// Says something.
///
/// # Errors
/// [`Error::NoVideo`], [`Refusal`].
pub async fn create(db: &Db, new: &NewComment) -> Result<Comment> {
    let mut tx = db.begin().await?;
    // Whoever closes the comments, or deletes the video, comes before or after.
    let found: Option<UserId> = tx.query(LOCK_VIDEO).bind(new.video).first_value().await?;
    let owner = found.ok_or(Error::NoVideo(new.video))?;
    let mut answered = None;
    if tx.query(IS_CLOSED).bind(new.video).value::<u64>().await? > 0 {
        return Err(Refusal::Closed.into());
    }
    if let Some(parent) = new.parent {
        let found: Option<Comment> = tx.query(FIND).bind(parent).first().await?;
        let found = found.filter(|found| found.video_id == new.video).ok_or(Refusal::Unknown(parent))?;
        if found.parent_id.is_some() {
            return Err(Refusal::Answer.into());
        }
        if tx.query(COUNT_ANSWERS).bind(parent).value::<u64>().await? >= u64::from(MOST_ANSWERS) {
            return Err(Refusal::TooManyAnswers(MOST_ANSWERS).into());
        }
        answered = Some(found.author_id);
    }
    let query = tx.query(CREATE).bind(new.id).bind(new.video).bind(new.author).bind(new.parent);
    query.bind(&new.text).execute().await?;
    let made = tx.query(FIND).bind(new.id).one().await?;
    if answered.is_some_and(|answered| answered != new.author) {
        notices::post(&mut tx, Notice::Reply { comment: new.id }).await?;
    }
    // Whoever is answered below a video of theirs is told once.
    if owner != new.author && answered != Some(owner) {
        notices::post(&mut tx, Notice::Comment { comment: new.id }).await?;
    }
    tx.commit().await?;
    Ok(made)
}

/// A comment.
///
/// # Errors
/// [`Refusal::Unknown`].
pub async fn find(db: &Db, id: CommentId) -> Result<Comment> {
    db.read(FIND).bind(id).first().await?.ok_or_else(|| Refusal::Unknown(id).into())
}

/// Says it otherwise.
///
/// # Errors
/// [`Refusal::Unknown`].
pub async fn edit(db: &Db, id: CommentId, text: &CommentText) -> Result<Comment> {
    db.write(EDIT).bind(id).bind(text).execute().await?;
    find(db, id).await
}

/// Takes a comment away with its answers.
///
/// # Errors
/// [`Refusal::Unknown`].
pub async fn remove(db: &Db, id: CommentId) -> Result<()> {
    match db.write(REMOVE).bind(id).execute().await? {
        0 => Err(Refusal::Unknown(id).into()),
        _ => Ok(()),
    }
}

/// Comments of a video, the newest first, older than `before` if that is said; and where the list goes on.
///
/// # Errors
/// Those of the database.
pub async fn threads(
    db: &Db,
    video: VideoId,
    before: Option<CommentId>,
    limit: u32,
) -> Result<(Vec<Thread>, Option<CommentId>)> {
    let limit = limit.clamp(1, MOST_LISTED);
    let query = db.read(THREADS).bind(video).bind(u32::from(before.is_none()));
    let query = query.bind(before.unwrap_or_else(|| CommentId::new(0, &[0; 10]))).bind(limit + 1);
    let mut comments: Vec<Comment> = query.all().await?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = comments.len() > length;
    comments.truncate(length);
    let next = comments.last().map(|comment| comment.id).filter(|_| goes_on);
    if comments.is_empty() {
        return Ok((Vec::new(), None));
    }
    let ids = ids::simple(comments.iter().map(|comment| comment.id.uuid()));
    let mut answers: Vec<Comment> = db.read(ANSWERS).bind(ids).all().await?;
    let threads = comments.into_iter().map(|comment| {
        let (own, others) =
            answers.drain(..).partition(|answer: &Comment| answer.parent_id == Some(comment.id));
        answers = others;
        Thread { comment, answers: own }
    });
    Ok((threads.collect(), next))
}

/// How much was said about a video, answers included.
///
/// # Errors
/// Those of the database.
pub async fn count(db: &Db, video: VideoId) -> Result<u64> {
    Ok(db.read(COUNT).bind(video).value().await?)
}

/// Whether anything may be said about a video.
///
/// # Errors
/// Those of the database.
pub async fn are_open(db: &Db, video: VideoId) -> Result<bool> {
    Ok(db.read(IS_CLOSED).bind(video).value::<u64>().await? == 0)
}

/// From here on nothing may be said about a video. What was said stays.
///
/// # Errors
/// [`Error::NoVideo`].
pub async fn close(db: &Db, video: VideoId) -> Result<()> {
    let mut tx = db.begin().await?;
    let found: Option<UserId> = tx.query(LOCK_VIDEO).bind(video).first_value().await?;
    found.ok_or(Error::NoVideo(video))?;
    tx.query(CLOSE).bind(video).execute().await?;
    Ok(tx.commit().await?)
}

/// From here on it may again.
///
/// # Errors
/// Those of the database.
pub async fn open(db: &Db, video: VideoId) -> Result<()> {
    db.write(OPEN).bind(video).execute().await?;
    Ok(())
}

/// Somebody finds something wrong with a comment. Who says so again says it otherwise.
///
/// # Errors
/// [`Refusal::Unknown`].
pub async fn report(db: &Db, id: CommentId, reporter: UserId, reason: &CommentText) -> Result<()> {
    match db.write(REPORT).bind(id).bind(reporter).bind(reason).execute().await? {
        0 => Err(Refusal::Unknown(id).into()),
        _ => Ok(()),
    }
}

/// Comments that were reported, those that wait longest first; at most [`MOST_LISTED`].
///
/// # Errors
/// Those of the database.
pub async fn reported(db: &Db) -> Result<Vec<Reported>> {
    Ok(db.read(REPORTED).bind(MOST_LISTED).all().await?)
}

/// Decides about a comment, writes that down, and has those told who have reported it.
///
/// # Errors
/// [`Refusal::Unknown`].
pub async fn decide(
    db: &Db,
    entry: ModerationId,
    id: CommentId,
    moderator: UserId,
    decision: Decision,
) -> Result<()> {
    let mut tx = db.begin().await?;
    let found: Option<Comment> = tx.query(FIND).bind(id).first().await?;
    let comment = found.ok_or(Refusal::Unknown(id))?;
    write_down(&mut tx, entry, &comment, moderator, decision).await?;
    let reporters: Vec<UserId> = tx.query(REPORTERS).bind(id).bind(MOST_LISTED).values().await?;
    for user in reporters.into_iter().filter(|reporter| *reporter != moderator) {
        notices::post(&mut tx, Notice::Decided { user, entry }).await?;
    }
    match decision {
        Decision::Removed => tx.query(REMOVE).bind(id).execute().await?,
        Decision::Kept => tx.query(FORGET_REPORTS).bind(id).execute().await?,
    };
    Ok(tx.commit().await?)
}

/// What was decided, the latest first; at most [`MOST_LISTED`].
///
/// # Errors
/// Those of the database.
pub async fn moderations(db: &Db) -> Result<Vec<Moderation>> {
    Ok(db.read(MODERATIONS).bind(MOST_LISTED).all().await?)
}

async fn write_down(
    tx: &mut Tx,
    entry: ModerationId,
    comment: &Comment,
    moderator: UserId,
    decision: Decision,
) -> Result<()> {
    let query = tx.query(WRITE_DOWN).bind(entry).bind(moderator).bind(decision).bind(&comment.author);
    query.bind(comment.video_id).bind(&comment.text).execute().await?;
    Ok(())
}

db::statements! {
    LOCK_VIDEO { "SELECT owner_id FROM videos WHERE id = $1 AND state <> 'deleting'" FOR_UPDATE }
    IS_CLOSED { "SELECT count(*) FROM closed_comments WHERE video_id = $1" }
    CLOSE { "INSERT INTO closed_comments (video_id) VALUES ($1) ON CONFLICT (video_id) DO NOTHING" }
    OPEN { "DELETE FROM closed_comments WHERE video_id = $1" }
    CREATE {
        "INSERT INTO comments (id, video_id, author_id, parent_id, text, created_at)
         VALUES ($1, $2, $3, $4, $5, " NOW ")"
    }
    FIND {
        "SELECT comments.id, video_id, author_id, users.username AS author,
             profile_pictures.object_key AS picture, parent_id, text, comments.created_at, edited_at
         FROM comments JOIN users ON users.id = author_id
         LEFT JOIN profile_pictures ON profile_pictures.user_id = author_id WHERE comments.id = $1"
    }
    COUNT_ANSWERS { "SELECT count(*) FROM comments WHERE parent_id = $1" }
    EDIT { "UPDATE comments SET text = $2, edited_at = " NOW " WHERE id = $1" }
    REMOVE { "DELETE FROM comments WHERE id = $1" }
    THREADS {
        "SELECT comments.id, video_id, author_id, users.username AS author,
             profile_pictures.object_key AS picture, parent_id, text, comments.created_at, edited_at
         FROM comments JOIN users ON users.id = author_id
         LEFT JOIN profile_pictures ON profile_pictures.user_id = author_id
         WHERE video_id = $1 AND parent_id IS NULL AND ($2 = 1 OR comments.id < $3)
         ORDER BY comments.id DESC LIMIT $4"
    }
    ANSWERS {
        "SELECT comments.id, video_id, author_id, users.username AS author,
             profile_pictures.object_key AS picture, parent_id, text, comments.created_at, edited_at
         FROM comments JOIN users ON users.id = author_id
         LEFT JOIN profile_pictures ON profile_pictures.user_id = author_id
         WHERE parent_id" [in_uuids "$1"] " ORDER BY comments.id"
    }
    COUNT { "SELECT count(*) FROM comments WHERE video_id = $1" }
    REPORT {
        "INSERT INTO comment_reports (comment_id, reporter_id, reason, created_at)
         SELECT id, $2, $3, " NOW " FROM comments WHERE id = $1
         ON CONFLICT (comment_id, reporter_id) DO UPDATE SET reason = excluded.reason"
    }
    REPORTERS { "SELECT reporter_id FROM comment_reports WHERE comment_id = $1 ORDER BY created_at LIMIT $2" }
    FORGET_REPORTS { "DELETE FROM comment_reports WHERE comment_id = $1" }
    REPORTED {
        "SELECT comments.id, comments.video_id, videos.title, users.username AS author, comments.text,
             count(*) AS reports, min(reason) AS reason, min(comment_reports.created_at) AS reported_at
         FROM comment_reports
         JOIN comments ON comments.id = comment_id
         JOIN videos ON videos.id = comments.video_id
         JOIN users ON users.id = comments.author_id
         GROUP BY comments.id, comments.video_id, videos.title, users.username, comments.text
         ORDER BY min(comment_reports.created_at), comments.id LIMIT $1"
    }
    WRITE_DOWN {
        "INSERT INTO moderations (id, moderator_id, decision, author, video_id, text, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6, " NOW ")"
    }
    MODERATIONS {
        "SELECT moderations.id, users.username AS moderator, decision, author, video_id, text, decided_at
         FROM moderations LEFT JOIN users ON users.id = moderator_id
         ORDER BY moderations.id DESC LIMIT $1"
    }
}
