//! Who may give captions to a video, and what they have to be like. Nothing here knows HTTP.

use catalog::{
    captions::{self, Kind, Language, NewTrack, Spoken, Track},
    ids::VideoId,
    names::{FieldErrors, Label, Refusal},
};
use packager::captions::{CaptionError, Captions, Cue};

use super::languages;
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    videos::actions::{self as videos, ManageError},
};

/// A file as somebody brings it. What is empty is not said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Brought<'a> {
    pub(crate) language: &'a str,
    pub(crate) label: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) file: &'a [u8],
}

/// Why there are no such captions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptionsError {
    /// The video, or whose it is.
    #[error(transparent)]
    Manage(ManageError),
    /// What was brought.
    #[error("{0}")]
    Refused(FieldErrors),
    /// Nobody has brought any.
    #[error("the video has no captions in this language")]
    None,
}

/// A longer file is no captions: those of a film take some 200 KB.
pub(crate) const LONGEST_FILE: usize = 2 << 20;

/// Gives captions to a video, in place of those of their language: its owner and administrators.
pub(crate) async fn set(
    state: &AppState,
    caller: &Caller,
    video: VideoId,
    brought: Brought<'_>,
) -> Result<Track, CaptionsError> {
    videos::managed(state, caller, video).await?;
    let new = read(brought).map_err(CaptionsError::Refused)?;
    let track = captions::set(&state.db, video, &new).await?;
    tracing::info!(video.id = %video, user.id = %caller.user.id, language = %new.language, "video `{video}` has captions in `{}`", new.language);
    Ok(track)
}

/// Takes captions away: the owner of the video and administrators.
pub(crate) async fn remove(
    state: &AppState,
    caller: &Caller,
    video: VideoId,
    language: &str,
) -> Result<(), CaptionsError> {
    videos::managed(state, caller, video).await?;
    let language = Language::parse(language).map_err(|_| CaptionsError::None)?;
    match captions::remove(&state.db, video, &language).await? {
        true => Ok(()),
        false => Err(CaptionsError::None),
    }
}

/// The captions of a video, each with whether players are told of it: for whoever may see the video.
pub(crate) async fn list(
    state: &AppState,
    visitor: &Visitor,
    video: VideoId,
) -> Result<Vec<(Track, bool)>, CaptionsError> {
    seen(state, visitor, video).await?;
    Ok(of(state, video).await?)
}

/// The same for whoever has been shown the video.
pub(crate) async fn of(state: &AppState, video: VideoId) -> Result<Vec<(Track, bool)>, catalog::Error> {
    let shown = captions::progress(&state.db, video).await?.shown.unwrap_or(0);
    let tracks = captions::of(&state.db, video).await?;
    Ok(tracks
        .into_iter()
        .map(|track| (u64::from(track.number) <= shown, track))
        .map(|(is_shown, track)| (track, is_shown))
        .collect())
}

/// Captions as WebVTT: for whoever may see the video.
pub(crate) async fn webvtt(
    state: &AppState,
    visitor: &Visitor,
    video: VideoId,
    language: &str,
) -> Result<String, CaptionsError> {
    seen(state, visitor, video).await?;
    let language = Language::parse(language).map_err(|_| CaptionsError::None)?;
    let found = captions::find(&state.db, video, &language).await?;
    found.map(|(_, content)| content).ok_or(CaptionsError::None)
}

/// Everything that is wrong is said at once.
fn read(brought: Brought<'_>) -> Result<NewTrack, FieldErrors> {
    let mut errors = FieldErrors::default();
    let language = errors.keep("language", Language::parse(brought.language));
    let kind = match brought.kind {
        "" => Some(Kind::Subtitles),
        kind => {
            errors.keep("kind", kind.parse().map_err(|_| Refusal("Choose subtitles or captions.".to_owned())))
        }
    };
    let label = match (brought.label.trim(), &language) {
        ("", Some(language)) => errors.keep("label", label(languages::name(language.as_str()))),
        ("", None) => None,
        (typed, _) => errors.keep("label", label(typed)),
    };
    let parsed = match brought.file.len() {
        0 => Err(Refusal("Choose a file with captions: WebVTT (.vtt) or SubRip (.srt).".to_owned())),
        len if len > LONGEST_FILE => Err(Refusal("The file is longer than 2 MB.".to_owned())),
        _ => Captions::parse(brought.file).map_err(|error| Refusal(sentence(&error))),
    };
    let captions = errors.keep("file", parsed);
    match (language, label, kind, captions) {
        (Some(language), Some(label), Some(kind), Some(captions)) if errors.is_empty() => Ok(NewTrack {
            language,
            label,
            kind,
            content: captions.to_webvtt(),
            spoken: captions.cues().iter().map(spoken).collect(),
        }),
        _ => Err(errors),
    }
}

fn label(typed: &str) -> Result<Label, Refusal> {
    let label = Label::parse(typed)?;
    match packager::is_label(label.as_str()) {
        true => Ok(label),
        false => Err(Refusal("A name cannot have quotation marks in it.".to_owned())),
    }
}

fn spoken(cue: &Cue) -> Spoken {
    Spoken { start_millis: cue.start_millis(), said: cue.plain() }
}

fn sentence(error: &CaptionError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

async fn seen(state: &AppState, visitor: &Visitor, video: VideoId) -> Result<(), CaptionsError> {
    match videos::find(state, visitor, video).await? {
        Some(_) => Ok(()),
        None => Err(CaptionsError::Manage(ManageError::NoVideo)),
    }
}

impl From<ManageError> for CaptionsError {
    fn from(error: ManageError) -> Self {
        Self::Manage(error)
    }
}

impl From<catalog::Error> for CaptionsError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::Fields(errors) => Self::Refused(errors),
            error => Self::Manage(error.into()),
        }
    }
}
