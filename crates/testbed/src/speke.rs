//! A key server as the specification of SPEKE 2.0 has it, with a parser and with headers of its own.
//!
//! It takes no document that is not exactly as CPIX 2.3 and SPEKE's profile of it say, and answers the same one, filled
//! in. A key is a function of its id, so a test knows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use roxmltree::{Document, Node};

use crate::http::{HttpRequest, Response, Stub, StubReply, lock};

/// The server.
#[derive(Debug)]
pub struct SpekeServer {
    stub: Stub,
    twist: Arc<Mutex<Option<SpekeTwist>>>,
}

/// What is special about its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpekeTwist {
    /// The last key is not there.
    MissingKey,
    /// There is a key that nobody asked for.
    ExtraKey,
    /// The first key is there twice.
    DoubleKey,
    /// Keys have 15 bytes.
    ShortKeys,
    /// All keys are the same.
    SameKeys,
    /// Keys are encrypted.
    EncryptedKeys,
    /// It is about another video.
    OtherContent,
    /// It is of another version.
    OtherVersion,
    /// Keys are for another scheme.
    OtherScheme,
    /// Vectors are not the proposed ones, but of [`SpekeServer::vector`].
    OwnVectors,
    /// Vectors are left out.
    NoVectors,
    /// Systems are left out.
    NoSystems,
    /// Headers are left out.
    NoHeaders,
    /// Headers are of the wrong system.
    ForeignHeaders,
    /// Headers say that they are for another key.
    OtherKeys,
    /// Headers are no base64.
    NoBase64,
    /// What is in headers makes no sense to their systems.
    NoSense,
    /// Boxes are longer than they are.
    CutBoxes,
    /// There is a document type with an entity.
    DocumentType,
}

const CPIX: &str = "urn:dashif:org:cpix";
const WIDEVINE: &str = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";
const PLAYREADY: &str = "9a04f079-9840-4286-ab92-e65be0885f95";
const FAIRPLAY: &str = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2";

impl SpekeServer {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let twist = Arc::new(Mutex::new(None));
        let told = twist.clone();
        let stub = Stub::start(move |request| respond(request, *lock(&told))).await;
        Self { stub, twist }
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}/speke/v2.0/copyProtection", self.stub.address())
    }

    /// What it does from now on.
    pub fn reply(&self, reply: StubReply) {
        self.stub.reply(reply);
    }

    /// What is special about its answers from now on.
    pub fn twist(&self, twist: Option<SpekeTwist>) {
        *lock(&self.twist) = twist;
    }

    /// The requests so far, once there are this many.
    pub async fn heard(&self, count: usize) -> Vec<HttpRequest> {
        self.stub.heard(count).await
    }

    /// Lets go of the port.
    pub async fn stop(&mut self) {
        self.stub.stop().await;
    }

    /// Its answer to a document, without a network between, or what is wrong with the document.
    pub fn answer(document: &str, twist: Option<SpekeTwist>) -> Result<String, String> {
        let parsed = Document::parse(document).map_err(|error| error.to_string())?;
        let asked = Asked::read(&parsed)?;
        Ok(asked.answer(twist))
    }

    /// Its key with this id.
    pub fn key(id: [u8; 16]) -> [u8; 16] {
        id.map(|byte| byte.rotate_left(3) ^ 0x5a)
    }

    /// A vector of its own for the key with this id.
    pub fn vector(id: [u8; 16]) -> [u8; 16] {
        id.map(|byte| byte.rotate_left(5) ^ 0xc3)
    }

    /// Data of its `pssh` for Widevine.
    pub fn widevine(id: [u8; 16]) -> Vec<u8> {
        [&[0x12, 16][..], &id, &[0x1a, 4], b"stub"].concat()
    }

    /// Its PlayReady object.
    pub fn playready(id: [u8; 16]) -> Vec<u8> {
        let [a, b, c, d, e, f, g, h, rest @ ..] = id;
        let id = BASE64_STANDARD.encode([&[d, c, b, a, f, e, h, g][..], &rest].concat());
        let header = format!(
            r#"<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.3.0.0"><DATA><PROTECTINFO><KIDS><KID ALGID="AESCBC" VALUE="{id}"></KID></KIDS></PROTECTINFO><LA_URL>https://stub.example.org/</LA_URL></DATA></WRMHEADER>"#
        );
        let header: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let len = u16::try_from(header.len()).expect("a header is short");
        let whole = u32::from(len) + 10;
        [&whole.to_le_bytes()[..], &[1, 0, 1, 0], &len.to_le_bytes(), &header].concat()
    }

    /// What it has Apple's players ask for.
    pub fn fairplay(id: [u8; 16]) -> String {
        format!("skd://stub/{}", uuid(id))
    }
}

