//! An upload as `/api/v5` shows it.

use catalog::{
    resumable::{Kind, State, Upload},
    videos::Video,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::playback::BaseUrl;

/// `GET /api/v5/uploads/{id}`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadResource {
    #[schema(format = "uuid")]
    id: String,
    /// `receiving`; `joining`: all bytes are here, and a video is being made of them; `done`: there is a video; `refused`:
    /// the bytes are no video. A part is `complete` with all its bytes, and `joined` once another upload is made of it.
    state: &'static str,
    /// How many bytes are here.
    offset: u64,
    /// How many there will be; null as long as the client has not said so.
    length: Option<u64>,
    /// Why there is no video, or not yet: a sentence.
    error: Option<String>,
    /// What became of it; null before, and when the video was deleted.
    video: Option<UploadedVideo>,
    /// When it is removed unless more comes. Milliseconds since 1970.
    expires_at_ms: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct UploadedVideo {
    #[schema(format = "uuid")]
    id: String,
    /// What the API says about it.
    status: String,
    /// The page that plays it.
    watch: String,
    /// How its processing goes.
    process: String,
}

impl UploadResource {
    pub(super) fn new(upload: &Upload, video: Option<&Video>, base: &BaseUrl) -> Self {
        let is_whole = upload.length == Some(upload.received);
        let state = match (upload.state, upload.kind) {
            (State::Receiving, Kind::Partial) if is_whole => "complete",
            (State::Receiving, _) if is_whole => "joining",
            (state, _) => state.as_str(),
        };
        Self {
            id: upload.id.to_string(),
            state,
            offset: upload.received,
            length: upload.length,
            error: upload.error.clone(),
            video: video.map(|video| UploadedVideo {
                id: video.id.to_string(),
                status: base.status(video.id),
                watch: base.watch(video.id),
                process: base.process(video.process),
            }),
            expires_at_ms: upload.expires_at.unix_millis(),
        }
    }
}
