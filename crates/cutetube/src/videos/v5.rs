//! A video as `/api/v5` shows it.

use catalog::{
    VideoState,
    accounts::User,
    names::Tags,
    outputs::Rendition,
    search::{Piece, Terms, snippet},
    videos::Video,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::actions::VideoDetails;
use crate::{
    AppState,
    blobs::MediaObject,
    licences::{Pass, Protected},
    playback::{BaseUrl, MediaUrls, Offer, PlaybackUrls},
    processes::StageResource,
};

/// `GET /api/v5/videos/{id}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VideoResource {
    #[schema(format = "uuid")]
    id: String,
    title: String,
    description: String,
    #[schema(value_type = Vec<String>)]
    tags: Tags,
    /// Null when the account is gone.
    owner: Option<OwnerResource>,
    /// `uploaded`, `processing`, `ready` or `failed`.
    #[schema(value_type = String)]
    state: VideoState,
    /// Why it failed: a sentence.
    error: Option<String>,
    /// What the uploader should know though it plays.
    warnings: Vec<String>,
    /// Of the whole, 0 to 100; 100 only when it plays.
    percent: u8,
    stages: Vec<StageResource>,
    visibility: &'static str,
    /// What viewers may take home: `default` (as this server has it for every video), `none`, `renditions` or
    /// `original_too`.
    downloads: &'static str,
    /// The files that the caller may have; an owner has all of them. None of a protected video.
    downloadable: Vec<DownloadResource>,
    /// In seconds; measured, or as the uploader claims before that.
    duration: Option<f64>,
    renditions: Vec<RenditionResource>,
    playback: PlaybackUrls,
    #[serde(flatten)]
    protection: Protected,
    poster: Option<String>,
    storyboard: Option<String>,
    /// The page that plays it.
    watch: String,
    /// How its processing goes.
    process: String,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    /// Milliseconds since 1970.
    ready_at_ms: Option<i64>,
}

/// A video in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VideoSummary {
    #[schema(format = "uuid")]
    id: String,
    title: String,
    description: String,
    #[schema(value_type = Vec<String>)]
    tags: Tags,
    /// Null when the account is gone.
    owner: Option<OwnerResource>,
    /// `uploaded`, `processing`, `ready` or `failed`.
    #[schema(value_type = String)]
    state: VideoState,
    /// Why it failed: a sentence.
    error: Option<String>,
    visibility: &'static str,
    /// In seconds; measured, or as the uploader claims before that.
    duration: Option<f64>,
    poster: Option<String>,
    /// The page that plays it.
    watch: String,
    /// All that the API says about it.
    status: String,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    /// Milliseconds since 1970.
    ready_at_ms: Option<i64>,
}

/// `GET /api/v5/videos`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VideoPage {
    pub(super) videos: Vec<VideoSummary>,
    /// What to give as `after` for the next page; null when there is none.
    pub(super) next: Option<String>,
}

/// `GET /api/v5/search`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SearchPage {
    /// The best first.
    pub(super) results: Vec<SearchResult>,
    /// What to give as `after` for the next page; null when there is none.
    pub(super) next: Option<u32>,
}

/// A video that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SearchResult {
    video: VideoSummary,
    /// The title in pieces.
    title: Vec<PieceResource>,
    /// The part of the description around the first word that was found, in pieces.
    description: Vec<PieceResource>,
}

/// A part of a text. It is plain text, whatever it looks like: whoever puts it into a page escapes it.
#[derive(Debug, Serialize, ToSchema)]
struct PieceResource {
    text: String,
    /// Whether it is a word that was looked for.
    hit: bool,
}

