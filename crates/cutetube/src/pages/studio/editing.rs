//! `/studio/{id}`: what is said about one video, who may see it, and what became of it.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use catalog::{
    captions, comments,
    ids::VideoId,
    names::{Description, FieldErrors, Tags, Title},
    videos::{DownloadRule, Edit, Protection, Video, Visibility},
    views::DayOfViews,
};
use db::Timestamp;

use super::{Condition, Creator, parse, studio_path, visibility_label};
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    calendar::DAY,
    comments::actions as discussion,
    pages::{
        cards::ChannelLink,
        failure::Failure,
        frame::{Frame, page},
        search::{Choice, choices},
        text,
        typed::Typed,
    },
    playback::{BaseUrl, MediaUrls},
    texts::{Text, filters, text},
    videos::{
        IfMatch,
        actions::{self, ManageError},
    },
    views::actions as views,
};

#[derive(Template)]
#[template(path = "studio_video.html")]
struct VideoPage {
    frame: Frame,
    id: VideoId,
    title: String,
    watch: String,
    poster: Option<String>,
    facts: Vec<(Text, String)>,
    /// Absent before the first.
    views: Option<String>,
    /// Those of the last 30 on which somebody watched, the latest first.
    days: Vec<ViewDay>,
    condition: Condition,
    has_failed: bool,
    /// In which languages, by their names.
    captions: String,
    /// Whether anything may be said about it.
    comments_open: bool,
    warnings: Vec<String>,
    /// Absent for one's own.
    owner: Option<ChannelLink>,
    form: EditForm,
    /// What was done last.
    done: Option<Text>,
}

/// How often it was watched on a day.
struct ViewDay {
    date: String,
    views: u64,
}

/// The form as it was filled in, and what is wrong with it.
struct EditForm {
    title: String,
    description: String,
    tags: String,
    visibilities: Vec<Choice>,
    downloads: Vec<Choice>,
    is_protected: bool,
    /// What it was filled in from.
    version: u64,
    errors: FieldErrors,
    /// Why nothing was changed, when it is not about a field.
    refusal: Option<Text>,
}

db::text_enum! {
    /// What was done last.
    enum Done {
        Saved = "saved",
        Retried = "retried",
        Opened = "opened",
        Closed = "closed",
    }
}

/// The owner and administrators.
pub(super) async fn form(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let done = typed.choice("done").map(|done| match done {
        Done::Saved => text("studio-saved"),
        Done::Retried => text("studio-retried"),
        Done::Opened => text("studio-opened"),
        Done::Closed => text("studio-closed"),
    });
    show(&state, &caller, id, StatusCode::OK, EditForm::of, done).await
}

