//! DASH and HLS manifests, parsed by `dash-mpd` and `m3u8-rs` into one view so that they can be compared.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dash_mpd_core::{AdaptationSet, Representation, SegmentTemplate};
use m3u8_rs::{AlternativeMediaType, MediaPlaylist, MediaPlaylistType, VariantStream};

/// A presentation as one manifest tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Seconds; from DASH only.
    pub duration: Option<f64>,
    /// Thumbnails and I-frame playlists left out.
    pub tracks: Vec<ToldTrack>,
}

/// One representation, or one media playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldTrack {
    /// Folder of its segments.
    pub id: String,
    /// Picture or sound.
    pub kind: ToldKind,
    /// Of this track alone; HLS states it for a variant with its audio.
    pub codecs: String,
    /// Bits per second; of the variant in HLS, 0 where nothing is told.
    pub bandwidth: u64,
    /// What `bandwidth` means.
    pub measure: Measure,
    /// Below the output folder.
    pub init: PathBuf,
    /// In order.
    pub segments: Vec<ToldSegment>,
}

/// By which definition `bandwidth` is measured. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// 23009-1 §5.3.5.2: a client that starts with any segment waits for this long and then plays on.
    MinBuffer(f64),
    /// RFC 8216 §4.1: the peak over runs of segments that last between 0.5 and 1.5 times this target duration.
    Target(f64),
}

/// What a track is told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldKind {
    /// The size in samples.
    Video {
        /// In samples.
        width: u64,
        /// In samples.
        height: u64,
    },
    /// Sound.
    Audio,
}

/// Times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldSegment {
    /// Below the output folder.
    pub path: PathBuf,
    /// On the presentation's timeline.
    pub start: f64,
    /// Of `S@d` or EXTINF, in seconds.
    pub duration: f64,
}

/// One entry of an I-frame playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldKeyFrame {
    /// Below the output folder.
    pub path: PathBuf,
    /// First byte in the file.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
    /// Of `S@d` or EXTINF, in seconds.
    pub duration: f64,
}

impl Told {
    /// The track whose segments lie in this folder.
    pub fn track(&self, id: &str) -> Option<&ToldTrack> {
        self.tracks.iter().find(|track| track.id == id)
    }
}

/// Parses an MPD below `root`.
pub fn dash(root: &Path, manifest: &str) -> Result<Told> {
    let mpd = dash_mpd_core::parse(&fs::read_to_string(root.join(manifest))?)
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    ensure!(mpd.mpdtype.as_deref() == Some("static"), "type is {:?}", mpd.mpdtype);
    let duration = mpd.mediaPresentationDuration.context("no mediaPresentationDuration")?.as_secs_f64();
    let buffer = Measure::MinBuffer(mpd.minBufferTime.context("no minBufferTime")?.as_secs_f64());
    let longest = mpd.maxSegmentDuration.map(|longest| longest.as_secs_f64());
    let [period] = &mpd.periods[..] else { bail!("{} periods", mpd.periods.len()) };
    let mut tracks = Vec::new();
    for set in &period.adaptations {
        let kind = set.contentType.as_deref().or(set.mimeType.as_deref()).unwrap_or_default();
        if kind.starts_with("image") {
            continue;
        }
        for representation in &set.representations {
            let track = dash_track(manifest, set, representation, buffer)
                .with_context(|| format!("representation {:?}", representation.id))?;
            tracks.push(track);
        }
    }
    if let Some(longest) = longest {
        let real = tracks.iter().flat_map(|track| &track.segments).map(|s| s.duration).fold(0.0, f64::max);
        ensure!(real <= longest + 0.001, "a segment of {real} s, maxSegmentDuration {longest}");
    }
    Ok(Told { duration: Some(duration), tracks })
}