/// Whose a video is.
#[derive(Debug, Serialize, ToSchema)]
struct OwnerResource {
    #[schema(example = "ada")]
    username: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct RenditionResource {
    id: String,
    /// `video` or `audio`.
    kind: &'static str,
    width: Option<u32>,
    height: Option<u32>,
    /// Bit/s at most.
    bitrate: u64,
    /// RFC 6381.
    codecs: Option<String>,
}

/// A file to keep.
#[derive(Debug, Serialize, ToSchema)]
struct DownloadResource {
    /// A rendition, or `original` for the file as it was uploaded.
    #[schema(example = "720p")]
    rendition: String,
    /// `mp4` or `mov`.
    #[schema(example = "mp4")]
    container: &'static str,
    /// How long it is; of a rendition a little more than that. `Content-Length` is exact.
    bytes: u64,
    /// Where it is. It answers to a token or a cookie where it is for the owner alone.
    url: String,
}

impl VideoResource {
    /// For whoever may see the video.
    pub(super) fn new(
        state: &AppState,
        base: &BaseUrl,
        details: &VideoDetails,
        owner: Option<&User>,
        pass: Option<&Pass>,
    ) -> Self {
        let video = details.video();
        let media = MediaUrls::preferred(state, base, video).map(|media| media.for_holder_of(pass));
        let origin = MediaUrls::origin(state, base, video);
        let picture = |object| origin.as_ref().map(|urls| urls.object(object));
        let duration = video.duration();
        Self {
            id: video.id.to_string(),
            title: video.title.to_string(),
            description: video.description.to_string(),
            tags: video.tags.clone(),
            owner: owner.map(OwnerResource::new),
            state: video.state,
            error: video.error.clone(),
            warnings: video.warnings.clone(),
            percent: details.process.percent(),
            stages: details.process.stages.iter().map(StageResource::new).collect(),
            visibility: video.visibility.as_str(),
            downloads: video.downloads.as_str(),
            downloadable: origin
                .iter()
                .flat_map(|urls| details.downloads.iter().map(|offer| DownloadResource::new(urls, offer)))
                .collect(),
            duration: duration.map(|duration| duration.as_secs_f64()),
            renditions: details.renditions.iter().map(RenditionResource::new).collect(),
            playback: media.map(|media| media.playback()).unwrap_or_default(),
            protection: Protected::new(state, base, video, pass),
            poster: origin.as_ref().map(|urls| urls.poster(video)).filter(|_| details.has_poster),
            storyboard: picture(MediaObject::Storyboard).filter(|_| details.has_storyboard),
            watch: base.watch(video.id),
            process: base.process(video.process),
            created_at_ms: video.created_at.unix_millis(),
            ready_at_ms: video.ready_at.map(db::Timestamp::unix_millis),
        }
    }
}

impl VideoDetails {
    /// What an answer shows beside what people edit, as bytes that differ when it does. Addresses are left out: they
    /// differ with who asks.
    pub(super) fn state_of_work(&self) -> Vec<u8> {
        let video = self.video();
        let stages: Vec<_> = self.process.stages.iter().map(StageResource::new).collect();
        let renditions: Vec<_> = self.renditions.iter().map(RenditionResource::new).collect();
        let moment = video.updated_at.unix_micros();
        let pictures = (self.has_poster, video.poster, self.has_storyboard);
        let downloads: Vec<_> =
            self.downloads.iter().map(|offer| (offer.name.to_string(), offer.bytes, offer.to)).collect();
        let shown = (moment, self.process.percent(), stages, renditions, pictures, downloads);
        serde_json::to_vec(&shown).unwrap_or_default()
    }
}

impl VideoSummary {
    pub(super) fn new(state: &AppState, base: &BaseUrl, video: &Video, owner: Option<&User>) -> Self {
        let duration = video.duration();
        Self {
            id: video.id.to_string(),
            title: video.title.to_string(),
            description: video.description.to_string(),
            tags: video.tags.clone(),
            owner: owner.map(OwnerResource::new),
            state: video.state,
            error: video.error.clone(),
            visibility: video.visibility.as_str(),
            duration: duration.map(|duration| duration.as_secs_f64()),
            poster: MediaUrls::origin(state, base, video).map(|urls| urls.poster(video)),
            watch: base.watch(video.id),
            status: base.status(video.id),
            created_at_ms: video.created_at.unix_millis(),
            ready_at_ms: video.ready_at.map(db::Timestamp::unix_millis),
        }
    }
}

impl SearchResult {
    pub(super) fn new(
        state: &AppState,
        base: &BaseUrl,
        video: &Video,
        owner: Option<&User>,
        terms: &Terms,
    ) -> Self {
        let pieces = |text: &str| snippet(text, terms).into_iter().map(PieceResource::new).collect();
        Self {
            title: pieces(video.title.as_str()),
            description: pieces(video.description.as_str()),
            video: VideoSummary::new(state, base, video, owner),
        }
    }
}

impl PieceResource {
    fn new(piece: Piece) -> Self {
        Self { text: piece.text, hit: piece.is_hit }
    }
}

impl OwnerResource {
    fn new(owner: &User) -> Self {
        Self { username: owner.username.to_string() }
    }
}

impl DownloadResource {
    fn new(urls: &MediaUrls, offer: &Offer) -> Self {
        Self {
            rendition: offer.name.subject().to_owned(),
            container: offer.name.container(),
            bytes: offer.bytes,
            url: urls.download(offer),
        }
    }
}

impl RenditionResource {
    fn new(rendition: &Rendition) -> Self {
        Self {
            id: rendition.id.to_string(),
            kind: rendition.kind.as_str(),
            width: rendition.size.map(|(width, _)| width),
            height: rendition.size.map(|(_, height)| height),
            bitrate: rendition.bitrate,
            codecs: rendition.codecs.clone(),
        }
    }
}
