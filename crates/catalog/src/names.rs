//! What people type, parsed once into types that cannot be wrong.
//!
//! A refusal is a sentence for the person who typed it.

mod tags;

use std::{collections::BTreeMap, fmt, time::Duration};

use db::{ColumnError, FromColumn, ToColumn};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_security::MixedScript;

pub use tags::Tags;

macro_rules! text {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl ToColumn for $name {
            type Stored = String;

            fn to_stored(&self) -> Result<String, ColumnError> {
                self.0.to_stored()
            }
        }

        /// Stored text is taken as it is: it was parsed by the rules of its day.
        impl FromColumn for $name {
            type Stored = String;

            fn from_stored(stored: String) -> Result<Self, ColumnError> {
                Ok(Self(stored))
            }
        }
    )*};
}

text! {
    /// The name a person signs in with: 1 to 15 of `A-Z a-z 0-9 . + - _`. Unique without regard to case. It has no
    /// `@`, so it is never mistaken for somebody's e-mail address, and no letters beyond ASCII, so no two look alike.
    Username,
    /// An e-mail address of at most 50 ASCII characters. Unique without regard to case. An international domain is
    /// written in its `xn--` form, so that no two addresses look alike.
    Email,
    /// A first or last name of 1 to 35 characters, in composed form (NFC), whose letters are of one script or of ones
    /// that are written together: a name with one Cyrillic letter among Latin ones is made to be taken for another.
    PersonName,
    /// What a person calls something of theirs: 1 to 60 characters on one line.
    Label,
    /// The title of a video: 1 to 200 characters on one line.
    Title,
    /// What a video is about: at most 5000 characters, on as many lines as it takes.
    Description,
    /// What somebody says about a video: 1 to 2000 characters, on as many lines as it takes.
    CommentText,
    /// The name of an uploaded file without its folders and its extension, at most 200 characters. For people only:
    /// it is never part of a path.
    SourceName,
}

/// Why a text was refused: a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl Username {
    /// Parses what was typed; surrounding white space does not count.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        let text = one_line(typed, 15)?;
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || ".+-_".contains(c)) {
            return refuse(
                "Enter a valid username. It may contain only letters, numbers and . + - _ characters.",
            );
        }
        Ok(Self(text))
    }

    pub(crate) fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Email {
    /// Parses what was typed; surrounding white space does not count. Whether the address exists shows only when a
    /// message arrives there.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        let text = one_line(typed, 50)?;
        if !text.is_ascii() {
            return refuse(
                "Enter an email address of plain letters; an international domain is written in its xn-- form.",
            );
        }
        let well_formed = text.split_once('@').is_some_and(|(local, domain)| {
            let labels_exist = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
            let plain = |c: char| !c.is_whitespace() && !"@,;:<>()[]\\\"".contains(c);
            !local.is_empty() && labels_exist && local.chars().chain(domain.chars()).all(plain)
        });
        if !well_formed {
            return refuse("Enter a valid email address.");
        }
        Ok(Self(text))
    }

    pub(crate) fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl PersonName {
    /// Parses what was typed; surrounding white space does not count.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        let text = one_line(&typed.nfc().collect::<String>(), 35)?;
        if !text.as_str().is_single_script() {
            return refuse("A name cannot mix letters of different alphabets.");
        }
        Ok(Self(text))
    }
}

impl Label {
    /// Parses what was typed; surrounding white space does not count.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        one_line(typed, 60).map(Self)
    }
}

impl Title {
    /// Parses what was typed; surrounding white space does not count.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        one_line(typed, 200).map(Self)
    }
}

impl Description {
    /// Parses what was typed, which may be nothing.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        lines(typed, 5000).map(Self)
    }
}

impl CommentText {
    /// Parses what was typed; surrounding white space does not count.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        match lines(typed, 2000)? {
            text if text.is_empty() => refuse("This field may not be blank."),
            text => Ok(Self(text)),
        }
    }
}

