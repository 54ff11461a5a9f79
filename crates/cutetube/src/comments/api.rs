//! `/api/v5/videos/{id}/comments`, `/api/v5/comments/{id}` and `/api/v5/videos/{id}/like`

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use catalog::{
    comments::{Comment, Thread},
    ids::{CommentId, VideoId},
    likes::Likes,
    names::{CommentText, FieldErrors},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::actions::{self, CommentError, Discussion};
use crate::{
    AppState,
    accounts::{Manager, Visitor},
    http::{Body, Problem},
    videos::actions::ManageError,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, say))
        .routes(routes!(edit, remove))
        .routes(routes!(report))
        .routes(routes!(open, close))
        .routes(routes!(likes, like, unlike))
}

const LISTED: u32 = 20;

/// What was said about a video, the newest first.
///
/// Anybody who may see the video.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/comments", tag = "comments", security((), ("bearer" = ["read"])),
    params(
        ("id" = String, Path, description = "Of the video"),
        ("before" = Option<String>, Query, description = "Only older ones: `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Of comments, answers not counted; at most 100", example = 20),
    ),
    responses(
        (status = 200, description = "A page", body = CommentPage),
        (status = 400, description = "A parameter is not understood", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn list(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Result<Query<CommentQuery>, QueryRejection>,
) -> Result<Json<CommentPage>, Problem> {
    let Query(query) = query?;
    let before = query.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|_| Problem::parameter("before", "`before` is the id of a comment"))?;
    let limit = query.limit.unwrap_or(LISTED);
    let found = actions::discussion(&state, &visitor, video(&id)?, before, limit).await?;
    Ok(Json(CommentPage::new(&found)))
}

/// Say something about a video, or answer what was said.
///
/// Whoever may see the video and has signed in.
#[utoipa::path(
    post, path = "/api/v5/videos/{id}/comments", tag = "comments", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Of the video")), request_body = NewCommentBody,
    responses(
        (status = 201, description = "It is said", body = CommentResource),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller, or no such comment of it", body = Problem),
        (status = 409, description = "The video does not play, its comments are closed, or there are too many answers", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "A field is refused", body = Problem),
    )
)]
async fn say(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
    Body(new): Body<NewCommentBody>,
) -> Result<Response, Problem> {
    let text = text(&new.text)?;
    let parent = new.reply_to.as_deref().map(comment).transpose()?;
    let made = actions::say(&state, &caller, video(&id)?, parent, text).await?;
    Ok((StatusCode::CREATED, Json(CommentResource::new(&made))).into_response())
}

/// Say it otherwise.
///
/// Whoever has said it.
#[utoipa::path(
    patch, path = "/api/v5/comments/{id}", tag = "comments", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Of the comment")), request_body = CommentBody,
    responses(
        (status = 200, description = "It is changed", body = CommentResource),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "Somebody else has said it, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such comment for this caller", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "A field is refused", body = Problem),
    )
)]
async fn edit(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
    Body(body): Body<CommentBody>,
) -> Result<Json<CommentResource>, Problem> {
    let text = text(&body.text)?;
    let changed = actions::edit(&state, &caller, comment(&id)?, &text).await?;
    Ok(Json(CommentResource::new(&changed)))
}

