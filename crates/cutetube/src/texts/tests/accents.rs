//! A language for tests: English with accents on every letter, so that what is not translated is seen.

use fluent_syntax::{
    ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, Resource},
    parser, serializer,
};

use super::LANGUAGES;

pub(in crate::texts) const ACCENTED: &str = "en-XA";

/// Its messages.
pub(in crate::texts) fn accented() -> String {
    let mut messages: Resource<String> =
        parser::parse(LANGUAGES[0].1.to_owned()).expect("messages of Fluent");
    for entry in &mut messages.body {
        if let Entry::Message(message) = entry
            && let Some(pattern) = &mut message.value
        {
            Accents { is_in_tag: false }.put_on(pattern);
        }
    }
    serializer::serialize(&messages)
}

/// A tag may begin before an argument and end behind it.
struct Accents {
    is_in_tag: bool,
}

impl Accents {
    fn put_on(&mut self, pattern: &mut Pattern<String>) {
        for element in &mut pattern.elements {
            match element {
                PatternElement::TextElement { value } => {
                    *value = value.chars().map(|c| self.letter(c)).collect();
                }
                PatternElement::Placeable { expression: Expression::Select { variants, .. } } => {
                    variants.iter_mut().for_each(|variant| self.put_on(&mut variant.value));
                }
                PatternElement::Placeable { expression: Expression::Inline(inline) } => {
                    let is_argument = matches!(inline, InlineExpression::VariableReference { .. });
                    assert!(is_argument, "messages have arguments and choices, and nothing else: {inline:?}");
                }
            }
        }
    }

    fn letter(&mut self, c: char) -> char {
        match c {
            '<' => self.is_in_tag = true,
            '>' => self.is_in_tag = false,
            _ => {}
        }
        let place = |first: char| usize::try_from(u32::from(c).checked_sub(u32::from(first))?).ok();
        if self.is_in_tag {
            return c;
        }
        match c {
            'a'..='z' => place('a').and_then(|place| LOWER.chars().nth(place)).unwrap_or(c),
            'A'..='Z' => place('A').and_then(|place| UPPER.chars().nth(place)).unwrap_or(c),
            c => c,
        }
    }
}

const LOWER: &str = "áḃćďéḟĝĥíĵḱĺḿńóṕqŕśţúṽẃẍýź";
const UPPER: &str = "ÁḂĆĎÉḞĜĤÍĴḰĹḾŃÓṔQŔŚŢÚṼẂẌÝŹ";
