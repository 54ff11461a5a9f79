//! Manifests: as text, and read back by parsers that are not ours.

use std::fmt::Write;

use crate::cases;
use dash_mpd_core::{AdaptationSet, MPD, Representation, S, SegmentTemplate};
use m3u8_rs::{MasterPlaylist, MediaPlaylist, QuotedOrUnquoted, VariantStream};
use packager::layout::File;
use packager::{Flavour, FrameRate, Presentation, PresentationParts, flatten, hls, mpd};
use proptest::prelude::*;

pub(crate) fn check_snapshot(name: &str, parts: PresentationParts) {
    let presentation = Presentation::new(parts).unwrap();
    insta::assert_snapshot!(name, manifests(&presentation));
}

/// Every manifest of a presentation under its path.
fn manifests(presentation: &Presentation) -> String {
    let mut text = String::new();
    let parts = presentation.parts();
    for flavour in Flavour::ALL {
        let mut add = |file: File<'_>, content: String| {
            writeln!(text, "──── {file}\n{content}").unwrap();
        };
        add(File::Mpd(flavour), mpd(presentation, flavour));
        add(File::Master(flavour), hls::master(presentation, flavour));
        let media = parts.video.iter().map(|v| &v.id).chain(parts.audio.iter().map(|a| &a.id));
        for rendition in media.chain(parts.images.iter().map(|i| &i.id)) {
            let playlist = hls::media(presentation, rendition, flavour).unwrap();
            add(File::Media { flavour, rendition }, playlist);
        }
        for video in &parts.video {
            let rendition = &video.id;
            let playlist = hls::iframes(presentation, rendition, flavour).unwrap();
            add(File::IFrames { flavour, rendition }, playlist);
        }
    }
    text
}

#[test]
fn ladder() {
    check_snapshot("ladder", cases::ladder());
}

#[test]
fn portrait_vfr_without_sound() {
    check_snapshot("portrait_vfr", cases::portrait_vfr());
}

#[test]
fn one_short_segment() {
    check_snapshot("blink", cases::blink());
}

