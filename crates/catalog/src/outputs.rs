//! What is made of a video: its plan, its objects, and the moment it is published.

use std::{ops::Range, time::Duration};

use crate::{ids::RenditionId, work::Class};

mod reading;
mod recording;
mod repair;

pub use reading::{contents, object, objects, plan, recorded, renditions, sizes};
pub(crate) use recording::record_documents_in;
pub use recording::{publish, publish_without_source, record, record_documents, record_plan};
pub use repair::{MOST_REPAIRS, Redo, withdraw};

#[cfg(test)]
pub(crate) const STATEMENTS: [&[(&str, db::Statement)]; 3] =
    [reading::STATEMENTS, recording::STATEMENTS, repair::STATEMENTS];

/// A plan to be recorded. `P` is what the pipeline needs to know to make every object: timeline, ladder, settings,
/// sound. The catalogue keeps it as JSON and never looks inside.
#[derive(Debug, Clone)]
pub struct NewPlan<P> {
    /// What the pipeline will read back.
    pub document: P,
    /// How long the video is.
    pub measured_duration: Duration,
    /// What the uploader should know though the video will play.
    pub warnings: Vec<String>,
    /// The renditions, with one audio job for each that is sound.
    pub renditions: Vec<NewRendition>,
    /// The chunks of the picture, one encode job each.
    pub chunks: Vec<NewChunk>,
}

/// A rendition of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRendition {
    /// Its name.
    pub id: RenditionId,
    /// Picture or sound.
    pub kind: RenditionKind,
    /// Width and height of the picture in pixels.
    pub size: Option<(u32, u32)>,
    /// The highest bit rate it is encoded at, in bits per second.
    pub bitrate: u64,
    /// Ticks per second of its media.
    pub timescale: u32,
    /// How many media segments it has.
    pub segments: u32,
}

/// A chunk of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChunk {
    /// The segments of the timeline, counted from 0.
    pub segments: Range<u32>,
    /// The renditions to make of it.
    pub rungs: Vec<RenditionId>,
    /// How urgent it is.
    pub class: Class,
}

db::text_enum! {
    /// What a rendition is of.
    pub enum RenditionKind {
        /// The picture.
        Video = "video",
        /// The sound.
        Audio = "audio",
    }
}

/// What a job has made, all of it in the blob store already.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Media of renditions.
    pub renditions: Vec<RenditionOutput>,
    /// Poster and storyboard sheets.
    pub images: Vec<Image>,
    /// What the uploader should know.
    pub warnings: Vec<String>,
}

/// Media of one rendition.
#[derive(Debug, Clone)]
pub struct RenditionOutput {
    /// The rendition.
    pub id: RenditionId,
    /// Its codecs as RFC 6381 writes them, for example `avc1.640028`.
    pub codecs: String,
    /// Its sample entry box; the same for every chunk.
    pub sample_entry: Vec<u8>,
    /// The init segment, media segments, or both.
    pub objects: Vec<Object>,
}

/// One segment in the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Which segment.
    pub part: Part,
    /// Where it is in the blob store.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// How many bytes from its start end with its first sample; for I-frame playlists.
    pub iframe_bytes: Option<u64>,
    /// When it starts, in the rendition's timescale; 0 for an init segment.
    pub start: u64,
    /// How long it is, in the rendition's timescale; 0 for an init segment.
    pub duration: u64,
}

/// A place among the segments of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The init segment.
    Init,
    /// The media segment with this index, counted from 0.
    Media(u32),
}

/// A poster, or a sheet of the storyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Which of the two.
    pub kind: ImageKind,
    /// Which sheet of the storyboard, counted from 0; 0 for a poster.
    pub index: u32,
    /// Where it is in the blob store.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

db::text_enum! {
    /// What an image is for.
    pub enum ImageKind {
        /// Shown before playback.
        Poster = "poster",
        /// Shown while seeking.
        Storyboard = "storyboard",
    }
}

db::row! {
    /// An object in the blob store, whatever it is of.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub struct Recorded {
        /// Where it is in the blob store.
        pub key: String,
        /// Its length.
        pub bytes: u64,
        /// Its SHA-256.
        pub sha256: [u8; 32],
    }
}

/// Everything that is recorded about one revision.
#[derive(Debug, Clone)]
pub struct Contents<P> {
    /// What was planned.
    pub plan: P,
    /// The renditions, by name.
    pub renditions: Vec<Rendition>,
    /// The images, posters first.
    pub images: Vec<Image>,
}

/// A rendition, and what there is of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// Its name.
    pub id: RenditionId,
    /// Picture or sound.
    pub kind: RenditionKind,
    /// Width and height of the picture in pixels.
    pub size: Option<(u32, u32)>,
    /// The highest bit rate it was planned for, in bits per second.
    pub bitrate: u64,
    /// Ticks per second of its media.
    pub timescale: u32,
    /// How many media segments it will have.
    pub segments: u32,
    /// Its codecs as RFC 6381 writes them; unknown before the first chunk is recorded.
    pub codecs: Option<String>,
    /// Its sample entry box; unknown before the first chunk is recorded.
    pub sample_entry: Option<Vec<u8>>,
    /// What is recorded, in the order of [`Part`].
    pub objects: Vec<Object>,
}

db::row! {
    /// How much there is of a rendition.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RenditionSize {
        /// Its name.
        pub rendition: RenditionId,
        /// Of its init segment and all media segments.
        pub bytes: u64,
    }
}

impl Part {
    /// Its index in the ledger and in file names: 0 for the init segment, n for the nth media segment.
    pub fn index(self) -> u32 {
        match self {
            Self::Init => 0,
            Self::Media(index) => index.saturating_add(1),
        }
    }

    fn from_index(index: u32) -> Self {
        index.checked_sub(1).map_or(Self::Init, Self::Media)
    }
}
