//! Chapters of a video, as its description tells them: lines that begin with a time, and go on with what begins there.

use std::time::Duration;

/// A part of a video that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Where it begins.
    pub begins: Duration,
    /// What it is called.
    pub title: String,
}

/// The chapters of a description, which may be none.
///
/// A chapter is a line such as `1:30 The sea`, `01:02:03 – The sand` or `(0:00) Beginning`; other lines do not count. There are
/// chapters if there are two of them at least, the first begins at 0, and each begins after the one before: otherwise the
/// times mean something else.
pub fn chapters(description: &str) -> Vec<Chapter> {
    let chapters: Vec<Chapter> = description.lines().filter_map(chapter).collect();
    let begins_at_zero = chapters.first().is_some_and(|first| first.begins.is_zero());
    let ascends = chapters.is_sorted_by(|one, next| one.begins < next.begins);
    if chapters.len() >= 2 && begins_at_zero && ascends { chapters } else { Vec::new() }
}

fn chapter(line: &str) -> Option<Chapter> {
    let line = line.trim();
    let is_time = |c: char| c.is_ascii_digit() || c == ':';
    let (time, rest) = match line.strip_prefix(['(', '[']) {
        Some(inner) => inner.split_once([')', ']'])?,
        None => line.split_at(line.find(|c| !is_time(c))?),
    };
    let begins = time_of(time.strip_suffix(':').unwrap_or(time))?;
    let title = rest.trim_start_matches(|c: char| c.is_whitespace() || "-–—:|.".contains(c)).trim_end();
    // `1:30pm` is no time of a video.
    let is_apart = rest.starts_with(|c: char| !c.is_alphanumeric());
    (is_apart && !title.is_empty()).then(|| Chapter { begins, title: title.to_owned() })
}

/// `M:SS` or `H:MM:SS`.
fn time_of(text: &str) -> Option<Duration> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &str, digits: std::ops::RangeInclusive<usize>, below: u64| {
        let is_number = digits.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u64>().ok().filter(|number| is_number && *number < below)
    };
    let seconds = match parts.as_slice() {
        [minutes, seconds] => number(minutes, 1..=3, 1000)? * 60 + number(seconds, 2..=2, 60)?,
        [hours, minutes, seconds] => {
            number(hours, 1..=2, 100)? * 3600 + number(minutes, 2..=2, 60)? * 60 + number(seconds, 2..=2, 60)?
        }
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(description: &str) -> String {
        let shown = |chapter: &Chapter| format!("{} {}", chapter.begins.as_secs(), chapter.title);
        chapters(description).iter().map(shown).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn lines_with_times_are_chapters() {
        assert_eq!(check("0:00 Beginning\n1:30 The sea"), "0 Beginning|90 The sea");
        assert_eq!(
            check(
                "A day out.\n\n  00:00 - One\ntext 0:30 between\n(1:05) Two\n[01:02:03] – Three\n75:00: Four"
            ),
            "0 One|65 Two|3723 Three|4500 Four"
        );
        assert_eq!(check("0:00 <b>Bold</b>\n0:01 世界"), "0 <b>Bold</b>|1 世界");
    }

    #[test]
    fn other_times_are_none() {
        for description in [
            "",
            "0:00 Alone",
            "0:05 Late\n1:00 Later",
            "0:00 One\n2:00 Two\n1:00 Three",
            "0:00 One\n0:00 Two",
            "0:00\n1:00",
            "0:00 -\n1:00 :",
            "0:00 One\n1:60 Two",
            "0:00 One\n1:5 Two",
            "0:00 One\n1:30pm Two",
            "0:00 One\n(1:30 Two",
            "0:00 One\n1:2:3:4 Two",
            "0:00 One\n1000:00 Two",
            "0:00 One\n٠:٠١ Two",
            "0:00 One\n99999999999999999999:00 Two",
        ] {
            assert_eq!(check(description), "", "{description:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_survived(description in "([0-9:()\\[\\] a-z\n-]|.){0,200}") {
            let chapters = chapters(&description);
            prop_assert!(chapters.is_empty() || chapters.len() >= 2);
            prop_assert!(chapters.iter().all(|chapter| !chapter.title.is_empty()));
        }
    }
}
