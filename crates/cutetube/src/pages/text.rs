//! Lengths, dates and sizes as people read them.

use std::time::Duration;

use db::Timestamp;

use crate::{
    calendar::{DAY, civil},
    texts::text,
};

/// `0:05`, `12:30`, `1:02:03`; a started second counts from its middle, and nothing that plays is 0 long.
pub(super) fn length(duration: Duration) -> String {
    let seconds = duration.as_millis().saturating_add(500) / 1000;
    let seconds = if duration.is_zero() { 0 } else { seconds.max(1) };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// `7 March 2026`, in UTC.
pub(super) fn date(at: Timestamp) -> String {
    let (year, month, day) = civil(at.unix_millis().div_euclid(DAY));
    text("common-date").with("day", day).count("month", month).with("year", year).to_string()
}

/// `7 Mar`, in UTC.
pub(super) fn day(at: Timestamp) -> String {
    let (_, month, day) = civil(at.unix_millis().div_euclid(DAY));
    text("common-day").with("day", day).count("month", month).to_string()
}

/// `14:05`, in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    let minutes = at.unix_millis().div_euclid(60_000).rem_euclid(24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `no views`, `1 view`, `12 345 views`, with spaces that do not break.
pub(super) fn views(views: u64) -> String {
    counted("common-views", views)
}

/// `1 comment`, `12 345 comments`, with spaces that do not break: a message with `$count` for its choices, and `$number` for
/// people.
pub(super) fn counted(key: &'static str, count: u64) -> String {
    text(key).count("count", count).with("number", grouped(count)).to_string()
}

/// Digits in threes (ISO 80000-1 §7.3.1).
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && position % 3 == first {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// A span of time in its greatest unit: `0 s`, `90 s`, `5 min`, `2 h`, `3 d`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `10 GB`: the greatest unit of which there is at least one, rounded down, so that what is promised fits.
pub(super) fn size(bytes: u64) -> String {
    let units = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    units.into_iter().find(|(_, unit)| bytes >= *unit).map_or_else(
        || text("common-bytes").count("bytes", bytes).to_string(),
        |(name, unit)| format!("{} {name}", bytes / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_like_a_clock() {
        let check = |millis, expected: &str| assert_eq!(length(Duration::from_millis(millis)), expected);
        check(0, "0:00");
        check(1, "0:01");
        check(5_280, "0:05");
        check(59_600, "1:00");
        check(3_723_000, "1:02:03");
    }

    #[test]
    fn dates_follow_the_calendar() {
        let check = |seconds: i64, expected| {
            assert_eq!(date(Timestamp::from_unix_micros(seconds * 1_000_000)), expected);
        };
        check(0, "1 January 1970");
        check(-1, "31 December 1969");
        check(951_782_400, "29 February 2000");
        check(1_709_251_199, "29 February 2024");
        check(4_107_542_400, "1 March 2100");
    }

    #[test]
    fn moments_and_spans_are_short() {
        let at = Timestamp::from_unix_micros(951_782_400_000_000 + 50_700_000_000);
        assert_eq!((day(at).as_str(), clock(at).as_str()), ("29 Feb", "14:05"));
        let said = [0, 119, 120, 7199, 7200, 172_800].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(said, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
    }

    #[test]
    fn views_are_counted_in_threes() {
        let said = [0, 1, 2, 999, 1000, 12_345, 1_000_000].map(views).join(", ");
        assert_eq!(
            said.replace('\u{a0}', "_"),
            "no views, 1 view, 2 views, 999 views, 1_000 views, 12_345 views, 1_000_000 views"
        );
    }

    #[test]
    fn sizes_are_rounded_down() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(10_999_999_999), "10 GB");
    }
}
