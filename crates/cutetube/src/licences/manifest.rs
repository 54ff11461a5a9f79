//! Manifests of protected videos as one viewer gets them: with this server's own address where licences are asked for, with
//! the viewer's token behind it, and without what the viewer gets no keys for.
//!
//! Stored manifests are functions of what was made and know neither; players that are told nothing else find a licence by
//! these. What is rewritten are places that the packager writes, in the form that it writes them in.

use std::{borrow::Cow, fmt::Write as _};

/// What a viewer is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Personal<'a> {
    /// This server, without a slash at its end.
    pub(crate) base: &'a str,
    /// What the player is to show, if the viewer has any.
    pub(crate) token: Option<&'a str>,
    /// The largest pictures that the viewer may have, by their shorter side.
    pub(crate) max_height: Option<u32>,
}

/// Where paths of licences begin; no other URL of a manifest has this in it.
const LICENCES: &str = "/licences/";

impl Personal<'_> {
    /// An MPD.
    pub(crate) fn mpd(&self, manifest: &str) -> String {
        let whole = self.licences(manifest, '>', '<');
        if self.max_height.is_none() {
            return whole;
        }
        let shown =
            without(&whole, "      <Representation ", "/>\n", |picture| self.is_hidden(size(picture)));
        without(&shown, "    <AdaptationSet ", "</AdaptationSet>\n", |set| !set.contains("<Representation "))
    }

    /// A multivariant playlist: players come back for the playlists that it names, and bring the token along.
    pub(crate) fn master(&self, playlist: &str) -> String {
        let whole = self.licences(playlist, '"', '"');
        let mut text = String::with_capacity(whole.len() * 2);
        let mut lines = whole.lines();
        while let Some(line) = lines.next() {
            let is_variant = line.starts_with("#EXT-X-STREAM-INF:");
            let names_pictures = is_variant || line.starts_with("#EXT-X-I-FRAME-STREAM-INF:");
            // A hint about all keys; players find each where it is used.
            let is_hint = self.max_height.is_some() && line.starts_with("#EXT-X-SESSION-KEY:");
            if is_hint || (names_pictures && self.is_hidden(resolution(line))) {
                if is_variant {
                    lines.next();
                }
                continue;
            }
            let line = match line.starts_with('#') {
                true => self.with_token_in_uri(line),
                false if line.is_empty() => line.into(),
                false => self.with_token(line),
            };
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// A media playlist.
    pub(crate) fn playlist(&self, playlist: &str) -> String {
        self.licences(playlist, '"', '"')
    }

    /// Replaces what is between `open` and [`LICENCES`] by this server, and puts the token in front of `close`.
    fn licences(&self, manifest: &str, open: char, close: char) -> String {
        let mut text = String::with_capacity(manifest.len() + 512);
        let mut rest = manifest;
        while let Some(at) = rest.find(LICENCES) {
            let begin = rest
                .get(..at)
                .and_then(|before| before.rfind(open))
                .map_or(at, |quote| quote + open.len_utf8());
            let tail = rest.get(at..).unwrap_or_default();
            let end = at + tail.find(close).unwrap_or(tail.len());
            text.push_str(rest.get(..begin).unwrap_or_default());
            let _ = write!(text, "{}{}", self.base, rest.get(at..end).unwrap_or_default());
            self.append_token(&mut text);
            rest = rest.get(end..).unwrap_or_default();
        }
        text.push_str(rest);
        text
    }

    fn with_token_in_uri<'line>(&self, line: &'line str) -> Cow<'line, str> {
        const URI: &str = "URI=\"";
        let found = line.find(URI).map(|at| at + URI.len()).and_then(|from| {
            let to = from + line.get(from..)?.find('"')?;
            Some((line.get(..from)?, line.get(from..to)?, line.get(to..)?))
        });
        match found {
            Some((before, uri, after)) if uri.ends_with(".m3u8") => {
                format!("{before}{}{after}", self.with_token(uri)).into()
            }
            _ => line.into(),
        }
    }

    fn with_token<'uri>(&self, uri: &'uri str) -> Cow<'uri, str> {
        match self.token {
            None => uri.into(),
            Some(_) => {
                let mut text = uri.to_owned();
                self.append_token(&mut text);
                text.into()
            }
        }
    }

    fn is_hidden(&self, size: Option<(u32, u32)>) -> bool {
        let (Some(most), Some((width, height))) = (self.max_height, size) else { return false };
        width.min(height) > most
    }

    fn append_token(&self, text: &mut String) {
        if let Some(token) = self.token {
            text.push_str("?token=");
            text.push_str(token);
        }
    }
}

/// Whether text can stand in a URL, an attribute and a quoted string as it is, and is no longer than any token of ours.
pub(crate) fn is_token_text(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=2048).contains(&text.len()) && text.bytes().all(plain)
}

