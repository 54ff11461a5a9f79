//! What search engines are told of a public video inside its page.

use std::time::Duration;

use catalog::videos::Video;
use serde::Serialize;

use super::script::unbreakable;
use crate::{calendar::rfc3339, playback::BaseUrl};

/// A `VideoObject` (<https://schema.org/VideoObject>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VideoObject<'a> {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@type")]
    kind: &'static str,
    name: &'a str,
    description: &'a str,
    thumbnail_url: &'a str,
    upload_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    url: String,
    embed_url: String,
    interaction_statistic: Interactions,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Interactions {
    #[serde(rename = "@type")]
    kind: &'static str,
    interaction_type: Action,
    user_interaction_count: u64,
}

#[derive(Serialize)]
struct Action {
    #[serde(rename = "@type")]
    kind: &'static str,
}

/// JSON-LD of a video for a `<script>` element, which nothing in it can end.
pub(super) fn json_ld(base: &BaseUrl, video: &Video, poster: &str, views: u64) -> String {
    let title = video.title.as_str();
    let description = video.description.as_str();
    let object = VideoObject {
        context: "https://schema.org",
        kind: "VideoObject",
        name: title,
        description: if description.is_empty() { title } else { description },
        thumbnail_url: poster,
        upload_date: rfc3339(video.ready_at.unwrap_or(video.created_at)),
        duration: video.measured_duration.map(iso_8601),
        url: base.watch(video.id),
        embed_url: base.embed(video.id),
        interaction_statistic: Interactions {
            kind: "InteractionCounter",
            interaction_type: Action { kind: "WatchAction" },
            user_interaction_count: views,
        },
    };
    unbreakable(&serde_json::to_string(&object).unwrap_or_default())
}

/// `PT1M30S`, in whole seconds.
fn iso_8601(duration: Duration) -> String {
    let seconds = duration.as_millis().saturating_add(500) / 1000;
    format!("PT{}M{}S", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601() {
        assert_eq!(iso_8601(Duration::from_millis(90_400)), "PT1M30S");
        assert_eq!(iso_8601(Duration::from_secs(3600)), "PT60M0S");
    }
}
