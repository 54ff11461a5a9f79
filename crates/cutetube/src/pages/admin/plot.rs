//! Plots as SVG: values over time, drawn here from plain numbers.
//!
//! Sizes are in units that are a pixel each on a phone of usual width, so that text stays legible there.

use std::time::Duration;

use askama::Template;
use db::Timestamp;

use super::super::text;
use crate::texts::filters;

/// Values over time.
#[derive(Debug, Clone)]
pub(in crate::pages) struct Plot {
    /// Unique on its page; lower-case letters.
    pub(in crate::pages) id: &'static str,
    pub(in crate::pages) title: String,
    /// What is seen, in a sentence, for those who do not see it.
    pub(in crate::pages) description: String,
    /// Of the values.
    pub(in crate::pages) unit: String,
    pub(in crate::pages) shape: Shape,
    /// When each bucket begins.
    pub(in crate::pages) begins: Vec<Timestamp>,
    /// How long a bucket is.
    pub(in crate::pages) bucket: Duration,
    pub(in crate::pages) series: Vec<Series>,
}

/// One thing that was measured.
#[derive(Debug, Clone)]
pub(in crate::pages) struct Series {
    pub(in crate::pages) name: String,
    /// For each bucket; none where nothing was measured.
    pub(in crate::pages) values: Vec<Option<f64>>,
}

/// How values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pages) enum Shape {
    /// Stacked bars: things that were counted.
    Bars,
    /// Lines with marks, broken where nothing was measured.
    Lines,
}

/// The picture, ready to be written.
#[derive(Template)]
#[template(path = "plot.html")]
pub(in crate::pages) struct Drawing<'a> {
    plot: &'a Plot,
    y_ticks: Vec<Tick>,
    x_ticks: Vec<Tick>,
    bars: Vec<Bar>,
    lines: Vec<Line>,
    rows: Vec<Row>,
}

struct Tick {
    at: String,
    label: String,
}

struct Bar {
    series: usize,
    x: String,
    y: String,
    width: String,
    height: String,
}

struct Line {
    series: usize,
    /// The `d` of an SVG path.
    path: String,
    marks: Vec<(String, String)>,
}

/// A bucket in the table.
struct Row {
    begins: String,
    values: Vec<String>,
}

const WIDTH: f64 = 360.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 168.0;

impl<'a> Drawing<'a> {
    pub(in crate::pages) fn new(plot: &'a Plot) -> Self {
        let buckets = plot.begins.len().max(1);
        let step = (WIDTH - LEFT - RIGHT) / count(buckets);
        let (top, ticks) = scale(highest(plot), plot.shape);
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / top;
        let x = |bucket: usize| LEFT + step * count(bucket);
        let y_ticks = ticks.into_iter().map(|value| Tick { at: coordinate(y(value)), label: figure(value) });
        let every = buckets.div_ceil(6);
        let x_ticks =
            plot.begins.iter().enumerate().step_by(every).map(|(bucket, begins)| Tick {
                at: coordinate(x(bucket)),
                label: moment(*begins, plot.bucket),
            });
        let (bars, lines) = match plot.shape {
            Shape::Bars => (bars(plot, step, x, y), Vec::new()),
            Shape::Lines => (Vec::new(), lines(plot, |bucket| x(bucket) + step / 2.0, y)),
        };
        Self { plot, y_ticks: y_ticks.collect(), x_ticks: x_ticks.collect(), bars, lines, rows: rows(plot) }
    }
}

