//! Buckets of one process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use catalog::rates::{Bucket, Taken};

use super::Class;
use crate::http::ClientNetwork;

/// As many buckets as there may be, each with the moment at which it is full again.
#[derive(Debug)]
pub(super) struct Buckets {
    full_at: Mutex<HashMap<(Class, ClientNetwork), u64>>,
    most: usize,
}

impl Buckets {
    /// At most `most`: when there are more, those that are closest to full are forgotten, and whoever took most is
    /// remembered longest.
    pub(super) fn new(most: usize) -> Self {
        Self { full_at: Mutex::default(), most }
    }

    /// Takes a token at `now`, in microseconds since the same moment for every call.
    pub(super) fn take(&self, class: Class, client: ClientNetwork, bucket: Bucket, now: u64) -> Taken {
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.most {
            forget(&mut buckets, now, self.most / 2);
        }
        let kept = buckets.entry((class, client)).or_insert(now);
        let (full_at, taken) = bucket.take(*kept, now);
        *kept = full_at;
        taken
    }
}

/// Leaves at most `most` of them. Half of the room is made at once, so that the work is spread over many requests.
fn forget(buckets: &mut HashMap<(Class, ClientNetwork), u64>, now: u64, most: usize) {
    buckets.retain(|_, full_at| *full_at > now);
    if let Some(surplus) = buckets.len().checked_sub(most).filter(|surplus| *surplus > 0) {
        let mut moments: Vec<_> = buckets.values().copied().collect();
        let (_, bound, _) = moments.select_nth_unstable(surplus - 1);
        let bound = *bound;
        let mut left = surplus;
        buckets.retain(|_, full_at| {
            let goes = left > 0 && *full_at <= bound;
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::*;
    use crate::http::ClientAddress;

    fn client(number: u8) -> ClientNetwork {
        ClientAddress::from([192, 0, 2, number]).network()
    }

    fn granted(buckets: &Buckets, number: u8, now: Duration) -> bool {
        let bucket = Bucket::new(NonZeroU32::new(2).unwrap(), MINUTE).unwrap();
        let now = u64::try_from(now.as_micros()).unwrap();
        matches!(buckets.take(Class::Read, client(number), bucket, now), Taken::Granted { .. })
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn each_client_has_its_own_and_it_fills_again() {
        let buckets = Buckets::new(100);
        let first = |now| [granted(&buckets, 1, now), granted(&buckets, 1, now), granted(&buckets, 1, now)];
        assert_eq!(first(Duration::ZERO), [true, true, false]);
        assert!(granted(&buckets, 2, Duration::ZERO));
        assert_eq!(first(MINUTE), [true, false, false]);
    }

    #[test]
    fn a_crowd_does_not_make_it_grow_or_forget_the_greediest() {
        let buckets = Buckets::new(10);
        while granted(&buckets, 0, Duration::ZERO) {}
        for number in 1..=255 {
            assert!(granted(&buckets, number, Duration::ZERO));
            assert!(buckets.full_at.lock().unwrap().len() <= 10);
        }
        assert!(!granted(&buckets, 0, Duration::ZERO));
    }
}
