//! Moments as dates.

use std::time::{Duration, UNIX_EPOCH};

use db::Timestamp;

/// `2026-03-07T12:34:56.789Z`: RFC 3339, in UTC, to the millisecond.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let (days, millis) = (at.unix_millis().div_euclid(DAY), at.unix_millis().rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", millis % 1000)
}

/// `Sat, 07 Mar 2026 12:34:56 GMT`: as HTTP writes dates (RFC 9110 §5.6.7), and RSS takes them.
pub(crate) fn http_date(at: Timestamp) -> String {
    let since = Duration::from_micros(u64::try_from(at.unix_micros()).unwrap_or_default());
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

/// `2026-03-07`: a day counted from 1970-01-01.
pub(crate) fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Milliseconds.
pub(crate) const DAY: i64 = 86_400_000;

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Years begin in March here, so that the leap day is the last of its year (Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_does() {
        let check =
            |micros, expected: &str| assert_eq!(rfc3339(Timestamp::from_unix_micros(micros)), expected);
        check(0, "1970-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(1_709_251_199_999_999, "2024-02-29T23:59:59.999Z");
        check(4_107_542_400_000_000, "2100-03-01T00:00:00.000Z");
        assert_eq!(
            http_date(Timestamp::from_unix_micros(1_709_251_199_999_999)),
            "Thu, 29 Feb 2024 23:59:59 GMT"
        );
        assert_eq!((date(0), date(-1)), ("1970-01-01".to_owned(), "1969-12-31".to_owned()));
    }
}
