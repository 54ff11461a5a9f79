//! The original's shapes, spelling included.

use std::time::Duration;

use catalog::{ids::VideoId, videos::Video};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    AppState,
    licences::{Pass, Protected},
    playback::{BaseUrl, MediaUrls},
};

/// What v3 tells about a video.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Metadata {
    pub(super) custom_video_title: String,
    pub(super) title: String,
    pub(super) description: String,
    /// `HH:MM:SS`, with six decimals when there is a fraction.
    pub(super) duration: Option<String>,
    pub(super) mp4_s3_mpd_url: Option<String>,
    pub(super) mov_s3_mpd_url: Option<String>,
    pub(super) mp4_gcore_cdn_mpd_url: Option<String>,
    pub(super) mov_gcore_cdn_mpd_url: Option<String>,
}

/// `data` of a v3 answer about one thing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Success<T> {
    pub(super) status: &'static str,
    pub(super) data: T,
}

/// `data` of the v3 list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VideoList {
    pub(super) count: u64,
    pub(super) next: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) status: &'static str,
    pub(super) data: Vec<ListedVideo>,
}

/// An item of the v3 list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedVideo {
    #[schema(value_type = String, format = "uuid")]
    id: VideoId,
    #[serde(flatten)]
    metadata: Metadata,
}

/// What v4 tells about a video.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProtectedMetadata {
    #[serde(flatten)]
    metadata: Metadata,
    #[serde(flatten)]
    protection: Protected,
}

impl ProtectedMetadata {
    pub(super) fn new(state: &AppState, base: &BaseUrl, video: &Video, pass: Option<&Pass>) -> Self {
        let protection = Protected::new(state, base, video, pass);
        Self { metadata: Metadata::new(state, base, video, pass), protection }
    }
}

impl ListedVideo {
    pub(super) fn new(state: &AppState, base: &BaseUrl, video: &Video, pass: Option<&Pass>) -> Self {
        Self { id: video.id, metadata: Metadata::new(state, base, video, pass) }
    }
}

impl Metadata {
    /// For whoever may see the video. Where there is no CDN, its URLs are the origin's.
    pub(super) fn new(state: &AppState, base: &BaseUrl, video: &Video, pass: Option<&Pass>) -> Self {
        let urls = |media: Option<MediaUrls>| {
            media.map(|media| media.for_holder_of(pass).playback()).unwrap_or_default()
        };
        let origin = urls(MediaUrls::origin(state, base, video));
        let through_cdn = urls(MediaUrls::preferred(state, base, video));
        Self {
            custom_video_title: format!("{}__{}", video.id, video.source.name),
            title: video.title.to_string(),
            description: video.description.to_string(),
            duration: video.duration().map(clock),
            mp4_s3_mpd_url: origin.dash,
            mov_s3_mpd_url: origin.dash_mov,
            mp4_gcore_cdn_mpd_url: through_cdn.dash,
            mov_gcore_cdn_mpd_url: through_cdn.dash_mov,
        }
    }
}

/// As the original's framework writes durations: `00:01:30`, `00:00:12.500000`, `1 02:00:00`.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days > 0 { format!("{days} ") } else { String::new() };
    let micros = match duration.subsec_micros() {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    format!("{days}{hours:02}:{minutes:02}:{:02}{micros}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_the_original_wrote_them() {
        assert_eq!(clock(Duration::from_secs(90)), "00:01:30");
        assert_eq!(clock(Duration::from_millis(12_500)), "00:00:12.500000");
        assert_eq!(clock(Duration::from_secs(26 * 3600)), "1 02:00:00");
    }
}
