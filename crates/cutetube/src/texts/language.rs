//! The languages of the site, and which of them somebody reads best.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, LazyLock},
};

use axum::http::{HeaderMap, header};
use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};
use fluent_syntax::ast::{Entry, Pattern};

/// Tag (BCP 47) and messages of each language. The first has all of them, and is what is shown where another lacks one.
pub(super) const LANGUAGES: &[(&str, &str)] = &[("en", include_str!("../../texts/en.ftl"))];

/// A language that the site speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Language(usize);

tokio::task_local! {
    static IN_HAND: Language;
}

impl Language {
    pub(super) const ENGLISH: Self = Self(0);

    /// The one of the request that is being answered; without one, English.
    pub(crate) fn in_hand() -> Self {
        IN_HAND.try_with(|language| *language).unwrap_or(Self::ENGLISH)
    }

    /// The one that is best for whoever sent these headers.
    pub(super) fn asked_for(headers: &HeaderMap) -> Self {
        let fields = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|field| field.to_str().ok());
        Self::best(&fields.collect::<Vec<_>>().join(","))
    }

    /// The first that somebody reads and the site speaks (RFC 4647 §3.4); English, where there is none.
    fn best(accepted: &str) -> Self {
        wanted(accepted).into_iter().find_map(Self::spoken).unwrap_or(Self::ENGLISH)
    }

    /// The language itself, or else a wider one, or else one that is narrower: `de` for `de-AT`, and `pt-BR` for `pt`.
    fn spoken(range: &str) -> Option<Self> {
        if range == "*" {
            return Some(Self::ENGLISH);
        }
        let position = |is_it: &dyn Fn(&str) -> bool| CATALOGUES.iter().position(|one| is_it(one.tag));
        let mut wider = Some(range);
        while let Some(tag) = wider {
            if let Some(found) = position(&|spoken| spoken.eq_ignore_ascii_case(tag)) {
                return Some(Self(found));
            }
            wider = tag.rsplit_once('-').map(|(wider, _)| wider);
        }
        let narrower = |spoken: &str| {
            spoken.split_once('-').is_some_and(|(primary, _)| primary.eq_ignore_ascii_case(range))
        };
        position(&narrower).map(Self)
    }

    /// Runs `future` so that its texts are in this language.
    pub(super) async fn scope<F: Future>(self, future: F) -> F::Output {
        IN_HAND.scope(self, future).await
    }

    /// Like [`Self::scope`], for what is made at once.
    pub(super) fn sync_scope<T>(self, make: impl FnOnce() -> T) -> T {
        IN_HAND.sync_scope(self, make)
    }

    /// As HTML and HTTP call it.
    pub(super) fn tag(self) -> &'static str {
        CATALOGUES.get(self.0).map_or("en", |catalogue| catalogue.tag)
    }

    pub(super) fn write(
        self,
        out: &mut impl fmt::Write,
        key: &str,
        arguments: &FluentArgs<'_>,
    ) -> fmt::Result {
        let Some((catalogue, pattern)) = self.find(key) else {
            debug_assert!(false, "there is no text `{key}`");
            return out.write_str(key);
        };
        let mut errors = Vec::new();
        let written = catalogue.bundle.write_pattern(out, pattern, Some(arguments), &mut errors);
        debug_assert!(errors.is_empty(), "the text `{key}` has {errors:?}");
        written
    }

    /// Keys and messages that begin with `prefix`, with `{$name}` where arguments belong.
    pub(crate) fn messages(self, prefix: &str) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let keys = CATALOGUES.first().into_iter().flat_map(Catalogue::keys);
        keys.filter(move |key| key.starts_with(prefix)).filter_map(move |key| {
            let (catalogue, pattern) = self.find(key)?;
            // Each argument that is missing is written as its name, which is what is wanted here.
            Some((key, catalogue.bundle.format_pattern(pattern, None, &mut Vec::new())))
        })
    }

    fn find(self, key: &str) -> Option<(&'static Catalogue, &'static Pattern<&'static str>)> {
        let here = CATALOGUES.get(self.0)?;
        [here, CATALOGUES.first()?]
            .into_iter()
            .find_map(|catalogue| Some((catalogue, catalogue.pattern(key)?)))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

static CATALOGUES: LazyLock<Vec<Catalogue>> = LazyLock::new(|| {
    let languages = LANGUAGES.iter().map(|(tag, messages)| Catalogue::new(tag, (*messages).to_owned()));
    #[cfg(test)]
    let languages = languages.chain([Catalogue::new(super::tests::ACCENTED, super::tests::accented())]);
    languages.collect()
});

/// All messages of a language.
struct Catalogue {
    tag: &'static str,
    messages: Arc<FluentResource>,
    bundle: FluentBundle<Arc<FluentResource>>,
}

impl Catalogue {
    /// Messages that cannot be read are left out; tests tell of them.
    fn new(tag: &'static str, messages: String) -> Self {
        let messages = Arc::new(FluentResource::try_new(messages).unwrap_or_else(|(messages, _)| messages));
        let mut bundle = FluentBundle::new_concurrent(vec![tag.parse().unwrap_or_default()]);
        // Marks around arguments of another direction would be in every attribute and every letter.
        bundle.set_use_isolating(false);
        bundle.add_resource_overriding(messages.clone());
        Self { tag, messages, bundle }
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.messages.entries().filter_map(|entry| match entry {
            Entry::Message(message) => Some(message.id.name),
            _ => None,
        })
    }

    fn pattern(&self, key: &str) -> Option<&Pattern<&str>> {
        self.bundle.get_message(key)?.value()
    }
}

/// The ranges of an `Accept-Language` (RFC 9110 §12.5.4), the most wanted first. What is none is left out.
fn wanted(accepted: &str) -> Vec<&str> {
    let mut ranges: Vec<(&str, f32)> =
        accepted.split(',').filter_map(range).filter(|(_, weight)| *weight > 0.0).take(MOST_RANGES).collect();
    ranges.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    ranges.into_iter().map(|(range, _)| range).collect()
}

/// Nobody reads more.
const MOST_RANGES: usize = 32;

/// A range and its weight: `de-AT;q=0.8`.
fn range(text: &str) -> Option<(&str, f32)> {
    let (range, weight) = match text.split_once(';') {
        Some((range, parameter)) => {
            let (name, weight) = parameter.split_once('=')?;
            (range, weight.trim().parse().ok().filter(|_| name.trim().eq_ignore_ascii_case("q"))?)
        }
        None => (text, 1.0),
    };
    let range = range.trim();
    let is_range =
        !range.is_empty() && range.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '*');
    (is_range && (0.0..=1.0).contains(&weight)).then_some((range, weight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_most_wanted_comes_first() {
        assert_eq!(wanted("da, en-GB;q=0.8, en;q=0.7"), ["da", "en-GB", "en"]);
        assert_eq!(wanted("en;q=0.2, de , fr; q = 0.9, it;Q=0.9"), ["de", "fr", "it", "en"]);
        assert_eq!(wanted("de;q=0, en;q=2, fr;q=-1, it;q=nan, *;q=0.1, x y, ,;;=,=;q"), ["*"]);
    }

    #[test]
    fn one_that_is_not_spoken_is_passed_over() {
        let check = |accepted| Language::best(accepted).tag();
        assert_eq!(check(""), "en");
        assert_eq!(check("tlh, xx-YY;q=0.9"), "en");
        assert_eq!(check("tlh, EN-xa;q=0.5, en;q=0.4"), "en-XA");
        assert_eq!(check("en-XA-posix-x-more"), "en-XA");
        assert_eq!(check("en-GB, en-XA;q=0.9"), "en", "the wider one of what is wanted most");
        assert_eq!(check("*, en-XA;q=0.9"), "en");
    }

    proptest! {
        #[test]
        fn whatever_is_sent_has_an_answer(accepted in ".*") {
            Language::best(&accepted);
        }

        #[test]
        fn weights_order(weights in prop::collection::vec(1..=1000_u16, 1..10)) {
            let accepted: Vec<String> = weights
                .iter()
                .enumerate()
                .map(|(index, weight)| format!("l{index};q={:.3}", f32::from(*weight) / 1000.0))
                .collect();
            let accepted = accepted.join(", ");
            let weight = |range: &&str| weights[range[1..].parse::<usize>().unwrap()];
            let ordered: Vec<u16> = wanted(&accepted).iter().map(weight).collect();
            prop_assert_eq!(ordered.len(), weights.len());
            prop_assert!(ordered.is_sorted_by(|one, next| one >= next));
        }

        #[test]
        fn unknown_languages_are_answered_in_english(range in "[a-d]{4,8}(-[a-z]{2})?") {
            prop_assert_eq!(Language::best(&range), Language::ENGLISH);
        }
    }
}