fn dash_track(
    manifest: &str,
    set: &AdaptationSet,
    representation: &Representation,
    measure: Measure,
) -> Result<ToldTrack> {
    let template = representation.SegmentTemplate.as_ref().or(set.SegmentTemplate.as_ref());
    let template = template.context("no SegmentTemplate")?;
    let id = representation.id.as_deref().context("no id")?;
    let fill = |pattern: &str, number: u64, time: u64| {
        let name = pattern
            .replace("$RepresentationID$", id)
            .replace("$Number$", &number.to_string())
            .replace("$Time$", &time.to_string());
        resolve(manifest, &name)
    };
    let init = fill(template.initialization.as_deref().context("no initialization")?, 0, 0)?;
    let media = template.media.as_deref().context("no media")?;
    ensure!(template.presentationTimeOffset.unwrap_or(0) == 0, "presentationTimeOffset");
    let segments = expand(template)?
        .into_iter()
        .map(|(number, time, duration)| {
            let scale = template.timescale.unwrap_or(1) as f64;
            let path = fill(media, number, time)?;
            Ok(ToldSegment { path, start: time as f64 / scale, duration: duration as f64 / scale })
        })
        .collect::<Result<Vec<_>>>()?;
    let content = set.contentType.as_deref().or(set.mimeType.as_deref()).unwrap_or_default();
    let kind = if content.starts_with("audio") {
        ToldKind::Audio
    } else {
        ToldKind::Video {
            width: representation.width.or(set.width).context("no width")?,
            height: representation.height.or(set.height).context("no height")?,
        }
    };
    Ok(ToldTrack {
        id: folder(segments.first().context("no segments")?)?,
        kind,
        codecs: representation.codecs.clone().or(set.codecs.clone()).context("no codecs")?,
        bandwidth: representation.bandwidth.context("no bandwidth")?,
        measure,
        init,
        segments,
    })
}

/// Number, time and duration of each segment of a SegmentTimeline.
fn expand(template: &SegmentTemplate) -> Result<Vec<(u64, u64, u64)>> {
    let timeline = template.SegmentTimeline.as_ref().context("no SegmentTimeline")?;
    let (mut number, mut time) = (template.startNumber.unwrap_or(1), 0);
    let mut segments = Vec::new();
    for entry in &timeline.segments {
        time = entry.t.unwrap_or(time);
        let repeats = u64::try_from(entry.r.unwrap_or(0)).context("an open-ended S@r")?;
        for _ in 0..=repeats {
            segments.push((number, time, entry.d));
            number += 1;
            time += entry.d;
        }
    }
    Ok(segments)
}

/// Parses a master playlist below `root` and every playlist it names, I-frame playlists excepted.
pub fn hls(root: &Path, master: &str) -> Result<Told> {
    let playlist = master_playlist(root, master)?;
    let mut tracks = Vec::new();
    for variant in playlist.variants.iter().filter(|variant| !variant.is_i_frame) {
        tracks.push(hls_variant(root, master, variant).with_context(|| variant.uri.clone())?);
    }
    for media in &playlist.alternatives {
        ensure!(media.media_type == AlternativeMediaType::Audio, "a rendition of type {}", media.media_type);
        let uri = media.uri.as_deref().context("an audio rendition without a URI")?;
        let (init, segments, measure) = hls_media(root, master, uri)?;
        tracks.push(ToldTrack {
            id: folder(segments.first().context("no segments")?)?,
            kind: ToldKind::Audio,
            codecs: String::new(),
            bandwidth: 0,
            measure,
            init,
            segments,
        });
        let used = playlist.variants.iter().filter(|variant| !variant.is_i_frame);
        ensure!(
            used.clone().all(|variant| variant.audio.as_ref() == Some(&media.group_id)),
            "a variant without the audio group `{}`",
            media.group_id
        );
    }
    Ok(Told { duration: None, tracks })
}