fn bars(plot: &Plot, step: f64, x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> Vec<Bar> {
    let mut bars = Vec::new();
    let gap = (step * 0.15).min(2.0);
    for bucket in 0..plot.begins.len() {
        let mut below = 0.0;
        for (series, values) in plot.series.iter().enumerate() {
            let value = values.values.get(bucket).copied().flatten().unwrap_or(0.0);
            if value > 0.0 {
                bars.push(Bar {
                    series,
                    x: coordinate(x(bucket) + gap / 2.0),
                    y: coordinate(y(below + value)),
                    width: coordinate(step - gap),
                    height: coordinate(y(below) - y(below + value)),
                });
            }
            below += value;
        }
    }
    bars
}

fn lines(plot: &Plot, x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> Vec<Line> {
    let draw = |(series, values): (usize, &Series)| {
        let (mut path, mut marks, mut is_drawing) = (String::new(), Vec::new(), false);
        for (bucket, value) in values.values.iter().enumerate() {
            if let Some(value) = value {
                let at = (coordinate(x(bucket)), coordinate(y(*value)));
                let command = if is_drawing { 'L' } else { 'M' };
                path.push_str(&format!("{command}{} {}", at.0, at.1));
                marks.push(at);
            }
            is_drawing = value.is_some();
        }
        Line { series, path, marks }
    };
    plot.series.iter().enumerate().map(draw).collect()
}

fn rows(plot: &Plot) -> Vec<Row> {
    let row = |(bucket, begins): (usize, &Timestamp)| {
        let value = |series: &Series| series.values.get(bucket).copied().flatten();
        let values: Vec<Option<f64>> = plot.series.iter().map(value).collect();
        values.iter().any(|value| value.is_some_and(|value| value > 0.0)).then(|| Row {
            begins: format!("{} {}", text::day(*begins), text::clock(*begins)),
            values: values.iter().map(|value| value.map_or("–".to_owned(), figure)).collect(),
        })
    };
    plot.begins.iter().enumerate().filter_map(row).rev().collect()
}

/// The highest point that is drawn.
fn highest(plot: &Plot) -> f64 {
    let at =
        |bucket: usize| plot.series.iter().map(move |series| series.values.get(bucket).copied().flatten());
    let of_bucket = |bucket| match plot.shape {
        Shape::Bars => at(bucket).flatten().sum(),
        Shape::Lines => at(bucket).flatten().fold(0.0, f64::max),
    };
    (0..plot.begins.len()).map(of_bucket).fold(0.0, f64::max)
}

/// Where the axis ends, and its ticks: four at most beside zero, at numbers that people count by.
fn scale(highest: f64, shape: Shape) -> (f64, Vec<f64>) {
    // What is counted has no fractions.
    let least: f64 = if shape == Shape::Bars { 1.0 } else { 0.01 };
    let rough = (highest / 4.0).max(least / 4.0);
    let magnitude = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * magnitude).find(|step| *step >= rough);
    let step = step.unwrap_or(magnitude * 10.0).max(least);
    let mut ticks = vec![0.0];
    let mut top: f64 = 0.0;
    while top < highest || ticks.len() < 2 {
        top += step;
        ticks.push(top);
    }
    (top, ticks)
}

/// A moment on the axis: the time of day, and the day where buckets are long.
fn moment(at: Timestamp, bucket: Duration) -> String {
    if bucket > Duration::from_secs(3600) { text::day(at) } else { text::clock(at) }
}

/// A number with at most three figures behind it that mean something.
fn figure(value: f64) -> String {
    let decimals = match value {
        value if value >= 10.0 || value.fract() == 0.0 => 0,
        value if value >= 1.0 => 1,
        value if value >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plot(shape: Shape, series: Vec<Series>) -> Plot {
        let begins = (0..4).map(|bucket| Timestamp::from_unix_micros(bucket * 300_000_000)).collect();
        Plot {
            id: "jobs",
            title: "Jobs".to_owned(),
            description: "How many jobs ended.".to_owned(),
            unit: "jobs".to_owned(),
            shape,
            begins,
            bucket: Duration::from_secs(300),
            series,
        }
    }

    fn series(name: &'static str, values: [Option<f64>; 4]) -> Series {
        Series { name: name.to_owned(), values: values.to_vec() }
    }

    fn check(plot: &Plot) -> String {
        let html = Drawing::new(plot).render().expect("a template with plain values");
        html.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn bars_stand_on_each_other() {
        let done = series("done", [Some(3.0), None, Some(1.0), Some(7.0)]);
        let dead = series("dead", [None, None, Some(2.0), Some(1.0)]);
        insta::assert_snapshot!(check(&plot(Shape::Bars, vec![done, dead])));
    }

    #[test]
    fn lines_break_where_nothing_was_measured() {
        let half = series("half", [Some(0.25), Some(1.5), None, Some(2.0)]);
        insta::assert_snapshot!(check(&plot(Shape::Lines, vec![half])));
    }

    #[test]
    fn ticks_are_numbers_that_people_count_by() {
        let check =
            |highest, shape| scale(highest, shape).1.into_iter().map(figure).collect::<Vec<_>>().join(" ");
        assert_eq!(check(0.0, Shape::Bars), "0 1");
        assert_eq!(check(3.0, Shape::Bars), "0 1 2 3");
        assert_eq!(check(17.0, Shape::Bars), "0 5 10 15 20");
        assert_eq!(check(1234.0, Shape::Bars), "0 500 1000 1500");
        assert_eq!(check(0.3, Shape::Lines), "0 0.1 0.2 0.3");
    }

    proptest! {
        #[test]
        fn every_value_fits(highest in 0.0..1e12_f64) {
            for shape in [Shape::Bars, Shape::Lines] {
                let (top, ticks) = scale(highest, shape);
                prop_assert!(top >= highest && ticks.len() <= 7, "{ticks:?}");
            }
        }
    }
}
