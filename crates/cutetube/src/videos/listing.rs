//! What a client asks of a list or a search, parsed.

use std::time::Duration;

use axum::extract::{Query, rejection::QueryRejection};
use catalog::{
    browse::{Order, Place},
    names::{FieldErrors, Refusal},
    search::Terms,
    videos::Visibility,
};
use db::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::Problem;

/// The query of `GET /api/v5/videos`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Whose: a user name, or `me`.
    #[param(max_length = 15, example = "ada")]
    owner: Option<String>,
    /// `uploaded`, `processing`, `ready` or `failed`; others see only those that are ready.
    #[param(example = "ready")]
    state: Option<String>,
    /// `public`, `unlisted` or `private`; others see only those that are public.
    #[param(example = "public")]
    visibility: Option<String>,
    /// Words in title, tags or description; the last may be the beginning of one.
    #[param(example = "bunny")]
    q: Option<String>,
    /// Uploaded then or later: milliseconds since 1970.
    #[param(value_type = Option<i64>, example = 1_767_225_600_000_i64)]
    created_from_ms: Option<String>,
    /// Uploaded before then: milliseconds since 1970.
    #[param(value_type = Option<i64>, example = 1_798_761_600_000_i64)]
    created_before_ms: Option<String>,
    /// At least so long.
    #[param(value_type = Option<u32>, example = 60)]
    min_seconds: Option<String>,
    /// At most so long.
    #[param(value_type = Option<u32>, example = 600)]
    max_seconds: Option<String>,
    /// What comes first: `newest`, `oldest`, `longest` or `shortest`.
    #[param(example = "newest")]
    sort: Option<String>,
    /// `next` of the page before, which had the same `sort`.
    after: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, example = 20)]
    limit: Option<String>,
}

/// The query of `GET /api/v5/search`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// Words that all have to be there; the last may be the beginning of one. Whatever is typed is fine.
    #[param(required = true, example = "big bun")]
    q: Option<String>,
    /// `next` of the page before.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 1000)]
    after: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, example = 20)]
    limit: Option<String>,
}

/// A list that was asked for.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) owner: Option<OwnerName>,
    /// The owner is not in it yet.
    pub(super) filter: catalog::browse::Filter,
    pub(super) place: Place,
    pub(super) limit: u32,
}

/// Whose videos.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OwnerName {
    Me,
    Named(String),
}

/// A search that was asked for. There is nothing to find without terms.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) terms: Option<Terms>,
    pub(super) skip: u32,
    pub(super) limit: u32,
}

const USUAL: u32 = 20;
const MOST: u32 = 100;
/// Who has not found it by then looks for something else.
const DEEPEST: u32 = 1000;

impl ListQuery {
    pub(super) fn read(query: Result<Query<Self>, QueryRejection>) -> Result<Listed, Problem> {
        let Query(query) = query?;
        let mut errors = FieldErrors::default();
        let mut filter = catalog::browse::Filter::default();
        let e = &mut errors;
        filter.state = keep(e, "state", query.state, one_of("`uploaded`, `processing`, `ready` or `failed`"));
        filter.visibility = keep(e, "visibility", query.visibility, Visibility::parse);
        filter.created_from = keep(e, "created_from_ms", query.created_from_ms, moment);
        filter.created_before = keep(e, "created_before_ms", query.created_before_ms, moment);
        filter.shortest = keep(e, "min_seconds", query.min_seconds, seconds);
        filter.longest = keep(e, "max_seconds", query.max_seconds, seconds);
        filter.terms = query.q.as_deref().and_then(Terms::parse);
        let order = keep(e, "sort", query.sort, one_of("`newest`, `oldest`, `longest` or `shortest`"));
        let place = keep(e, "after", query.after, place);
        let limit = keep(e, "limit", query.limit, limit).unwrap_or(USUAL);
        let place = match (place, order) {
            (Some(place), Some(order)) if place.order() != order => {
                errors.add("after", "This belongs to a list in another order.");
                place
            }
            (Some(place), _) => place,
            (None, order) => Place::start(order.unwrap_or(Order::Newest)),
        };
        let owner = query.owner.map(|owner| match owner.as_str() {
            "me" => OwnerName::Me,
            _ => OwnerName::Named(owner),
        });
        if errors.is_empty() {
            Ok(Listed { owner, filter, place, limit })
        } else {
            Err(Problem::malformed(&errors))
        }
    }
}

impl SearchQuery {
    pub(super) fn read(query: Result<Query<Self>, QueryRejection>) -> Result<Sought, Problem> {
        let Query(query) = query?;
        let mut errors = FieldErrors::default();
        let typed =
            errors.keep("q", query.q.ok_or_else(|| Refusal("This parameter is required.".to_owned())));
        let skip = keep(&mut errors, "after", query.after, skip).unwrap_or(0);
        let limit = keep(&mut errors, "limit", query.limit, limit).unwrap_or(USUAL);
        let terms = typed.as_deref().and_then(Terms::parse);
        if errors.is_empty() { Ok(Sought { terms, skip, limit }) } else { Err(Problem::malformed(&errors)) }
    }
}

/// Where a search goes on after a full page.
pub(super) fn next_skip(sought: &Sought, found: usize) -> Option<u32> {
    let is_full = u32::try_from(found).is_ok_and(|found| found >= sought.limit);
    let next = sought.skip.saturating_add(sought.limit);
    (is_full && next <= DEEPEST).then_some(next)
}

fn keep<T>(
    errors: &mut FieldErrors,
    name: &str,
    typed: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Option<T> {
    typed.and_then(|typed| errors.keep(name, parse(&typed)))
}

fn one_of<T: std::str::FromStr>(choices: &str) -> impl FnOnce(&str) -> Result<T, Refusal> {
    move |typed| typed.parse().map_err(|_| Refusal(format!("Choose {choices}.")))
}

fn moment(typed: &str) -> Result<Timestamp, Refusal> {
    let millis = typed.parse::<i64>().ok().and_then(|millis| millis.checked_mul(1000));
    millis
        .map(Timestamp::from_unix_micros)
        .ok_or_else(|| Refusal("Give a moment in milliseconds since 1970.".to_owned()))
}

fn seconds(typed: &str) -> Result<Duration, Refusal> {
    let seconds = typed.parse::<u32>().map(|seconds| Duration::from_secs(seconds.into()));
    seconds.map_err(|_| Refusal("Give a whole number of seconds.".to_owned()))
}

fn place(typed: &str) -> Result<Place, Refusal> {
    typed.parse().map_err(|_| Refusal("Take this from `next` of the page before.".to_owned()))
}

fn limit(typed: &str) -> Result<u32, Refusal> {
    let limit = typed.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Refusal(format!("A page has 1 to {MOST} entries.")))
}

fn skip(typed: &str) -> Result<u32, Refusal> {
    let skip = typed.parse().ok().filter(|skip| *skip <= DEEPEST);
    skip.ok_or_else(|| Refusal("Take this from `next` of the page before.".to_owned()))
}
