//! From what was made to a presentation: init segments, manifests, storyboard track.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use packager::{
    AudioRendition, AvcConfig, FrameRate, ImageRendition, Presentation, PresentationParts, VideoRendition,
    VideoSegment, captions::Timestamp, hls, mpd,
};

use super::blueprint::Blueprint;
use super::sound::MadeSound;
use super::{Shelf, StageError};
use crate::blobs::{Flavour, MediaObject, RenditionName, STORYBOARD, Stored};

/// A video rendition as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeVideo {
    /// Index into the ladder.
    pub(crate) rung: usize,
    /// The whole `avc1` box, the same for every chunk.
    pub(crate) sample_entry: Bytes,
    /// Every segment, in order.
    pub(crate) segments: Vec<VideoSegment>,
}

/// An object that follows from what is recorded: whoever writes it again writes the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) object: MediaObject,
    pub(crate) stored: Stored,
}

/// A storyboard without gaps.
#[derive(Debug, Default)]
pub(crate) struct Sheets {
    /// Bytes of every sheet, by tile.
    pub(crate) bytes: Vec<u64>,
    /// Those that are copies of others.
    pub(crate) copies: Vec<Document>,
}

/// Plain data about everything that was made; `sheets` are the bytes of each storyboard sheet.
pub(crate) fn presentation(
    blueprint: &Blueprint,
    video: &[MadeVideo],
    sound: Option<&MadeSound>,
    sheets: &[u64],
) -> Result<Presentation, StageError> {
    let timeline = &blueprint.timeline;
    let times: Vec<u64> = timeline.frames.iter().map(|frame| frame.time).collect();
    let frame_rate = FrameRate::measure(&times, timeline.end, timeline.timescale)
        .expect("a timeline has frames, in order");
    let video =
        video.iter().map(|made| video_rendition(blueprint, made, frame_rate)).collect::<Result<_, _>>()?;
    let stored = &blueprint.stored.timeline;
    Presentation::new(PresentationParts {
        timescale: stored.timescale,
        boundaries: stored.boundaries.iter().copied().chain([stored.end]).collect(),
        video,
        audio: sound.map(|made| audio_rendition(blueprint, made)).into_iter().collect(),
        images: storyboard(blueprint, sheets).into_iter().collect(),
        text: Vec::new(),
        protection: blueprint.protection.as_ref().map(|protection| protection.signalling().clone()),
    })
    .map_err(|error| StageError::retry("what was made is no presentation", error))
}

fn video_rendition(
    blueprint: &Blueprint,
    made: &MadeVideo,
    frame_rate: FrameRate,
) -> Result<VideoRendition, StageError> {
    let rung = blueprint.rung(made.rung);
    let avc = AvcConfig::from_sample_entry(&made.sample_entry)
        .map_err(|error| StageError::retry("the encoder described its pictures wrongly", error))?;
    Ok(VideoRendition {
        id: rung.id.clone(),
        codecs: avc.codecs(),
        width: rung.width,
        height: rung.height,
        frame_rate,
        segments: made.segments.clone(),
    })
}

fn audio_rendition(blueprint: &Blueprint, made: &MadeSound) -> AudioRendition {
    let frame = u64::from(packager::AAC_FRAME_SAMPLES);
    let ends = made.bounds.iter().map(|range| range.end * frame);
    AudioRendition {
        id: RenditionName::audio().as_str().to_owned(),
        codecs: made.config.codecs(),
        sample_rate: made.config.sample_rate(),
        channels: made.config.channels(),
        language: blueprint.sound_track().and_then(|track| packager::language_tag(track.language)),
        boundaries: std::iter::once(0).chain(ends).collect(),
        segments: made.segments.iter().map(|stored| stored.len).collect(),
    }
}

/// The storyboard, one tile a sheet; `None` when a sheet is missing.
fn storyboard(blueprint: &Blueprint, sheets: &[u64]) -> Option<ImageRendition> {
    let artwork = &blueprint.artwork;
    (sheets.len() == artwork.storyboard.len()).then(|| ImageRendition {
        id: STORYBOARD.to_owned(),
        columns: 1,
        rows: 1,
        tile_width: artwork.storyboard_size.width,
        tile_height: artwork.storyboard_size.height,
        tile_millis: artwork.tile_seconds.saturating_mul(1000),
        sheets: sheets.to_vec(),
    })
}