/// Nothing but the names is another.
#[test]
fn a_flat_manifest_differs_in_its_names_only() {
    let stored = mpd(&Presentation::new(cases::ladder()).unwrap(), Flavour::Mp4);
    let flat = flatten(&stored, "../x/7_").unwrap();
    let changed: Vec<_> =
        stored.lines().zip(flat.lines()).filter(|(before, after)| before != after).collect();
    let shown: Vec<_> = changed.iter().map(|(before, after)| format!("{before}\n{after}")).collect();
    assert_eq!(stored.lines().count(), flat.lines().count());
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn what_is_no_manifest_is_not_flattened() {
    for text in ["<MPD></Period>", "<SegmentTemplate media=\"&x;\"/>", "<SegmentTemplate media/>"] {
        assert!(flatten(text, "").is_err(), "{text}");
    }
}

#[test]
fn unknown_renditions_have_no_playlist() {
    let presentation = Presentation::new(cases::ladder()).unwrap();
    assert_eq!(hls::media(&presentation, "1080p", Flavour::Mp4), None);
    assert_eq!(hls::iframes(&presentation, "audio", Flavour::Mp4), None);
}

#[test]
fn a_presentation_survives_json() {
    let presentation = Presentation::new(cases::ladder()).unwrap();
    let json = serde_json::to_string(&presentation).unwrap();
    assert_eq!(serde_json::from_str::<Presentation>(&json).unwrap(), presentation);
    let overlapping = json.replace("[0,30030,60060", "[0,60060,30030");
    assert!(serde_json::from_str::<Presentation>(&overlapping).is_err());
}

proptest! {
    #[test]
    fn the_mpd_reads_back(presentation in cases::any_presentation(), mov in any::<bool>()) {
        let flavour = if mov { Flavour::Mov } else { Flavour::Mp4 };
        let read = dash_mpd_core::parse(&mpd(&presentation, flavour)).unwrap();
        check_mpd(&presentation, &read, flavour);
    }

    #[test]
    fn the_playlists_read_back(presentation in cases::any_presentation(), mov in any::<bool>()) {
        let flavour = if mov { Flavour::Mov } else { Flavour::Mp4 };
        let text = hls::master(&presentation, flavour);
        let (rest, master) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
        prop_assert!(rest.is_empty());
        check_master(&presentation, &master);
        check_media_playlists(&presentation, &master, flavour);
    }

    #[test]
    fn bandwidth_keeps_every_player_fed(presentation in cases::any_presentation()) {
        let read = dash_mpd_core::parse(&mpd(&presentation, Flavour::Mp4)).unwrap();
        check_bandwidth(&presentation, &read);
    }
}

fn check_mpd(presentation: &Presentation, read: &MPD, flavour: Flavour) {
    let parts = presentation.parts();
    assert_eq!(read.mpdtype.as_deref(), Some("static"));
    let duration = read.mediaPresentationDuration.unwrap().as_secs_f64();
    let real = presentation.duration() as f64 / f64::from(parts.timescale);
    assert!(duration <= real + 1e-9 && duration > real - 0.000_002, "{duration} of {real}");
    let sets = &read.periods[0].adaptations;
    assert_eq!(sets.len(), 1 + parts.audio.len() + parts.images.len() + parts.text.len());
    let longest = read.maxSegmentDuration.unwrap().as_secs_f64();

    let (boundaries, template) = timeline(&sets[0], longest);
    assert_eq!(boundaries, parts.boundaries);
    assert_eq!(template.timescale, Some(parts.timescale.into()));
    let init = if flavour == Flavour::Mp4 {
        "../$RepresentationID$/init.mp4"
    } else {
        "$RepresentationID$/init.mp4"
    };
    assert_eq!(template.initialization.as_deref(), Some(init));
    assert_eq!(template.media.as_deref(), Some("../$RepresentationID$/$Number$.m4s"));
    for (video, read) in parts.video.iter().zip(&sets[0].representations) {
        assert_eq!(read.id.as_ref(), Some(&video.id));
        assert_eq!(read.codecs.as_ref(), Some(&video.codecs));
        assert_eq!((read.width, read.height), (Some(video.width.into()), Some(video.height.into())));
        let rate = match video.frame_rate {
            FrameRate::Constant { num, den: 1 } => Some(num.to_string()),
            FrameRate::Constant { num, den } => Some(format!("{num}/{den}")),
            FrameRate::Variable { .. } => None,
        };
        assert_eq!(read.frameRate, rate);
        assert!(sets[0].maxWidth >= read.width && sets[0].maxHeight >= read.height);
    }
    assert_eq!(sets[0].representations.len(), parts.video.len());

    for (audio, set) in parts.audio.iter().zip(&sets[1..]) {
        let (boundaries, template) = timeline(set, longest);
        assert_eq!(boundaries, audio.boundaries);
        assert_eq!(template.timescale, Some(audio.sample_rate.into()));
        assert_eq!(set.lang, audio.language);
        let read = &set.representations[0];
        assert_eq!(read.id.as_ref(), Some(&audio.id));
        assert_eq!(read.codecs.as_ref(), Some(&audio.codecs));
        assert_eq!(read.audioSamplingRate, Some(audio.sample_rate.to_string()));
    }
    for (images, set) in parts.images.iter().zip(&sets[1 + parts.audio.len()..]) {
        let template = set.SegmentTemplate.as_ref().unwrap();
        let sheet = template.duration.unwrap() / template.timescale.unwrap() as f64;
        assert!(sheet <= longest + 1e-9);
        assert_eq!((real / sheet).ceil() as usize, images.sheets.len());
        assert_eq!(template.media.as_deref(), Some("../storyboard/$Number$.jpg"));
        let tiles = &set.representations[0].essential_property[0];
        assert_eq!(tiles.value, Some(format!("{}x{}", images.columns, images.rows)));
    }
    for (text, set) in parts.text.iter().zip(&sets[1 + parts.audio.len() + parts.images.len()..]) {
        assert_eq!((set.mimeType.as_deref(), set.lang.as_ref()), (Some("text/vtt"), Some(&text.language)));
        assert_eq!(set.Label[0].content, text.label);
        let read = &set.representations[0];
        assert_eq!(read.id.as_ref(), Some(&text.id));
        assert_eq!(read.BaseURL[0].base, format!("../{}.vtt", text.id));
        assert!(read.bandwidth.unwrap() as f64 * real >= text.bytes as f64 * 8.0);
    }
}

/// The boundaries a `SegmentTimeline` stands for; each `S@d` within `@maxSegmentDuration`.
fn timeline(set: &AdaptationSet, longest: f64) -> (Vec<u64>, &SegmentTemplate) {
    let template = set.SegmentTemplate.as_ref().unwrap();
    assert_eq!(template.startNumber, Some(1));
    assert_eq!(template.presentationTimeOffset, None);
    assert_eq!(set.segmentAlignment, Some(true));
    let runs = &template.SegmentTimeline.as_ref().unwrap().segments;
    let mut boundaries = vec![runs[0].t.unwrap()];
    for S { d, r, .. } in runs {
        assert!(*d as f64 / template.timescale.unwrap() as f64 <= longest + 1e-9);
        for _ in 0..=r.unwrap_or(0) {
            boundaries.push(boundaries[boundaries.len() - 1] + d);
        }
    }
    (boundaries, template)
}

/// 23009-1 §5.3.5.2, run as a client would: start with any segment, wait for `@minBufferTime`, receive at
/// `@bandwidth`; each segment is complete when it is due.
fn check_bandwidth(presentation: &Presentation, read: &MPD) {
    let parts = presentation.parts();
    let wait = read.minBufferTime.unwrap().as_secs_f64();
    let sets = &read.periods[0].adaptations;
    for (video, read) in parts.video.iter().zip(&sets[0].representations) {
        let bytes: Vec<u64> = video.segments.iter().map(|s| s.bytes).collect();
        check_feed(&bytes, &parts.boundaries, parts.timescale, read, wait);
    }
    for (audio, set) in parts.audio.iter().zip(&sets[1..]) {
        check_feed(&audio.segments, &audio.boundaries, audio.sample_rate, &set.representations[0], wait);
    }
}

fn check_feed(bytes: &[u64], boundaries: &[u64], timescale: u32, read: &Representation, wait: f64) {
    let bandwidth = read.bandwidth.unwrap() as f64;
    let at = |index: usize| boundaries[index] as f64 / f64::from(timescale);
    let mut tightest = f64::MAX;
    for start in 0..bytes.len() {
        let mut received = 0;
        for (next, bytes) in bytes.iter().enumerate().skip(start) {
            received += bytes * 8;
            let spare = (wait + at(next) - at(start)) * bandwidth - received as f64;
            assert!(spare > -1.0, "segment {next} after a start with {start} is late");
            tightest = tightest.min(spare / (wait + at(next) - at(start)));
        }
    }
    let average = bytes.iter().sum::<u64>() as f64 * 8.0 / at(bytes.len());
    assert!(tightest <= 1.001 || bandwidth <= average + 1.0, "more than needed: {bandwidth}");
}

fn check_master(presentation: &Presentation, read: &MasterPlaylist) {
    let parts = presentation.parts();
    assert_eq!(read.version, Some(7));
    assert!(read.independent_segments);
    for (audio, read) in parts.audio.iter().zip(&read.alternatives) {
        assert_eq!(read.language, audio.language);
        assert_eq!(read.group_id, "audio");
        assert_eq!(read.uri, Some(format!("{}.m3u8", audio.id)));
        assert_eq!(format!("{:?}", read.channels), format!("Some(\"{}\")", audio.channels));
    }
    for (text, read) in parts.text.iter().zip(&read.alternatives[parts.audio.len()..]) {
        assert_eq!((read.group_id.as_str(), &read.name), ("text", &text.label));
        assert_eq!(read.language.as_ref(), Some(&text.language));
        assert_eq!(read.uri, Some(format!("{}.m3u8", text.id)));
        assert_eq!(read.characteristics.is_some(), text.kind == packager::TextKind::Captions);
    }
    assert_eq!(read.alternatives.len(), parts.audio.len() + parts.text.len());
    assert_eq!(read.alternatives.iter().filter(|a| a.default).count(), parts.audio.len().min(1));
    let of_kind = |iframes| read.variants.iter().filter(move |v: &&VariantStream| v.is_i_frame == iframes);
    assert_eq!(of_kind(false).count(), parts.video.len());
    assert_eq!(of_kind(true).count(), parts.video.len());
    for (video, read) in parts.video.iter().zip(of_kind(false)) {
        assert_eq!(read.uri, format!("{}.m3u8", video.id));
        let resolution = read.resolution.unwrap();
        assert_eq!((resolution.width, resolution.height), (video.width.into(), video.height.into()));
        let codecs = if parts.audio.is_empty() { "avc1.64001f" } else { "avc1.64001f,mp4a.40.2" };
        assert_eq!(read.codecs.as_deref(), Some(codecs));
        assert_eq!(read.audio.is_some(), !parts.audio.is_empty());
        assert_eq!(read.subtitles.is_some(), !parts.text.is_empty());
        let rate = match video.frame_rate {
            FrameRate::Constant { num, den } => f64::from(num) / f64::from(den),
            FrameRate::Variable { max } => f64::from(max),
        };
        assert!((read.frame_rate.unwrap() - rate).abs() < 0.000_6);
        assert!(read.average_bandwidth.unwrap() > 0);
    }
    for (video, read) in parts.video.iter().zip(of_kind(true)) {
        assert_eq!(read.uri, format!("{}-iframes.m3u8", video.id));
        assert_eq!((read.frame_rate, read.audio.as_ref()), (None, None));
        assert_eq!(read.codecs.as_ref(), Some(&video.codecs));
    }
    let images = read.unknown_tags.iter().filter(|tag| tag.tag == "X-IMAGE-STREAM-INF").count();
    assert_eq!(images, parts.images.len());
}

fn check_media_playlists(presentation: &Presentation, master: &MasterPlaylist, flavour: Flavour) {
    let parts = presentation.parts();
    let audio_peak = parts.audio.iter().map(|audio| {
        let read = media(&hls::media(presentation, &audio.id, flavour).unwrap());
        check_media(&read, &audio.id, &audio.boundaries, audio.sample_rate);
        peak(&read, &audio.segments)
    });
    let audio_peak = audio_peak.fold(0.0, f64::max);
    for text in &parts.text {
        let read = media(&hls::media(presentation, &text.id, flavour).unwrap());
        assert!(read.end_list && read.segments.len() == 1);
        let up = if flavour == Flavour::Mp4 { "" } else { "../" };
        assert_eq!(read.segments[0].uri, format!("{up}{}.vtt", text.id));
        let whole = presentation.duration() as f64 / f64::from(parts.timescale);
        assert!((f64::from(read.segments[0].duration) - whole).abs() <= 0.001 * whole + 0.001);
        assert!(read.target_duration as f64 >= whole);
    }
    for (video, variant) in parts.video.iter().zip(&master.variants) {
        let read = media(&hls::media(presentation, &video.id, flavour).unwrap());
        check_media(&read, &video.id, &parts.boundaries, parts.timescale);
        let bytes: Vec<u64> = video.segments.iter().map(|s| s.bytes).collect();
        let stated = variant.bandwidth as f64;
        let real = peak(&read, &bytes) + audio_peak;
        // Windows are chosen by exact ticks, the parsed durations are 32-bit floats.
        assert!((stated - real).abs() <= 0.01 * real + 3.0 || on_the_edge(&read), "{stated} for {real}");

        let read = media(&hls::iframes(presentation, &video.id, flavour).unwrap());
        assert!(read.i_frames_only);
        check_media(&read, &video.id, &parts.boundaries, parts.timescale);
        for (segment, read) in video.segments.iter().zip(&read.segments) {
            let range = read.byte_range.as_ref().unwrap();
            assert_eq!((range.length, range.offset), (segment.iframe_bytes, Some(0)));
        }
    }
}

fn media(text: &str) -> MediaPlaylist {
    m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap().1
}

fn check_media(read: &MediaPlaylist, id: &str, boundaries: &[u64], timescale: u32) {
    assert!(read.end_list);
    assert_eq!(read.version, Some(7));
    assert_eq!(read.segments.len(), boundaries.len() - 1);
    assert!(read.segments[0].map.as_ref().unwrap().uri.ends_with(&format!("{id}/init.mp4")));
    for (index, segment) in read.segments.iter().enumerate() {
        assert!(segment.uri.ends_with(&format!("{id}/{}.m4s", index + 1)));
        assert!(f64::from(segment.duration) <= read.target_duration as f64 + 1e-3);
        let exact = (boundaries[index + 1] - boundaries[index]) as f64 / f64::from(timescale);
        assert!((f64::from(segment.duration) - exact).abs() < 1e-6 + exact * 1e-6);
    }
}

/// RFC 8216bis §4.4.6.2 by brute force.
fn peak(read: &MediaPlaylist, bytes: &[u64]) -> f64 {
    let target = read.target_duration as f64;
    let mut peak = None;
    let mut single = 0.0_f64;
    for start in 0..bytes.len() {
        let (mut bits, mut lasts) = (0.0, 0.0);
        for (next, &bytes) in bytes.iter().enumerate().skip(start) {
            bits += bytes as f64 * 8.0;
            lasts += f64::from(read.segments[next].duration);
            if next == start {
                single = single.max(bits / lasts.max(1e-6));
            }
            if (0.5 * target..=1.5 * target).contains(&lasts) {
                peak = Some(peak.unwrap_or(0.0_f64).max(bits / lasts));
            }
        }
    }
    let lasts: f64 = read.segments.iter().map(|s| f64::from(s.duration)).sum();
    let average = bytes.iter().sum::<u64>() as f64 * 8.0 / lasts;
    peak.unwrap_or(single).max(average)
}

/// Whether some run lasts so nearly 0.5 or 1.5 targets that rounding decides.
fn on_the_edge(read: &MediaPlaylist) -> bool {
    let target = read.target_duration as f64;
    (0..read.segments.len()).any(|start| {
        let mut lasts = 0.0;
        read.segments[start..].iter().any(|segment| {
            lasts += f64::from(segment.duration);
            [0.5, 1.5].iter().any(|edge| (lasts - edge * target).abs() < 1e-3) || segment.duration < 0.01
        })
    })
}

#[test]
fn extinf_does_not_drift() {
    let parts = cases::ladder();
    let presentation = Presentation::new(parts.clone()).unwrap();
    let text = hls::media(&presentation, "360p", Flavour::Mp4).unwrap();
    let durations = text.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
    let micros: u64 = durations.map(|d| d.replace('.', "").parse::<u64>().unwrap()).sum();
    assert_eq!(micros, 365 * 1001 * 1_000_000 / 30000);
}

#[test]
fn attributes_are_quoted_where_hls_wants_it() {
    let text = hls::master(&Presentation::new(cases::ladder()).unwrap(), Flavour::Mp4);
    let master = m3u8_rs::parse_master_playlist_res(text.as_bytes()).unwrap();
    let other = master.variants[0].other_attributes.as_ref().unwrap();
    assert_eq!(other["VIDEO-RANGE"], QuotedOrUnquoted::Unquoted("SDR".into()));
}
