//! Schemes, key ids and content keys, and which track is encrypted with which.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use isobmff::{FourCc, IvPlace, Pattern, TrackEncryption};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::headers::SystemHeaders;
use super::signalling::{KeySignalling, Licences, Signalling};
use super::track::{EncryptionError, TrackCipher, TrackProtection};

/// Protection scheme (23001-7 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// AES-128 in counter mode (§10.1): Widevine and PlayReady, not Apple's players.
    Cenc,
    /// AES-128 in CBC mode, one block of ten (§10.4): all systems of today.
    Cbcs,
}

/// KID: which key, no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(pub [u8; 16]);

/// An AES-128 key. It is never shown, and forgotten when it is dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 16]);

/// A key with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentKey {
    /// Its id.
    pub id: KeyId,
    /// The secret.
    pub key: Key,
    /// Initialisation vector of all samples under this key with [`Scheme::Cbcs`], no secret. FairPlay takes it from the
    /// licence, so it belongs to the key.
    pub constant_iv: [u8; 16],
}

/// What licences tell apart. Players that may not show HD still need keys for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyClass {
    /// Sound.
    Audio,
    /// Pictures of up to 576 lines.
    Sd,
    /// Larger pictures.
    Hd,
}

/// The content keys of a presentation, and what is told of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    keys: BTreeMap<KeyClass, ContentKey>,
    signalling: Signalling,
}

/// A track without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no key for `{class}`")]
pub struct MissingKey {
    /// Its class.
    pub class: KeyClass,
}

/// Text that is no key or no key id. The text itself, which may be a key, is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 32 hexadecimal digits")]
pub struct KeyTextError;

/// Lines of the largest picture in class [`KeyClass::Sd`].
const SD_LINES: u32 = 576;

impl Scheme {
    /// Scheme type.
    pub fn fourcc(self) -> FourCc {
        FourCc(match self {
            Self::Cenc => *b"cenc",
            Self::Cbcs => *b"cbcs",
        })
    }

    /// The scheme of a scheme type.
    pub fn of(fourcc: FourCc) -> Option<Self> {
        [Self::Cenc, Self::Cbcs].into_iter().find(|scheme| scheme.fourcc() == fourcc)
    }

    /// Name in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cenc => "cenc",
            Self::Cbcs => "cbcs",
        }
    }
}

impl KeyId {
    /// As in `cenc:default_KID`: in groups, big endian.
    pub fn uuid(&self) -> String {
        let mut text = self.to_string();
        for at in [20, 16, 12, 8] {
            text.insert(at, '-');
        }
        text
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = KeyTextError;

    /// Accepts 32 hexadecimal digits, with or without the hyphens of a UUID.
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let id = Self(parse_hex(&text.replace('-', ""))?);
        let is_uuid = text.eq_ignore_ascii_case(&id.uuid());
        if text.contains('-') && !is_uuid { Err(KeyTextError) } else { Ok(id) }
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyTextError;

    fn try_from(text: String) -> Result<Self, KeyTextError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl Key {
    /// Takes the secret.
    pub fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// The secret, for a cipher or a licence.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl FromStr for Key {
    type Err = KeyTextError;

    /// Accepts 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        parse_hex(text).map(Self)
    }
}

fn parse_hex(text: &str) -> Result<[u8; 16], KeyTextError> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 16];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return Err(KeyTextError);
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let mut value = 0;
        for digit in pair {
            let digit = char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            value = value << 4 | digit.ok_or(KeyTextError)?;
        }
        *byte = value;
    }
    Ok(bytes)
}

impl KeyClass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Sd, Self::Hd];

    /// Of pictures of this size. What counts is the shorter side: a phone held upright films no more lines than one held
    /// across.
    pub fn of_picture(width: u32, height: u32) -> Self {
        if width.min(height) <= SD_LINES { Self::Sd } else { Self::Hd }
    }

    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Sd => "sd",
            Self::Hd => "hd",
        }
    }
}

impl fmt::Display for KeyClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Protection {
    /// With headers made here; see [`Signalling::new`].
    pub fn new(scheme: Scheme, keys: BTreeMap<KeyClass, ContentKey>, licences: Licences) -> Self {
        Self::with_headers(scheme, keys, licences, BTreeMap::new())
    }

    /// With headers of a vendor. What it says nothing of is made here, and so is everything of a class without headers.
    pub fn with_headers(
        scheme: Scheme,
        keys: BTreeMap<KeyClass, ContentKey>,
        licences: Licences,
        headers: BTreeMap<KeyClass, SystemHeaders>,
    ) -> Self {
        let signalling = Signalling::new(scheme, &keys, licences, headers);
        Self { keys, signalling }
    }

    /// What may be told to everybody.
    pub fn signalling(&self) -> &Signalling {
        &self.signalling
    }

    /// What the init segment of a track tells.
    pub fn track(&self, class: KeyClass) -> Result<TrackProtection, MissingKey> {
        let key = self.key(class)?;
        let scheme = self.signalling.scheme;
        let pattern = match (scheme, class) {
            // Every block of sound is encrypted, as FairPlay wants it (23000-19 §8.2.2.1).
            (Scheme::Cenc, _) | (_, KeyClass::Audio) => Pattern::ALL,
            (Scheme::Cbcs, KeyClass::Sd | KeyClass::Hd) => Pattern { crypt: 1, skip: 9 },
        };
        let iv = match scheme {
            Scheme::Cenc => IvPlace::Sample(8),
            Scheme::Cbcs => IvPlace::Constant(key.constant_iv),
        };
        let encryption = TrackEncryption { scheme: scheme.fourcc(), key_id: key.id.0, iv, pattern };
        let pssh = self.signalling.keys.get(&class).map(KeySignalling::pssh_boxes).unwrap_or_default();
        Ok(TrackProtection { encryption, pssh })
    }

    /// Encrypts pictures of the stream that the `avc1` sample entry describes.
    pub fn video_cipher(&self, class: KeyClass, entry: &[u8]) -> Result<TrackCipher, EncryptionError> {
        TrackCipher::video(self.signalling.scheme, self.key(class)?, entry)
    }

    /// Encrypts AAC.
    pub fn audio_cipher(&self) -> Result<TrackCipher, MissingKey> {
        Ok(TrackCipher::audio(self.signalling.scheme, self.key(KeyClass::Audio)?))
    }

    fn key(&self, class: KeyClass) -> Result<&ContentKey, MissingKey> {
        self.keys.get(&class).ok_or(MissingKey { class })
    }
}
