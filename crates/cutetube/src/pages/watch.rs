//! `/watch/{id}` and `/embed/{id}`: one video, whatever state it is in.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use catalog::{
    VideoState, accounts,
    chapters::{Chapter, chapters},
    pictures,
    videos::{Video, Visibility},
    views,
};

use serde::Serialize;

use super::{
    cards::{Card, ChannelLink, cards},
    discussion::Discussion,
    embedding::{USUAL_SIZE, embed_code},
    face::Face,
    failure::Failure,
    frame::{Frame, embeddable, page},
    metadata, studio, text,
    typed::{Typed, address},
};
use crate::{
    AppState,
    accounts::Visitor,
    blobs::{Flavour, MediaObject},
    licences::{self, LicenceUrls, Pass},
    playback::{BaseUrl, MediaUrls, Offer},
    processes,
    texts::{self, filters},
    videos::{
        actions::{self, VideoDetails},
        lookup,
    },
};

/// Videos to watch afterwards.
const UP_NEXT: u32 = 8;

#[derive(Template)]
#[template(path = "watch.html")]
struct WatchPage {
    frame: Frame,
    /// Whether search engines may list it.
    is_listed: bool,
    stage: Stage,
    urls: PublicUrls,
    /// For search engines: JSON that is safe inside of a `<script>`.
    json_ld: Option<String>,
    title: String,
    description: String,
    date: String,
    duration: Option<String>,
    views: String,
    channel: Option<ChannelLink>,
    /// Of whoever has uploaded it.
    face: Option<Face>,
    tags: Vec<Link>,
    chapters: Vec<ChapterLink>,
    downloads: Vec<Link>,
    embed_code: String,
    /// What is said about it. Absent as long as it does not play.
    discussion: Option<Discussion>,
    /// What to watch afterwards.
    cards: Vec<Card>,
    /// For those who may manage the video.
    warnings: Vec<String>,
    /// The same.
    edit: Option<String>,
}

/// A text that leads somewhere.
struct Link {
    text: String,
    path: String,
}

/// A part of the video that has a name.
struct ChapterLink {
    seconds: u64,
    time: String,
    title: String,
    path: String,
}

#[derive(Template)]
#[template(path = "embed.html")]
struct EmbedPage {
    is_listed: bool,
    stage: Stage,
    watch: String,
    title: String,
}

/// What stands where the video plays.
pub(super) enum Stage {
    /// It is being prepared; `process` answers how far it is.
    Waiting { percent: u8, note: Option<String>, process: String },
    /// It never will be.
    Failed { sentence: String },
    /// It plays.
    Ready(Media),
}

/// Paths that the player fetches.
pub(super) struct Media {
    /// Its id.
    pub(super) video: String,
    pub(super) dash: String,
    pub(super) hls: String,
    pub(super) poster: String,
    pub(super) storyboard: String,
    /// Where it says that somebody watches.
    pub(super) views: String,
    /// Where it says what of it is watched.
    pub(super) audience: String,
    /// What the player of a protected video needs: JSON, as `web/src/licences.ts` reads it.
    pub(super) licences: Option<String>,
}

#[derive(Serialize)]
struct LicenceSettings {
    urls: LicenceUrls,
    /// Of the certificate for FairPlay.
    certificate: Option<String>,
    token: String,
    /// In milliseconds since 1970.
    expires: u64,
    /// Where another token is to be had.
    renewal: String,
    /// Where the player says that it still plays, and how often in milliseconds.
    streams: String,
    beat: u64,
}

/// Absolute URLs, for other sites.
struct PublicUrls {
    watch: String,
    embed: String,
    poster: Option<String>,
    /// What tells other sites how to embed it.
    oembed: String,
}

/// Anybody for public and unlisted videos; for private ones their owner and administrators.
pub(super) async fn watch(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let details = find(&state, &visitor, &id).await?;
    let video = details.video();
    let pass = licences::pass(&state, &visitor, video).await?;
    let owner = accounts::user(&state.db, video.owner).await?;
    let picture = pictures::of(&state.db, video.owner).await?;
    let views = views::of(&views::totals(&state.db, &[video.id]).await?, video.id);
    let may_manage = visitor.may_manage(video.owner);
    let poster = MediaUrls::origin(&state, &base, video).map(|urls| urls.poster(video));
    let is_listed = video.visibility == Visibility::Public;
    let json_ld = poster.as_deref().filter(|_| is_listed && video.state == VideoState::Ready);
    let watch = WatchPage {
        frame: Frame::new(&visitor),
        is_listed,
        stage: Stage::new(&state, &base, &details, pass.as_ref())?,
        json_ld: json_ld.map(|poster| metadata::json_ld(&base, video, poster, views)),
        urls: PublicUrls {
            watch: base.watch(video.id),
            embed: base.embed(video.id),
            oembed: address(&format!("{base}/oembed"), &[("url", &base.watch(video.id)), ("format", "json")]),
            poster,
        },
        title: video.title.to_string(),
        description: video.description.to_string(),
        date: text::date(video.ready_at.unwrap_or(video.created_at)),
        duration: video.measured_duration.map(text::length),
        views: text::views(views),
        channel: owner.as_ref().map(ChannelLink::new),
        face: owner.as_ref().map(|owner| Face::new(&owner.username, picture.as_deref())),
        tags: video.tags.iter().map(Link::to_tag).collect(),
        chapters: chapters(video.description.as_str())
            .into_iter()
            .map(|chapter| ChapterLink::new(video, chapter))
            .collect(),
        downloads: downloads(&state, &details),
        embed_code: embed_code(&base, video, USUAL_SIZE),
        discussion: Discussion::of(&state, &visitor, video, &typed).await?,
        cards: cards(&state, &lookup::up_next(&state, video, UP_NEXT).await?).await?,
        warnings: if may_manage { video.warnings.clone() } else { Vec::new() },
        edit: may_manage.then(|| studio::studio_path(video.id)),
    };
    Ok(page(&state, StatusCode::OK, &watch))
}

