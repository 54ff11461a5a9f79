//! `/studio/{id}/captions`: what is said in a video, in several languages, and how it looks on the picture.

use askama::Template;
use axum::{
    extract::{DefaultBodyLimit, Multipart, Path, State, multipart::MultipartRejection},
    http::StatusCode,
    middleware::from_fn,
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get},
};
use catalog::{
    captions::{Kind, Track},
    ids::VideoId,
    names::FieldErrors,
};

use super::{Creator, parse, studio_path};
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    captions::{
        LANGUAGES,
        actions::{self, Brought, CaptionsError, LONGEST_FILE},
    },
    http::drain_refused,
    licences,
    pages::{
        failure::Failure,
        frame::{Frame, page},
        search::{Choice, choices},
        text,
        typed::Typed,
        watch::Stage,
    },
    playback::BaseUrl,
    texts::{self, Text, filters},
    videos::actions::details,
};

#[derive(Template)]
#[template(path = "studio_captions.html")]
struct CaptionsPage {
    frame: Frame,
    id: VideoId,
    title: String,
    /// Where it plays; what is chosen can be looked at there before it is sent.
    stage: Stage,
    tracks: Vec<Row>,
    /// Whether players are not told of some of it yet.
    is_pending: bool,
    languages: &'static [(&'static str, &'static str)],
    form: CaptionsForm,
    /// What was done last.
    done: Option<Text>,
}

/// The captions of one language.
struct Row {
    language: String,
    label: String,
    kind: Text,
    cues: String,
    date: String,
    path: String,
    is_shown: bool,
}

/// The form as it was filled in, and what is wrong with it.
struct CaptionsForm {
    language: String,
    label: String,
    kinds: Vec<Choice>,
    errors: FieldErrors,
}

db::text_enum! {
    /// What was done last.
    enum Done {
        Added = "added",
        Removed = "removed",
    }
}

/// The page, what it sends, and a bound on that.
pub(super) fn route() -> MethodRouter<AppState> {
    // What is not the file takes some room too.
    get(form).post(add).layer(DefaultBodyLimit::max(LONGEST_FILE + (64 << 10))).layer(from_fn(drain_refused))
}

/// The owner and administrators.
async fn form(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let done = typed.choice("done").map(|done| match done {
        Done::Added => texts::text("captions-added"),
        Done::Removed => texts::text("captions-removed"),
    });
    show(&state, &caller, id, StatusCode::OK, CaptionsForm::empty(), done).await
}

/// The owner and administrators.
async fn add(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    parts: Result<Multipart, MultipartRejection>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    // Before anything is said about what was typed.
    crate::videos::actions::managed(&state, &caller, id).await?;
    let sent = match parts {
        Ok(parts) => Sent::read(parts).await,
        Err(_) => Err(StatusCode::BAD_REQUEST),
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(status) => {
            let mut form = CaptionsForm::empty();
            let sentence = match status {
                StatusCode::PAYLOAD_TOO_LARGE => texts::text("captions-too-long"),
                _ => texts::text("captions-incomplete"),
            };
            form.errors.add("file", sentence.to_string());
            return show(&state, &caller, id, status, form, None).await;
        }
    };
    let brought =
        Brought { language: &sent.language, label: &sent.label, kind: &sent.kind, file: &sent.file };
    match actions::set(&state, &caller, id, brought).await {
        Ok(_) => Ok(back(id, Done::Added)),
        Err(CaptionsError::Refused(errors)) => {
            let form = CaptionsForm {
                kinds: kinds(sent.kind.parse().ok()),
                language: sent.language,
                label: sent.label,
                errors,
            };
            show(&state, &caller, id, StatusCode::UNPROCESSABLE_ENTITY, form, None).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The owner and administrators.
pub(super) async fn remove(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path((id, language)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    match actions::remove(&state, &caller, id, &language).await {
        // Gone is gone, whoever was faster.
        Ok(()) | Err(CaptionsError::None) => Ok(back(id, Done::Removed)),
        Err(error) => Err(error.into()),
    }
}

fn back(id: VideoId, done: Done) -> Response {
    Redirect::to(&format!("{}/captions?done={done}", studio_path(id))).into_response()
}

/// What the form sends.
#[derive(Default)]
struct Sent {
    language: String,
    label: String,
    kind: String,
    file: Vec<u8>,
}

impl Sent {
    async fn read(mut parts: Multipart) -> Result<Self, StatusCode> {
        let mut sent = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|error| error.status())? {
            let name = part.name().unwrap_or_default().to_owned();
            let bytes = part.bytes().await.map_err(|error| error.status())?;
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            match name.as_str() {
                "language" => sent.language = text(),
                "label" => sent.label = text(),
                "kind" => sent.kind = text(),
                "file" => sent.file = bytes.to_vec(),
                _ => {}
            }
        }
        Ok(sent)
    }
}

async fn show(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
    status: StatusCode,
    form: CaptionsForm,
    done: Option<Text>,
) -> Result<Response, Failure> {
    let visitor = Visitor(Some(caller.clone()));
    let details = details(state, &visitor, id).await?;
    let details = details.filter(|details| caller.may_manage(details.video().owner));
    let details = details.ok_or_else(Failure::not_found)?;
    let video = details.video();
    let pass = licences::pass(state, &visitor, video).await?;
    let tracks: Vec<Row> = actions::of(state, id)
        .await?
        .iter()
        .map(|(track, is_shown)| Row::new(id, track, *is_shown))
        .collect();
    let shown = CaptionsPage {
        frame: Frame::new(&visitor),
        id,
        title: video.title.to_string(),
        stage: Stage::new(state, &BaseUrl::RELATIVE, &details, pass.as_ref())?,
        is_pending: video.published_revision.is_some() && tracks.iter().any(|track| !track.is_shown),
        tracks,
        languages: LANGUAGES,
        form,
        done,
    };
    Ok(page(state, status, &shown))
}

fn kinds(chosen: Option<Kind>) -> Vec<Choice> {
    choices(Kind::ALL, chosen, Kind::as_str, kind_label)
}

fn kind_label(kind: Kind) -> Text {
    match kind {
        Kind::Subtitles => texts::text("captions-subtitles"),
        Kind::Captions => texts::text("captions-captions"),
    }
}

impl Row {
    fn new(id: VideoId, track: &Track, is_shown: bool) -> Self {
        Self {
            language: track.language.to_string(),
            label: track.label.to_string(),
            kind: kind_label(track.kind),
            cues: text::counted("captions-count", track.cues),
            date: text::date(track.created_at),
            path: BaseUrl::RELATIVE.captions(id, track.language.as_str()),
            is_shown,
        }
    }
}

impl CaptionsForm {
    fn empty() -> Self {
        Self {
            language: String::new(),
            label: String::new(),
            kinds: kinds(None),
            errors: FieldErrors::default(),
        }
    }
}

impl From<CaptionsError> for Failure {
    fn from(error: CaptionsError) -> Self {
        match error {
            CaptionsError::Manage(error) => error.into(),
            CaptionsError::Refused(_) | CaptionsError::None => Self::not_found(),
        }
    }
}
