//! Videos as cards of a list.

use catalog::{
    accounts::User,
    ids::VideoId,
    search::Piece,
    videos::{Video, Visibility},
    views,
};

use super::text;
use crate::{
    AppState,
    blobs::MediaObject,
    playback::{BaseUrl, MediaUrls},
    texts::{Text, text},
    videos::actions::Owned,
};

/// A video that plays, as `templates/card.html` shows it.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) path: String,
    pub(super) title: String,
    pub(super) poster: String,
    /// Names small pictures of all of it; there may be none.
    pub(super) storyboard: String,
    pub(super) duration: Option<String>,
    pub(super) channel: Option<ChannelLink>,
    pub(super) date: String,
    /// Absent before the first.
    pub(super) views: Option<String>,
    /// What a video is marked with that not everybody finds.
    pub(super) mark: Option<Text>,
    /// Where what was looked for is said.
    pub(super) said: Option<Said>,
}

/// A moment of a video, and what is said then.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) path: String,
    pub(super) time: String,
    pub(super) pieces: Vec<Piece>,
}

/// Where more of the same person is.
#[derive(Debug)]
pub(super) struct ChannelLink {
    pub(super) name: String,
    pub(super) path: String,
}

/// Those of these videos that play.
pub(super) async fn cards(state: &AppState, videos: &Owned) -> Result<Vec<Card>, catalog::Error> {
    let ids: Vec<VideoId> = videos.iter().map(|(video, _)| video.id).collect();
    let watched = views::totals(&state.db, &ids).await?;
    let card = |(video, owner): &(Video, Option<User>)| {
        Card::new(state, video, owner.as_ref(), views::of(&watched, video.id))
    };
    Ok(videos.iter().filter_map(card).collect())
}

impl Card {
    fn new(state: &AppState, video: &Video, owner: Option<&User>, views: u64) -> Option<Self> {
        let urls = MediaUrls::origin(state, &BaseUrl::RELATIVE, video)?;
        Some(Self {
            path: BaseUrl::RELATIVE.watch(video.id),
            title: video.title.to_string(),
            poster: urls.poster(video),
            storyboard: urls.object(MediaObject::Storyboard),
            duration: video.measured_duration.map(text::length),
            channel: owner.map(ChannelLink::new),
            date: text::date(video.ready_at.unwrap_or(video.created_at)),
            views: (views > 0).then(|| text::views(views)),
            mark: mark(video.visibility),
            said: None,
        })
    }
}

impl ChannelLink {
    pub(super) fn new(owner: &User) -> Self {
        Self { name: owner.username.to_string(), path: BaseUrl::RELATIVE.channel(&owner.username) }
    }
}

/// What a video is marked with that not everybody finds.
fn mark(visibility: Visibility) -> Option<Text> {
    let is_found = visibility == Visibility::Public;
    (!is_found).then(|| text("common-visibility").with("visibility", visibility))
}

#[cfg(test)]
impl Card {
    /// One whose texts are all `title`.
    pub(super) fn sample(title: &str) -> Self {
        let channel = ChannelLink { name: title.to_owned(), path: "/u/ada".to_owned() };
        Self {
            path: "/watch/1".to_owned(),
            title: title.to_owned(),
            poster: "/poster.jpg".to_owned(),
            storyboard: "/storyboard.vtt".to_owned(),
            duration: Some("0:05".to_owned()),
            channel: Some(channel),
            date: "1 January 1970".to_owned(),
            views: Some(text::views(1)),
            mark: mark(Visibility::Unlisted),
            said: Some(Said {
                path: "/watch/1?t=62".to_owned(),
                time: "1:02".to_owned(),
                pieces: vec![Piece { text: title.to_owned(), is_hit: true }],
            }),
        }
    }
}
