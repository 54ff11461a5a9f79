//! `/studio`: somebody's own videos, in whatever state, and what can be done about them.

mod captions;
mod deletion;
mod editing;
mod poster;
mod processing;
mod statistics;

use askama::Template;
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts, State},
    http::{StatusCode, request::Parts},
    middleware::from_fn,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use catalog::{
    VideoState,
    browse::{self, Filter, Order, Place},
    ids::VideoId,
    processes::{self, Process},
    search::{Terms, Viewer},
    videos::Visibility,
    views,
};

use super::{
    failure::{Failure, to_log_in},
    frame::{Frame, page},
    search::{Choice, choices},
    text,
    typed::{Typed, address},
};
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    http::drain_refused,
    playback::{BaseUrl, MediaUrls},
    texts::{Text, filters, text},
    videos::{
        actions::{self, ManageError},
        poster::LONGEST,
    },
};

/// The list, and the pages of one video.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(STUDIO, get(list).post(change))
        .route("/studio/delete", get(deletion::confirm).post(deletion::delete))
        .route("/studio/{id}", get(editing::form).post(editing::save))
        .route("/studio/{id}/retry", post(editing::retry))
        .route("/studio/{id}/comments", post(editing::open_or_close))
        .route("/studio/{id}/captions", captions::route())
        .route("/studio/{id}/captions/{language}/remove", post(captions::remove))
        .route("/studio/{id}/processing", get(processing::show))
        .route("/studio/{id}/statistics", get(statistics::show))
        .route("/studio/{id}/poster", get(poster::form).post(poster::take))
        .route("/studio/{id}/poster/withdraw", post(poster::withdraw))
        .route(
            "/studio/{id}/poster/picture",
            post(poster::send).layer(DefaultBodyLimit::max(LONGEST_FORM)).layer(from_fn(drain_refused)),
        )
}

/// In bytes: the longest picture, and what the form has around it.
const LONGEST_FORM: usize = LONGEST + (16 << 10);

const STUDIO: &str = "/studio";

/// Videos on one page, and so in one form.
const LISTED: u32 = 20;

/// Somebody who is signed in. Others are sent to log in, and come back.
struct Creator(Caller);

impl FromRequestParts<AppState> for Creator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let caller = Caller::from_request_parts(parts, state).await;
        caller.map(Self).map_err(|refused| to_log_in(refused, parts.uri.path()))
    }
}

/// The video that an address names.
fn parse(id: &str) -> Result<VideoId, Failure> {
    id.parse().map_err(|_| Failure::not_found())
}

