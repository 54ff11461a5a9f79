//! Which faults come, and in which order.

use std::fmt;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// What happens to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Worker(Way),
    /// What answers requests; in the small, everything.
    Server(Way),
    Database(Way),
    /// The primary dies, and its synchronous standby is promoted.
    FailOver,
    Store(Way),
}

/// How it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// SIGTERM, and another one is started.
    Stopped,
    /// SIGKILL, and it is started again.
    Killed,
    /// SIGSTOP until every lease has run out, then SIGCONT.
    Frozen,
    /// Its connections are cut, and new ones refused for a while.
    CutOff,
    /// No byte goes through until every lease has run out, and nobody is told.
    Silenced,
}

/// Many machines, PostgreSQL and a store: the faults worth a look, the most telling first.
pub(super) const MANY: &[Fault] = &[
    Fault::Worker(Way::Killed),
    Fault::FailOver,
    Fault::Worker(Way::Frozen),
    Fault::Store(Way::Killed),
    Fault::Server(Way::Killed),
    Fault::Database(Way::Killed),
    Fault::Store(Way::CutOff),
    Fault::Database(Way::CutOff),
    Fault::Database(Way::Silenced),
    Fault::Store(Way::Frozen),
    Fault::Server(Way::Frozen),
    Fault::Database(Way::Frozen),
    Fault::Worker(Way::Stopped),
    Fault::Server(Way::Stopped),
    Fault::Store(Way::Silenced),
];

/// One process with SQLite and files.
pub(super) const ONE: &[Fault] = &[
    Fault::Server(Way::Killed),
    Fault::Database(Way::Frozen),
    Fault::Server(Way::Stopped),
    Fault::Server(Way::Frozen),
];

/// The first `count` of `faults`, and more of them at random when there are not as many, in an order that `seed` decides.
pub(super) fn schedule(faults: &[Fault], count: usize, seed: u64) -> Vec<Fault> {
    let mut dice = StdRng::seed_from_u64(seed);
    let more = count.saturating_sub(faults.len());
    let mut schedule: Vec<Fault> = faults.iter().take(count).copied().collect();
    schedule.extend((0..more).map(|_| faults[dice.random_range(0..faults.len())]));
    schedule.shuffle(&mut dice);
    schedule
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, way) = match self {
            Self::Worker(way) => ("a worker", way),
            Self::Server(way) => ("a server", way),
            Self::Database(way) => ("the database", way),
            Self::Store(way) => ("the store", way),
            Self::FailOver => return write!(formatter, "the database fails over"),
        };
        let way = match way {
            Way::Stopped => "stopped",
            Way::Killed => "killed",
            Way::Frozen => "frozen",
            Way::CutOff => "cut off",
            Way::Silenced => "silenced",
        };
        write!(formatter, "{who} is {way}")
    }
}
