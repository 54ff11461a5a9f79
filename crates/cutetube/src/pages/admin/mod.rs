//! `/admin/jobs`: what the queue is doing, for administrators. Others are told that there is nothing here.

mod configuration;
mod moderation;
mod people;
pub(super) mod picture;
pub(super) mod plot;
mod quality;
mod storage;

use std::collections::BTreeSet;
use std::time::Duration;

use askama::Template;
use axum::{
    Router,
    extract::{FromRequestParts, Path, Query, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use db::Timestamp;
use jobs::{Ended, JobId, JobSummary};
use serde::Deserialize;

use self::{
    picture::Picture,
    plot::{Drawing, Plot, Series, Shape},
};
use super::{
    failure::{Failure, to_log_in},
    frame::{Frame, plain},
    text,
};
use crate::{
    AppState,
    accounts::{Caller, Visitor},
    admin::actions::{self, JobDetails, Overview, Span, Statistics, Verb, VideoWork},
    playback::BaseUrl,
    texts::{Text, filters, text},
};

/// The pages, and the forms on them.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(DASHBOARD, get(dashboard))
        .route("/admin/jobs/{id}", get(job))
        .route("/admin/jobs/{id}/{verb}", post(decide))
        .route("/admin/jobs/videos/{id}", get(video))
        .route("/admin/queues/{queue}/pause", post(pause))
        .route("/admin/queues/{queue}/resume", post(resume))
        .merge(moderation::routes())
        .merge(people::routes())
        .merge(quality::routes())
        .merge(storage::routes())
        .merge(configuration::routes())
}

pub(super) const DASHBOARD: &str = "/admin/jobs";

/// Somebody who manages everything. Whoever is not signed in is sent to log in; for anybody else there is nothing.
struct Administrator(Caller);

impl FromRequestParts<AppState> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let caller = Caller::from_request_parts(parts, state).await;
        let caller = caller.map_err(|refused| to_log_in(refused, DASHBOARD))?;
        if caller.is_admin() { Ok(Self(caller)) } else { Err(Failure::not_found().into_response()) }
    }
}

#[derive(Template)]
#[template(path = "admin_jobs.html")]
struct DashboardPage<'a> {
    frame: Frame,
    overview: &'a Overview,
    spans: Vec<(&'static str, bool)>,
    kinds: Vec<(String, bool)>,
    span: &'static str,
    kind: String,
    plots: Vec<Drawing<'a>>,
}

#[derive(Template)]
#[template(path = "admin_job.html")]
struct JobPage<'a> {
    frame: Frame,
    details: &'a JobDetails,
    /// Why the last decision was not carried out.
    refusal: Option<Text>,
}

#[derive(Template)]
#[template(path = "admin_video.html")]
struct VideoPage<'a> {
    frame: Frame,
    work: &'a VideoWork,
    note: Option<String>,
    events: String,
    watch: String,
    picture: Option<Picture>,
}

#[derive(Deserialize)]
struct DashboardQuery {
    span: Option<String>,
    kind: Option<String>,
}

async fn dashboard(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Query(query): Query<DashboardQuery>,
) -> Result<Response, Failure> {
    let span = query.span.as_deref().and_then(|span| span.parse().ok()).unwrap_or(Span::Hours);
    let overview = actions::overview(&state.db).await?;
    let statistics = actions::statistics(&state.db, span).await?;
    let known: BTreeSet<&str> = statistics.ended.iter().map(|ended| ended.kind.as_str()).collect();
    let kind = query.kind.unwrap_or_else(|| "encode".to_owned());
    let plots = plots(&statistics, &kind);
    let page = DashboardPage {
        frame: Frame::new(&Visitor(Some(caller))),
        overview: &overview,
        spans: Span::ALL.iter().map(|other| (other.as_str(), *other == span)).collect(),
        kinds: known.into_iter().map(|other| (other.to_owned(), other == kind)).collect(),
        span: span.as_str(),
        kind,
        plots: plots.iter().map(Drawing::new).collect(),
    };
    Ok(plain(StatusCode::OK, &page))
}

async fn job(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    job_page(&state, caller, id, StatusCode::OK, None).await
}

async fn job_page(
    state: &AppState,
    caller: Caller,
    id: JobId,
    status: StatusCode,
    refusal: Option<Text>,
) -> Result<Response, Failure> {
    let details = actions::job(&state.db, id).await?.ok_or_else(Failure::not_found)?;
    let page = JobPage { frame: Frame::new(&Visitor(Some(caller))), details: &details, refusal };
    Ok(plain(status, &page))
}

