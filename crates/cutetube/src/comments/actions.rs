//! Who may say what. Nothing here knows HTTP.

use catalog::{
    VideoState,
    comments::{self, Comment, Decision, Moderation, NewComment, Refusal, Reported, Thread},
    ids::{CommentId, ModerationId, VideoId},
    likes::{self, Likes},
    names::CommentText,
    videos::Video,
};

use crate::{
    AppState,
    accounts::{Caller, Visitor},
    ambient,
    videos::actions::{self as videos, ManageError},
};

/// Why nothing was said, or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommentError {
    /// The video does not exist for whoever asks.
    #[error("there is no such video")]
    NoVideo,
    /// The comment does not exist for whoever asks.
    #[error("there is no such comment")]
    NoComment,
    /// Others may read it, and no more.
    #[error("somebody else has said this")]
    NotYours,
    /// The video does not play.
    #[error("the video does not play yet")]
    NotReady,
    /// It may not be said, or not there.
    #[error(transparent)]
    Refused(Refusal),
    /// We could not look, or could not write.
    #[error(transparent)]
    Catalog(catalog::Error),
}

/// What is shown below a video.
#[derive(Debug, Clone)]
pub(crate) struct Discussion {
    pub(crate) threads: Vec<Thread>,
    /// Where it goes on.
    pub(crate) next: Option<CommentId>,
    /// Answers included.
    pub(crate) count: u64,
    /// Whether anything may be said.
    pub(crate) is_open: bool,
}

/// What was said about a video, for whoever may see it.
pub(crate) async fn discussion(
    state: &AppState,
    visitor: &Visitor,
    video: VideoId,
    before: Option<CommentId>,
    limit: u32,
) -> Result<Discussion, CommentError> {
    let video = seen(state, visitor, video).await?;
    Ok(below(state, &video, before, limit).await?)
}

/// The same for whoever has been shown the video.
pub(crate) async fn below(
    state: &AppState,
    video: &Video,
    before: Option<CommentId>,
    limit: u32,
) -> Result<Discussion, catalog::Error> {
    let (threads, next) = comments::threads(&state.db, video.id, before, limit).await?;
    let count = comments::count(&state.db, video.id).await?;
    let is_open = comments::are_open(&state.db, video.id).await?;
    Ok(Discussion { threads, next, count, is_open })
}

/// Says something about a video, or answers what was said.
pub(crate) async fn say(
    state: &AppState,
    caller: &Caller,
    video: VideoId,
    parent: Option<CommentId>,
    text: CommentText,
) -> Result<Comment, CommentError> {
    let video = playing(state, caller, video).await?.id;
    let id = ambient::id(CommentId::new);
    Ok(comments::create(&state.db, &NewComment { id, video, author: caller.user.id, parent, text }).await?)
}

/// Says it otherwise. Its author alone.
pub(crate) async fn edit(
    state: &AppState,
    caller: &Caller,
    id: CommentId,
    text: &CommentText,
) -> Result<Comment, CommentError> {
    let (comment, _) = found(state, caller, id).await?;
    if comment.author_id != caller.user.id {
        return Err(CommentError::NotYours);
    }
    Ok(comments::edit(&state.db, id, text).await?)
}

/// Takes it away: its author, the owner of the video, and administrators, whose decisions are written down.
pub(crate) async fn remove(
    state: &AppState,
    caller: &Caller,
    id: CommentId,
) -> Result<Comment, CommentError> {
    let (comment, video) = found(state, caller, id).await?;
    if comment.author_id == caller.user.id || video.owner == caller.user.id {
        comments::remove(&state.db, id).await?;
    } else if caller.is_admin() {
        decide(state, caller, id, Decision::Removed).await?;
    } else {
        return Err(CommentError::NotYours);
    }
    Ok(comment)
}

