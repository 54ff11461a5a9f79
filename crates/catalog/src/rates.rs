//! Token buckets: how many requests there may be, as a pure function and as one statement that all nodes share.

use std::{num::NonZeroU32, time::Duration};

use db::{Db, Timestamp};

use crate::Result;

/// A bucket holds up to `burst` tokens and gets one more after each `refill`. A request takes one, or is refused.
///
/// What is kept of a bucket is one moment, at which it is full again: a bucket that nobody takes from needs no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    burst: NonZeroU32,
    /// Microseconds, at least one.
    refill: u64,
}

/// What a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A token.
    Granted {
        /// How many are left.
        left: u32,
        /// How long until there is one more than that.
        next: Duration,
    },
    /// Nothing; the bucket is as it was.
    Refused {
        /// How long until there is a token.
        wait: Duration,
    },
}

impl Bucket {
    /// `None` for a bucket without bounds: `refill` is zero.
    pub fn new(burst: NonZeroU32, refill: Duration) -> Option<Self> {
        // A bucket that takes more than a century to fill is one of a century.
        const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        let refill = u64::try_from(refill.min(LONGEST / burst.get()).as_micros()).ok()?;
        (refill > 0).then_some(Self { burst, refill })
    }

    /// How many requests may come at once.
    pub fn burst(self) -> u32 {
        self.burst.get()
    }

    /// How long an empty bucket takes to be full.
    pub fn fill(self) -> Duration {
        Duration::from_micros(self.depth())
    }

    /// Takes a token at `now` from a bucket that is full at `full_at`, and answers when it is full afterwards. Both are
    /// microseconds since the same moment.
    pub fn take(self, full_at: u64, now: u64) -> (u64, Taken) {
        let afterwards = full_at.max(now).saturating_add(self.refill);
        if afterwards <= now.saturating_add(self.depth()) {
            (afterwards, self.granted(afterwards.saturating_sub(now)))
        } else {
            (full_at, self.refused(full_at.saturating_sub(now)))
        }
    }

    /// Microseconds.
    fn depth(self) -> u64 {
        self.refill.saturating_mul(u64::from(self.burst.get()))
    }

    /// When `missing` microseconds are left until the bucket is full, after a token was taken.
    fn granted(self, missing: u64) -> Taken {
        let taken = u32::try_from(missing.div_ceil(self.refill)).unwrap_or(u32::MAX);
        let next = missing.checked_sub(1).map_or(0, |missing| missing % self.refill + 1);
        Taken::Granted { left: self.burst().saturating_sub(taken), next: Duration::from_micros(next) }
    }

    /// The same when there was none to take.
    fn refused(self, missing: u64) -> Taken {
        let one_less = self.depth().saturating_sub(self.refill);
        Taken::Refused { wait: Duration::from_micros(missing.saturating_sub(one_less)) }
    }
}

/// Takes a token from the bucket of this name, for all nodes at once, by the database's clock.
///
/// # Errors
/// Those of the database.
pub async fn take(db: &Db, name: &str, bucket: Bucket) -> Result<Taken> {
    let Row { full_at, granted, now } =
        db.write(TAKE).bind(name).bind(bucket.refill).bind(bucket.depth()).one().await?;
    let missing = full_at.unix_micros().saturating_sub(now.unix_micros());
    let missing = u64::try_from(missing).unwrap_or(0);
    Ok(if granted { bucket.granted(missing) } else { bucket.refused(missing) })
}

/// Forgets buckets that are full, and beyond `most` also those that are closest to it. Answers how many.
///
/// # Errors
/// Those of the database.
pub async fn prune(db: &Db, most: u32) -> Result<u64> {
    Ok(db.write(PRUNE).bind(most).execute().await?)
}