/// Like [`watch`], for a frame in a page of another site.
pub(super) async fn embed(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let details = find(&state, &visitor, &id).await?;
    let pass = licences::pass(&state, &visitor, details.video()).await?;
    let embed = EmbedPage {
        is_listed: details.video().visibility == Visibility::Public,
        stage: Stage::new(&state, &base, &details, pass.as_ref())?,
        watch: base.watch(details.video().id),
        title: details.video().title.to_string(),
    };
    Ok(embeddable(&state, &embed))
}

async fn find(state: &AppState, visitor: &Visitor, id: &str) -> Result<VideoDetails, Failure> {
    let id = id.parse().map_err(|_| Failure::not_found())?;
    actions::details(state, visitor, id).await?.ok_or_else(Failure::not_found)
}

/// The files that the visitor may have.
fn downloads(state: &AppState, details: &VideoDetails) -> Vec<Link> {
    let urls = MediaUrls::origin(state, &BaseUrl::RELATIVE, details.video());
    let link = |urls: &MediaUrls, offer: &Offer| {
        let name = match offer.name.is_original() {
            true => texts::text("watch-original").to_string(),
            false => offer.name.subject().to_owned(),
        };
        let (kind, size) = (offer.name.container().to_uppercase(), text::size(offer.bytes));
        Link { text: format!("{name}, {kind}, {size}"), path: urls.download(offer) }
    };
    urls.iter().flat_map(|urls| details.downloads.iter().map(|offer| link(urls, offer))).collect()
}

impl Link {
    /// To other videos that are filed under this.
    fn to_tag(tag: &str) -> Self {
        Self { text: tag.to_owned(), path: address("/search", &[("q", tag)]) }
    }
}

impl ChapterLink {
    fn new(video: &Video, chapter: Chapter) -> Self {
        let seconds = chapter.begins.as_secs();
        Self {
            seconds,
            time: text::length(chapter.begins),
            title: chapter.title,
            path: BaseUrl::RELATIVE.watch_at(video.id, seconds),
        }
    }
}

impl Stage {
    pub(super) fn new(
        state: &AppState,
        base: &BaseUrl,
        details: &VideoDetails,
        pass: Option<&Pass>,
    ) -> Result<Self, Failure> {
        let video = details.video();
        match video.state {
            VideoState::Uploaded | VideoState::Processing => {
                let process = &details.process;
                Ok(Self::Waiting {
                    percent: process.percent(),
                    note: processes::note(process),
                    process: BaseUrl::RELATIVE.process(video.process),
                })
            }
            VideoState::Failed => Ok(Self::Failed {
                sentence: video.error.clone().unwrap_or_else(|| texts::text("watch-failed").to_string()),
            }),
            VideoState::Ready => {
                Media::new(state, base, video, pass).map(Self::Ready).ok_or_else(Failure::not_found)
            }
            VideoState::Deleting => Err(Failure::not_found()),
        }
    }
}

impl Media {
    /// Absent as long as the video is not published. Without a CDN, everything is on the page's own server, under
    /// whatever name people reach it by.
    fn new(state: &AppState, base: &BaseUrl, video: &Video, pass: Option<&Pass>) -> Option<Self> {
        let media = MediaUrls::preferred(state, &base.relative(), video)?.for_holder_of(pass);
        let pictures = MediaUrls::origin(state, &BaseUrl::RELATIVE, video)?;
        Some(Self {
            video: video.id.to_string(),
            dash: media.object(MediaObject::Mpd(Flavour::Mp4)),
            hls: media.object(MediaObject::Master(Flavour::Mp4)),
            poster: pictures.poster(video),
            storyboard: pictures.object(MediaObject::Storyboard),
            views: BaseUrl::RELATIVE.views(video.id),
            audience: BaseUrl::RELATIVE.audience(video.id),
            licences: pass.map(|pass| LicenceSettings::new(state, video, pass).to_json()),
        })
    }
}