/// Finds something wrong with it. Whoever has signed in.
pub(crate) async fn report(
    state: &AppState,
    caller: &Caller,
    id: CommentId,
    reason: &CommentText,
) -> Result<Comment, CommentError> {
    let (comment, _) = found(state, caller, id).await?;
    comments::report(&state.db, id, caller.user.id, reason).await?;
    Ok(comment)
}

/// Lets people say something about a video, or not any more: its owner and administrators.
pub(crate) async fn set_open(
    state: &AppState,
    caller: &Caller,
    video: VideoId,
    is_open: bool,
) -> Result<(), ManageError> {
    let video = videos::managed(state, caller, video).await?.id;
    match is_open {
        true => comments::open(&state.db, video).await?,
        false => comments::close(&state.db, video).await?,
    }
    Ok(())
}

/// What waits for a decision, and what was decided. Administrators.
pub(crate) async fn moderation(state: &AppState) -> Result<(Vec<Reported>, Vec<Moderation>), catalog::Error> {
    Ok((comments::reported(&state.db).await?, comments::moderations(&state.db).await?))
}

/// Decides about a comment. Administrators.
pub(crate) async fn decide(
    state: &AppState,
    administrator: &Caller,
    id: CommentId,
    decision: Decision,
) -> Result<(), CommentError> {
    let entry = ambient::id(ModerationId::new);
    comments::decide(&state.db, entry, id, administrator.user.id, decision).await?;
    tracing::info!(comment.id = %id, user.id = %administrator.user.id, "comment `{id}` is {decision}");
    Ok(())
}

/// How a video is liked, for whoever may see it.
pub(crate) async fn likes(
    state: &AppState,
    visitor: &Visitor,
    video: VideoId,
) -> Result<Likes, CommentError> {
    let video = seen(state, visitor, video).await?;
    Ok(likes_of(state, visitor, &video).await?)
}

/// The same for whoever has been shown the video.
pub(crate) async fn likes_of(
    state: &AppState,
    visitor: &Visitor,
    video: &Video,
) -> Result<Likes, catalog::Error> {
    let viewer = visitor.0.as_ref().map(|caller| caller.user.id);
    likes::of(&state.db, video.id, viewer).await
}

/// From here on the caller likes a video, or does not.
pub(crate) async fn set_liked(
    state: &AppState,
    caller: &Caller,
    video: VideoId,
    is_liked: bool,
) -> Result<(), CommentError> {
    let video = playing(state, caller, video).await?.id;
    match is_liked {
        true => likes::add(&state.db, video, caller.user.id).await?,
        false => likes::remove(&state.db, video, caller.user.id).await?,
    }
    Ok(())
}

/// A comment with its video, for whoever may see both.
pub(crate) async fn find(
    state: &AppState,
    visitor: &Visitor,
    id: CommentId,
) -> Result<(Comment, Video), CommentError> {
    let comment = comments::find(&state.db, id).await?;
    let video = videos::find(state, visitor, comment.video_id).await?;
    Ok((comment, video.ok_or(CommentError::NoComment)?))
}

async fn seen(state: &AppState, visitor: &Visitor, video: VideoId) -> Result<Video, CommentError> {
    videos::find(state, visitor, video).await?.ok_or(CommentError::NoVideo)
}

async fn playing(state: &AppState, caller: &Caller, video: VideoId) -> Result<Video, CommentError> {
    let video = seen(state, &Visitor(Some(caller.clone())), video).await?;
    if video.state == VideoState::Ready { Ok(video) } else { Err(CommentError::NotReady) }
}

async fn found(state: &AppState, caller: &Caller, id: CommentId) -> Result<(Comment, Video), CommentError> {
    find(state, &Visitor(Some(caller.clone())), id).await
}

impl From<catalog::Error> for CommentError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NoVideo(_) => Self::NoVideo,
            catalog::Error::Comment(Refusal::Unknown(_)) => Self::NoComment,
            catalog::Error::Comment(refusal) => Self::Refused(refusal),
            error => Self::Catalog(error),
        }
    }
}
