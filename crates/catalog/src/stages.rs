//! How far the processing of a video is.

use db::{Db, Tx};

use crate::{
    Result,
    ids::{self, VideoId},
};

db::text_enum! {
    /// One part of the processing of a video.
    pub enum Stage {
        /// Reading the source's index and deciding what to make of it.
        Inspect = "inspect",
        /// Encoding chunks of the picture. One unit is one segment of one rendition.
        Encode = "encode",
        /// Encoding the sound. One unit is one segment.
        Audio = "audio",
        /// Writing the manifests.
        Publish = "publish",
    }
}

db::row! {
    /// How far one stage is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct StageProgress {
        /// The stage.
        pub stage: Stage,
        /// Units done.
        pub units_done: u64,
        /// Units in all.
        pub units_total: u64,
    }
}

/// How far the stages are together, in whole percent; 100 only when all of them are done.
///
/// Before there is a plan only the inspection is known, and every other stage counts as not begun. After it, a stage
/// that is not listed is not needed.
pub(crate) fn percent(stages: &[StageProgress]) -> u8 {
    let planned = stages.iter().any(|progress| progress.stage == Stage::Publish);
    let (mut done, mut total) = (0, 0);
    for stage in Stage::ALL {
        match stages.iter().find(|progress| progress.stage == *stage) {
            Some(progress) => {
                done += stage.weight() * progress.thousandths();
                total += stage.weight() * 1000;
            }
            None if planned => {}
            None => total += stage.weight() * 1000,
        }
    }
    u8::try_from(done * 100 / total.max(1)).unwrap_or(100)
}

impl Stage {
    /// Roughly the share of the time a stage takes.
    fn weight(self) -> u64 {
        match self {
            Self::Encode => 85,
            Self::Audio => 6,
            Self::Inspect => 4,
            Self::Publish => 5,
        }
    }
}

impl StageProgress {
    /// Fine enough for whole percent, and in 128 bits no count overflows.
    fn thousandths(&self) -> u64 {
        let thousandths = u128::from(self.units_done) * 1000 / u128::from(self.units_total.max(1));
        u64::try_from(thousandths).unwrap_or(1000).min(1000)
    }
}

/// A stage of a video.
pub(crate) struct StageOfVideo {
    pub(crate) video_id: VideoId,
    pub(crate) progress: StageProgress,
}

impl db::FromRow for StageOfVideo {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self { video_id: row.get("video_id")?, progress: StageProgress::from_row(row)? })
    }
}

/// The stages of these videos, in the order of the work.
pub(crate) async fn read_all(db: &Db, videos: &[VideoId]) -> Result<Vec<StageOfVideo>> {
    let mut stages: Vec<StageOfVideo> = db.read(STAGES).bind(ids::list(videos)).all().await?;
    stages.sort_unstable_by_key(|row| row.progress.stage);
    Ok(stages)
}

/// Starts the processing over: only the inspection is known to be needed.
pub(crate) async fn begin(tx: &mut Tx, video: VideoId) -> Result<()> {
    tx.query(FORGET).bind(video).execute().await?;
    plan(tx, video, Stage::Inspect, 1).await
}

pub(crate) async fn plan(tx: &mut Tx, video: VideoId, stage: Stage, units: u64) -> Result<()> {
    tx.query(PLAN).bind(video).bind(stage).bind(units).execute().await?;
    Ok(())
}

/// Counts units as done, never more than there are.
pub(crate) async fn advance(tx: &mut Tx, video: VideoId, stage: Stage, units: u64) -> Result<()> {
    tx.query(ADVANCE).bind(video).bind(stage).bind(units).execute().await?;
    Ok(())
}

/// Counts every stage as done: what is published needs nothing more, though it has fewer images than planned.
pub(crate) async fn finish(tx: &mut Tx, video: VideoId) -> Result<()> {
    tx.query(FINISH).bind(video).execute().await?;
    Ok(())
}

db::statements! {
    STAGES { "SELECT video_id, stage, units_done, units_total FROM stages WHERE video_id" [in_uuids "$1"] }
    FINISH {
        "UPDATE stages SET units_done = units_total, updated_at = " NOW "
         WHERE video_id = $1 AND units_done < units_total"
    }
    FORGET { "DELETE FROM stages WHERE video_id = $1" }
    PLAN {
        "INSERT INTO stages (video_id, stage, units_done, units_total, updated_at)
         VALUES ($1, $2, 0, $3, " NOW ")
         ON CONFLICT (video_id, stage) DO UPDATE SET units_done = 0, units_total = excluded.units_total,
             updated_at = excluded.updated_at"
    }
    ADVANCE {
        "UPDATE stages SET updated_at = " NOW ",
             units_done = CASE WHEN units_done + $3 < units_total THEN units_done + $3 ELSE units_total END
         WHERE video_id = $1 AND stage = $2"
    }
}

#[cfg(test)]
mod tests {
    use super::{Stage, StageProgress, percent};

    fn progress(stage: Stage, units_done: u64, units_total: u64) -> StageProgress {
        StageProgress { stage, units_done, units_total }
    }

    #[test]
    fn percent_grows_with_the_work_and_reaches_a_hundred_only_at_the_end() {
        assert_eq!(percent(&[]), 0);
        assert_eq!(percent(&[progress(Stage::Inspect, 0, 1)]), 0);
        let mut stages = vec![
            progress(Stage::Inspect, 1, 1),
            progress(Stage::Encode, 0, 1000),
            progress(Stage::Audio, 0, 250),
            progress(Stage::Publish, 0, 1),
        ];
        assert_eq!(percent(&stages), 4);
        stages[1].units_done = 500;
        assert_eq!(percent(&stages), 46);
        stages[1].units_done = 1000;
        stages[2].units_done = 250;
        assert_eq!(percent(&stages), 95);
        stages[3].units_done = 1;
        assert_eq!(percent(&stages), 100);
    }

    #[test]
    fn huge_counts_do_not_overflow() {
        assert_eq!(
            percent(&[progress(Stage::Encode, u64::MAX, u64::MAX), progress(Stage::Publish, 1, 1)]),
            100
        );
    }
}
