//! What people say below a video: on the video's page, and a page for each comment, where it is said otherwise, taken away,
//! or reported. Everything works without scripts.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use catalog::{
    VideoState,
    comments::{Comment, MOST_ANSWERS, Thread},
    ids::{CommentId, VideoId},
    likes::Likes,
    names::{CommentText, Refusal},
    videos::Video,
};

use super::{
    face::Face,
    failure::{Failure, log_in, to_log_in},
    frame::{Frame, plain},
    text,
    typed::{Typed, address},
};
use crate::{
    AppState,
    accounts::{Caller, Unauthenticated, Visitor},
    comments::actions::{self, CommentError},
    playback::BaseUrl,
    texts::{self, filters},
};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/watch/{id}/comments", post(say))
        .route("/watch/{id}/like", post(like))
        .route("/comments/{id}", get(comment).post(act))
}

/// Comments of one page.
const LISTED: u32 = 20;

/// A part of a video's page.
#[derive(Template)]
#[template(path = "discussion.html")]
pub(super) struct Discussion {
    /// Where what is said goes.
    action: String,
    like_action: String,
    /// Where somebody logs in who comes back then.
    log_in: String,
    is_signed_in: bool,
    is_open: bool,
    /// How much was said.
    count: String,
    likes: String,
    is_liked: bool,
    threads: Vec<ThreadView>,
    /// Where the list goes on.
    older: Option<String>,
}

struct ThreadView {
    comment: CommentView,
    answers: Vec<CommentView>,
    takes_answers: bool,
}

struct CommentView {
    id: String,
    face: Face,
    author: String,
    channel: String,
    text: String,
    date: String,
    is_edited: bool,
    /// The page where something is done about it.
    path: String,
}

#[derive(Template)]
#[template(path = "comment.html")]
struct CommentPage {
    frame: Frame,
    comment: CommentView,
    /// The video's page.
    watch: String,
    may_edit: bool,
    may_remove: bool,
    may_report: bool,
    /// What was typed, where it was refused.
    typed: Option<String>,
    reason: String,
    refusal: Option<String>,
    is_reported: bool,
}

#[derive(Template)]
#[template(path = "comment_refused.html")]
struct RefusedPage {
    frame: Frame,
    action: String,
    watch: String,
    text: String,
    reply_to: String,
    sentence: String,
}

db::text_enum! {
    /// What the forms about a comment are for.
    enum Deed {
        Edit = "edit",
        Delete = "delete",
        Report = "report",
    }
}

impl Discussion {
    /// Below a video that plays.
    pub(super) async fn of(
        state: &AppState,
        visitor: &Visitor,
        video: &Video,
        typed: &Typed,
    ) -> Result<Option<Self>, Failure> {
        if video.state != VideoState::Ready {
            return Ok(None);
        }
        let before = typed.choice::<CommentId>("before");
        let found = actions::below(state, video, before, LISTED).await?;
        let likes = actions::likes_of(state, visitor, video).await?;
        Ok(Some(Self::new(video.id, visitor.0.is_some(), &found, likes)))
    }

    fn new(video: VideoId, is_signed_in: bool, found: &actions::Discussion, likes: Likes) -> Self {
        let watch = BaseUrl::RELATIVE.watch(video);
        Self {
            action: format!("{watch}/comments"),
            like_action: format!("{watch}/like"),
            log_in: log_in(&watch),
            is_signed_in,
            is_open: found.is_open,
            count: text::counted("comments-count", found.count),
            likes: text::counted("comments-likes", likes.count),
            is_liked: likes.is_mine,
            threads: found.threads.iter().map(ThreadView::new).collect(),
            older: found.next.map(|next| address(&watch, &[("before", &next.to_string())]) + "#comments"),
        }
    }
}

impl ThreadView {
    fn new(thread: &Thread) -> Self {
        let most = usize::try_from(MOST_ANSWERS).unwrap_or(usize::MAX);
        Self {
            comment: CommentView::new(&thread.comment),
            answers: thread.answers.iter().map(CommentView::new).collect(),
            takes_answers: thread.answers.len() < most,
        }
    }
}