impl LicenceSettings {
    fn new(state: &AppState, video: &Video, pass: &Pass) -> Self {
        let base = BaseUrl::RELATIVE;
        let certificate = state.config.drm.fairplay_certificate.as_ref();
        Self {
            urls: LicenceUrls::new(state, &base, video.protection),
            certificate: certificate.map(|_| base.licences("fairplay/certificate")),
            token: pass.token.expose().to_owned(),
            expires: pass.token.expires().saturating_mul(1000),
            renewal: base.playback(video.id),
            streams: base.licences("streams"),
            // Two may be lost.
            beat: state.config.drm.stream_seconds.saturating_mul(1000) / 3,
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stage: Stage) -> String {
        let page = WatchPage {
            frame: Frame {
                user: Some("ada".to_owned()),
                is_admin: false,
                sought: String::new(),
                has_assets: true,
            },
            is_listed: !matches!(stage, Stage::Waiting { .. }),
            stage,
            urls: PublicUrls {
                watch: "https://videos.example.org/watch/1".to_owned(),
                embed: "https://videos.example.org/embed/1".to_owned(),
                oembed: "https://videos.example.org/oembed?url=x&format=json".to_owned(),
                poster: Some("https://videos.example.org/poster.jpg".to_owned()),
            },
            json_ld: Some(r#"{"name":"\u003ctitle"}"#.to_owned()),
            title: "A \"quoted\" <title>".to_owned(),
            description: "First line\nSecond line".to_owned(),
            date: "1 January 1970".to_owned(),
            duration: Some("0:05".to_owned()),
            views: text::views(1234),
            channel: Some(ChannelLink { name: "ada".to_owned(), path: "/u/ada".to_owned() }),
            face: None,
            tags: vec![Link::to_tag("sea & <sand>")],
            chapters: vec![ChapterLink {
                seconds: 90,
                time: "1:30".to_owned(),
                title: "The <sea>".to_owned(),
                path: "/watch/1?t=90".to_owned(),
            }],
            downloads: vec![Link {
                text: "720p, MP4, 12 MB".to_owned(),
                path: "/download/1/1/720p.mp4".to_owned(),
            }],
            discussion: Some(Discussion::sample()),
            embed_code: "<iframe src=\"https://videos.example.org/embed/1\"></iframe>".to_owned(),
            cards: vec![Card::sample("<b>")],
            warnings: Vec::new(),
            edit: Some("/studio/1".to_owned()),
        };
        let html = page.render().unwrap();
        html.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// Only the scripts and styles of the page change from build to build. What scripts say is not the page's.
    fn snapshot(name: &str, stage: Stage) {
        let filters = vec![
            ("/assets/[0-9a-f]{16}/", "/assets/REVISION/"),
            (r"data-texts>\{[^<]*<", "data-texts>TEXTS<"),
        ];
        insta::with_settings!({filters => filters}, {
            insta::assert_snapshot!(name, check(stage));
        });
    }

    #[test]
    fn a_video_that_plays() {
        snapshot(
            "ready",
            Stage::Ready(Media {
                video: "1".to_owned(),
                dash: "/vod-media/1/1/mp4/manifest.mpd".to_owned(),
                hls: "/vod-media/1/1/master.m3u8".to_owned(),
                poster: "/vod-media/1/1/poster.jpg".to_owned(),
                storyboard: "/vod-media/1/1/storyboard.vtt".to_owned(),
                views: "/api/v5/videos/1/views".to_owned(),
                audience: "/api/v5/videos/1/audience".to_owned(),
                licences: None,
            }),
        );
    }

    #[test]
    fn a_protected_video() {
        snapshot(
            "protected",
            Stage::Ready(Media {
                video: "1".to_owned(),
                dash: "/vod-media/1/1/mp4/manifest.mpd?token=a.b.c".to_owned(),
                hls: "/vod-media/1/1/master.m3u8?token=a.b.c".to_owned(),
                poster: "/vod-media/1/1/poster.jpg".to_owned(),
                storyboard: "/vod-media/1/1/storyboard.vtt".to_owned(),
                views: "/api/v5/videos/1/views".to_owned(),
                audience: "/api/v5/videos/1/audience".to_owned(),
                licences: Some(r#"{"token":"a.b.c"}"#.to_owned()),
            }),
        );
    }

    #[test]
    fn a_video_on_its_way() {
        let note = Some("About 8 s left.".to_owned());
        snapshot("waiting", Stage::Waiting { percent: 42, note, process: "/api/v5/processes/1".to_owned() });
    }

    #[test]
    fn a_video_that_failed() {
        snapshot("failed", Stage::Failed { sentence: "The file has no <video> track.".to_owned() });
    }
}
