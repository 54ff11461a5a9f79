//! `EXT-X-KEY` and `EXT-X-SESSION-KEY` (RFC 8216bis §4.4.4.4, §4.4.5.4).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::protection::{KeySignalling, Scheme, Signalling, System};

/// The tag of each system that is told of the key, without its name: every segment of a rendition carries the same.
pub(super) fn attributes(signalling: &Signalling, key: &KeySignalling) -> Vec<String> {
    let method = match signalling.scheme {
        Scheme::Cenc => "SAMPLE-AES-CTR",
        Scheme::Cbcs => "SAMPLE-AES",
    };
    let widevine = key.pssh(System::Widevine).map(|pssh| {
        let (urn, kid) = (System::Widevine.urn(), key.key_id);
        format!(
            "URI=\"data:text/plain;base64,{}\",KEYID=0x{kid},KEYFORMAT=\"{urn}\",KEYFORMATVERSIONS=\"1\"",
            BASE64_STANDARD.encode(pssh)
        )
    });
    let playready = key.playready.as_ref().map(|object| {
        format!(
            "URI=\"data:text/plain;charset=UTF-16;base64,{}\",KEYFORMAT=\"com.microsoft.playready\",KEYFORMATVERSIONS=\"1\"",
            BASE64_STANDARD.encode(object)
        )
    });
    let fairplay = key.fairplay.as_ref().map(|uri| {
        format!("URI=\"{uri}\",KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1\"")
    });
    let identity = key.identity.as_ref().map(|uri| format!("URI=\"{uri}\",KEYFORMAT=\"identity\""));
    let all = [fairplay, widevine, playready, identity].into_iter().flatten();
    all.map(|system| format!("METHOD={method},{system}")).collect()
}
