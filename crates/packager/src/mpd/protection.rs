//! `ContentProtection` of an adaptation set (ISO/IEC 23009-1 §5.8.4.1, DASH-IF IOP 4.3 §7.5).

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Element, Xml};
use crate::protection::{KeySignalling, Signalling, System};

/// Name spaces that the root declares when anything is protected.
pub(super) const NAMESPACES: [(&str, &str); 4] = [
    ("xmlns:cenc", "urn:mpeg:cenc:2013"),
    ("xmlns:mspr", "urn:microsoft:playready"),
    ("xmlns:clearkey", "http://dashif.org/guidelines/clearKey"),
    ("xmlns:dashif", "https://dashif.org/CPS"),
];

/// ClearKey in DASH, which is not the system id of its `pssh`: players read this one.
const CLEARKEY: &str = "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e";

/// The scheme first, then each system that is told of the key.
pub(super) fn write(xml: &mut Xml, signalling: &Signalling, key: &KeySignalling) -> io::Result<()> {
    Element::new(xml, "ContentProtection")
        .attr("schemeIdUri", "urn:mpeg:dash:mp4protection:2011")
        .attr("value", signalling.scheme.as_str())
        .attr("cenc:default_KID", key.key_id.uuid())
        .empty()?;
    let licences = &signalling.licences;
    if let Some(url) = &licences.clearkey {
        Element::new(xml, "ContentProtection")
            .attr("schemeIdUri", CLEARKEY)
            .attr("value", "ClearKey1.0")
            .containing(|xml| {
                Element::new(xml, "clearkey:Laurl").attr("Lic_type", "EME-1.0").text(url)?;
                Element::new(xml, "dashif:Laurl").attr("licenseType", "EME-1.0").text(url)
            })?;
    }
    let systems = [
        (System::Widevine, "Widevine", &licences.widevine),
        (System::PlayReady, "MSPR 2.0", &licences.playready),
    ];
    for (system, name, url) in systems {
        let Some(pssh) = key.pssh(system) else { continue };
        Element::new(xml, "ContentProtection")
            .attr("schemeIdUri", system.urn())
            .attr("value", name)
            .containing(|xml| {
                Element::new(xml, "cenc:pssh").text(&BASE64_STANDARD.encode(pssh))?;
                if let (System::PlayReady, Some(object)) = (system, &key.playready) {
                    Element::new(xml, "mspr:pro").text(&BASE64_STANDARD.encode(object))?;
                }
                match url {
                    Some(url) => Element::new(xml, "dashif:Laurl").text(url),
                    None => Ok(()),
                }
            })?;
    }
    Ok(())
}
