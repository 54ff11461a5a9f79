//! Sample entries: found boxes, and whether two entries describe the same stream.

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
pub(crate) const VISUAL_FIELDS: usize = 86;
/// Length of an `AudioSampleEntry` before its child boxes, header included (14496-12 §12.2.3).
pub(crate) const AUDIO_FIELDS: usize = 36;

/// The fields before the child boxes, and these without `btrt`.
fn substance(entry: &[u8]) -> Result<(&[u8], Vec<&[u8]>), SampleEntryError> {
    // The entry's own size counts `btrt` too.
    let fields = entry.get(4..VISUAL_FIELDS).ok_or(SampleEntryError::Damaged)?;
    let mut kept = Vec::new();
    for child in children(entry, VISUAL_FIELDS)? {
        let child = child?;
        if child.name != *b"btrt" {
            kept.push(child.payload);
        }
    }
    Ok((fields, kept))
}

/// A box inside a sample entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child<'a> {
    pub(crate) name: [u8; 4],
    pub(crate) payload: &'a [u8],
}

/// The child boxes after the first `fields` bytes of a box. A tail shorter than a box header ends the list: QuickTime
/// closes some with four zero bytes.
pub(crate) fn children(
    parent: &[u8],
    fields: usize,
) -> Result<impl Iterator<Item = Result<Child<'_>, SampleEntryError>>, SampleEntryError> {
    let mut rest = parent.get(fields..).ok_or(SampleEntryError::Damaged)?;
    Ok(std::iter::from_fn(move || {
        let (size, after) = rest.split_first_chunk::<4>()?;
        let (name, _) = after.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
        let Some((whole, next)) = rest.split_at_checked(size) else {
            rest = &[];
            return Some(Err(SampleEntryError::Damaged));
        };
        let Some(payload) = whole.get(8..) else {
            rest = &[];
            return Some(Err(SampleEntryError::Damaged));
        };
        rest = next;
        Some(Ok(Child { name: *name, payload }))
    }))
}

/// The payload of the first child box of this name.
pub(crate) fn child<'a>(
    parent: &'a [u8],
    fields: usize,
    name: &'static [u8; 4],
) -> Result<Option<&'a [u8]>, SampleEntryError> {
    for child in children(parent, fields)? {
        let child = child?;
        if child.name == *name {
            return Ok(Some(child.payload));
        }
    }
    Ok(None)
}

/// Checks the format of a sample entry and that it is as long as it says.
pub(crate) fn check_format(entry: &[u8], expected: &'static str) -> Result<(), SampleEntryError> {
    let size = entry.first_chunk::<4>().map(|size| usize::try_from(u32::from_be_bytes(*size)));
    let found = entry.get(4..8).ok_or(SampleEntryError::Damaged)?;
    if size != Some(Ok(entry.len())) {
        return Err(SampleEntryError::Damaged);
    }
    if found != expected.as_bytes() {
        return Err(SampleEntryError::Format { found: found.escape_ascii().to_string(), expected });
    }
    Ok(())
}
