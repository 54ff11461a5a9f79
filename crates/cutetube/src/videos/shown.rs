//! A video as an answer, with the tag that says which state of it this is.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use catalog::{accounts, ids::VideoId, videos::Visibility};

use super::{
    actions::{self, ManageError},
    entity_tag::EntityTag,
    v5::VideoResource,
};
use crate::{AppState, accounts::Visitor, http::Problem, licences, playback::BaseUrl};

/// A video to answer with.
#[derive(Debug)]
pub(crate) struct Shown {
    resource: VideoResource,
    tag: EntityTag,
    /// Whether an answer may be kept and asked for again: links to what is not public expire, and so do passes.
    is_lasting: bool,
}

impl Shown {
    /// The video, unless it does not exist for this visitor.
    pub(crate) async fn find(
        state: &AppState,
        visitor: &Visitor,
        base: &BaseUrl,
        id: VideoId,
    ) -> Result<Self, Problem> {
        let internal = |error| Problem::internal(&error);
        let details = actions::details(state, visitor, id).await.map_err(internal)?;
        let details = details.ok_or(ManageError::NoVideo)?;
        let video = details.video();
        let owner = accounts::user(&state.db, video.owner).await.map_err(internal)?;
        let pass = licences::pass(state, visitor, video).await.map_err(internal)?;
        let resource = VideoResource::new(state, base, &details, owner.as_ref(), pass.as_ref());
        let tag = EntityTag::new(video.version, &details.state_of_work());
        Ok(Self { tag, is_lasting: video.visibility == Visibility::Public && pass.is_none(), resource })
    }

    /// The answer to a GET with these headers.
    pub(super) fn answer(self, headers: &HeaderMap) -> Response {
        if self.is_lasting && self.tag.is_known(headers) {
            return self.dress(StatusCode::NOT_MODIFIED.into_response());
        }
        self.into_response()
    }

    fn dress(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.tag.header());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("Authorization, Cookie"));
        response
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        let response = Json(&self.resource).into_response();
        self.dress(response)
    }
}