impl SourceName {
    /// What people recognise of a file name as an upload gives it: `holiday` of `C:\clips\holiday.mp4`. It never
    /// fails; a name with nothing usable in it becomes `video`.
    pub fn of_file(file_name: &str) -> Self {
        let name = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let text: String = stem.chars().filter(|c| !is_invisible(*c)).take(200).collect();
        let text = text.trim();
        Self(if text.is_empty() { "video".to_owned() } else { text.to_owned() })
    }
}

db::text_enum! {
    /// The extension of an uploaded file.
    pub enum SourceExtension {
        /// MP4.
        Mp4 = "mp4",
        /// QuickTime.
        Mov = "mov",
    }
}

impl SourceExtension {
    /// The extension of a file name, in any case.
    ///
    /// # Errors
    /// A sentence that says which files are accepted.
    pub fn of_file(file_name: &str) -> Result<Self, Refusal> {
        let extension = file_name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        extension
            .and_then(|extension| extension.parse().ok())
            .ok_or_else(|| Refusal("Only .mp4 and .mov files are accepted.".to_owned()))
    }
}

/// How long the uploader says a video is, in whole seconds. What is measured later wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedDuration(Duration);

impl ClaimedDuration {
    /// Parses `HH:MM:SS`.
    ///
    /// # Errors
    /// A sentence that shows the form.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        let malformed = || Refusal("Enter the duration as HH:MM:SS, for example 00:01:30.".to_owned());
        let numbers: Vec<u64> = typed
            .trim()
            .split(':')
            .map(|part| {
                let two_digits = part.len() == 2 && part.bytes().all(|c| c.is_ascii_digit());
                part.parse().ok().filter(|_| two_digits)
            })
            .collect::<Option<_>>()
            .ok_or_else(malformed)?;
        match numbers[..] {
            [hours, minutes, seconds] if minutes < 60 && seconds < 60 => {
                Ok(Self(Duration::from_secs(hours * 3600 + minutes * 60 + seconds)))
            }
            _ => Err(malformed()),
        }
    }

    /// The duration.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl ToColumn for ClaimedDuration {
    type Stored = i64;

    fn to_stored(&self) -> Result<i64, ColumnError> {
        self.0.to_stored()
    }
}

/// Fields of a form that were refused, each with its sentences.
///
/// ```
/// use catalog::names::{FieldErrors, Title, Username};
///
/// let mut errors = FieldErrors::default();
/// let username = errors.keep("username", Username::parse("ann"));
/// let title = errors.keep("title", Title::parse(" "));
/// assert!(username.is_some() && title.is_none());
/// assert_eq!(errors.get("title"), ["This field may not be blank."]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// Adds a sentence about a field.
    pub fn add(&mut self, field: &str, sentence: impl Into<String>) {
        self.0.entry(field.to_owned()).or_default().push(sentence.into());
    }

    /// The value that was parsed; a refusal is added to the field.
    pub fn keep<T>(&mut self, field: &str, parsed: Result<T, Refusal>) -> Option<T> {
        parsed.map_err(|Refusal(sentence)| self.add(field, sentence)).ok()
    }

    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sentences about one field.
    pub fn get(&self, field: &str) -> &[String] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// The same as one text; `None` where nothing was refused.
    pub fn sentence(&self, field: &str) -> Option<String> {
        let sentences = self.get(field);
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    /// All sentences, one after the other.
    pub fn sentences(&self) -> String {
        let all: Vec<&str> = self.0.values().flatten().map(String::as_str).collect();
        all.join(" ")
    }

    /// Field by field, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(field, sentences)| (field.as_str(), sentences.as_slice()))
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (field, sentences)) in self.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(formatter, "{separator}{field}: {}", sentences.join(" "))?;
        }
        Ok(())
    }
}

