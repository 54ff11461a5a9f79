//! What a video is filed under.

use db::{ColumnError, FromColumn, Json, ToColumn};
use serde::Serialize;

use super::{Refusal, one_line, refuse};

/// At most 20 words or phrases of 1 to 40 characters, none twice in whatever case, in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Tags(Vec<String>);

const MOST: usize = 20;
const LONGEST: usize = 40;

impl Tags {
    /// Parses each of them; one that is there already does not count.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse<'a>(typed: impl IntoIterator<Item = &'a str>) -> Result<Self, Refusal> {
        let mut tags: Vec<String> = Vec::new();
        for typed in typed {
            let tag = one_line(typed, LONGEST).map_err(|Refusal(sentence)| {
                Refusal(format!("The tag `{}` is refused. {sentence}", typed.escape_debug()))
            })?;
            if tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase()) {
                continue;
            }
            if tags.len() == MOST {
                return refuse("Ensure there are no more than 20 tags.");
            }
            tags.push(tag);
        }
        Ok(Self(tags))
    }

    /// Parses a line of them with commas between; nothing between two commas is no tag.
    ///
    /// # Errors
    /// As [`Tags::parse`].
    pub fn parse_line(typed: &str) -> Result<Self, Refusal> {
        Self::parse(typed.split(',').filter(|tag| !tag.trim().is_empty()))
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl ToColumn for Tags {
    type Stored = String;

    fn to_stored(&self) -> Result<String, ColumnError> {
        Json(&self.0).to_stored()
    }
}

impl FromColumn for Tags {
    type Stored = String;

    fn from_stored(stored: String) -> Result<Self, ColumnError> {
        Json::<Vec<String>>::from_stored(stored).map(|Json(tags)| Self(tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str) -> String {
        Tags::parse_line(typed)
            .map_or_else(|Refusal(sentence)| sentence, |tags| tags.iter().collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn a_line_is_taken_apart() {
        assert_eq!(check(" Holiday, sea ,,holiday, HOLIDAY in Rome"), "Holiday|sea|HOLIDAY in Rome");
        assert_eq!(check(""), "");
        assert_eq!(
            check(&"x".repeat(41)).split(". ").last(),
            Some("Ensure this field has no more than 40 characters.")
        );
        assert!(check("a\u{202e}b").ends_with("Control characters are not allowed."));
        let many: Vec<_> = (0..21).map(|n| n.to_string()).collect();
        assert_eq!(check(&many.join(",")), "Ensure there are no more than 20 tags.");
    }
}
