//! Documents of a key exchange: [CPIX 2.3], as far as SPEKE 2.0 uses it.
//!
//! A request says which keys are wanted, what each is for, and which headers of which systems are to come with it; the
//! answer is the same document, filled in. Keys come in clear (`PlainValue`): what is encrypted for a certificate
//! (§7.4.4) is refused.
//!
//! It names no other module of the program: `fuzz/` includes this file by its path.
//!
//! [CPIX 2.3]: https://dashif.org/docs/CPIX2.3/Cpix.html

use std::fmt::{self, Write as _};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use isobmff::Pssh;
use packager::{
    ContentKey, Header, Key, KeyClass, KeyId, Scheme, SystemHeaders, VendorSystem, is_playready_object,
};
use quick_xml::{
    NsReader, XmlVersion,
    escape::escape,
    events::{BytesStart, Event},
    name::{Namespace, ResolveResult},
};
use zeroize::{Zeroize as _, Zeroizing};

/// Which keys are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRequest {
    /// What the vendor knows the video by.
    pub(crate) content_id: String,
    /// What they are used with.
    pub(crate) scheme: Scheme,
    /// Each class and each id once.
    pub(crate) keys: Vec<AskedKey>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskedKey {
    /// What is encrypted with it.
    pub(crate) class: KeyClass,
    /// It is chosen here; the key is the vendor's.
    pub(crate) id: KeyId,
    /// Proposed for [`Scheme::Cbcs`]; what the vendor answers counts, for its licences carry it.
    pub(crate) constant_iv: [u8; 16],
}

/// What was given for one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VendorKey {
    pub(crate) class: KeyClass,
    pub(crate) key: ContentKey,
    pub(crate) headers: SystemHeaders,
}

/// Why an answer is not believed. It holds no key and no text of the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CpixError {
    #[error("it has more than `{MAX_LEN}` bytes")]
    TooLong,
    #[error("it is no well-formed XML")]
    NotXml,
    #[error("it has a document type, which is not read")]
    DocumentType,
    #[error("it is no CPIX document")]
    NotCpix,
    #[error("it is of another version than was asked for")]
    Version,
    #[error("it is about other content than was asked for")]
    OtherContent,
    #[error("there is a key id in it that is none")]
    NoKeyId,
    #[error("it has no key `{0}`")]
    Missing(KeyId),
    #[error("it has the key `{0}` twice")]
    Twice(KeyId),
    #[error("it has the key `{0}`, which nobody asked for")]
    Unasked(KeyId),
    #[error("its keys `{0}` and `{1}` are the same")]
    SameKey(KeyId, KeyId),
    #[error("the key `{0}` is for another scheme than was asked for")]
    OtherScheme(KeyId),
    #[error("the key `{0}` is encrypted, which was not asked for")]
    Encrypted(KeyId),
    #[error("the key `{0}` is not 16 bytes in base64")]
    NoKey(KeyId),
    #[error("the key `{0}` has no vector of 16 bytes in base64")]
    NoVector(KeyId),
    #[error("the header of the key `{id}` for `{system}` {problem}")]
    NoHeader { id: KeyId, system: VendorSystem, problem: HeaderProblem },
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderProblem {
    Twice,
    TooLong,
    NotBase64,
    NotPssh,
    OtherSystem,
    OtherKey,
    Empty,
    NotObject,
    NotSignalling,
}

/// Of an answer. Three keys with all their headers take some 20 kB.
pub(crate) const MAX_LEN: usize = 1 << 20;

const CPIX: &str = "urn:dashif:org:cpix";
const PSKC: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
const VERSION: &str = "2.3";
const FAIRPLAY_FORMAT: &str = "com.apple.streamingkeydelivery";

/// Pixels of the largest picture that is called SD: 1024 × 576.
const SD_PIXELS: u32 = 589_824;

/// Bytes of a header; PlayReady takes 15 kB. It is in every manifest and init segment.
const MAX_HEADER_LEN: usize = 16 << 10;

/// Deeper than any document of this kind.
const MAX_DEPTH: usize = 32;

/// The document that asks for keys, with headers for `systems`.
pub(crate) fn request(request: &KeyRequest, systems: &[VendorSystem]) -> String {
    let mut out = String::new();
    write_request(&mut out, request, systems).expect("a string takes everything");
    out
}

