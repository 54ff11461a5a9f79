//! What manifests and init segments tell of protection, as plain data.

use std::collections::BTreeMap;

use isobmff::write_pssh;
use serde::{Deserialize, Serialize};

use super::headers::SystemHeaders;
use super::keys::{ContentKey, KeyClass, KeyId, Scheme};
use super::systems::{System, playready_object, widevine_header};

/// How a presentation is protected. It holds no key: everybody may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signalling {
    /// Of every track.
    pub scheme: Scheme,
    /// For each class that there is a key for.
    pub keys: BTreeMap<KeyClass, KeySignalling>,
    /// Where licences are asked for.
    pub licences: Licences,
}

/// What each protection system is told of one key; a system that is not told of it is not offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySignalling {
    /// Which key.
    pub key_id: KeyId,
    /// Data of Widevine's `pssh`.
    pub widevine: Option<Vec<u8>>,
    /// PlayReady's object, which is the data of its `pssh`.
    pub playready: Option<Vec<u8>>,
    /// `skd://…`, what Apple's players hand to their application to ask for a licence.
    pub fairplay: Option<String>,
    /// Address of the bare key, for players without a protection system (HLS, key format `identity`).
    pub identity: Option<String>,
}

/// Addresses that players may ask, where they are to be found in manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licences {
    /// W3C ClearKey, in JSON.
    pub clearkey: Option<String>,
    /// Widevine.
    pub widevine: Option<String>,
    /// PlayReady; it is in its object too.
    pub playready: Option<String>,
    /// Bare keys, `{kid}` standing for the key id in hexadecimal digits.
    pub identity: Option<String>,
}

impl Signalling {
    /// Headers for every system, a vendor's or made of the keys. Those for FairPlay and bare keys are for
    /// [`Scheme::Cbcs`] alone: no player takes them with the other.
    pub(crate) fn new(
        scheme: Scheme,
        keys: &BTreeMap<KeyClass, ContentKey>,
        licences: Licences,
        mut headers: BTreeMap<KeyClass, SystemHeaders>,
    ) -> Self {
        let of_key = |(class, key): (&KeyClass, &ContentKey)| {
            let own = KeySignalling::own(key, scheme, &licences);
            let SystemHeaders { widevine, playready, fairplay } = headers.remove(class).unwrap_or_default();
            let told = KeySignalling {
                widevine: widevine.or_own(own.widevine),
                playready: playready.or_own(own.playready),
                fairplay: fairplay.or_own(own.fairplay).filter(|_| scheme == Scheme::Cbcs),
                ..own
            };
            (*class, told)
        };
        let keys = keys.iter().map(of_key).collect();
        Self { scheme, keys, licences }
    }

    /// Every address, for checks.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &String> {
        let Licences { clearkey, widevine, playready, identity } = &self.licences;
        let of_keys = self.keys.values().flat_map(|key| [&key.fairplay, &key.identity]);
        [clearkey, widevine, playready, identity].into_iter().chain(of_keys).flatten()
    }
}

impl KeySignalling {
    /// Made of the key alone.
    fn own(key: &ContentKey, scheme: Scheme, licences: &Licences) -> Self {
        let id = key.id;
        let identity = licences.identity.as_ref().map(|url| url.replace("{kid}", &id.to_string()));
        Self {
            key_id: id,
            widevine: Some(widevine_header(id, scheme)),
            playready: Some(playready_object(key, scheme, licences.playready.as_deref())),
            fairplay: (scheme == Scheme::Cbcs).then(|| format!("skd://{id}")),
            identity: identity.filter(|_| scheme == Scheme::Cbcs),
        }
    }

    /// The `pssh` boxes of its systems, that of the W3C first.
    pub fn pssh_boxes(&self) -> Vec<u8> {
        let common = write_pssh(System::Common.id(), &[self.key_id.0], &[]);
        let own = [System::Widevine, System::PlayReady].into_iter().filter_map(|system| self.pssh(system));
        std::iter::once(common).chain(own).flatten().collect()
    }

    /// The `pssh` box of one system, when that is told of the key.
    pub fn pssh(&self, system: System) -> Option<Vec<u8>> {
        match system {
            System::Common => Some(write_pssh(system.id(), &[self.key_id.0], &[])),
            System::Widevine => Some(write_pssh(system.id(), &[], self.widevine.as_ref()?)),
            System::PlayReady => Some(write_pssh(system.id(), &[], self.playready.as_ref()?)),
        }
    }
}

/// Whether an address can stand in quotes in a playlist and in PlayReady's header: visible ASCII, at most 2000 bytes.
pub(crate) fn is_safe_url(url: &str) -> bool {
    (1..=2000).contains(&url.len()) && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
}
