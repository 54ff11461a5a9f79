//! Captions as people upload them, WebVTT (W3C WebVTT: The Web Video Text Tracks Format) or SubRip, → WebVTT as it is
//! served.
//!
//! What is written is only what was understood: times, known cue settings, known tags. Style sheets, regions, notes and
//! everything else that a file may bring are left out, so that nothing of it reaches a player unseen.

mod markup;
mod reading;

use std::fmt::Write as _;

use reading::{blocks, decoded};

/// Captions of one language, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captions(Vec<Cue>);

/// What is shown for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    start_millis: u64,
    end_millis: u64,
    /// Known ones, separated by spaces (§4.1 of WebVTT).
    settings: String,
    /// WebVTT cue text: lines with known tags, none of them empty.
    text: String,
}

/// Why a file holds no captions: a sentence for whoever uploaded it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptionError {
    /// Not text that we can read.
    #[error("the file is not text in UTF-8: save it in that encoding")]
    Encoding,
    /// A line that should hold times holds something else.
    #[error("line {line}: `{text}` is not like `00:01:02.500 --> 00:01:05.000`")]
    Times {
        /// From 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// It would be shown for less than no time.
    #[error("line {line}: the caption ends before it begins")]
    Backwards {
        /// From 1.
        line: usize,
    },
    /// Nothing to be shown.
    #[error("there is no caption in the file; it should be WebVTT (.vtt) or SubRip (.srt)")]
    Empty,
    /// More than anybody reads.
    #[error("there are more than `{0}` captions in the file")]
    TooMany(usize),
    /// More than fits on a picture.
    #[error("line {line}: the caption is longer than {most} bytes")]
    TooLong {
        /// From 1, where its times are.
        line: usize,
        /// How long one may be.
        most: usize,
    },
}

/// A caption every second for ten hours.
const MOST_CUES: usize = 36_000;
const LONGEST_TEXT: usize = 4096;

impl Captions {
    /// Reads a file of either format. Text is UTF-8, or UTF-16 with a byte order mark.
    ///
    /// # Errors
    /// [`CaptionError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CaptionError> {
        let text = decoded(bytes)?;
        let mut cues = Vec::new();
        for block in blocks(&text) {
            let Some(block) = block.timed() else { continue };
            let (start_millis, end_millis, settings) = block.times()?;
            let text = markup::cleaned(&block.text);
            if text.len() > LONGEST_TEXT {
                return Err(CaptionError::TooLong { line: block.line, most: LONGEST_TEXT });
            }
            // What is shown for no time, or shows nothing, is nothing.
            if start_millis == end_millis || text.is_empty() {
                continue;
            }
            if cues.len() == MOST_CUES {
                return Err(CaptionError::TooMany(MOST_CUES));
            }
            cues.push(Cue { start_millis, end_millis, settings, text });
        }
        if cues.is_empty() {
            return Err(CaptionError::Empty);
        }
        cues.sort_by_key(|cue| cue.start_millis);
        Ok(Self(cues))
    }

    /// In the order of their beginnings.
    pub fn cues(&self) -> &[Cue] {
        &self.0
    }

    /// As a WebVTT file. [`Captions::parse`] reads the same captions from it.
    pub fn to_webvtt(&self) -> String {
        let mut text = "WEBVTT\n".to_owned();
        for cue in &self.0 {
            let (start, end) = (Timestamp(cue.start_millis), Timestamp(cue.end_millis));
            let gap = if cue.settings.is_empty() { "" } else { " " };
            write!(text, "\n{start} --> {end}{gap}{}\n{}\n", cue.settings, cue.text)
                .expect("a string takes every character");
        }
        text
    }
}

impl Cue {
    /// When it appears, in milliseconds.
    pub fn start_millis(&self) -> u64 {
        self.start_millis
    }

    /// When it goes, in milliseconds.
    pub fn end_millis(&self) -> u64 {
        self.end_millis
    }

    /// What is read, without tags, on one line.
    pub fn plain(&self) -> String {
        markup::plain(&self.text)
    }
}

/// A WebVTT timestamp, from milliseconds.
pub struct Timestamp(pub u64);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(millis) = *self;
        let (seconds, millis) = (millis / 1000, millis % 1000);
        write!(f, "{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}
