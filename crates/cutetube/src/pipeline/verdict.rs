//! What the index of a file says about it before anything is decoded: a sentence for the uploader, or nothing against
//! it yet. An upload is judged as soon as its last byte is in, and again by the stage that plans it.

use isobmff::{Error, Movie, Track};

use super::Rejection;

/// The track that is shown: the first enabled video track that has samples, else the first one with samples.
///
/// # Errors
/// When there is none, or the file ends before its media does.
pub(crate) fn on_movie(movie: &Movie) -> Result<&Track, Rejection> {
    let mut tracks = movie.tracks.iter().filter(|track| track.is_video() && !track.samples.is_empty());
    let enabled = tracks.clone().find(|track| track.enabled);
    let shown = enabled.or_else(|| tracks.next()).ok_or_else(no_picture)?;
    if movie.missing_bytes() > 0 {
        return Err(cut_short(movie.file_len, movie.media_end()));
    }
    Ok(shown)
}

/// The end for a file without an index that no rewriting can mend; `None` when ffmpeg may still make sense of it.
pub(crate) fn on_error(error: &Error) -> Option<Rejection> {
    Some(match error {
        Error::Empty => Rejection::new("The file is empty. Choose the video again and upload it."),
        Error::NoMovie { .. } => Rejection::new(
            "The file has no index (`moov`): the recording was not finished, or the copy was cut short. Check that it \
             plays on your device, then upload it again.",
        ),
        Error::TruncatedMovie { needed, file_len } => cut_short(*file_len, *needed),
        Error::NoTracks => no_picture(),
        error if error.is_limit() => Rejection::new(format!(
            "The index of this file is larger than any real video needs ({error}). Export the video again and upload \
             that."
        )),
        _ => return None,
    })
}

fn no_picture() -> Rejection {
    Rejection::new("This file has no pictures. Upload a video: an MP4 or MOV file with a video track.")
}

fn cut_short(have: u64, need: u64) -> Rejection {
    Rejection::new(format!(
        "The file is incomplete: it ends after {have} of at least {need} bytes. Was its copy or recording interrupted? \
         Upload the complete file."
    ))
}