impl CommentView {
    fn new(comment: &Comment) -> Self {
        Self {
            id: comment.id.to_string(),
            face: Face::new(&comment.author, comment.picture.as_deref()),
            author: comment.author.to_string(),
            channel: BaseUrl::RELATIVE.channel(&comment.author),
            text: comment.text.to_string(),
            date: text::date(comment.created_at),
            is_edited: comment.edited_at.is_some(),
            path: comment_path(comment.id),
        }
    }
}

fn comment_path(id: CommentId) -> String {
    format!("/comments/{id}")
}

/// Whoever has signed in and may see the video. What is refused is shown again as it was typed.
async fn say(
    State(state): State<AppState>,
    Path(id): Path<String>,
    caller: Result<Caller, Unauthenticated>,
    typed: Typed,
) -> Result<Response, Failure> {
    let video: VideoId = id.parse().map_err(|_| Failure::not_found())?;
    let refuse = |status, visitor: &Visitor, sentence: String| {
        let watch = BaseUrl::RELATIVE.watch(video);
        let page = RefusedPage {
            frame: Frame::new(visitor),
            action: format!("{watch}/comments"),
            watch,
            text: typed.get("text").to_owned(),
            reply_to: typed.get("reply_to").to_owned(),
            sentence,
        };
        plain(status, &page)
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(Unauthenticated::Missing | Unauthenticated::Refused) => {
            let sentence = texts::text("comment-signed-out").to_string();
            return Ok(refuse(StatusCode::UNAUTHORIZED, &Visitor(None), sentence));
        }
        Err(refused) => return Err(refused.into()),
    };
    let visitor = Visitor(Some(caller.clone()));
    let text = match CommentText::parse(typed.get("text")) {
        Ok(text) => text,
        Err(Refusal(sentence)) => return Ok(refuse(StatusCode::UNPROCESSABLE_ENTITY, &visitor, sentence)),
    };
    let parent = match typed.get("reply_to") {
        "" => None,
        reply_to => Some(reply_to.parse().map_err(|_| Failure::not_found())?),
    };
    match actions::say(&state, &caller, video, parent, text).await {
        Ok(said) => {
            let watch = BaseUrl::RELATIVE.watch(video);
            Ok(Redirect::to(&format!("{watch}#comment-{}", said.id)).into_response())
        }
        Err(CommentError::NoComment) => {
            let sentence = texts::text("comment-answered-gone").to_string();
            Ok(refuse(StatusCode::NOT_FOUND, &visitor, sentence))
        }
        Err(error @ CommentError::Refused(_)) => Ok(refuse(StatusCode::CONFLICT, &visitor, sentence(&error))),
        Err(error) => Err(error.into()),
    }
}

/// Whoever has signed in and may see the video.
async fn like(
    State(state): State<AppState>,
    Path(id): Path<String>,
    caller: Result<Caller, Unauthenticated>,
    typed: Typed,
) -> Result<Response, Failure> {
    let video: VideoId = id.parse().map_err(|_| Failure::not_found())?;
    let watch = BaseUrl::RELATIVE.watch(video);
    let caller = match caller {
        Ok(caller) => caller,
        Err(refused) => return Ok(to_log_in(refused, &watch)),
    };
    actions::set_liked(&state, &caller, video, typed.get("liked") == "yes").await?;
    Ok(Redirect::to(&watch).into_response())
}

/// Anybody who may see the video.
async fn comment(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| Failure::not_found())?;
    let page = CommentPage {
        is_reported: typed.get("done") == Deed::Report.as_str(),
        ..CommentPage::of(&state, &visitor, id).await?
    };
    Ok(plain(StatusCode::OK, &page))
}

impl CommentPage {
    async fn of(state: &AppState, visitor: &Visitor, id: CommentId) -> Result<Self, Failure> {
        let (comment, video) = actions::find(state, visitor, id).await?;
        let caller = visitor.0.as_ref();
        let is_author = caller.is_some_and(|caller| caller.user.id == comment.author_id);
        Ok(Self {
            frame: Frame::new(visitor),
            watch: format!("{}#comment-{id}", BaseUrl::RELATIVE.watch(video.id)),
            may_edit: is_author,
            may_remove: is_author || visitor.may_manage(video.owner),
            may_report: caller.is_some() && !is_author,
            comment: CommentView::new(&comment),
            typed: None,
            reason: String::new(),
            refusal: None,
            is_reported: false,
        })
    }
}

