//! Who takes up how much of the store, for the page and for the API.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use catalog::{
    VideoState,
    usage::{self, Order, OwnerUsage, PartUsage, Place, VideoUsage},
};
use db::Db;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{AppState, accounts::Admin, http::Problem};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(storage))
}

/// What there is to see.
#[derive(Debug)]
pub(crate) struct Usage {
    /// The largest first.
    pub(crate) parts: Vec<PartUsage>,
    /// Those with the most first.
    pub(crate) owners: Vec<OwnerUsage>,
    pub(crate) videos: Vec<VideoUsage>,
    /// Where the list of videos goes on.
    pub(crate) next: Option<Place>,
}

/// People who are listed.
const OWNERS: u32 = 20;

pub(crate) async fn read(
    db: &Db,
    order: Order,
    after: Option<Place>,
    limit: u32,
) -> Result<Usage, catalog::Error> {
    let mut videos = usage::videos(db, order, after, limit.saturating_add(1)).await?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = videos.len() > length;
    videos.truncate(length);
    let next = videos.last().filter(|_| goes_on).map(|last| last.place(order));
    Ok(Usage { parts: usage::parts(db).await?, owners: usage::owners(db, OWNERS).await?, videos, next })
}

/// What videos take up in the store: by rendition, by person, and video by video.
///
/// Administrators. It is summed up when a video is published: what is being made, or waits to be removed, is not in it.
#[utoipa::path(
    get, path = "/api/v5/admin/storage", tag = "administration", security(("bearer" = ["admin"])),
    params(
        ("order" = Option<String>, Query, description = "`media` (the default), `source` or `newest`", example = "source"),
        ("after" = Option<String>, Query, description = "Where the list goes on: `next` of the page before, in the same order"),
        ("limit" = Option<u32>, Query, description = "At most 200", example = 50),
    ),
    responses(
        (status = 200, description = "A page", body = StorageResource),
        (status = 400, description = "A parameter is not understood", body = Problem),
        (status = 401, description = "Nobody is signed in", body = Problem),
        (status = 403, description = "The caller is no administrator", body = Problem),
    )
)]
async fn storage(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Json<StorageResource>, Problem> {
    let Query(query) = query?;
    let order = query.order.as_deref().map(str::parse).transpose();
    let order = order.map_err(|_| Problem::parameter("order", "`order` is media, source or newest"))?;
    let after = query.after.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_| Problem::parameter("after", "`after` is `next` of another page"))?;
    let limit = query.limit.unwrap_or(LISTED).clamp(1, LONGEST_PAGE);
    let usage = read(&state.db, order.unwrap_or(Order::Media), after, limit).await;
    Ok(Json(StorageResource::new(&usage.map_err(|error| Problem::internal(&error))?)))
}

/// Videos of a page.
pub(crate) const LISTED: u32 = 50;
const LONGEST_PAGE: u32 = 200;

#[derive(Deserialize)]
struct UsageQuery {
    order: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// What videos take up.
#[derive(Serialize, ToSchema)]
struct StorageResource {
    parts: Vec<PartResource>,
    /// The 20 people with the most.
    owners: Vec<OwnerResource>,
    videos: Vec<VideoUsageResource>,
    /// Where the list of videos goes on.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct PartResource {
    /// A rendition, `pictures` or `manifests`.
    part: String,
    videos: u64,
    objects: u64,
    bytes: u64,
}

#[derive(Serialize, ToSchema)]
struct OwnerResource {
    #[schema(format = "uuid")]
    id: String,
    username: String,
    videos: u64,
    /// Of uploaded files that are kept.
    source_bytes: u64,
    /// Of what was made of them.
    media_bytes: u64,
}

#[derive(Serialize, ToSchema)]
struct VideoUsageResource {
    #[schema(format = "uuid")]
    id: String,
    title: String,
    #[schema(value_type = String)]
    state: VideoState,
    owner: String,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    /// Of the uploaded file; 0 when it is not kept.
    source_bytes: u64,
    media_objects: u64,
    media_bytes: u64,
}

impl StorageResource {
    fn new(usage: &Usage) -> Self {
        let part = |part: &PartUsage| PartResource {
            part: part.part.clone(),
            videos: part.videos,
            objects: part.objects,
            bytes: part.bytes,
        };
        let owner = |owner: &OwnerUsage| OwnerResource {
            id: owner.id.to_string(),
            username: owner.username.to_string(),
            videos: owner.videos,
            source_bytes: owner.source_bytes,
            media_bytes: owner.bytes,
        };
        let video = |video: &VideoUsage| VideoUsageResource {
            id: video.id.to_string(),
            title: video.title.to_string(),
            state: video.state,
            owner: video.owner.to_string(),
            created_at_ms: video.created_at.unix_millis(),
            source_bytes: video.kept_source_bytes(),
            media_objects: video.objects,
            media_bytes: video.bytes,
        };
        Self {
            parts: usage.parts.iter().map(part).collect(),
            owners: usage.owners.iter().map(owner).collect(),
            videos: usage.videos.iter().map(video).collect(),
            next: usage.next.map(|place| place.to_string()),
        }
    }
}