async fn decide(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Path((id, verb)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let verb = match verb.as_str() {
        "retry" => Verb::Retry,
        "cancel" => Verb::Cancel,
        "expedite" => Verb::Expedite,
        _ => return Err(Failure::not_found()),
    };
    let refusal = match actions::decide(&state, &caller, verb, id).await {
        Ok(()) => return Ok(Redirect::to(&format!("{DASHBOARD}/{id}")).into_response()),
        Err(catalog::Error::JobState { .. } | catalog::Error::Refused(_)) => text("admin-job-too-late"),
        Err(error) => return Err(error.into()),
    };
    job_page(&state, caller, id, StatusCode::CONFLICT, Some(refusal)).await
}

async fn video(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| Failure::not_found())?;
    let work = actions::video_work(&state.db, id).await?.ok_or_else(Failure::not_found)?;
    let page = VideoPage {
        frame: Frame::new(&Visitor(Some(caller))),
        note: crate::processes::note(&work.process),
        events: BaseUrl::RELATIVE.process_events(work.process.video.process),
        watch: BaseUrl::RELATIVE.watch(id),
        picture: Picture::new(&work.pieces),
        work: &work,
    };
    Ok(plain(StatusCode::OK, &page))
}

async fn pause(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Path(queue): Path<String>,
) -> Result<Redirect, Failure> {
    actions::pause(&state, &caller, &existing(&state, queue).await?).await?;
    Ok(Redirect::to(DASHBOARD))
}

async fn resume(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Path(queue): Path<String>,
) -> Result<Redirect, Failure> {
    actions::resume(&state, &caller, &existing(&state, queue).await?).await?;
    Ok(Redirect::to(DASHBOARD))
}

async fn existing(state: &AppState, queue: String) -> Result<String, Failure> {
    let exists = actions::queues(&state.db).await?.iter().any(|other| other.name == queue);
    if exists { Ok(queue) } else { Err(Failure::not_found()) }
}

fn parse(id: &str) -> Result<JobId, Failure> {
    id.parse().map(JobId).map_err(|_| Failure::not_found())
}

/// What ended, and how long one kind of job took and waited.
fn plots(statistics: &Statistics, kind: &str) -> [Plot; 3] {
    let (bucket, _) = statistics.span.buckets();
    let every = text::span(bucket);
    let plot = |id, title: Text, description: Text, unit, shape, series| Plot {
        id,
        title: title.to_string(),
        description: description.to_string(),
        unit: text(unit).to_string(),
        shape,
        begins: statistics.begins.clone(),
        bucket,
        series,
    };
    let total = |of: fn(&Ended) -> u64| -> Vec<Option<f64>> {
        let sum = |begins: &Timestamp| {
            let at = statistics.ended.iter().filter(|ended| ended.begins == *begins);
            at.map(of).fold(0, u64::saturating_add)
        };
        statistics
            .begins
            .iter()
            .map(|begins| Some(f64::from(u32::try_from(sum(begins)).unwrap_or(u32::MAX))))
            .collect()
    };
    let time = |of: fn(&Ended) -> Duration| -> Vec<Option<f64>> {
        let at = |begins: &Timestamp| {
            statistics.ended.iter().find(|ended| ended.begins == *begins && ended.kind == kind)
        };
        statistics.begins.iter().map(|begins| at(begins).map(|ended| of(ended).as_secs_f64())).collect()
    };
    let series = |name, values| Series { name: text(name).to_string(), values };
    [
        plot(
            "ended",
            text("admin-jobs-ended").with("time", every),
            text("admin-jobs-ended-description"),
            "admin-jobs-unit",
            Shape::Bars,
            vec![
                series("admin-jobs-done", total(|ended| ended.done)),
                series("admin-jobs-given-up", total(|ended| ended.dead)),
            ],
        ),
        plot(
            "run",
            text("admin-jobs-run").with("kind", kind),
            text("admin-jobs-run-description"),
            "plot-seconds",
            Shape::Lines,
            vec![
                series("plot-median", time(|ended| ended.run_p50)),
                series("plot-95", time(|ended| ended.run_p95)),
            ],
        ),
        plot(
            "wait",
            text("admin-jobs-wait").with("kind", kind),
            text("admin-jobs-wait-description"),
            "plot-seconds",
            Shape::Lines,
            vec![
                series("plot-median", time(|ended| ended.wait_p50)),
                series("plot-95", time(|ended| ended.wait_p95)),
            ],
        ),
    ]
}

/// What people call a state.
fn state_word(state: jobs::State) -> Text {
    match state {
        jobs::State::Ready => text("admin-jobs-waiting"),
        jobs::State::Running => text("admin-jobs-running"),
        jobs::State::Done => text("admin-jobs-done"),
        jobs::State::Dead => text("admin-jobs-given-up"),
        jobs::State::Cancelled => text("admin-jobs-cancelled"),
    }
}

/// How far the present attempt is, where its job counts units.
fn percent_of(job: &JobSummary) -> Option<u8> {
    let percent = (u128::from(job.units_done) * 100).checked_div(u128::from(job.units_total))?;
    u8::try_from(percent.min(100)).ok()
}

/// How long ago, or how long something that began then has lasted.
fn since(now: &Timestamp, then: &Timestamp) -> String {
    let micros = now.unix_micros().saturating_sub(then.unix_micros());
    text::span(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

/// The first line of an error: what happened. The others are what a program said last.
fn first_line(error: &str) -> &str {
    error.lines().next().unwrap_or_default()
}

/// How long an attempt has taken, or took.
fn run_time(job: &JobSummary, now: &Timestamp) -> Option<String> {
    Some(since(job.finished_at.as_ref().unwrap_or(now), job.started_at.as_ref()?))
}
