//! The pieces of one video as a picture: its timeline from left to right, a row for each rendition.

use askama::Template;
use catalog::work::Work;
use jobs::State;

use crate::{
    admin::actions::Piece,
    texts::{Text, filters, text},
};

/// The picture, ready to be written.
#[derive(Template)]
#[template(path = "picture.html")]
pub(in crate::pages) struct Picture {
    width: u32,
    height: u32,
    rows: Vec<Row>,
    ticks: Vec<Tick>,
    description: String,
}

struct Row {
    name: String,
    y: u32,
    cells: Vec<Cell>,
}

/// One piece of one rendition.
struct Cell {
    x: u32,
    width: u32,
    /// The state as a class of the style sheet.
    state: &'static str,
    /// Seen where there is room.
    letter: Option<Text>,
    /// How much of the width is done.
    done: u32,
    title: String,
}

struct Tick {
    x: u32,
    label: u32,
}

const LEFT: u32 = 64;
const TOP: u32 = 8;
const ROW: u32 = 30;
pub(super) const CELL: u32 = 24;
const WIDEST: u32 = 640;

impl Picture {
    /// `None` before there is anything to draw.
    pub(in crate::pages) fn new(pieces: &[Piece]) -> Option<Self> {
        let segments =
            pieces.iter().filter_map(|piece| Some(segments_of(piece)?.end)).max().unwrap_or(1).max(1);
        // Narrow enough for a short video to be seen whole, wide enough for a long one to be told apart.
        let unit = (WIDEST / segments).clamp(4, 48);
        let mut names: Vec<String> = pieces.iter().flat_map(renditions_of).collect();
        names.sort_by_key(|name| {
            (name.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0_u32), name.clone())
        });
        names.dedup();
        // The largest picture is on top, the sound at the bottom.
        names.reverse();
        if names.is_empty() {
            return None;
        }
        let row = |(index, name): (usize, String)| {
            let y = TOP + ROW * u32::try_from(index).unwrap_or(u32::MAX / ROW / 2);
            let of_row = pieces.iter().filter(|piece| renditions_of(piece).contains(&name));
            let cells = of_row.map(|piece| Cell::new(piece, &name, segments, unit)).collect();
            Row { name, y, cells }
        };
        let rows: Vec<Row> = names.into_iter().enumerate().map(row).collect();
        let height = TOP + ROW * u32::try_from(rows.len()).unwrap_or(1) + 24;
        let every = (segments.div_ceil(10)).max(40_u32.div_ceil(unit));
        let step = usize::try_from(every).unwrap_or(1);
        let ticks = (0..segments).step_by(step).map(|label| Tick { x: LEFT + label * unit, label }).collect();
        Some(Self { width: LEFT + segments * unit + 16, height, rows, ticks, description: describe(pieces) })
    }
}

impl Cell {
    fn new(piece: &Piece, name: &str, all: u32, unit: u32) -> Self {
        let (segments, job) = (segments_of(piece), &piece.job);
        let (start, end) = segments.map_or((0, all), |segments| (segments.start, segments.end));
        let width = end.saturating_sub(start).saturating_mul(unit).saturating_sub(1).max(1);
        let percent = super::percent_of(job);
        let done =
            if job.state == State::Running { width * u32::from(percent.unwrap_or(0)) / 100 } else { 0 };
        let (state, letter) = look(job.state);
        let progress = percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
        Self {
            x: LEFT + start * unit,
            width,
            state,
            letter: (width >= 14).then_some(letter),
            done,
            title: text("picture-cell")
                .with("rendition", name)
                .with("first", start)
                .with("last", end.saturating_sub(1))
                .with("state", super::state_word(job.state))
                .to_string()
                + &progress,
        }
    }
}

/// Class and letter of a state. Every state has a pattern of its own as well as a colour.
fn look(state: State) -> (&'static str, Text) {
    match state {
        State::Ready => ("waits", text("picture-waits-letter")),
        State::Running => ("runs", text("picture-runs-letter")),
        State::Done => ("done", text("picture-done-letter")),
        State::Dead => ("dead", text("picture-dead-letter")),
        State::Cancelled => ("cancelled", text("picture-cancelled-letter")),
    }
}

fn segments_of(piece: &Piece) -> Option<std::ops::Range<u32>> {
    match &piece.work {
        Work::Encode(job) => Some(job.segments.clone()),
        _ => None,
    }
}

fn renditions_of(piece: &Piece) -> Vec<String> {
    match &piece.work {
        Work::Encode(job) => job.rungs.iter().map(ToString::to_string).collect(),
        Work::Audio(job) => vec![job.rendition.to_string()],
        _ => Vec::new(),
    }
}

fn describe(pieces: &[Piece]) -> String {
    let drawn = |state| {
        pieces.iter().filter(|piece| piece.job.state == state && !renditions_of(piece).is_empty()).count()
    };
    let said: Vec<String> = State::ALL
        .iter()
        .filter(|state| drawn(**state) > 0)
        .map(|state| {
            text("picture-count")
                .count("count", drawn(*state))
                .with("state", super::state_word(*state))
                .to_string()
        })
        .collect();
    text("picture-description").with("counts", said.join(", ")).to_string()
}

#[cfg(test)]
mod tests {
    use catalog::work::{AudioJob, Class, EncodeJob};
    use db::Timestamp;
    use jobs::{JobId, JobSummary};

    use super::*;

    fn piece(id: i64, state: State, work: Work) -> Piece {
        let at = Timestamp::from_unix_micros(0);
        let job = JobSummary {
            id: JobId(id),
            queue: "pipeline".to_owned(),
            kind: work.kind().to_owned(),
            owner: String::new(),
            job_group: None,
            priority: 0,
            state,
            attempt: 1,
            max_attempts: 25,
            failures: 0,
            max_failures: 5,
            units_done: 1,
            units_total: 4,
            error: None,
            worker: None,
            created_at: at,
            run_at: at,
            started_at: None,
            lease_until: None,
            finished_at: None,
        };
        Piece { job, work }
    }

    #[test]
    fn each_piece_is_where_it_belongs_and_says_how_it_is() {
        let video: catalog::ids::VideoId = "01234567-89ab-7def-8123-456789abcdef".parse().unwrap();
        let revision = catalog::ids::Revision::FIRST;
        let rungs: Vec<catalog::ids::RenditionId> = vec!["360p".parse().unwrap(), "1080p".parse().unwrap()];
        let chunk = |segments| {
            Work::Encode(EncodeJob { video, revision, segments, rungs: rungs.clone(), class: Class::Normal })
        };
        let sound = Work::Audio(AudioJob { video, revision, rendition: "audio".parse().unwrap() });
        let pieces = [
            piece(1, State::Done, chunk(0..2)),
            piece(2, State::Running, chunk(2..4)),
            piece(3, State::Ready, chunk(4..5)),
            piece(4, State::Dead, sound),
        ];
        let html = Picture::new(&pieces).unwrap().render().unwrap();
        insta::assert_snapshot!(
            html.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
        );
        assert!(Picture::new(&[]).is_none());
    }
}
