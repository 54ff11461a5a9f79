//! What the first bytes and the sample tables of a file say at once.

use isobmff::{Error, Limits, Movie};
use transcode::source::IndexError;

use super::Rejection;
use crate::pipeline::{self, verdict};

/// How many bytes [`first_bytes`] wants to see.
pub(super) const SNIFF_BYTES: usize = 12;

/// Boxes that an MP4 or MOV file begins with.
const FIRST_BOXES: [&[u8; 4]; 13] = [
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp", b"sidx", b"moof",
    b"meta", b"junk",
];

/// How videos begin that are no MP4 whatever their name says, but that ffmpeg can rewrite: Matroska and WebM, AVI, FLV,
/// Ogg, ASF, MPEG program streams.
const OTHER_CONTAINERS: [&[u8]; 6] =
    [b"\x1aE\xdf\xa3", b"RIFF", b"FLV\x01", b"OggS", b"\x30\x26\xb2\x75", b"\0\0\x01\xba"];

/// Refuses a file that does not begin as videos do. `head` has fewer bytes only when the file has.
pub(super) fn first_bytes(head: &[u8]) -> Result<(), Rejection> {
    if head.is_empty() {
        return Err(Rejection::video("The file is empty."));
    }
    let kind = head.get(4..8);
    let plausible = kind.is_some_and(|kind| FIRST_BOXES.iter().any(|known| known.as_slice() == kind));
    let other = OTHER_CONTAINERS.iter().any(|known| head.starts_with(known));
    if plausible || other { Ok(()) } else { Err(Rejection::video(NOT_MEDIA)) }
}

/// What an upload may cost at once; larger tables are looked at by a worker, with its own limits.
pub(super) fn limits() -> Limits {
    Limits { max_header_bytes: 64 << 20, max_samples: 4_000_000, max_boxes: 100_000, ..Limits::default() }
}

/// What the index of a stored upload says about it: `Ok` when nothing speaks against it yet.
pub(super) fn index_outcome(outcome: Result<Movie, IndexError>) -> Result<(), Rejection> {
    let against = match outcome {
        Ok(movie) => verdict::on_movie(&movie).err(),
        // A worker has more room, and ffmpeg reads other containers.
        Err(IndexError::Format(error)) if error.is_limit() || error == Error::NotIsobmff => None,
        Err(IndexError::Format(error)) => verdict::on_error(&error).or_else(|| damaged(&error)),
        // Not the file's fault: a worker will look again.
        Err(IndexError::Read(_)) => None,
    };
    against.map_or(Ok(()), |rejection| Err(Rejection::video(rejection.to_string())))
}

const NOT_MEDIA: &str = "This is not an MP4 or MOV file, whatever its name says.";

fn damaged(error: &Error) -> Option<pipeline::Rejection> {
    let lies =
        matches!(error, Error::BoxTooLong { .. } | Error::BoxTooShort { .. } | Error::TableTooLong { .. });
    lies.then(|| pipeline::Rejection::new(format!("The file is damaged: {error}. Export the video again.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_begin_as_media_pass() {
        assert!(first_bytes(b"\0\0\0\x20ftypisom").is_ok());
        assert!(first_bytes(b"\0\0\0\x01mdat\0\0\0\0").is_ok());
        assert!(first_bytes(b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1f").is_ok());
        for head in [&b""[..], b"\0\0\0", b"hello, world", b"#EXTM3U\nfile"] {
            assert!(first_bytes(head).is_err());
        }
    }
}
