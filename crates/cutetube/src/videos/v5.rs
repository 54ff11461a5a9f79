//! A video as `/api/v5` shows it.

use catalog::{VideoState, outputs::Rendition};
use serde::Serialize;
use utoipa::ToSchema;

use super::actions::VideoDetails;
use crate::{
    AppState,
    blobs::MediaObject,
    playback::{BaseUrl, MediaUrls, PlaybackUrls},
    processes::StageResource,
};

/// `GET /api/v5/videos/{id}`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VideoResource {
    #[schema(format = "uuid")]
    id: String,
    title: String,
    description: String,
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
    /// In seconds; measured, or as the uploader claims before that.
    duration: Option<f64>,
    renditions: Vec<RenditionResource>,
    playback: PlaybackUrls,
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

impl VideoResource {
    /// For whoever may see the video.
    pub(super) fn new(state: &AppState, base: &BaseUrl, details: &VideoDetails) -> Self {
        let video = details.video();
        let media = MediaUrls::preferred(state, base, video);
        let origin = MediaUrls::origin(state, base, video);
        let picture = |object| origin.as_ref().map(|urls| urls.object(object));
        let duration = video.measured_duration.or(video.claimed_duration);
        Self {
            id: video.id.to_string(),
            title: video.title.to_string(),
            description: video.description.to_string(),
            state: video.state,
            error: video.error.clone(),
            warnings: video.warnings.clone(),
            percent: details.process.percent(),
            stages: details.process.stages.iter().map(StageResource::new).collect(),
            visibility: video.visibility.as_str(),
            duration: duration.map(|duration| duration.as_secs_f64()),
            renditions: details.renditions.iter().map(RenditionResource::new).collect(),
            playback: media.map(|media| media.playback()).unwrap_or_default(),
            poster: picture(MediaObject::Poster).filter(|_| details.has_poster),
            storyboard: picture(MediaObject::Storyboard).filter(|_| details.has_storyboard),
            watch: base.watch(video.id),
            process: base.process(video.process),
            created_at_ms: video.created_at.unix_millis(),
            ready_at_ms: video.ready_at.map(db::Timestamp::unix_millis),
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
