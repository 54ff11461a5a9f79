//! The text of cues: tags that are known, and what is read when they are taken off.

use super::reading::timestamp;

/// The lines without what no player should see: tags that WebVTT does not have (`<font>`), SubRip's `{\an8}`, empty lines.
pub(super) fn cleaned(lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| cleaned_line(line));
    lines.filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}

/// What is read: no tags, no escapes, one line.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for piece in Pieces(text) {
        match piece {
            Piece::Text(text) => plain.push_str(text),
            // A new speaker is a new word.
            Piece::Tag(_) => {}
        }
    }
    let plain = ESCAPES.iter().fold(plain, |text, (escape, stands_for)| text.replace(escape, stands_for));
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The last has to be the last: what it makes is no escape.
const ESCAPES: [(&str, &str); 6] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&nbsp;", " "),
    ("&lrm;", "\u{200e}"),
    ("&rlm;", "\u{200f}"),
    ("&amp;", "&"),
];

enum Piece<'a> {
    Text(&'a str),
    /// What is between `<` and `>`.
    Tag(&'a str),
}

/// Text and what looks like a tag: a `<` that a letter, a digit or a slash follows, and a `>` on the same line.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let Self(rest) = *self;
        if rest.is_empty() {
            return None;
        }
        if let Some((tag, after)) = tag_at_start(rest) {
            self.0 = after;
            return Some(Piece::Tag(tag));
        }
        let mut ends = rest.char_indices().skip(1).filter(|(_, c)| *c == '<').map(|(at, _)| at);
        let end = ends.find(|at| rest.get(*at..).is_some_and(|rest| tag_at_start(rest).is_some()));
        let (text, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        self.0 = after;
        Some(Piece::Text(text))
    }
}

fn tag_at_start(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let begins = inside.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let (tag, after) = inside.split_once('>')?;
    (begins && !tag.contains(['\n', '<'])).then_some((tag, after))
}

fn cleaned_line(line: &str) -> String {
    let line = without_overrides(line);
    let mut cleaned = String::with_capacity(line.len());
    for piece in Pieces(&line) {
        match piece {
            Piece::Text(text) => cleaned.push_str(&text.replace('<', "&lt;")),
            Piece::Tag(tag) if is_known(tag) => {
                cleaned.push('<');
                cleaned.push_str(tag);
                cleaned.push('>');
            }
            Piece::Tag(_) => {}
        }
    }
    // An arrow would be times.
    cleaned.replace("-->", "--&gt;")
}

/// Advanced SubStation's `{\…}`, which players of SubRip obey.
fn without_overrides(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{\\") {
        let Some((_, after)) = after.split_once('}') else { break };
        kept.push_str(before);
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// A start or end tag of WebVTT (§4.2.2), or a time inside a cue.
fn is_known(tag: &str) -> bool {
    const TAGS: [&str; 8] = ["b", "i", "u", "c", "v", "lang", "ruby", "rt"];
    if let Some(end) = tag.strip_prefix('/') {
        return TAGS.contains(&end);
    }
    if timestamp(tag).is_some() && !tag.contains(',') {
        return true;
    }
    let name = tag.split(['.', ' ', '\t']).next().unwrap_or_default();
    let plain = |c: char| !c.is_control() && !matches!(c, '&' | '"' | '\'');
    TAGS.contains(&name) && tag.chars().all(plain) && !tag.contains("--")
}
