//! DASH manifests (ISO/IEC 23009-1) of a [`Presentation`].

mod protection;

use std::io;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesStart, BytesText, Event};
use quick_xml::reader::Reader;
use quick_xml::writer::{ElementWriter, Writer};

use crate::layout::{self, File, Flavour};
use crate::presentation::{
    AudioRendition, FrameRate, ImageRendition, Presentation, PresentationParts, TextKind, TextRendition,
    VideoRendition, gcd, spans,
};
use crate::protection::KeyClass;
use crate::rate::{Load, longest_millis, micros_floor};

/// The static MPD of a presentation, to be stored at [`File::Mpd`].
///
/// Profile `isoff-live:2011` (§8.4): one object per segment, addressed by number, timed by `SegmentTimeline`. One
/// adaptation set for the ladder, one for each sound track, one for each storyboard, one for captions of each language. Rungs under different keys are in
/// adaptation sets of their own, which name each other as switchable (DASH-IF IOP 4.3 §7.7.3, §3.8). Media starts at 0,
/// so there is no `@presentationTimeOffset`. `@bandwidth` holds for `@minBufferTime`, which is the longest segment (§5.3.5.2).
/// The CMAF profile is not claimed: the `mov` flavour's init segments and the image tiles are outside of it.
pub fn mpd(presentation: &Presentation, flavour: Flavour) -> String {
    let manifest =
        Manifest { parts: presentation.parts(), flavour, min_buffer: min_buffer_millis(presentation) };
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    manifest.write(&mut xml, presentation.duration()).expect("a vector takes every byte");
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("all that is written comes from strings")
}

/// The same manifest for a place where no name has a folder: `../360p/1.m4s` becomes `360p_1.m4s`, with `before` in front
/// of it. `manifest` is what [`mpd`] has written.
///
/// # Errors
/// [`FlattenError`] when `manifest` is no XML.
pub fn flatten(manifest: &str, before: &str) -> Result<String, FlattenError> {
    renamed(manifest, |name| {
        format!("{before}{}", name.strip_prefix("../").unwrap_or(name).replace('/', "_"))
    })
}

/// The same manifest with other URLs in every `SegmentTemplate` and `BaseURL`; nothing else changes.
///
/// # Errors
/// [`FlattenError`] when `manifest` is no XML.
pub fn renamed(manifest: &str, name: impl Fn(&str) -> String) -> Result<String, FlattenError> {
    let mut reader = Reader::from_str(manifest);
    let mut xml = Writer::new(Vec::new());
    let mut is_url = false;
    loop {
        let event = match reader.read_event()? {
            Event::Eof => break,
            Event::Start(element) => {
                is_url = element.name().as_ref() == BASE_URL;
                Event::Start(with_names(element, &name)?)
            }
            Event::Text(text) if is_url => Event::Text(BytesText::from_escaped(name(&text))),
            Event::End(element) => {
                is_url = false;
                Event::End(element)
            }
            Event::Empty(element) => Event::Empty(with_names(element, &name)?),
            other => other,
        };
        xml.write_event(event).expect("a vector takes every byte");
    }
    Ok(String::from_utf8(xml.into_inner()).expect("all that is written comes from strings"))
}

const BASE_URL: &str = "BaseURL";

/// Text that is no manifest.
#[derive(Debug, thiserror::Error)]
#[error("the manifest is not well-formed XML")]
pub struct FlattenError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl<E: Into<quick_xml::Error>> From<E> for FlattenError {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

struct Manifest<'a> {
    parts: &'a PresentationParts,
    flavour: Flavour,
    min_buffer: u64,
}

type Xml = Writer<Vec<u8>>;

