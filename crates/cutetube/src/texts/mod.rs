//! What people read on the site, as messages of [Fluent](https://projectfluent.org) in `texts/*.ftl`, and in which language.
//!
//! Code and templates name a message and its arguments, never words. The language is that of the request in hand, which
//! [`negotiate`] has asked the browser for; where there is no request, in letters for example, it is English. Sentences of the
//! API are not here: programs read them, and people who look into what a program did.

mod language;
mod layer;

use std::fmt;

use askama::filters::{Escaper, Html, HtmlSafe};
use fluent_bundle::{FluentArgs, FluentValue, types::FluentNumber};

pub(crate) use language::Language;
pub(crate) use layer::{answer, negotiate};

/// The message of this key, in the language of the request in hand.
pub(crate) fn text(key: &'static str) -> Text {
    Text { key, language: Language::in_hand(), arguments: FluentArgs::new() }
}

/// A message with its arguments: plain text, which templates escape.
#[derive(Debug)]
pub(crate) struct Text {
    key: &'static str,
    language: Language,
    arguments: FluentArgs<'static>,
}

/// A message that is HTML.
#[derive(Debug)]
pub(crate) struct Markup(Text);

impl Text {
    /// Puts something in the place of `{ $name }`.
    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.arguments.set(name, FluentValue::from(value.to_string()));
        self
    }

    /// Like [`Self::with`] for a number, of which the message may make a singular and plurals. Its digits are not grouped.
    pub(crate) fn count(mut self, name: &'static str, number: impl Into<FluentNumber>) -> Self {
        self.arguments.set(name, FluentValue::Number(number.into()));
        self
    }

    /// The message as HTML: the markup in it counts, and that in its arguments is text.
    pub(crate) fn html(self) -> Markup {
        let mut arguments = FluentArgs::with_capacity(self.arguments.iter().count());
        for (name, value) in self.arguments.iter() {
            let escaped = match value {
                FluentValue::String(text) => FluentValue::from(escaped(text)),
                other => other.clone().into_owned(),
            };
            arguments.set(name.to_owned(), escaped);
        }
        Markup(Self { arguments, ..self })
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    // Writing into a string does not fail.
    let _ = Html.write_escaped_str(&mut escaped, text);
    escaped
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.language.write(f, self.key, &self.arguments)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl HtmlSafe for Markup {}

/// What templates write: `{{ "home-newest"|t }}`, `{{ "channel-feed"|t|with("name", name) }}`, `{{ "base-no-assets"|t|html }}`.
#[expect(unreachable_pub, reason = "askama makes structs of these functions, with public methods")]
pub(crate) mod filters {
    use std::fmt::Display;

    use askama::{Result, Values};
    use fluent_bundle::types::FluentNumber;

    use super::{Markup, Text};

    #[askama::filter_fn]
    pub(crate) fn t(key: &'static str, _: &dyn Values) -> Result<Text> {
        Ok(super::text(key))
    }

    #[askama::filter_fn]
    pub(crate) fn with<V: Display>(text: Text, _: &dyn Values, name: &'static str, value: V) -> Result<Text> {
        Ok(text.with(name, value))
    }

    #[askama::filter_fn]
    pub(crate) fn count<N: Into<FluentNumber>>(
        text: Text,
        _: &dyn Values,
        name: &'static str,
        number: N,
    ) -> Result<Text> {
        Ok(text.count(name, number))
    }

    #[askama::filter_fn]
    pub(crate) fn html(text: Text, _: &dyn Values) -> Result<Markup> {
        Ok(text.html())
    }
}

#[cfg(test)]
mod tests;
