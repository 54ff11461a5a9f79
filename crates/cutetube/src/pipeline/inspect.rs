//! What a source is: its index, its tracks, and what ffprobe says of their first samples.

use isobmff::{Movie, Track};
use transcode::audio::candidates;
use transcode::probe::{Probe, ProbeError};
use transcode::probe_run::{ProbeRunError, probe_track};
use transcode::runner::Runner;
use transcode::settings::EncodeSettings;
use transcode::source::{IndexError, ReadRange, index};

use super::blueprint::{Inspected, Inspection};
use super::{StageError, unreadable, verdict};

/// What an index may cost, some 200 MB: a day of video at 30 frames per second with its sound fits.
pub(crate) const INDEX_LIMITS: isobmff::Limits = isobmff::Limits {
    max_header_bytes: 256 << 20,
    max_samples: 8_000_000,
    max_tracks: 64,
    max_boxes: 1_000_000,
};

/// Why there is nothing to plan from.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The file may be a video, but not one our demuxer takes: rewrite it first. Carries the reason.
    Rewrite(String),
    /// Its samples as they are make no timeline, in whatever container: encode it anew first. Carries the reason.
    Reencode(String),
    /// The end, or another attempt.
    Stage(StageError),
}

impl From<StageError> for Refusal {
    fn from(error: StageError) -> Self {
        Self::Stage(error)
    }
}

/// Reads the index and asks ffprobe about the tracks that will be used.
///
/// # Errors
/// [`StageError::Reject`] for what no rewriting can mend.
pub(crate) async fn inspect(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    settings: &EncodeSettings,
) -> Result<Inspection, Refusal> {
    let movie = match index(source, INDEX_LIMITS).await {
        Ok(movie) => movie,
        Err(IndexError::Read(error)) => return Err(unreadable(error).into()),
        Err(IndexError::Format(error)) => {
            return Err(match verdict::on_error(&error) {
                Some(rejection) => StageError::Reject(rejection).into(),
                None => Refusal::Rewrite(error.to_string()),
            });
        }
    };
    let video = verdict::on_movie(&movie).map_err(StageError::Reject)?;
    let answer = probe(runner, source, &movie, video, settings).await?;
    let Some(video_probe) = answer.and_then(|probe| probe.video) else {
        let format = video.entries.first().map_or_else(String::new, |entry| format!(" (`{}`)", entry.format));
        return Err(StageError::reject(format!(
            "The pictures of this file{format} are in a format that cannot be decoded. \
             Export it as H.264 or HEVC in an MP4 or MOV file and upload that."
        ))
        .into());
    };
    let video = Inspected { track_id: video.id, probe: video_probe };
    let mut audio = None;
    for track in candidates(&movie) {
        let answer = probe(runner, source, &movie, track, settings).await?;
        if let Some(probe) = answer.and_then(|probe| probe.audio) {
            audio = Some(Inspected { track_id: track.id, probe });
            break;
        }
    }
    Ok(Inspection { movie, video, audio })
}

/// What ffprobe says of a track's first samples; `None` when it can do nothing with them.
async fn probe(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    movie: &Movie,
    track: &Track,
    settings: &EncodeSettings,
) -> Result<Option<Probe>, StageError> {
    match probe_track(runner, source, movie, track, settings).await {
        Ok(probe) => Ok(Some(probe)),
        Err(ProbeRunError::Answer(ProbeError::NoStream)) => Ok(None),
        Err(ProbeRunError::Run(error)) => Err(error.into()),
        Err(error) => Err(StageError::retry("ffprobe's answer is of no use", error)),
    }
}
