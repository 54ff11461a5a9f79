//! What other programs read of this site: feeds, lists for search engines, and how to embed a video. Nothing here tells of
//! anything that is not public, whoever asks.

use askama::Template;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use catalog::{
    VideoState,
    ids::VideoId,
    names::Username,
    videos::{self, Listing, Video, Visibility},
};
use serde::Serialize;

use super::{
    embedding::{USUAL_SIZE, embed_code},
    failure::Failure,
    typed::Typed,
};
use crate::{
    AppState,
    accounts::Visitor,
    calendar::{http_date, rfc3339},
    http::Problem,
    playback::{BaseUrl, MediaUrls},
    texts::filters,
    videos::{
        actions,
        lookup::{self, Lookup, look_up},
    },
};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/u/{name}/feed.xml", get(feed))
        .route("/oembed", get(oembed))
        .route("/sitemap.xml", get(sitemap_index))
        .route("/sitemaps/{file}", get(sitemap))
        .route("/robots.txt", get(robots))
}

/// The newest videos of a channel, as RSS 2.0.
#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed {
    channel: Username,
    page: String,
    address: String,
    items: Vec<FeedItem>,
}

struct FeedItem {
    title: String,
    description: String,
    page: String,
    /// As RFC 822 writes it.
    date: String,
    poster: Option<String>,
}

/// Every list there is.
#[derive(Template)]
#[template(path = "sitemap_index.xml")]
struct SitemapIndex {
    lists: Vec<String>,
}

/// Pages, as the sitemap protocol lists them (<https://www.sitemaps.org/protocol.html>).
#[derive(Template)]
#[template(path = "sitemap.xml")]
struct Sitemap {
    pages: Vec<Listed>,
}

struct Listed {
    address: String,
    changed: Option<String>,
}

/// How to embed a video (<https://oembed.com>, version 1.0).
#[derive(Debug, Serialize)]
struct Embed {
    version: &'static str,
    r#type: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_url: Option<String>,
    provider_name: &'static str,
    provider_url: String,
    html: String,
    width: u32,
    height: u32,
}

const FEED_ITEMS: u32 = 50;
/// Videos in one list for search engines, which take up to 50 000.
const SITEMAP_VIDEOS: u32 = 1000;

/// Anybody.
async fn feed(
    State(state): State<AppState>,
    base: BaseUrl,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let owner = lookup::channel(&state, &name).await?.ok_or_else(Failure::not_found)?;
    let sought = Lookup { channel: Some(name), ..Lookup::default() };
    let (found, _) = look_up(&state, &Visitor(None), &sought, FEED_ITEMS).await?;
    // As its page does.
    if found.is_empty() {
        return Err(Failure::not_found());
    }
    let page = base.channel(&owner.username);
    let feed = Feed {
        channel: owner.username,
        address: format!("{page}/feed.xml"),
        page,
        items: found.iter().map(|(video, _)| FeedItem::new(&state, &base, video)).collect(),
    };
    xml(&feed, "application/rss+xml; charset=utf-8")
}

impl FeedItem {
    fn new(state: &AppState, base: &BaseUrl, video: &Video) -> Self {
        Self {
            title: characters(video.title.as_str()),
            description: characters(video.description.as_str()),
            page: base.watch(video.id),
            date: http_date(video.ready_at.unwrap_or(video.created_at)),
            poster: MediaUrls::origin(state, base, video).map(|urls| urls.poster(video)),
        }
    }
}

/// Anybody.
async fn sitemap_index(State(state): State<AppState>, base: BaseUrl) -> Result<Response, Failure> {
    let total = videos::page(&state.db, Listing::Public, 1, 1).await?.total;
    let lists = total.div_ceil(u64::from(SITEMAP_VIDEOS)).max(1);
    let lists = (1..=lists).map(|number| format!("{base}/sitemaps/{number}.xml")).collect();
    xml(&SitemapIndex { lists }, "application/xml; charset=utf-8")
}

/// Anybody.
async fn sitemap(
    State(state): State<AppState>,
    base: BaseUrl,
    Path(file): Path<String>,
) -> Result<Response, Failure> {
    let number = file.strip_suffix(".xml").and_then(|number| number.parse::<u32>().ok());
    let number = number.filter(|number| *number > 0).ok_or_else(Failure::not_found)?;
    let found = videos::page(&state.db, Listing::Public, number, SITEMAP_VIDEOS).await?.videos;
    let home = (number == 1).then(|| Listed { address: format!("{base}/"), changed: None });
    if found.is_empty() && home.is_none() {
        return Err(Failure::not_found());
    }
    let listed =
        |video: &Video| Listed { address: base.watch(video.id), changed: Some(rfc3339(video.updated_at)) };
    let pages = home.into_iter().chain(found.iter().map(listed)).collect();
    xml(&Sitemap { pages }, "application/xml; charset=utf-8")
}

/// Anybody.
async fn robots(base: BaseUrl) -> Response {
    let text = format!(
        "User-agent: *\nDisallow: /account\nDisallow: /admin\nDisallow: /api/\nDisallow: /search\n\
         Disallow: /studio\nDisallow: /upload\n\nSitemap: {base}/sitemap.xml\n"
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, KEPT)], text)
        .into_response()
}

