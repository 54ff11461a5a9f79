//! `/studio/{id}/statistics`: how much of a video is watched.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use catalog::ids::VideoId;
use db::Timestamp;

use super::{Creator, parse};
use crate::{
    AppState,
    accounts::Visitor,
    audience::actions::{self, Statistics, count},
    calendar::DAY,
    pages::{
        admin::plot::{Drawing, Plot, Series, Shape},
        failure::Failure,
        frame::{Frame, page},
        text,
        typed::Typed,
    },
    texts::{Text, filters, text},
    videos::actions as videos,
};

#[derive(Template)]
#[template(path = "studio_statistics.html")]
struct StatisticsPage<'a> {
    frame: Frame,
    id: VideoId,
    title: String,
    spans: Vec<(u32, bool)>,
    days: u32,
    views: String,
    playbacks: Text,
    played: String,
    is_empty: bool,
    plots: Vec<Drawing<'a>>,
    retention: Option<Retention>,
}

/// How many of those who began have seen each part of the video, drawn over its length.
#[derive(Debug)]
struct Retention {
    /// The `d` of an SVG path.
    line: String,
    ticks: Vec<(String, String)>,
    rows: Vec<Row>,
}

/// A part of the video.
#[derive(Debug)]
struct Row {
    begins: String,
    playbacks: u64,
    percent: String,
}

const SPANS: [u32; 3] = [7, 30, 90];
const LEFT: f64 = 44.0;
const WIDTH: f64 = 308.0;
const TOP: f64 = 12.0;
const HEIGHT: f64 = 156.0;

/// The owner and administrators.
pub(super) async fn show(
    State(state): State<AppState>,
    Creator(caller): Creator,
    Path(id): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let video = videos::managed(&state, &caller, id).await?;
    let days = typed.choice("days").filter(|days| SPANS.contains(days)).unwrap_or(30);
    let found = actions::statistics(&state, &caller, id, days).await?;
    let plots = plots(&found);
    let shown = StatisticsPage {
        frame: Frame::new(&Visitor(Some(caller))),
        id,
        title: video.title.to_string(),
        spans: SPANS.iter().map(|span| (*span, *span == days)).collect(),
        days,
        views: text::views(found.views()),
        playbacks: text("statistics-times").count("count", found.playbacks()),
        played: text::length(found.played()),
        is_empty: found.views() == 0 && found.playbacks() == 0,
        plots: plots.iter().map(Drawing::new).collect(),
        retention: Retention::of(&found),
    };
    Ok(page(&state, StatusCode::OK, &shown))
}

fn plots(found: &Statistics) -> [Plot; 2] {
    let begins = |day: i64| Timestamp::from_unix_micros(day.saturating_mul(DAY).saturating_mul(1000));
    let plot = |id, title, description, unit, series| Plot {
        id,
        title: text(title).to_string(),
        description: text(description).to_string(),
        unit: text(unit).to_string(),
        shape: Shape::Bars,
        begins: found.days.iter().map(|day| begins(day.day)).collect(),
        bucket: Duration::from_secs(24 * 3600),
        series: vec![series],
    };
    let values = |of: fn(&actions::Day) -> f64| found.days.iter().map(|day| Some(of(day))).collect();
    [
        plot(
            "views",
            "statistics-views-title",
            "statistics-views-description",
            "statistics-views",
            Series { name: text("statistics-views").to_string(), values: values(|day| count(day.views)) },
        ),
        plot(
            "watched",
            "statistics-watched-title",
            "statistics-watched-description",
            "statistics-minutes",
            Series {
                name: text("statistics-watch-time").to_string(),
                values: values(|day| day.played.as_secs_f64() / 60.0),
            },
        ),
    ]
}

impl Retention {
    /// `None` before anybody has watched.
    fn of(found: &Statistics) -> Option<Self> {
        let shares: Option<Vec<f64>> = found.parts.iter().map(|part| found.share(*part)).collect();
        let shares = shares?;
        let step = WIDTH / count(u64::try_from(shares.len()).unwrap_or(1)).max(1.0);
        let mut line = String::new();
        let mut x = LEFT;
        for share in &shares {
            let y = TOP + HEIGHT * (1.0 - share / 100.0);
            let command = if line.is_empty() { 'M' } else { 'L' };
            line.push_str(&format!("{command}{x:.1} {y:.1}H{:.1}", x + step));
            x += step;
        }
        let quarters = [0_u32, 1, 2, 3, 4].map(|quarter| {
            let at = LEFT + WIDTH * f64::from(quarter) / 4.0;
            (format!("{at:.1}"), text::length(found.duration * quarter / 4))
        });
        let rows = found.parts.iter().zip(&shares).enumerate().map(|(part, (playbacks, share))| Row {
            begins: precise(found.begins(part)),
            playbacks: *playbacks,
            percent: format!("{share:.0} %"),
        });
        Some(Self { line, ticks: quarters.to_vec(), rows: rows.collect() })
    }
}

/// Parts of a short video last less than a second.
fn precise(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    let (minutes, seconds) = (tenths / 600, tenths % 600);
    format!("{minutes}:{:02}.{}", seconds / 10, seconds % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(playbacks: u64, parts: Vec<u64>) -> Statistics {
        let day = actions::Day { day: 0, views: 1, playbacks, played: Duration::from_secs(90) };
        Statistics { days: vec![day], parts, duration: Duration::from_secs(100) }
    }

    #[test]
    fn those_who_leave_are_seen_to_leave() {
        let found = statistics(4, vec![4, 2, 1, 5]);
        let retention = Retention::of(&found).expect("somebody has watched");
        let percents: Vec<_> = retention.rows.iter().map(|row| row.percent.as_str()).collect();
        assert_eq!(percents, ["100 %", "50 %", "25 %", "100 %"], "no part was watched by more than all");
        assert_eq!(retention.line, "M44.0 12.0H121.0L121.0 90.0H198.0L198.0 129.0H275.0L275.0 12.0H352.0");
        assert_eq!(retention.ticks[4], ("352.0".to_owned(), "1:40".to_owned()));
        assert!(Retention::of(&statistics(0, vec![0; 4])).is_none());
    }

    #[test]
    fn parts_of_short_videos_have_times_of_their_own() {
        assert_eq!(precise(Duration::from_millis(240)), "0:00.2");
        assert_eq!(precise(Duration::from_millis(61_500)), "1:01.5");
    }
}