/// The I-frame playlists of a master playlist, by rendition folder.
pub fn key_frames(root: &Path, master: &str) -> Result<Vec<(String, Vec<ToldKeyFrame>)>> {
    let mut all = Vec::new();
    for variant in master_playlist(root, master)?.variants.iter().filter(|variant| variant.is_i_frame) {
        let path = resolve(master, &variant.uri)?;
        let playlist = media_playlist(root, &path)?;
        ensure!(playlist.i_frames_only, "{} is not marked EXT-X-I-FRAMES-ONLY", path.display());
        let frames = playlist
            .segments
            .iter()
            .map(|segment| {
                let range = segment.byte_range.as_ref().context("no byte range")?;
                Ok(ToldKeyFrame {
                    path: resolve(path_text(&path)?, &segment.uri)?,
                    offset: range.offset.unwrap_or(0),
                    length: range.length,
                    duration: f64::from(segment.duration),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let first = frames.first().context("an empty I-frame playlist")?;
        let id = first.path.parent().and_then(Path::to_str).context("no folder")?.to_owned();
        all.push((id, frames));
    }
    Ok(all)
}

fn hls_variant(root: &Path, master: &str, variant: &VariantStream) -> Result<ToldTrack> {
    let (init, segments, measure) = hls_media(root, master, &variant.uri)?;
    let size = variant.resolution.as_ref().context("no RESOLUTION")?;
    ensure!(variant.frame_rate.is_some(), "no FRAME-RATE");
    ensure!(
        variant.average_bandwidth.is_none_or(|average| average <= variant.bandwidth),
        "AVERAGE-BANDWIDTH over BANDWIDTH"
    );
    let codecs = variant.codecs.clone().context("no CODECS")?;
    ensure!(
        codecs.contains("mp4a") == variant.audio.is_some(),
        "CODECS {codecs} with audio group {:?}",
        variant.audio
    );
    let own: Vec<&str> = codecs.split(',').filter(|codec| !codec.starts_with("mp4a")).collect();
    Ok(ToldTrack {
        id: folder(segments.first().context("no segments")?)?,
        kind: ToldKind::Video { width: size.width, height: size.height },
        codecs: own.join(","),
        bandwidth: variant.bandwidth,
        measure,
        init,
        segments,
    })
}

fn hls_media(root: &Path, master: &str, uri: &str) -> Result<(PathBuf, Vec<ToldSegment>, Measure)> {
    let path = resolve(master, uri)?;
    let playlist = media_playlist(root, &path)?;
    ensure!(playlist.end_list, "no EXT-X-ENDLIST");
    ensure!(playlist.playlist_type == Some(MediaPlaylistType::Vod), "not VOD");
    let from = path_text(&path)?;
    let (mut start, mut init, mut segments) = (0.0, None, Vec::new());
    for segment in &playlist.segments {
        ensure!(!segment.discontinuity, "a discontinuity");
        if let Some(map) = &segment.map {
            let path = resolve(from, &map.uri)?;
            ensure!(init.replace(path.clone()).is_none_or(|before| before == path), "two init segments");
        }
        let duration = f64::from(segment.duration);
        ensure!(
            duration <= playlist.target_duration as f64 + 1e-6,
            "EXTINF {duration} over the target duration {}",
            playlist.target_duration
        );
        segments.push(ToldSegment { path: resolve(from, &segment.uri)?, start, duration });
        start += duration;
    }
    let measure = Measure::Target(playlist.target_duration as f64);
    Ok((init.context("no EXT-X-MAP")?, segments, measure))
}

fn master_playlist(root: &Path, master: &str) -> Result<m3u8_rs::MasterPlaylist> {
    let text = fs::read(root.join(master)).with_context(|| master.to_owned())?;
    m3u8_rs::parse_master_playlist_res(&text).map_err(|error| anyhow::anyhow!("{master}: {error}"))
}

fn media_playlist(root: &Path, path: &Path) -> Result<MediaPlaylist> {
    let text = fs::read(root.join(path)).with_context(|| path.display().to_string())?;
    m3u8_rs::parse_media_playlist_res(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

/// A relative URL in the manifest `from`, as a path below the output folder.
fn resolve(from: &str, url: &str) -> Result<PathBuf> {
    ensure!(!url.contains("://") && !url.starts_with('/'), "`{url}` is not relative");
    let mut path = Path::new(from).parent().map(Path::to_owned).unwrap_or_default();
    for part in Path::new(url).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => ensure!(path.pop(), "`{url}` leaves the output folder"),
            _ => {}
        }
    }
    Ok(path)
}

fn folder(segment: &ToldSegment) -> Result<String> {
    let folder = segment.path.parent().and_then(Path::to_str).context("a segment without a folder")?;
    Ok(folder.to_owned())
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
