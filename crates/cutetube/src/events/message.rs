//! An event as receivers see it. The shape is a contract: fields are added, never changed.

use catalog::{
    VideoState,
    events::{Event, EventKind, Snapshot},
    ids::EventId,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    calendar::rfc3339,
    config::Config,
    playback::{BaseUrl, PlaybackUrls},
};

/// An event, ready to be sent: the body of a webhook's request, of a broker's message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Message {
    /// The same in every delivery of it; also in `webhook-id`.
    #[schema(value_type = String, format = "uuid")]
    pub(super) id: EventId,
    /// `video.uploaded`, `video.processing`, `video.ready`, `video.failed`, `video.deleted` or `webhook.test`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub(super) kind: EventKind,
    /// When it happened: RFC 3339, in UTC.
    pub(super) timestamp: String,
    /// The video as it was then; empty for `webhook.test`.
    #[schema(value_type = VideoMessage)]
    pub(super) data: Data,
}

/// What an event is about.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Data {
    Video(Box<VideoMessage>),
    Nothing {},
}

/// A video as it was when something happened to it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct VideoMessage {
    #[schema(format = "uuid")]
    id: String,
    /// Who uploaded it.
    #[schema(format = "uuid")]
    owner: String,
    pub(super) title: String,
    /// `uploaded`, `processing`, `ready`, `failed` or `deleted`.
    state: &'static str,
    /// Why it failed: a sentence.
    pub(super) error: Option<String>,
    /// The page that plays it. Like the other URLs it is absent where `server.public_url` is not set.
    pub(super) watch: Option<String>,
    /// What the API says about it.
    resource: Option<String>,
    /// Where it plays from; only when it is ready.
    playback: Option<PlaybackUrls>,
}

impl Message {
    /// URLs are those of today's configuration.
    pub(super) fn new(event: &Event, config: &Config) -> Self {
        let data = event.video.as_ref().map(|video| VideoMessage::new(event, video, config));
        Self {
            id: event.id,
            kind: event.kind,
            timestamp: rfc3339(event.created_at),
            data: data.map_or(Data::Nothing {}, |video| Data::Video(Box::new(video))),
        }
    }

    /// The id of the video that it is about.
    pub(super) fn video(&self) -> Option<&str> {
        match &self.data {
            Data::Video(video) => Some(&video.id),
            Data::Nothing {} => None,
        }
    }

    /// The bytes that are sent, and signed.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }
}

impl VideoMessage {
    fn new(event: &Event, video: &Snapshot, config: &Config) -> Self {
        let base = BaseUrl::configured(config).filter(|_| video.state != VideoState::Deleting);
        let ready = video.published_revision.filter(|_| video.state == VideoState::Ready);
        let playback = base
            .as_ref()
            .zip(ready)
            .map(|(base, revision)| PlaybackUrls::of_revision(video.id, revision, base.media_prefix(config)));
        Self {
            id: video.id.to_string(),
            owner: event.owner.to_string(),
            title: video.title.clone(),
            state: match video.state {
                VideoState::Deleting => "deleted",
                state => state.as_str(),
            },
            error: video.error.clone(),
            watch: base.as_ref().map(|base| base.watch(video.id)),
            resource: base.as_ref().map(|base| base.status(video.id)),
            playback,
        }
    }
}

#[cfg(test)]
mod tests {
    use catalog::ids::{EventId, Revision, UserId, VideoId};
    use db::Timestamp;

    use super::*;

    fn check(kind: EventKind, state: VideoState, config: &Config) -> String {
        let error = (state == VideoState::Failed).then(|| "The file is damaged.".to_owned());
        let video = Snapshot {
            id: VideoId::new(1, &[2; 10]),
            title: "A \"quoted\" title".to_owned(),
            state,
            error,
            published_revision: (state == VideoState::Ready).then_some(Revision::FIRST),
        };
        let event = Event {
            seq: 7,
            id: EventId::new(1, &[3; 10]),
            kind,
            owner: UserId::new(1, &[1; 10]),
            video: (kind != EventKind::Test).then_some(video),
            created_at: Timestamp::from_unix_micros(1_700_000_000_123_456),
        };
        serde_json::to_string_pretty(&Message::new(&event, config)).unwrap()
    }

    #[test]
    fn the_shape_is_kept() {
        let mut config = Config::default();
        let bare = check(EventKind::Failed, VideoState::Failed, &config);
        config.server.public_url = Some("https://videos.example.org/".to_owned());
        config.delivery.cdn_base_url = Some("https://cdn.example.org".to_owned());
        let all = [
            bare,
            check(EventKind::Ready, VideoState::Ready, &config),
            check(EventKind::Deleted, VideoState::Deleting, &config),
            check(EventKind::Test, VideoState::Ready, &config),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