/// `RESOLUTION=1280x720`
fn resolution(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.split_once("RESOLUTION=")?;
    let (width, height) = rest.split(',').next()?.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// What a `Representation` tells of its pictures.
fn size(element: &str) -> Option<(u32, u32)> {
    let value = |name| element.split_once(name)?.1.split('"').next()?.parse().ok();
    Some((value(" width=\"")?, value(" height=\"")?))
}

/// The text without those of the elements between `open` and `close` that are to be dropped.
fn without(text: &str, open: &str, close: &str, is_dropped: impl Fn(&str) -> bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(from) = rest.find(open) {
        let close_at = rest.get(from..).and_then(|tail| tail.find(close));
        let to = close_at.map_or(rest.len(), |at| from + at + close.len());
        kept.push_str(rest.get(..from).unwrap_or_default());
        kept.push_str(rest.get(from..to).filter(|element| !is_dropped(element)).unwrap_or_default());
        rest = rest.get(to..).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const MPD: &str = r#"<MPD xmlns:dashif="https://dashif.org/CPS">
  <Period>
    <AdaptationSet id="0" maxWidth="640">
      <ContentProtection>
        <clearkey:Laurl Lic_type="EME-1.0">/licences/clearkey</clearkey:Laurl>
        <dashif:Laurl licenseType="EME-1.0">https://old.example.org/licences/clearkey</dashif:Laurl>
      </ContentProtection>
      <Representation id="360p" width="640" height="360" sar="1:1"/>
      <Representation id="480p" width="854" height="480" sar="1:1"/>
    </AdaptationSet>
    <AdaptationSet id="1" maxWidth="1280">
      <Representation id="720p" width="1280" height="720" sar="1:1"/>
    </AdaptationSet>
    <AdaptationSet id="2">
      <dashif:Laurl>https://test.playready.microsoft.com/service/rightsmanager.asmx</dashif:Laurl>
      <Representation id="audio">
        <AudioChannelConfiguration value="2"/>
      </Representation>
    </AdaptationSet>
  </Period>
</MPD>
"#;

    const MASTER: &str = r#"#EXTM3U
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="/licences/key/01",KEYFORMAT="identity"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360,AUDIO="audio"
360p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=720x1280,AUDIO="audio"
720p.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360,URI="360p-iframes.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=2,RESOLUTION=720x1280,URI="720p-iframes.m3u8"
"#;

    const PLAYLIST: &str = r#"#EXTM3U
#EXT-X-MAP:URI="360p/init.mp4"
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://01",KEYFORMAT="com.apple.streamingkeydelivery"
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="http://localhost/licences/key/01",KEYFORMAT="identity"
#EXTINF:1.001000,
360p/1.m4s
"#;

    const VIEWER: Personal<'_> =
        Personal { base: "https://videos.example.org", token: Some("a.b-c"), max_height: None };

    #[test]
    fn an_mpd_leads_to_this_server_with_the_token() {
        let expected = MPD
            .replace(">/licences", ">https://videos.example.org/licences")
            .replace("old.example.org", "videos.example.org")
            .replace("licences/clearkey<", "licences/clearkey?token=a.b-c<");
        assert_eq!(VIEWER.mpd(MPD), expected);
        let nobody = Personal { token: None, ..VIEWER };
        assert_eq!(nobody.mpd(MPD), expected.replace("?token=a.b-c", ""));
    }

    #[test]
    fn playlists_lead_to_this_server_and_to_each_other() {
        let expected = MASTER
            .replace("/licences/key/01", "https://videos.example.org/licences/key/01?token=a.b-c")
            .replace(".m3u8", ".m3u8?token=a.b-c");
        assert_eq!(VIEWER.master(MASTER), expected);
        let expected = PLAYLIST.replace(
            "http://localhost/licences/key/01",
            "https://videos.example.org/licences/key/01?token=a.b-c",
        );
        assert_eq!(VIEWER.playlist(PLAYLIST), expected);
    }

    #[test]
    fn what_a_viewer_may_not_have_is_not_named() {
        let names = |max_height: u32| {
            let viewer = Personal { max_height: Some(max_height), ..VIEWER };
            let (mpd, master) = (viewer.mpd(MPD), viewer.master(MASTER));
            let in_mpd = ["360p", "480p", "720p", "audio"].map(|id| mpd.contains(&format!("id=\"{id}\"")));
            (
                in_mpd,
                mpd.matches("<AdaptationSet").count(),
                master.matches("360p").count(),
                master.matches("720p").count(),
            )
        };
        assert_eq!(names(720), ([true, true, true, true], 3, 2, 2));
        assert_eq!(names(576), ([true, true, false, true], 2, 2, 0));
        assert_eq!(names(360), ([true, false, false, true], 2, 2, 0));
    }

    #[test]
    fn only_what_looks_like_a_token_is_written_into_a_manifest() {
        assert!(is_token_text("eyJ0.eyJ1-_.x"));
        for text in ["", "a b", "a\"", "a<", "a&b", "ü", &"a".repeat(2049)] {
            assert!(!is_token_text(text), "{text}");
        }
    }
}