/// Anybody, for public videos that play.
async fn oembed(State(state): State<AppState>, base: BaseUrl, typed: Typed) -> Result<Response, Problem> {
    if !matches!(typed.get("format"), "" | "json") {
        // What the protocol wants (§2.3.4); it is nobody's fault that has to be looked into.
        return Ok((StatusCode::NOT_IMPLEMENTED, "There is no other format than `json`.\n").into_response());
    }
    if typed.get("url").is_empty() {
        let sentence = "give the address of a video's page as `url`";
        return Err(Problem::new(StatusCode::BAD_REQUEST, sentence));
    }
    let unknown = || Problem::not_found("there is no public video at this address");
    let id = video_at(&base, typed.get("url")).ok_or_else(unknown)?;
    let found = actions::find(&state, &Visitor(None), id).await.map_err(|error| Problem::internal(&error))?;
    let is_public =
        |video: &Video| video.state == VideoState::Ready && video.visibility == Visibility::Public;
    let video = found.filter(is_public).ok_or_else(unknown)?;
    let owner = catalog::accounts::user(&state.db, video.owner).await;
    let owner = owner.map_err(|error| Problem::internal(&error))?;
    let (width, height) = fitted(USUAL_SIZE, (typed.choice("maxwidth"), typed.choice("maxheight")));
    let embed = Embed {
        version: "1.0",
        r#type: "video",
        title: video.title.to_string(),
        author_name: owner.as_ref().map(|owner| owner.username.to_string()),
        author_url: owner.as_ref().map(|owner| base.channel(&owner.username)),
        provider_name: "CuteTube",
        provider_url: format!("{base}/"),
        html: embed_code(&base, &video, (width, height)),
        width,
        height,
    };
    Ok(([(header::CACHE_CONTROL, KEPT)], Json(embed)).into_response())
}

/// The video whose page this is, whether it was reached with TLS or without.
fn video_at(base: &BaseUrl, url: &str) -> Option<VideoId> {
    let without_scheme = |url: &str| url.split_once("://").map(|(_, rest)| rest.to_owned());
    let (url, base) = (without_scheme(url)?, without_scheme(base.as_str())?);
    let path = url.strip_prefix(&base)?.split(['?', '#']).next()?;
    path.strip_prefix("/watch/").or_else(|| path.strip_prefix("/embed/"))?.parse().ok()
}

/// The largest size of this shape that is no larger than this and than what was asked for.
fn fitted((width, height): (u32, u32), (most_width, most_height): (Option<u32>, Option<u32>)) -> (u32, u32) {
    let of = |length: u32, part: u32, whole: u32| {
        let scaled = (u64::from(length) * u64::from(part)).checked_div(u64::from(whole)).unwrap_or(0);
        u32::try_from(scaled).unwrap_or(length).max(1)
    };
    let narrow = most_width.unwrap_or(width).clamp(1, width);
    let low = most_height.unwrap_or(height).clamp(1, height);
    let by_width = (narrow, of(height, narrow, width));
    if by_width.1 <= low { by_width } else { (of(width, low, height), low) }
}

/// Others may keep it for a few minutes.
const KEPT: &str = "public, max-age=300";

fn xml(template: &impl Template, kind: &'static str) -> Result<Response, Failure> {
    let text = template.render().map_err(|error| Failure::internal(&error))?;
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(KEPT));
    Ok(response)
}

/// What XML can hold of a text (XML 1.0 §2.2); the template escapes what means something in it.
fn characters(text: &str) -> String {
    let is_allowed = |c: &char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => *c >= ' ',
    };
    text.chars().filter(is_allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_fits_where_it_is_put() {
        assert_eq!(fitted(USUAL_SIZE, (None, None)), (640, 360));
        assert_eq!(fitted(USUAL_SIZE, (Some(320), None)), (320, 180));
        assert_eq!(fitted(USUAL_SIZE, (Some(320), Some(90))), (160, 90));
        assert_eq!(fitted(USUAL_SIZE, (Some(9999), Some(u32::MAX))), (640, 360));
        assert_eq!(fitted(USUAL_SIZE, (Some(0), Some(0))), (1, 1));
    }

    #[test]
    fn only_pages_of_this_site_are_videos() {
        let base = BaseUrl::from("https://videos.example.org".to_owned());
        let id = VideoId::new(1, &[1; 10]);
        let check = |url: String| video_at(&base, &url);
        for path in ["watch", "embed"] {
            assert_eq!(check(format!("https://videos.example.org/{path}/{id}?t=9#x")), Some(id));
            assert_eq!(check(format!("http://videos.example.org/{path}/{id}")), Some(id));
        }
        for url in [
            format!("https://videos.example.org.evil.example/watch/{id}"),
            format!("https://evil.example/watch/{id}"),
            format!("/watch/{id}"),
            format!("https://videos.example.org/u/{id}"),
            "https://videos.example.org/watch/x".to_owned(),
        ] {
            assert_eq!(check(url.clone()), None, "{url}");
        }
    }

    #[test]
    fn what_no_xml_can_hold_is_left_out() {
        assert_eq!(characters("a\u{1}b\u{ffff}<\n\u{1f600}"), "ab<\n\u{1f600}");
    }
}
