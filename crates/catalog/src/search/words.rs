//! What a word is.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Where it is, in bytes.
    pub(super) at: Range<usize>,
    /// What it is found by: lower case, compatibility forms and accents taken off, of at most [`LONGEST`] characters.
    pub(super) folded: String,
}

/// What is longer is found by its beginning: PostgreSQL indexes no word of more than 2046 bytes.
pub(super) const LONGEST: usize = 64;

/// The words of a text: runs of letters and digits. Scripts that put no spaces between words have one for each
/// character, so that what is inside of a sentence is found as well.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word> + '_ {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, first) = chars.by_ref().find(|(_, c)| c.is_alphanumeric())?;
        let mut end = start + first.len_utf8();
        if !stands_alone(first) {
            while let Some((at, c)) = chars.next_if(|(_, c)| continues(*c)) {
                end = at + c.len_utf8();
            }
        }
        Some(start..end)
    })
    .filter_map(|at| {
        let folded = fold(text.get(at.clone())?);
        (!folded.is_empty()).then_some(Word { at, folded })
    })
}

fn continues(c: char) -> bool {
    (c.is_alphanumeric() || is_accent(c)) && !stands_alone(c)
}

fn fold(word: &str) -> String {
    let plain = word.nfkd().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase);
    // Lower case and compatibility forms may bring accents and other signs of their own.
    // A sigma is one letter, wherever in a word it stands.
    plain.map(|c| if c == 'ς' { 'σ' } else { c }).filter(|c| c.is_alphanumeric()).take(LONGEST).collect()
}

/// Combining Diacritical Marks: what is written over and under letters of alphabets.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Kana, ideographs, and scripts of South-East Asia.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> String {
        words(text).map(|word| word.folded).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn texts_are_split_and_folded() {
        assert_eq!(check("Big Buck Bunny (2008), 4K!"), "big|buck|bunny|2008|4k");
        assert_eq!(check("Ünïcode e\u{301}tude ŒUVRE ﬁlm ½"), "unicode|etude|œuvre|film|12");
        assert_eq!(check("it's state-of-the-art"), "it|s|state|of|the|art");
        assert_eq!(check("東京の夜 Tokyo"), "東|京|の|夜|tokyo");
        assert_eq!(check("Привет, ΜΈΓΑΣ μέγας"), "привет|μεγασ|μεγασ");
        assert_eq!(check("<b>\"*:-' \u{301}"), "b");
    }

    proptest! {
        #[test]
        fn words_are_where_they_say(text in ".{0,100}") {
            let mut end = 0;
            for word in words(&text) {
                prop_assert!(word.at.start >= end && text.get(word.at.clone()).is_some());
                prop_assert!(word.folded.chars().all(char::is_alphanumeric));
                end = word.at.end;
            }
        }

        #[test]
        fn a_folded_text_stays_as_it_is(text in ".{0,100}") {
            let once = check(&text).replace('|', " ");
            prop_assert_eq!(check(&once).replace('|', " "), once);
        }
    }
}