db::statements! {
    /// What is lost of this in a crash harms nobody, so that nobody waits until it is on a disk.
    TAKE {
        "INSERT INTO rate_buckets (bucket, full_at, granted)
         SELECT $1, " NOW " + $2, TRUE "
        [sqlite "" postgres "FROM (SELECT set_config('synchronous_commit', 'off', TRUE)) AS relaxed "]
        "WHERE TRUE
         ON CONFLICT (bucket) DO UPDATE SET
             full_at = CASE
                 WHEN rate_buckets.full_at <= " NOW " THEN excluded.full_at
                 WHEN rate_buckets.full_at + $2 <= " NOW " + $3 THEN rate_buckets.full_at + $2
                 ELSE rate_buckets.full_at
             END,
             granted = rate_buckets.full_at + $2 <= " NOW " + $3
         RETURNING full_at, granted, " NOW " AS now"
    }
    PRUNE {
        "DELETE FROM rate_buckets WHERE full_at <= " NOW " OR bucket IN (
             SELECT bucket FROM rate_buckets ORDER BY full_at DESC LIMIT 1000000000 OFFSET $1
         )"
    }
}

db::row! {
    struct Row { full_at: Timestamp, granted: bool, now: Timestamp }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(burst: u32, refill: u64) -> Bucket {
        Bucket::new(NonZeroU32::new(burst).unwrap(), Duration::from_micros(refill)).unwrap()
    }

    #[test]
    fn a_bucket_without_waiting_is_none() {
        assert_eq!(Bucket::new(NonZeroU32::MIN, Duration::ZERO), None);
        let longest = Bucket::new(NonZeroU32::MAX, Duration::MAX).unwrap();
        let (full_at, taken) = longest.take(0, u64::MAX / 2);
        assert!(matches!(taken, Taken::Granted { .. }) && full_at > u64::MAX / 2);
    }

    #[test]
    fn three_at_once_and_one_each_twenty_seconds() {
        const SECOND: u64 = 1_000_000;
        let bucket = bucket(3, 20 * SECOND);
        let mut full_at = 0;
        let mut said = Vec::new();
        for at in [0, 0, 1, 2, 19, 20, 21, 1000] {
            let (after, taken) = bucket.take(full_at, at * SECOND);
            full_at = after;
            said.push(match taken {
                Taken::Granted { left, next } => format!("{at}: granted, {left} left, next in {next:?}"),
                Taken::Refused { wait } => format!("{at}: refused for {wait:?}"),
            });
        }
        assert_eq!(
            said,
            [
                "0: granted, 2 left, next in 20s",
                "0: granted, 1 left, next in 20s",
                "1: granted, 0 left, next in 19s",
                "2: refused for 18s",
                "19: refused for 1s",
                "20: granted, 0 left, next in 20s",
                "21: refused for 19s",
                "1000: granted, 2 left, next in 20s",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_window_grants_more_than_the_bucket_allows(
            burst in 1u32..6, refill in 1u64..50, pauses in prop::collection::vec(0u64..60, 1..80),
        ) {
            let bucket = bucket(burst, refill);
            let (mut full_at, mut now, mut granted) = (0, 1_000, Vec::new());
            for pause in pauses {
                now += pause;
                let (after, taken) = bucket.take(full_at, now);
                match taken {
                    Taken::Granted { left, next } => {
                        granted.push(now);
                        prop_assert!(left < burst && next <= Duration::from_micros(refill));
                    }
                    Taken::Refused { wait } => {
                        let wait = u64::try_from(wait.as_micros()).unwrap();
                        prop_assert_eq!(after, full_at, "a refusal costs nothing");
                        prop_assert!(wait > 0);
                        let soon = bucket.take(after, now + wait - 1).1;
                        prop_assert!(matches!(soon, Taken::Refused { .. }), "who waits less gets nothing");
                        let then = bucket.take(after, now + wait).1;
                        prop_assert!(matches!(then, Taken::Granted { .. }), "who waits as told gets a token");
                    }
                }
                full_at = after;
            }
            for (first, start) in granted.iter().enumerate() {
                for (last, end) in granted.iter().enumerate().skip(first) {
                    let most = u64::from(burst) + (end - start) / refill;
                    prop_assert!(last - first < usize::try_from(most).unwrap());
                }
            }
        }

        #[test]
        fn who_keeps_to_the_pace_is_never_refused(burst in 1u32..6, refill in 1u64..50, extra in 0u64..9) {
            let bucket = bucket(burst, refill);
            let mut full_at = 0;
            for request in 0..50 {
                let (after, taken) = bucket.take(full_at, 1_000 + request * (refill + extra));
                let granted = matches!(taken, Taken::Granted { .. });
                prop_assert!(granted);
                full_at = after;
            }
        }
    }
}
