//! SIGKILL at any moment, then a restart: the video ends ready, frame by frame, and nothing is left over.

use jobs::{JobSummary, State};
use testbed::Database;

use crate::platform::{Platform, Process, count};

/// When the process is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// The upload was answered, and nothing else is known.
    Uploaded,
    Inspecting,
    /// ffmpeg runs, and so many chunks are done.
    Encoding(usize),
    /// So many chunks have just been done.
    Encoded(usize),
    /// The sound is in the making.
    Sound,
    Publishing,
}

/// Those worth a look, in the order in which they come.
const MOMENTS: [Moment; 8] = [
    Moment::Uploaded,
    Moment::Inspecting,
    Moment::Encoding(0),
    Moment::Encoded(1),
    Moment::Sound,
    Moment::Encoding(2),
    Moment::Encoded(4),
    Moment::Publishing,
];

impl Moment {
    /// Whether it is now, or was missed.
    pub(crate) fn is_here(self, jobs: &[JobSummary], process: &Process) -> bool {
        let encoded = count(jobs, "encode", State::Done);
        let over = count(jobs, "publish", State::Done) > 0;
        over || match self {
            Self::Uploaded => true,
            Self::Inspecting => count(jobs, "inspect", State::Ready) == 0,
            Self::Encoding(done) => {
                let encoding = count(jobs, "encode", State::Running) > 0 && !process.children().is_empty();
                encoded > done || encoded == done && encoding
            }
            Self::Encoded(done) => encoded >= done,
            Self::Sound => count(jobs, "audio", State::Running) + count(jobs, "audio", State::Done) > 0,
            Self::Publishing => count(jobs, "publish", State::Running) > 0,
        }
    }
}

/// `kills` moments in order: those above, and more while chunks are encoded.
fn moments(kills: usize) -> Vec<Moment> {
    let more = (0..kills.saturating_sub(MOMENTS.len())).map(|number| Moment::Encoding(number / 3));
    let mut moments: Vec<Moment> = more.chain(MOMENTS).collect();
    moments.sort_by_key(|moment| match moment {
        Moment::Uploaded => 0,
        Moment::Inspecting => 1,
        Moment::Encoding(done) => 10 * done + 2,
        Moment::Encoded(done) => 10 * done - 1,
        Moment::Sound => 10,
        Moment::Publishing => 1000,
    });
    moments.truncate(kills.max(MOMENTS.len()));
    moments
}

async fn a_killed_server_goes_on_where_it_was(database: Database) {
    let mut platform = Platform::new(database).await;
    let mut process = platform.start().await;
    let video = platform.upload(&process).await;
    for moment in moments(kills()) {
        platform.until(&video, |jobs| moment.is_here(jobs, &process)).await;
        process.kill().await;
        process = platform.start().await;
    }
    platform.check_ready(&process, &video).await;
    process.stop().await;
    let left = std::fs::read_dir(platform.data().join("workers")).unwrap().count();
    assert_eq!(left, 0, "no sign of any worker is left");
}

/// How often each video is killed: `CUTETUBE_TEST_KILLS`, at least once at each moment.
#[expect(clippy::disallowed_methods, reason = "how long to test is the tester's choice")]
fn kills() -> usize {
    std::env::var("CUTETUBE_TEST_KILLS").map_or(0, |kills| kills.parse().unwrap())
}

testbed::on_both_databases!(a_killed_server_goes_on_where_it_was);
