//! What a viewer is known by for one day.

use catalog::{
    ids::UserId,
    views::{Today, ViewerHash},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{accounts::Source, config::Secret};

/// Makes of viewers what is kept of them until the day is over. Neither the database alone, nor this server's secret alone,
/// tells who a hash stands for; and once the salt is forgotten, both together do not.
#[derive(Clone)]
pub(crate) struct ViewerHasher {
    keyed: Hmac<Sha256>,
}

/// Keeps this key apart from every other that is made of the same secret.
const PURPOSE: &[u8] = b"cutetube: viewers of a day, version 1";

impl ViewerHasher {
    /// With a key of its own that is derived from `secret`.
    pub(crate) fn new(secret: &Secret) -> Self {
        let key = keyed(secret.expose().as_bytes()).chain_update(PURPOSE).finalize().into_bytes();
        Self { keyed: keyed(&key) }
    }

    /// Whoever is signed in is one viewer on all their devices. Others are told apart by network and browser: a household
    /// with two equal browsers counts as one, which is the price of knowing no more about them.
    pub(crate) fn hash(&self, today: &Today, account: Option<UserId>, source: &Source) -> ViewerHash {
        let salted = self.keyed.clone().chain_update(today.salt);
        // The first byte tells the two kinds apart, so that no two viewers are the same message.
        let message = match account {
            Some(account) => salted.chain_update([0]).chain_update(account.uuid().as_bytes()),
            None => {
                let network = source.network.map(|network| network.to_string()).unwrap_or_default();
                salted.chain_update([1]).chain_update(network).chain_update([0]).chain_update(&source.device)
            }
        };
        let digest: [u8; 32] = message.finalize().into_bytes().into();
        let mut hash = [0; 16];
        for (to, from) in hash.iter_mut().zip(digest) {
            *to = from;
        }
        ViewerHash(hash)
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length (RFC 2104 §2)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ClientAddress;

    fn source(address: [u8; 4], device: &str) -> Source {
        Source { device: device.to_owned(), network: Some(ClientAddress::from(address).network()) }
    }

    #[test]
    fn viewers_are_told_apart_for_a_day() {
        let hasher = ViewerHasher::new(&Secret::new("secret".to_owned()));
        let (monday, tuesday) = (Today { day: 1, salt: [1; 32] }, Today { day: 2, salt: [2; 32] });
        let (ada, bob) = (UserId::new(1, &[1; 10]), UserId::new(2, &[2; 10]));
        let (phone, desk) = (source([192, 0, 2, 1], "phone"), source([192, 0, 2, 1], "desk"));
        let other_home = source([192, 0, 2, 2], "phone");
        let of = |account, source| hasher.hash(&monday, account, source);
        assert_eq!(of(Some(ada), &phone), of(Some(ada), &desk));
        assert_ne!(of(Some(ada), &phone), of(Some(bob), &phone));
        assert_ne!(of(None, &phone), of(None, &desk));
        assert_ne!(of(None, &phone), of(None, &other_home));
        assert_ne!(of(None, &phone), hasher.hash(&tuesday, None, &phone));
        let other = ViewerHasher::new(&Secret::new("another secret".to_owned()));
        assert_ne!(of(None, &phone), other.hash(&monday, None, &phone));
    }
}
