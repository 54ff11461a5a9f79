//! What a search is narrowed down by, as words that the indexes have beside those of texts: a filter that lets hardly any
//! video through is then as cheap as a rare word. `search_facets` writes them.
//!
//! They let through what may be found, and the rows of videos tell what is.

use std::time::Duration;

use uuid::Uuid;

use super::Viewer;
use crate::browse::Filter;

db::text_enum! {
    /// How long videos are.
    pub enum Length {
        /// Under 4 minutes.
        Short = "short",
        /// From 4 to 20 minutes.
        Medium = "medium",
        /// Over 20 minutes.
        Long = "long",
    }
}

const MEDIUM: Duration = Duration::from_secs(4 * 60);
const LONG: Duration = Duration::from_secs(20 * 60);
/// What durations are kept in.
const MICROSECOND: Duration = Duration::from_micros(1);

const LISTED: &str = "listed";
const CAPTIONS: &str = "captions";

impl Length {
    /// The shortest and the longest of them.
    pub fn bounds(self) -> (Option<Duration>, Option<Duration>) {
        match self {
            Self::Short => (None, Some(MEDIUM.saturating_sub(MICROSECOND))),
            Self::Medium => (Some(MEDIUM), Some(LONG)),
            Self::Long => (Some(LONG.saturating_add(MICROSECOND)), None),
        }
    }

    fn overlaps(self, shortest: Option<Duration>, longest: Option<Duration>) -> bool {
        let (from, to) = self.bounds();
        let begins = shortest.unwrap_or_default() <= to.unwrap_or(Duration::MAX);
        begins && from.unwrap_or_default() <= longest.unwrap_or(Duration::MAX)
    }
}

/// Of each of the lists, a video has one at least.
pub(super) struct Facets(Vec<Vec<String>>);

impl Facets {
    pub(super) fn of(viewer: Viewer, filter: &Filter) -> Self {
        let owner = |id: Uuid| format!("owner{}", id.simple());
        let mut all = Vec::new();
        match viewer {
            Viewer::Anybody => all.push(vec![LISTED.to_owned()]),
            Viewer::User(user) => all.push(vec![LISTED.to_owned(), owner(user.uuid())]),
            Viewer::Admin => {}
        }
        all.extend(filter.owner.map(|user| vec![owner(user.uuid())]));
        let lengths = Length::ALL.iter().filter(|length| length.overlaps(filter.shortest, filter.longest));
        let lengths: Vec<String> = lengths.map(|length| length.as_str().to_owned()).collect();
        // Between bounds that exclude each other there is none; that is for the rows to say.
        if !lengths.is_empty() && lengths.len() < Length::ALL.len() {
            all.push(lengths);
        }
        if filter.has_captions {
            all.push(vec![CAPTIONS.to_owned()]);
        }
        Self(all)
    }

    /// As the rest of a query of FTS5, whose column of facets has them without their sign.
    pub(super) fn fts5(&self) -> String {
        self.0.iter().map(|any| format!(" AND facets : (\"{}\")", any.join("\" OR \""))).collect()
    }

    /// As the rest of a `tsquery`.
    pub(super) fn tsquery(&self) -> String {
        self.0.iter().map(|any| format!(" & ('={}')", any.join("' | '="))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    fn check(viewer: Viewer, filter: &Filter, fts5: &str, tsquery: &str) {
        let facets = Facets::of(viewer, filter);
        assert_eq!((facets.fts5().as_str(), facets.tsquery().as_str()), (fts5, tsquery));
    }

    #[test]
    fn filters_are_words() {
        check(Viewer::Admin, &Filter::default(), "", "");
        let (shortest, longest) = Length::Short.bounds();
        let narrow = Filter { shortest, longest, has_captions: true, ..Filter::default() };
        check(
            Viewer::Anybody,
            &narrow,
            r#" AND facets : ("listed") AND facets : ("short") AND facets : ("captions")"#,
            " & ('=listed') & ('=short') & ('=captions')",
        );
        let user = UserId::new(1, &[1; 10]);
        let id = user.uuid().simple();
        check(
            Viewer::User(user),
            &Filter { owner: Some(user), ..Filter::default() },
            &format!(r#" AND facets : ("listed" OR "owner{id}") AND facets : ("owner{id}")"#),
            &format!(" & ('=listed' | '=owner{id}') & ('=owner{id}')"),
        );
    }

    #[test]
    fn bounds_are_the_lengths_that_they_reach_into() {
        let seconds = |count| Some(Duration::from_secs(count));
        for (shortest, longest, lengths) in [
            (None, None, ""),
            (None, seconds(60), "short"),
            (None, seconds(240), "short' | '=medium"),
            (seconds(240), None, "medium' | '=long"),
            (seconds(240), seconds(1200), "medium"),
            (seconds(0), seconds(1201), ""),
            (seconds(1201), None, "long"),
            (seconds(60), seconds(30), "short"),
            (seconds(3000), seconds(30), ""),
        ] {
            let filter = Filter { shortest, longest, ..Filter::default() };
            let wanted = if lengths.is_empty() { String::new() } else { format!(" & ('={lengths}')") };
            assert_eq!(Facets::of(Viewer::Admin, &filter).tsquery(), wanted);
        }
        for length in Length::ALL {
            let (shortest, longest) = length.bounds();
            let reached = Length::ALL.iter().filter(|one| one.overlaps(shortest, longest));
            assert_eq!(reached.collect::<Vec<_>>(), [length]);
        }
    }
}
