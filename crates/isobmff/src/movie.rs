//! What a file says about itself: [`Movie`] and its [`Track`]s, as plain data.

use crate::entry::SampleEntry;
use crate::fourcc::FourCc;
use crate::table::SampleTable;

/// A parsed file: everything but the media itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Movie {
    /// What kind of file it says it is.
    pub file_type: FileType,
    /// Ticks per second of [`Edit::duration`] (`mvhd`), never 0.
    pub timescale: u32,
    /// Whether samples came (also) from movie fragments (`moof`).
    pub fragmented: bool,
    /// Length of the file as the caller stated it.
    pub file_len: u64,
    /// In the order of the file, at least one.
    pub tracks: Vec<Track>,
}

impl Movie {
    /// The track with this id.
    pub fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }

    /// How long the file has to be to hold every sample.
    pub fn media_end(&self) -> u64 {
        self.tracks.iter().map(|track| track.samples.media_end()).max().unwrap_or_default()
    }

    /// How many bytes the file is too short to hold every sample: more than 0 when an upload or a recording was cut.
    pub fn missing_bytes(&self) -> u64 {
        self.media_end().saturating_sub(self.file_len)
    }
}

/// `ftyp` (§4.3). A file without one is QuickTime: `qt  `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileType {
    /// The specification the file follows first of all.
    pub major: FourCc,
    /// Version of the major brand, informative.
    pub minor: u32,
    /// Specifications the file follows too.
    pub compatible: Vec<FourCc>,
}

impl FileType {
    /// Whether the file says it is QuickTime.
    pub fn is_quicktime(&self) -> bool {
        self.major == FourCc::QT || self.compatible.contains(&FourCc::QT)
    }
}

/// One `trak`.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// `tkhd` track_ID.
    pub id: u32,
    /// `hdlr` handler type: `vide`, `soun`, …
    pub handler: FourCc,
    /// `tkhd` flag track_enabled.
    pub enabled: bool,
    /// Ticks per second of every time in [`SampleTable`] (`mdhd`), never 0.
    pub timescale: u32,
    /// ISO 639-2/T code of `mdhd` as three lower-case letters, `und` when it names none.
    pub language: [u8; 3],
    /// Turns and mirrors the picture for presentation.
    pub matrix: Matrix,
    /// `tkhd` width, 16.16 fixed point: of the presentation before the matrix.
    pub width: u32,
    /// `tkhd` height, 16.16 fixed point: of the presentation before the matrix.
    pub height: u32,
    /// Every entry of `stsd`, verbatim.
    pub entries: Vec<SampleEntry>,
    /// `elst`; empty when there is none, which means: everything, from 0.
    pub edits: Vec<Edit>,
    /// The samples of `stbl` and of all fragments. Empty for tracks that are neither video nor audio and whose
    /// tables cannot be read.
    pub samples: SampleTable,
}

impl Track {
    /// Whether the handler is `vide`.
    pub fn is_video(&self) -> bool {
        self.handler == FourCc::VIDE
    }

    /// Whether the handler is `soun`.
    pub fn is_audio(&self) -> bool {
        self.handler == FourCc::SOUN
    }
}

/// The transformation matrix of `tkhd`: {a, b, u, c, d, v, x, y, w}, 16.16 (u, v, w: 2.30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix(pub [i32; 9]);

impl Matrix {
    /// The picture as it is.
    pub const UNITY: Self = Self([0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);

    /// How the picture is turned and mirrored; `None` when the matrix shears it or turns it by less than a quarter.
    ///
    /// Scale and position are not looked at. A matrix of zeros, which some recorders write, leaves the picture as it is.
    pub fn orientation(&self) -> Option<Orientation> {
        let Self([a, b, _, c, d, ..]) = *self;
        let (quarter_turns, mirrored) = match (a.signum(), b.signum(), c.signum(), d.signum()) {
            (1, 0, 0, 1) | (0, 0, 0, 0) => (0, false),
            (0, 1, -1, 0) => (1, false),
            (-1, 0, 0, -1) => (2, false),
            (0, -1, 1, 0) => (3, false),
            (-1, 0, 0, 1) => (0, true),
            (0, -1, -1, 0) => (1, true),
            (1, 0, 0, -1) => (2, true),
            (0, 1, 1, 0) => (3, true),
            _ => return None,
        };
        Some(Orientation { quarter_turns, mirrored })
    }
}

/// What to do with a decoded picture to show it upright: first mirror it, then turn it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation {
    /// Clockwise, 0 to 3. With 1 and 3, width and height change places.
    pub quarter_turns: u8,
    /// Left becomes right.
    pub mirrored: bool,
}

/// One entry of `elst` (§8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// In [`Movie::timescale`]; 0 as the only media edit means "to the end".
    pub duration: u64,
    /// In [`Track::timescale`]; `None` is an empty edit (media_time −1).
    pub media_time: Option<i64>,
    /// 16.16; 0x1_0000 is normal speed, 0 a dwell.
    pub rate: i32,
}
