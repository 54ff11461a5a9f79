//! What is made of what players tell. Nothing here knows HTTP.

use std::time::Duration;

use catalog::{
    ids::VideoId,
    quality::{self, By, Quality, Report, Told},
    videos::{self, Video},
};

use crate::AppState;

/// What is shown of some days.
#[derive(Debug, Clone)]
pub(crate) struct Overview {
    /// By day, the first one first; days on which nothing was played are left out.
    pub(crate) days: Vec<Quality>,
    /// By rung, the smallest first.
    pub(crate) rungs: Vec<Quality>,
    /// By video, those that were played most often first.
    pub(crate) videos: Vec<(Quality, Video)>,
}

/// Days that are shown at most.
pub(crate) const MOST_DAYS: u32 = 90;

/// A time that is longer says nothing of a playback.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Whoever tells of more is not believed either.
const MOST: u32 = 10_000;
/// There are no pictures that are higher.
const HIGHEST: u32 = 16_384;

/// Keeps what a player tells, as far as it can be.
pub(super) async fn record(state: &AppState, report: Report) -> Result<(), catalog::Error> {
    if state.config.delivery.quality_days == 0 {
        return Ok(());
    }
    let believable = Report {
        height: report.height.min(HIGHEST),
        startup: report.startup.map(|time| time.min(LONGEST)),
        played: report.played.min(LONGEST),
        rebuffers: report.rebuffers.min(MOST),
        rebuffering: report.rebuffering.min(LONGEST),
        switches: report.switches.min(MOST),
        errors: report.errors.min(MOST),
        ..report
    };
    if quality::record(&state.db, &believable).await? == Told::New {
        state.metrics.played(&believable);
    }
    Ok(())
}

/// How well videos played in the last so many days: all of them, or this one.
pub(crate) async fn overview(
    state: &AppState,
    days: u32,
    video: Option<VideoId>,
) -> Result<Overview, catalog::Error> {
    let days = days.clamp(1, MOST_DAYS);
    let read = |by| quality::quality(&state.db, by, days, video);
    let mut of_days = read(By::Day).await?;
    of_days.sort_unstable_by_key(|day| day.part);
    let mut rungs = read(By::Rung).await?;
    rungs.sort_unstable_by_key(|rung| rung.part);
    let of_videos = read(By::Video).await?;
    let ids: Vec<VideoId> = of_videos.iter().filter_map(|quality| quality.of_video).collect();
    let known = videos::some(&state.db, &ids).await?;
    let with_video = |quality: Quality| {
        let video = known.iter().find(|video| Some(video.id) == quality.of_video)?.clone();
        Some((quality, video))
    };
    Ok(Overview { days: of_days, rungs, videos: of_videos.into_iter().filter_map(with_video).collect() })
}
