//! What a file says about itself: [`Movie`], its [`Track`]s and their [`SampleTable`]s, as plain data.

/// A four-character code, the name of a box, brand, handler or codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub [u8; 4]);

/// `ftyp` (14496-12 §4.3). A file without one is QuickTime: `qt  `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileType {
    pub major: FourCc,
    pub minor: u32,
    pub compatible: Vec<FourCc>,
}

/// A parsed file: everything but the media itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Movie {
    pub file_type: FileType,
    /// Ticks per second of [`Edit::duration`] (`mvhd`).
    pub timescale: u32,
    /// Whether samples came (also) from movie fragments (`moof`).
    pub fragmented: bool,
    /// Length of the file as the caller stated it.
    pub file_len: u64,
    pub tracks: Vec<Track>,
}

/// One `trak`.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    pub id: u32,
    /// `hdlr` handler type: `vide`, `soun`, …
    pub handler: FourCc,
    /// `tkhd` flag track_enabled.
    pub enabled: bool,
    /// Ticks per second of every time in [`SampleTable`] (`mdhd`), never 0.
    pub timescale: u32,
    /// Packed ISO 639-2/T code of `mdhd`, e.g. `und`.
    pub language: [u8; 3],
    pub matrix: Matrix,
    /// `tkhd` width and height, 16.16 fixed point: the presentation size before the matrix.
    pub width: u32,
    pub height: u32,
    /// Every entry of `stsd`, verbatim.
    pub entries: Vec<SampleEntry>,
    /// `elst`; empty when there is none, which means: everything, from 0.
    pub edits: Vec<Edit>,
    pub samples: SampleTable,
}

/// The transformation matrix of `tkhd`: {a, b, u, c, d, v, x, y, w}, 16.16 (u, v, w: 2.30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix(pub [i32; 9]);

/// One entry of `stsd`: the whole box, header included, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEntry {
    pub format: FourCc,
    pub raw: Vec<u8>,
}

/// One entry of `elst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// In [`Movie::timescale`]; 0 as the only media edit means "to the end".
    pub duration: u64,
    /// In [`Track::timescale`]; `None` is an empty edit (media_time −1).
    pub media_time: Option<i64>,
    /// 16.16; 0x1_0000 is normal speed, 0 a dwell.
    pub rate: i32,
}

/// Which samples can be decoded without any other (`stss`, `stps`, `trun` flags).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncTable {
    /// There is no `stss`: every sample is declared a sync sample. (It may be a lie: look at the samples.)
    All,
    /// Sorted indices into the table. QuickTime's partial sync samples (`stps`) are included.
    Listed(Vec<u32>),
}

/// The samples of a track in decode order, in columns.
///
/// For audio whose table has one entry per PCM frame, consecutive frames of one file chunk are grouped, up to 1024
/// frames a sample: a two-hour recording stays small.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleTable {
    pub(crate) decode_times: Vec<i64>,
    pub(crate) composition_offsets: Vec<i32>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) sizes: Vec<u32>,
    /// Empty when every sample uses entry 0.
    pub(crate) entries: Vec<u16>,
    pub(crate) sync: SyncTable,
    pub(crate) end: i64,
}

/// One row of a [`SampleTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// In [`Track::timescale`], from 0 (or from the first `tfdt`).
    pub decode_time: i64,
    /// To the next sample's decode time.
    pub duration: u32,
    /// Presentation time minus decode time; `ctts` version 0 is read as signed too, as every player does.
    pub composition_offset: i32,
    /// Position in the file.
    pub offset: u64,
    pub size: u32,
    pub sync: bool,
    /// Index into [`Track::entries`].
    pub entry: u16,
}
