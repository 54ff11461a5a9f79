//! Manifests of encrypted media → manifests of the same media, decrypted in place.

use quick_xml::events::Event;
use quick_xml::{Reader, Writer};

/// An MPD without its `ContentProtection` elements, the rest as it is.
pub fn clear_mpd(mpd: &str) -> Result<String, quick_xml::Error> {
    let mut reader = Reader::from_str(mpd);
    let mut writer = Writer::new(Vec::new());
    let mut depth = 0_u32;
    loop {
        let event = reader.read_event()?;
        let is_protection = match &event {
            Event::Start(start) | Event::Empty(start) => start.local_name().as_ref() == "ContentProtection",
            _ => false,
        };
        match event {
            Event::Eof => break,
            Event::Start(_) if is_protection || depth > 0 => depth += 1,
            Event::End(_) if depth > 0 => depth -= 1,
            _ if is_protection || depth > 0 => {}
            event => writer.write_event(event)?,
        }
    }
    Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
}

/// A playlist without its keys, the rest as it is.
pub fn clear_playlist(playlist: &str) -> String {
    let is_key = |line: &str| line.starts_with("#EXT-X-KEY:") || line.starts_with("#EXT-X-SESSION-KEY:");
    playlist.split_inclusive('\n').filter(|line| !is_key(line)).collect()
}
