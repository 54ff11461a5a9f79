//! HLS playlists (RFC 8216bis) of a [`Presentation`]: version 7, fragmented MP4, video on demand.

mod keys;

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};

use crate::layout::{File, Flavour};
use crate::mpd::{sheet_bandwidth, sheet_millis};
use crate::presentation::{
    AudioRendition, FrameRate, ImageRendition, Presentation, PresentationParts, TextKind, TextRendition,
    VideoRendition, spans,
};
use crate::protection::KeyClass;
use crate::rate::{Load, micros_nearest};

/// The playlist with other names for what lies beside it: those on lines of their own, and those in the attribute `URI`.
/// Addresses with a scheme, and absolute paths, stay as they are. `playlist` is what this module has written.
pub fn renamed_playlist(playlist: &str, name: impl Fn(&str) -> String) -> String {
    const URI: &str = "URI=\"";
    let is_beside = |name: &str| !name.contains(':') && !name.starts_with('/');
    let mut text = String::with_capacity(playlist.len() * 2);
    for line in playlist.lines() {
        let quoted = line.split_once(URI).and_then(|(before, rest)| Some((before, rest.split_once('"')?)));
        match quoted {
            Some((before, (uri, after))) if line.starts_with('#') && is_beside(uri) => {
                push(&mut text, format_args!("{before}{URI}{}\"{after}", name(uri)));
            }
            None if !line.is_empty() && !line.starts_with('#') && is_beside(line) => {
                push(&mut text, format_args!("{}", name(line)));
            }
            _ => push(&mut text, format_args!("{line}")),
        }
    }
    text
}

/// The same playlist for a place where no name has a folder: from the folder of `flavour`, `360p/1.m4s` becomes
/// `360p_1.m4s`, with `before` in front of it.
pub fn flatten_playlist(playlist: &str, flavour: Flavour, before: &str) -> String {
    let folder = match flavour {
        Flavour::Mp4 => "",
        Flavour::Mov => "mov/",
    };
    renamed_playlist(playlist, |name| {
        let path = name.strip_prefix("../").map_or_else(|| format!("{folder}{name}"), str::to_owned);
        format!("{before}{}", path.replace('/', "_"))
    })
}

/// The multivariant playlist, to be stored at [`File::Master`].
///
/// One variant and one I-frame stream for each rung, one group with every sound track and one with all captions, one image
/// stream for each storyboard. `BANDWIDTH` and `AVERAGE-BANDWIDTH` include the most expensive sound track (§4.4.6.2).
pub fn master(presentation: &Presentation, flavour: Flavour) -> String {
    let parts = presentation.parts();
    let here = File::Master(flavour);
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    push_session_keys(&mut text, parts);
    for (index, audio) in parts.audio.iter().enumerate() {
        let choice = if index == 0 { "YES" } else { "NO" };
        let uri = File::Media { flavour, rendition: &audio.id }.url_in(&here);
        push(
            &mut text,
            format_args!("#EXT-X-MEDIA:{}DEFAULT={choice},AUTOSELECT=YES,URI=\"{uri}\"", Media(audio)),
        );
    }
    for track in &parts.text {
        let uri = File::Media { flavour, rendition: &track.id }.url_in(&here);
        push(&mut text, format_args!("#EXT-X-MEDIA:{}URI=\"{uri}\"", TextMedia(track)));
    }
    let audio = Audio::of(&parts.audio);
    for video in &parts.video {
        let load = RungLoad::segments(presentation, video);
        let peak = load.peak() + audio.peak;
        let average = load.average() + audio.average;
        let codecs = std::iter::once(video.codecs.as_str()).chain(audio.codecs.iter().copied());
        let codecs = codecs.collect::<Vec<_>>().join(",");
        let (size, rate) = (Size(video), Rate(video.frame_rate));
        let sound = if parts.audio.is_empty() { "" } else { ",AUDIO=\"audio\"" };
        let captions = if parts.text.is_empty() { "" } else { ",SUBTITLES=\"text\"" };
        push(
            &mut text,
            format_args!(
                "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\",RESOLUTION={size},\
                 FRAME-RATE={rate},VIDEO-RANGE=SDR{sound}{captions},CLOSED-CAPTIONS=NONE"
            ),
        );
        push(&mut text, format_args!("{}", File::Media { flavour, rendition: &video.id }.url_in(&here)));
    }
    for video in &parts.video {
        let load = RungLoad::iframes(presentation, video);
        let uri = File::IFrames { flavour, rendition: &video.id }.url_in(&here);
        push(
            &mut text,
            format_args!(
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\",RESOLUTION={},\
                 VIDEO-RANGE=SDR,URI=\"{uri}\"",
                load.peak(),
                load.average(),
                video.codecs,
                Size(video)
            ),
        );
    }
    for images in &parts.images {
        let uri = File::Media { flavour, rendition: &images.id }.url_in(&here);
        push(
            &mut text,
            format_args!(
                "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={},RESOLUTION={}x{},CODECS=\"jpeg\",URI=\"{uri}\"",
                sheet_bandwidth(images),
                images.tile_width,
                images.tile_height
            ),
        );
    }
    text
}

