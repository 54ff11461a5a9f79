//! Byte ranges (RFC 9110 §14), as far as one stored object answers them.

use std::ops::Range;

/// What a `Range` header asks of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ranged {
    /// All of it: there is no header, or one that may be ignored.
    Whole,
    /// One or more parts, in the order asked for, none empty, all inside the object.
    Parts(Vec<Range<u64>>),
    /// Nothing that it asks for exists.
    Unsatisfiable,
}

/// More are answered with the whole object: each costs a header, and opening the object once more.
const MOST_PARTS: usize = 16;

impl Ranged {
    /// Reads `header` for an object of `len` bytes.
    ///
    /// What is malformed or in another unit is ignored (§14.2), and so is what asks for too many parts. Parts that
    /// overlap are joined (§14.6), so that no answer is longer than the object.
    pub(crate) fn of(header: Option<&str>, len: u64) -> Self {
        let Some(specs) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
            return Self::Whole;
        };
        let mut parts = Vec::new();
        let mut asked = 0;
        for spec in specs.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
            asked += 1;
            match part(spec, len) {
                Some(range) if asked <= MOST_PARTS => parts.extend(range),
                _ => return Self::Whole,
            }
        }
        match parts.len() {
            0 if asked == 0 => Self::Whole,
            0 => Self::Unsatisfiable,
            _ => Self::Parts(without_overlap(parts)),
        }
    }
}

/// As they are when no two of them share a byte; else in the order of the object, joined where they overlap.
fn without_overlap(parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted = parts.clone();
    sorted.sort_unstable_by_key(|part| part.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for part in sorted {
        match joined.last_mut().filter(|last| part.start < last.end) {
            Some(last) => last.end = last.end.max(part.end),
            None => joined.push(part),
        }
    }
    if joined.len() == parts.len() { parts } else { joined }
}

/// `None`: malformed; `Some(None)`: outside of the object.
#[expect(clippy::option_option, reason = "malformed and outside have different answers")]
fn part(spec: &str, len: u64) -> Option<Option<Range<u64>>> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number too long for 64 bits is beyond the end of everything.
    let number = |text: &str| digits(text).then(|| text.parse().unwrap_or(u64::MAX));
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        let range = len.saturating_sub(suffix)..len;
        return Some((!range.is_empty()).then_some(range));
    }
    let first = number(first)?;
    let end = if last.is_empty() { len } else { number(last)?.saturating_add(1).min(len) };
    if !last.is_empty() && number(last)? < first {
        return None;
    }
    Some((first < len).then_some(first..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, len: u64) -> String {
        match Ranged::of(Some(header), len) {
            Ranged::Whole => "whole".to_owned(),
            Ranged::Unsatisfiable => "unsatisfiable".to_owned(),
            Ranged::Parts(parts) => format!("{parts:?}"),
        }
    }

    #[test]
    fn headers_are_read_as_the_rfc_says() {
        let table = [
            ("bytes=0-0", 10),
            ("bytes=0-9", 10),
            ("bytes=0-99", 10),
            ("bytes=9-", 10),
            ("bytes=-3", 10),
            ("bytes=-99", 10),
            ("bytes=0-0, 5-6,-1", 10),
            ("bytes=0-1,20-30", 10),
            ("bytes=,0-1,", 10),
            ("bytes=0-18446744073709551616", 10),
            ("bytes=10-", 10),
            ("bytes=-0", 10),
            ("bytes=99999999999999999999-", 10),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
            ("bytes=", 10),
            ("bytes=x-1", 10),
            ("bytes=1", 10),
            ("bytes=5-4", 10),
            ("bytes=+1-2", 10),
            ("lines=1-2", 10),
            ("bytes=0-9,0-9", 10),
            ("bytes=6-9,0-3,2-4", 10),
            ("bytes=0-1,2-3", 10),
            ("bytes=1-2,x", 10),
        ];
        let said: Vec<_> =
            table.iter().map(|(header, len)| format!("{header} of {len}: {}", check(header, *len))).collect();
        insta::assert_snapshot!(said.join("\n"), @"
        bytes=0-0 of 10: [0..1]
        bytes=0-9 of 10: [0..10]
        bytes=0-99 of 10: [0..10]
        bytes=9- of 10: [9..10]
        bytes=-3 of 10: [7..10]
        bytes=-99 of 10: [0..10]
        bytes=0-0, 5-6,-1 of 10: [0..1, 5..7, 9..10]
        bytes=0-1,20-30 of 10: [0..2]
        bytes=,0-1, of 10: [0..2]
        bytes=0-18446744073709551616 of 10: [0..10]
        bytes=10- of 10: unsatisfiable
        bytes=-0 of 10: unsatisfiable
        bytes=99999999999999999999- of 10: unsatisfiable
        bytes=0- of 0: unsatisfiable
        bytes=-1 of 0: unsatisfiable
        bytes= of 10: whole
        bytes=x-1 of 10: whole
        bytes=1 of 10: whole
        bytes=5-4 of 10: whole
        bytes=+1-2 of 10: whole
        lines=1-2 of 10: whole
        bytes=0-9,0-9 of 10: [0..10]
        bytes=6-9,0-3,2-4 of 10: [0..5, 6..10]
        bytes=0-1,2-3 of 10: [0..2, 2..4]
        bytes=1-2,x of 10: whole
        ");
    }

    #[test]
    fn a_flood_of_parts_is_answered_with_the_whole() {
        let parts = |count: usize| {
            let specs: Vec<_> = (0..count).map(|n| format!("{}-{}", 2 * n, 2 * n)).collect();
            Ranged::of(Some(&format!("bytes={}", specs.join(","))), 1 << 20)
        };
        assert!(matches!(parts(MOST_PARTS), Ranged::Parts(parts) if parts.len() == MOST_PARTS));
        assert_eq!(parts(MOST_PARTS + 1), Ranged::Whole);
        assert_eq!(parts(10_000), Ranged::Whole);
    }

    proptest::proptest! {
        #[test]
        fn parts_are_inside_and_never_more_than_the_whole(header in "bytes=[0-9,-]{0,24}", len in 0u64..30) {
            if let Ranged::Parts(parts) = Ranged::of(Some(&header), len) {
                proptest::prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= len));
                proptest::prop_assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= len);
            }
        }
    }
}