/// Take a comment away, with its answers.
///
/// Whoever has said it, the owner of the video, and administrators.
#[utoipa::path(
    delete, path = "/api/v5/comments/{id}", tag = "comments", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Of the comment")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It is not the caller's to take away, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such comment for this caller", body = Problem),
    )
)]
async fn remove(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actions::remove(&state, &caller, comment(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tell the administrators that something is wrong with a comment.
///
/// Whoever may see it and has signed in. Who reports it again says otherwise why.
#[utoipa::path(
    post, path = "/api/v5/comments/{id}/report", tag = "comments", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Of the comment")), request_body = ReportBody,
    responses(
        (status = 204, description = "They will see it"),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such comment for this caller", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "A field is refused", body = Problem),
    )
)]
async fn report(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
    Body(body): Body<ReportBody>,
) -> Result<StatusCode, Problem> {
    let reason = parsed("reason", &body.reason)?;
    actions::report(&state, &caller, comment(&id)?, &reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let people comment on a video.
///
/// Its owner and administrators.
#[utoipa::path(
    put, path = "/api/v5/videos/{id}/comments/open", tag = "comments", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Of the video")),
    responses(
        (status = 204, description = "They may"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn open(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actions::set_open(&state, &caller, managed(&id)?, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let nobody comment on a video any more. What was said stays.
///
/// Its owner and administrators.
#[utoipa::path(
    delete, path = "/api/v5/videos/{id}/comments/open", tag = "comments", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Of the video")),
    responses(
        (status = 204, description = "Nobody may"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn close(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actions::set_open(&state, &caller, managed(&id)?, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How many like a video, and whether the caller does.
///
/// Anybody who may see the video.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/like", tag = "comments", security((), ("bearer" = ["read"])),
    params(("id" = String, Path, description = "Of the video")),
    responses(
        (status = 200, description = "How it is liked", body = LikesResource),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn likes(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Json<LikesResource>, Problem> {
    Ok(Json(LikesResource::new(actions::likes(&state, &visitor, video(&id)?).await?)))
}

/// Like a video.
///
/// Whoever may see the video and has signed in.
#[utoipa::path(
    put, path = "/api/v5/videos/{id}/like", tag = "comments", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Of the video")),
    responses(
        (status = 204, description = "The caller likes it"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "The video does not play", body = Problem),
    )
)]
async fn like(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actions::set_liked(&state, &caller, video(&id)?, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Like a video no more.
///
/// Whoever may see the video and has signed in.
#[utoipa::path(
    delete, path = "/api/v5/videos/{id}/like", tag = "comments", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Of the video")),
    responses(
        (status = 204, description = "The caller does not like it"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "The video does not play", body = Problem),
    )
)]
async fn unlike(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actions::set_liked(&state, &caller, video(&id)?, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct CommentQuery {
    before: Option<String>,
    limit: Option<u32>,
}

/// Something to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCommentBody {
    #[schema(min_length = 1, max_length = 2000, example = "Where is that beach?")]
    text: String,
    /// The comment that this answers. An answer cannot be answered.
    #[schema(format = "uuid", example = "0190a0b0-5b7e-7c3a-9d2f-3f6a1c2b4d5e")]
    reply_to: Option<String>,
}

/// What is said instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CommentBody {
    #[schema(min_length = 1, max_length = 2000, example = "Where is that beach, please?")]
    text: String,
}

/// What is wrong.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReportBody {
    #[schema(min_length = 1, max_length = 2000, example = "This is an advertisement.")]
    reason: String,
}

/// `GET /api/v5/videos/{id}/comments`
#[derive(Debug, Serialize, ToSchema)]
struct CommentPage {
    comments: Vec<ThreadResource>,
    /// What to give as `before` for the next page; null when there is none.
    next: Option<String>,
    /// How many there are in all, answers included.
    count: u64,
    /// Whether anything may be said.
    open: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct ThreadResource {
    #[serde(flatten)]
    comment: CommentResource,
    /// The oldest first; at most 200.
    answers: Vec<CommentResource>,
}

/// Something that was said. It is plain text, whatever it looks like: whoever puts it into a page escapes it.
#[derive(Debug, Serialize, ToSchema)]
struct CommentResource {
    #[schema(format = "uuid")]
    id: String,
    #[schema(example = "ada")]
    author: String,
    text: String,
    /// What it answers.
    #[schema(format = "uuid")]
    reply_to: Option<String>,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    /// When it was said otherwise.
    edited_at_ms: Option<i64>,
}

/// `GET /api/v5/videos/{id}/like`
#[derive(Debug, Serialize, ToSchema)]
struct LikesResource {
    count: u64,
    /// Whether the caller likes it.
    liked: bool,
}

impl CommentPage {
    fn new(found: &Discussion) -> Self {
        Self {
            comments: found.threads.iter().map(ThreadResource::new).collect(),
            next: found.next.map(|next| next.to_string()),
            count: found.count,
            open: found.is_open,
        }
    }
}

impl ThreadResource {
    fn new(thread: &Thread) -> Self {
        Self {
            comment: CommentResource::new(&thread.comment),
            answers: thread.answers.iter().map(CommentResource::new).collect(),
        }
    }
}

impl CommentResource {
    fn new(comment: &Comment) -> Self {
        Self {
            id: comment.id.to_string(),
            author: comment.author.to_string(),
            text: comment.text.to_string(),
            reply_to: comment.parent_id.map(|parent| parent.to_string()),
            created_at_ms: comment.created_at.unix_millis(),
            edited_at_ms: comment.edited_at.map(db::Timestamp::unix_millis),
        }
    }
}

impl LikesResource {
    fn new(likes: Likes) -> Self {
        Self { count: likes.count, liked: likes.is_mine }
    }
}

fn video(id: &str) -> Result<VideoId, CommentError> {
    id.parse().map_err(|_| CommentError::NoVideo)
}

fn managed(id: &str) -> Result<VideoId, ManageError> {
    id.parse().map_err(|_| ManageError::NoVideo)
}

fn comment(id: &str) -> Result<CommentId, CommentError> {
    id.parse().map_err(|_| CommentError::NoComment)
}

fn text(typed: &str) -> Result<CommentText, Problem> {
    parsed("text", typed)
}

fn parsed(field: &'static str, typed: &str) -> Result<CommentText, Problem> {
    let mut errors = FieldErrors::default();
    errors.keep(field, CommentText::parse(typed)).ok_or_else(|| Problem::invalid(&errors))
}

impl From<CommentError> for Problem {
    fn from(error: CommentError) -> Self {
        match error {
            CommentError::Catalog(error) => Self::internal(&error),
            CommentError::NoVideo | CommentError::NoComment => Self::not_found(error.to_string()),
            CommentError::NotYours => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            CommentError::NotReady | CommentError::Refused(_) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
        }
    }
}
