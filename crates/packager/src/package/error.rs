//! Why inputs cannot be packaged, in sentences for the one who chose them.

use crate::presentation::PresentationError;
use crate::protection::EncryptionError;
use crate::sample_entry::SampleEntryError;
use crate::segment::SegmentError;

/// Why inputs are not one presentation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Sound alone is no presentation.
    #[error("no input has a video track")]
    NoVideo,
    /// The file was cut.
    #[error("`{input}` lacks its last `{missing}` bytes")]
    Truncated {
        /// Name of the input.
        input: String,
        /// Bytes.
        missing: u64,
    },
    /// Not H.264 or AAC, or damaged.
    #[error("a track of `{input}` cannot be packaged")]
    SampleEntry {
        /// Name of the input.
        input: String,
        /// What is wrong with it.
        source: SampleEntryError,
    },
    /// One init segment cannot serve them.
    #[error("the {track} track of `{input}` changes its format at sample `{sample}`")]
    SeveralEntries {
        /// Name of the input.
        input: String,
        /// `video` or `audio`.
        track: &'static str,
        /// In decode order, from 0.
        sample: u32,
    },
    /// Renditions are stored upright, in square pixels.
    #[error("the picture of `{input}` is turned or has pixels that are not square: encode it again")]
    NotUpright {
        /// Name of the input.
        input: String,
    },
    /// Several pieces, speeds or pauses.
    #[error("`{input}` has an edit list with several pieces: encode it again")]
    Edits {
        /// Name of the input.
        input: String,
    },
    /// What is shown cannot be had without what is not shown.
    #[error("the edit list of `{input}` starts or ends inside a group of pictures: encode it again")]
    EditInsideGroup {
        /// Name of the input.
        input: String,
    },
    /// A track without samples, or with none that is shown.
    #[error("the {track} track of `{input}` shows nothing")]
    Nothing {
        /// Name of the input.
        input: String,
        /// `video` or `audio`.
        track: &'static str,
    },
    /// Times would not be exact.
    #[error(
        "`{first}` counts `{timescale}` ticks a second and `{other}` `{other_timescale}`: encode them with one timescale"
    )]
    TimescalesDiffer {
        /// Name of an input.
        first: String,
        /// Its ticks.
        timescale: u32,
        /// Name of another.
        other: String,
        /// Its ticks.
        other_timescale: u32,
    },
    /// A player could not switch between the inputs.
    #[error(
        "{} have no common key frame between second {from_seconds} and {to_seconds}, the limit is `{longest_millis}` ms: \
         encode them with the same key frames",
        quoted(inputs)
    )]
    NotAligned {
        /// Names of the inputs.
        inputs: Vec<String>,
        /// The last boundary.
        from_seconds: u64,
        /// Where the next one could be.
        to_seconds: u64,
        /// [`PackageRules::longest_millis`](super::PackageRules::longest_millis).
        longest_millis: u32,
    },
    /// The renditions are not of the same length.
    #[error("`{input}` ends `{millis}` ms before the other inputs")]
    EndsEarly {
        /// Name of the input.
        input: String,
        /// How much is missing.
        millis: u64,
    },
    /// A rendition that cannot be encrypted.
    #[error("`{rendition}` cannot be encrypted")]
    Encryption {
        /// Its id.
        rendition: String,
        /// Why.
        source: EncryptionError,
    },
    /// AAC whose frames do not follow each other every 1024 samples.
    #[error("the sound of `{input}` has a gap or a clock of its own at frame `{frame}`: encode it again")]
    AudioGrid {
        /// Name of the input.
        input: String,
        /// From 0.
        frame: u32,
    },
    /// Whole frames cannot express where the sound starts.
    #[error("the sound of `{input}` would be `{micros}` µs out of step with the picture: encode it again")]
    AudioOffset {
        /// Name of the input.
        input: String,
        /// How far off the nearest whole frame would be.
        micros: u64,
    },
    /// Sound that is to be padded, with loudspeakers for which no silent frame is known.
    #[error(
        "the sound of `{input}` is shorter than the picture and has `{channels}` channels: encode it again"
    )]
    NoSilence {
        /// Name of the input.
        input: String,
        /// Loudspeakers.
        channels: u8,
    },
    /// A number beyond [`PackagedRendition::segment_count`](super::PackagedRendition::segment_count).
    #[error("`{rendition}` has no segment `{number}`")]
    NoSegment {
        /// Its id.
        rendition: String,
        /// From 1.
        number: u32,
    },
    /// Samples that make no segment.
    #[error("`{rendition}` cannot be cut into segments")]
    Segment {
        /// Its id.
        rendition: String,
        /// Which one, and why.
        source: SegmentError,
    },
    /// Too long or too large.
    #[error("the inputs make no presentation")]
    Presentation(#[from] PresentationError),
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
