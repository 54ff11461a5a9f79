//! Between what stages make and what the catalogue records: one turned into the other, and checked.

use std::collections::BTreeMap;

use catalog::ids::RenditionId;
use catalog::outputs::{
    Image, ImageKind, Object, Output, Part, Recorded, Rendition, RenditionKind, RenditionOutput,
};
use packager::{AAC_FRAME_SAMPLES, AvcConfig, VideoSegment};
use transcode::chunk::ChunkSpec;

use super::blueprint::Blueprint;
use super::encode::{MadeChunk, MadeStill};
use super::publish::{Document, MadeVideo};
use super::sound::{self, MadeSound};
use super::{Shelf, StageError};
use crate::blobs::{Flavour, MediaObject, RenditionName, Stored};

/// What a chunk has made, for the catalogue.
pub(crate) fn chunk_output(
    blueprint: &Blueprint,
    shelf: &Shelf,
    made: &MadeChunk,
) -> Result<Output, StageError> {
    let mut renditions = Vec::new();
    for (&rung, made) in &made.rungs {
        let name = blueprint.rendition_name(rung);
        let avc = AvcConfig::from_sample_entry(&made.sample_entry)
            .map_err(|error| StageError::retry("the encoder described its pictures wrongly", error))?;
        let init = made.init.map(|stored| Object {
            part: Part::Init,
            key: shelf.key(MediaObject::Init(Flavour::Mp4, name.clone())).to_string(),
            bytes: stored.len,
            sha256: stored.sha256,
            iframe_bytes: None,
            start: 0,
            duration: 0,
        });
        let media = made.segments.iter().map(|made| {
            let span = blueprint.timeline.segment_span(made.segment);
            Object {
                part: Part::Media(made.segment),
                key: shelf.key(MediaObject::Segment(name.clone(), made.segment + 1)).to_string(),
                bytes: made.stored.len,
                sha256: made.stored.sha256,
                iframe_bytes: Some(made.iframe_bytes),
                start: span.start,
                duration: span.end - span.start,
            }
        });
        renditions.push(RenditionOutput {
            id: rendition_id(blueprint, rung),
            codecs: avc.codecs(),
            sample_entry: made.sample_entry.to_vec(),
            objects: init.into_iter().chain(media).collect(),
        });
    }
    let images = made.stills.iter().filter_map(|still| image(shelf, still)).collect();
    Ok(Output { renditions, images, warnings: made.warnings.clone() })
}

/// What the sound stage has made, for the catalogue.
pub(crate) fn sound_output(shelf: &Shelf, made: &MadeSound) -> Output {
    let object = |part, object, stored: Stored| Object {
        part,
        key: shelf.key(object).to_string(),
        bytes: stored.len,
        sha256: stored.sha256,
        iframe_bytes: None,
        start: 0,
        duration: 0,
    };
    let init = object(Part::Init, MediaObject::Init(Flavour::Mp4, RenditionName::audio()), made.init);
    let media = (0..).zip(made.segments.iter().zip(&made.bounds)).map(|(index, (stored, frames))| Object {
        start: frames.start * u64::from(AAC_FRAME_SAMPLES),
        duration: (frames.end - frames.start) * u64::from(AAC_FRAME_SAMPLES),
        ..object(Part::Media(index), MediaObject::Segment(RenditionName::audio(), index + 1), *stored)
    });
    let rendition = RenditionOutput {
        id: sound_id(),
        codecs: made.config.codecs(),
        sample_entry: made.config.sample_entry(),
        objects: std::iter::once(init).chain(media).collect(),
    };
    Output { renditions: vec![rendition], ..Output::default() }
}

/// What follows from the rest, for the catalogue.
pub(crate) fn documents(shelf: &Shelf, made: Vec<Document>) -> Vec<Recorded> {
    let recorded = |Document { object, stored: Stored { len, sha256 } }| Recorded {
        key: shelf.key(object).to_string(),
        bytes: len,
        sha256,
    };
    made.into_iter().map(recorded).collect()
}

/// The video renditions as recorded.
pub(crate) fn made_video(blueprint: &Blueprint, renditions: &[Rendition]) -> Vec<MadeVideo> {
    let made = |(rung, id): (usize, RenditionId)| {
        let rendition = renditions.iter().find(|rendition| rendition.id == id)?;
        let segment = |object: &Object| VideoSegment {
            bytes: object.bytes,
            iframe_bytes: object.iframe_bytes.unwrap_or(object.bytes),
        };
        Some(MadeVideo {
            rung,
            sample_entry: rendition.sample_entry.clone()?.into(),
            segments: media(rendition).map(segment).collect(),
        })
    };
    let rungs = 0..blueprint.stored.ladder.len();
    rungs.map(|rung| (rung, rendition_id(blueprint, rung))).filter_map(made).collect()
}

/// The sound rendition as recorded.
pub(crate) fn made_sound(
    blueprint: &Blueprint,
    renditions: &[Rendition],
) -> Result<Option<MadeSound>, StageError> {
    let rendition = renditions.iter().find(|rendition| rendition.kind == RenditionKind::Audio);
    let (Some(rendition), Some(layout)) = (rendition, sound::layout(blueprint)) else { return Ok(None) };
    let stored = |object: &Object| Stored { len: object.bytes, sha256: object.sha256 };
    let init = rendition.objects.iter().find(|object| object.part == Part::Init).map(stored);
    let config = sound::config(blueprint)?;
    match (init, config) {
        (Some(init), Some(config)) => Ok(Some(MadeSound {
            config,
            init,
            bounds: layout.bounds,
            segments: media(rendition).map(stored).collect(),
        })),
        _ => Err(StageError::retry("the sound is not recorded", "no init segment")),
    }
}

/// Bytes of the storyboard sheets as recorded, by tile.
pub(crate) fn made_sheets(images: &[Image]) -> BTreeMap<u32, u64> {
    let sheets = images.iter().filter(|image| image.kind == ImageKind::Storyboard);
    sheets.map(|image| (image.index, image.bytes)).collect()
}

/// A rung's name in the catalogue.
pub(crate) fn rendition_id(blueprint: &Blueprint, rung: usize) -> RenditionId {
    blueprint.rung(rung).id.parse().expect("a ladder names its rungs `360p` and the like")
}

/// The sound's name in the catalogue.
pub(crate) fn sound_id() -> RenditionId {
    RenditionName::audio().as_str().parse().expect("the name of the sound is a constant")
}

/// The rungs of a chunk, as indices into the ladder.
pub(crate) fn rung_indices(chunk: &ChunkSpec) -> impl Iterator<Item = usize> + '_ {
    chunk.rungs.iter().filter_map(|&rung| usize::try_from(rung).ok())
}

fn media(rendition: &Rendition) -> impl Iterator<Item = &Object> {
    rendition.objects.iter().filter(|object| object.part != Part::Init)
}

fn image(shelf: &Shelf, still: &MadeStill) -> Option<Image> {
    let (kind, index) = match &still.object {
        MediaObject::Poster => (ImageKind::Poster, 0),
        MediaObject::StoryboardSheet(number) => (ImageKind::Storyboard, number - 1),
        _ => return None,
    };
    let key = shelf.key(still.object.clone()).to_string();
    Some(Image { kind, index, key, bytes: still.stored.len, sha256: still.stored.sha256 })
}
