//! The part of a text that shows why it was found.

use super::{Terms, words::words};

/// A part of a text, and whether it is what was looked for. Plain text: whoever shows it escapes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// As it was written.
    pub text: String,
    /// Whether this is a word that was looked for.
    pub is_hit: bool,
}

/// Words to show before the first hit, and in all.
const LEAD: usize = 6;
const LENGTH: usize = 30;

/// The words around the first hit in `text`, or its first ones where there is none; `…` stands for what is left out.
pub fn snippet(text: &str, terms: &Terms) -> Vec<Piece> {
    let words: Vec<_> = words(text).map(|word| (word.at, terms.match_word(&word.folded))).collect();
    let first_hit = words.iter().position(|(_, is_hit)| *is_hit).unwrap_or(0);
    let from = first_hit.saturating_sub(LEAD);
    let shown = words.iter().skip(from).take(LENGTH);
    let mut pieces = Pieces::default();
    let start = if from == 0 { 0 } else { words.get(from).map_or(0, |(at, _)| at.start) };
    let mut at = start;
    if start > 0 {
        pieces.add("… ", false);
    }
    for (word, is_hit) in shown {
        pieces.add(text.get(at..word.start).unwrap_or_default(), false);
        pieces.add(text.get(word.clone()).unwrap_or_default(), *is_hit);
        at = word.end;
    }
    if words.len() > from + LENGTH {
        pieces.add(" …", false);
    } else {
        pieces.add(text.get(at..).unwrap_or_default(), false);
    }
    pieces.0
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    /// Neighbours of one kind are one piece.
    fn add(&mut self, text: &str, is_hit: bool) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.is_hit == is_hit => last.text.push_str(text),
            _ => self.0.push(Piece { text: text.to_owned(), is_hit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, typed: &str) -> String {
        let pieces = snippet(text, &Terms::parse(typed).unwrap());
        pieces
            .into_iter()
            .map(|piece| if piece.is_hit { format!("[{}]", piece.text) } else { piece.text })
            .collect()
    }

    #[test]
    fn hits_are_shown_among_their_neighbours() {
        assert_eq!(check("Big Buck Bunny", "bun"), "Big Buck [Bunny]");
        assert_eq!(check("Die Höhle der Löwen.", "hohle "), "Die [Höhle] der Löwen.");
        assert_eq!(check("<script>alert(1)</script>", "script "), "<[script]>alert(1)</[script]>");
        assert_eq!(check("nothing here", "elsewhere"), "nothing here");
        assert_eq!(check("", "x"), "");
        let long = (0..100).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
        let shown = check(&long, "w50 ");
        assert!(
            shown.starts_with("… w44 w45") && shown.contains(" [w50] ") && shown.ends_with("w73 …"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn a_short_text_is_shown_whole(text in ".{0,40}", typed in "[a-z]{1,3}") {
            let pieces = snippet(&text, &Terms::parse(&typed).unwrap());
            let shown: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
            if words(&text).count() <= LENGTH {
                prop_assert!(shown == text || shown.starts_with("… "));
            }
        }
    }
}
