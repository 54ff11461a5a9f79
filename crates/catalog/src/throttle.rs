//! Slowing down those who guess: each attempt is counted before it is judged, so that many at once gain nothing.
//!
//! Nodes share the counts, and what is counted is known by its hash only.

use std::time::Duration;

use db::{Db, Timestamp, Tx};

use crate::Result;

/// The SHA-256 of what is guessed, or of who guesses.
pub type Key = [u8; 32];

/// How patient somebody has to be who keeps failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// So many failures cost nothing.
    pub free: u32,
    /// How long the first failure after those blocks; each further one blocks twice as long.
    pub first: Duration,
    /// And no longer than this.
    pub longest: Duration,
    /// After so long without an attempt all is forgiven.
    pub forgotten_after: Duration,
}

/// Whether an attempt may be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and counts as a failure until [`forgive`] or [`give_back`] says otherwise.
    Allowed,
    /// Not before this time has passed. It was not counted.
    Blocked(Duration),
}

impl Rule {
    /// How long one has to wait after this many failures.
    fn wait(&self, failures: u32) -> Duration {
        match failures.saturating_sub(self.free) {
            0 => Duration::ZERO,
            beyond => {
                let doubled = 1_u32.checked_shl(beyond - 1).unwrap_or(u32::MAX);
                self.first.saturating_mul(doubled).min(self.longest)
            }
        }
    }
}

/// Counts an attempt against each of `keys`, or against none of them when one is blocked.
///
/// # Errors
/// Those of the database.
pub async fn attempt(db: &Db, keys: &[(Key, Rule)]) -> Result<Verdict> {
    // In the same order for everybody, so that nobody waits in a circle.
    let mut keys = keys.to_vec();
    keys.sort_unstable_by_key(|(key, _)| *key);
    let mut tx = db.begin().await?;
    let mut locked = Vec::new();
    for (key, rule) in keys {
        locked.push((key, rule, lock(&mut tx, &key).await?));
    }
    // After all waiting for others, whose marks are not from the future then.
    let now = tx.now().await?;
    let mut counted = Vec::new();
    let mut blocked = Duration::ZERO;
    for (key, rule, Kept { failures, last_at, blocked_until }) in locked {
        blocked = blocked.max(since(blocked_until, now));
        let is_forgotten = since(now, last_at) > rule.forgotten_after;
        let failures = if is_forgotten { 1 } else { failures.saturating_add(1) };
        counted.push((key, failures, rule.wait(failures)));
    }
    if !blocked.is_zero() {
        return Ok(Verdict::Blocked(blocked));
    }
    for (key, failures, wait) in counted {
        tx.query(COUNT).bind(key).bind(failures).bind(wait).execute().await?;
    }
    tx.commit().await?;
    Ok(Verdict::Allowed)
}

/// The attempt succeeded: whoever could do that is not guessing.
///
/// # Errors
/// Those of the database.
pub async fn forgive(db: &Db, key: &Key) -> Result<()> {
    db.write(FORGIVE).bind(key).execute().await?;
    Ok(())
}

/// The attempt succeeded, which says nothing about others that are counted with it.
///
/// # Errors
/// Those of the database.
pub async fn give_back(db: &Db, key: &Key) -> Result<()> {
    db.write(GIVE_BACK).bind(key).execute().await?;
    Ok(())
}

/// Forgets attempts older than `age`. Answers how many keys that were.
///
/// # Errors
/// Those of the database.
pub async fn purge(db: &Db, age: Duration) -> Result<u64> {
    Ok(db.write(PURGE).bind(age).execute().await?)
}

/// The row of a key, which is there from now on, locked until the transaction ends.
async fn lock(tx: &mut Tx, key: &Key) -> Result<Kept> {
    tx.query(BEGIN).bind(key).execute().await?;
    Ok(tx.query(LOCK).bind(key).one().await?)
}

fn since(later: Timestamp, earlier: Timestamp) -> Duration {
    let micros = later.unix_micros().saturating_sub(earlier.unix_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

db::row! {
    struct Kept { failures: u32, last_at: Timestamp, blocked_until: Timestamp }
}

db::statements! {
    BEGIN {
        "INSERT INTO attempts (hash, failures, last_at, blocked_until) VALUES ($1, 0, " NOW ", 0)
         ON CONFLICT (hash) DO NOTHING"
    }
    LOCK { "SELECT failures, last_at, blocked_until FROM attempts WHERE hash = $1" FOR_UPDATE }
    COUNT {
        "UPDATE attempts SET failures = $2, last_at = " NOW ", blocked_until = " NOW " + $3 WHERE hash = $1"
    }
    FORGIVE { "DELETE FROM attempts WHERE hash = $1" }
    GIVE_BACK {
        "UPDATE attempts SET failures = failures - 1, blocked_until = 0 WHERE hash = $1 AND failures > 0"
    }
    PURGE { "DELETE FROM attempts WHERE last_at < " NOW " - $1" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let seconds = Duration::from_secs;
        let rule = Rule { free: 3, first: seconds(1), longest: seconds(60), forgotten_after: seconds(3600) };
        let waits = [1, 3, 4, 5, 6, 9, 10, 100, u32::MAX].map(|failures| rule.wait(failures).as_secs());
        assert_eq!(waits, [0, 0, 1, 2, 4, 32, 60, 60, 60]);
    }
}
