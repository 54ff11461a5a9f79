//! `/api/v5/videos/…` and `/api/v5/search`

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use catalog::{
    names::{Description, FieldErrors, Tags, Title},
    videos::{DownloadRule, Edit, Visibility},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    actions::{self, ManageError},
    entity_tag::IfMatch,
    listing::{ListQuery, SearchQuery, next_skip},
    original, poster_api,
    shown::Shown,
    v5::{SearchPage, SearchResult, VideoPage, VideoResource, VideoSummary},
};
use crate::{
    AppState,
    accounts::{Manager, Visitor},
    http::{Body, Problem},
    playback::BaseUrl,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(original::routes())
        .merge(poster_api::routes())
        .routes(routes!(list))
        .routes(routes!(search))
        .routes(routes!(get, edit, delete))
        .routes(routes!(retry))
}

/// Videos, page after page.
///
/// Anybody sees those that are public and play; whoever is signed in also everything of their own, and administrators
/// everything.
#[utoipa::path(
    get, path = "/api/v5/videos", tag = "videos", security((), ("bearer" = ["read"])), params(ListQuery),
    responses(
        (status = 200, description = "A page", body = VideoPage),
        (status = 400, description = "A parameter is none of those allowed", body = Problem),
    )
)]
async fn list(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<VideoPage>, Problem> {
    let listed = ListQuery::read(query)?;
    let found = actions::browse(&state, &visitor, listed).await;
    let (videos, next) = found.map_err(|error| Problem::internal(&error))?;
    let videos =
        videos.iter().map(|(video, owner)| VideoSummary::new(&state, &base, video, owner.as_ref())).collect();
    Ok(Json(VideoPage { videos, next: next.map(|place| place.to_string()) }))
}

/// Find videos by words of their titles, tags and descriptions, the best first.
///
/// Everybody finds what the list of videos shows them. A word in the title counts more than a tag, and a tag more than a
/// word in the description. Case and accents do not count, and neither do quotes and operators.
#[utoipa::path(
    get, path = "/api/v5/search", tag = "videos", security((), ("bearer" = ["read"])), params(SearchQuery),
    responses(
        (status = 200, description = "What was found, which may be nothing", body = SearchPage),
        (status = 400, description = "A parameter is none of those allowed", body = Problem),
    )
)]
async fn search(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<SearchPage>, Problem> {
    let sought = SearchQuery::read(query)?;
    let found =
        actions::search(&state, &visitor, &sought).await.map_err(|error| Problem::internal(&error))?;
    let next = next_skip(&sought, found.len());
    let results = sought.terms.as_ref().map_or_else(Vec::new, |terms| {
        found
            .iter()
            .map(|(video, owner)| SearchResult::new(&state, &base, video, owner.as_ref(), terms))
            .collect()
    });
    Ok(Json(SearchPage { results, next }))
}

/// A video: its state, how far it is, and where it plays from.
///
/// Anybody for public and unlisted videos; for private ones their owner and administrators.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}", tag = "videos", security((), ("bearer" = ["read"])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer"),
    ),
    responses(
        (status = 200, description = "The video", body = VideoResource,
            headers(("ETag" = String, description = "What to give as `If-Match` or `If-None-Match`"))),
        (status = 304, description = "Nothing of it has changed"),
        (status = 404, description = "There is no such video for this caller", body = Problem),
    )
)]
async fn get(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    Ok(Shown::find(&state, &visitor, &base, id).await?.answer(&headers))
}

/// Change what is said about a video, who may see it, and who may take it home. What is absent stays.
///
/// The owner and administrators. With `If-Match` the change is made only if nobody has made another one since; how far
/// the processing is does not matter for that.
#[utoipa::path(
    patch, path = "/api/v5/videos/{id}", tag = "videos", security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the video as the caller knows it"),
    ),
    request_body = VideoChange,
    responses(
        (status = 200, description = "The video as it is now", body = VideoResource,
            headers(("ETag" = String, description = "Of the new version"))),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 412, description = "Somebody has changed it since", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "Fields are refused, and nothing is changed", body = Problem),
    )
)]
async fn edit(
    State(state): State<AppState>,
    Manager(caller): Manager,
    base: BaseUrl,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(change): Body<VideoChange>,
) -> Result<Shown, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    let change = change.parse().map_err(|errors| Problem::invalid(&errors))?;
    actions::edit(&state, &caller, id, &change, &IfMatch::of(&headers)).await?;
    Shown::find(&state, &Visitor(Some(caller)), &base, id).await
}

/// Deletes a video.
///
/// The owner and administrators. It is gone for everybody when this answers; its objects follow.
#[utoipa::path(
    delete, path = "/api/v5/videos/{id}", tag = "videos", security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the video as the caller knows it"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 412, description = "Somebody has changed it since", body = Problem),
    )
)]
async fn delete(
    State(state): State<AppState>,
    Manager(caller): Manager,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    actions::delete(&state, &caller, id, &IfMatch::of(&headers)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Processes a video again that has failed.
///
/// The owner and administrators.
#[utoipa::path(
    post, path = "/api/v5/videos/{id}/retry", tag = "videos", security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 202, description = "It is processed again", body = VideoResource),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "It belongs to somebody else, or the token is not for `manage`", body = Problem),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "It has not failed", body = Problem),
    )
)]
async fn retry(
    State(state): State<AppState>,
    Manager(caller): Manager,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| ManageError::NoVideo)?;
    actions::retry(&state, &caller, id).await?;
    let shown = Shown::find(&state, &Visitor(Some(caller)), &base, id).await?;
    Ok((StatusCode::ACCEPTED, shown).into_response())
}

/// What can be changed about a video; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VideoChange {
    #[schema(min_length = 1, max_length = 200, example = "Our holiday")]
    title: Option<String>,
    #[schema(max_length = 5000, example = "Two weeks by the sea")]
    description: Option<String>,
    /// `public`, `unlisted` or `private`.
    #[schema(example = "unlisted")]
    visibility: Option<String>,
    /// Instead of those it has; at most 20 of at most 40 characters.
    #[schema(max_items = 20, example = json!(["holiday", "sea"]))]
    tags: Option<Vec<String>>,
    /// What viewers may take home: `default` (as this server has it for every video), `none`, `renditions` or
    /// `original_too`.
    #[schema(example = "renditions")]
    downloads: Option<String>,
}

impl VideoChange {
    /// Everything that is wrong is said at once.
    fn parse(self) -> Result<Edit, FieldErrors> {
        let mut errors = FieldErrors::default();
        let tags = |typed: Vec<String>| Tags::parse(typed.iter().map(String::as_str));
        let edit = Edit {
            title: self.title.and_then(|typed| errors.keep("title", Title::parse(&typed))),
            description: self
                .description
                .and_then(|typed| errors.keep("description", Description::parse(&typed))),
            visibility: self
                .visibility
                .and_then(|typed| errors.keep("visibility", Visibility::parse(&typed))),
            tags: self.tags.and_then(|typed| errors.keep("tags", tags(typed))),
            downloads: self.downloads.and_then(|typed| errors.keep("downloads", DownloadRule::parse(&typed))),
        };
        if errors.is_empty() { Ok(edit) } else { Err(errors) }
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::Catalog(error) => Self::internal(&error),
            ManageError::NoVideo => Self::not_found(error.to_string()),
            ManageError::NotYours => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            ManageError::Changed => Self::new(StatusCode::PRECONDITION_FAILED, error.to_string()),
            ManageError::Refused(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
        }
    }
}
