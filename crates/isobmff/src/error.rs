//! Why bytes are refused.

use crate::fourcc::FourCc;

/// Why a file has no index. Each variant names a situation an uploader can be told about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no bytes at all.
    #[error("the file is empty")]
    Empty,
    /// The first bytes are not those of any box a file begins with.
    #[error("not an ISO base media or QuickTime file")]
    NotIsobmff,
    /// The file began well but has no `moov`: a recording that was not finished, or an upload that was cut.
    #[error("no `moov` in the file of `{file_len}` bytes")]
    NoMovie {
        /// Length of the file.
        file_len: u64,
    },
    /// The file ends inside `moov`.
    #[error("`moov` needs a file of `{needed}` bytes, there are `{file_len}`")]
    TruncatedMovie {
        /// Where `moov` ends.
        needed: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// QuickTime's compressed movie header.
    #[error("`moov` is compressed")]
    CompressedMovie,
    /// `moov` has no `trak`.
    #[error("`moov` has no tracks")]
    NoTracks,
    /// A box that would have to be held in memory is longer than allowed.
    #[error("`{kind}` of `{len}` bytes is longer than the limit of `{limit}`")]
    HeaderTooLong {
        /// Which box.
        kind: FourCc,
        /// Its length.
        len: u64,
        /// The most allowed.
        limit: u64,
    },
    /// The tables declare more samples than allowed.
    #[error("more than `{limit}` samples")]
    TooManySamples {
        /// The most allowed.
        limit: u64,
    },
    /// There are more tracks than allowed.
    #[error("more than `{limit}` tracks")]
    TooManyTracks {
        /// The most allowed.
        limit: usize,
    },
    /// There are more boxes at the top level than allowed.
    #[error("more than `{limit}` boxes")]
    TooManyBoxes {
        /// The most allowed.
        limit: u64,
    },
    /// A box says it is longer than the box it is in, or shorter than its own header.
    #[error("the length of `{kind}` does not fit into the `{room}` bytes there are")]
    BoxTooLong {
        /// Which box.
        kind: FourCc,
        /// The bytes left in its parent.
        room: u64,
    },
    /// A box ends before its fields do.
    #[error("`{kind}` ends before its fields do")]
    BoxTooShort {
        /// Which box.
        kind: FourCc,
    },
    /// A table declares more entries than its box holds.
    #[error("`{kind}` declares `{count}` entries in `{room}` bytes")]
    TableTooLong {
        /// Which box.
        kind: FourCc,
        /// The declared number of entries.
        count: u32,
        /// The bytes there are for them.
        room: usize,
    },
    /// A box that must be there is not.
    #[error("no `{kind}` in `{parent}`")]
    MissingBox {
        /// Which box.
        kind: FourCc,
        /// Where it must be.
        parent: FourCc,
    },
    /// `stz2` with a width that does not exist.
    #[error("`stz2` with sizes of `{bits}` bits")]
    SizeFieldWidth {
        /// The declared width.
        bits: u8,
    },
    /// A timescale of 0, with which no time means anything.
    #[error("the timescale of `{kind}` is 0")]
    ZeroTimescale {
        /// `mvhd` or `mdhd`.
        kind: FourCc,
    },
    /// Samples lie beyond the end of any possible file.
    #[error("sample positions exceed 64 bits")]
    OffsetOverflow,
    /// A fragment belongs to a track that `moov` does not have.
    #[error("a fragment names the unknown track `{track_id}`")]
    UnknownTrack {
        /// `tfhd` track_ID.
        track_id: u32,
    },
    /// A fragment of a stream names bytes outside of the `mdat` that follows it.
    #[error("a fragment of track `{track_id}` names bytes outside of its `mdat`")]
    MediaOutsideFragment {
        /// `tfhd` track_ID.
        track_id: u32,
    },
    /// A fragment of a stream is not followed by its media.
    #[error("a fragment is followed by `{kind}` instead of its `mdat`")]
    FragmentWithoutMedia {
        /// The box that came instead.
        kind: FourCc,
    },
    /// A segment holds something else than one fragment of one track, whose samples lie back to back.
    #[error("not one fragment of one track")]
    NotOneFragment,
    /// A box of a stream has no length, so that nobody can tell when it is complete.
    #[error("`{kind}` in a stream has no length")]
    UnboundedBox {
        /// Which box.
        kind: FourCc,
    },
    /// Common encryption in a form that is not read.
    #[error("encrypted with {what}")]
    UnsupportedEncryption {
        /// What is special about it.
        what: &'static str,
    },
    /// The bytes supplied are not those asked for.
    #[error("`{got}` bytes supplied, `{wanted}` were asked for")]
    WrongSupply {
        /// How many were asked for, 0 when none were.
        wanted: u64,
        /// How many came.
        got: u64,
    },
    /// [`Demuxer::finish`](crate::Demuxer::finish) came before [`Progress::Done`](crate::Progress::Done).
    #[error("the index is not complete")]
    Unfinished,
}

impl Error {
    /// Whether one of the [`Limits`](crate::Limits) is exceeded, so that the file may be sound but is too much.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::HeaderTooLong { .. }
                | Self::TooManySamples { .. }
                | Self::TooManyTracks { .. }
                | Self::TooManyBoxes { .. }
        )
    }
}
