//! What goes into ffmpeg's stdin: fragmented MP4 made of an init segment, our fragment headers and byte ranges of the
//! source.

use isobmff::{ByteRange, Movie, Track};

/// A fragmented MP4 to stream: the init segment, then for each fragment its header and the source's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feed {
    /// `ftyp` and `moov`.
    pub init: Vec<u8>,
    /// In decode order.
    pub fragments: Vec<FeedFragment>,
}

/// One fragment of a [`Feed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFragment {
    /// `moof` and the header of `mdat`.
    pub header: Vec<u8>,
    /// Ranges of the source whose bytes follow the header, in this order; neighbours are joined.
    pub ranges: Vec<ByteRange>,
}

/// Where decoding starts: sources lie about what can be decoded alone, and only the result tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedStart {
    /// At the sync sample that the first wanted frame needs.
    Sync,
    /// So many sync samples earlier.
    Back(u8),
    /// At the first sample that uses the same sample entry.
    EntryStart,
}

impl FeedStart {
    /// What to try, in this order, as long as frames are missing.
    pub const ATTEMPTS: [Self; 4] = [Self::Sync, Self::Back(1), Self::Back(2), Self::EntryStart];
}

/// The init segment and the first samples of a track, for ffprobe.
pub fn head(movie: &Movie, track: &Track) -> Feed {
    let _ = (movie, track);
    todo!()
}
