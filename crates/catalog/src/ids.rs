//! Identifiers, each of its own type.

use std::{fmt, str::FromStr};

use db::{ColumnError, FromColumn, Json, ToColumn};
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// An id made at `unix_millis` from these random bytes: a UUID of version 7, so that newer ids sort
            /// after older ones.
            pub fn new(unix_millis: u64, random: &[u8; 10]) -> Self {
                Self(Builder::from_unix_timestamp_millis(unix_millis, random).into_uuid())
            }

            /// The bare UUID.
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }

        impl ToColumn for $name {
            type Stored = Uuid;

            fn to_stored(&self) -> Result<Uuid, ColumnError> {
                Ok(self.0)
            }
        }

        impl FromColumn for $name {
            type Stored = Uuid;

            fn from_stored(stored: Uuid) -> Result<Self, ColumnError> {
                Ok(Self(stored))
            }
        }
    )*};
}

id! {
    /// A person with an account.
    UserId,
    /// One sign-in of a person.
    SessionId,
    /// What a program signs in with.
    ApiTokenId,
    /// An invitation to make an account.
    InviteId,
    /// A video, from the moment its upload is complete.
    VideoId,
    /// The processing of an upload, as its uploader follows it.
    ProcessId,
    /// Something that happened, the same in every delivery of it.
    EventId,
    /// A place that events are posted to.
    WebhookId,
    /// One player, as long as it plays one video.
    StreamId,
    /// A licence that somebody asked for.
    LicenceId,
    /// A file that is sent in pieces, until it is a video.
    UploadId,
    /// Something that somebody says about a video.
    CommentId,
    /// Something that was decided about a comment.
    ModerationId,
}

impl EventId {
    /// The id of the event with this number, which is about `subject`: a UUID of version 5 (RFC 9562, 5.5).
    pub(crate) fn derived(subject: Uuid, seq: u64) -> Self {
        Self(Uuid::new_v5(&subject, &seq.to_be_bytes()))
    }
}

/// Videos as a statement's `[in_uuids …]` is bound.
pub(crate) fn list(videos: &[VideoId]) -> Json<Vec<String>> {
    simple(videos.iter().map(|video| video.uuid()))
}

/// The same of other ids.
pub(crate) fn simple(ids: impl Iterator<Item = Uuid>) -> Json<Vec<String>> {
    Json(ids.map(|id| id.simple().to_string()).collect())
}

/// Which output of a video: every plan gets a new one, counted from 1, and nothing of an older one is overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u32);

impl Revision {
    /// The first revision of a video.
    pub const FIRST: Self = Self(1);

    /// The revision with this number, which is not 0.
    pub fn new(number: u32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// Its number, from 1.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The revision after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl ToColumn for Revision {
    type Stored = i64;

    fn to_stored(&self) -> Result<i64, ColumnError> {
        self.0.to_stored()
    }
}

impl FromColumn for Revision {
    type Stored = i64;

    fn from_stored(stored: i64) -> Result<Self, ColumnError> {
        u32::from_stored(stored).map(Self)
    }
}

/// The name of a rendition and of its folder: `360p`, `1080p`, `audio`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RenditionId(String);

/// A rendition has another name than `a-z`, `0-9` and `-` allow, or one longer than 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a rendition")]
pub struct InvalidRenditionId(String);

impl RenditionId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RenditionId {
    type Err = InvalidRenditionId;

    fn from_str(text: &str) -> Result<Self, InvalidRenditionId> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for RenditionId {
    type Error = InvalidRenditionId;

    fn try_from(text: String) -> Result<Self, InvalidRenditionId> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) {
            return Err(InvalidRenditionId(text));
        }
        Ok(Self(text))
    }
}

impl From<RenditionId> for String {
    fn from(id: RenditionId) -> Self {
        id.0
    }
}

impl fmt::Display for RenditionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl ToColumn for RenditionId {
    type Stored = String;

    fn to_stored(&self) -> Result<String, ColumnError> {
        Ok(self.0.clone())
    }
}

impl FromColumn for RenditionId {
    type Stored = String;

    fn from_stored(stored: String) -> Result<Self, ColumnError> {
        stored.try_into().map_err(|error: InvalidRenditionId| ColumnError(error.to_string()))
    }
}
