//! What the source's pictures are: geometry, scan and colour, parsed once from the track and ffprobe's answer.

use isobmff::Track;
use serde::{Deserialize, Serialize};

use crate::probe::VideoProbe;

#[cfg(test)]
mod tests;

/// What a filter graph must know of the source's pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Shown size with square pixels, after rotation.
    pub display: Size,
    /// How a decoded picture is brought upright.
    pub turn: Turn,
    /// Whole pictures or fields.
    pub scan: Scan,
    /// What to do about colour.
    pub colour: Colour,
}

/// Pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

/// First mirrored, then turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Turn {
    /// Left becomes right.
    pub mirrored: bool,
    /// Clockwise, 0 to 3.
    pub quarter_turns: u8,
}

/// Whether a picture was taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scan {
    /// Yes.
    Progressive,
    /// Two fields, which are made one progressive picture.
    Interlaced,
}

/// What happens to the source's colours. All renditions are 8-bit, limited range, SDR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// The same code values, scaled to limited range where they are not, with these tags.
    Keep {
        /// Range of the source.
        range: Range,
        /// Of source and renditions; guessed by size where the source has none.
        tags: Tags,
    },
    /// RGB: to BT.709.
    Rgb,
    /// Gamuts and matrices that players get wrong: to BT.709 by way of linear light.
    Convert {
        /// Range of the source.
        range: Range,
        /// Of the source.
        tags: Tags,
    },
    /// High dynamic range: tone-mapped to BT.709.
    ToneMap {
        /// Range of the source.
        range: Range,
        /// Of the source; the transfer is PQ or HLG.
        tags: Tags,
    },
}

/// Code values of black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Range {
    /// 16 to 235 (in 8 bits).
    Limited,
    /// 0 to 255 (in 8 bits).
    Full,
    /// As the decoder says of each picture.
    Unknown,
}

/// Colour description of H.273, in ffmpeg's names; only names that its filters know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are H.273's")]
pub struct Tags {
    pub primaries: String,
    pub transfer: String,
    pub matrix: String,
}

/// Why pictures cannot be encoded.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum PictureError {
    /// More pixels than the settings allow.
    #[error("pictures of `{width}` × `{height}` pixels are larger than the limit of `{limit}` pixels")]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Pixels in all.
        limit: u64,
    },
    /// No picture size is known.
    #[error("the video has no picture size")]
    NoSize,
    /// The samples are encrypted (DRM).
    #[error("the video is encrypted")]
    Encrypted,
}

impl Picture {
    /// From the track's matrix and what the decoder said of the first pictures.
    pub fn new(track: &Track, probe: &VideoProbe, max_pixels: u64) -> Result<Self, PictureError> {
        screen(track, max_pixels)?;
        check_size(probe.width, probe.height, max_pixels)?;
        let orientation = track.matrix.orientation();
        let turn = orientation.map_or_else(Turn::default, |orientation| Turn {
            mirrored: orientation.mirrored,
            quarter_turns: orientation.quarter_turns,
        });
        Ok(Self {
            display: display_size(probe, turn),
            turn,
            scan: if probe.interlaced { Scan::Interlaced } else { Scan::Progressive },
            colour: Colour::of(probe),
        })
    }
}

/// What can be refused before anything is decoded: a declared size beyond the limit, and encrypted samples.
pub fn screen(track: &Track, max_pixels: u64) -> Result<(), PictureError> {
    for entry in &track.entries {
        if entry.is_encrypted() {
            return Err(PictureError::Encrypted);
        }
        if let Some(declared) = entry.visual() {
            check_size(declared.width.into(), declared.height.into(), max_pixels)?;
        }
    }
    Ok(())
}

fn check_size(width: u32, height: u32, limit: u64) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::NoSize);
    }
    if u64::from(width) * u64::from(height) > limit {
        return Err(PictureError::TooLarge { width, height, limit });
    }
    Ok(())
}

fn display_size(probe: &VideoProbe, turn: Turn) -> Size {
    let (aspect_width, aspect_height) = probe.sample_aspect.unwrap_or((1, 1));
    let stretched = (u64::from(probe.width) * u64::from(aspect_width) + u64::from(aspect_height) / 2)
        / u64::from(aspect_height);
    let width = u32::try_from(stretched).unwrap_or(u32::MAX).max(1);
    if turn.quarter_turns.is_multiple_of(2) {
        Size { width, height: probe.height }
    } else {
        Size { width: probe.height, height: width }
    }
}

