//! The processing of a video as people follow it: how far it is, what it waits for, how long it may take.

use std::time::Duration;

use db::{Db, Timestamp};
use jobs::{Lines, Outlook, Run, Standing};

use crate::{
    Result, StageProgress, VideoState,
    ids::VideoId,
    stages,
    videos::{self, Video},
    work::{self, Work},
};

/// The processing of a video at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The video.
    pub video: Video,
    /// How far each stage is, in the order of the work.
    pub stages: Vec<StageView>,
    /// Why nobody works on it, when nobody does though it is not finished.
    pub waiting: Option<Waiting>,
    /// How often the step that runs or is next has failed before.
    pub failures: u32,
    /// How long until it is finished; unknown while there is nothing to judge by.
    pub remaining: Option<Duration>,
}

/// How far a stage is, with what is in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageView {
    /// What is done for good, in whole units.
    pub recorded: StageProgress,
    /// Done by jobs that run, in thousandths of a unit. It is lost when their workers are.
    pub in_hand: u64,
}

/// Why nobody works on a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// What it waits for.
    pub reason: Reason,
    /// Since when its next step could run, or when it may at the earliest.
    pub since: Timestamp,
}

/// What a video waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// An administrator paused the queue.
    Paused,
    /// No worker is there.
    NoWorker,
    /// The last attempt failed, and the next one is due after this time.
    Retry(Duration),
    /// A worker that is free; so many jobs of others go first.
    Turn(u32),
}

/// One video's process; `None` when there is no such video.
///
/// # Errors
/// Those of the database.
pub async fn read(db: &Db, videos: &[VideoId]) -> Result<Vec<Process>> {
    of(db, videos::some(db, videos).await?).await
}

/// The processes of these videos.
///
/// # Errors
/// Those of the database.
pub async fn of(db: &Db, videos: Vec<Video>) -> Result<Vec<Process>> {
    let is_open = |video: &&Video| matches!(video.state, VideoState::Uploaded | VideoState::Processing);
    let groups: Vec<String> = videos.iter().filter(is_open).map(|video| work::group(video.id)).collect();
    let ids: Vec<VideoId> = videos.iter().map(|video| video.id).collect();
    // What is recorded is read first: a chunk that ends in between counts as not begun, and never twice.
    let mut stages = stages::read_all(db, &ids).await?;
    let lines = if groups.is_empty() { Lines::default() } else { jobs::lines(db, &groups, HEAVY).await? };
    let process = |video: Video| {
        let recorded =
            stages.extract_if(.., |row| row.video_id == video.id).map(|row| row.progress).collect();
        let group = work::group(video.id);
        let standing = lines.standings.iter().find(|standing| standing.group == group);
        Process::new(video, recorded, standing, &lines)
    };
    Ok(videos.into_iter().map(process).collect())
}

/// The kind of job that takes nearly all of the time.
const HEAVY: &str = "encode";

impl Process {
    fn new(video: Video, recorded: Vec<StageProgress>, standing: Option<&Standing>, lines: &Lines) -> Self {
        let view = |recorded: StageProgress| StageView { recorded, in_hand: in_hand(recorded, standing) };
        let in_hand = standing.map(|standing| standing.in_hand.as_slice()).unwrap_or_default();
        let next = standing.and_then(|standing| standing.waiting.as_ref());
        let failures = in_hand.iter().map(|job| job.failures).max().or(next.map(|next| next.failures));
        Self {
            video,
            stages: recorded.into_iter().map(view).collect(),
            waiting: next.filter(|_| in_hand.is_empty()).map(|next| Waiting::new(next, lines)),
            failures: failures.unwrap_or(0),
            remaining: standing.and_then(|standing| outlook(standing, lines).remaining()),
        }
    }

    /// Whether nothing will change any more by itself.
    pub fn is_final(&self) -> bool {
        !matches!(self.video.state, VideoState::Uploaded | VideoState::Processing)
    }

