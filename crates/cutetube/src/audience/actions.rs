//! What is made of what players tell, and of what is counted beside it. Nothing here knows HTTP.

use std::{collections::BTreeSet, time::Duration};

use catalog::{
    VideoState,
    audience::{self, AudienceDay, AudiencePart, PARTS, Watched},
    ids::VideoId,
    views::{self, DayOfViews},
};

use crate::{
    AppState,
    accounts::{Caller, Visitor},
    ambient,
    videos::actions::{self as videos, ManageError},
    views::actions::ViewError,
};

/// Days that are shown at most.
pub(crate) const MOST_DAYS: u32 = 90;

/// Nobody sits in front of a player for longer between two things that it tells.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// What is known of the last so many days.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    /// Each of them, the first one first.
    pub(crate) days: Vec<Day>,
    /// How many playbacks have shown each part of the video, from the first to the last.
    pub(crate) parts: Vec<u64>,
    /// How long the video is.
    pub(crate) duration: Duration,
}

/// One day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    /// Counted from 1970-01-01, in UTC.
    pub(crate) day: i64,
    /// Viewers, each counted once.
    pub(crate) views: u64,
    /// How often somebody began to play it.
    pub(crate) playbacks: u64,
    /// Time in front of moving pictures.
    pub(crate) played: Duration,
}

/// Adds what a player tells, as far as it can be.
pub(super) async fn add(state: &AppState, visitor: &Visitor, told: Watched) -> Result<(), ViewError> {
    let video = videos::find(state, visitor, told.video).await?.ok_or(ViewError::NoVideo)?;
    if video.state != VideoState::Ready {
        return Err(ViewError::NotReady(video.state));
    }
    let parts: BTreeSet<u8> = told.parts.into_iter().filter(|part| *part < PARTS).collect();
    let believable = Watched { played: told.played.min(LONGEST), parts, ..told };
    Ok(audience::add(&state.db, &believable).await?)
}

/// For the owner and administrators.
pub(crate) async fn statistics(
    state: &AppState,
    caller: &Caller,
    id: VideoId,
    days: u32,
) -> Result<Statistics, ManageError> {
    let video = videos::managed(state, caller, id).await?;
    let days = days.clamp(1, MOST_DAYS);
    let today = views::today(&state.db, ambient::random()).await?.day;
    let viewed = views::by_day(&state.db, id, days).await?;
    let watched = audience::by_day(&state.db, id, days).await?;
    let shown = audience::by_part(&state.db, id, days).await?;
    Ok(Statistics {
        days: (today - i64::from(days) + 1..=today).map(|day| Day::new(day, &viewed, &watched)).collect(),
        parts: (0..PARTS).map(|part| playbacks_of(&shown, part)).collect(),
        duration: video.measured_duration.unwrap_or_default(),
    })
}

impl Day {
    fn new(day: i64, viewed: &[DayOfViews], watched: &[AudienceDay]) -> Self {
        let views = viewed.iter().find(|viewed| viewed.day == day).map_or(0, |viewed| viewed.views);
        let watched = watched.iter().find(|watched| watched.day == day);
        Self {
            day,
            views,
            playbacks: watched.map_or(0, |watched| watched.playbacks),
            played: watched.map_or(Duration::ZERO, |watched| watched.played),
        }
    }
}

impl Statistics {
    /// How often somebody began to play the video.
    pub(crate) fn playbacks(&self) -> u64 {
        self.days.iter().map(|day| day.playbacks).sum()
    }

    pub(crate) fn views(&self) -> u64 {
        self.days.iter().map(|day| day.views).sum()
    }

    pub(crate) fn played(&self) -> Duration {
        self.days.iter().map(|day| day.played).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// When a part begins.
    pub(crate) fn begins(&self, part: usize) -> Duration {
        let part = u32::try_from(part).unwrap_or(u32::MAX);
        self.duration.saturating_mul(part) / u32::from(PARTS)
    }

    /// Of 100 playbacks, how many have shown a part; `None` before the first. A playback may be told of whose beginning was
    /// never told: it is no more than all.
    pub(crate) fn share(&self, watched: u64) -> Option<f64> {
        let all = self.playbacks();
        (all > 0).then(|| (100.0 * count(watched) / count(all)).min(100.0))
    }
}

fn playbacks_of(shown: &[AudiencePart], part: u8) -> u64 {
    shown.iter().find(|shown| shown.part == u32::from(part)).map_or(0, |shown| shown.playbacks)
}

pub(crate) fn count(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}
