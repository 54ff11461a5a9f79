//! Where texts are named, and where words might have been left: templates, code and scripts, as they are written.

use std::path::{Path, PathBuf};

/// A file that may name texts.
pub(super) struct Source {
    /// From the crate's folder on.
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn all() -> Vec<Self> {
        let mut all = Self::templates();
        all.extend(Self::below("src").into_iter().filter(|source| !source.path.contains("texts/tests")));
        all.extend(Self::below("../../web/src"));
        all
    }

    pub(super) fn templates() -> Vec<Self> {
        Self::below("templates")
    }

    fn below(folder: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut folders, mut found) = (vec![root.join(folder)], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| KINDS.iter().any(|other| kind == *other)) {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let path = path.strip_prefix(root).unwrap().display().to_string();
                    found.push(Self { path, text });
                }
            }
        }
        assert!(!found.is_empty(), "there is nothing in `{folder}`");
        found
    }

    /// What is quoted in it and may be a key, in whatever way: in a list, for example. In templates there is no such way.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &str> {
        let is_code = ["src/pages", "src/events", "src/admin"].iter().any(|part| self.path.starts_with(part));
        let is_script = self.path.starts_with("../../web/src");
        self.quoted().filter(move |quoted| {
            let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            quoted.contains('-')
                && !quoted.ends_with('-')
                && quoted.chars().all(is_key)
                && (is_code || is_script && quoted.starts_with("script-"))
        })
    }

    /// Keys that are certainly looked up.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let ends = self.text.match_indices("\"|t").map(|(at, _)| &self.text[..at]);
        let filtered = ends.filter_map(|before| before.rsplit('"').next());
        // Methods of this name, and functions of other modules, read what was sent.
        let is_ours = |before: &str| !before.ends_with(|c: char| c == '.' || c == '_' || c.is_alphanumeric());
        let has_ours = self.text.contains("texts::") || self.text.contains("./texts.js");
        let calls = ["text(\"", "counted(\""].into_iter().flat_map(move |call| {
            self.text
                .match_indices(call)
                .map(move |(at, _)| (&self.text[..at], &self.text[at + call.len()..]))
        });
        let called = calls.filter(move |(before, _)| has_ours && is_ours(before));
        filtered.chain(called.filter_map(|(_, after)| after.split('"').next()))
    }

    /// Everything between quotes.
    pub(super) fn quoted(&self) -> impl Iterator<Item = &str> {
        self.text.lines().flat_map(|line| line.split('"'))
    }
}

/// Files that hold what this is about: others lie beside them.
const KINDS: [&str; 5] = ["html", "rs", "ts", "txt", "xml"];

/// Attributes that people read, or hear.
const READ: [&str; 6] = ["aria-label", "title", "placeholder", "alt", "label", "content"];

/// What only programs read in them, and what is the same in every language.
const LEFT_OUT: [&str; 7] = [
    "CuteTube",
    "noindex",
    "player",
    "text/html",
    "video.other",
    "width=device-width, initial-scale=1",
    "– CuteTube",
];

/// What stands between these marks is no text, or the same in every language.
const PASSED_OVER: [(&str, &str); 6] =
    [("{%", "%}"), ("{{", "}}"), ("{#", "#}"), ("<code", "</code>"), ("<kbd", "</kbd>"), ("<!--", "-->")];

/// What a template says by itself: texts between tags, and values of attributes, as far as there are letters in them.
pub(super) fn words(template: &str) -> Vec<String> {
    let html = PASSED_OVER.iter().fold(template.to_owned(), |html, marks| without(&html, *marks));
    let mut said = Vec::new();
    for piece in html.split('<') {
        let (tag, text) = piece.split_once('>').unwrap_or(("", piece));
        said.push(text);
        for attribute in READ {
            let values = tag.split(&format!(" {attribute}=\"")[..]).skip(1).collect::<Vec<_>>();
            said.extend(values.iter().filter_map(|value| value.split('"').next()));
        }
    }
    let lines = said.into_iter().flat_map(str::lines).map(str::trim);
    let lines = lines.filter(|line| line.contains(char::is_alphabetic) && !LEFT_OUT.contains(line));
    lines.map(str::to_owned).collect()
}

/// The text without what stands between two marks, and without them.
fn without(text: &str, (begin, end): (&str, &str)) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(begin) {
        left.push_str(before);
        rest = after.split_once(end).map_or("", |(_, rest)| rest);
    }
    left + rest
}