fn write_request(out: &mut String, request: &KeyRequest, systems: &[VendorSystem]) -> fmt::Result {
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    let content_id = escape(&request.content_id);
    writeln!(
        out,
        r#"<cpix:CPIX contentId="{content_id}" version="{VERSION}" xmlns:cpix="{CPIX}" xmlns:pskc="{PSKC}">"#
    )?;
    writeln!(out, "  <cpix:ContentKeyList>")?;
    for key in &request.keys {
        let scheme = request.scheme.as_str();
        write!(out, r#"    <cpix:ContentKey kid="{}" commonEncryptionScheme="{scheme}""#, key.id.uuid())?;
        if request.scheme == Scheme::Cbcs {
            write!(out, r#" explicitIV="{}""#, BASE64_STANDARD.encode(key.constant_iv))?;
        }
        writeln!(out, "/>")?;
    }
    writeln!(out, "  </cpix:ContentKeyList>\n  <cpix:DRMSystemList>")?;
    for system in asked(request.scheme, systems) {
        let wanted = match system {
            VendorSystem::Widevine | VendorSystem::PlayReady => "<cpix:PSSH/>",
            VendorSystem::FairPlay => {
                r#"<cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/>"#
            }
        };
        let system = KeyId(system.id()).uuid();
        for key in &request.keys {
            let kid = key.id.uuid();
            writeln!(
                out,
                r#"    <cpix:DRMSystem kid="{kid}" systemId="{system}">{wanted}</cpix:DRMSystem>"#
            )?;
        }
    }
    writeln!(out, "  </cpix:DRMSystemList>\n  <cpix:ContentKeyUsageRuleList>")?;
    for key in &request.keys {
        let (track, filter) = match key.class {
            KeyClass::Audio => ("AUDIO", "<cpix:AudioFilter/>".to_owned()),
            KeyClass::Sd => ("SD", format!(r#"<cpix:VideoFilter maxPixels="{SD_PIXELS}"/>"#)),
            KeyClass::Hd => ("HD", format!(r#"<cpix:VideoFilter minPixels="{}"/>"#, SD_PIXELS + 1)),
        };
        let kid = key.id.uuid();
        writeln!(
            out,
            r#"    <cpix:ContentKeyUsageRule kid="{kid}" intendedTrackType="{track}">{filter}</cpix:ContentKeyUsageRule>"#
        )?;
    }
    writeln!(out, "  </cpix:ContentKeyUsageRuleList>\n</cpix:CPIX>")
}

/// What is asked for of these: Apple's players take `cbcs` and nothing else.
fn asked(scheme: Scheme, systems: &[VendorSystem]) -> impl Iterator<Item = VendorSystem> {
    systems.iter().copied().filter(move |system| *system != VendorSystem::FairPlay || scheme == Scheme::Cbcs)
}

/// Reads the answer to [`request`]: one key for each that was asked for, in that order.
///
/// A system that the answer leaves out, or that was not asked for, is withheld; one that it names without a header has
/// the one that is made here.
pub(crate) fn parse(
    document: &str,
    request: &KeyRequest,
    systems: &[VendorSystem],
) -> Result<Vec<VendorKey>, CpixError> {
    let found = Document::read(document, request)?;
    let known = |id: KeyId| request.keys.iter().any(|key| key.id == id);
    let mut keys = found.keys.iter().map(|key| key.id).chain(found.systems.iter().map(|system| system.id));
    if let Some(unasked) = keys.find(|id| !known(*id)) {
        return Err(CpixError::Unasked(unasked));
    }
    let mut given: Vec<VendorKey> = Vec::new();
    for asked_key in &request.keys {
        let headers = found.headers(asked_key.id, asked(request.scheme, systems))?;
        let key = found.key(asked_key, request.scheme, headers.fairplay != Header::Withheld)?;
        if let Some(same) = given.iter().find(|given| given.key.key == key.key) {
            return Err(CpixError::SameKey(same.key.id, key.id));
        }
        given.push(VendorKey { class: asked_key.class, key, headers });
    }
    Ok(given)
}

/// What an answer says, as text.
#[derive(Default)]
struct Document {
    keys: Vec<FoundKey>,
    systems: Vec<FoundSystem>,
}

struct FoundKey {
    id: KeyId,
    scheme: Option<String>,
    vector: Option<String>,
    value: Option<Zeroizing<String>>,
    is_encrypted: bool,
}

struct FoundSystem {
    id: KeyId,
    system: VendorSystem,
    /// Text of `PSSH`, and of `HLSSignalingData` for media playlists and for the multivariant playlist.
    texts: [Option<String>; 3],
}

/// Which of [`FoundSystem::texts`].
const PSSH: usize = 0;
const MEDIA: usize = 1;
const MASTER: usize = 2;

/// An element by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Cpix,
    KeyList,
    Key,
    Data,
    Secret,
    PlainValue,
    EncryptedValue,
    SystemList,
    System,
    /// With its place in [`FoundSystem::texts`].
    SystemText(usize),
    /// One that is not read, or inside of such a one.
    Other,
}

impl Element {
    fn of(parent: Option<Self>, namespace: &str, name: &str) -> Self {
        match (parent, namespace, name) {
            (None, CPIX, "CPIX") => Self::Cpix,
            (Some(Self::Cpix), CPIX, "ContentKeyList") => Self::KeyList,
            (Some(Self::KeyList), CPIX, "ContentKey") => Self::Key,
            (Some(Self::Key), CPIX, "Data") => Self::Data,
            (Some(Self::Data), PSKC, "Secret") => Self::Secret,
            (Some(Self::Secret), PSKC, "PlainValue") => Self::PlainValue,
            (Some(Self::Secret), PSKC, "EncryptedValue") => Self::EncryptedValue,
            (Some(Self::Cpix), CPIX, "DRMSystemList") => Self::SystemList,
            (Some(Self::SystemList), CPIX, "DRMSystem") => Self::System,
            (Some(Self::System), CPIX, "PSSH") => Self::SystemText(PSSH),
            (Some(Self::System), CPIX, "HLSSignalingData") => Self::SystemText(MEDIA),
            _ => Self::Other,
        }
    }

    /// Whether its text is wanted.
    fn has_text(self) -> bool {
        matches!(self, Self::PlainValue | Self::SystemText(_))
    }
}

impl Document {
    fn read(document: &str, request: &KeyRequest) -> Result<Self, CpixError> {
        if document.len() > MAX_LEN {
            return Err(CpixError::TooLong);
        }
        let mut found = Self::default();
        let mut reader = NsReader::from_str(document);
        reader.config_mut().expand_empty_elements = true;
        let mut open: Vec<Element> = Vec::new();
        let mut has_root = false;
        // Long enough for a key, so that none is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(256));
        loop {
            let (namespace, event) = reader.read_resolved_event().map_err(|_| CpixError::NotXml)?;
            let wanted = open.last().is_some_and(|element| element.has_text());
            match event {
                Event::Start(start) => {
                    let namespace = match namespace {
                        ResolveResult::Bound(Namespace(namespace)) => namespace,
                        ResolveResult::Unbound | ResolveResult::Unknown(_) => "",
                    };
                    let element = Element::of(open.last().copied(), namespace, start.local_name().as_ref());
                    match (open.len(), element, has_root) {
                        (0, Element::Cpix, false) => has_root = true,
                        (0, _, _) => return Err(CpixError::NotCpix),
                        (MAX_DEPTH.., _, _) => return Err(CpixError::NotXml),
                        _ => {}
                    }
                    open.push(found.begin(element, &start, request)?);
                    text.zeroize();
                }
                Event::End(_) => {
                    if let Some(element) = open.pop() {
                        found.end(element, &text)?;
                    }
                    text.zeroize();
                }
                Event::Text(part) if wanted => text.push_str(&part),
                Event::CData(part) if wanted => text.push_str(&part),
                // Base64 has nothing to escape, and entities of a document's own are not read.
                Event::GeneralRef(_) if wanted => return Err(CpixError::NotXml),
                Event::DocType(_) => return Err(CpixError::DocumentType),
                Event::Eof if !open.is_empty() => return Err(CpixError::NotXml),
                Event::Eof if !has_root => return Err(CpixError::NotCpix),
                Event::Eof => return Ok(found),
                _ => {}
            }
        }
    }

    /// At the beginning of an element; answers what its content is to be taken for.
    fn begin(
        &mut self,
        element: Element,
        start: &BytesStart<'_>,
        request: &KeyRequest,
    ) -> Result<Element, CpixError> {
        match element {
            Element::Cpix => {
                if attribute(start, "version")?.as_deref() != Some(VERSION) {
                    return Err(CpixError::Version);
                }
                if attribute(start, "contentId")?.as_ref() != Some(&request.content_id) {
                    return Err(CpixError::OtherContent);
                }
            }
            Element::Key => {
                let scheme = attribute(start, "commonEncryptionScheme")?;
                let vector = attribute(start, "explicitIV")?;
                let id = key_id(start)?;
                self.keys.push(FoundKey { id, scheme, vector, value: None, is_encrypted: false });
            }
            Element::EncryptedValue => {
                if let Some(key) = self.keys.last_mut() {
                    key.is_encrypted = true;
                }
            }
            Element::System => {
                let system = attribute(start, "systemId")?.and_then(|id| id.trim().parse::<KeyId>().ok());
                let known = |KeyId(id)| VendorSystem::ALL.into_iter().find(|known| known.id() == id);
                let Some(system) = system.and_then(known) else { return Ok(Element::Other) };
                self.systems.push(FoundSystem { id: key_id(start)?, system, texts: Default::default() });
            }
            // Without the attribute it is for media playlists (§7.4.12).
            Element::SystemText(MEDIA) if attribute(start, "playlist")?.as_deref() == Some("master") => {
                return Ok(Element::SystemText(MASTER));
            }
            _ => {}
        }
        Ok(element)
    }

    fn end(&mut self, element: Element, text: &str) -> Result<(), CpixError> {
        match (element, self.keys.last_mut(), self.systems.last_mut()) {
            (Element::PlainValue, Some(key), _) => {
                let value = Zeroizing::new(text.to_owned());
                if key.value.replace(value).is_some() {
                    return Err(CpixError::Twice(key.id));
                }
            }
            (Element::SystemText(place), _, Some(found)) => {
                let place = found.texts.get_mut(place).expect("there is a place for each text");
                if place.replace(text.to_owned()).is_some() {
                    return Err(found.problem(HeaderProblem::Twice));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn key(&self, asked: &AskedKey, scheme: Scheme, has_fairplay: bool) -> Result<ContentKey, CpixError> {
        let id = asked.id;
        let mut all = self.keys.iter().filter(|key| key.id == id);
        let found = match (all.next(), all.next()) {
            (None, _) => return Err(CpixError::Missing(id)),
            (Some(_), Some(_)) => return Err(CpixError::Twice(id)),
            (Some(found), None) => found,
        };
        if found.scheme.as_deref() != Some(scheme.as_str()) {
            return Err(CpixError::OtherScheme(id));
        }
        let key = match &found.value {
            Some(text) => Key::new(*sixteen(text).ok_or(CpixError::NoKey(id))?),
            None if found.is_encrypted => return Err(CpixError::Encrypted(id)),
            None => return Err(CpixError::NoKey(id)),
        };
        let constant_iv = match (&found.vector, scheme) {
            (Some(text), Scheme::Cbcs) => *sixteen(text).ok_or(CpixError::NoVector(id))?,
            // Its licences carry one, and nobody knows which.
            (None, Scheme::Cbcs) if has_fairplay => return Err(CpixError::NoVector(id)),
            _ => asked.constant_iv,
        };
        Ok(ContentKey { id, key, constant_iv })
    }

    fn headers(
        &self,
        id: KeyId,
        systems: impl Iterator<Item = VendorSystem>,
    ) -> Result<SystemHeaders, CpixError> {
        let (widevine, playready, fairplay) = (Header::Withheld, Header::Withheld, Header::Withheld);
        let mut headers = SystemHeaders { widevine, playready, fairplay };
        for system in systems {
            let mut all = self.systems.iter().filter(|found| (found.id, found.system) == (id, system));
            let Some(found) = all.next() else { continue };
            if all.next().is_some() {
                return Err(found.problem(HeaderProblem::Twice));
            }
            match system {
                VendorSystem::Widevine => headers.widevine = found.pssh()?.map_or(Header::Own, Header::Given),
                VendorSystem::PlayReady => {
                    let object = found.pssh()?;
                    if object.as_ref().is_some_and(|object| !is_playready_object(object)) {
                        return Err(found.problem(HeaderProblem::NotObject));
                    }
                    headers.playready = object.map_or(Header::Own, Header::Given);
                }
                VendorSystem::FairPlay => {
                    headers.fairplay = found.asset()?.map_or(Header::Own, Header::Given);
                }
            }
        }
        Ok(headers)
    }
}

impl FoundSystem {
    fn problem(&self, problem: HeaderProblem) -> CpixError {
        CpixError::NoHeader { id: self.id, system: self.system, problem }
    }

    /// The bytes of a text, when there are any.
    fn bytes(&self, place: usize) -> Result<Option<Vec<u8>>, CpixError> {
        let text = self.texts.get(place).and_then(Option::as_deref).unwrap_or_default();
        let text: String = text.split_ascii_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| self.problem(HeaderProblem::NotBase64))?;
        match bytes.len() {
            0 => Ok(None),
            1..=MAX_HEADER_LEN => Ok(Some(bytes)),
            _ => Err(self.problem(HeaderProblem::TooLong)),
        }
    }

    /// The data of the `pssh` box.
    fn pssh(&self) -> Result<Option<Vec<u8>>, CpixError> {
        let Some(bytes) = self.bytes(PSSH)? else { return Ok(None) };
        let problem = match Pssh::parse(&bytes) {
            None => HeaderProblem::NotPssh,
            Some(pssh) if pssh.system != self.system.id() => HeaderProblem::OtherSystem,
            Some(pssh) if !pssh.key_ids.is_empty() && !pssh.key_ids.contains(&self.id.0) => {
                HeaderProblem::OtherKey
            }
            Some(pssh) if pssh.data.is_empty() => HeaderProblem::Empty,
            Some(pssh) => return Ok(Some(pssh.data.to_vec())),
        };
        Err(self.problem(problem))
    }

    /// What FairPlay's tags say, which is the same in both playlists: `URI="skd://…"`.
    fn asset(&self) -> Result<Option<String>, CpixError> {
        for place in [MEDIA, MASTER] {
            let Some(bytes) = self.bytes(place)? else { continue };
            let lines = str::from_utf8(&bytes).unwrap_or_default().lines();
            let uri = lines.filter_map(fairplay_uri).find(|uri| is_asset(uri));
            return uri.map(|uri| Some(uri.to_owned())).ok_or(self.problem(HeaderProblem::NotSignalling));
        }
        Ok(None)
    }
}

impl fmt::Display for HeaderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Twice => "is there twice",
            Self::TooLong => "has more than 16384 bytes",
            Self::NotBase64 => "is not in base64",
            Self::NotPssh => "is not one `pssh` box",
            Self::OtherSystem => "is for another system",
            Self::OtherKey => "is for another key",
            Self::Empty => "has nothing in it",
            Self::NotObject => "is no PlayReady object",
            Self::NotSignalling => "has no tag with a `skd` address",
        })
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, CpixError> {
    let found = start.try_get_attribute(name).map_err(|_| CpixError::NotXml)?;
    let value = found.map(|found| found.normalized_value(XmlVersion::Implicit1_0)).transpose();
    Ok(value.map_err(|_| CpixError::NotXml)?.map(Into::into))
}

fn key_id(start: &BytesStart<'_>) -> Result<KeyId, CpixError> {
    attribute(start, "kid")?.and_then(|id| id.trim().parse().ok()).ok_or(CpixError::NoKeyId)
}

/// The 16 bytes that base64 stands for. White space around it is no part of it.
fn sixteen(text: &str) -> Option<Zeroizing<[u8; 16]>> {
    // 24 digits, of which two may not be padding, for the decoder.
    let mut room = Zeroizing::new([0; 18]);
    let len = BASE64_STANDARD.decode_slice(text.trim(), &mut *room).ok()?;
    let (bytes, _) = room.split_first_chunk::<16>()?;
    (len == bytes.len()).then(|| Zeroizing::new(*bytes))
}

/// `URI` of `EXT-X-KEY` or `EXT-X-SESSION-KEY` (RFC 8216 §4.3.2.4) that is for Apple's players.
fn fairplay_uri(line: &str) -> Option<&str> {
    let tag = line.trim().strip_prefix("#EXT-X-")?;
    let mut rest = tag.strip_prefix("KEY:").or_else(|| tag.strip_prefix("SESSION-KEY:"))?;
    let (mut format, mut uri) = (None, None);
    while let Some((name, value)) = rest.split_once('=') {
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        match name.trim() {
            "KEYFORMAT" => format = Some(value),
            "URI" => uri = Some(value),
            _ => {}
        }
        rest = after.trim_start_matches(',');
    }
    uri.filter(|_| format == Some(FAIRPLAY_FORMAT))
}

/// An address that can stand in a playlist.
fn is_asset(uri: &str) -> bool {
    let visible = uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    uri.starts_with("skd://") && uri.len() <= 2000 && visible
}
