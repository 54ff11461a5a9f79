//! Sample entries: found boxes, and whether two entries describe the same stream.

use isobmff::{Boxes, RawBox, boxes};

use crate::avc::AvcConfig;

/// A sample entry and where it came from, for the error that names it.
#[derive(Debug, Clone, Copy)]
pub struct EntryOf<'a> {
    /// E.g. `720p, chunk 3`.
    pub origin: &'a str,
    /// The whole box.
    pub entry: &'a [u8],
}

/// What is wrong with a sample entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleEntryError {
    /// A box that is longer than what holds it.
    #[error("the sample entry is damaged")]
    Damaged,
    /// Not a codec this function is about.
    #[error("the sample entry is `{found}`, not `{expected}`")]
    Format {
        /// Four characters, escaped.
        found: String,
        /// Four characters.
        expected: &'static str,
    },
    /// No decoder configuration.
    #[error("the sample entry has no `{0}`")]
    Missing(&'static str),
    /// AAC that is not low complexity, has 960-sample frames or declares its loudspeakers in the stream.
    #[error("only AAC-LC with 1024-sample frames and 1 to 8 channels can be packaged")]
    UnsupportedAac,
    /// One init segment cannot serve both.
    #[error("`{first}` and `{other}` differ in their {part}")]
    Differ {
        /// Origin of the entry in use.
        first: String,
        /// Origin of the entry that differs.
        other: String,
        /// The first difference.
        part: EntryPart,
    },
}

/// A part of a sample entry that a decoder depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryPart {
    /// Sequence parameter sets.
    Sps,
    /// Picture parameter sets.
    Pps,
    /// Anything else.
    Fields,
}

impl std::fmt::Display for EntryPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sps => "sequence parameter sets",
            Self::Pps => "picture parameter sets",
            Self::Fields => "sample entry",
        })
    }
}

/// Checks that samples of both origins can be decoded with one init segment: `avc1` entries (14496-15 §5.4.2) that are
/// equal in everything but `btrt`, which only advises on buffers.
pub fn check_same_entry(first: EntryOf<'_>, other: EntryOf<'_>) -> Result<(), SampleEntryError> {
    if first.entry == other.entry {
        return Ok(());
    }
    let (a, b) = (AvcConfig::from_sample_entry(first.entry)?, AvcConfig::from_sample_entry(other.entry)?);
    let part = if a.sps != b.sps {
        EntryPart::Sps
    } else if a.pps != b.pps {
        EntryPart::Pps
    } else if substance(first.entry)? != substance(other.entry)? {
        EntryPart::Fields
    } else {
        return Ok(());
    };
    Err(SampleEntryError::Differ { first: first.origin.to_owned(), other: other.origin.to_owned(), part })
}

/// Length of a `VisualSampleEntry` before its child boxes, header included (14496-12 §12.1.3).
const VISUAL_FIELDS: usize = 86;

/// The fields before the child boxes, and these without `btrt`.
fn substance(entry: &[u8]) -> Result<(&[u8], Vec<RawBox<'_>>), SampleEntryError> {
    // The entry's own size, in front, counts `btrt` too.
    let fields = entry.get(4..VISUAL_FIELDS).ok_or(SampleEntryError::Damaged)?;
    Ok((fields, children(entry)?.filter(|child| child.kind.0 != *b"btrt").collect()))
}

/// The child boxes of a visual sample entry.
pub(crate) fn children(entry: &[u8]) -> Result<Boxes<'_>, SampleEntryError> {
    entry.get(VISUAL_FIELDS..).map(boxes).ok_or(SampleEntryError::Damaged)
}

/// Checks the format of a sample entry and that it is as long as it says.
pub(crate) fn check_format(entry: &[u8], expected: &'static str) -> Result<(), SampleEntryError> {
    let whole = boxes(entry).next().filter(|whole| whole.raw.len() == entry.len());
    let found = whole.ok_or(SampleEntryError::Damaged)?.kind.0;
    if found != expected.as_bytes() {
        return Err(SampleEntryError::Format { found: found.escape_ascii().to_string(), expected });
    }
    Ok(())
}
