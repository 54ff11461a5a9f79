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
    cards::{Card, cards},
    failure::Failure,
    frame::{Frame, page},
};
use crate::{
    AppState,
    accounts::Visitor,
    playback::BaseUrl,
    texts::{Text, filters, text},
    videos::{actions, lookup},
};

const VIDEOS: u32 = 24;
/// One row of a wide window.
const MOST_WATCHED: u32 = 4;
const OWN_VIDEOS: u32 = 20;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    own: Vec<OwnVideo>,
    /// None of them is empty.
    sections: Vec<Section>,
    next: Option<String>,
}

/// Cards below a heading.
struct Section {
    id: &'static str,
    title: Text,
    cards: Vec<Card>,
}

struct OwnVideo {
    path: String,
    title: String,
    state: Text,
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
    let found = actions::owned(&state, found).await?;
    let title = text(if cursor.is_none() { "home-newest" } else { "common-older-videos" });
    let newest = Section { id: "newest", title, cards: cards(&state, &found).await? };
    let most_watched = match cursor {
        None => lookup::most_watched(&state, MOST_WATCHED).await?,
        Some(_) => Vec::new(),
    };
    let most_watched = Section {
        id: "most-watched",
        title: text("home-most-watched"),
        cards: cards(&state, &most_watched).await?,
    };
    let home = HomePage {
        frame: Frame::new(&visitor),
        own: own.iter().filter_map(OwnVideo::new).collect(),
        sections: [most_watched, newest].into_iter().filter(|section| !section.cards.is_empty()).collect(),
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

impl OwnVideo {
    fn new(video: &Video) -> Option<Self> {
        let state = match video.state {
            VideoState::Uploaded => text("home-own-waiting"),
            VideoState::Processing => text("home-own-preparing"),
            VideoState::Failed => text("home-own-failed"),
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
        let own = OwnVideo {
            path: "/watch/2".to_owned(),
            title: "<b>".to_owned(),
            state: text("home-own-waiting"),
        };
        let cards = vec![Card::sample("<script>alert(1)</script>")];
        let home = HomePage {
            frame: Frame::anonymous(),
            own: vec![own],
            sections: vec![Section { id: "newest", title: text("home-newest"), cards }],
            next: Some("1-2".to_owned()),
        };
        let html = home.render().unwrap();
        assert!(!html.contains("<script>alert") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&#60;script&#62;alert"), "{html}");
    }
}
