//! `/admin/quality`: how well videos play, for administrators.

use std::time::Duration;

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use catalog::quality::Quality;
use db::Timestamp;
use serde::Deserialize;

use super::{
    Administrator,
    plot::{Drawing, Plot, Series, Shape},
};
use crate::{
    AppState,
    accounts::Visitor,
    pages::{
        failure::Failure,
        frame::{Frame, plain},
    },
    quality::actions::{self, Overview},
    texts::{Text, filters, text},
};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/quality", get(quality))
}

#[derive(Template)]
#[template(path = "admin_quality.html")]
struct QualityPage<'a> {
    frame: Frame,
    keep: u32,
    days: u32,
    spans: Vec<(u32, bool)>,
    /// What links to other spans end with, so that they are about the same video.
    only: String,
    /// Of the only video that this is about.
    title: Option<String>,
    plots: Vec<Drawing<'a>>,
    tables: [Table; 2],
}

/// Playbacks by something.
struct Table {
    id: &'static str,
    title: Text,
    of: Text,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    link: Option<String>,
    values: [String; 9],
}

#[derive(Deserialize)]
struct QualityQuery {
    days: Option<u32>,
    video: Option<String>,
}

const SPANS: [u32; 3] = [7, 30, 90];
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn quality(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    Query(query): Query<QualityQuery>,
) -> Result<Response, Failure> {
    let days = query.days.filter(|days| SPANS.contains(days)).unwrap_or(30);
    let video = query.video.as_deref().map(str::parse).transpose().map_err(|_| Failure::not_found())?;
    let overview = actions::overview(&state, days, video).await?;
    let plots = plots(&overview);
    let chosen = video.and_then(|id| overview.videos.iter().find(|(_, video)| video.id == id));
    let page = QualityPage {
        frame: Frame::new(&Visitor(Some(caller))),
        keep: state.config.delivery.quality_days,
        days,
        spans: SPANS.iter().map(|span| (*span, *span == days)).collect(),
        only: video.map(|id| format!("&video={id}")).unwrap_or_default(),
        title: chosen.map(|(_, video)| video.title.to_string()),
        plots: plots.iter().map(Drawing::new).collect(),
        tables: tables(&overview, days),
    };
    Ok(plain(StatusCode::OK, &page))
}

/// From the first day on which something was played to the last one.
fn plots(overview: &Overview) -> [Plot; 3] {
    let first = overview.days.first().map_or(0, |day| day.part);
    let last = overview.days.last().map_or(0, |day| day.part);
    let numbers: Vec<u64> = if overview.days.is_empty() { Vec::new() } else { (first..=last).collect() };
    let begins = |day: &u64| {
        let seconds = i64::try_from(day.saturating_mul(DAY.as_secs())).unwrap_or(i64::MAX);
        Timestamp::from_unix_micros(seconds.saturating_mul(1_000_000))
    };
    let begins: Vec<Timestamp> = numbers.iter().map(begins).collect();
    let values = |of: fn(&Quality) -> Option<f64>| -> Vec<Option<f64>> {
        let at = |day: &u64| overview.days.iter().find(|quality| quality.part == *day);
        numbers.iter().map(|day| at(day).and_then(of)).collect()
    };
    let plot = |id, title, description, unit, shape, series| Plot {
        id,
        title: text(title).to_string(),
        description: text(description).to_string(),
        unit: text(unit).to_string(),
        shape,
        begins: begins.clone(),
        bucket: DAY,
        series,
    };
    let series = |name, of| Series { name: text(name).to_string(), values: values(of) };
    [
        plot(
            "playbacks",
            "admin-quality-per-day",
            "admin-quality-per-day-description",
            "admin-quality-playbacks",
            Shape::Bars,
            vec![
                series("admin-quality-started", |quality| Some(count(quality.started))),
                series("admin-quality-unstarted", |quality| Some(count(unstarted(quality)))),
            ],
        ),
        plot(
            "startup",
            "admin-quality-first",
            "admin-quality-first-description",
            "plot-seconds",
            Shape::Lines,
            vec![
                series("plot-median", |quality| quality.startup_p50.map(|time| time.as_secs_f64())),
                series("plot-95", |quality| quality.startup_p95.map(|time| time.as_secs_f64())),
            ],
        ),
        plot(
            "waiting",
            "admin-quality-waiting",
            "admin-quality-waiting-description",
            "plot-percent",
            Shape::Lines,
            vec![series("admin-quality-waited", |quality| Some(share(quality)))],
        ),
    ]
}

fn tables(overview: &Overview, days: u32) -> [Table; 2] {
    let rung = |quality: &Quality| Row {
        name: if quality.part == 0 {
            text("admin-quality-no-picture").to_string()
        } else {
            format!("{}p", quality.part)
        },
        link: None,
        values: figures(quality),
    };
    let video = |(quality, video): &(Quality, catalog::videos::Video)| Row {
        name: video.title.to_string(),
        link: Some(format!("?days={days}&video={}", video.id)),
        values: figures(quality),
    };
    [
        Table {
            id: "rungs",
            title: text("common-by-rung"),
            of: text("common-rung"),
            rows: overview.rungs.iter().map(rung).collect(),
        },
        Table {
            id: "videos",
            title: text("common-by-video"),
            of: text("common-video"),
            rows: overview.videos.iter().map(video).collect(),
        },
    ]
}

/// In the order of the table's head.
fn figures(quality: &Quality) -> [String; 9] {
    let seconds = |time: Option<Duration>| {
        time.map_or_else(|| "–".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
    };
    [
        quality.playbacks.to_string(),
        unstarted(quality).to_string(),
        quality.failed.to_string(),
        seconds(quality.startup_p50),
        seconds(quality.startup_p95),
        seconds(Some(quality.rebuffering_p50)),
        seconds(Some(quality.rebuffering_p95)),
        format!("{:.2} %", share(quality)),
        quality.switches.to_string(),
    ]
}

fn unstarted(quality: &Quality) -> u64 {
    quality.playbacks.saturating_sub(quality.started)
}

/// In percent.
fn share(quality: &Quality) -> f64 {
    let waited = quality.rebuffering.as_secs_f64();
    let all = waited + quality.played.as_secs_f64();
    if all > 0.0 { 100.0 * waited / all } else { 0.0 }
}

fn count(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}