/// The playlist of one rendition, to be stored at [`File::Media`]; `None` when there is no such rendition.
///
/// `EXTINF` durations are differences of rounded times, so that their sum never drifts from the timeline.
pub fn media(presentation: &Presentation, rendition: &str, flavour: Flavour) -> Option<String> {
    let parts = presentation.parts();
    if let Some(images) = parts.images.iter().find(|images| images.id == rendition) {
        return Some(image_playlist(presentation, images, flavour));
    }
    if parts.text.iter().any(|track| track.id == rendition) {
        return Some(text_playlist(presentation, rendition, flavour));
    }
    let audio = parts.audio.iter().find(|audio| audio.id == rendition);
    let (boundaries, timescale, class) = match audio {
        Some(audio) => (&audio.boundaries, audio.sample_rate, KeyClass::Audio),
        None => {
            let video = parts.video.iter().find(|video| video.id == rendition)?;
            (&parts.boundaries, parts.timescale, video.key_class())
        }
    };
    let here = File::Media { flavour, rendition };
    let durations = extinf_micros(boundaries, timescale);
    let mut text = playlist_head(&durations, "#EXT-X-INDEPENDENT-SEGMENTS\n");
    push_map(&mut text, rendition, flavour, &here);
    push_keys(&mut text, parts, class);
    for (number, &micros) in (1..).zip(&durations) {
        push(&mut text, format_args!("#EXTINF:{},", Seconds(micros)));
        push(&mut text, format_args!("{}", File::Segment { rendition, number }.url_in(&here)));
    }
    text.push_str("#EXT-X-ENDLIST\n");
    Some(text)
}

/// The I-frame playlist of one rung, to be stored at [`File::IFrames`]; `None` when there is no such rung.
///
/// Each segment's first sample is an IDR; its range runs from the segment's `moof` to that sample's end (§4.4.3.6).
pub fn iframes(presentation: &Presentation, rendition: &str, flavour: Flavour) -> Option<String> {
    let parts = presentation.parts();
    let video = parts.video.iter().find(|video| video.id == rendition)?;
    let here = File::IFrames { flavour, rendition };
    let durations = extinf_micros(&parts.boundaries, parts.timescale);
    let mut text = playlist_head(&durations, "#EXT-X-I-FRAMES-ONLY\n");
    push_map(&mut text, rendition, flavour, &here);
    push_keys(&mut text, parts, video.key_class());
    for ((number, &micros), segment) in (1..).zip(&durations).zip(&video.segments) {
        push(&mut text, format_args!("#EXTINF:{},", Seconds(micros)));
        push(&mut text, format_args!("#EXT-X-BYTERANGE:{}@0", segment.iframe_bytes));
        push(&mut text, format_args!("{}", File::Segment { rendition, number }.url_in(&here)));
    }
    text.push_str("#EXT-X-ENDLIST\n");
    Some(text)
}