/// Whoever may do it. Others are told what they may do.
async fn act(
    State(state): State<AppState>,
    Path(id): Path<String>,
    caller: Result<Caller, Unauthenticated>,
    typed: Typed,
) -> Result<Response, Failure> {
    let id: CommentId = id.parse().map_err(|_| Failure::not_found())?;
    let deed: Deed = typed.choice("deed").ok_or_else(Failure::not_found)?;
    let caller = match caller {
        Ok(caller) => caller,
        Err(refused) => return Ok(to_log_in(refused, &comment_path(id))),
    };
    let text = match deed {
        Deed::Delete => None,
        Deed::Edit | Deed::Report => match CommentText::parse(typed.get("text")) {
            Ok(text) => Some(text),
            Err(Refusal(sentence)) => {
                let page = CommentPage::of(&state, &Visitor(Some(caller)), id).await?;
                let said = typed.get("text").to_owned();
                let page = match deed {
                    Deed::Edit => CommentPage { typed: Some(said), refusal: Some(sentence), ..page },
                    Deed::Report | Deed::Delete => {
                        CommentPage { reason: said, refusal: Some(sentence), ..page }
                    }
                };
                return Ok(plain(StatusCode::UNPROCESSABLE_ENTITY, &page));
            }
        },
    };
    let back = |comment: &Comment| BaseUrl::RELATIVE.watch(comment.video_id);
    let to = match (deed, text) {
        (Deed::Edit, Some(text)) => {
            let edited = actions::edit(&state, &caller, id, &text).await?;
            format!("{}#comment-{id}", back(&edited))
        }
        (Deed::Report, Some(reason)) => {
            actions::report(&state, &caller, id, &reason).await?;
            address(&comment_path(id), &[("done", Deed::Report.as_str())])
        }
        (Deed::Delete, _) | (_, None) => {
            let removed = actions::remove(&state, &caller, id).await?;
            format!("{}#comments", back(&removed))
        }
    };
    Ok(Redirect::to(&to).into_response())
}

/// For people: begins like a sentence and ends like one.
fn sentence(error: &CommentError) -> String {
    let said = error.to_string();
    let mut letters = said.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

impl From<CommentError> for Failure {
    fn from(error: CommentError) -> Self {
        match error {
            CommentError::NoVideo | CommentError::NoComment | CommentError::NotReady => Self::not_found(),
            CommentError::NotYours => Unauthenticated::NotAPerson.into(),
            error => Self::internal(&error),
        }
    }
}

#[cfg(test)]
impl Discussion {
    /// A page's worth, with markup in it.
    pub(super) fn sample() -> Self {
        use catalog::names::Username;

        let view = |number: u32, text: &str| CommentView {
            id: number.to_string(),
            face: Face::new(&Username::parse("bob").unwrap(), (number == 1).then_some("pictures/1/2.jpg")),
            author: "bob".to_owned(),
            channel: "/u/bob".to_owned(),
            text: text.to_owned(),
            date: "1 January 1970".to_owned(),
            is_edited: number == 1,
            path: format!("/comments/{number}"),
        };
        let thread = ThreadView {
            comment: view(1, "<script>alert(1)</script>\nTwo lines"),
            answers: vec![view(2, "An <answer>")],
            takes_answers: true,
        };
        Self {
            action: "/watch/1/comments".to_owned(),
            like_action: "/watch/1/like".to_owned(),
            log_in: "/login?next=%2Fwatch%2F1".to_owned(),
            is_signed_in: true,
            is_open: true,
            count: text::counted("comments-count", 2),
            likes: text::counted("comments-likes", 1),
            is_liked: true,
            threads: vec![thread],
            older: Some("/watch/1?before=1#comments".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_said_in_words() {
        let counts = [0, 1, 2].map(|count| text::counted("comments-likes", count));
        assert_eq!(counts, ["No likes yet", "1 like", "2 likes"]);
        assert_eq!(sentence(&CommentError::NotReady), "The video does not play yet.");
    }
}
