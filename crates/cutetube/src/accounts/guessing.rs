//! Slowing down whoever guesses passwords: by the account that is guessed at, and by the address that guesses.

use std::time::Duration;

use catalog::{
    ids::UserId,
    throttle::{self, Key, Rule, Verdict},
};
use sha2::{Digest, Sha256};

use super::{actions::AccountError, source::Source};
use crate::{AppState, config::RateLimits};

/// What is guessed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guess<'a> {
    /// The password behind a user name or an address, whether an account has it or not.
    Account(&'a str),
    /// The password of somebody who is signed in, asked again.
    Owner(UserId),
    /// Letters to an address.
    Letter(&'a str),
}

/// An attempt that counts as a failure until it has succeeded.
#[derive(Debug)]
#[must_use = "an attempt that nobody says anything about has failed"]
pub(crate) struct Attempt {
    /// Of what is guessed, and of who guesses.
    keys: Option<(Key, Option<Key>)>,
}

const HOUR: Duration = Duration::from_secs(3600);

/// Whoever has the name of an account can block it; so not for long. 1440 guesses a day are none against a password
/// that is not among the common ones.
const OF_ACCOUNT: Rule =
    Rule { free: 5, first: Duration::from_secs(1), longest: Duration::from_secs(60), forgotten_after: HOUR };

/// An office shares an address, so more is free; who fails more often than an office waits long.
const OF_ADDRESS: Rule = Rule {
    free: 30,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(900),
    forgotten_after: HOUR,
};

/// Nobody needs more letters at once.
const OF_LETTERS: Rule = Rule {
    free: 5,
    first: Duration::from_secs(60),
    longest: Duration::from_secs(900),
    forgotten_after: HOUR,
};

/// After so long nothing that was counted matters.
pub(crate) const FORGOTTEN_AFTER: Duration = HOUR;

/// Counts an attempt, or refuses to have it judged.
pub(crate) async fn attempt(
    state: &AppState,
    guess: Guess<'_>,
    source: &Source,
) -> Result<Attempt, AccountError> {
    if state.config.limits.rate == RateLimits::Off {
        return Ok(Attempt { keys: None });
    }
    let (guessed, rule) = guess.key();
    let address = source.network.map(|network| key("address", network.to_string().as_bytes()));
    let mut keys = vec![(guessed, rule)];
    keys.extend(address.map(|address| (address, OF_ADDRESS)));
    match throttle::attempt(&state.db, &keys).await? {
        Verdict::Allowed => Ok(Attempt { keys: Some((guessed, address)) }),
        Verdict::Blocked(wait) => {
            tracing::info!(wait_ms = wait.as_millis(), "an attempt to sign in came too soon");
            Err(AccountError::TooManyAttempts(wait))
        }
    }
}

impl Attempt {
    /// Who knows the password of an account is not guessing at it; but who guesses at others may well have one.
    pub(crate) async fn succeeded(self, state: &AppState) -> Result<(), AccountError> {
        let Some((guessed, address)) = self.keys else { return Ok(()) };
        throttle::forgive(&state.db, &guessed).await?;
        if let Some(address) = address {
            throttle::give_back(&state.db, &address).await?;
        }
        Ok(())
    }
}

impl Guess<'_> {
    fn key(self) -> (Key, Rule) {
        match self {
            Self::Account(typed) => (key("account", typed.trim().to_lowercase().as_bytes()), OF_ACCOUNT),
            Self::Owner(user) => (key("owner", user.to_string().as_bytes()), OF_ACCOUNT),
            Self::Letter(typed) => (key("letter", typed.trim().to_lowercase().as_bytes()), OF_LETTERS),
        }
    }
}

fn key(kind: &str, what: &[u8]) -> Key {
    Sha256::new().chain_update(kind).chain_update([0]).chain_update(what).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_guessed_at_in_any_case_and_apart_from_others() {
        let of = |guess: Guess| guess.key().0;
        assert_eq!(of(Guess::Account("Ada ")), of(Guess::Account("ada")));
        assert_ne!(of(Guess::Account("ada")), of(Guess::Account("bob")));
        assert_ne!(of(Guess::Account("ada")), of(Guess::Letter("ada")));
    }
}
