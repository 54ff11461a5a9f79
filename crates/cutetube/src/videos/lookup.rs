//! What the pages of the site list: what plays, of everybody what is public, and of whoever looks also what is theirs.
//!
//! Administrators see no more than others here: these are pages to watch from. What they manage, they find through the
//! API and on the pages of administration.

use catalog::{
    VideoState,
    accounts::{self, Standing, User},
    browse::{self, Filter, Order, Place},
    search::{self, Terms, Viewer},
    videos::{Video, Visibility},
    views,
};

use super::actions::{self, Owned};
use crate::{AppState, accounts::Visitor};

/// What somebody looks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lookup {
    pub(crate) terms: Option<Terms>,
    /// The name of the channel, when it is of one only.
    pub(crate) channel: Option<String>,
    /// What else narrows it down.
    pub(crate) filter: Filter,
    /// `None` for the best first, which without words are the newest.
    pub(crate) order: Option<Order>,
    /// Where to go on; anything else begins at the beginning.
    pub(crate) after: String,
}

/// Who has not found it by then looks for something else.
const DEEPEST: u32 = 1000;

/// What is found, and where it goes on.
pub(crate) async fn look_up(
    state: &AppState,
    visitor: &Visitor,
    sought: &Lookup,
    limit: u32,
) -> Result<(Owned, Option<String>), catalog::Error> {
    let mut filter = Filter { state: Some(VideoState::Ready), ..sought.filter.clone() };
    if let Some(name) = &sought.channel {
        let Some(owner) = channel(state, name).await? else { return Ok((Vec::new(), None)) };
        filter.owner = Some(owner.id);
    }
    let (videos, next) = match (&sought.terms, sought.order) {
        (Some(terms), None) => {
            let skip = sought.after.parse().unwrap_or(0).min(DEEPEST);
            let more = limit.saturating_add(1);
            let mut found = search::search(&state.db, viewer(visitor), terms, &filter, more, skip).await?;
            let length = usize::try_from(limit).unwrap_or(usize::MAX);
            let next = skip.saturating_add(limit);
            let goes_on = found.len() > length && next <= DEEPEST;
            found.truncate(length);
            (found, goes_on.then(|| next.to_string()))
        }
        (terms, order) => {
            filter.terms = terms.clone();
            let order = order.unwrap_or(Order::Newest);
            let place = sought.after.parse().ok().filter(|place: &Place| place.order() == order);
            let place = place.unwrap_or_else(|| Place::start(order));
            let (found, next) = browse::browse(&state.db, viewer(visitor), &filter, place, limit).await?;
            (found, next.map(|place| place.to_string()))
        }
    };
    Ok((actions::owned(state, videos).await?, next))
}

/// Whose channel this is. Accounts that were never let in, or are going, have none.
pub(crate) async fn channel(state: &AppState, name: &str) -> Result<Option<User>, catalog::Error> {
    // An e-mail address would tell whether it has an account.
    if name.contains('@') {
        return Ok(None);
    }
    let found = accounts::find_by_credential(&state.db, name).await?.map(|found| found.user);
    Ok(found.filter(|user| matches!(user.standing, Standing::Active | Standing::Suspended)))
}

/// The public videos that were watched most of late.
pub(crate) async fn most_watched(state: &AppState, limit: u32) -> Result<Owned, catalog::Error> {
    const DAYS: u32 = 30;
    actions::owned(state, views::most_watched(&state.db, DAYS, limit).await?).await
}

/// What to watch after a video: what else is public of its channel, and then the newest of all.
pub(crate) async fn up_next(state: &AppState, video: &Video, limit: u32) -> Result<Owned, catalog::Error> {
    let public =
        Filter { state: Some(VideoState::Ready), visibility: Some(Visibility::Public), ..Filter::default() };
    let of_channel = Filter { owner: Some(video.owner), ..public.clone() };
    let mut next: Vec<Video> = Vec::new();
    for filter in [of_channel, public] {
        // All that there are already may be among them, and the video itself.
        let most = limit.saturating_mul(2).saturating_add(1);
        let newest = Place::start(Order::Newest);
        let (found, _) = browse::browse(&state.db, Viewer::Anybody, &filter, newest, most).await?;
        let is_new = |other: &Video| other.id != video.id && next.iter().all(|known| known.id != other.id);
        let more: Vec<Video> = found.into_iter().filter(is_new).collect();
        next.extend(more);
        next.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    actions::owned(state, next).await
}

fn viewer(visitor: &Visitor) -> Viewer {
    visitor.0.as_ref().map_or(Viewer::Anybody, |caller| Viewer::User(caller.user.id))
}