impl Manifest<'_> {
    fn write(&self, xml: &mut Xml, duration: u64) -> io::Result<()> {
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let images = self.parts.images.iter().map(sheet_millis);
        let longest = images.chain([self.min_buffer]).max().unwrap_or(0);
        let duration = xs_duration(micros_floor(duration, self.parts.timescale));
        let mut root = Element::new(xml, "MPD").attr("xmlns", "urn:mpeg:dash:schema:mpd:2011");
        for (name, value) in protection::NAMESPACES.into_iter().filter(|_| self.parts.protection.is_some()) {
            root = root.attr(name, value);
        }
        let root = root
            .attr("profiles", "urn:mpeg:dash:profile:isoff-live:2011")
            .attr("type", "static")
            .attr("mediaPresentationDuration", duration)
            .attr("maxSegmentDuration", xs_duration(longest * 1000))
            .attr("minBufferTime", xs_duration(self.min_buffer * 1000));
        root.containing(|xml| {
            Element::new(xml, "Period")
                .attr("id", 0)
                .attr("start", "PT0S")
                .containing(|xml| self.write_sets(xml))
        })
    }

    fn write_sets(&self, xml: &mut Xml) -> io::Result<()> {
        let groups = self.video_groups();
        let mut id = 0;
        for rungs in &groups {
            self.write_video(xml, id, groups.len(), rungs)?;
            id += 1;
        }
        for (index, audio) in self.parts.audio.iter().enumerate() {
            self.write_audio(xml, id, if index == 0 { "main" } else { "alternate" }, audio)?;
            id += 1;
        }
        for images in &self.parts.images {
            self.write_images(xml, id, images)?;
            id += 1;
        }
        for text in &self.parts.text {
            self.write_text(xml, id, text)?;
            id += 1;
        }
        Ok(())
    }

    /// The ladder, by key.
    fn video_groups(&self) -> Vec<Vec<&VideoRendition>> {
        let key = |video: &VideoRendition| self.parts.key(video.key_class()).map(|(_, key)| key.key_id);
        let mut groups: Vec<Vec<&VideoRendition>> = Vec::new();
        for video in &self.parts.video {
            let same = groups.iter_mut().find(|group| group.first().is_some_and(|v| key(v) == key(video)));
            match same {
                Some(group) => group.push(video),
                None => groups.push(vec![video]),
            }
        }
        groups
    }

    /// One of the first `groups` adaptation sets, which can be switched between.
    fn write_video(
        &self,
        xml: &mut Xml,
        id: usize,
        groups: usize,
        video: &[&VideoRendition],
    ) -> io::Result<()> {
        let largest = video.iter().max_by_key(|v| u64::from(v.width) * u64::from(v.height));
        let aspect = largest.map_or((1, 1), |v| aspect(v.width, v.height));
        let fastest = video.iter().map(|v| v.frame_rate).reduce(faster);
        Element::new(xml, "AdaptationSet")
            .attr("id", id)
            .attr("contentType", "video")
            .attr("mimeType", "video/mp4")
            .attr("segmentAlignment", "true")
            .attr("startWithSAP", 1)
            .attr("maxWidth", video.iter().map(|v| v.width).max().unwrap_or(0))
            .attr("maxHeight", video.iter().map(|v| v.height).max().unwrap_or(0))
            .attr("par", format!("{}:{}", aspect.0, aspect.1))
            .attr("maxFrameRate", fastest.map_or_else(String::new, ratio))
            .containing(|xml| {
                self.write_protection(xml, video.first().map(|video| video.key_class()))?;
                let others: Vec<String> =
                    (0..groups).filter(|other| *other != id).map(|id| id.to_string()).collect();
                if !others.is_empty() {
                    Element::new(xml, "SupplementalProperty")
                        .attr("schemeIdUri", "urn:mpeg:dash:adaptation-set-switching:2016")
                        .attr("value", others.join(","))
                        .empty()?;
                }
                write_role(xml, "main")?;
                self.write_template(xml, self.parts.timescale, &self.parts.boundaries)?;
                video.iter().try_for_each(|rendition| self.write_rung(xml, rendition))
            })
    }

    fn write_rung(&self, xml: &mut Xml, rendition: &VideoRendition) -> io::Result<()> {
        let bytes: Vec<u64> = rendition.segments.iter().map(|s| s.bytes).collect();
        let load =
            Load { bytes: &bytes, boundaries: &self.parts.boundaries, timescale: self.parts.timescale };
        let element = Element::new(xml, "Representation")
            .attr("id", &rendition.id)
            .attr("codecs", &rendition.codecs)
            .attr("bandwidth", load.sustained(self.min_buffer))
            .attr("width", rendition.width)
            .attr("height", rendition.height)
            .attr("sar", "1:1");
        match rendition.frame_rate {
            rate @ FrameRate::Constant { .. } => element.attr("frameRate", ratio(rate)).empty(),
            FrameRate::Variable { .. } => element.empty(),
        }
    }

    fn write_protection(&self, xml: &mut Xml, class: Option<KeyClass>) -> io::Result<()> {
        match class.and_then(|class| self.parts.key(class)) {
            Some((signalling, key)) => protection::write(xml, signalling, key),
            None => Ok(()),
        }
    }

    fn write_audio(&self, xml: &mut Xml, id: usize, role: &str, audio: &AudioRendition) -> io::Result<()> {
        let mut set = Element::new(xml, "AdaptationSet")
            .attr("id", id)
            .attr("contentType", "audio")
            .attr("mimeType", "audio/mp4");
        if let Some(language) = &audio.language {
            set = set.attr("lang", language);
        }
        set.attr("segmentAlignment", "true").attr("startWithSAP", 1).containing(|xml| {
            self.write_protection(xml, Some(KeyClass::Audio))?;
            write_role(xml, role)?;
            self.write_template(xml, audio.sample_rate, &audio.boundaries)?;
            let load =
                Load { bytes: &audio.segments, boundaries: &audio.boundaries, timescale: audio.sample_rate };
            Element::new(xml, "Representation")
                .attr("id", &audio.id)
                .attr("codecs", &audio.codecs)
                .attr("bandwidth", load.sustained(self.min_buffer))
                .attr("audioSamplingRate", audio.sample_rate)
                .containing(|xml| {
                    Element::new(xml, "AudioChannelConfiguration")
                        .attr("schemeIdUri", "urn:mpeg:mpegB:cicp:ChannelConfiguration")
                        .attr("value", cicp_configuration(audio.channels))
                        .empty()
                })
        })
    }

    fn write_template(&self, xml: &mut Xml, timescale: u32, boundaries: &[u64]) -> io::Result<()> {
        let here = File::Mpd(self.flavour);
        Element::new(xml, "SegmentTemplate")
            .attr("timescale", timescale)
            .attr(
                "initialization",
                File::Init { flavour: self.flavour, rendition: "$RepresentationID$" }.url_in(&here),
            )
            .attr("media", layout::relative(&here.to_string(), &layout::segment_template()))
            .attr("startNumber", 1)
            .containing(|xml| {
                Element::new(xml, "SegmentTimeline").containing(|xml| write_timeline(xml, boundaries))
            })
    }

    /// One WebVTT file from beginning to end (DASH-IF IOP 4.3 §6.4.4).
    fn write_text(&self, xml: &mut Xml, id: usize, text: &TextRendition) -> io::Result<()> {
        let url = File::Text { rendition: &text.id }.url_in(&File::Mpd(self.flavour));
        let duration = crate::presentation::end(&self.parts.boundaries);
        let micros = u128::from(micros_floor(duration, self.parts.timescale));
        let bandwidth = (u128::from(text.bytes) * 8 * 1_000_000).div_ceil(micros.max(1)).max(1);
        let set = Element::new(xml, "AdaptationSet")
            .attr("id", id)
            .attr("contentType", "text")
            .attr("mimeType", "text/vtt")
            .attr("lang", &text.language);
        set.containing(|xml| {
            Element::new(xml, "Label").text(&text.label)?;
            write_role(
                xml,
                match text.kind {
                    TextKind::Subtitles => "subtitle",
                    TextKind::Captions => "caption",
                },
            )?;
            Element::new(xml, "Representation")
                .attr("id", &text.id)
                .attr("bandwidth", bandwidth)
                .containing(|xml| Element::new(xml, BASE_URL).text(&url))
        })
    }

    /// Tiled thumbnails (DASH-IF IOP part 6, §6.2.6).
    fn write_images(&self, xml: &mut Xml, id: usize, images: &ImageRendition) -> io::Result<()> {
        let millis = sheet_millis(images);
        let media =
            layout::relative(&File::Mpd(self.flavour).to_string(), &layout::sheet_template(&images.id));
        let set = Element::new(xml, "AdaptationSet")
            .attr("id", id)
            .attr("contentType", "image")
            .attr("mimeType", "image/jpeg");
        set.containing(|xml| {
            Element::new(xml, "SegmentTemplate")
                .attr("timescale", 1000)
                .attr("duration", millis)
                .attr("media", media)
                .attr("startNumber", 1)
                .empty()?;
            Element::new(xml, "Representation")
                .attr("id", &images.id)
                .attr("bandwidth", sheet_bandwidth(images))
                .attr("width", u64::from(images.columns) * u64::from(images.tile_width))
                .attr("height", u64::from(images.rows) * u64::from(images.tile_height))
                .containing(|xml| {
                    Element::new(xml, "EssentialProperty")
                        .attr("schemeIdUri", "http://dashif.org/guidelines/thumbnail_tile")
                        .attr("value", format!("{}x{}", images.columns, images.rows))
                        .empty()
                })
        })
    }
}

