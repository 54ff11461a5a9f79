//! `/vod-media/{video}/{revision}/…`: the objects of published videos, under the names they are stored by.

use axum::{
    Router,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use catalog::{
    VideoState,
    videos::{self, Video, Visibility},
};
use tower_http::cors::{Any, CorsLayer};

use crate::{
    AppState,
    accounts::Visitor,
    blobs::{BlobError, StorageKey},
    http::{Problem, StoredObject},
};

/// Routes that send media. Any page may fetch them.
pub(crate) fn routes() -> Router<AppState> {
    let from_anywhere = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MATCH])
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::CONTENT_TYPE,
            header::DATE,
            header::ETAG,
        ])
        .max_age(std::time::Duration::from_secs(24 * 60 * 60));
    Router::new().route("/vod-media/{*object}", get(object)).layer(from_anywhere)
}

/// Anybody for public and unlisted videos; for private ones their owner and administrators.
async fn object(
    State(state): State<AppState>,
    visitor: Visitor,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    match find(&state, &visitor, &uri).await {
        Ok((video, object)) => {
            let mut response = object.answer(&state.blobs, &method, &headers).await;
            if video.visibility == Visibility::Private {
                let private = HeaderValue::from_static("private, no-cache");
                response.headers_mut().insert(header::CACHE_CONTROL, private);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// What may not be seen is answered like what does not exist.
async fn find(state: &AppState, visitor: &Visitor, uri: &Uri) -> Result<(Video, StoredObject), Problem> {
    let nothing = || Problem::not_found("there is nothing at this address");
    // The raw path, not the decoded one: a key needs no escapes, so that what has some is none.
    let key = uri.path().trim_start_matches('/').parse().map_err(|_| nothing())?;
    let StorageKey::Media { video, revision, .. } = &key else { return Err(nothing()) };
    let video = match videos::video(&state.db, *video).await {
        Ok(video) => video,
        Err(catalog::Error::NoVideo(_)) => return Err(nothing()),
        Err(error) => return Err(Problem::internal(&error)),
    };
    let is_published = video.state == VideoState::Ready && video.published_revision == Some(*revision);
    let is_visible = video.visibility != Visibility::Private || visitor.may_manage(video.owner);
    if !is_published || !is_visible {
        return Err(nothing());
    }
    let tag = revision.to_string();
    match StoredObject::find(&state.blobs, key, &tag).await {
        Ok(object) => Ok((video, object)),
        Err(BlobError::NotFound { .. }) => Err(nothing()),
        Err(error) => Err(Problem::internal(&error)),
    }
}