/// Tiled images (Roku's image media playlist, read by Shaka Player).
fn image_playlist(presentation: &Presentation, images: &ImageRendition, flavour: Flavour) -> String {
    let here = File::Media { flavour, rendition: &images.id };
    let sheet = sheet_millis(images) * 1000;
    let mut left = micros_nearest(presentation.duration(), presentation.parts().timescale);
    let mut durations = Vec::with_capacity(images.sheets.len());
    for _ in &images.sheets {
        durations.push(sheet.min(left));
        left = left.saturating_sub(sheet);
    }
    let mut text = playlist_head(&durations, "#EXT-X-IMAGES-ONLY\n");
    for (number, &micros) in (1..).zip(&durations) {
        push(&mut text, format_args!("#EXTINF:{},", Seconds(micros)));
        push(
            &mut text,
            format_args!(
                "#EXT-X-TILES:RESOLUTION={}x{},LAYOUT={}x{},DURATION={}",
                images.tile_width,
                images.tile_height,
                images.columns,
                images.rows,
                Seconds(u64::from(images.tile_millis) * 1000)
            ),
        );
        push(&mut text, format_args!("{}", File::Sheet { rendition: &images.id, number }.url_in(&here)));
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// One segment from beginning to end. Its cues count from the beginning of the video, which is 0 in its media too: so it
/// needs no `X-TIMESTAMP-MAP` (§3.1.4).
fn text_playlist(presentation: &Presentation, rendition: &str, flavour: Flavour) -> String {
    let here = File::Media { flavour, rendition };
    let whole = micros_nearest(presentation.duration(), presentation.parts().timescale);
    let mut text = playlist_head(&[whole], "");
    push(&mut text, format_args!("#EXTINF:{},", Seconds(whole)));
    push(&mut text, format_args!("{}", File::Text { rendition }.url_in(&here)));
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

fn playlist_head(durations: &[u64], kind: &str) -> String {
    let target = target_seconds(durations);
    format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:VOD\n{kind}")
}

fn push_map(text: &mut String, rendition: &str, flavour: Flavour, here: &File<'_>) {
    push(text, format_args!("#EXT-X-MAP:URI=\"{}\"", File::Init { flavour, rendition }.url_in(here)));
}

/// The key of every segment that follows.
fn push_keys(text: &mut String, parts: &PresentationParts, class: KeyClass) {
    let Some((signalling, key)) = parts.key(class) else { return };
    for attributes in keys::attributes(signalling, key) {
        push(text, format_args!("#EXT-X-KEY:{attributes}"));
    }
}

/// All keys, so that players can ask for licences before they have read a media playlist.
fn push_session_keys(text: &mut String, parts: &PresentationParts) {
    let audio = parts.audio.iter().map(|_| KeyClass::Audio);
    let classes: BTreeSet<KeyClass> =
        parts.video.iter().map(VideoRendition::key_class).chain(audio).collect();
    let mut told = BTreeSet::new();
    for (signalling, key) in classes.into_iter().filter_map(|class| parts.key(class)) {
        if told.insert(key.key_id) {
            for attributes in keys::attributes(signalling, key) {
                push(text, format_args!("#EXT-X-SESSION-KEY:{attributes}"));
            }
        }
    }
}

fn push(text: &mut String, line: fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes every character");
}

fn extinf_micros(boundaries: &[u64], timescale: u32) -> Vec<u64> {
    let micros = |ticks| micros_nearest(ticks, timescale);
    spans(boundaries).map(|(start, end)| micros(end).saturating_sub(micros(start))).collect()
}

/// `EXT-X-TARGETDURATION` (§4.4.3.1): the longest segment in seconds, rounded up.
fn target_seconds(durations: &[u64]) -> u64 {
    durations.iter().copied().max().unwrap_or(0).div_ceil(1_000_000).max(1)
}

/// What a variant's sound adds to it.
struct Audio<'a> {
    peak: u64,
    average: u64,
    codecs: BTreeSet<&'a str>,
}

impl<'a> Audio<'a> {
    fn of(tracks: &'a [AudioRendition]) -> Self {
        let mut all = Self { peak: 0, average: 0, codecs: BTreeSet::new() };
        for track in tracks {
            let load =
                Load { bytes: &track.segments, boundaries: &track.boundaries, timescale: track.sample_rate };
            let target = target_seconds(&extinf_micros(&track.boundaries, track.sample_rate));
            all.peak = all.peak.max(load.peak(target));
            all.average = all.average.max(load.average());
            all.codecs.insert(&track.codecs);
        }
        all
    }
}

/// Sizes of one rung's objects or ranges on the shared timeline.
struct RungLoad<'a> {
    bytes: Vec<u64>,
    presentation: &'a Presentation,
}

impl<'a> RungLoad<'a> {
    fn segments(presentation: &'a Presentation, video: &VideoRendition) -> Self {
        Self { bytes: video.segments.iter().map(|s| s.bytes).collect(), presentation }
    }

    fn iframes(presentation: &'a Presentation, video: &VideoRendition) -> Self {
        Self { bytes: video.segments.iter().map(|s| s.iframe_bytes).collect(), presentation }
    }

    fn peak(&self) -> u64 {
        let load = self.load();
        load.peak(target_seconds(&extinf_micros(load.boundaries, load.timescale)))
    }

    fn average(&self) -> u64 {
        self.load().average()
    }

    fn load(&self) -> Load<'_> {
        let parts = self.presentation.parts();
        Load { bytes: &self.bytes, boundaries: &parts.boundaries, timescale: parts.timescale }
    }
}

/// Attributes of `EXT-X-MEDIA` that describe the track (§4.4.6.1), up to a trailing comma.
struct Media<'a>(&'a AudioRendition);

impl Display for Media<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The id makes the name unique in its group, which the language need not be.
        write!(f, "TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{}\",", self.0.id)?;
        if let Some(language) = &self.0.language {
            write!(f, "LANGUAGE=\"{language}\",")?;
        }
        write!(f, "CHANNELS=\"{}\",", self.0.channels)
    }
}

/// Attributes of `EXT-X-MEDIA` that describe captions (§4.4.6.1), up to a trailing comma.
struct TextMedia<'a>(&'a TextRendition);

impl Display for TextMedia<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TextRendition { language, label, kind, .. } = self.0;
        write!(f, "TYPE=SUBTITLES,GROUP-ID=\"text\",NAME=\"{label}\",LANGUAGE=\"{language}\",")?;
        f.write_str("DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,")?;
        match kind {
            TextKind::Subtitles => Ok(()),
            TextKind::Captions => f.write_str(
                "CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,\
                 public.accessibility.describes-music-and-sound\",",
            ),
        }
    }
}

/// `RESOLUTION`.
struct Size<'a>(&'a VideoRendition);

impl Display for Size<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.0.width, self.0.height)
    }
}

/// `FRAME-RATE`: the highest rate, three decimals.
struct Rate(FrameRate);

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (num, den) = match self.0 {
            FrameRate::Constant { num, den } => (u64::from(num), u64::from(den)),
            FrameRate::Variable { max } => (u64::from(max), 1),
        };
        let thousandths = (num * 2000 + den) / (2 * den);
        write!(f, "{}.{:03}", thousandths / 1000, thousandths % 1000)
    }
}

/// Seconds with six decimals.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