fn with_names<'a>(
    element: BytesStart<'a>,
    name: impl Fn(&str) -> String,
) -> Result<BytesStart<'a>, FlattenError> {
    if element.name().as_ref() != "SegmentTemplate" {
        return Ok(element);
    }
    let mut flat = BytesStart::new("SegmentTemplate");
    for attribute in element.attributes() {
        let attribute = attribute?;
        match attribute.key.as_ref() {
            key @ ("media" | "initialization") => {
                let template = attribute.normalized_value(XmlVersion::Explicit1_0)?;
                flat.push_attribute((key, name(&template).as_str()));
            }
            _ => flat.push_attribute(attribute),
        }
    }
    Ok(flat)
}

/// Milliseconds that one sheet covers.
pub(crate) fn sheet_millis(images: &ImageRendition) -> u64 {
    u64::from(images.columns) * u64::from(images.rows) * u64::from(images.tile_millis)
}

/// Bits per second while the largest sheet is shown.
pub(crate) fn sheet_bandwidth(images: &ImageRendition) -> u64 {
    let largest = images.sheets.iter().copied().max().unwrap_or(0);
    (largest * 8 * 1000).div_ceil(sheet_millis(images).max(1))
}

fn min_buffer_millis(presentation: &Presentation) -> u64 {
    let parts = presentation.parts();
    let audio = parts.audio.iter().map(|a| longest_millis(&a.boundaries, a.sample_rate));
    audio.fold(longest_millis(&parts.boundaries, parts.timescale), u64::max)
}

