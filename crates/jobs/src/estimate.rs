//! How long the jobs of a group will take: a pure function of what was measured.

use std::time::Duration;

/// What an estimate rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Jobs that run.
    pub in_hand: Vec<Run>,
    /// Jobs of the group that wait.
    pub ready: u32,
    /// Jobs of others that go before the last of them.
    pub ahead: u32,
    /// How many jobs run side by side, whoever's they are; 0 when nothing runs.
    pub side_by_side: u32,
    /// How long a job of the group took.
    pub own_pace: Option<Duration>,
    /// How long a job took lately, whoever's it was.
    pub pace: Option<Duration>,
}

/// A job that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// For how long.
    pub running_for: Duration,
    /// Units done.
    pub done: u64,
    /// Units in all; 0 is not known.
    pub total: u64,
}

impl Outlook {
    /// How long until the last job of the group is done. `None` while nothing was measured that an estimate could
    /// rest on, and when nothing is left to do.
    ///
    /// Jobs of a group are of about one length. What is done of the group says how long; before its first job is
    /// done, how far those in hand have come; before that, the jobs of others. Jobs of others that go before its own
    /// take the pace of all.
    pub fn remaining(&self) -> Option<Duration> {
        let own = self.own_pace.or_else(|| self.projected()).or(self.pace)?.as_secs_f64();
        let others = self.pace.map_or(own, |pace| pace.as_secs_f64());
        let rests = self.in_hand.iter().map(|run| own * (1.0 - run.share(own)));
        let (mut sum, mut longest) = (0.0, 0.0_f64);
        for rest in rests {
            sum += rest;
            longest = longest.max(rest);
        }
        if self.ready == 0 {
            return (!self.in_hand.is_empty()).then(|| seconds(longest));
        }
        if self.side_by_side == 0 {
            return None;
        }
        let work = sum + own * f64::from(self.ready) + others * f64::from(self.ahead);
        Some(seconds((work / f64::from(self.side_by_side)).max(longest)))
    }

    /// The length of a job, by how far those in hand have come in what time.
    fn projected(&self) -> Option<Duration> {
        let lengths: Vec<Duration> = self.in_hand.iter().filter_map(Run::projected).collect();
        let count = u32::try_from(lengths.len()).ok()?;
        lengths.iter().sum::<Duration>().checked_div(count)
    }
}

impl Run {
    /// Its length, once enough of it is done for that to mean something.
    fn projected(&self) -> Option<Duration> {
        const ENOUGH: f64 = 0.1;
        const LONG_ENOUGH: Duration = Duration::from_secs(1);
        let share = self.measured_share()?;
        (share >= ENOUGH && self.running_for >= LONG_ENOUGH)
            .then(|| Duration::try_from_secs_f64(self.running_for.as_secs_f64() / share).ok())
            .flatten()
    }

    /// How much of it is done, as far as is known: at most nearly all, because it is not done.
    fn share(&self, length: f64) -> f64 {
        const NEARLY_ALL: f64 = 0.95;
        let by_time = if length > 0.0 { self.running_for.as_secs_f64() / length } else { 0.0 };
        self.measured_share().unwrap_or(by_time).clamp(0.0, NEARLY_ALL)
    }

    fn measured_share(&self) -> Option<f64> {
        let thousandths = (u128::from(self.done) * 1000).checked_div(u128::from(self.total))?.min(1000);
        Some(f64::from(u16::try_from(thousandths).ok()?) / 1000.0)
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(running_for: u64, done: u64, total: u64) -> Run {
        Run { running_for: Duration::from_secs(running_for), done, total }
    }

    /// The estimate in whole seconds.
    fn check(outlook: &Outlook) -> Option<u128> {
        outlook.remaining().map(|remaining| (remaining.as_millis() + 500) / 1000)
    }

    #[test]
    fn nothing_is_said_without_ground() {
        assert_eq!(check(&Outlook::default()), None);
        let just_begun =
            Outlook { in_hand: vec![run(0, 0, 250)], ready: 4, side_by_side: 1, ..Outlook::default() };
        assert_eq!(check(&just_begun), None);
        let unknown_units = Outlook { in_hand: vec![run(60, 0, 0)], side_by_side: 1, ..Outlook::default() };
        assert_eq!(check(&unknown_units), None);
        let nobody_works = Outlook { ready: 4, pace: Some(Duration::from_secs(10)), ..Outlook::default() };
        assert_eq!(check(&nobody_works), None);
        let nothing_left =
            Outlook { pace: Some(Duration::from_secs(10)), side_by_side: 2, ..Outlook::default() };
        assert_eq!(check(&nothing_left), None);
    }

    #[test]
    fn what_is_in_hand_tells_how_long_the_rest_takes() {
        // Half of ten seconds in five: four more of ten and the other half, one after the other.
        let outlook =
            Outlook { in_hand: vec![run(5, 50, 100)], ready: 4, side_by_side: 1, ..Outlook::default() };
        assert_eq!(check(&outlook), Some(45));
        assert_eq!(check(&Outlook { side_by_side: 3, ..outlook.clone() }), Some(15));
        // What is done already says it better than what is in hand.
        assert_eq!(check(&Outlook { own_pace: Some(Duration::from_secs(20)), ..outlook }), Some(90));
    }

    #[test]
    fn jobs_of_others_count_with_their_own_pace() {
        let outlook = Outlook {
            ready: 2,
            ahead: 6,
            side_by_side: 4,
            pace: Some(Duration::from_secs(8)),
            ..Outlook::default()
        };
        assert_eq!(check(&outlook), Some(16));
        assert_eq!(check(&Outlook { own_pace: Some(Duration::from_secs(2)), ..outlook }), Some(13));
    }

    #[test]
    fn the_last_jobs_end_side_by_side() {
        let outlook = Outlook {
            in_hand: vec![run(9, 90, 100), run(1, 10, 100)],
            side_by_side: 2,
            own_pace: Some(Duration::from_secs(10)),
            ..Outlook::default()
        };
        assert_eq!(check(&outlook), Some(9));
    }

    proptest! {
        #[test]
        fn any_measurement_is_survived_and_more_work_never_takes_less(
            runs in prop::collection::vec((any::<u32>(), any::<u64>(), any::<u64>()), 0..4),
            ready in any::<u32>(), ahead in 0..u32::MAX, side_by_side in any::<u32>(),
            own_pace in any::<Option<u32>>(), pace in any::<Option<u32>>(),
        ) {
            let outlook = Outlook {
                in_hand: runs.into_iter().map(|(time, done, total)| run(time.into(), done, total)).collect(),
                ready, ahead, side_by_side,
                own_pace: own_pace.map(|seconds| Duration::from_secs(seconds.into())),
                pace: pace.map(|seconds| Duration::from_secs(seconds.into())),
            };
            let more = Outlook { ahead: ahead + 1, ..outlook.clone() };
            if let (Some(before), Some(after)) = (outlook.remaining(), more.remaining()) {
                prop_assert!(after >= before);
            }
        }
    }
}
