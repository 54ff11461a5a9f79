//! What each protection system wants to know of a key, exactly as it wants it.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use quick_xml::escape::escape;

use super::keys::{ContentKey, KeyId, Scheme};

/// A system with a `pssh` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Google's.
    Widevine,
    /// Microsoft's.
    PlayReady,
    /// The W3C's, which names keys and nothing else: ClearKey.
    Common,
}

impl System {
    /// SystemID, as registered at dashif.org.
    pub fn id(self) -> [u8; 16] {
        match self {
            Self::Widevine => *b"\xed\xef\x8b\xa9\x79\xd6\x4a\xce\xa3\xc8\x27\xdc\xd5\x1d\x21\xed",
            Self::PlayReady => *b"\x9a\x04\xf0\x79\x98\x40\x42\x86\xab\x92\xe6\x5b\xe0\x88\x5f\x95",
            Self::Common => *b"\x10\x77\xef\xec\xc0\xb2\x4d\x02\xac\xe3\x3c\x1e\x52\xe2\xfb\x4b",
        }
    }

    /// As `ContentProtection@schemeIdUri` (23009-1 §5.8.5.2).
    pub fn urn(self) -> String {
        format!("urn:uuid:{}", KeyId(self.id()).uuid())
    }
}

/// Type of the record in a PlayReady object that says how to ask for a licence.
const WRM_HEADER: u16 = 1;

/// Widevine's header: a protocol buffer with the key id (field 2) and the scheme's four characters as a number (field
/// 9).
pub fn widevine_header(id: KeyId, scheme: Scheme) -> Vec<u8> {
    let mut header = vec![2 << 3 | 2, 16];
    header.extend(id.0);
    header.push(9 << 3);
    let mut number = u32::from_be_bytes(scheme.fourcc().0);
    while number > 0x7f {
        header.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    header.push(u8::try_from(number).unwrap_or(0));
    header
}

/// PlayReady's object (PRO): one record with a WRMHEADER, of version 4.0 for [`Scheme::Cenc`] and 4.3, the first that
/// knows it, for [`Scheme::Cbcs`].
///
/// # Panics
/// When the URL is longer than 15 kilobytes.
pub fn playready_object(key: &ContentKey, scheme: Scheme, licence_url: Option<&str>) -> Vec<u8> {
    let header: Vec<u8> =
        wrm_header(key, scheme, licence_url).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let header_len = u16::try_from(header.len()).expect("a header with one key and one address is short");
    let mut object = Vec::with_capacity(header.len() + 10);
    object.extend((u32::from(header_len) + 10).to_le_bytes());
    object.extend(1_u16.to_le_bytes());
    object.extend(WRM_HEADER.to_le_bytes());
    object.extend(header_len.to_le_bytes());
    object.extend(header);
    object
}

/// Whether these bytes are a PlayReady object with a WRMHEADER, as far as its lengths tell.
pub fn is_playready_object(object: &[u8]) -> bool {
    fn records(object: &[u8]) -> Option<(u16, &[u8])> {
        let (&len, rest) = object.split_first_chunk()?;
        let (&count, records) = rest.split_first_chunk()?;
        let is_whole = usize::try_from(u32::from_le_bytes(len)) == Ok(object.len());
        is_whole.then_some((u16::from_le_bytes(count), records))
    }

    fn record(records: &[u8]) -> Option<(u16, &[u8])> {
        let (&kind, rest) = records.split_first_chunk()?;
        let (&len, rest) = rest.split_first_chunk()?;
        let (_, rest) = rest.split_at_checked(u16::from_le_bytes(len).into())?;
        Some((u16::from_le_bytes(kind), rest))
    }

    let Some((count, mut rest)) = records(object) else { return false };
    let mut has_header = false;
    for _ in 0..count {
        let Some((kind, after)) = record(rest) else { return false };
        has_header |= kind == WRM_HEADER;
        rest = after;
    }
    has_header && rest.is_empty()
}

/// Attributes in alphabetical order, no empty-element tags, no white space: parsers of PlayReady are strict.
fn wrm_header(key: &ContentKey, scheme: Scheme, licence_url: Option<&str>) -> String {
    let id = BASE64_STANDARD.encode(little_endian(key.id));
    let (version, key_info, checksum) = match scheme {
        Scheme::Cenc => (
            "4.0.0.0",
            format!("<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID>{id}</KID>"),
            format!("<CHECKSUM>{}</CHECKSUM>", BASE64_STANDARD.encode(checksum(key))),
        ),
        Scheme::Cbcs => (
            "4.3.0.0",
            format!(r#"<PROTECTINFO><KIDS><KID ALGID="AESCBC" VALUE="{id}"></KID></KIDS></PROTECTINFO>"#),
            String::new(),
        ),
    };
    let address = licence_url.map_or_else(String::new, |url| format!("<LA_URL>{}</LA_URL>", escape(url)));
    format!(
        r#"<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="{version}"><DATA>{key_info}{checksum}{address}</DATA></WRMHEADER>"#
    )
}

/// A key id as PlayReady stores it: the first three groups are little endian.
fn little_endian(id: KeyId) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = id.0;
    let mut bytes = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
    if let Some(tail) = bytes.last_chunk_mut::<8>() {
        *tail = rest;
    }
    bytes
}

/// Lets a client notice a wrong key: the first half of the key id, encrypted with the key.
fn checksum(key: &ContentKey) -> [u8; 8] {
    let mut block = little_endian(key.id);
    Aes128::new(key.key.expose().into()).encrypt_block((&mut block).into());
    let [a, b, c, d, e, f, g, h, ..] = block;
    [a, b, c, d, e, f, g, h]
}