    /// Of the whole, in whole percent; 100 only when the video plays.
    pub fn percent(&self) -> u8 {
        if self.video.state == VideoState::Ready {
            return 100;
        }
        let fine: Vec<StageProgress> = self.stages.iter().map(StageView::in_thousandths).collect();
        stages::percent(&fine).min(99)
    }
}

impl StageView {
    /// Of the stage, in whole percent.
    pub fn percent(&self) -> u8 {
        let fine = self.in_thousandths();
        u8::try_from(u128::from(fine.units_done) * 100 / u128::from(fine.units_total.max(1))).unwrap_or(100)
    }

    /// In thousandths of its units.
    fn in_thousandths(&self) -> StageProgress {
        let StageProgress { stage, units_done, units_total } = self.recorded;
        let units_total = units_total.saturating_mul(1000);
        let units_done = units_done.saturating_mul(1000).saturating_add(self.in_hand).min(units_total);
        StageProgress { stage, units_done, units_total }
    }
}

impl Waiting {
    fn new(next: &jobs::Waiting, lines: &Lines) -> Self {
        let reason = match next {
            jobs::Waiting { is_paused: true, .. } => Reason::Paused,
            _ if lines.slots == 0 => Reason::NoWorker,
            jobs::Waiting { delay, failures: 1.., .. } if !delay.is_zero() => Reason::Retry(*delay),
            jobs::Waiting { ahead, .. } => Reason::Turn(*ahead),
        };
        Self { reason, since: next.since }
    }
}

/// What the jobs in hand have done of a stage, in thousandths of its units.
fn in_hand(recorded: StageProgress, standing: Option<&Standing>) -> u64 {
    let jobs = standing.map(|standing| standing.in_hand.as_slice()).unwrap_or_default();
    let thousandths = |job: &jobs::InHand| {
        let work = Work::parse(&job.kind, &job.payload).ok()?;
        if work.stage() != Some(recorded.stage) {
            return None;
        }
        let done = u128::from(work.units(recorded.units_total)) * 1000 * u128::from(job.units_done);
        u64::try_from(done.checked_div(u128::from(job.units_total))?).ok()
    };
    jobs.iter().filter_map(thousandths).fold(0, u64::saturating_add)
}

fn outlook(standing: &Standing, lines: &Lines) -> Outlook {
    let heavy = standing.in_hand.iter().filter(|job| job.kind == HEAVY);
    let run = |job: &jobs::InHand| Run {
        running_for: job.running_for,
        done: job.units_done,
        total: job.units_total,
    };
    let next = standing.waiting.as_ref().filter(|next| next.of_kind > 0 && !next.is_paused);
    let busy = next.and_then(|next| lines.busy.iter().find(|busy| busy.queue == next.queue));
    Outlook {
        in_hand: heavy.map(run).collect(),
        ready: next.map_or(0, |next| next.of_kind),
        ahead: next.map_or(0, |next| next.ahead_of_last),
        side_by_side: busy.map_or(lines.slots, |busy| busy.jobs),
        own_pace: standing.pace,
        pace: lines.pace,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Stage;

    fn view(stage: Stage, units_done: u64, units_total: u64, in_hand: u64) -> StageView {
        StageView { recorded: StageProgress { stage, units_done, units_total }, in_hand }
    }

    #[test]
    fn what_is_in_hand_counts_and_is_never_more_than_there_is() {
        assert_eq!(view(Stage::Encode, 5, 10, 0).percent(), 50);
        assert_eq!(view(Stage::Encode, 5, 10, 1500).percent(), 65);
        assert_eq!(view(Stage::Encode, 10, 10, 1500).percent(), 100);
        assert_eq!(view(Stage::Encode, 0, 0, 0).percent(), 0);
    }

    proptest! {
        #[test]
        fn any_counts_are_survived(done in any::<u64>(), total in any::<u64>(), in_hand in any::<u64>()) {
            prop_assert!(view(Stage::Encode, done, total, in_hand).percent() <= 100);
        }
    }
}