/// What players take as they are.
const KEPT_MATRICES: [&str; 3] = ["bt709", "smpte170m", "bt470bg"];
const KEPT_PRIMARIES: [&str; 4] = ["bt709", "smpte170m", "bt470bg", "smpte240m"];
const KEPT_TRANSFERS: [&str; 4] = ["bt709", "smpte170m", "bt470bg", "iec61966-2-1"];
/// What is converted.
const OTHER_MATRICES: [&str; 4] = ["fcc", "smpte240m", "ycgco", "bt2020nc"];
const OTHER_PRIMARIES: [&str; 6] = ["bt470m", "film", "bt2020", "smpte428", "smpte431", "smpte432"];
const OTHER_TRANSFERS: [&str; 8] =
    ["bt470m", "linear", "log100", "log316", "iec61966-2-4", "bt2020-10", "bt2020-12", "smpte240m"];
const HDR_TRANSFERS: [&str; 2] = ["smpte2084", "arib-std-b67"];
/// Pictures lower than this that have no tags are taken for BT.601, as players do.
const FIRST_HD_HEIGHT: u32 = 720;

impl Colour {
    fn of(probe: &VideoProbe) -> Self {
        let format = probe.pixel_format.as_deref().unwrap_or_default();
        let rgb = ["rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr"];
        if rgb.iter().any(|prefix| format.starts_with(prefix)) {
            return Self::Rgb;
        }
        let range = match probe.range.as_deref() {
            Some("pc") => Range::Full,
            _ if format.starts_with("yuvj") => Range::Full,
            Some("tv") => Range::Limited,
            _ => Range::Unknown,
        };
        let tag = |name: &Option<String>, known: &[&[&str]]| {
            name.clone().filter(|name| known.iter().any(|names| names.contains(&name.as_str())))
        };
        let transfer = tag(&probe.transfer, &[&KEPT_TRANSFERS, &OTHER_TRANSFERS, &HDR_TRANSFERS]);
        let primaries = tag(&probe.primaries, &[&KEPT_PRIMARIES, &OTHER_PRIMARIES]);
        let matrix = match probe.matrix.as_deref() {
            // Constant luminance: a wrong label wherever it was met, and no filter converts all of it.
            Some("bt2020c") => Some("bt2020nc".to_owned()),
            _ => tag(&probe.matrix, &[&KEPT_MATRICES, &OTHER_MATRICES]),
        };
        let is_one_of =
            |tag: &Option<String>, names: &[&str]| tag.as_deref().is_some_and(|name| names.contains(&name));
        if is_one_of(&transfer, &HDR_TRANSFERS) {
            return Self::ToneMap {
                range,
                tags: Tags::complete(primaries, transfer, matrix, Standard::Bt2020),
            };
        }
        if is_one_of(&matrix, &OTHER_MATRICES)
            || is_one_of(&primaries, &OTHER_PRIMARIES)
            || is_one_of(&transfer, &OTHER_TRANSFERS)
        {
            return Self::Convert {
                range,
                tags: Tags::complete(primaries, transfer, matrix, Standard::Bt709),
            };
        }
        let guess = match matrix.as_deref() {
            Some("smpte170m" | "bt470bg") => Standard::Bt601,
            None if probe.height < FIRST_HD_HEIGHT => Standard::Bt601,
            _ => Standard::Bt709,
        };
        Self::Keep { range, tags: Tags::complete(primaries, transfer, matrix, guess) }
    }
}

/// Where missing tags come from.
#[derive(Clone, Copy)]
enum Standard {
    Bt601,
    Bt709,
    Bt2020,
}

impl Tags {
    /// BT.709 throughout.
    pub fn bt709() -> Self {
        Self::complete(None, None, None, Standard::Bt709)
    }

    fn complete(
        primaries: Option<String>,
        transfer: Option<String>,
        matrix: Option<String>,
        standard: Standard,
    ) -> Self {
        let [usual_primaries, usual_transfer, usual_matrix] = match standard {
            Standard::Bt601 => ["smpte170m", "smpte170m", "smpte170m"],
            Standard::Bt709 => ["bt709", "bt709", "bt709"],
            Standard::Bt2020 => ["bt2020", "smpte2084", "bt2020nc"],
        };
        Self {
            primaries: primaries.unwrap_or_else(|| usual_primaries.to_owned()),
            transfer: transfer.unwrap_or_else(|| usual_transfer.to_owned()),
            matrix: matrix.unwrap_or_else(|| usual_matrix.to_owned()),
        }
    }
}
