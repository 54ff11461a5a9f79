//! The names below a presentation's root. Nobody else formats such a path.

use std::fmt::{self, Display};

/// The two containers a presentation is offered in. They share every media segment and differ in the init segments'
/// `ftyp` and in the manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// CMAF: brand `cmfc`.
    Mp4,
    /// QuickTime: major brand `qt  `.
    Mov,
}

impl Flavour {
    /// Both of them, the main one first.
    pub const ALL: [Self; 2] = [Self::Mp4, Self::Mov];
}

/// A file of a presentation. [`Display`] gives its path below the presentation's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum File<'a> {
    /// Init segment of a rendition.
    Init {
        /// Which container.
        flavour: Flavour,
        /// Its id.
        rendition: &'a str,
    },
    /// Media segment of a rendition; the same for both flavours.
    Segment {
        /// Its id.
        rendition: &'a str,
        /// From 1.
        number: u32,
    },
    /// One sheet of storyboard tiles.
    Sheet {
        /// Its id.
        rendition: &'a str,
        /// From 1.
        number: u32,
    },
    /// DASH manifest.
    Mpd(Flavour),
    /// HLS multivariant playlist.
    Master(Flavour),
    /// HLS media playlist of a rendition, its image playlist for storyboards.
    Media {
        /// Which container.
        flavour: Flavour,
        /// Its id.
        rendition: &'a str,
    },
    /// HLS I-frame playlist of a video rendition.
    IFrames {
        /// Which container.
        flavour: Flavour,
        /// Its id.
        rendition: &'a str,
    },
    /// Still picture shown before playback.
    Poster,
    /// WebVTT that maps times to storyboard tiles.
    StoryboardTrack,
    /// All captions of a text rendition; the same for both flavours.
    Text {
        /// Its id.
        rendition: &'a str,
    },
}

impl File<'_> {
    /// The media type to serve it with.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Init { .. } | Self::Segment { .. } => "video/mp4",
            Self::Sheet { .. } | Self::Poster => "image/jpeg",
            Self::Mpd(_) => "application/dash+xml",
            Self::Master(_) | Self::Media { .. } | Self::IFrames { .. } => "application/vnd.apple.mpegurl",
            Self::StoryboardTrack | Self::Text { .. } => "text/vtt",
        }
    }

    /// This file as a relative URL inside the manifest `from`.
    pub fn url_in(&self, from: &File<'_>) -> String {
        relative(&from.to_string(), &self.to_string())
    }
}

impl Display for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Init { flavour, rendition } => write!(f, "{}{rendition}/init.mp4", folder(flavour)),
            Self::Segment { rendition, number } => f.write_str(&segment(rendition, number)),
            Self::Sheet { rendition, number } => f.write_str(&sheet(rendition, number)),
            Self::Mpd(Flavour::Mp4) => f.write_str("mp4/manifest.mpd"),
            Self::Mpd(Flavour::Mov) => f.write_str("mov/manifest.mpd"),
            Self::Master(flavour) => write!(f, "{}master.m3u8", folder(flavour)),
            Self::Media { flavour, rendition } => write!(f, "{}{rendition}.m3u8", folder(flavour)),
            Self::IFrames { flavour, rendition } => write!(f, "{}{rendition}{IFRAMES}.m3u8", folder(flavour)),
            Self::Poster => f.write_str("poster.jpg"),
            Self::StoryboardTrack => f.write_str("storyboard.vtt"),
            Self::Text { rendition } => write!(f, "{rendition}{WEBVTT}"),
        }
    }
}

/// Whether a rendition may carry this id: letters, digits, `.`, `_`, `-`, starting with a letter or digit, at most 64
/// bytes, and no name that the layout uses itself. Such an id needs no escaping in a URL, a path, XML or a playlist.
pub fn is_rendition_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    id.len() <= 64
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(plain)
        && !id.ends_with(IFRAMES)
        && !id.ends_with(WEBVTT)
        && !matches!(id, "master" | "mp4" | "mov" | "poster.jpg" | "master.m3u8")
}

const IFRAMES: &str = "-iframes";
const WEBVTT: &str = ".vtt";

/// `SegmentTemplate@media` of a set of renditions, below the root (23009-1 §5.3.9.4.4).
pub(crate) fn segment_template() -> String {
    segment("$RepresentationID$", "$Number$")
}

/// `SegmentTemplate@media` of storyboard sheets.
pub(crate) fn sheet_template(rendition: &str) -> String {
    sheet(rendition, "$Number$")
}

/// The URL of `to` in the document `from`, both below the root.
pub(crate) fn relative(from: &str, to: &str) -> String {
    match from.split_once('/') {
        None => to.to_owned(),
        Some((folder, _)) => match to.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) {
            Some(beside) => beside.to_owned(),
            None => format!("../{to}"),
        },
    }
}

fn folder(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Mp4 => "",
        Flavour::Mov => "mov/",
    }
}

fn segment(rendition: &str, number: impl Display) -> String {
    format!("{rendition}/{number}.m4s")
}

fn sheet(rendition: &str, number: impl Display) -> String {
    format!("{rendition}/{number}.jpg")
}
