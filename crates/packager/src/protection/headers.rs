//! What a vendor of licences says of a key to protection systems, in place of what would be made here.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::systems::System;

/// A protection system whose licences come from a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VendorSystem {
    /// Google's.
    Widevine,
    /// Microsoft's.
    PlayReady,
    /// Apple's, with [`Scheme::Cbcs`](super::Scheme::Cbcs) alone.
    FairPlay,
}

/// The headers of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemHeaders {
    /// Data of Widevine's `pssh`.
    pub widevine: Header<Vec<u8>>,
    /// PlayReady's object, which is the data of its `pssh`.
    pub playready: Header<Vec<u8>>,
    /// What Apple's players hand to their application, `skd://…`.
    pub fairplay: Header<String>,
}

/// Where the header of one system comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Header<T> {
    /// It is made of the key, as without a vendor.
    #[default]
    Own,
    /// It is the vendor's.
    Given(T),
    /// The vendor has none: the system is not offered.
    Withheld,
}

impl VendorSystem {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Widevine, Self::PlayReady, Self::FairPlay];

    /// SystemID, as registered at dashif.org.
    pub fn id(self) -> [u8; 16] {
        match self {
            Self::Widevine => System::Widevine.id(),
            Self::PlayReady => System::PlayReady.id(),
            Self::FairPlay => *b"\x94\xce\x86\xfb\x07\xff\x4f\x43\xad\xb8\x93\xd2\xfa\x96\x8c\xa2",
        }
    }

    /// As in settings and in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Widevine => "widevine",
            Self::PlayReady => "playready",
            Self::FairPlay => "fairplay",
        }
    }
}

impl fmt::Display for VendorSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<T> Header<T> {
    /// What is told, where `own` is what would be told without a vendor.
    pub(crate) fn or_own(self, own: Option<T>) -> Option<T> {
        match self {
            Self::Own => own,
            Self::Given(header) => Some(header),
            Self::Withheld => None,
        }
    }
}