fn one_line(typed: &str, longest: usize) -> Result<String, Refusal> {
    let text = typed.trim();
    if text.is_empty() {
        return refuse("This field may not be blank.");
    }
    at_most(text, longest)?;
    if text.chars().any(is_invisible) {
        return refuse("Control characters are not allowed.");
    }
    Ok(text.to_owned())
}

/// Text on any number of lines, which may be nothing.
fn lines(typed: &str, longest: usize) -> Result<String, Refusal> {
    let text = typed.trim().replace("\r\n", "\n");
    at_most(&text, longest)?;
    if text.chars().any(|c| is_invisible(c) && c != '\n' && c != '\t') {
        return refuse("Control characters are not allowed.");
    }
    Ok(text)
}

fn at_most(text: &str, longest: usize) -> Result<(), Refusal> {
    if text.chars().count() > longest {
        return refuse(&format!("Ensure this field has no more than {longest} characters."));
    }
    Ok(())
}

/// Control characters, and those that turn the direction of the text around them or hide between letters.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}' | '\u{200e}'
                | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

fn refuse<T>(sentence: &str) -> Result<T, Refusal> {
    Err(Refusal(sentence.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<T>(parse: fn(&str) -> Result<T, Refusal>, typed: &str, expected: Result<&str, &str>)
    where
        T: fmt::Display,
    {
        let parsed = parse(typed).map(|value| value.to_string());
        assert_eq!(parsed.as_deref().map_err(|Refusal(sentence)| sentence.as_str()), expected, "{typed:?}");
    }

    const BLANK: &str = "This field may not be blank.";
    const CONTROL: &str = "Control characters are not allowed.";

    #[test]
    fn usernames() {
        const INVALID: &str =
            "Enter a valid username. It may contain only letters, numbers and . + - _ characters.";
        check(Username::parse, " ann.b+c-d_9 ", Ok("ann.b+c-d_9"));
        check(Username::parse, "\t", Err(BLANK));
        check(Username::parse, &"a".repeat(15), Ok(&"a".repeat(15)));
        check(Username::parse, &"a".repeat(16), Err("Ensure this field has no more than 15 characters."));
        check(Username::parse, "a b", Err(INVALID));
        check(Username::parse, "ann@x", Err(INVALID));
        // A Cyrillic letter that looks like an `a`.
        check(Username::parse, "аnn", Err(INVALID));
        check(Username::parse, "a\u{202e}b", Err(CONTROL));
    }

    #[test]
    fn addresses() {
        const INVALID: &str = "Enter a valid email address.";
        check(Email::parse, " Ann.O'Neil+x@mail.example.org", Ok("Ann.O'Neil+x@mail.example.org"));
        check(Email::parse, "", Err(BLANK));
        for typed in [
            "ann",
            "@x.org",
            "ann@",
            "ann@org",
            "ann@x..org",
            "a b@x.org",
            "a@b@x.org",
            "<a@x.org>",
            "a@.org",
        ] {
            check(Email::parse, typed, Err(INVALID));
        }
        const PLAIN: &str =
            "Enter an email address of plain letters; an international domain is written in its xn-- form.";
        // A Cyrillic letter that looks like an `a`, and a Kelvin sign that is a `k` in lower case.
        for typed in ["аnn@x.org", "ann@\u{212a}elvin.org", "ann@bücher.example"] {
            check(Email::parse, typed, Err(PLAIN));
        }
        check(Email::parse, "ann@xn--bcher-kva.example", Ok("ann@xn--bcher-kva.example"));
        check(Email::parse, "a@x.org\r\nBcc: b@x.org", Err(CONTROL));
        let long = format!("{}@x.org", "a".repeat(45));
        check(Email::parse, &long, Err("Ensure this field has no more than 50 characters."));
    }

    #[test]
    fn names_of_people() {
        const MIXED: &str = "A name cannot mix letters of different alphabets.";
        for name in ["Zoë", "O'Neil", "Jean-Luc", "Ада", "山田", "やまだ 太郎", "Ὑπατία", "محمد", "Nguyễn"]
        {
            check(PersonName::parse, name, Ok(name));
        }
        check(PersonName::parse, "Zoe\u{308}", Ok("Zoë"));
        // A Cyrillic letter that looks like an `a`, and a Greek one that looks like an `o`.
        check(PersonName::parse, "Аda", Err(MIXED));
        check(PersonName::parse, "Lοvelace", Err(MIXED));
        for hidden in [
            "A\u{202e}da",
            "A\u{200b}da",
            "A\u{ad}da",
            "\u{3164}",
            "A\0da",
            "A\u{7f}da",
            "A\nda",
            "A\u{2066}da",
        ] {
            check(PersonName::parse, hidden, Err(CONTROL));
        }
        check(PersonName::parse, &"é".repeat(35), Ok(&"é".repeat(35)));
        check(
            PersonName::parse,
            &"e\u{301}".repeat(36),
            Err("Ensure this field has no more than 35 characters."),
        );
    }

    #[test]
    fn titles_and_descriptions() {
        check(
            Title::parse,
            "../../etc <script>alert(1)</script> \"é\" 世界",
            Ok("../../etc <script>alert(1)</script> \"é\" 世界"),
        );
        check(Title::parse, " \u{a0} ", Err(BLANK));
        check(Title::parse, "two\nlines", Err(CONTROL));
        check(Title::parse, &"é".repeat(200), Ok(&"é".repeat(200)));
        check(Title::parse, &"é".repeat(201), Err("Ensure this field has no more than 200 characters."));
        check(Description::parse, "", Ok(""));
        check(Description::parse, "two\r\nlines\tand a tab", Ok("two\nlines\tand a tab"));
        check(Description::parse, "nul \0", Err(CONTROL));
        check(CommentText::parse, " two\r\nlines ", Ok("two\nlines"));
        check(CommentText::parse, " \n ", Err("This field may not be blank."));
        check(
            CommentText::parse,
            &"x".repeat(2001),
            Err("Ensure this field has no more than 2000 characters."),
        );
    }

    #[test]
    fn durations() {
        const FORM: &str = "Enter the duration as HH:MM:SS, for example 00:01:30.";
        assert_eq!(ClaimedDuration::parse(" 01:02:03 ").unwrap().duration(), Duration::from_secs(3723));
        for typed in [
            "",
            "1:02:03",
            "00:60:00",
            "00:00:60",
            "00:01",
            "00:00:00:01",
            "-1:00:00",
            "aa:bb:cc",
            "00:00:1.",
            "٠٠:٠٠:٠١",
        ] {
            assert_eq!(ClaimedDuration::parse(typed), Err(Refusal(FORM.to_owned())), "{typed:?}");
        }
    }

    #[test]
    fn file_names() {
        let name = |file| SourceName::of_file(file).0;
        assert_eq!(name("C:\\clips\\holiday.in.rome.MP4"), "holiday.in.rome");
        assert_eq!(name("../../etc/passwd"), "passwd");
        assert_eq!((name(".mp4").as_str(), name("").as_str()), ("video", "video"));
        assert_eq!(SourceExtension::of_file("x.MoV"), Ok(SourceExtension::Mov));
        for file in ["mp4", "x.avi", "", "x.mp4 ", "x.mp4/y"] {
            assert!(SourceExtension::of_file(file).is_err(), "{file:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_stays_as_it_is(typed in ".*") {
            if let Ok(title) = Title::parse(&typed) {
                prop_assert_eq!(Title::parse(title.as_str()), Ok(title.clone()));
                prop_assert!(!title.as_str().chars().any(char::is_control));
            }
            if let Ok(description) = Description::parse(&typed) {
                prop_assert_eq!(Description::parse(description.as_str()), Ok(description));
            }
            let name = SourceName::of_file(&typed);
            prop_assert!(!name.as_str().is_empty() && !name.as_str().contains('/'));
        }
    }
}
