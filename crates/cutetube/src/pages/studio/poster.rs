//! `/studio/{id}/poster`: which picture stands for a video.

use std::time::Duration;

use askama::Template;
use axum::{
    body::Bytes,
    extract::{Multipart, Path, State, multipart::MultipartRejection},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use catalog::{
    VideoState,
    ids::VideoId,
    posters,
    videos::{Protection, Video},
};

use super::{Creator, parse, studio_path};
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    pages::{
        failure::Failure,
        frame::{Frame, page},
        text,
        typed::{self, Typed},
    },
    playback::{BaseUrl, MediaUrls},
    stills::NoStill,
    texts::{Text, filters, text},
    videos::{
        actions,
        poster::{self, Choice, ChooseError},
    },
};

#[derive(Template)]
#[template(path = "studio_poster.html")]
struct PosterPage {
    frame: Frame,
    id: VideoId,
    title: String,
    /// Absent until the video plays.
    poster: Option<String>,
    /// Where the one that is shown comes from.
    origin: Text,
    is_chosen: bool,
    is_protected: bool,
    /// The last moment that can be chosen, in seconds.
    end: String,
    /// As it was typed.
    at: String,
    /// What was done last.
    done: Option<Text>,
    /// Why nothing was done.
    refusal: Option<String>,
}

db::text_enum! {
    /// What was done last.
    enum Done {
        Sent = "sent",
        Taken = "taken",
        Withdrawn = "withdrawn",
    }
}

/// The owner and administrators.
pub(super) async fn form(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let done = typed.choice("done").map(|done| match done {
        Done::Sent => text("poster-sent"),
        Done::Taken => text("poster-taken"),
        Done::Withdrawn => text("poster-withdrawn"),
    });
    show(&state, &caller, parse(&id)?, StatusCode::OK, "", done, None).await
}

/// The owner and administrators.
pub(super) async fn take(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let at = typed.get("at");
    let Some(moment) = moment(at) else {
        actions::managed(&state, &caller, id).await?;
        let sentence = text("poster-no-time").to_string();
        return show(&state, &caller, id, StatusCode::UNPROCESSABLE_ENTITY, at, None, Some(sentence)).await;
    };
    let outcome = poster::choose(&state, &caller, id, Choice::Moment(moment)).await;
    finish(&state, &caller, id, Done::Taken, at, outcome).await
}

/// The owner and administrators.
pub(super) async fn send(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    actions::managed(&state, &caller, id).await?;
    let outcome = match file_of(form).await {
        Ok(file) => poster::choose(&state, &caller, id, Choice::Picture(file)).await,
        Err(refused) => Err(refused),
    };
    finish(&state, &caller, id, Done::Sent, "", outcome).await
}

/// The owner and administrators.
pub(super) async fn withdraw(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let outcome = poster::withdraw(&state, &caller, id).await;
    finish(&state, &caller, id, Done::Withdrawn, "", outcome).await
}

/// The first file of the form.
async fn file_of(form: Result<Multipart, MultipartRejection>) -> Result<Bytes, ChooseError> {
    let form = form.map_err(|_| ChooseError::Foreign)?;
    let file = typed::file(form, "picture").await.map_err(|status| match status {
        StatusCode::PAYLOAD_TOO_LARGE => ChooseError::TooLong,
        _ => NoStill::Unreadable.into(),
    })?;
    file.ok_or(ChooseError::Foreign)
}

async fn finish(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
    done: Done,
    at: &str,
    outcome: Result<(), ChooseError>,
) -> Result<Response, Failure> {
    let error = match outcome {
        Ok(()) => return Ok(Redirect::to(&format!("{}?done={done}", poster_path(id))).into_response()),
        Err(ChooseError::Manage(error)) => return Err(error.into()),
        Err(error) => error,
    };
    match error.refusal() {
        Some((status, sentence)) => show(state, caller, id, status, at, None, Some(sentence)).await,
        None => Err(Failure::internal(&error)),
    }
}

async fn show(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
    status: StatusCode,
    at: &str,
    done: Option<Text>,
    refusal: Option<String>,
) -> Result<Response, Failure> {
    let video = actions::managed(state, caller, id).await?;
    let chosen = posters::of(&state.db, id).await?;
    let origin = match &chosen {
        None => text("poster-made"),
        Some(posters::Poster { moment: None, .. }) => text("poster-yours"),
        Some(posters::Poster { moment: Some(moment), .. }) => {
            text("poster-at").with("time", text::length(*moment))
        }
    };
    let urls = MediaUrls::origin(state, &BaseUrl::RELATIVE, &video).filter(|_| plays(&video));
    let shown = PosterPage {
        frame: Frame::new(&Visitor(Some(caller.clone()))),
        id,
        title: video.title.to_string(),
        poster: urls.map(|urls| urls.poster(&video)),
        origin,
        is_chosen: chosen.is_some(),
        is_protected: video.protection != Protection::None,
        end: text::length(video.measured_duration.unwrap_or_default()),
        at: at.to_owned(),
        done,
        refusal,
    };
    Ok(page(state, status, &shown))
}

fn plays(video: &Video) -> bool {
    video.state == VideoState::Ready
}

/// The page of this video.
pub(super) fn poster_path(id: VideoId) -> String {
    format!("{}/poster", studio_path(id))
}

/// `2.5`, `1:30` or `1:02:03.5`.
fn moment(typed: &str) -> Option<Duration> {
    let parts: Vec<&str> = typed.trim().split(':').collect();
    let (last, whole) = parts.split_last()?;
    if whole.len() > 2 || !last.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let mut seconds: u64 = 0;
    for part in whole {
        seconds = seconds.checked_add(part.parse::<u32>().ok()?.into())?.checked_mul(60)?;
    }
    let rest = Duration::try_from_secs_f64(last.replace(',', ".").parse().ok()?).ok()?;
    Duration::from_secs(seconds).checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let check = |typed| moment(typed).map(|moment| moment.as_millis());
        assert_eq!(check("2.5"), Some(2500));
        assert_eq!(check(" 2,5 "), Some(2500));
        assert_eq!(check("1:30"), Some(90_000));
        assert_eq!(check("1:02:03.5"), Some(3_723_500));
        for odd in ["", ":", "a", "-1", "1:-3", "inf", "nan", "1:2:3:4", "99999999999:0", "1e400"] {
            assert_eq!(check(odd), None, "{odd}");
        }
    }
}
