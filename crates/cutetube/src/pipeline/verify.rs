//! Every recorded object is read back before anybody is shown it, and what is lost is made again.

use std::collections::BTreeMap;
use std::ops::Range;

use catalog::ids::{Revision, VideoId};
use catalog::outputs::{Contents, Image, ImageKind, Object, Part, Redo, RenditionKind};
use catalog::work::{AudioJob, Class, EncodeJob, Work};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use transcode::chunk::{ChunkSpec, Stills};

use super::blueprint::Blueprint;
use super::{Shelf, StageError, ledger};
use crate::blobs::Stored;

/// Objects that are read at once, each in pieces of some kilobytes.
const READ_AT_ONCE: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Bytes that are as they were recorded.
    pub(crate) intact_bytes: u64,
    /// Names of the objects that are not.
    pub(crate) damaged: Vec<String>,
    /// The jobs that made them.
    pub(crate) redo: Vec<Redo>,
}

/// Reads every recorded object of a revision and compares length and SHA-256.
///
/// # Errors
/// When the store does not answer, which says nothing about the objects; or when an object is not from this plan.
pub(crate) async fn verify<P>(
    blueprint: &Blueprint,
    shelf: &Shelf,
    (video, revision): (VideoId, Revision),
    contents: &Contents<P>,
) -> Result<Findings, StageError> {
    let media = contents.renditions.iter().flat_map(|rendition| {
        rendition.objects.iter().map(move |object| (Origin::Media(rendition, object), object.into()))
    });
    let images = contents.images.iter().map(|image| (Origin::Image(image), image.into()));
    let recorded: Vec<(Origin<'_>, Recorded<'_>)> = media.chain(images).collect();
    // Collected first: a closure inside of the stream would have to fit every lifetime.
    let checks: Vec<_> =
        recorded.iter().map(|(_, recorded)| shelf.holds(recorded.key, recorded.stored)).collect();
    let intact: Vec<bool> = stream::iter(checks).buffered(READ_AT_ONCE).try_collect().await?;
    let mut findings = Findings::default();
    let mut lost = BTreeMap::new();
    for ((origin, recorded), intact) in recorded.iter().zip(intact) {
        if intact {
            findings.intact_bytes = findings.intact_bytes.saturating_add(recorded.stored.len);
            continue;
        }
        let maker = origin.maker(blueprint).ok_or_else(|| {
            StageError::retry("a stored object is lost that no job makes", recorded.key.to_owned())
        })?;
        findings.damaged.push(recorded.key.to_owned());
        lost.entry(maker).or_insert_with(|| maker.redo(blueprint, (video, revision), &contents.images));
    }
    findings.redo = lost.into_values().collect();
    Ok(findings)
}

/// An object as the catalogue has it.
struct Recorded<'a> {
    key: &'a str,
    stored: Stored,
}

impl<'a> From<&'a Object> for Recorded<'a> {
    fn from(object: &'a Object) -> Self {
        Self { key: &object.key, stored: Stored { len: object.bytes, sha256: object.sha256 } }
    }
}

impl<'a> From<&'a Image> for Recorded<'a> {
    fn from(image: &'a Image) -> Self {
        Self { key: &image.key, stored: Stored { len: image.bytes, sha256: image.sha256 } }
    }
}

/// What an object is of.
enum Origin<'a> {
    Media(&'a catalog::outputs::Rendition, &'a Object),
    Image(&'a Image),
}

/// The job that makes an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Maker {
    /// By its index in the plan.
    Chunk(usize),
    Sound,
}

impl Origin<'_> {
    fn maker(&self, blueprint: &Blueprint) -> Option<Maker> {
        let chunks = blueprint.stored.chunks.iter();
        let position = match self {
            Self::Media(rendition, _) if rendition.kind == RenditionKind::Audio => return Some(Maker::Sound),
            Self::Media(rendition, object) => {
                // The chunk that begins the video makes the init segments.
                let segment = match object.part {
                    Part::Init => 0,
                    Part::Media(segment) => segment,
                };
                chunks.clone().position(|chunk| {
                    let mut rungs = ledger::rung_indices(chunk);
                    segments(chunk).contains(&segment)
                        && rungs.any(|rung| ledger::rendition_id(blueprint, rung) == rendition.id)
                })
            }
            Self::Image(image) => chunks.clone().position(|chunk| shows(blueprint, chunk, image)),
        };
        position.map(Maker::Chunk)
    }
}

impl Maker {
    fn redo(self, blueprint: &Blueprint, (video, revision): (VideoId, Revision), images: &[Image]) -> Redo {
        let Self::Chunk(index) = self else {
            let work = Work::Audio(AudioJob { video, revision, rendition: ledger::sound_id() });
            return Redo { work, images: Vec::new() };
        };
        let chunk = blueprint.stored.chunks.get(index).expect("a maker was found among the chunks");
        let rungs = ledger::rung_indices(chunk).map(|rung| ledger::rendition_id(blueprint, rung)).collect();
        let class = Class::Normal;
        let work = Work::Encode(EncodeJob { video, revision, segments: segments(chunk), rungs, class });
        let images = images.iter().filter(|image| shows(blueprint, chunk, image));
        Redo { work, images: images.map(|image| (image.kind, image.index)).collect() }
    }
}

fn segments(chunk: &ChunkSpec) -> Range<u32> {
    chunk.first_segment..chunk.first_segment.saturating_add(chunk.segments)
}

/// Whether a chunk makes this image.
fn shows(blueprint: &Blueprint, chunk: &ChunkSpec, image: &Image) -> bool {
    let artwork = &blueprint.artwork;
    let frame = match image.kind {
        ImageKind::Poster => Some(artwork.poster),
        ImageKind::Storyboard => {
            usize::try_from(image.index).ok().and_then(|tile| artwork.storyboard.get(tile)).copied()
        }
    };
    let inside =
        |frame| segments(chunk).any(|segment| blueprint.timeline.segment_frames(segment).contains(&frame));
    chunk.stills == Stills::Make && frame.is_some_and(inside)
}
