//! `/search`: videos that are looked for.

use std::time::Duration;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use catalog::{
    browse::{Filter, Order},
    captions,
    ids::VideoId,
    search::{Length, Terms, snippet},
};
use db::Timestamp;

use super::{
    cards::{Card, Said, cards},
    failure::Failure,
    frame::{Frame, page},
    text,
    typed::{Typed, address},
};
use crate::{
    AppState,
    accounts::Visitor,
    playback::BaseUrl,
    texts::{Text, filters, text},
    videos::{
        actions::Owned,
        lookup::{Lookup, look_up},
    },
};

const FOUND: u32 = 24;

/// What the address says of videos with captions.
const CAPTIONED: &str = "yes";

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    /// Whether there is anything to look for.
    is_asked: bool,
    /// Whether it is narrowed down by more than words.
    is_narrow: bool,
    lengths: Vec<Choice>,
    ages: Vec<Choice>,
    orders: Vec<Choice>,
    channel: String,
    has_captions: bool,
    cards: Vec<Card>,
    /// Where it goes on.
    next: Option<String>,
    /// The same without what narrows it down.
    wider: String,
}

/// An entry of a menu.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: Text,
    pub(super) is_chosen: bool,
}

db::text_enum! {
    /// How old they are at most.
    enum Age {
        Day = "day",
        Week = "week",
        Month = "month",
        Year = "year",
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Anybody.
pub(super) async fn search(
    State(state): State<AppState>,
    visitor: Visitor,
    typed: Typed,
) -> Result<Response, Failure> {
    let (length, age): (Option<Length>, Option<Age>) = (typed.choice("length"), typed.choice("date"));
    let order: Option<Order> = typed.choice("order");
    let channel = typed.get("channel").trim();
    let has_captions = typed.get("captions") == CAPTIONED;
    let now = Duration::from_secs(state.clock.seconds());
    let sought = Lookup {
        terms: Terms::parse(typed.get("q")),
        channel: (!channel.is_empty()).then(|| channel.to_owned()),
        filter: Filter { has_captions, ..filter(length, age, now) },
        order,
        after: typed.get("after").to_owned(),
    };
    let is_narrow = length.is_some() || age.is_some() || sought.channel.is_some() || has_captions;
    let is_asked = sought.terms.is_some() || is_narrow;
    let (found, next) = match is_asked {
        true => look_up(&state, &visitor, &sought, FOUND).await?,
        false => (Vec::new(), None),
    };
    let mut cards = cards(&state, &found).await?;
    if let Some(terms) = &sought.terms {
        tell_what_is_said(&state, &found, terms, &mut cards).await?;
    }
    let after = |next: String| {
        let narrowed = [
            ("q", typed.get("q")),
            ("length", length.map_or("", Length::as_str)),
            ("date", age.map_or("", Age::as_str)),
            ("channel", channel),
            ("captions", if has_captions { CAPTIONED } else { "" }),
            ("order", order.map_or("", Order::as_str)),
            ("after", &next),
        ];
        address("/search", &narrowed)
    };
    let page_of = SearchPage {
        frame: Frame { sought: typed.get("q").to_owned(), ..Frame::new(&visitor) },
        is_asked,
        is_narrow,
        lengths: choices(Length::ALL, length, Length::as_str, length_label),
        ages: choices(Age::ALL, age, Age::as_str, age_label),
        orders: choices(Order::ALL, order, Order::as_str, order_label),
        channel: channel.to_owned(),
        has_captions,
        cards,
        next: next.map(after),
        wider: address("/search", &[("q", typed.get("q"))]),
    };
    Ok(page(&state, StatusCode::OK, &page_of))
}

/// Puts the moment of a hit in speech on the cards of videos that have one.
async fn tell_what_is_said(
    state: &AppState,
    found: &Owned,
    terms: &Terms,
    cards: &mut [Card],
) -> Result<(), catalog::Error> {
    let ids: Vec<VideoId> = found.iter().map(|(video, _)| video.id).collect();
    for (video, spoken) in captions::spoken(&state.db, &ids, terms).await? {
        let path = BaseUrl::RELATIVE.watch(video);
        if let Some(card) = cards.iter_mut().find(|card| card.path == path) {
            let begins = Duration::from_millis(spoken.start_millis);
            card.said = Some(Said {
                path: BaseUrl::RELATIVE.watch_at(video, begins.as_secs()),
                time: text::length(begins),
                pieces: snippet(&spoken.said, terms),
            });
        }
    }
    Ok(())
}

fn filter(length: Option<Length>, age: Option<Age>, now: Duration) -> Filter {
    let (shortest, longest) = length.map_or((None, None), Length::bounds);
    let days = age.map(|age| match age {
        Age::Day => 1,
        Age::Week => 7,
        Age::Month => 30,
        Age::Year => 365,
    });
    let created_from = days.map(|days| {
        let then = now.saturating_sub(DAY.saturating_mul(days)).as_micros();
        Timestamp::from_unix_micros(i64::try_from(then).unwrap_or(i64::MAX))
    });
    Filter { shortest, longest, created_from, ..Filter::default() }
}

/// The entries of a menu, with the one that is chosen.
pub(super) fn choices<T: Copy + PartialEq>(
    all: &[T],
    chosen: Option<T>,
    value: fn(T) -> &'static str,
    label: fn(T) -> Text,
) -> Vec<Choice> {
    let choice = |one: &T| Choice { value: value(*one), label: label(*one), is_chosen: chosen == Some(*one) };
    all.iter().map(choice).collect()
}

fn length_label(length: Length) -> Text {
    match length {
        Length::Short => text("search-short"),
        Length::Medium => text("search-medium"),
        Length::Long => text("search-long"),
    }
}

fn age_label(age: Age) -> Text {
    match age {
        Age::Day => text("search-day"),
        Age::Week => text("search-week"),
        Age::Month => text("search-month"),
        Age::Year => text("search-year"),
    }
}

fn order_label(order: Order) -> Text {
    match order {
        Order::Newest => text("search-newest"),
        Order::Oldest => text("search-oldest"),
        Order::Longest => text("search-longest"),
        Order::Shortest => text("search-shortest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn menus_become_bounds() {
        const MINUTE: Duration = Duration::from_secs(60);
        let now = Duration::from_secs(100 * 24 * 3600);
        let medium = filter(Some(Length::Medium), Some(Age::Week), now);
        assert_eq!((medium.shortest, medium.longest), (Some(4 * MINUTE), Some(20 * MINUTE)));
        assert_eq!(medium.created_from, Some(Timestamp::from_unix_micros(93 * 24 * 3_600_000_000)));
        let ancient = filter(None, Some(Age::Year), now);
        assert_eq!(ancient.created_from, Some(Timestamp::from_unix_micros(0)));
        assert_eq!((ancient.shortest, ancient.longest), (None, None));
    }
}
