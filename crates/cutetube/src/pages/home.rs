//! `/`: the newest videos, and what the visitor's own uploads are waiting for.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use catalog::{
    VideoState,
    videos::{self, Cursor, Listing, Video},
};
use serde::Deserialize;

use super::{
    failure::Failure,
    frame::{Frame, page},
    text,
};
use crate::{
    AppState,
    accounts::Visitor,
    blobs::MediaObject,
    playback::{BaseUrl, MediaUrls},
};

const VIDEOS: u32 = 24;
const OWN_VIDEOS: u32 = 20;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    own: Vec<OwnVideo>,
    is_first: bool,
    cards: Vec<Card>,
    next: Option<String>,
}

struct Card {
    path: String,
    title: String,
    poster: String,
    duration: Option<String>,
    date: String,
}

struct OwnVideo {
    path: String,
    title: String,
    state: &'static str,
}

/// Where a list goes on.
#[derive(Deserialize)]
pub(super) struct Place {
    after: Option<String>,
}

/// Anybody.
pub(super) async fn home(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(place): Query<Place>,
) -> Result<Response, Failure> {
    let cursor = place.cursor();
    let (found, next) = videos::after(&state.db, Listing::Public, cursor, VIDEOS).await?;
    let own = match &visitor.0 {
        Some(caller) if cursor.is_none() => {
            videos::after(&state.db, Listing::Owner(caller.user.id), None, OWN_VIDEOS).await?.0
        }
        _ => Vec::new(),
    };
    let home = HomePage {
        frame: Frame::new(&visitor),
        own: own.iter().filter_map(OwnVideo::new).collect(),
        is_first: cursor.is_none(),
        cards: found.iter().filter_map(|video| Card::new(&state, video)).collect(),
        next: next.map(|cursor| cursor.to_string()),
    };
    Ok(page(&state, StatusCode::OK, &home))
}

impl Place {
    /// A place that is none begins at the newest, like an address without one.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.after.as_deref().and_then(|after| after.parse().ok())
    }
}

impl Card {
    fn new(state: &AppState, video: &Video) -> Option<Self> {
        Some(Self {
            path: BaseUrl::RELATIVE.watch(video.id),
            title: video.title.to_string(),
            poster: MediaUrls::origin(state, &BaseUrl::RELATIVE, video)?.object(MediaObject::Poster),
            duration: video.measured_duration.map(text::length),
            date: text::date(video.ready_at.unwrap_or(video.created_at)),
        })
    }
}

impl OwnVideo {
    fn new(video: &Video) -> Option<Self> {
        let state = match video.state {
            VideoState::Uploaded => "waiting",
            VideoState::Processing => "being prepared",
            VideoState::Failed => "failed",
            VideoState::Ready | VideoState::Deleting => return None,
        };
        Some(Self { path: BaseUrl::RELATIVE.watch(video.id), title: video.title.to_string(), state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_title_is_text() {
        let card = Card {
            path: "/watch/1".to_owned(),
            title: "<script>alert(1)</script>".to_owned(),
            poster: "/poster.jpg".to_owned(),
            duration: Some("0:05".to_owned()),
            date: "1 January 1970".to_owned(),
        };
        let own = OwnVideo { path: "/watch/2".to_owned(), title: "<b>".to_owned(), state: "waiting" };
        let home = HomePage {
            frame: Frame::anonymous(),
            own: vec![own],
            is_first: true,
            cards: vec![card],
            next: Some("1-2".to_owned()),
        };
        let html = home.render().unwrap();
        assert!(!html.contains("<script>alert") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&#60;script&#62;alert"), "{html}");
    }
}