/// Every storyboard sheet, of those `made` by tile. One whose frame the decoder lost is a copy of its nearest neighbour;
/// without any sheet there is no storyboard.
pub(crate) async fn complete_storyboard(
    blueprint: &Blueprint,
    shelf: &Shelf,
    made: &BTreeMap<u32, u64>,
) -> Result<Sheets, StageError> {
    let wanted = u32::try_from(blueprint.artwork.storyboard.len()).unwrap_or(u32::MAX);
    let mut sheets = Sheets::default();
    for tile in 0..wanted {
        let Some((&nearest, &bytes)) = made.iter().min_by_key(|(made, _)| made.abs_diff(tile)) else {
            return Ok(Sheets::default());
        };
        if nearest != tile {
            let copy = shelf.get(MediaObject::StoryboardSheet(nearest + 1)).await?;
            sheets.copies.push(put(shelf, MediaObject::StoryboardSheet(tile + 1), copy).await?);
        }
        sheets.bytes.push(bytes);
    }
    Ok(sheets)
}

/// The init segments of the other flavour are not recorded, because they follow from what is: any that is not in the
/// store is written again.
pub(crate) async fn restore_init_segments(
    blueprint: &Blueprint,
    video: &[MadeVideo],
    sound: Option<&MadeSound>,
    shelf: &Shelf,
) -> Result<Vec<Document>, StageError> {
    let mut restored = Vec::new();
    for made in video {
        let init = blueprint.video_track_of(made.rung, &made.sample_entry).init(Flavour::Mov);
        restored.push((blueprint.rendition_name(made.rung), init));
    }
    if let Some(track) = sound.and_then(|made| blueprint.audio_track(made.config)) {
        restored.push((RenditionName::audio(), track.init(Flavour::Mov)));
    }
    let mut documents = Vec::new();
    for (name, init) in restored {
        let object = MediaObject::Init(Flavour::Mov, name);
        let stored = shelf.restore(object.clone(), init.into()).await?;
        documents.push(Document { object, stored });
    }
    Ok(documents)
}

/// Writes what is derived from the rest, the multivariant documents last: whoever finds one finds all that it names.
pub(crate) async fn write(presentation: &Presentation, shelf: &Shelf) -> Result<Vec<Document>, StageError> {
    let mut documents = Vec::new();
    if let Some(board) = presentation.parts().images.first() {
        let text = storyboard_track(board, presentation);
        documents.push(put(shelf, MediaObject::Storyboard, text.into()).await?);
    }
    documents.extend(write_manifests(presentation, shelf).await?);
    Ok(documents)
}

/// Writes the manifests, in place of any that are there already.
pub(crate) async fn write_manifests(
    presentation: &Presentation,
    shelf: &Shelf,
) -> Result<Vec<Document>, StageError> {
    let mut documents = Vec::new();
    for (object, text) in manifests(presentation) {
        documents.push(put(shelf, object, text.into()).await?);
    }
    Ok(documents)
}

async fn put(shelf: &Shelf, object: MediaObject, bytes: Bytes) -> Result<Document, StageError> {
    let stored = shelf.put(object.clone(), vec![bytes]).await?;
    Ok(Document { object, stored })
}

/// Every manifest of a presentation, those that name others after them.
pub(crate) fn manifests(presentation: &Presentation) -> Vec<(MediaObject, String)> {
    let parts = presentation.parts();
    let name = |id: &str| id.parse::<RenditionName>().expect("the ids of a ladder are names of renditions");
    let mut documents = Vec::new();
    for flavour in Flavour::ALL {
        let media = parts.video.iter().map(|v| &v.id).chain(parts.audio.iter().map(|a| &a.id));
        let ids = media.chain(parts.images.iter().map(|i| &i.id)).chain(parts.text.iter().map(|t| &t.id));
        for id in ids {
            let media = hls::media(presentation, id, flavour);
            documents.extend(media.map(|text| (MediaObject::Playlist(flavour, name(id)), text)));
            let iframes = hls::iframes(presentation, id, flavour);
            documents.extend(iframes.map(|text| (MediaObject::IframePlaylist(flavour, name(id)), text)));
        }
        documents.push((MediaObject::Master(flavour), hls::master(presentation, flavour)));
        documents.push((MediaObject::Mpd(flavour), mpd(presentation, flavour)));
    }
    documents
}

/// WebVTT that maps times to storyboard pictures, as players read it (one cue per picture, its URL as the text).
fn storyboard_track(board: &ImageRendition, presentation: &Presentation) -> String {
    let mut text = "WEBVTT\n".to_owned();
    let end = u128::from(presentation.duration()) * 1000 / u128::from(presentation.parts().timescale);
    for (number, _) in (1_u32..).zip(&board.sheets) {
        let from = u128::from(board.tile_millis) * u128::from(number - 1);
        let to = (from + u128::from(board.tile_millis)).min(end);
        let picture = MediaObject::StoryboardSheet(number);
        let _ = write!(text, "\n{} --> {}\n{picture}\n", timestamp(from), timestamp(to));
    }
    text
}

fn timestamp(millis: u128) -> Timestamp {
    Timestamp(u64::try_from(millis).unwrap_or(u64::MAX))
}
