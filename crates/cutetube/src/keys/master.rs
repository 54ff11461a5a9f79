//! Master keys: what content keys are encrypted with before anybody else sees them.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use catalog::{
    ids::VideoId,
    keys::{KeyClass, WrappedKey},
};
use packager::Key;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Secret;

/// The master keys of a server. The first encrypts; the others only decrypt, until nothing is under them any more.
#[derive(Clone)]
pub(crate) struct MasterKeys {
    first: MasterKey,
    others: Vec<MasterKey>,
}

#[derive(Clone)]
struct MasterKey {
    /// What rows call it: the beginning of its SHA-256. It tells nothing about the key.
    id: String,
    cipher: Aes256Gcm,
}

/// What belongs to a content key and is no secret. It is authenticated: a row that was put in another's place does not
/// decrypt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) video: VideoId,
    pub(crate) class: KeyClass,
    pub(crate) key_id: [u8; 16],
    pub(crate) iv: [u8; 16],
}

/// Text that holds no master keys. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key has 64 hexadecimal digits; several are separated by white space")]
pub(crate) struct NoMasterKeys;

/// Why a content key cannot be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnwrapError {
    #[error("its master key `{0}` is not among those of this server (`drm.master_key`)")]
    OtherMasterKey(String),
    #[error("what the database has of the key for `{class}` of video `{video}` was changed")]
    Damaged { video: VideoId, class: KeyClass },
}

/// Bytes of the random nonce in front of what is encrypted. Nobody wraps so many keys that one of 96 bits came twice
/// (NIST SP 800-38D §8.3: 2^32 under one master key).
const NONCE: usize = 12;
const PURPOSE: &[u8] = b"cutetube: content key, version 1";
/// Digits of an id.
const ID: usize = 12;

impl MasterKeys {
    /// Those in `text`, of which there is at least one.
    pub(crate) fn parse(text: &Secret) -> Result<Self, NoMasterKeys> {
        let mut keys = text.expose().split_whitespace().map(MasterKey::parse);
        let first = keys.next().ok_or(NoMasterKeys)??;
        Ok(Self { first, others: keys.collect::<Result<_, _>>()? })
    }

    /// The one that encrypts.
    pub(crate) fn id(&self) -> &str {
        &self.first.id
    }

    /// A content key as it is kept. `nonce` is random.
    pub(crate) fn wrap(&self, of: &Identity, key: &Key, nonce: [u8; NONCE]) -> Vec<u8> {
        let payload = Payload { msg: key.expose(), aad: &of.text() };
        let sealed = self.first.cipher.encrypt(&nonce.into(), payload).expect("16 bytes are not too many");
        [&nonce[..], &sealed].concat()
    }

    /// The same keys with another in front of them.
    pub(crate) fn led_by(mut self, first: &Zeroizing<[u8; 32]>) -> Self {
        let first = MasterKey::new(first);
        self.others.insert(0, std::mem::replace(&mut self.first, first));
        self
    }

    /// The content key again.
    pub(crate) fn unwrap(&self, row: &WrappedKey) -> Result<Key, UnwrapError> {
        let named = std::iter::once(&self.first).chain(&self.others).find(|key| key.id == row.master_key);
        let master = named.ok_or_else(|| UnwrapError::OtherMasterKey(row.master_key.clone()))?;
        let damaged = || UnwrapError::Damaged { video: row.video, class: row.class };
        let (nonce, sealed) = row.wrapped.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
        let payload = Payload { msg: sealed, aad: &Identity::of(row).text() };
        let opened = master.cipher.decrypt(&(*nonce).into(), payload).map_err(|_| damaged())?;
        let opened = Zeroizing::new(opened);
        let key: [u8; 16] = opened.as_slice().try_into().map_err(|_| damaged())?;
        Ok(Key::new(key))
    }
}

impl MasterKey {
    fn parse(text: &str) -> Result<Self, NoMasterKeys> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, bytes.as_mut_slice()).map_err(|_| NoMasterKeys)?;
        Ok(Self::new(&bytes))
    }

    fn new(bytes: &Zeroizing<[u8; 32]>) -> Self {
        let mut id = hex::encode(Sha256::digest(&bytes[..]));
        id.truncate(ID);
        Self { id, cipher: Aes256Gcm::new((&**bytes).into()) }
    }
}

impl Identity {
    pub(crate) fn of(row: &WrappedKey) -> Self {
        Self { video: row.video, class: row.class, key_id: row.key_id, iv: row.iv }
    }

    /// Every part but the last has a fixed length, so that no two are the same text.
    fn text(&self) -> Vec<u8> {
        let video = self.video.uuid();
        [PURPOSE, video.as_bytes(), &self.key_id, &self.iv, self.class.as_str().as_bytes()].concat()
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKeys").field("id", &self.first.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn masters(text: &str) -> MasterKeys {
        MasterKeys::parse(&Secret::new(text.to_owned())).unwrap()
    }

    fn row(masters: &MasterKeys, key: [u8; 16]) -> WrappedKey {
        let of =
            Identity { video: VideoId::new(1, &[1; 10]), class: KeyClass::Hd, key_id: [2; 16], iv: [3; 16] };
        WrappedKey {
            video: of.video,
            class: of.class,
            key_id: of.key_id,
            master_key: masters.id().to_owned(),
            wrapped: masters.wrap(&of, &Key::new(key), [4; NONCE]),
            iv: of.iv,
            headers: None,
        }
    }

    #[test]
    fn keys_are_read_by_whoever_has_their_master_key() {
        let kept = row(&masters(OLD), [7; 16]);
        assert_eq!(masters(&format!("{NEW}\n{OLD}")).unwrap(&kept), Ok(Key::new([7; 16])));
        let unknown = masters(NEW).unwrap(&kept);
        assert!(matches!(unknown, Err(UnwrapError::OtherMasterKey(id)) if id == kept.master_key));
    }

    #[test]
    fn a_row_in_the_place_of_another_is_noticed() {
        let masters = masters(OLD);
        let kept = row(&masters, [7; 16]);
        let elsewhere = [
            WrappedKey { video: VideoId::new(2, &[1; 10]), ..kept.clone() },
            WrappedKey { class: KeyClass::Sd, ..kept.clone() },
            WrappedKey { key_id: [9; 16], ..kept.clone() },
            WrappedKey { iv: [9; 16], ..kept.clone() },
            WrappedKey { wrapped: Vec::new(), ..kept.clone() },
        ];
        for row in elsewhere {
            assert!(matches!(masters.unwrap(&row), Err(UnwrapError::Damaged { .. })), "{row:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        for text in ["", " ", "00", &OLD[1..], &format!("{OLD} x"), &format!("{OLD}{OLD}")] {
            assert_eq!(MasterKeys::parse(&Secret::new(text.to_owned())).err(), Some(NoMasterKeys), "{text}");
        }
        assert!(!format!("{:?}", masters(OLD)).contains("0a0b0c"));
    }

    proptest! {
        #[test]
        fn every_key_comes_back_and_no_flipped_bit_passes(key: [u8; 16], bit in 0..8 * 44_usize) {
            let masters = masters(OLD);
            let mut kept = row(&masters, key);
            prop_assert_eq!(masters.unwrap(&kept), Ok(Key::new(key)));
            prop_assert!(!kept.wrapped.windows(16).any(|window| window == key));
            kept.wrapped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(masters.unwrap(&kept).is_err());
        }
    }
}
