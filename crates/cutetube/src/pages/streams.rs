//! `/app/stream/`: the public videos as files, for players that know no manifests (v1).

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use catalog::videos::{self, Cursor, Listing, Video};

use super::{
    failure::Failure,
    frame::{Frame, page},
    home::Place,
};
use crate::{
    AppState,
    accounts::Visitor,
    playback::{BaseUrl, MediaUrls},
    texts::filters,
};

const FILES: u32 = 100;

#[derive(Template)]
#[template(path = "streams.html")]
struct StreamsPage {
    frame: Frame,
    files: Vec<Listed>,
    next: Option<String>,
}

struct Listed {
    path: String,
    title: String,
    id: String,
}

/// Anybody.
pub(super) async fn streams(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(place): Query<Place>,
) -> Result<Response, Failure> {
    let (found, next) = videos::after(&state.db, Listing::Public, place.cursor(), FILES).await?;
    let files = StreamsPage {
        frame: Frame::new(&visitor),
        files: found.iter().filter_map(|video| Listed::new(&state, video)).collect(),
        next: next.map(|cursor: Cursor| cursor.to_string()),
    };
    Ok(page(&state, StatusCode::OK, &files))
}

impl Listed {
    fn new(state: &AppState, video: &Video) -> Option<Self> {
        Some(Self {
            path: MediaUrls::origin(state, &BaseUrl::RELATIVE, video)?.source(),
            title: video.title.to_string(),
            id: video.id.to_string(),
        })
    }
}