/// The owner and administrators.
pub(super) async fn save(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    // Before anything is said about what was typed.
    actions::managed(&state, &caller, id).await?;
    let edit = match read(&typed) {
        Ok(edit) => edit,
        Err(errors) => {
            let filled_in = |video: &Video| EditForm { errors, ..EditForm::typed(video, &typed) };
            return show(&state, &caller, id, StatusCode::UNPROCESSABLE_ENTITY, filled_in, None).await;
        }
    };
    let seen = typed.choice("version").map_or(IfMatch::Any, |version| IfMatch::Versions(vec![version]));
    match actions::edit(&state, &caller, id, &edit, &seen).await {
        Ok(()) => Ok(Redirect::to(&format!("{}?done={}", studio_path(id), Done::Saved)).into_response()),
        Err(ManageError::Changed) => {
            let refusal = Some(text("studio-changed"));
            let filled_in = |video: &Video| {
                // Whoever saves again has been told.
                EditForm { refusal, version: video.version, ..EditForm::typed(video, &typed) }
            };
            show(&state, &caller, id, StatusCode::CONFLICT, filled_in, None).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The owner and administrators.
pub(super) async fn retry(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    match actions::retry(&state, &caller, id).await {
        Ok(()) => Ok(Redirect::to(&format!("{}?done={}", studio_path(id), Done::Retried)).into_response()),
        Err(ManageError::Refused(_)) => {
            let refusal = Some(text("studio-not-failed"));
            let form = |video: &Video| EditForm { refusal, ..EditForm::of(video) };
            show(&state, &caller, id, StatusCode::CONFLICT, form, None).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The owner and administrators.
pub(super) async fn open_or_close(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let done: Done = typed.choice("comments").ok_or_else(Failure::not_found)?;
    discussion::set_open(&state, &caller, id, done == Done::Opened).await?;
    Ok(Redirect::to(&format!("{}?done={done}", studio_path(id))).into_response())
}

/// Everything that is wrong is said at once.
fn read(typed: &Typed) -> Result<Edit, FieldErrors> {
    let mut errors = FieldErrors::default();
    let edit = Edit {
        title: errors.keep("title", Title::parse(typed.get("title"))),
        description: errors.keep("description", Description::parse(typed.get("description"))),
        tags: errors.keep("tags", Tags::parse_line(typed.get("tags"))),
        visibility: errors.keep("visibility", Visibility::parse(typed.get("visibility"))),
        downloads: errors.keep("downloads", DownloadRule::parse(typed.get("downloads"))),
    };
    if errors.is_empty() { Ok(edit) } else { Err(errors) }
}

async fn show(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
    status: StatusCode,
    form: impl FnOnce(&Video) -> EditForm,
    done: Option<Text>,
) -> Result<Response, Failure> {
    let visitor = Visitor(Some(caller.clone()));
    let details = actions::details(state, &visitor, id).await?;
    let details = details.filter(|details| caller.may_manage(details.video().owner));
    let details = details.ok_or_else(Failure::not_found)?;
    let video = details.video();
    let captions = captions::of(&state.db, id).await?;
    let statistics = views::statistics_of(state, id).await?;
    let owner = match video.owner == caller.user.id {
        true => None,
        false => catalog::accounts::user(&state.db, video.owner).await?,
    };
    let urls = MediaUrls::origin(state, &BaseUrl::RELATIVE, video).filter(|_| details.has_poster);
    let shown = VideoPage {
        frame: Frame::new(&visitor),
        id,
        title: video.title.to_string(),
        watch: BaseUrl::RELATIVE.watch(id),
        poster: urls.map(|urls| urls.poster(video)),
        facts: facts(video),
        views: (statistics.total > 0).then(|| text::views(statistics.total)),
        days: statistics.days.iter().rev().map(ViewDay::new).collect(),
        condition: Condition::new(&details.process),
        has_failed: video.error.is_some(),
        captions: captions.iter().map(|track| track.label.as_str()).collect::<Vec<_>>().join(", "),
        comments_open: comments::are_open(&state.db, id).await?,
        warnings: video.warnings.clone(),
        owner: owner.as_ref().map(ChannelLink::new),
        form: form(video),
        done,
    };
    Ok(page(state, status, &shown))
}

fn facts(video: &Video) -> Vec<(Text, String)> {
    let protection = match video.protection {
        Protection::None => text("studio-protection-none"),
        Protection::Cenc => text("studio-protection-cenc"),
        Protection::Cbcs => text("studio-protection-cbcs"),
    };
    let duration = video.duration().map(|duration| (text("common-length"), text::length(duration)));
    let file =
        format!("{}.{}, {}", video.source.name, video.source.extension, text::size(video.source.bytes));
    let uploaded = text::date(video.created_at);
    duration
        .into_iter()
        .chain([
            (text("common-uploaded"), uploaded),
            (text("common-file"), file),
            (text("studio-protection"), protection.to_string()),
        ])
        .collect()
}

impl ViewDay {
    fn new(day: &DayOfViews) -> Self {
        let begins = Timestamp::from_unix_micros(day.day.saturating_mul(DAY).saturating_mul(1000));
        Self { date: text::date(begins), views: day.views }
    }
}

impl EditForm {
    /// As the video is.
    fn of(video: &Video) -> Self {
        Self {
            title: video.title.to_string(),
            description: video.description.to_string(),
            tags: video.tags.iter().collect::<Vec<_>>().join(", "),
            visibilities: visibilities(Some(video.visibility)),
            downloads: downloads(Some(video.downloads)),
            is_protected: video.protection != Protection::None,
            version: video.version,
            errors: FieldErrors::default(),
            refusal: None,
        }
    }

    /// As it was filled in.
    fn typed(video: &Video, typed: &Typed) -> Self {
        let field = |name| typed.get(name).to_owned();
        Self {
            title: field("title"),
            description: field("description"),
            tags: field("tags"),
            visibilities: visibilities(typed.choice("visibility")),
            downloads: downloads(typed.choice("downloads")),
            version: typed.choice("version").unwrap_or(video.version),
            ..Self::of(video)
        }
    }
}

fn visibilities(chosen: Option<Visibility>) -> Vec<Choice> {
    choices(Visibility::ALL, chosen, Visibility::as_str, visibility_label)
}

fn downloads(chosen: Option<DownloadRule>) -> Vec<Choice> {
    choices(DownloadRule::ALL, chosen, DownloadRule::as_str, |rule| match rule {
        DownloadRule::Default => text("studio-downloads-default"),
        DownloadRule::None => text("studio-downloads-nothing"),
        DownloadRule::Renditions => text("studio-downloads-renditions"),
        DownloadRule::OriginalToo => text("studio-downloads-original"),
    })
}