#[derive(Template)]
#[template(path = "studio.html")]
struct StudioPage {
    frame: Frame,
    rows: Vec<Row>,
    /// What it is narrowed down to.
    text: String,
    states: Vec<Choice>,
    visibilities: Vec<Choice>,
    is_narrow: bool,
    /// The same in the form of the list, so that whoever sends it comes back to where they were.
    narrowed: Vec<(&'static str, String)>,
    /// What was done last.
    done: Option<Text>,
    /// Why nothing was done.
    refusal: Option<Text>,
    /// Where the list goes on.
    next: Option<String>,
}

/// A video of the list.
struct Row {
    id: VideoId,
    title: String,
    path: String,
    poster: Option<String>,
    facts: Vec<String>,
    visibility: Visibility,
    condition: Condition,
}

/// How a video is, as `templates/condition.html` shows it.
pub(super) struct Condition {
    word: Text,
    is_failed: bool,
    /// While it is being prepared.
    percent: Option<u8>,
    /// What is going on, or why it failed.
    sentence: Option<String>,
}

db::text_enum! {
    /// What can be done about several videos at once.
    enum Deed {
        Public = "public",
        Unlisted = "unlisted",
        Private = "private",
        Delete = "delete",
    }
}

/// Whoever is signed in, for their own videos.
async fn list(
    State(state): State<AppState>,
    Creator(caller): Creator,
    typed: Typed,
) -> Result<Response, Failure> {
    show(&state, &caller, StatusCode::OK, &typed, None).await
}

/// The owner of each, and administrators. What is somebody else's is left as it is.
async fn change(
    State(state): State<AppState>,
    Creator(caller): Creator,
    typed: Typed,
) -> Result<Response, Failure> {
    let refuse = async |sentence| {
        show(&state, &caller, StatusCode::UNPROCESSABLE_ENTITY, &typed, Some(sentence)).await
    };
    let Some(visibility) = typed.choice::<Visibility>("deed") else {
        return refuse(text("studio-choose-deed")).await;
    };
    let ids = chosen(&typed);
    if ids.is_empty() {
        return refuse(text("studio-tick")).await;
    }
    let changed = actions::set_visibility(&state, &caller, &ids, visibility).await?;
    let deed = match visibility {
        Visibility::Public => Deed::Public,
        Visibility::Unlisted => Deed::Unlisted,
        Visibility::Private => Deed::Private,
    };
    Ok(back(&typed, deed, changed))
}

/// The videos that are ticked.
fn chosen(typed: &Typed) -> Vec<VideoId> {
    let most = usize::try_from(LISTED).unwrap_or(usize::MAX);
    typed.all("id").filter_map(|id| id.parse().ok()).take(most).collect()
}

/// To the list, which says what was done.
fn back(typed: &Typed, deed: Deed, count: usize) -> Response {
    let narrowed = narrowed(typed);
    let mut query: Vec<(&str, &str)> = narrowed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let count = count.to_string();
    query.extend([("done", deed.as_str()), ("count", &count)]);
    Redirect::to(&address(STUDIO, &query)).into_response()
}

/// What the list is narrowed down to.
fn narrowed(typed: &Typed) -> Vec<(&'static str, String)> {
    ["q", "state", "visibility"].map(|name| (name, typed.get(name).to_owned())).to_vec()
}

async fn show(
    state: &AppState,
    caller: &Caller,
    status: StatusCode,
    typed: &Typed,
    refusal: Option<Text>,
) -> Result<Response, Failure> {
    let (stage, visibility): (Option<VideoState>, Option<Visibility>) =
        (typed.choice("state"), typed.choice("visibility"));
    let filter = Filter {
        owner: Some(caller.user.id),
        state: stage,
        visibility,
        terms: Terms::parse(typed.get("q")),
        ..Filter::default()
    };
    let place = typed.choice("after").filter(|place: &Place| place.order() == Order::Newest);
    let place = place.unwrap_or_else(|| Place::start(Order::Newest));
    let viewer = Viewer::User(caller.user.id);
    let (videos, next) = browse::browse(&state.db, viewer, &filter, place, LISTED).await?;
    let processes = processes::of(&state.db, videos).await?;
    let ids: Vec<VideoId> = processes.iter().map(|process| process.video.id).collect();
    let watched = views::totals(&state.db, &ids).await?;
    let row = |process: &Process| Row::new(state, process, views::of(&watched, process.video.id));
    let narrowed = narrowed(typed);
    let after = |next: Place| {
        let next = next.to_string();
        let mut query: Vec<(&str, &str)> =
            narrowed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        query.push(("after", &next));
        address(STUDIO, &query)
    };
    let studio = StudioPage {
        frame: Frame::new(&Visitor(Some(caller.clone()))),
        rows: processes.iter().map(row).collect(),
        text: typed.get("q").to_owned(),
        states: choices(&SHOWN, stage, VideoState::as_str, word),
        visibilities: choices(Visibility::ALL, visibility, Visibility::as_str, visibility_label),
        is_narrow: stage.is_some() || visibility.is_some() || filter.terms.is_some(),
        next: next.map(after),
        narrowed,
        done: done(typed),
        refusal,
    };
    Ok(page(state, status, &studio))
}

/// States that a list shows.
const SHOWN: [VideoState; 4] =
    [VideoState::Uploaded, VideoState::Processing, VideoState::Ready, VideoState::Failed];

/// What was done last, as the address of the page says.
fn done(typed: &Typed) -> Option<Text> {
    let (deed, count): (Deed, u32) = (typed.choice("done")?, typed.choice("count")?);
    let done = match deed {
        Deed::Public => text("studio-now-public"),
        Deed::Unlisted => text("studio-now-unlisted"),
        Deed::Private => text("studio-now-private"),
        Deed::Delete => text("studio-now-deleted"),
    };
    Some(done.count("count", count))
}

impl Row {
    fn new(state: &AppState, process: &Process, views: u64) -> Self {
        let video = &process.video;
        let urls = MediaUrls::origin(state, &BaseUrl::RELATIVE, video);
        let duration = video.duration().map(text::length);
        Self {
            id: video.id,
            title: video.title.to_string(),
            path: studio_path(video.id),
            poster: urls.map(|urls| urls.poster(video)),
            facts: duration.into_iter().chain([text::date(video.created_at), text::views(views)]).collect(),
            visibility: video.visibility,
            condition: Condition::new(process),
        }
    }
}

impl Condition {
    fn new(process: &Process) -> Self {
        let video = &process.video;
        let is_open = !process.is_final();
        Self {
            word: word(video.state),
            is_failed: video.state == VideoState::Failed,
            percent: is_open.then(|| process.percent()),
            sentence: video.error.clone().or_else(|| crate::processes::note(process)),
        }
    }
}

/// The page of one video.
pub(super) fn studio_path(id: VideoId) -> String {
    format!("{STUDIO}/{id}")
}

/// What people call a state.
fn word(state: VideoState) -> Text {
    match state {
        VideoState::Uploaded => text("studio-waiting"),
        VideoState::Processing => text("studio-preparing"),
        VideoState::Ready => text("studio-ready"),
        VideoState::Failed => text("studio-failed"),
        VideoState::Deleting => text("studio-deleting"),
    }
}

fn visibility_label(visibility: Visibility) -> Text {
    match visibility {
        Visibility::Public => text("studio-public"),
        Visibility::Unlisted => text("studio-unlisted"),
        Visibility::Private => text("studio-private"),
    }
}

/// What is somebody else's is answered like what does not exist.
impl From<ManageError> for Failure {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::NoVideo | ManageError::NotYours => Self::not_found(),
            error => Self::internal(&error),
        }
    }
}
