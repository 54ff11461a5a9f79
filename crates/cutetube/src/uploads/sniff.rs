//! What the first bytes and the sample tables of a file say at once.

use isobmff::{Error, Limits, Movie};
use transcode::source::IndexError;

use super::Rejection;

/// How many bytes [`first_bytes`] wants to see.
pub(super) const SNIFF_BYTES: usize = 12;

/// Boxes that an MP4 or MOV file begins with.
const FIRST_BOXES: [&[u8; 4]; 13] = [
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp", b"sidx", b"moof",
    b"meta", b"junk",
];

/// Refuses a file that does not begin as MP4 or MOV files do. `head` has fewer bytes only when the file has.
pub(super) fn first_bytes(head: &[u8]) -> Result<(), Rejection> {
    if head.is_empty() {
        return Err(Rejection::video("The file is empty."));
    }
    let kind = head.get(4..8);
    let plausible = kind.is_some_and(|kind| FIRST_BOXES.iter().any(|known| known.as_slice() == kind));
    if plausible { Ok(()) } else { Err(Rejection::video(NOT_MEDIA)) }
}

/// What an upload may cost at once; larger tables are looked at by a worker, with its own limits.
pub(super) fn limits() -> Limits {
    Limits { max_header_bytes: 64 << 20, max_samples: 4_000_000, max_boxes: 100_000, ..Limits::default() }
}

/// What the index of a stored upload says about it: `Ok` when nothing speaks against it yet.
pub(super) fn index_outcome(outcome: Result<Movie, IndexError>) -> Result<(), Rejection> {
    match outcome {
        Ok(movie) => judge(&movie),
        Err(IndexError::Format(error)) => {
            sentence(&error).map_or(Ok(()), |sentence| Err(Rejection::video(sentence)))
        }
        // Not the file's fault: a worker will look again.
        Err(IndexError::Read(_)) => Ok(()),
    }
}

const NOT_MEDIA: &str = "This is not an MP4 or MOV file, whatever its name says.";

fn judge(movie: &Movie) -> Result<(), Rejection> {
    if movie.missing_bytes() > 0 {
        return Err(Rejection::video(format!(
            "The file is incomplete: {} bytes are missing at its end. Was its copy or recording interrupted?",
            movie.missing_bytes()
        )));
    }
    let Some(track) = movie.tracks.iter().find(|track| track.is_video()) else {
        return Err(Rejection::video("The file has no video track."));
    };
    if track.samples.is_empty() {
        return Err(Rejection::video("The video track of the file has no pictures."));
    }
    Ok(())
}

/// What the uploader reads, or `None` when a worker may make sense of the file yet.
fn sentence(error: &Error) -> Option<String> {
    match error {
        Error::Empty => Some("The file is empty.".to_owned()),
        Error::NotIsobmff => Some(NOT_MEDIA.to_owned()),
        Error::NoMovie { .. } => Some(
            "The file has no index (`moov`): the recording was not finished, or the file was cut short."
                .to_owned(),
        ),
        Error::TruncatedMovie { needed, file_len } => {
            Some(format!("The file is incomplete: its index needs {needed} bytes, there are {file_len}."))
        }
        Error::NoTracks => Some("The file has no video track.".to_owned()),
        Error::BoxTooLong { .. } | Error::BoxTooShort { .. } | Error::TableTooLong { .. } => {
            Some(format!("The file is damaged: {error}."))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_begin_as_media_pass() {
        assert!(first_bytes(b"\0\0\0\x20ftypisom").is_ok());
        assert!(first_bytes(b"\0\0\0\x01mdat\0\0\0\0").is_ok());
        for head in
            [&b""[..], b"\0\0\0", b"hello, world", b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1f", b"#EXTM3U\nfile"]
        {
            assert!(first_bytes(head).is_err());
        }
    }
}