fn write_role(xml: &mut Xml, value: &str) -> io::Result<()> {
    Element::new(xml, "Role").attr("schemeIdUri", "urn:mpeg:dash:role:2011").attr("value", value).empty()
}

/// Runs of equal durations (§5.3.9.6).
fn write_timeline(xml: &mut Xml, boundaries: &[u64]) -> io::Result<()> {
    let mut durations = spans(boundaries).map(|(start, end)| end.saturating_sub(start)).peekable();
    let mut first = true;
    while let Some(duration) = durations.next() {
        let mut repeats = 0_u64;
        while durations.next_if_eq(&duration).is_some() {
            repeats += 1;
        }
        let mut element = Element::new(xml, "S");
        if first {
            element = element.attr("t", 0);
            first = false;
        }
        element = element.attr("d", duration);
        if repeats > 0 {
            element = element.attr("r", repeats);
        }
        element.empty()?;
    }
    Ok(())
}

/// `xs:duration` in seconds.
fn xs_duration(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    match micros % 1_000_000 {
        0 => format!("PT{seconds}S"),
        fraction => format!("PT{seconds}.{}S", format!("{fraction:06}").trim_end_matches('0')),
    }
}

fn ratio(rate: FrameRate) -> String {
    match rate {
        FrameRate::Constant { num, den: 1 } | FrameRate::Variable { max: num } => num.to_string(),
        FrameRate::Constant { num, den } => format!("{num}/{den}"),
    }
}

fn faster(a: FrameRate, b: FrameRate) -> FrameRate {
    let (num_a, den_a) = fraction(a);
    let (num_b, den_b) = fraction(b);
    if u64::from(num_b) * u64::from(den_a) > u64::from(num_a) * u64::from(den_b) { b } else { a }
}

fn fraction(rate: FrameRate) -> (u32, u32) {
    match rate {
        FrameRate::Constant { num, den } => (num, den),
        FrameRate::Variable { max } => (max, 1),
    }
}

fn aspect(width: u32, height: u32) -> (u32, u32) {
    let divisor = gcd(width, height).max(1);
    (width / divisor, height / divisor)
}

/// ISO/IEC 23091-3: 1 to 6 are as many loudspeakers, 7 is 7.1.
fn cicp_configuration(channels: u8) -> u8 {
    match channels {
        7 | 8 => 7,
        other => other,
    }
}

/// An element whose attributes may be of any displayable type; escaping is quick-xml's.
struct Element<'a>(ElementWriter<'a, Vec<u8>>);

impl<'a> Element<'a> {
    fn new(xml: &'a mut Xml, name: &'static str) -> Self {
        Self(xml.create_element(name))
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers hand over numbers and fresh strings")]
    fn attr(self, name: &'static str, value: impl ToString) -> Self {
        Self(self.0.with_attribute((name, value.to_string().as_str())))
    }

    fn empty(self) -> io::Result<()> {
        self.0.write_empty().map(|_| ())
    }

    fn text(self, text: &str) -> io::Result<()> {
        self.0.write_text_content(BytesText::new(text)).map(|_| ())
    }

    fn containing(self, content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
        self.0.write_inner_content(content).map(|_| ())
    }
}