fn respond(request: &HttpRequest, twist: Option<SpekeTwist>) -> Response {
    let problem = |status, text: &str| Response {
        status,
        headers: vec![("Content-Type", "text/plain".to_owned())],
        body: text.as_bytes().to_vec(),
    };
    if !request.head.starts_with("POST ") {
        return problem(405, "keys are asked for with POST");
    }
    if request.header("content-type") != Some("application/xml") {
        return problem(415, "a request is application/xml");
    }
    if request.header("x-speke-version") != Some("2.0") {
        return problem(422, "Unsupported SPEKE version");
    }
    let Ok(document) = str::from_utf8(&request.body) else { return problem(400, "a document is UTF-8") };
    match SpekeServer::answer(document, twist) {
        Err(text) => problem(422, &text),
        Ok(answer) => Response {
            status: 200,
            headers: vec![
                ("Content-Type", "application/xml".to_owned()),
                ("X-Speke-Version", "2.0".to_owned()),
                ("X-Speke-User-Agent", "stub".to_owned()),
            ],
            body: answer.into_bytes(),
        },
    }
}

/// What a document asks for.
struct Asked {
    content_id: String,
    scheme: String,
    /// With the proposed vector.
    keys: Vec<([u8; 16], Option<String>)>,
    /// Key and system, and the names of the wanted headers.
    systems: Vec<([u8; 16], &'static str, Vec<Wanted>)>,
    /// Type of track for each key.
    rules: BTreeMap<[u8; 16], String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Pssh,
    Dash,
    /// For this playlist.
    Hls(&'static str),
}

impl Asked {
    fn read(document: &Document<'_>) -> Result<Self, String> {
        let root = document.root_element();
        if !root.has_tag_name((CPIX, "CPIX")) {
            return Err("no CPIX".to_owned());
        }
        if required(root, "version")? != "2.3" {
            return Err("Unsupported CPIX@version".to_owned());
        }
        only_attributes(root, &["contentId", "version"])?;
        let names = ["ContentKeyList", "DRMSystemList", "ContentKeyUsageRuleList"];
        let lists: Vec<Node<'_, '_>> = elements(root).collect();
        let [keys, systems, rules] = lists[..] else { return Err(format!("not exactly {names:?}")) };
        for (list, name) in [keys, systems, rules].into_iter().zip(names) {
            is(list, name)?;
            only_attributes(list, &[])?;
        }
        let mut asked = Self {
            content_id: required(root, "contentId")?.to_owned(),
            scheme: String::new(),
            keys: Vec::new(),
            systems: Vec::new(),
            rules: BTreeMap::new(),
        };
        for key in elements(keys) {
            asked.read_key(key)?;
        }
        for system in elements(systems) {
            asked.read_system(system)?;
        }
        for rule in elements(rules) {
            asked.read_rule(rule)?;
        }
        asked.check()?;
        Ok(asked)
    }

    fn read_key(&mut self, key: Node<'_, '_>) -> Result<(), String> {
        is(key, "ContentKey")?;
        only_attributes(key, &["kid", "commonEncryptionScheme", "explicitIV"])?;
        let id = key_id(key)?;
        let scheme = required(key, "commonEncryptionScheme")?;
        if !["cenc", "cens", "cbc1", "cbcs"].contains(&scheme) {
            return Err(format!("there is no scheme {scheme}"));
        }
        if !self.scheme.is_empty() && self.scheme != scheme {
            return Err("Non compliant ContentKey@commonEncryptionScheme combination".to_owned());
        }
        scheme.clone_into(&mut self.scheme);
        let vector = key.attribute("explicitIV").map(str::to_owned);
        if let Some(text) = &vector
            && BASE64_STANDARD.decode(text).map(|bytes| bytes.len()) != Ok(16)
        {
            return Err("ContentKey@explicitIV is not 16 bytes".to_owned());
        }
        if elements(key).next().is_some() {
            return Err("a key that is asked for is not given".to_owned());
        }
        if self.keys.iter().any(|(known, _)| *known == id) {
            return Err("a key is asked for twice".to_owned());
        }
        self.keys.push((id, vector));
        Ok(())
    }

    fn read_system(&mut self, system: Node<'_, '_>) -> Result<(), String> {
        is(system, "DRMSystem")?;
        only_attributes(system, &["kid", "systemId"])?;
        let id = key_id(system)?;
        let named = required(system, "systemId")?;
        let known = [WIDEVINE, PLAYREADY, FAIRPLAY].into_iter().find(|known| *known == named);
        let known = known.ok_or_else(|| format!("there is no system {named}"))?;
        let mut wanted = Vec::new();
        for element in elements(system) {
            let playlist = element.attribute("playlist");
            wanted.push(match (element.tag_name().name(), playlist) {
                ("PSSH", None) if known != FAIRPLAY => Wanted::Pssh,
                ("ContentProtectionData", None) if known != FAIRPLAY => Wanted::Dash,
                ("HLSSignalingData", Some("media")) => Wanted::Hls("media"),
                ("HLSSignalingData", Some("master")) => Wanted::Hls("master"),
                (name, _) => return Err(format!("{name} is nothing to ask {named} for")),
            });
            let is_empty =
                element.children().all(|child| child.text().is_some_and(|text| text.trim().is_empty()));
            if element.tag_name().namespace() != Some(CPIX) || !is_empty {
                return Err("a header that is asked for is empty".to_owned());
            }
        }
        let distinct: BTreeSet<&Wanted> = wanted.iter().collect();
        let playlists = wanted.iter().filter(|wanted| matches!(wanted, Wanted::Hls(_))).count();
        if distinct.len() != wanted.len() || wanted.is_empty() || !matches!(playlists, 0 | 2) {
            return Err("a system is asked for each header once, and for both playlists or none".to_owned());
        }
        if self.systems.iter().any(|(key, system, _)| (*key, *system) == (id, known)) {
            return Err("a system is there twice".to_owned());
        }
        self.systems.push((id, known, wanted));
        Ok(())
    }

    fn read_rule(&mut self, rule: Node<'_, '_>) -> Result<(), String> {
        is(rule, "ContentKeyUsageRule")?;
        only_attributes(rule, &["kid", "intendedTrackType"])?;
        let track = required(rule, "intendedTrackType")?;
        let filters: Vec<Node<'_, '_>> = elements(rule).collect();
        // One filter for each of the types, of which ALL has two (encryption contract of SPEKE 2.0).
        let types = if track == "ALL" { 2 } else { track.split('+').count() };
        if filters.len() != types {
            return Err(format!("{track} does not have {types} filters"));
        }
        for filter in filters {
            let (known, bounds) = match filter.tag_name().name() {
                "VideoFilter" => (["minPixels", "maxPixels"], !track.contains("AUDIO")),
                "AudioFilter" => (["minChannels", "maxChannels"], track.contains("AUDIO") || track == "ALL"),
                name => return Err(format!("there is no filter {name}")),
            };
            only_attributes(filter, &known)?;
            let [min, max] = known.map(|name| filter.attribute(name).map(str::parse::<u32>));
            let min = min.unwrap_or(Ok(0)).map_err(|error| error.to_string())?;
            let max = max.unwrap_or(Ok(u32::MAX)).map_err(|error| error.to_string())?;
            if !bounds || min > max || filter.tag_name().namespace() != Some(CPIX) {
                return Err(format!("the filter of {track} fits nothing"));
            }
        }
        if self.rules.values().any(|known| known == track) {
            return Err(format!("there are two rules for {track}"));
        }
        match self.rules.insert(key_id(rule)?, track.to_owned()) {
            Some(_) => Err("a key has two rules".to_owned()),
            None => Ok(()),
        }
    }

    /// Every key has its rule, and every system knows of every key.
    fn check(&self) -> Result<(), String> {
        let keys: BTreeSet<[u8; 16]> = self.keys.iter().map(|(id, _)| *id).collect();
        if keys.is_empty() || self.rules.keys().copied().collect::<BTreeSet<_>>() != keys {
            return Err("not every key has a rule".to_owned());
        }
        let systems: BTreeSet<&str> = self.systems.iter().map(|(_, system, _)| *system).collect();
        for system in &systems {
            let of_system = self.systems.iter().filter(|(_, other, _)| other == system);
            if of_system.map(|(id, ..)| *id).collect::<BTreeSet<_>>() != keys {
                return Err(format!("{system} is not asked about every key"));
            }
        }
        match systems.is_empty() {
            true => Err("no system".to_owned()),
            false if systems.contains(FAIRPLAY) && self.scheme != "cbcs" => {
                Err("FairPlay plays cbcs alone".to_owned())
            }
            false => Ok(()),
        }
    }

    fn answer(&self, twist: Option<SpekeTwist>) -> String {
        let is = |other| twist == Some(other);
        let mut keys: Vec<String> =
            self.keys.iter().map(|(id, vector)| self.answer_key(*id, vector, twist)).collect();
        if is(SpekeTwist::MissingKey) {
            keys.pop();
        }
        if is(SpekeTwist::ExtraKey) {
            keys.push(self.answer_key([0xee; 16], &None, None));
        }
        if is(SpekeTwist::DoubleKey) {
            keys.insert(0, keys.first().cloned().unwrap_or_default());
        }
        let systems: Vec<String> = match is(SpekeTwist::NoSystems) {
            true => Vec::new(),
            false => self
                .systems
                .iter()
                .map(|(id, system, wanted)| answer_system(*id, system, wanted, twist))
                .collect(),
        };
        let rule = |(id, track): (&[u8; 16], &String)| {
            let filter = if track.contains("AUDIO") { "AudioFilter" } else { "VideoFilter" };
            let id = uuid(*id);
            format!(
                r#"<c:ContentKeyUsageRule intendedTrackType="{track}" kid="{id}"><c:{filter}/></c:ContentKeyUsageRule>"#
            )
        };
        let rules: Vec<String> = self.rules.iter().map(rule).collect();
        let document_type = if is(SpekeTwist::DocumentType) { "<!DOCTYPE c [<!ENTITY a 'b'>]>" } else { "" };
        let content = if is(SpekeTwist::OtherContent) { "somebody else's" } else { &self.content_id };
        let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;");
        let version = if is(SpekeTwist::OtherVersion) { "2.0" } else { "2.3" };
        // Another prefix, other white space, and elements that nobody has asked about.
        format!(
            "<?xml version='1.0'?>{document_type}<!-- stub -->\n<c:CPIX xmlns:c='{CPIX}' xmlns='urn:ietf:params:xml:ns:keyprov:pskc' version='{version}' contentId=\"{content}\">\n\
             <c:ContentKeyList updateVersion='1'>\n{}</c:ContentKeyList>\n<c:DRMSystemList>\n{}</c:DRMSystemList>\n\
             <c:UpdateHistoryItemList><c:ContentKey kid='none'/></c:UpdateHistoryItemList>\n\
             <c:ContentKeyUsageRuleList>{}</c:ContentKeyUsageRuleList></c:CPIX>\n",
            keys.concat(),
            systems.concat(),
            rules.concat(),
        )
    }

    fn answer_key(&self, id: [u8; 16], proposed: &Option<String>, twist: Option<SpekeTwist>) -> String {
        let vector = match (twist, proposed) {
            (Some(SpekeTwist::NoVectors), _) | (_, None) => String::new(),
            (Some(SpekeTwist::OwnVectors), Some(_)) => {
                format!("explicitIV='{}'", BASE64_STANDARD.encode(SpekeServer::vector(id)))
            }
            (_, Some(vector)) => format!("explicitIV='{vector}'"),
        };
        let key = match twist {
            Some(SpekeTwist::SameKeys) => [7; 16],
            _ => SpekeServer::key(id),
        };
        let length = if twist == Some(SpekeTwist::ShortKeys) { 15 } else { 16 };
        let value = BASE64_STANDARD.encode(&key[..length]);
        let secret = match twist {
            Some(SpekeTwist::EncryptedKeys) => {
                format!(
                    "<EncryptedValue><CipherData><CipherValue>{value}</CipherValue></CipherData></EncryptedValue>"
                )
            }
            _ => format!("<PlainValue>\n  {value}\n</PlainValue>"),
        };
        let scheme = if twist == Some(SpekeTwist::OtherScheme) { "cens" } else { &self.scheme };
        let id = uuid(id).to_uppercase();
        format!(
            "<c:ContentKey commonEncryptionScheme='{scheme}' {vector} kid='{id}'><c:Data><Secret>{secret}</Secret></c:Data></c:ContentKey>\n"
        )
    }
}

fn answer_system(id: [u8; 16], system: &'static str, wanted: &[Wanted], twist: Option<SpekeTwist>) -> String {
    let header = |wanted: &Wanted| {
        let (name, bytes) = match wanted {
            Wanted::Pssh => ("PSSH", pssh_box(id, system, twist)),
            Wanted::Dash => ("ContentProtectionData", b"<stub xmlns='urn:stub'/>".to_vec()),
            Wanted::Hls(playlist) => ("HLSSignalingData", tag(id, playlist, twist).into_bytes()),
        };
        let playlist = match wanted {
            Wanted::Hls(playlist) => format!(" playlist='{playlist}'"),
            Wanted::Pssh | Wanted::Dash => String::new(),
        };
        let text = match twist {
            Some(SpekeTwist::NoHeaders) => String::new(),
            Some(SpekeTwist::NoBase64) => "AAA*".to_owned(),
            _ => BASE64_STANDARD.encode(bytes),
        };
        format!("<c:{name}{playlist}>{text}</c:{name}>")
    };
    let headers: String = wanted.iter().map(header).collect();
    format!("<c:DRMSystem systemId='{}' kid='{}'>{headers}</c:DRMSystem>\n", system.to_uppercase(), uuid(id))
}

/// ISO/IEC 23001-7 §8.1: with key ids for PlayReady, without for Widevine.
fn pssh_box(id: [u8; 16], system: &'static str, twist: Option<SpekeTwist>) -> Vec<u8> {
    let (version, data) = match system {
        WIDEVINE => (0_u8, SpekeServer::widevine(id)),
        _ => (1, SpekeServer::playready(id)),
    };
    let version = if twist == Some(SpekeTwist::OtherKeys) { 1 } else { version };
    let system = if twist == Some(SpekeTwist::ForeignHeaders) { FAIRPLAY } else { system };
    let named = if twist == Some(SpekeTwist::OtherKeys) { [0xee; 16] } else { id };
    let data = match (twist, version) {
        (Some(SpekeTwist::NoSense), 0) => Vec::new(),
        (Some(SpekeTwist::NoSense), _) => data[1..].to_vec(),
        _ => data,
    };
    let ids = if version == 0 { Vec::new() } else { [&[0, 0, 0, 1][..], &named].concat() };
    let system = parse_uuid(system).expect("systems have well-formed ids");
    let length = |bytes: usize| u32::try_from(bytes).expect("headers are short").to_be_bytes();
    let body = [b"pssh", &[version, 0, 0, 0][..], &system, &ids, &length(data.len()), &data].concat();
    let slip = usize::from(twist == Some(SpekeTwist::CutBoxes));
    [&length(body.len() + 4 + slip)[..], &body].concat()
}

/// Of a FairPlay key (RFC 8216 §4.3.2.4, §4.3.4.5).
fn tag(id: [u8; 16], playlist: &str, twist: Option<SpekeTwist>) -> String {
    let name = if playlist == "master" { "EXT-X-SESSION-KEY" } else { "EXT-X-KEY" };
    let uri = match twist {
        Some(SpekeTwist::NoSense) => "https://stub.example.org/".to_owned(),
        _ => SpekeServer::fairplay(id),
    };
    let format = match twist {
        Some(SpekeTwist::ForeignHeaders) => "com.microsoft.playready",
        _ => "com.apple.streamingkeydelivery",
    };
    format!(
        "#EXT-X-STUB:1\r\n#{name}:METHOD=SAMPLE-AES,URI=\"{uri}\",KEYFORMATVERSIONS=\"1\",KEYFORMAT=\"{format}\"\r\n"
    )
}

fn elements<'a, 'i>(parent: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    parent.children().filter(Node::is_element)
}

fn is(node: Node<'_, '_>, name: &str) -> Result<(), String> {
    match node.has_tag_name((CPIX, name)) {
        true => Ok(()),
        false => Err(format!("{} where {name} belongs", node.tag_name().name())),
    }
}

fn required<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, String> {
    let value = node.attribute(name).filter(|value| !value.is_empty());
    value.ok_or_else(|| format!("Missing {}@{name}", node.tag_name().name()))
}

fn only_attributes(node: Node<'_, '_>, names: &[&str]) -> Result<(), String> {
    match node.attributes().find(|attribute| !names.contains(&attribute.name())) {
        Some(unknown) => Err(format!("{}@{} is nothing to ask for", node.tag_name().name(), unknown.name())),
        None => Ok(()),
    }
}

fn key_id(node: Node<'_, '_>) -> Result<[u8; 16], String> {
    parse_uuid(required(node, "kid")?).ok_or_else(|| "a kid is a UUID".to_owned())
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let number = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
    (groups == [8, 4, 4, 4, 12]).then(|| number.to_be_bytes())
}

fn uuid(id: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(id));
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
